"""Following the arrival log with a durable cursor: nobody is fed from memory alone."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from haihe_contract.wire import Batch, decode

from haihe_cloud.database import Connection, Database, DatabaseAway
from haihe_cloud.limits import FOLLOW_ENTRIES, FOLLOW_TRIES

from . import quarantine
from .arrival import ArrivalEntry
from .ledger import Ledger

_log = logging.getLogger(__name__)
_IDLE_S = 1.0


class ReadFirst(Exception):
    """A follower needs something slow, that must not be done inside its transaction.

    Args:
        fetch: does it, outside; the same entry is handled again then.
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


class Following:
    """One follower on its way along the log: the shell around it decides only when to step and how long to pause.

    Args:
        ledger: whose log.
        database: where work and cursor are committed.
        follower: who works.
        away: exceptions that mean "not now", besides the database's own: the same entries are tried again for ever.
    """

    def __init__(
        self, ledger: Ledger, database: Database, follower: Follower, away: tuple[type[Exception], ...] = ()
    ) -> None:
        self._ledger, self._database, self._follower = ledger, database, follower
        self._away: tuple[type[Exception], ...] = (DatabaseAway, *away)
        self._position: int | None = None
        self._failures = 0
        self._most = FOLLOW_ENTRIES
        self._fault: Exception | None = None

    def step(self, patience_s: float) -> float | None:
        """Work off the next entries of the log; the commit holds the work on them and the cursor.

        Args:
            patience_s: how long to wait for entries.

        Returns:
            How many seconds to pause before the next step; None when there was nothing to do.
        """
        try:
            return self._step(patience_s)
        except _Moved:
            _log.warning("%s is also followed by another process", self._follower.name)
            self._position = None
            return 0.0
        except self._away as error:
            _log.warning("%s waits: %s", self._follower.name, error)
            self._position = None  # whether a commit that failed stands is not known
            return _IDLE_S

    def _step(self, patience_s: float) -> float | None:
        ledger, follower = self._ledger, self._follower
        if self._position is None:
            self._position = ledger.position(follower.name)
        if not ledger.wait(self._position, patience_s):
            return None
        entries = ledger.arrivals(self._position, 1 if self._fault else self._most)
        if not entries:
            return _IDLE_S  # the newest entry is known and not visible: another process prunes
        try:
            if self._fault and self._failures > FOLLOW_TRIES:
                _set_aside(ledger, self._database, follower, entries[0], self._fault, self._position)
                self._fault = None
            else:
                self._fault = _attempt(ledger, self._database, follower, entries, self._away, self._position)
        except ReadFirst as need:
            # What came before it is committed alone, and it alone: only its own reads are kept for it.
            self._most = max(1, need.before)
            self._fault = None if need.before else _fetch(need, follower, self._away)
            if self._fault is None:
                return 0.0
        if self._fault is not None:
            self._failures += 1
            return 0.1 * 2.0**self._failures
        self._position, self._failures, self._most = entries[-1].position, 0, FOLLOW_ENTRIES
        return 0.0


def follow(
    ledger: Ledger,
    database: Database,
    follower: Follower,
    stop: threading.Event,
    *,
    away: tuple[type[Exception], ...] = (),
) -> None:
    """Follow the log until told to stop, which ends it after the current commit; see :class:`Following`."""
    following = Following(ledger, database, follower, away)
    while not stop.is_set():
        stop.wait(following.step(_IDLE_S) or 0.0)


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
            if not ledger.advance(connection, follower.name, position, entries[-1].position):
                raise _Moved
            _work(follower, entries, connection)
    except (ReadFirst, _Moved):
        raise
    except away:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the follower's code does, the next batches matter
        # A fault of the follower's own code must not keep it from all later batches for ever.
        _log.exception("%s failed at position %d", follower.name, entries[0].position)
        return error
    return None


def _work(follower: Follower, entries: Sequence[ArrivalEntry], connection: Connection) -> None:
    for before, entry in enumerate(entries):
        batch = decode(entry.data)  # what a newer version has written is set aside, like what breaks the follower
        try:
            follower.handle(entry, batch, connection)
        except ReadFirst as need:
            need.before = before
            raise


def _fetch(need: ReadFirst, follower: Follower, away: tuple[type[Exception], ...]) -> Exception | None:
    """Read what is needed, outside of any transaction; the fault of the follower's own code, if any."""
    try:
        need.fetch()
    except away:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the follower's code does, the next batches matter
        _log.exception("%s failed to read what it needs", follower.name)
        return error
    return None


def _set_aside(
    ledger: Ledger, database: Database, follower: Follower, entry: ArrivalEntry, error: Exception, position: int
) -> None:
    ledger.quarantine([quarantine.set_aside(follower.name, entry, error)])
    with database.transaction(follower.name) as connection:
        if not ledger.advance(connection, follower.name, position, entry.position):
            raise _Moved
