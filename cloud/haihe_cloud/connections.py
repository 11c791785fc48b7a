"""SQLite connections: one for each thread, closed when their thread is gone."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path


class Connections:
    """Connections to one file in WAL mode with ``synchronous=FULL``: what was committed is durable.

    A web server's threads come and go for years, so what ended threads left open is closed.

    Args:
        path: of the file; made when it is not there.
        patience_s: how long a statement waits for a lock.
        prepare: further settings for each new connection.
    """

    def __init__(
        self, path: Path, *, patience_s: float, prepare: Callable[[sqlite3.Connection], object] = lambda _: None
    ) -> None:
        self.path = path
        self._patience_s, self._prepare = patience_s, prepare
        self._local = threading.local()
        self._all: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._lock = threading.Lock()

    def mine(self) -> sqlite3.Connection:
        """The connection of this thread.

        Raises:
            sqlite3.Error: when the file cannot be opened.
        """
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self.path, timeout=self._patience_s, isolation_level=None, check_same_thread=False)
            try:
                found.execute("PRAGMA journal_mode=WAL")
                found.execute("PRAGMA synchronous=FULL")
                self._prepare(found)
            except sqlite3.Error:
                found.close()
                raise
            self._local.connection = found
            with self._lock:
                self._close_left()
                self._all.append((threading.current_thread(), found))
        return found

    def drop(self) -> None:
        """Close this thread's connection, which rolls back; the next use opens a fresh one."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
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
