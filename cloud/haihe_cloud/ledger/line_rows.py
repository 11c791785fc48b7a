"""What is known of each line, as rows."""

from typing import Any

from haihe_cloud.database import Connection

from .arrival import LineState
from .lines import unheard
from .packed import line_of, line_text, pack, unpack
from .sheet import Table

_REST = ("head", "tail", "held", "refused", "gaps", "first_ms", "last_ms")
_LINE_COLUMNS = ", ".join(("station", "line", *_REST))
_FIND = f"SELECT {_LINE_COLUMNS} FROM line WHERE station=? AND line=?"  # noqa: S608
_LINES = (
    f"SELECT {_LINE_COLUMNS} FROM line WHERE station=?"  # noqa: S608
    " ORDER BY last_ms DESC, first_ms DESC, line LIMIT ?"
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


def of_station(connection: Connection, station: str, most: int) -> list[LineState]:
    """The lines of a station, the one heard last first."""
    return [state_of(row) for row in connection.execute(_LINES, (station, most))]
