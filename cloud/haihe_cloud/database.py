"""The centre's SQL: one file, opened once a thread, its schema brought up by numbered files."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from haihe_contract.errors import FieldError

_BUSY_MS = 30_000


class Database:
    """Ledger, arrival log, registry and alarms in SQLite (WAL, ``synchronous=FULL``: a commit is durable).

    Connections belong to their thread; :meth:`transaction` is the only way to write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._local = threading.local()
        self._all: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._lock = threading.Lock()
        self._migrate()

    def connection(self) -> sqlite3.Connection:
        """This thread's connection, for reading."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            found.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
            found.execute("PRAGMA journal_mode=WAL")
            found.execute("PRAGMA synchronous=FULL")
            found.execute("PRAGMA foreign_keys=ON")
            self._local.connection = found
            with self._lock:
                self._close_left()
                self._all.append((threading.current_thread(), found))
        return found

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One commit: everything inside is durable at the end, or nothing is."""
        connection = self.connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk may have rolled back already
                connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for _, connection in self._all:
                connection.close()
            self._all.clear()
        self._local = threading.local()

    def _close_left(self) -> None:
        """Close what threads that have ended left open: a web server's threads come and go for years."""
        for thread, connection in self._all:
            if not thread.is_alive():
                connection.close()
        self._all = [each for each in self._all if each[0].is_alive()]

    def _migrate(self) -> None:
        """Run each numbered file of ``schema/`` once, in its own transaction.

        Raises:
            FieldError: when the file was written by a newer version.
        """
        files = sorted(
            (item for item in resources.files("haihe_cloud.schema").iterdir() if item.name.endswith(".sql")),
            key=lambda item: item.name,
        )
        done = int(self.connection().execute("PRAGMA user_version").fetchone()[0])
        if done > len(files):
            raise FieldError(
                f"the database was written by a newer version (schema {done}, this version knows {len(files)})",
                where=str(self.path),
                do="install the newer version again, or restore the backup made before the upgrade",
            )
        for version, item in enumerate(files, start=1):
            if version > done:
                with self.transaction() as connection:
                    for statement in item.read_text("utf-8").split(";\n"):
                        if statement.strip():
                            connection.execute(statement)
                    connection.execute(f"PRAGMA user_version={version}")
