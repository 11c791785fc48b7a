"""The stations as they are now, for the store that Grafana draws its map and warning lines from."""

import logging
import threading
from typing import cast

from haihe_contract.clock import Clock
from haihe_contract.errors import must

from .admit.registry import Registry, Station
from .database import DatabaseAway
from .show.feed import LiveFeed
from .show.state import Condition, StationState
from .store.influx import InfluxStore
from .store.port import Store, StoreAway
from .store.station_points import LevelLines, MapState, StationPoint, StationPoints

_log = logging.getLogger(__name__)
_EVERY_S = 60.0
_AGAIN_S = 5.0

MAP_STATES = {
    Condition.ABOVE_GUARANTEE: MapState.ABOVE_GUARANTEE,
    Condition.ABOVE_WARNING: MapState.ABOVE_WARNING,
    Condition.SILENT: MapState.SILENT,
    Condition.NO_VALUE: MapState.DOUBTFUL,
    Condition.LATE: MapState.DOUBTFUL,
    Condition.TIME_UNKNOWN: MapState.DOUBTFUL,
    Condition.UNVERIFIED: MapState.DOUBTFUL,
    Condition.NEVER_HEARD: MapState.NEVER_HEARD,
    Condition.NORMAL: MapState.NORMAL,
}
"""The colour on Grafana's map for each condition of the built-in page."""


def station_point(station: Station, state: StationState, heard_ms: int | None) -> StationPoint:
    """One station as a point of the map."""
    level = state.level.sighting.reading.value if state.level else None
    warning = state.level.warning if state.level else None
    return StationPoint(
        station.code,
        station.name_zh,
        station.name_en,
        station.latitude,
        station.longitude,
        station.district,
        station.river,
        MAP_STATES[state.worst],
        heard_ms,
        level,
        None if level is None or warning is None else level - warning,
        tuple(LevelLines(each.series, each.datum, each.warning, each.guarantee) for each in station.levels),
    )


class StationMap:
    """Writes all stations once a minute; that is also the history of their states."""

    def __init__(
        self, points: StationPoints, registry: Registry, feed: LiveFeed, clock: Clock, stop: threading.Event
    ) -> None:
        self._points = points
        self._registry = registry
        self._feed = feed
        self._clock = clock
        self._stop = stop

    def run(self) -> None:
        """Write until told to stop; a store that is away is tried again soon."""
        while not self._stop.is_set():
            self._stop.wait(_EVERY_S if self.write() else _AGAIN_S)

    def write(self) -> bool:
        """Write the stations once; False when store or database is away."""
        try:
            points = [
                station_point(station, self._feed.state(station), self._feed.facts(station).last_heard_ms)
                for station in self._registry.stations()
            ]
            self._points.write(points, self._clock.now_ms())
        except (StoreAway, DatabaseAway) as error:
            _log.warning("the map is not written now: %s", error)
            return False
        return True


def station_map(store: Store, registry: Registry, feed: LiveFeed, clock: Clock, stop: threading.Event) -> StationMap:
    """The map of a centre whose series live in InfluxDB.

    Raises:
        ProgramError: when the store is another.
    """
    must(isinstance(store, InfluxStore), "only InfluxDB keeps the map")
    return StationMap(StationPoints(cast("InfluxStore", store)), registry, feed, clock, stop)
