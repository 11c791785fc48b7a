"""A backup of a running centre is true, whole or refused; a restore begins a new epoch and deletes nothing."""

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from haihe_cloud import database as database_module
from haihe_cloud.admit.registry import Registry, Station
from haihe_cloud.database import schema_files
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.opening import open_database, open_store
from haihe_cloud.settings import PostgresqlDatabase, Settings, load_settings
from haihe_cloud.store.sqlite_file import SCHEMA_VERSION
from haihe_contract.clock import SystemClock
from haihe_contract.ranges import RangeSet
from haihe_contract.unfold import unfold

from tests.cloud.samples import LEVEL, SERIES, STATION, T0, arrival
from tests.cloud.service.test_service import Centre
from tests.conftest import Pki, free_port

if TYPE_CHECKING:
    from tests.postgresql import Postgresql


class Box(Centre):
    """A centre whose parts this test uses itself, and whose commands are processes."""

    @property
    def settings(self) -> Settings:
        return load_settings(self.config)

    def take(self, *numbers: int) -> None:
        """Store, then book: as the worker does."""
        settings = self.settings
        database, store = open_database(settings), open_store(settings)
        ledger = Ledger(database, centre=settings.centre, clock=SystemClock())
        Registry(database).add(Station(STATION))
        self.take_with(ledger, store, *numbers)
        store.close()
        database.close()

    @staticmethod
    def take_with(ledger: Ledger, store: Any, *numbers: int) -> None:
        came = arrival(numbers)
        store.write({STATION: unfold(came.batch, SERIES)})
        ledger.take([came])

    def held(self) -> RangeSet:
        shown = json.loads(self.command("ledger", "show", "--json").stdout)
        return RangeSet([(first, last) for first, last in shown["lines"][0]["held"]])

    def epoch(self) -> int:
        return int(json.loads(self.command("ledger", "show", "--json").stdout)["epoch"])

    def stored(self) -> set[int]:
        store = open_store(self.settings)
        found = {reading.number for reading in store.read(STATION, LEVEL, 0, 2 * T0)}
        store.close()
        return found

    def good(self, *words: str) -> Any:
        done = self.command(*words, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def bad(self, *words: str) -> str:
        done = self.command(*words)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def box(request: pytest.FixtureRequest, tmp_path: Path, pki: Pki) -> Iterator[Box]:
    if request.param == "sqlite":
        yield Box(tmp_path, free_port(), pki)
        return
    server: Postgresql = request.getfixturevalue("postgresql")
    server.ask("CREATE SCHEMA backup")
    (tmp_path / "password").write_text(server.password)
    chosen = f'{{kind: postgresql, conninfo: "{server.conninfo("backup")}", password_file: password}}'
    yield Box(tmp_path, free_port(), pki, database=chosen)
    server.ask("DROP SCHEMA backup CASCADE")


def test_a_restored_centre_has_what_the_backup_had_in_a_new_epoch_and_the_old_files_aside(
    box: Box, tmp_path: Path
) -> None:
    box.take(1, 2, 4, 5)
    before = box.epoch()
    made = box.good("backup", str(tmp_path / "b"))
    assert made["epoch"] == str(before)
    assert {each["name"] for each in made["files"]} >= {"series.db", "settings/haihe-cloud.yaml"}
    assert not list((tmp_path / "b").rglob("*.key")), "keys stay out unless asked for"
    box.take(6, 7)
    assert "there are data already" in box.bad("restore", str(tmp_path / "b"))
    assert box.held() == RangeSet.of((1, 2), (4, 7)), "refused without a trace"
    done = box.good("restore", str(tmp_path / "b"), "--force")
    assert box.held() == RangeSet.of((1, 2), (4, 5))
    assert box.stored() == {4, 5}
    assert box.epoch() == int(done["epoch"]) > before
    assert (Path(done["aside"]) / "series.db").is_file()
    again = box.good("restore", str(tmp_path / "b"), "--force")
    assert int(again["epoch"]) > int(done["epoch"]), "two restores from one backup never share an epoch"


def test_a_copy_made_while_the_centre_writes_has_everything_in_its_store_that_its_ledger_names(
    box: Box, tmp_path: Path
) -> None:
    settings = box.settings
    database, store = open_database(settings), open_store(settings)
    ledger = Ledger(database, centre=settings.centre, clock=SystemClock())
    Registry(database).add(Station(STATION))
    stop, written = threading.Event(), [3]

    def write() -> None:
        while not stop.is_set():
            written[0] += 1
            if written[0] % 10:
                box.take_with(ledger, store, 1, 2, written[0])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for count in range(3):
            box.good("backup", str(tmp_path / f"b{count}"))
        assert written[0] > 10, "it wrote meanwhile"
    finally:
        stop.set()
        writer.join()
        store.close()
        database.close()
    last = box.held().last
    box.good("restore", str(tmp_path / "b2"), "--force")
    held = {number for number in box.held().numbers() if number > 3}
    assert held
    assert held <= box.stored()
    assert max(held) <= last


def test_a_backup_that_was_changed_or_not_finished_is_refused(box: Box, tmp_path: Path) -> None:
    box.take(1, 2, 4)
    saved = tmp_path / "b"
    box.good("backup", str(saved))
    assert len(box.good("restore", str(saved), "--check")["files"]) >= 3
    assert "not empty" in box.bad("backup", str(saved))
    with (saved / "series.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff")
    assert "missing or was changed" in box.bad("restore", str(saved), "--force")
    (saved / "manifest.json").unlink()
    assert "not finished" in box.bad("restore", str(saved), "--force")
    (saved / "manifest.json").write_text("{}")
    assert "cannot be read" in box.bad("restore", str(saved), "--force")
    assert box.held() == RangeSet.of((1, 2), (4, 4))


def test_a_manifest_cannot_name_files_elsewhere(box: Box, tmp_path: Path) -> None:
    box.take(1, 2, 4)
    saved = tmp_path / "b"
    made = box.good("backup", str(saved))
    made["files"][0]["name"] = "../haihe-cloud.yaml"
    (saved / "manifest.json").write_text(json.dumps(made))
    assert "outside of the backup" in box.bad("restore", str(saved), "--check")


def test_a_key_of_a_backup_never_comes_to_lie_outside_of_the_directory_of_the_settings(
    tmp_path: Path, pki: Pki
) -> None:
    (tmp_path / "box").mkdir()
    box = Box(tmp_path / "box", free_port(), pki)
    box.take(1, 2, 4)
    saved = tmp_path / "b"
    made = box.good("backup", str(saved))
    (saved / "keys").mkdir()
    (saved / "cron").write_text("x")
    made["files"].append({"name": "keys/../cron", "size": 1, "sha256": hashlib.sha256(b"x").hexdigest()})
    (saved / "manifest.json").write_text(json.dumps(made))
    assert "outside of the backup" in box.bad("restore", str(saved), "--force", "--keys")
    assert not (tmp_path / "cron").exists()


def test_a_manifest_that_says_what_cannot_be_is_refused_and_nothing_is_replaced(tmp_path: Path, pki: Pki) -> None:
    box = Box(tmp_path, free_port(), pki)
    box.take(1, 2, 4)
    saved = tmp_path / "b"
    made = box.good("backup", str(saved))
    without = [each for each in made["files"] if each["name"] != "haihe.db"]
    for change, what in (
        ({"epoch": "soon"}, "which is none"),
        ({"epoch": "9" * 30}, "which is none"),
        ({"files": without}, "does not name haihe.db"),
        ({"files": []}, "does not name haihe.db"),
        ({"files": [*made["files"], {"name": "a\0b", "size": 1, "sha256": ""}]}, "missing or was changed"),
    ):
        (saved / "manifest.json").write_text(json.dumps(made | change))
        assert what in box.bad("restore", str(saved), "--force")
    assert box.held() == RangeSet.of((1, 2), (4, 4))


def write_schema(box: Box, request: pytest.FixtureRequest, name: str, version: int) -> None:
    """Let a file of the centre say that a program of this version has made its tables."""
    if name == "haihe.db" and "postgresql" in request.node.name:
        request.getfixturevalue("postgresql").ask(f"UPDATE backup.meta SET value={version} WHERE name='schema'")
        return
    with closing(sqlite3.connect(Path(box.settings.data) / name)) as file:
        file.execute(f"PRAGMA user_version={version}")


@pytest.mark.parametrize(("name", "known"), [("haihe.db", len(schema_files())), ("series.db", SCHEMA_VERSION)])
def test_a_backup_of_a_newer_version_is_refused_before_anything_is_replaced(
    box: Box, tmp_path: Path, request: pytest.FixtureRequest, name: str, known: int
) -> None:
    box.take(1, 2, 4, 5)
    write_schema(box, request, name, known + 1)
    box.good("backup", str(tmp_path / "b"))
    write_schema(box, request, name, known)
    box.take(6)
    assert f"newer version (schema {known + 1}" in box.bad("restore", str(tmp_path / "b"), "--force")
    assert (box.held(), box.stored()) == (RangeSet.of((1, 2), (4, 6)), {4, 5, 6})


@pytest.mark.parametrize("version", [1, 6, len(schema_files()) - 1])
def test_the_backup_made_before_an_upgrade_can_be_restored_after_it(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    files = schema_files()
    with monkeypatch.context() as patched:
        patched.setattr(database_module, "schema_files", lambda: files[:version])
        open_database(box.settings).close()
    open_store(box.settings).close()
    box.good("backup", str(tmp_path / "b"))
    box.take(1, 2, 4)
    with closing(open_database(box.settings)) as ours, ours.transaction() as connection:
        connection.execute("CREATE TABLE of_others (word TEXT)")
    box.good("restore", str(tmp_path / "b"), "--force")
    box.take(5)
    assert box.held() == RangeSet.of((5, 5)), "what came after the backup is gone, and the centre works on"
    if isinstance(box.settings.database, PostgresqlDatabase):  # a server has room for what is not the centre's
        with closing(open_database(box.settings)) as ours:
            assert ours.connection().execute("SELECT count(*) FROM of_others").fetchone() == (0,)


def test_what_a_killed_restore_left_behind_never_gets_into_the_next_one(tmp_path: Path, pki: Pki) -> None:
    box = Box(tmp_path, free_port(), pki)
    box.take(1, 2, 4)
    box.good("backup", str(tmp_path / "b"))
    fresh = tmp_path / "data" / "haihe.db.new"
    shutil.copy(tmp_path / "b" / "haihe.db", fresh)
    half = "CREATE TABLE ghost AS SELECT * FROM arrival; INSERT INTO meta VALUES('ghost', 1);"
    killed = f"import os, sqlite3; c = sqlite3.connect({str(fresh)!r}); c.execute('PRAGMA journal_mode=WAL')"
    subprocess.run([sys.executable, "-c", f"{killed}; c.executescript({half!r}); os._exit(9)"], check=False)
    assert fresh.with_name("haihe.db.new-wal").stat().st_size > 0
    box.take(5, 6, 7)
    box.good("backup", str(tmp_path / "later"))
    box.good("restore", str(tmp_path / "later"), "--force")
    with closing(sqlite3.connect(tmp_path / "data" / "haihe.db")) as ledger:
        assert ledger.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert ledger.execute("SELECT count(*) FROM meta WHERE name='ghost'").fetchone() == (0,)
    assert box.held() == RangeSet.of((1, 2), (4, 7))


def test_a_running_centre_is_saved_and_never_overwritten(box: Box, tmp_path: Path) -> None:
    box.take(1, 2, 4)
    box.start()
    try:
        box.good("backup", str(tmp_path / "b"))
        assert "a centre runs on this data directory" in box.bad("restore", str(tmp_path / "b"), "--force")
        assert "a centre runs on this data directory" in box.bad("run")
    finally:
        box.end()
    box.good("restore", str(tmp_path / "b"), "--force")


def test_a_damaged_database_is_not_called_a_backup(tmp_path: Path, pki: Pki) -> None:
    box = Box(tmp_path, free_port(), pki)
    box.take(*range(1, 2000))
    path = tmp_path / "data" / "series.db"
    with closing(sqlite3.connect(path)) as series:
        series.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(bytes(4096 * 4))
    said = box.bad("backup", str(tmp_path / "b"))
    assert "series.db" in said
    assert not (tmp_path / "b" / "manifest.json").exists()


def test_keys_are_saved_only_when_asked_and_come_back_only_where_they_are_missing(
    tmp_path: Path, run_init: Callable[[], Path]
) -> None:
    config = run_init()
    save = ["--config", str(config)]
    box = Settled(config)
    box.good("station", "list", *save)
    open_store(load_settings(config)).close()
    made = box.good("backup", str(tmp_path / "b"), "--keys", *save)
    names = {each["name"] for each in made["files"]}
    assert {"keys/pki/receipt.key", "keys/pki/ca.key"} <= names
    assert (tmp_path / "b" / "keys" / "pki" / "receipt.key").stat().st_mode & 0o077 == 0
    key, ca = config.parent / "pki" / "receipt.key", config.parent / "pki" / "ca.key"
    original = key.read_bytes()
    key.unlink()
    ca.write_bytes(b"another")
    done = box.good("restore", str(tmp_path / "b"), "--force", "--keys", *save)
    assert done["keys"] == [str(key)]
    assert key.read_bytes() == original
    assert key.stat().st_mode & 0o077 == 0
    assert ca.read_bytes() == b"another"


class Settled:
    """Commands on a box that ``init`` has made."""

    def __init__(self, config: Path) -> None:
        self.config = config

    def good(self, *words: str) -> Any:
        from tests.cloud.service.test_service import _COMMAND

        done = subprocess.run([*_COMMAND, *words, "--json"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def run_init(tmp_path: Path) -> Callable[[], Path]:
    def make() -> Path:
        Settled(tmp_path).good("init", str(tmp_path / "box"), "--lang", "en")
        return tmp_path / "box" / "haihe-cloud.yaml"

    return make


def test_a_backup_of_another_centre_or_another_engine_does_not_fit(tmp_path: Path, pki: Pki) -> None:
    box = Box(tmp_path, free_port(), pki)
    box.take(1, 2, 4)
    box.good("backup", str(tmp_path / "b"))
    written = box.config.read_text()
    box.config.write_text(written.replace("centre: haihe", "centre: other"))
    assert "backup of centre haihe" in box.bad("restore", str(tmp_path / "b"), "--force")
    box.config.write_text(written.replace("store: {kind: sqlite}", "store: {kind: influx, url: u, org: o, bucket: b}"))
    assert "the settings in influx" in box.bad("restore", str(tmp_path / "b"), "--force")
    box.config.write_text(written)
    assert box.held().count() == 3
