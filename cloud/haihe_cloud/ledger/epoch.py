"""The epoch of the ledger: a number that never comes back, however often and from whichever backup it is restored.

Within an epoch stations add receipts up, so a ledger that went back in time must not go on in the epoch of what it
has forgotten. The clock alone cannot promise that (docs/decisions/0015): a part of each epoch is drawn, and a centre
that starts reads its own receipts back from the broker (:mod:`haihe_cloud.ingest.recall`).
"""

import secrets
from typing import NamedTuple

import msgspec
from haihe_contract.quality import Grade
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.receipt import Receipt

from haihe_cloud.database import Connection
from haihe_cloud.limits import EPOCH_DRAWN, EPOCHS_SHOWN

from .packed import line_of, line_text, unpack

MADE, ASKED, RESTORED, CONTRADICTED = "made", "asked", "restored", "contradicted"
"""Why an epoch was begun: a new ledger; ``haihe-cloud ledger renew``; ``haihe-cloud restore``; its own receipts at the
broker say more than the ledger."""
EVENT = "centre_restored"
"""Kind of the event that each station's list gets when receipts became void."""
_NO_LINE = line_text(0)


class Epoch(NamedTuple):
    """One epoch of the ledger: since when, and why it was begun."""

    epoch: int
    since_ms: int
    cause: str


def begin_epoch(connection: Connection, now_ms: int, cause: str, *, above: int = 0) -> Epoch:
    """Begin the first epoch or a new one, higher than every one that is known; only once where it is the first.

    Args:
        connection: inside a transaction.
        now_ms: by the centre's clock.
        cause: :data:`MADE` for the first.
        above: the highest epoch that was seen elsewhere.
    """
    row = connection.execute("SELECT value FROM meta WHERE name='epoch'").fetchone()
    known = int(row[0]) if row else 0
    if cause == MADE and row:
        return Epoch(known, 0, MADE)
    # Drawn, so that two restores from one backup never begin the same, whatever the clock says.
    fresh = Epoch(max(now_ms, max(known, above) + 1) + secrets.randbelow(EPOCH_DRAWN), now_ms, cause)
    connection.execute(
        "INSERT INTO meta VALUES('epoch', ?) ON CONFLICT(name) DO UPDATE SET value=excluded.value", (fresh.epoch,)
    )
    connection.execute("INSERT INTO epoch VALUES(?, ?, ?)", fresh)
    if cause != MADE:
        _tell_stations(connection, fresh)
    return fresh


def epoch_history(connection: Connection) -> list[Epoch]:
    """The latest epochs, newest first. A ledger made before epochs were written down has none of its first."""
    rows = connection.execute("SELECT epoch, since_ms, cause FROM epoch ORDER BY epoch DESC LIMIT ?", (EPOCHS_SHOWN,))
    return [Epoch(*row) for row in rows]


def not_booked(connection: Connection, stated: Receipt) -> dict[int, RangeSet]:
    """Numbers per line that a receipt names and the ledger has neither held nor refused."""
    rows = connection.execute("SELECT line, held, refused FROM line WHERE station=?", (stated.station,))
    booked = {line_of(line): unpack(held) | unpack(refused) for line, held, refused in rows}
    more = {line: numbers - booked.get(line, EMPTY) for line, numbers in stated.settled().items()}
    return {line: numbers for line, numbers in more.items() if numbers}


def _tell_stations(connection: Connection, fresh: Epoch) -> None:
    detail = msgspec.json.encode({"epoch": str(fresh.epoch), "cause": fresh.cause}).decode()
    stations = connection.execute("SELECT DISTINCT station FROM line").fetchall()
    connection.executemany(
        "INSERT INTO event VALUES(?, ?, ?, ?, ?, ?, '', NULL, ?, ?) ON CONFLICT DO NOTHING",
        [
            (station, _NO_LINE, fresh.epoch, fresh.since_ms, int(Grade.CENTRE), EVENT, detail, fresh.since_ms)
            for (station,) in stations
        ],
    )
