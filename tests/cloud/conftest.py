"""The databases under test: SQLite always, PostgreSQL where it is installed."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from haihe_cloud.database import Database
from haihe_cloud.sql.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from tests.postgresql import Postgresql

OpenDatabase = Callable[..., Database]
_count = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql() -> Iterator["Postgresql"]:
    """A started server; ``stop``, ``kill``, ``start`` and ``restart`` it at will."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: the database on PostgreSQL is not tested here")
    from tests.postgresql import NoPostgresql, Postgresql

    try:
        server = Postgresql()
    except NoPostgresql as why:
        pytest.skip(str(why))
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def way_to(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Callable[[], Database]]]:
    """By its name, how a database of this test is opened; the way can be handed to another process."""
    if request.param == "sqlite":
        yield lambda name: partial(SqliteDatabase, tmp_path / f"{name}.db")
        return
    from haihe_cloud.sql.postgresql import PostgresqlDatabase

    server: Postgresql = request.getfixturevalue("postgresql")
    test = next(_count)
    schemas: set[str] = set()

    def way(name: str) -> Callable[[], Database]:
        schema = f"{name}_{test}"  # an area of its own, made faster than a database
        if schema not in schemas:
            server.ask(f"CREATE SCHEMA {schema}")
            schemas.add(schema)
        return partial(PostgresqlDatabase, server.conninfo(schema), server.password)

    yield way
    for schema in schemas:
        server.ask(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def open_database(way_to: Callable[[str], Callable[[], Database]]) -> Iterator[OpenDatabase]:
    """Opens the test's database again and again, as restarted or further processes do; other names, other databases."""
    opened: list[Database] = []

    def open_(name: str = "haihe") -> Database:
        opened.append(way_to(name)())
        return opened[-1]

    yield open_
    for each in opened:
        each.close()


@pytest.fixture
def fresh_database(open_database: OpenDatabase) -> Callable[[], Database]:
    """Makes an empty database each time."""
    names = itertools.count(1)
    return lambda: open_database(f"fresh{next(names)}")


@pytest.fixture
def database(open_database: OpenDatabase) -> Database:
    """One database, empty."""
    return open_database()
