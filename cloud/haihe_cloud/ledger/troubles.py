"""Troubles with a station's numbers, found in what the ledger keeps.

Nothing of them is written, so any order of arrival gives the same.
"""

from haihe_cloud.database import Connection
from haihe_cloud.limits import LINES_SHOWN

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


def found(connection: Connection, station: str | None) -> list[Trouble]:
    """The troubles of one station or of all, the latest first."""
    stations = [station] if station is not None else [row[0] for row in connection.execute(_SUSPECTS)]
    out = [trouble for each in stations for trouble in _of_station(connection, each)]
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


def _of_station(connection: Connection, station: str) -> list[Trouble]:
    openings = told.openings(connection, station)
    rows = connection.execute(
        "SELECT line, head FROM line WHERE station=? AND line IN (SELECT previous FROM opening WHERE station=?)",
        (station, station),
    )
    heads = {line_of(line): head for line, head in rows}
    out = lines_that_went_back(station, heads, openings)
    for conflict in contents.conflicts(connection, station, LINES_SHOWN):
        detail: dict[str, object] = {"line": line_text(conflict.line), "digest": f"{conflict.digest:08x}",
                                     "times": conflict.times}  # fmt: skip
        out.append(Trouble(station, TWO_CONTENTS, conflict.line, conflict.number, detail, conflict.first_ms))
    return out
