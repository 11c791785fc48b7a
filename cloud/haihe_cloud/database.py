"""The centre's SQL behind one port: what every engine does alike, and the schema that they share.

Statements are written once, for SQLite 3.35 and PostgreSQL alike: ``?`` as placeholder, ``RETURNING`` for a new
id, ``ON CONFLICT (…) DO …`` with the column named, :data:`NO_LIMIT` instead of a negative limit. What is left of
the differences lives in :mod:`haihe_cloud.sql`.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Protocol

from haihe_contract.errors import FieldError

CENTRE = "centre"
"""The book that ledger, arrival log and registry share."""
NO_LIMIT = 2**63 - 1
"""For ``LIMIT ? OFFSET ?`` without an end: SQLite has no OFFSET alone, PostgreSQL no negative LIMIT."""
_SCHEMA = "schema"
_TABLE = re.compile(r"^CREATE TABLE (\w+)", re.MULTILINE)
_TOGETHER = 64
"""Rows in one statement: a full round of live batches."""


class DatabaseError(Exception):
    """A statement of our own is wrong, or breaks a rule of the schema; no waiting helps."""


class DatabaseAway(DatabaseError):
    """Not now: the server is away, the file is locked, the disk is full. The same again later is right.

    After a commit that failed so, it is not known whether the work stands: it is done again, and does no harm.
    """


class Rows:
    """What a statement gave, all of it at once, so that nothing is left open behind the reader.

    Args:
        rows: of the answer.
        touched: how many rows a change has changed.
    """

    def __init__(self, rows: Sequence[tuple[Any, ...]], touched: int) -> None:
        self._rows = iter(rows)
        self.rowcount = touched

    def fetchone(self) -> Any:
        """The next row, None behind the last."""
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows


class Connection(Protocol):
    """One thread's way to the database."""

    def execute(self, sql: str, facts: Sequence[Any] = (), /) -> Rows:
        """Run a statement.

        Raises:
            DatabaseAway: when it cannot be answered now.
            DatabaseError: when it is wrong.
        """
        ...

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]], /) -> None:
        """Run a change once for each row of facts.

        Raises:
            DatabaseAway: when it cannot be done now.
            DatabaseError: when it is wrong.
        """
        ...


def select_among(connection: Connection, sql: str, keys: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """Rows by many keys, in few statements.

    Args:
        connection: to read by.
        sql: with ``IN (VALUES {})`` where the keys belong.
        keys: different ones, each as wide as the first.
    """
    for some in _some(keys):
        yield from connection.execute(_rows_in(sql, len(some), len(some[0])), [fact for key in some for fact in key])


def insert_all(connection: Connection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    """Insert many rows in few statements.

    Args:
        connection: inside a transaction.
        sql: with ``VALUES {}`` where the rows belong.
        rows: with different keys, each as wide as the first.
    """
    for some in _some(rows):
        connection.execute(_rows_in(sql, len(some), len(some[0])), [fact for row in some for fact in row])


def _some(rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
    """The rows by 64, 32, 16 …: few statements, and few different ones, so that the server plans each once."""
    at = 0
    while at < len(rows):
        size = min(_TOGETHER, 1 << (len(rows) - at).bit_length() - 1)
        yield rows[at : at + size]
        at += size


@cache
def _rows_in(sql: str, rows: int, width: int) -> str:
    row = "(" + ",".join("?" * width) + ")"
    if rows == 1:  # to SQLite a list, even of one, is a table that it makes first
        sql = sql.replace("IN (VALUES {})", "={}")
    return sql.replace("{}", ",".join([row] * rows))


def schema_files() -> list[Traversable]:
    """The numbered files of ``schema/``, in order: each is run once in the life of a database."""
    files = (item for item in resources.files("haihe_cloud.schema").iterdir() if item.name.endswith(".sql"))
    return sorted(files, key=lambda item: item.name)


def our_tables() -> list[str]:
    """Names of the tables that these files make."""
    return [name for item in schema_files() for name in _TABLE.findall(item.read_text("utf-8"))]


def must_not_be_newer(what: str, made: int, known: int, where: str) -> None:
    """Refuse tables of a version that is not known here.

    Raises:
        FieldError: when they were made by a newer version.
    """
    if made > known:
        raise FieldError(
            f"the {what} was written by a newer version (schema {made}, this version knows {known})",
            where=where,
            do="install the newer version again, or restore the backup made before the upgrade",
        )


class Database(ABC):
    """Ledger, arrival log, registry and alarms; safe from any thread.

    Connections belong to their thread; :meth:`transaction` is the only way to write.
    """

    where: str
    """The file or server, for people; without secrets."""

    @abstractmethod
    def connection(self) -> Connection:
        """This thread's connection, for reading; inside a transaction it reads what that has written.

        Raises:
            DatabaseAway: when there is none to be had now.
        """

    @abstractmethod
    def transaction(self, book: str = CENTRE) -> AbstractContextManager[Connection]:
        """One commit: everything inside is durable at the end, or nothing is.

        Transactions of one book follow each other, in whatever processes they run: each sees all that the ones
        before it have committed, and nobody sees a later one first. Those of different books may run side by side
        where the engine can, so they must not write the same rows. An error inside ends the transaction.

        Args:
            book: what is written: :data:`CENTRE`, or the name of the follower whose work it is.

        Raises:
            DatabaseAway: when it cannot be begun or committed now.
            DatabaseError: inside another transaction of this thread.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the connections of all threads."""

    @abstractmethod
    def _schema(self, connection: Connection) -> int:
        """How many of the numbered files have been run."""

    @abstractmethod
    def _run_schema(self, connection: Connection, version: int, statements: Sequence[str]) -> None:
        """Run the statements of one numbered file and remember it, inside a transaction."""

    def _migrate(self) -> None:
        """Run each numbered file of ``schema/`` that was not run before, all in one transaction.

        Raises:
            FieldError: when the database was written by a newer version.
            DatabaseAway: when it cannot be done now.
        """
        files = schema_files()
        done = self._schema(self.connection())
        must_not_be_newer("database", done, len(files), self.where)
        if done == len(files):
            return
        with self.transaction(_SCHEMA) as connection:
            done = self._schema(connection)  # another process may have been faster
            for version, item in list(enumerate(files, start=1))[done:]:
                statements = [each for each in item.read_text("utf-8").split(";\n") if each.strip()]
                self._run_schema(connection, version, statements)
