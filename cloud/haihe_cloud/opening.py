"""Opening what the settings name: the SQL, the store, the alarm rules."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from haihe_contract.errors import FieldError

from .alarm.rule import Rules, load_rules
from .database import Database, DatabaseAway, DatabaseError
from .settings import InfluxStore, PostgresqlDatabase, Settings, read_secret
from .sql.sqlite import SqliteDatabase
from .store.port import Store
from .store.sqlite import SqliteStore as SqliteEngine

DATABASE, SERIES = "haihe.db", "series.db"
"""Files of the data directory, where no server has their part."""
_T = TypeVar("_T")
_RULES = (
    Path(__file__).parents[1] / "rules" / "default.yaml",
    Path(sys.prefix) / "share" / "haihe" / "rules" / "default.yaml",
)


def open_database(settings: Settings) -> Database:
    """The SQL of ledger, registry and alarms.

    Raises:
        FieldError: when it is newer than this program, cannot be reached, or the directory cannot be used.
    """
    if isinstance(settings.database, PostgresqlDatabase):
        return _open_server(settings.database)
    path = Path(settings.data) / DATABASE
    try:
        return SqliteDatabase(path)
    except OSError as error:
        raise FieldError(
            f"the data directory cannot be used: {error.strerror}", where=str(path), do="check owner and space"
        ) from None


def check_database(settings: Settings) -> None:
    """Whether the settings of the database can be right, without asking a server.

    Raises:
        FieldError: when its password cannot be read, its conninfo cannot be right, or the driver is not installed.
    """
    if isinstance(settings.database, PostgresqlDatabase):
        password_of(settings.database)
        _driver().parse(settings.database.conninfo)


def _driver() -> ModuleType:
    try:
        from .sql import postgresql  # only who uses it needs libpq
    except ImportError as error:
        raise FieldError(
            f"the driver for PostgreSQL cannot be used: {error}",
            where="database.kind of the settings",
            do="pip install 'haihe[cloud]' installs it; kind: sqlite needs none",
        ) from None
    return postgresql


def password_of(chosen: PostgresqlDatabase) -> str | None:
    """The password of the database's user, None where the server asks for none.

    Raises:
        FieldError: when its file cannot be read.
    """
    return read_secret(chosen.password_file, "the password of the database", 1) if chosen.password_file else None


def ask_server(chosen: PostgresqlDatabase, question: str) -> object:
    """One answer of the server; nothing is made there.

    Raises:
        FieldError: when it cannot be reached.
    """
    return _reach(lambda: _driver().one_answer(chosen.conninfo, password_of(chosen), question))


def _open_server(chosen: PostgresqlDatabase) -> Database:
    opened: Database = _reach(lambda: _driver().PostgresqlDatabase(chosen.conninfo, password_of(chosen)))
    return opened


def _reach(ask: Callable[[], _T]) -> _T:
    try:
        return ask()
    except DatabaseAway as error:
        raise FieldError(
            f"the database cannot be reached: {error}",
            where="database.conninfo of the settings",
            do="check host, port, user and password file, and that the server runs",
        ) from None
    except DatabaseError as error:
        raise FieldError(
            f"the database cannot be used: {error}",
            where="database.conninfo of the settings",
            do="ALTER DATABASE haihe OWNER TO haihe lets the centre make its tables",
        ) from None


def open_store(settings: Settings) -> Store:
    """The engine that the settings name; one that is away is not an error here.

    Raises:
        FieldError: when its token cannot be read or its file cannot be used.
    """
    chosen = settings.store
    if isinstance(chosen, InfluxStore):
        token = read_secret(chosen.token_file, "the token of the store", 1) if chosen.token_file else ""
        from .store.influx import InfluxStore as InfluxEngine  # its client takes a quarter of a second to import

        return InfluxEngine(chosen.url, token, chosen.org, chosen.bucket)
    return SqliteEngine(Path(settings.data) / SERIES)


def open_rules(settings: Settings) -> Rules:
    """The alarm rules that the settings name, or those that come with the program.

    Raises:
        DocumentError: with every fault of the file.
        FieldError: when there is none.
    """
    if settings.rules:
        return load_rules(Path(settings.rules))
    for path in _RULES:
        if path.is_file():
            return load_rules(path)
    raise FieldError("no alarm rules are installed", do="name a rules file in the settings: rules: rules.yaml")
