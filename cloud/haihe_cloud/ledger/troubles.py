"""Troubles with a station's numbers, found in what the ledger keeps.

Nothing of them is written, so any order of arrival gives the same.
"""

from haihe_cloud.database import Connection
from haihe_cloud.limits import CONFLICTS_PER_STATION

from . import contents, told
from .arrival import StationEvent
from .missing import TWO_CONTENTS, Trouble, lines_that_went_back
from .packed import line_of, line_text

_SUSPECTS = (
    "SELECT o.station FROM opening o JOIN line l ON l.station=o.station AND l.line=o.previous"
    " WHERE l.head>o.previous_last"
    " UNION SELECT station FROM opening WHERE previous<>'0000000000000000' GROUP BY station, previous"
    " HAVING count(*)>1"
    " UNION SELECT station FROM content_conflict ORDER BY 1"
)


def found(connection: Connection, station: str | None, most: int = CONFLICTS_PER_STATION) -> list[Trouble]:
    """The troubles of one station or of all, the latest first; at most so many numbers with two contents of each."""
    stations = [station] if station is not None else [row[0] for row in connection.execute(_SUSPECTS)]
    out = [trouble for each in stations for trouble in _of_station(connection, each, most)]
    return sorted(out, key=lambda each: -each.received_ms)


def as_event(trouble: Trouble) -> StationEvent:
    """A trouble among the events of a station; its time is when the centre learned of it."""
    return StationEvent(
        trouble.station,
        trouble.line,
        trouble.number,
        trouble.received_ms,
        0,
        trouble.kind,
        "",
        None,
        dict(trouble.detail),
        trouble.received_ms,
    )


def _of_station(connection: Connection, station: str, most: int) -> list[Trouble]:
    openings = told.openings(connection, station)
    rows = connection.execute(
        "SELECT line, head FROM line WHERE station=? AND line IN (SELECT previous FROM opening WHERE station=?)",
        (station, station),
    )
    heads = {line_of(line): head for line, head in rows}
    out = lines_that_went_back(station, heads, openings)
    for line, number, digest, times, first_ms in contents.places(connection, station, most):
        detail: dict[str, object] = {"line": line_text(line), "digest": f"{digest:08x}", "times": times}
        out.append(Trouble(station, TWO_CONTENTS, line, number, detail, first_ms))
    return out
