"""The centre's settings file: read, checked, its paths made absolute."""

import ipaddress
from pathlib import Path
from typing import Annotated

import msgspec
from haihe_contract import document
from haihe_contract.errors import FieldError

CENTRE_PATTERN = r"^[a-z0-9][a-z0-9-]{0,30}$"
_Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
_TOKEN_CHARACTERS_MIN = 16


class BrokerSettings(msgspec.Struct, frozen=True):
    """Where the broker is and how this centre proves itself to it.

    Args:
        host: name or address; it must stand in the broker's certificate.
        port: TLS port.
        ca: PEM file of the certificate authority.
        certificate: PEM file of this centre's certificate.
        key: PEM file of its key.
    """

    host: str
    port: _Port
    ca: str
    certificate: str
    key: str


class SqliteStore(msgspec.Struct, frozen=True, tag_field="kind", tag="sqlite"):
    """Series in a file of the data directory."""


class InfluxStore(msgspec.Struct, frozen=True, tag_field="kind", tag="influx"):
    """Series in an InfluxDB 1.8 or newer.

    Args:
        url: for example ``http://127.0.0.1:8086``.
        org: organisation; anything for 1.8.
        bucket: bucket, or ``database/retention_policy`` for 1.8.
        token_file: file with the token (``user:password`` for 1.8); empty where none is asked for.
    """

    url: str
    org: str
    bucket: str
    token_file: str = ""


class SqliteDatabase(msgspec.Struct, frozen=True, tag_field="kind", tag="sqlite"):
    """Ledger, registry and alarms in a file of the data directory."""


class PostgresqlDatabase(msgspec.Struct, frozen=True, tag_field="kind", tag="postgresql"):
    """Ledger, registry and alarms in a database of its own on a PostgreSQL server.

    Args:
        conninfo: how to reach it, as libpq takes it: ``host=db1,db2 dbname=haihe user=haihe sslmode=verify-full``;
            of several hosts the one that takes writes is used. The names of files in it must be absolute.
        password_file: file with the user's password; empty where the server asks for none.
    """

    conninfo: Annotated[str, msgspec.Meta(min_length=1)]
    password_file: str = ""


class HttpSettings(msgspec.Struct, frozen=True):
    """The web page and its API.

    Args:
        host: address to listen on.
        port: 0 takes a free one and says which.
        write_token_file: file with the token that answering alarms asks for; needed beyond this machine.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    write_token_file: str = ""


class Settings(msgspec.Struct, frozen=True):
    """What one centre is told.

    Args:
        data: directory of the databases.
        broker: the connection to the stations.
        receipt_key: PEM file of the Ed25519 key that signs receipts.
        centre: name of this centre, as stations require it in their site files.
        store: where series live.
        database: where ledger, registry and alarms live.
        http: the web page.
        stations: YAML file of stations that are registered at every start, or empty.
        rules: YAML file of alarm rules, or empty for the built-in ones.
        language: of the log and of messages, ``zh`` or ``en``; empty: as the locale says.
    """

    data: str
    broker: BrokerSettings
    receipt_key: str
    centre: Annotated[str, msgspec.Meta(pattern=CENTRE_PATTERN)] = "haihe"
    store: SqliteStore | InfluxStore = SqliteStore()
    database: SqliteDatabase | PostgresqlDatabase = SqliteDatabase()
    http: HttpSettings = HttpSettings()
    stations: str = ""
    rules: str = ""
    language: str = ""


def load_settings(path: Path) -> Settings:
    """Read the settings file; its paths are relative to itself and come back absolute.

    Raises:
        DocumentError: with every fault of the file.
        FieldError: when the settings together cannot be used.
    """
    written, _ = document.load(path, Settings)
    base = path.absolute().parent

    def place(name: str) -> str:
        return str(base / name) if name else ""

    broker, store, http = written.broker, written.store, written.http
    if isinstance(store, InfluxStore):
        store = msgspec.structs.replace(store, token_file=place(store.token_file))
    database = written.database
    if isinstance(database, PostgresqlDatabase):
        database = msgspec.structs.replace(database, password_file=place(database.password_file))
    settings = msgspec.structs.replace(
        written,
        data=place(written.data),
        receipt_key=place(written.receipt_key),
        stations=place(written.stations),
        rules=place(written.rules),
        store=store,
        database=database,
        http=msgspec.structs.replace(http, write_token_file=place(http.write_token_file)),
        broker=msgspec.structs.replace(
            broker, ca=place(broker.ca), certificate=place(broker.certificate), key=place(broker.key)
        ),
    )
    _check(settings, path)
    return settings


def _check(settings: Settings, path: Path) -> None:
    http = settings.http
    if not is_loopback(http.host) and not http.write_token_file:
        raise FieldError(
            f"the page would listen on {http.host}, where others can reach it, and anybody could answer alarms",
            where=f"{path}: http.host",
            do="name a file with a token of at least 16 characters as http.write_token_file, or listen on 127.0.0.1",
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_secret(path: str, what: str, shortest: int = _TOKEN_CHARACTERS_MIN) -> str:
    """A token from its file, without the line's end.

    Raises:
        FieldError: when the file cannot be read or the token is too short to keep anybody out.
    """
    try:
        secret = Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise FieldError(f"{what} cannot be read: {why}", where=path, do="write the token into it") from None
    if len(secret) < shortest:
        raise FieldError(
            f"{what} is shorter than {shortest} characters",
            where=path,
            do="openssl rand -hex 16 writes a good one",
        )
    return secret
