"""The file of the embedded store: its schema, a connection for each thread, commits, and being away."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from haihe_cloud.connections import Connections, open_file
from haihe_cloud.database import must_not_be_newer

from .choose import TIME_MS_MAX
from .port import StoreAway

SCHEMA_VERSION = 1
_WAL_BYTES_KEPT = 64 * 1024 * 1024
_SCHEMA = f"""
CREATE TABLE series (id INTEGER PRIMARY KEY, station TEXT NOT NULL, key TEXT NOT NULL, UNIQUE (station, key));
CREATE TABLE line (id INTEGER PRIMARY KEY, line TEXT NOT NULL UNIQUE);
CREATE TABLE reading (
  series_id INTEGER NOT NULL, time_ms INTEGER NOT NULL, value REAL, mark INTEGER NOT NULL, grade INTEGER NOT NULL,
  line_id INTEGER NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (series_id, time_ms),
  CHECK (time_ms BETWEEN 0 AND {TIME_MS_MAX}), CHECK (number >= 1),
  CHECK ((value IS NULL) = ((mark & 15) = 9)), CHECK (value IS NULL OR abs(value) <= 1.7976931348623157e308)
) WITHOUT ROWID;
CREATE TABLE conflict (
  series_id INTEGER NOT NULL, time_ms INTEGER NOT NULL, value REAL, mark INTEGER NOT NULL, grade INTEGER NOT NULL,
  line_id INTEGER NOT NULL, number INTEGER NOT NULL
);
CREATE INDEX conflict_place ON conflict (series_id, time_ms);
CREATE TABLE untimed (
  series_id INTEGER NOT NULL, line_id INTEGER NOT NULL, number INTEGER NOT NULL, boot_ms INTEGER NOT NULL,
  value REAL, mark INTEGER NOT NULL,
  PRIMARY KEY (series_id, line_id, number)
) WITHOUT ROWID;
"""


class SqliteFile:
    """One file in WAL mode with ``synchronous=FULL``: what :meth:`transaction` committed is durable.

    Args:
        path: of the file; made when it is not there.
        patience_s: how long to wait for a lock before the store counts as away.

    Raises:
        FieldError: when the file was written by a newer version.
        StoreAway: when it cannot be opened now.
    """

    def __init__(self, path: Path, *, patience_s: float) -> None:
        self.path = path
        self._patience_s = patience_s
        self._connections = Connections(self._open)
        self._prepare()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One commit, or none of it.

        Raises:
            StoreAway: when SQLite cannot write now.
        """
        try:
            connection = self._connections.mine()
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._connections.drop()  # closing rolls back
            raise StoreAway(f"{self.path}: {error}") from error
        except BaseException:
            self._connections.drop()
            raise

    def select(self, sql: str, facts: tuple[str | int, ...]) -> list[tuple[Any, ...]]:
        """All rows of a question.

        Raises:
            StoreAway: when SQLite cannot read now.
        """
        try:
            return self._connections.mine().execute(sql, facts).fetchall()
        except sqlite3.Error as error:
            self._connections.drop()
            raise StoreAway(f"{self.path}: {error}") from error

    def close(self) -> None:
        """Close the connections of all threads."""
        self._connections.close()

    def _open(self) -> sqlite3.Connection:
        made = open_file(self.path, patience_s=self._patience_s)
        made.execute(f"PRAGMA journal_size_limit={_WAL_BYTES_KEPT}")
        return made

    def _prepare(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreAway(f"{self.path.parent}: {error.strerror}") from error
        with self.transaction() as connection:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            must_not_be_newer("series store", version, SCHEMA_VERSION, str(self.path))
            if version == 0:
                for statement in _SCHEMA.split(";\n"):
                    if statement.strip():
                        connection.execute(statement)
                connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
