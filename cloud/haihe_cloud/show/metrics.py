"""Figures for Prometheus, in a registry of our own: what the centre counts, and how its stations are."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric, UntypedMetricFamily

from .state import Condition
from .views import Views

STATUS_METRICS_MAX = 500
_NOT_A_NAME = re.compile(r"[^a-zA-Z0-9_]")


class StationsCollector:
    """Reads stations and status anew at each scrape; holds nothing."""

    def __init__(self, views: Views, status: Callable[[], dict[str, Any]]) -> None:
        self._views = views
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """All families of one scrape."""
        yield from self._stations()
        listeners = GaugeMetricFamily("haihe_page_listeners", "Web pages that listen for changes")
        listeners.add_metric([], len(self._views.feed.listeners))
        yield listeners
        for name, value in sorted(flatten(self._status()).items())[:STATUS_METRICS_MAX]:
            family = UntypedMetricFamily(name, "From the status of the centre")
            family.add_metric([], value)
            yield family

    def _stations(self) -> Iterator[Metric]:
        by_state = GaugeMetricFamily("haihe_stations", "Stations for which each state holds", labels=["state"])
        age = GaugeMetricFamily(
            "haihe_station_last_heard_age_seconds", "Time since the newest batch of a station", labels=["station"]
        )
        waiting = GaugeMetricFamily(
            "haihe_station_waiting_records", "Records that a station holds and the centre does not", labels=["station"]
        )
        missing = GaugeMetricFamily("haihe_station_missing_records", "Records known to be lost", labels=["station"])
        unknown = GaugeMetricFamily("haihe_unknown_stations", "Stations that speak and are not registered")
        found = self._views.stations()
        for condition in Condition:
            by_state.add_metric([condition], found.counts[condition])
        for row in found.stations:
            if row.last_heard_ms is not None:
                age.add_metric([row.code], max(0, found.now_ms - row.last_heard_ms) / 1000)
            waiting.add_metric([row.code], row.waiting)
            missing.add_metric([row.code], row.missing)
        unknown.add_metric([], len(found.unknown))
        yield from (by_state, age, waiting, missing, unknown)


def flatten(status: Mapping[str, Any], prefix: str = "haihe") -> dict[str, float]:
    """Numbers of a nested status by metric name: ``{"ingest": {"batches": 3}}`` is ``haihe_ingest_batches 3``."""
    out: dict[str, float] = {}
    for key, value in status.items():
        name = f"{prefix}_{_NOT_A_NAME.sub('_', str(key))}"
        if isinstance(value, Mapping):
            out.update(flatten(value, name))
        elif isinstance(value, int | float):
            out[name] = float(value)
    return out


def registry_of(views: Views, status: Callable[[], dict[str, Any]]) -> CollectorRegistry:
    """A registry with nothing in it but ours."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StationsCollector(views, status))
    return registry
