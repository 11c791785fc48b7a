"""Batches that came in bundles and wait to be taken: a queue in SQL, in which they are as safe as at the broker.

Who imports a bundle only puts its batches here. The worker of the running centre takes them through the same way as
those of the broker, between what comes now, so there is one writer; a batch leaves once its records are durable.
"""

from collections.abc import Sequence
from typing import NamedTuple

from haihe_cloud.database import Database
from haihe_cloud.limits import CARRIED_COMMIT_BYTES, CARRIED_ROUND_BYTES, ROUND_MESSAGES

_BOOK = "carried"


class CarriedBatch(NamedTuple):
    """One batch of the queue.

    Args:
        id: its place.
        station: who has signed the bundle.
        data: its bytes.
    """

    id: int
    station: str
    data: bytes


class Waiting(NamedTuple):
    """How much has not been taken yet."""

    batches: int
    size: int


class Carried:
    """The queue.

    Args:
        database: where it lives.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, station: str, batches: Sequence[bytes]) -> None:
        """Add batches to the end; they are durable when it returns."""
        at = 0
        while at < len(batches):
            rows, size = [], 0
            while at < len(batches) and size < CARRIED_COMMIT_BYTES:
                rows.append((station, len(batches[at]), batches[at]))
                size += len(batches[at])
                at += 1
            with self._database.transaction(_BOOK) as connection:
                connection.executemany("INSERT INTO carried(station, size, data) VALUES(?, ?, ?)", rows)

    def next(self) -> list[CarriedBatch]:
        """The first batches, as many as make a round."""
        connection = self._database.connection()
        sizes = connection.execute("SELECT id, size FROM carried ORDER BY id LIMIT ?", (ROUND_MESSAGES,)).fetchall()
        if not sizes:
            return []
        last, left = sizes[0][0], CARRIED_ROUND_BYTES
        for place, size in sizes:
            left -= size
            if left < 0:
                break
            last = place
        rows = connection.execute("SELECT id, station, data FROM carried WHERE id<=? ORDER BY id", (last,))
        return [CarriedBatch(place, station, bytes(data)) for place, station, data in rows]

    def forget(self, places: Sequence[int]) -> None:
        """Take out what has become durable."""
        with self._database.transaction(_BOOK) as connection:
            connection.executemany("DELETE FROM carried WHERE id=?", [(place,) for place in places])

    def waiting(self) -> Waiting:
        """What has not been taken."""
        rows = self._database.connection().execute(
            "SELECT count(*), CAST(COALESCE(sum(size), 0) AS BIGINT) FROM carried"
        )
        return Waiting(*rows.fetchone())
