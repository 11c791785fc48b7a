"""Rows of a table that one commit works on: read together, changed in memory, written together.

A round of live batches touches one row of each of a few tables for every station. Each statement is a round trip to
the server, so all rows of a table are asked for in one and written in one. A sheet lives as long as its transaction:
nothing that another worker may change is remembered beyond it.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

from haihe_cloud.database import Connection, insert_all, select_among

Key = tuple[Any, ...]
V = TypeVar("V")


class Table(NamedTuple, Generic[V]):
    """A table as a sheet sees it.

    Args:
        name: of the table.
        key: columns of its primary key.
        rest: columns that are read and written besides.
        read: what a row means, key and rest.
        write: the rest of the row that means it.
    """

    name: str
    key: tuple[str, ...]
    rest: tuple[str, ...]
    read: Callable[[tuple[Any, ...]], V]
    write: Callable[[V], tuple[Any, ...]]


class Sheet(Generic[V]):
    """Some rows of a table.

    Args:
        connection: inside a transaction, where anything is to be written.
        table: whose rows.
    """

    def __init__(self, connection: Connection, table: Table[V]) -> None:
        self._connection = connection
        self._table = table
        self._rows: dict[Key, V | None] = {}
        self._changed: dict[Key, V] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def look_up(self, keys: Iterable[Key]) -> None:
        """Read those of these rows that are not here yet."""
        wanted = [key for key in dict.fromkeys(keys) if key not in self._rows]
        self._rows.update(dict.fromkeys(wanted))
        width = len(self._table.key)
        for row in select_among(self._connection, _select(self._table), wanted):
            self._rows[row[:width]] = self._table.read(row)

    def get(self, key: Key) -> V | None:
        """What the row means, None when there is none; read now if it was not looked up before."""
        if key not in self._rows:
            self.look_up([key])
        return self._rows[key]

    def put(self, key: Key, value: V) -> None:
        """What the row means from now on."""
        self._rows[key] = self._changed[key] = value

    def forget(self) -> None:
        """Let go of what was only read."""
        self._rows = dict(self._changed)

    def save(self) -> None:
        """Write what was put."""
        rows = [(*key, *self._table.write(value)) for key, value in self._changed.items()]
        insert_all(self._connection, _upsert(self._table), rows)
        self._changed.clear()


@cache
def _select(table: Table[Any]) -> str:
    columns, key = ", ".join(table.key + table.rest), ", ".join(table.key)
    return f"SELECT {columns} FROM {table.name} WHERE ({key}) IN (VALUES {{}})"  # noqa: S608 - our own names


@cache
def _upsert(table: Table[Any]) -> str:
    columns, key = ", ".join(table.key + table.rest), ", ".join(table.key)
    new = ", ".join(f"{column}=excluded.{column}" for column in table.rest)
    return f"INSERT INTO {table.name}({columns}) VALUES {{}} ON CONFLICT({key}) DO UPDATE SET {new}"  # noqa: S608
