"""Backup and restore of a centre, in the order that keeps the ledger true: ledger first, store after it.

A store that is newer than the ledger only means repetitions. A ledger that is newer than the store names readings that
are nowhere (docs/understand/model.md, LEDGER_NEWER_THAN_STORE). The manifest is written last: without it there is no
backup.
"""

import hashlib
import re
import shutil
from importlib.metadata import version
from pathlib import Path

import msgspec
from haihe_contract.clock import Clock
from haihe_contract.errors import FieldError

from . import backup_file, backup_server
from .admit.files import PUBLIC, SECRET, write
from .backup_file import sync
from .database import must_not_be_newer, schema_files
from .ledger.epoch import RESTORED
from .ledger.ledger import Ledger
from .opening import DATABASE, SERIES, open_database
from .running import alone
from .settings import InfluxStore, PostgresqlDatabase, Settings
from .sql.sqlite import SqliteDatabase
from .store.sqlite_file import SCHEMA_VERSION

FORMAT = 1
MANIFEST = "manifest.json"
_SETTINGS, _KEYS = "settings", "keys"
_SQLITE = "sqlite"
_CHUNK = 1024 * 1024
_MANIFEST_BYTES_MAX = 4 * 1024 * 1024


class Copied(msgspec.Struct, frozen=True):
    """One file of a backup: its name there, its size in bytes, its SHA-256."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup is.

    Args:
        format: of the backup; 1.
        made_ms: when it was begun, by the centre's clock.
        version: of the program that made it.
        centre: whose it is.
        epoch: of the ledger in it, as text because JSON's numbers are short.
        database: ``sqlite`` or ``postgresql``.
        store: ``sqlite`` or ``influx``.
        keys: whether the secrets are in it.
        files: all others.
        schema: version of the tables of the ledger; 0 where the program that made it did not say so.
        store_schema: the same of the SQLite store.
    """

    format: int
    made_ms: int
    version: str
    centre: str
    epoch: str
    database: str
    store: str
    keys: bool
    files: list[Copied]
    schema: int = 0
    store_schema: int = 0


def back_up(settings: Settings, config: Path, target: Path, clock: Clock, *, keys: bool) -> Manifest:
    """Copy a centre, running or not.

    Args:
        settings: of the centre.
        config: the settings file.
        target: a new or empty directory.
        clock: for the manifest.
        keys: whether the secrets go with it.

    Raises:
        FieldError: when something cannot be read, written, or is damaged. There is no manifest then.
        DatabaseError: when the database is away.
    """
    made_ms = clock.now_ms()
    _make_target(target)
    if isinstance(settings.database, PostgresqlDatabase):
        backup_server.dump(settings.database, target / backup_server.DUMP)
        epoch, schema = backup_server.epoch(settings.database), backup_server.schema(settings.database)
    else:
        schema = backup_file.copy(Path(settings.data) / DATABASE, target / DATABASE)
        epoch = backup_file.epoch(target / DATABASE)
    store_schema = 0
    if not isinstance(settings.store, InfluxStore):
        store_schema = backup_file.copy(Path(settings.data) / SERIES, target / SERIES)
    for source in (config, Path(settings.stations), Path(settings.rules)):
        if source.is_file():
            _copy(source, target / _SETTINGS / source.name, PUBLIC)
    if keys:
        for source, name in _secrets(settings, config):
            _copy(source, target / _KEYS / name, SECRET)
    names = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    manifest = Manifest(
        FORMAT, made_ms, version("haihe"), settings.centre, str(epoch), _kind(settings.database),
        _kind(settings.store), keys, [_measured(target, name) for name in names], schema, store_schema,
    )  # fmt: skip
    write(target / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    return manifest


def verify(source: Path) -> Manifest:
    """Read the manifest and hold every file against it.

    Raises:
        FieldError: for the first thing that is not as it was written.
    """
    path = source / MANIFEST
    try:
        if path.stat().st_size > _MANIFEST_BYTES_MAX:
            raise ValueError("it is too long")
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise FieldError(
            "this is no backup, or one that was not finished", where=str(path), do="choose another"
        ) from None
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise FieldError(f"the manifest cannot be read: {error}", where=str(path), do="choose another") from None
    if manifest.format != FORMAT:
        raise FieldError(
            f"a backup of format {manifest.format} is not known here",
            where=str(path),
            do=f"install version {manifest.version}, which made it",
        )
    if not re.fullmatch("[0-9]{1,18}", manifest.epoch):
        raise FieldError(f"the manifest names epoch {manifest.epoch[:20]!r}, which is none", where=str(path))
    for each in manifest.files:
        place = source / each.name.replace("\0", "?")
        # No way up, even one that ends inside: keys go to the same place below another directory.
        if ".." in place.parts[len(source.parts) :] or not place.resolve().is_relative_to(source.resolve()):
            raise FieldError("the manifest names a file outside of the backup", where=each.name)
        if not place.is_file() or _measured(source, each.name) != each:
            raise FieldError(
                "a file of the backup is missing or was changed", where=str(place), do="choose another backup"
            )
    lacking = _needed(manifest) - {each.name for each in manifest.files}
    if lacking:
        raise FieldError(f"the manifest does not name {min(lacking)}", where=str(path), do="choose another backup")
    return manifest


def restore(settings: Settings, source: Path, clock: Clock, *, force: bool) -> tuple[int, Path | None]:
    """Put a verified backup in place of the centre's data, and begin a new epoch in it.

    What was there is moved aside, never deleted; a PostgreSQL database keeps no such copy.

    Returns:
        The new epoch, and where the old files are, if there were any.

    Raises:
        FieldError: when the centre runs, there are data and it was not forced, or the backup does not fit.
        DatabaseError: when the database is away.
    """
    manifest = verify(source)
    _must_fit(manifest, settings, source)
    data = Path(settings.data)
    with alone(data):
        there = [data / name for name in (DATABASE, SERIES) if (data / name).exists()]
        on_server = isinstance(settings.database, PostgresqlDatabase) and backup_server.in_use(settings.database)
        if (there or on_server) and not force:
            raise FieldError(
                "there are data already",
                where=str(there[0]) if there else "database.conninfo of the settings",
                do="give --force to put the backup in their place; files are moved aside",
            )
        above = max(int(manifest.epoch), _epoch_there(settings, there, on_server=on_server))
        for name in _ours(manifest):
            _forget_fresh(data, name)
            _copy(source / name, data / f"{name}.new", PUBLIC)
        if isinstance(settings.database, PostgresqlDatabase):
            aside = _move_aside(data, clock)
            _into_place(data, SERIES)
            backup_server.load(settings.database, source / backup_server.DUMP)
            epoch = _begin(settings, clock, above)
        else:
            fresh = data / f"{DATABASE}.new"
            epoch = _begin_in(fresh, settings.centre, clock, above)
            aside = _move_aside(data, clock)  # the ledger goes first and comes last
            _into_place(data, SERIES)
            _into_place(data, DATABASE)
    return epoch, aside


def restore_keys(source: Path, manifest: Manifest, config: Path) -> list[Path]:
    """Put secrets back where there are none; what is there is never touched. Which were written.

    Raises:
        FieldError: when one cannot be written.
    """
    written = []
    for each in manifest.files:
        name = Path(each.name)
        if name.parts[0] == _KEYS:
            place = config.absolute().parent / Path(*name.parts[1:])
            if not place.exists():
                write(place, (source / name).read_bytes(), SECRET)
                written.append(place)
    return written


def _make_target(target: Path) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise FieldError(
                "the directory is not empty", where=str(target), do="name a new one for each backup, with its date"
            )
        target.chmod(0o700)  # readings are no secret, but the arrival log and the settings are nobody's business
    except OSError as error:
        raise _cannot(error, target) from None


def _copy(source: Path, target: Path, mode: int) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(mode)
        sync(target)
    except OSError as error:
        raise _cannot(error, target) from None


def _secrets(settings: Settings, config: Path) -> list[tuple[Path, str]]:
    """Key files in and below the directory of the settings, by their place there."""
    base = config.absolute().parent
    named = [settings.receipt_key, settings.broker.ca, settings.broker.certificate, settings.broker.key]
    named.append(settings.http.write_token_file)
    named.append(getattr(settings.store, "token_file", ""))
    named.append(getattr(settings.database, "password_file", ""))
    found = {Path(name) for name in named if name}
    pki = Path(settings.receipt_key).parent
    if pki != base and pki.is_relative_to(base):
        found |= {path for path in pki.rglob("*") if path.is_file()}
    outside = sorted(str(path) for path in found if not path.is_relative_to(base))
    if outside:
        raise FieldError(
            "a key lies outside of the directory of the settings",
            where=outside[0],
            do="leave --keys out and save it by hand",
        )
    return sorted((path, str(path.relative_to(base))) for path in found)


def _must_fit(manifest: Manifest, settings: Settings, source: Path) -> None:
    if manifest.centre != settings.centre:
        raise FieldError(
            f"this is a backup of centre {manifest.centre}, and the settings are of {settings.centre}",
            where=str(source),
            do="choose the right one",
        )
    for name, saved, chosen in (
        ("database", manifest.database, _kind(settings.database)),
        ("store", manifest.store, _kind(settings.store)),
    ):
        if saved != chosen:
            raise FieldError(
                f"the backup has its {name} in {saved}, the settings in {chosen}",
                where=f"{name}.kind of the settings",
                do=f"write kind: {saved} for the restore",
            )
    must_not_be_newer("database", manifest.schema, len(schema_files()), str(source))
    must_not_be_newer("series store", manifest.store_schema, SCHEMA_VERSION, str(source))


def _needed(manifest: Manifest) -> set[str]:
    """Files without which nothing can be restored."""
    ledger = DATABASE if manifest.database == _SQLITE else backup_server.DUMP
    return {ledger, SERIES} if manifest.store == _SQLITE else {ledger}


def _ours(manifest: Manifest) -> list[str]:
    return [each.name for each in manifest.files if each.name in (DATABASE, SERIES)]


def _epoch_there(settings: Settings, there: list[Path], *, on_server: bool) -> int:
    """The epoch of the data that are replaced, as far as they can be read."""
    if on_server and isinstance(settings.database, PostgresqlDatabase):
        return backup_server.epoch(settings.database)
    return max((backup_file.epoch(path) for path in there if path.name == DATABASE), default=0)


def _begin(settings: Settings, clock: Clock, above: int) -> int:
    database = open_database(settings)
    try:
        return Ledger(database, centre=settings.centre, clock=clock).renew(RESTORED, above=above)
    finally:
        database.close()


def _begin_in(path: Path, centre: str, clock: Clock, above: int) -> int:
    database = SqliteDatabase(path)
    try:
        return Ledger(database, centre=centre, clock=clock).renew(RESTORED, above=above)
    finally:
        database.close()


def _move_aside(data: Path, clock: Clock) -> Path | None:
    """The old files with their logs; the ledger first, so that it never stands beside an older store."""
    old = [data / f"{name}{log}" for name in (DATABASE, SERIES) for log in ("", "-wal", "-shm")]
    old = [path for path in old if path.exists()]
    if not old:
        return None
    aside = data / f"before-restore-{clock.now_ms()}"
    try:
        aside.mkdir()
        for path in old:
            path.rename(aside / path.name)
    except OSError as error:
        raise _cannot(error, aside) from None
    return aside


def _forget_fresh(data: Path, name: str) -> None:
    """Remove what a restore that was killed has left: SQLite would play its log back into the next copy."""
    for log in ("", "-wal", "-shm"):
        (data / f"{name}.new{log}").unlink(missing_ok=True)


def _into_place(data: Path, name: str) -> None:
    fresh = data / f"{name}.new"
    if fresh.exists():
        fresh.rename(data / name)
        sync(data)


def _measured(base: Path, name: str) -> Copied:
    digest = hashlib.sha256()
    size = 0
    try:
        with (base / name).open("rb") as file:
            while part := file.read(_CHUNK):
                digest.update(part)
                size += len(part)
    except OSError as error:
        raise FieldError(f"a file cannot be read: {error.strerror}", where=str(base / name)) from None
    return Copied(name, size, digest.hexdigest())


def _kind(chosen: msgspec.Struct) -> str:
    return str(chosen.__struct_config__.tag)


def _cannot(error: OSError, path: Path) -> FieldError:
    return FieldError(f"cannot be written: {error.strerror}", where=str(path), do="check owner and free space")
