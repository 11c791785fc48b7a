"""The centre's SQL in one SQLite file."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from haihe_cloud.connections import Connections, Turns, open_file
from haihe_cloud.database import CENTRE, Connection, Database, DatabaseAway, DatabaseError, Rows

_BUSY_S = 30.0


class _Connection:
    """A connection whose faults are those of the port."""

    def __init__(self, path: Path) -> None:
        try:
            self.raw = open_file(path, patience_s=_BUSY_S)
            self.raw.execute("PRAGMA foreign_keys=ON")
        except sqlite3.Error as error:
            raise _said(error) from error

    def execute(self, sql: str, facts: Sequence[Any] = (), /) -> Rows:
        """See :class:`haihe_cloud.database.Connection`."""
        try:
            cursor = self.raw.execute(sql, facts)
            return Rows(cursor.fetchall(), cursor.rowcount)
        except sqlite3.Error as error:
            raise _said(error) from error

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]], /) -> None:
        """See :class:`haihe_cloud.database.Connection`."""
        try:
            self.raw.executemany(sql, rows)
        except sqlite3.Error as error:
            raise _said(error) from error

    def close(self) -> None:
        """Close it; what was not committed is undone."""
        self.raw.close()


class SqliteDatabase(Database):
    """WAL and ``synchronous=FULL``: a commit is durable. One transaction at a time, whatever its book.

    Args:
        path: of the file; made when it is not there.

    Raises:
        FieldError: when the file was written by a newer version.
        DatabaseAway: when it cannot be opened now.
        OSError: when its directory cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._turns = Turns()
        self._connections = Connections(lambda: _Connection(path))
        self._migrate()

    def connection(self) -> Connection:
        """See :meth:`haihe_cloud.database.Database.connection`."""
        return self._connections.mine()

    @contextmanager
    def transaction(self, book: str = CENTRE) -> Iterator[Connection]:  # noqa: ARG002 - SQLite has one writer
        """See :meth:`haihe_cloud.database.Database.transaction`."""
        connection = self._connections.mine()
        if connection.raw.in_transaction:
            raise DatabaseError("a transaction within a transaction")
        if not self._turns.take(_BUSY_S):
            raise DatabaseAway("database is locked")
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.raw.in_transaction:  # a full disk may have rolled back already
                    connection.execute("ROLLBACK")
                raise
        finally:
            self._turns.end()

    def close(self) -> None:
        """Close the connections of all threads."""
        self._connections.close()

    def _schema(self, connection: Connection) -> int:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])

    def _run_schema(self, connection: Connection, version: int, statements: Sequence[str]) -> None:
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={version}")


def _said(error: sqlite3.Error) -> DatabaseError:
    """SQLITE_ERROR says that the statement is wrong; every other operational error, that it is not the time."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
        return DatabaseAway(str(error))
    return DatabaseError(str(error))
