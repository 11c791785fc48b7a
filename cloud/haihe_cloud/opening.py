"""Opening what the settings name: the SQL, the store, the alarm rules."""

import sys
from pathlib import Path

from haihe_contract.errors import FieldError

from .alarm.rule import Rules, load_rules
from .database import Database
from .settings import InfluxStore, Settings, read_secret
from .store.port import Store
from .store.sqlite import SqliteStore as SqliteEngine

_DATABASE, _SERIES = "haihe.db", "series.db"
_RULES = (
    Path(__file__).parents[1] / "rules" / "default.yaml",
    Path(sys.prefix) / "share" / "haihe" / "rules" / "default.yaml",
)


def open_database(settings: Settings) -> Database:
    """The SQL of ledger, registry and alarms.

    Raises:
        FieldError: when it is newer than this program, or the directory cannot be used.
    """
    path = Path(settings.data) / _DATABASE
    try:
        return Database(path)
    except OSError as error:
        raise FieldError(
            f"the data directory cannot be used: {error.strerror}", where=str(path), do="check owner and space"
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
    return SqliteEngine(Path(settings.data) / _SERIES)


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
