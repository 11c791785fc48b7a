"""Following the arrival log with a durable cursor: nobody is fed from memory alone."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from haihe_contract.wire import Batch, WireError, decode

from haihe_cloud.database import Connection, Database, DatabaseAway
from haihe_cloud.limits import FOLLOW_ENTRIES, FOLLOW_TRIES

from .arrival import ArrivalEntry, Refusal
from .ledger import Ledger

_log = logging.getLogger(__name__)
_IDLE_S = 1.0


class ReadFirst(Exception):
    """A follower needs something slow that must not be read inside a transaction.

    Args:
        fetch: reads it, outside; the same entry is handled again then.
    """

    def __init__(self, fetch: Callable[[], None]) -> None:
        super().__init__("something must be read before the transaction")
        self.fetch = fetch
        self.before = 0
        """How many entries of the commit came before the one that needs it."""


class _Moved(Exception):
    """The cursor is not where this follower left it: another process works under its name."""


class Follower(Protocol):
    """Somebody who works off every admitted batch, in the order of arrival."""

    name: str
    """Of its cursor, and of the book (:meth:`haihe_cloud.database.Database.transaction`) that it writes."""

    def handle(self, entry: ArrivalEntry, batch: Batch, connection: Connection) -> None:
        """Take one batch in. What is written through the connection commits together with the cursor.

        The same batch may come again after a crash, and numbers may repeat within other batches.

        Raises:
            ReadFirst: what must be read before it can be taken in.
        """
        ...


def follow(
    ledger: Ledger,
    database: Database,
    follower: Follower,
    stop: threading.Event,
    *,
    away: tuple[type[Exception], ...] = (),
) -> None:
    """Follow the log until told to stop; each commit holds the work on some entries and the cursor.

    Args:
        ledger: whose log.
        database: where work and cursor are committed.
        follower: who works.
        stop: ends the loop after the current commit.
        away: exceptions that mean "not now", besides the database's own: the same entries are tried again for ever.
    """
    position: int | None = None
    failures = 0
    most = FOLLOW_ENTRIES
    fault: Exception | None = None
    away = (DatabaseAway, *away)
    while not stop.is_set():
        try:
            if position is None:
                position = ledger.position(follower.name)
            if not ledger.wait(position, _IDLE_S):
                continue
            entries = ledger.arrivals(position, 1 if fault else most)
            if not entries:
                stop.wait(_IDLE_S)  # the newest entry is known and not visible: another process prunes
                continue
            if fault and failures > FOLLOW_TRIES:
                _set_aside(ledger, database, follower, entries[0], fault)
                fault = None
            else:
                fault = _attempt(ledger, database, follower, entries, away, position)
        except ReadFirst as need:
            # What came before it is committed alone, and it alone: only its own reads are kept for it.
            most = max(1, need.before)
            fault = None if need.before else _fetch(need, follower, stop, away)
            if fault is None:
                continue
        except _Moved:
            _log.warning("%s is also followed by another process", follower.name)
            position = None
            continue
        except away as error:
            _log.warning("%s waits: %s", follower.name, error)
            position = None  # whether a commit that failed stands is not known
            stop.wait(_IDLE_S)
            continue
        if fault is None:
            position, failures, most = entries[-1].position, 0, FOLLOW_ENTRIES
        else:
            failures += 1
            stop.wait(0.1 * 2**failures)


def _attempt(
    ledger: Ledger,
    database: Database,
    follower: Follower,
    entries: Sequence[ArrivalEntry],
    away: tuple[type[Exception], ...],
    position: int,
) -> Exception | None:
    """Let the follower work off the entries; the fault of its own code that undid it, if any."""
    try:
        with database.transaction(follower.name) as connection:
            if ledger.position(follower.name) != position:
                raise _Moved
            _work(ledger, follower, entries, connection)
    except (ReadFirst, _Moved):
        raise
    except away:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the follower's code does, the next batches matter
        # A fault of the follower's own code must not keep it from all later batches for ever.
        _log.exception("%s failed at position %d", follower.name, entries[0].position)
        return error
    return None


def _work(ledger: Ledger, follower: Follower, entries: Sequence[ArrivalEntry], connection: Connection) -> None:
    for before, entry in enumerate(entries):
        try:
            batch = decode(entry.data)
        except WireError as error:  # written by a version that this one does not know
            _log.error("position %d cannot be opened: %s", entry.position, error)  # noqa: TRY400
            continue
        try:
            follower.handle(entry, ledger.without_conflicts(batch), connection)
        except ReadFirst as need:
            need.before = before
            raise
    ledger.advance(connection, follower.name, entries[-1].position)


def _fetch(
    need: ReadFirst, follower: Follower, stop: threading.Event, away: tuple[type[Exception], ...]
) -> Exception | None:
    """Read what is needed, outside of any transaction; the fault of the follower's own code, if any."""
    try:
        need.fetch()
    except away as error:
        _log.warning("%s waits: %s", follower.name, error)
        stop.wait(_IDLE_S)
    except Exception as error:  # noqa: BLE001 - whatever the follower's code does, the next batches matter
        _log.exception("%s failed to read what it needs", follower.name)
        return error
    return None


def _set_aside(ledger: Ledger, database: Database, follower: Follower, entry: ArrivalEntry, error: Exception) -> None:
    reason = f"follower {follower.name} failed at position {entry.position}: {error!r}"
    ledger.quarantine([Refusal(f"follower/{follower.name}", entry.station, reason, entry.data, entry.received_ms)])
    with database.transaction(follower.name) as connection:
        ledger.advance(connection, follower.name, entry.position)
