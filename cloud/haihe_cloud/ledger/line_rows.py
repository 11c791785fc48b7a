"""What is known of each line, as rows."""

from typing import Any

from haihe_cloud.database import Connection

from .arrival import LineState
from .lines import unheard
from .packed import line_of, line_text, pack, unpack

_LINE_COLUMNS = "station, line, head, tail, held, refused, gaps, first_ms, last_ms"
_FIND = f"SELECT {_LINE_COLUMNS} FROM line WHERE station=? AND line=?"  # noqa: S608
_LINES = (
    f"SELECT {_LINE_COLUMNS} FROM line WHERE station=?"  # noqa: S608
    " ORDER BY last_ms DESC, first_ms DESC, line LIMIT ?"
)


def find(connection: Connection, station: str, line: int, now_ms: int) -> LineState:
    """What is known of a line; nothing, from that moment on, if it was never heard of."""
    row = connection.execute(_FIND, (station, line_text(line))).fetchone()
    return state_of(row) if row else unheard(station, line, now_ms)


def save(connection: Connection, state: LineState) -> None:
    """Put what is known in the place of what was known."""
    connection.execute(
        f"INSERT INTO line({_LINE_COLUMNS}) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(station, line)"
        " DO UPDATE SET head=excluded.head, tail=excluded.tail, held=excluded.held, refused=excluded.refused,"
        " gaps=excluded.gaps, first_ms=excluded.first_ms, last_ms=excluded.last_ms",
        (
            state.station,
            line_text(state.line),
            state.head,
            state.tail,
            pack(state.held),
            pack(state.refused),
            pack(state.gaps),
            state.first_ms,
            state.last_ms,
        ),
    )


def state_of(row: tuple[Any, ...]) -> LineState:
    """A row as it is meant."""
    station, line, head, tail, held, refused, gaps, first_ms, last_ms = row
    return LineState(station, line_of(line), head, tail, unpack(held), unpack(refused), unpack(gaps), first_ms, last_ms)


def of_station(connection: Connection, station: str, most: int) -> list[LineState]:
    """The lines of a station, the one heard last first."""
    return [state_of(row) for row in connection.execute(_LINES, (station, most))]
