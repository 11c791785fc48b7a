"""Connections to a database: one for each thread, closed when their thread is gone."""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from haihe_contract.clock import SystemClock

_AGAIN_S = 0.01
"""Between two tries to put a file into WAL mode."""
_PRIMARY_CODE = 0xFF
"""Of a result code of SQLite; the bits above say more exactly why (https://sqlite.org/rescode.html)."""


class Closable(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Give back what it holds; what was not committed is undone."""
        ...


_C = TypeVar("_C", bound=Closable)


class Connections(Generic[_C]):
    """A web server's threads come and go for years, so what ended threads left open is closed.

    Args:
        connect: makes a connection; what it raises, :meth:`mine` raises.
    """

    def __init__(self, connect: Callable[[], _C]) -> None:
        self._connect = connect
        self._local = threading.local()
        self._all: list[tuple[threading.Thread, _C]] = []
        self._lock = threading.Lock()

    def mine(self) -> _C:
        """The connection of this thread."""
        found: _C | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._connect()
            self._local.connection = found
            with self._lock:
                self._close_left()
                self._all.append((threading.current_thread(), found))
        return found

    def drop(self) -> None:
        """Close this thread's connection, which rolls back; the next use opens a fresh one."""
        found: _C | None = getattr(self._local, "connection", None)
        if found is not None:
            self._local.connection = None
            with self._lock:
                self._all = [each for each in self._all if each[1] is not found]
            found.close()

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for _, connection in self._all:
                connection.close()
            self._all.clear()
        self._local = threading.local()

    def _close_left(self) -> None:
        for thread, connection in self._all:
            if not thread.is_alive():
                connection.close()
        self._all = [each for each in self._all if each[0].is_alive()]


class Turns:
    """A lock that goes to whoever has waited longest.

    SQLite lets those who wait for its one writer sleep, up to 100 ms at a time, and whoever asks meanwhile goes first:
    among four busy threads one may wait for ever. Python's own lock goes to whoever asks first, too.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    def take(self, seconds: float) -> bool:
        """Wait for the turn; False when it did not come in that time."""
        with self._guard:
            if not self._taken:
                self._taken = True
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        if mine.acquire(timeout=seconds):
            return True
        with self._guard:
            if mine not in self._waiting:
                return True  # it came just now
            self._waiting.remove(mine)
            return False

    def end(self) -> None:
        """Hand it on."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


def open_file(path: Path, *, patience_s: float) -> sqlite3.Connection:
    """A connection to a SQLite file in WAL mode with ``synchronous=FULL``: what was committed is durable.

    Args:
        path: of the file; made when it is not there.
        patience_s: how long a statement, and the opening, waits for a lock.

    Raises:
        sqlite3.Error: when the file cannot be opened, or others hold it for longer than that.
    """
    made = sqlite3.connect(path, timeout=patience_s, isolation_level=None, check_same_thread=False)
    try:
        _enter_wal(made, patience_s)
        made.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error:
        made.close()
        raise
    return made


def _enter_wal(connection: sqlite3.Connection, patience_s: float) -> None:
    """Put its file into WAL mode, whoever else does so at this moment.

    On a file in WAL mode this only reads, and waits as every statement does. The switch itself, once in the life of a
    file (when it is new, or comes from a backup), reads the mode and then asks for the lock of writers while it holds
    that of readers. SQLite refuses this at once where somebody else is writing, whatever the busy timeout: two that
    waited for each other so would wait for ever. So the waiting is done here, with no lock held. Somebody always
    gets on: a refusal means that another holds the writers' lock, and when that one has switched too, all others
    only read.
    """
    clock = SystemClock()
    until_ms = clock.monotonic_ms() + patience_s * 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY
            if not is_busy or clock.monotonic_ms() >= until_ms:
                raise
        time.sleep(_AGAIN_S)
