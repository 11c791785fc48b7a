"""The InfluxQL of the dashboards. Whatever stands behind ``$`` is filled in by Grafana."""
# ruff: noqa: S608 - texts for Grafana made of constants, not statements made of input

from collections.abc import Mapping

from haihe_contract.quality import Flag

from haihe_cloud.store.line_protocol import CONFLICT, LEVEL, READING, STATION

_CHOSEN = '"district" =~ /^${district:regex}$/ AND "river" =~ /^${river:regex}$/'
_HERE = "\"station\" = '$station'"
_THESE = '"station" =~ /^${stations:regex}$/'
_USABLE = f'"flag" != {Flag.FAIL:d}'
_STEP = "time($__interval)"

STEP_VALUE: Mapping[str, str] = {
    "flow": "max",
    "velocity": "max",
    "accumulated_rain": "max",
    "contact": "max",
    "rain_intensity": "max",
    "wind_direction": "last",
    "latitude": "last",
    "longitude": "last",
    "satellites": "min",
    "supply_voltage": "min",
}
"""How many values become one per step where a mean would hide or invent something; else it is the mean."""

DISTRICTS = f'SHOW TAG VALUES FROM "{STATION}" WITH KEY = "district"'
RIVERS = f'SHOW TAG VALUES FROM "{STATION}" WITH KEY = "river" WHERE "district" =~ /^${{district:regex}}$/'
STATIONS = f'SHOW TAG VALUES FROM "{STATION}" WITH KEY = "station" WHERE {_CHOSEN}'

STATIONS_NOW = (
    'SELECT last("state") AS "state", "name", "latitude", "longitude", "level", "margin", "heard_ms" '
    f'FROM "{STATION}" WHERE {_CHOSEN} AND $timeFilter GROUP BY "station"'
)
STATES = f'SELECT max("state") FROM "{STATION}" WHERE {_CHOSEN} AND $timeFilter GROUP BY {_STEP}, "station" fill(none)'
ARRIVED = f'SELECT count("flag") FROM "{READING}" WHERE {_THESE} AND $timeFilter GROUP BY time(1h), "station" fill(0)'
# The maximum of each step, because a mean would hide the peak of a flood.
HYDROGRAPH = (
    f'SELECT max("value") FROM "{READING}" WHERE {_HERE} AND "series" = \'$level\' '
    f'AND {_USABLE} AND $timeFilter GROUP BY {_STEP}, "point" fill(none)'
)
RAIN = (
    f'SELECT sum("value") FROM "{READING}" WHERE {_HERE} AND "series" = \'$rain\' '
    f'AND {_USABLE} AND $timeFilter GROUP BY {_STEP}, "point" fill(none)'
)
CONFLICTS = (
    f'SELECT "series", "value", "flag", "grade", "line", "number" FROM "{CONFLICT}" '
    f'WHERE {_HERE} AND "shown" = false AND $timeFilter ORDER BY time DESC LIMIT 200'
)


def series_of(element: str) -> str:
    """Series of the chosen station that measure this element."""
    return f'SHOW TAG VALUES FROM "{READING}" WITH KEY = "series" WHERE {_HERE} AND "element" = \'{element}\''


def stations_in(state: int) -> str:
    """How many stations are in this state now."""
    return (
        f'SELECT count("state") AS "stations" FROM (SELECT last("state") AS "state" FROM "{STATION}" '
        f'WHERE {_CHOSEN} AND $timeFilter GROUP BY "station") WHERE "state" = {state:d}'
    )


def newest(element: str) -> str:
    """Newest value of an element per station, in a column of the element's name."""
    return (
        f'SELECT last("value") AS "{element}" FROM "{READING}" '
        f'WHERE "element" = \'{element}\' AND {_THESE} AND $timeFilter GROUP BY "station"'
    )


def line_of(name: str) -> str:
    """The warning or guarantee level of the chosen level series, as a constant line."""
    return (
        f'SELECT last("{name}") FROM "{LEVEL}" WHERE {_HERE} AND "series" = \'$level\' AND $timeFilter '
        f"GROUP BY {_STEP} fill(previous)"
    )


def element_values(element: str) -> str:
    """Values of an element at the chosen station, one line per measuring point and statistic."""
    value = STEP_VALUE.get(element, "mean")
    return (
        f'SELECT {value}("value") FROM "{READING}" WHERE {_HERE} AND "element" = \'{element}\' '
        f'AND {_USABLE} AND $timeFilter GROUP BY {_STEP}, "point", "statistic" fill(none)'
    )


def readings_with(flag: int) -> str:
    """How many readings of the chosen station carry this quality flag."""
    return (
        f'SELECT count("flag") FROM "{READING}" WHERE {_HERE} AND "flag" = {flag:d} AND $timeFilter '
        f"GROUP BY {_STEP} fill(0)"
    )
