"""What is known of each line, as rows."""

from collections.abc import Sequence
from typing import Any

from haihe_cloud.database import Connection, select_among

from .arrival import LineState
from .lines import unheard
from .packed import line_of, line_text, pack, unpack
from .sheet import Table

_REST = ("head", "tail", "held", "refused", "gaps", "first_ms", "last_ms")
_LINE_COLUMNS = "station, line, " + ", ".join(_REST)
_FIND = f"SELECT {_LINE_COLUMNS} FROM line WHERE station=? AND line=?"  # noqa: S608
_OF_LINE = ", ".join(f"line.{column}" for column in ("station", "line", *_REST))
_LATEST = (
    f"WITH wanted(station) AS (VALUES {{}}) SELECT {_OF_LINE}, opening.previous FROM wanted"  # noqa: S608
    " JOIN line ON line.station=wanted.station AND line.last_ms>=COALESCE((SELECT last_ms FROM line AS each"
    " WHERE each.station=wanted.station ORDER BY last_ms DESC LIMIT 1 OFFSET %d), 0)"
    " LEFT JOIN opening ON opening.station=line.station AND opening.line=line.line"
)


def find(connection: Connection, station: str, line: int, now_ms: int) -> LineState:
    """What is known of a line; nothing, from that moment on, if it was never heard of."""
    row = connection.execute(_FIND, (station, line_text(line))).fetchone()
    return state_of(row) if row else unheard(station, line, now_ms)


def state_of(row: tuple[Any, ...]) -> LineState:
    """A row as it is meant."""
    station, line, head, tail, held, refused, gaps, first_ms, last_ms = row
    return LineState(station, line_of(line), head, tail, unpack(held), unpack(refused), unpack(gaps), first_ms, last_ms)


def _rest(state: LineState) -> tuple[Any, ...]:
    sets = (pack(state.held), pack(state.refused), pack(state.gaps))
    return (state.head, state.tail, *sets, state.first_ms, state.last_ms)


LINE: Table[LineState] = Table("line", ("station", "line"), _REST, state_of, _rest)


def of_stations(
    connection: Connection, stations: Sequence[str], most: int
) -> tuple[dict[str, list[LineState]], dict[str, dict[int, int]]]:
    """The lines of each station, the one heard last first, at most so many; and which line each names before it."""
    found: dict[str, list[LineState]] = {station: [] for station in stations}
    before: dict[str, dict[int, int]] = {station: {} for station in stations}
    for *row, previous in select_among(connection, _LATEST % (most - 1), [(station,) for station in stations]):
        state = state_of(tuple(row))
        found[state.station].append(state)
        if previous is not None:
            before[state.station][state.line] = line_of(previous)
    for lines in found.values():
        lines.sort(key=lambda each: (-each.last_ms, -each.first_ms, each.line))
        del lines[most:]
    return found, before
