"""Messages that were not taken: kept as they came, with the reason, within bounds; admitted again when asked for.

Who asks only makes a mark. The worker of the running centre takes the message through the same way as a new one, so
there is one writer; what it books and what leaves the quarantine stand in one commit.

What a follower of the arrival log set aside was booked already: it goes back into the log and nowhere else.
"""

import hashlib
import logging
from collections.abc import Sequence

from haihe_contract.wire import decode

from haihe_cloud.database import NO_LIMIT, Connection, Database
from haihe_cloud.limits import QUARANTINE_BYTES, QUARANTINE_GONE_ROWS, QUARANTINE_ROWS

from .arrival import TIMED, Arrival, ArrivalEntry, Gone, Quarantined, Refusal

_log = logging.getLogger(__name__)
_DROPPED = "quarantine_dropped"
FULL = "full"
"""Why a message went, when nobody dropped it."""
TOO_MANY_HOLES = "its line has too many holes now; ask again when older records have come"
_FOLLOWER, _TIMED = "follower/", "/timed"
_COLUMNS = "id, topic, station, reason, times, first_ms, last_ms, size, asked_ms, tried_ms"
_GONE = "INSERT INTO quarantine_gone SELECT id, topic, station, reason, size, first_ms, ?, ? FROM quarantine WHERE id=?"


class Quarantine:
    """What is in quarantine, for who looks at it and decides.

    Args:
        database: where it lives.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, number: int) -> tuple[Quarantined, bytes] | None:
        """One message with its bytes."""
        sql = f"SELECT {_COLUMNS}, data FROM quarantine WHERE id=?"  # noqa: S608 - our own names
        row = self._database.connection().execute(sql, (number,)).fetchone()
        return (Quarantined(*row[:-1]), bytes(row[-1])) if row else None

    def numbers(self) -> list[int]:
        """Of all messages, the oldest first."""
        rows = self._database.connection().execute("SELECT id FROM quarantine ORDER BY id")
        return [number for (number,) in rows]

    def ask(self, numbers: Sequence[int], now_ms: int) -> None:
        """Ask that these be admitted again."""
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE quarantine SET asked_ms=? WHERE id=?", [(now_ms, number) for number in numbers]
            )

    def asked(self, most: int) -> list[tuple[Quarantined, bytes]]:
        """Those that somebody wants admitted again, the oldest first."""
        sql = f"SELECT {_COLUMNS}, data FROM quarantine WHERE asked_ms IS NOT NULL ORDER BY id LIMIT ?"  # noqa: S608
        rows = self._database.connection().execute(sql, (most,))
        return [(Quarantined(*row[:-1]), bytes(row[-1])) for row in rows]

    def drop(self, number: int, why: str, now_ms: int) -> bool:
        """Throw one away for good; whether there was one. A line of it is kept, with the reason."""
        with self._database.transaction() as connection:
            connection.execute(_GONE, (now_ms, why, number))
            _forget_gone(connection)
            return connection.execute("DELETE FROM quarantine WHERE id=?", (number,)).rowcount > 0

    def gone(self, most: int) -> list[Gone]:
        """What went without being taken, the latest first."""
        rows = self._database.connection().execute(
            "SELECT id, topic, station, reason, size, first_ms, gone_ms, why FROM quarantine_gone"
            " ORDER BY gone_ms DESC, id DESC LIMIT ?",
            (most,),
        )
        return [Gone(*row) for row in rows]


def set_aside(follower: str, entry: ArrivalEntry, error: Exception) -> Refusal:
    """An entry of the arrival log that a follower cannot work; its topic tells where it belongs."""
    reason = f"follower {follower} failed at position {entry.position}: {error!r}"
    topic = f"{_FOLLOWER}{follower}{_TIMED if entry.lane == TIMED else ''}"
    return Refusal(topic, entry.station, reason, entry.data, entry.received_ms)


def was_set_aside(kept: Quarantined) -> bool:
    """Whether a follower of the arrival log did."""
    return kept.topic.startswith(_FOLLOWER)


def entry_again(kept: Quarantined, data: bytes, now_ms: int) -> ArrivalEntry:
    """The entry that a follower set aside, as it comes into the log once more.

    Raises:
        WireError: when this version still cannot read it.
    """
    batch = decode(data)
    lane = TIMED if kept.topic.endswith(_TIMED) else batch.lane
    return ArrivalEntry(0, batch.station, batch.line, lane, now_ms, data)


def put(connection: Connection, refusals: Sequence[Refusal], now_ms: int) -> None:
    """Keep them, inside the caller's transaction. The same bytes from the same place again are only counted."""
    if not refusals:
        return
    for refusal in refusals:
        if refusal.kept:
            _tried(connection, refusal.kept, refusal.reason, now_ms)
            continue
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
    _bound(connection, now_ms)


def tried(connection: Connection, arrival: Arrival, now_ms: int, *, booked: bool) -> None:
    """What was admitted again, and no part of it refused, leaves the quarantine with the commit that books it."""
    if not booked:
        _tried(connection, arrival.kept, TOO_MANY_HOLES, now_ms)
    elif not arrival.refused:
        leave(connection, arrival.kept)


def leave(connection: Connection, number: int) -> None:
    """It was taken."""
    connection.execute("DELETE FROM quarantine WHERE id=?", (number,))


def recent(connection: Connection, most: int) -> list[Quarantined]:
    """The latest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM quarantine ORDER BY last_ms DESC, id DESC LIMIT ?",  # noqa: S608 - our own names
        (most,),
    )
    return [Quarantined(*row) for row in rows]


def dropped(connection: Connection) -> int:
    """How many were dropped because the quarantine was full."""
    row = connection.execute("SELECT value FROM meta WHERE name=?", (_DROPPED,)).fetchone()
    return int(row[0]) if row else 0


def _tried(connection: Connection, number: int, reason: str, now_ms: int) -> None:
    connection.execute("UPDATE quarantine SET asked_ms=NULL, tried_ms=?, reason=? WHERE id=?", (now_ms, reason, number))


def _bound(connection: Connection, now_ms: int) -> None:
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
        connection.execute(_GONE, (now_ms, FULL, oldest))
        connection.execute("DELETE FROM quarantine WHERE id=?", (oldest,))
        rows, size, gone = rows - 1, size - bytes_, gone + 1
    if gone:
        connection.execute(
            "INSERT INTO meta VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value=meta.value+excluded.value",
            (_DROPPED, gone),
        )
        _forget_gone(connection)
        _log.warning("the quarantine is full: %d messages were dropped to make room", gone)


def _forget_gone(connection: Connection) -> None:
    connection.execute(
        "DELETE FROM quarantine_gone WHERE id IN"
        " (SELECT id FROM quarantine_gone ORDER BY gone_ms DESC, id DESC LIMIT ? OFFSET ?)",
        (NO_LIMIT, QUARANTINE_GONE_ROWS),
    )
