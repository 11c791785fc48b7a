"""The stations themselves as points of InfluxDB, so that Grafana can draw map, fleet and warning lines.

    station  tags station, district, river; fields name, names, place, state 0..5, last word, level and margin
    level    tags station, series; fields warning, guarantee, datum: the constant lines of the hydrograph

One point a station and call; called once a minute this is also the history of the states. A warning line must
reach as far back as the hydrograph does, so where a series has no level points yet they are laid down hourly.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from .influx import InfluxStore
from .influxql import quoted
from .line_protocol import LEVEL, STATION, tag, text
from .port import StoreAway

HOUR_MS = 3_600_000
LOOK_BACK_MS = 30 * 24 * HOUR_MS
"""How far back a newly registered warning level is drawn."""


class MapState(IntEnum):
    """What the colour of a station on the map says, worst last. Numbers are part of the stored points."""

    NEVER_HEARD = 0
    NORMAL = 1
    DOUBTFUL = 2
    SILENT = 3
    ABOVE_WARNING = 4
    ABOVE_GUARANTEE = 5


MAP_STATE_NAMES = {
    MapState.NEVER_HEARD: ("未上线", "never heard"),
    MapState.NORMAL: ("正常", "normal"),
    MapState.DOUBTFUL: ("待核查", "needs a look"),
    MapState.SILENT: ("失联", "silent"),
    MapState.ABOVE_WARNING: ("超警戒", "above warning"),
    MapState.ABOVE_GUARANTEE: ("超保证", "above guarantee"),
}
"""Chinese and English names of the states."""


class LevelLines(NamedTuple):
    """Warning and guarantee level of one series, in metres above its datum; None where there is none."""

    series: str
    datum: str
    warning: float | None
    guarantee: float | None


class StationPoint(NamedTuple):
    """One station as it is now.

    Args:
        station: its code.
        name_zh: Chinese name.
        name_en: English name.
        latitude: degrees north, None where unknown.
        longitude: degrees east.
        district: empty where unknown.
        river: empty where unknown.
        state: the worst that holds.
        heard_ms: when its newest batch arrived, None when there never was one.
        level: newest believable water level in metres, if any.
        margin: that level minus the warning level of its series, if there is one.
        lines: its warning and guarantee levels.
    """

    station: str
    name_zh: str
    name_en: str
    latitude: float | None
    longitude: float | None
    district: str
    river: str
    state: MapState
    heard_ms: int | None = None
    level: float | None = None
    margin: float | None = None
    lines: tuple[LevelLines, ...] = ()


class StationPoints:
    """Writes the points of all stations through the InfluxDB store."""

    def __init__(self, store: InfluxStore) -> None:
        self._store = store
        self._drawn: set[tuple[str, str]] = set()

    def write(self, points: Sequence[StationPoint], now_ms: int) -> None:
        """Write one point a station, and its level lines, at ``now_ms``.

        Raises:
            StoreAway: when the engine is away or refuses a point. Nothing is queued: the next call says it anew.
        """
        self._write([station_line(point, now_ms) for point in points])
        for point in points:
            self._draw_back(point, now_ms)
        self._write([level_line(point.station, each, now_ms) for point in points for each in point.lines])

    def _draw_back(self, point: StationPoint, now_ms: int) -> None:
        fresh = [each for each in point.lines if (point.station, each.series) not in self._drawn]
        if fresh:
            newest = self._newest(point.station)
            for each in fresh:
                since = max(newest.get(each.series, 0), now_ms - LOOK_BACK_MS)
                self._write([level_line(point.station, each, at) for at in _hours(since, now_ms)])
                self._drawn.add((point.station, each.series))

    def _write(self, lines: Sequence[str]) -> None:
        blamed = self._store.write_lines(lines)
        if blamed:
            at, why = next(iter(blamed.items()))
            raise StoreAway(f"InfluxDB refuses {len(blamed)} station points, first {lines[at][:80]!r}: {why}")

    def _newest(self, station: str) -> dict[str, int]:
        tables = self._store.ask.ask(
            f'SELECT "datum" FROM {LEVEL} WHERE "station" = {quoted(station)} '  # noqa: S608 - quoted
            'GROUP BY "series" ORDER BY time DESC LIMIT 1'
        )
        return {table.tags["series"]: table.rows[0][0] for table in tables}


def station_line(point: StationPoint, time_ms: int) -> str:
    """The station as one line of the measurement ``station``."""
    names = " / ".join(name for name in (point.name_zh, point.name_en) if name) or point.station
    numbers = _present(latitude=point.latitude, longitude=point.longitude, level=point.level, margin=point.margin)
    heard = "" if point.heard_ms is None else f",heard_ms={point.heard_ms}i"
    return (
        f"{STATION},station={tag(point.station)},district={tag(point.district)},river={tag(point.river)} "
        f"name={text(names)},state={point.state:d}i{numbers}{heard} {time_ms}"
    )


def level_line(station: str, lines: LevelLines, time_ms: int) -> str:
    """The levels of one series as one line of the measurement ``level``."""
    numbers = _present(warning=lines.warning, guarantee=lines.guarantee)
    place = f"{LEVEL},station={tag(station)},series={tag(lines.series)}"
    return f"{place} datum={text(lines.datum)}{numbers} {time_ms}"


def _present(**fields: float | None) -> str:
    return "".join(f",{name}={float(value)!r}" for name, value in fields.items() if value is not None)


def _hours(since_ms: int, until_ms: int) -> range:
    """Whole hours after the one moment and before the other."""
    return range((since_ms // HOUR_MS + 1) * HOUR_MS, until_ms, HOUR_MS)
