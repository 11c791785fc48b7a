"""Messages that were not taken: kept as they came, with the reason, within bounds."""

import hashlib
from collections.abc import Sequence

from haihe_cloud.database import Connection
from haihe_cloud.limits import QUARANTINE_BYTES, QUARANTINE_ROWS

from .arrival import Quarantined, Refusal

_DROPPED = "quarantine_dropped"


def put(connection: Connection, refusals: Sequence[Refusal]) -> None:
    """Keep them, inside the caller's transaction. The same bytes from the same place again are only counted."""
    if not refusals:
        return
    for refusal in refusals:
        digest = hashlib.sha256(refusal.topic.encode("utf-8", "replace") + b"\0" + refusal.data).digest()
        connection.execute(
            "INSERT INTO quarantine(digest, topic, station, reason, times, first_ms, last_ms, size, data)"
            " VALUES(?, ?, ?, ?, 1, ?, ?, ?, ?) ON CONFLICT(digest) DO UPDATE SET"
            " times=quarantine.times+1, last_ms=excluded.last_ms, reason=excluded.reason",
            (
                digest,
                refusal.topic,
                refusal.station,
                refusal.reason,
                refusal.received_ms,
                refusal.received_ms,
                len(refusal.data),
                refusal.data,
            ),
        )
    _bound(connection)


def recent(connection: Connection, most: int) -> list[Quarantined]:
    """The latest first."""
    rows = connection.execute(
        "SELECT id, topic, station, reason, times, first_ms, last_ms, size FROM quarantine"
        " ORDER BY last_ms DESC, id DESC LIMIT ?",
        (most,),
    )
    return [Quarantined(*row) for row in rows]


def dropped(connection: Connection) -> int:
    """How many were dropped because the quarantine was full."""
    row = connection.execute("SELECT value FROM meta WHERE name=?", (_DROPPED,)).fetchone()
    return int(row[0]) if row else 0


def _bound(connection: Connection) -> None:
    """Drop the oldest of whoever fills the quarantine most, so that one station cannot push the others out."""
    rows, size = connection.execute(
        "SELECT count(*), CAST(COALESCE(sum(size), 0) AS BIGINT) FROM quarantine"
    ).fetchone()
    gone = 0
    while rows > QUARANTINE_ROWS or size > QUARANTINE_BYTES:
        (station,) = connection.execute(
            "SELECT station FROM quarantine GROUP BY station"
            " ORDER BY count(*) / ? + sum(size) / ? DESC, station LIMIT 1",
            (float(QUARANTINE_ROWS), float(QUARANTINE_BYTES)),
        ).fetchone()
        oldest, bytes_ = connection.execute(
            "SELECT id, size FROM quarantine WHERE station=? ORDER BY id LIMIT 1", (station,)
        ).fetchone()
        connection.execute("DELETE FROM quarantine WHERE id=?", (oldest,))
        rows, size, gone = rows - 1, size - bytes_, gone + 1
    if gone:
        connection.execute(
            "INSERT INTO meta VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value=meta.value+excluded.value",
            (_DROPPED, gone),
        )
