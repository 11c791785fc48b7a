"""Pieces of a Grafana dashboard as plain dictionaries: targets, panels, variables. Grafana 11 to 13 take them."""

from collections.abc import Mapping, Sequence
from typing import Any

from haihe_contract.element import Element

Json = dict[str, Any]

DATASOURCE_UID = "haihe-influxdb"
TIME_ZONE = "Asia/Shanghai"
SCHEMA_VERSION = 39
"""Dashboard schema of Grafana 11; newer versions bring it up themselves."""
SOURCE: Json = {"type": "influxdb", "uid": DATASOURCE_UID}

UNITS: Mapping[str, str] = {
    "m": "lengthm",
    "mm": "lengthmm",
    "m³/s": "flowcms",
    "m/s": "velocityms",
    "°C": "celsius",
    "%": "percent",
    "hPa": "pressurehpa",
    "°": "degree",
    "V": "volt",
    "A": "amp",
    "mV": "mvolt",
    "dBm": "dBm",
    "": "none",
}
"""Grafana's name of a unit; others are shown as a suffix."""


def unit(element: Element) -> str:
    """Grafana's unit for an element."""
    return UNITS.get(element.unit, f"suffix: {element.unit}")


def both(zh: str, en: str) -> str:
    """A title in both languages."""
    return f"{zh} / {en}"


def target(ref: str, query: str, *, alias: str = "", table: bool = False) -> Json:
    """One InfluxQL query of a panel."""
    return {
        "refId": ref,
        "datasource": SOURCE,
        "query": query,
        "rawQuery": True,
        "resultFormat": "table" if table else "time_series",
        "alias": alias,
    }


def panel(
    kind: str,
    title: str,
    place: tuple[int, int, int, int],
    targets: Sequence[Json],
    *,
    defaults: Json | None = None,
    overrides: Sequence[Json] = (),
    options: Json | None = None,
    transformations: Sequence[Json] = (),
) -> Json:
    """One panel at (x, y, width, height); its id is given by :func:`dashboard`."""
    x, y, width, height = place
    return {
        "type": kind,
        "title": title,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": width, "h": height},
        "targets": list(targets),
        "fieldConfig": {"defaults": defaults or {}, "overrides": list(overrides)},
        "options": options or {},
        "transformations": list(transformations),
    }


def override(matcher: str, options: Any, **properties: Any) -> Json:
    """Properties for the fields that a matcher finds; ``__`` in a name stands for a dot."""
    return {
        "matcher": {"id": matcher, "options": options},
        "properties": [{"id": name.replace("__", "."), "value": value} for name, value in properties.items()],
    }


def by_ref(ref: str, **properties: Any) -> Json:
    """Properties for every field of one target."""
    return override("byFrameRefID", ref, **properties)


def by_name(name: str, **properties: Any) -> Json:
    """Properties for the column of that name."""
    return override("byName", name, **properties)


def fixed(colour: str) -> Json:
    """One colour whatever the value."""
    return {"mode": "fixed", "fixedColor": colour}


def thresholds(*steps: tuple[float | None, str]) -> Json:
    """Colours from each value upwards; the first has no value."""
    return {
        "mode": "absolute",
        "steps": [{"value": value, "color": colour} for value, colour in steps],
    }


def value_names(names: Mapping[int, tuple[str, str]]) -> list[Json]:
    """Words and colours instead of numbers: value -> (text, colour)."""
    return [
        {
            "type": "value",
            "options": {
                str(value): {"text": words, "color": colour, "index": value} for value, (words, colour) in names.items()
            },
        }
    ]


def time_series(*, bars: bool = False, fill: int = 0) -> Json:
    """Custom field settings of a time series panel."""
    return {
        "drawStyle": "bars" if bars else "line",
        "lineWidth": 0 if bars else 2,
        "fillOpacity": 80 if bars else fill,
        "showPoints": "auto",
        "spanNulls": False,
        "lineInterpolation": "linear",
        "axisPlacement": "auto",
    }


LEGEND: Json = {
    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
    "tooltip": {"mode": "multi", "sort": "none"},
}


def variable(name: str, label: str, query: str, *, every: bool, hidden: bool = False) -> Json:
    """A variable filled from the data.

    With ``every`` it has an "all" that stands for any value; a hidden one stands for just the values it found,
    so that panels can follow the choice made in the others.
    """
    made: Json = {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": query,
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": every,
        "includeAll": every,
        "current": {"text": "All", "value": "$__all"} if every else {},
        "options": [],
        "hide": 2 if hidden else 0,
    }
    if every and not hidden:
        made["allValue"] = ".*"
    return made


def dashboard(
    uid: str,
    title: str,
    panels: Sequence[Json],
    variables: Sequence[Json],
    *,
    window: str,
    refresh: str,
    links: Sequence[Json] = (),
) -> Json:
    """A whole dashboard; panels are numbered in their order."""
    return {
        "uid": uid,
        "title": title,
        "tags": ["haihe"],
        "timezone": TIME_ZONE,
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "time": {"from": window, "to": "now"},
        "refresh": refresh,
        "templating": {"list": list(variables)},
        "annotations": {"list": []},
        "links": list(links),
        "panels": [{"id": number, **each} for number, each in enumerate(panels, start=1)],
    }
