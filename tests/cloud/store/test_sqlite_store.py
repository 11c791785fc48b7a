"""What the embedded store does when the machine under it fails."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from haihe_cloud.store.port import StoreAway
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract.errors import FieldError
from haihe_contract.reading import Reading

from tests.cloud.store.readings import LEVEL, T0, level


def test_a_locked_store_is_away_and_comes_back_without_a_half_written_call(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "series.db", patience_s=0.05)
    other = sqlite3.connect(tmp_path / "series.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreAway, match="locked"):
        store.write({"a": [level()], "b": [level()]})
    assert store.read("a", LEVEL, 0, 2**60) == []
    other.execute("COMMIT")
    other.close()
    assert store.write({"a": [level()], "b": [level()]}) == []
    assert store.read("b", LEVEL, 0, 2**60) == [level()]
    store.close()


def test_a_full_disk_is_store_away_and_nothing_of_the_call_is_kept(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "series.db")
    store.write({"a": [level()]})
    many = [level(T0 + n, float(n), n) for n in range(1, 20_000)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    try:
        with pytest.raises(StoreAway):
            store.write({"new": many})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert store.series("new") == []
    assert store.write({"new": many}) == []
    assert len(store.read("new", LEVEL, 0, 2**60)) == len(many)
    store.close()


def test_rows_survive_a_kill_of_the_writer_right_after_the_write(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from haihe_cloud.store.sqlite import SqliteStore; "
        "from tests.cloud.store.readings import T0, level; store = SqliteStore(Path(sys.argv[1])); "
        "store.write({'a': [level(T0 + n, n / 8, n + 1) for n in range(500)]}); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "series.db"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], env={"PYTHONPATH": os.pathsep.join(sys.path)}, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    store = SqliteStore(path)
    assert store.read("a", LEVEL, 0, 2**60) == [level(T0 + n, n / 8, n + 1) for n in range(500)]
    store.close()


def test_a_store_file_of_a_newer_version_is_left_alone_with_words_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(FieldError, match="newer version") as error:
        SqliteStore(path)
    assert str(path) in str(error.value)


def test_a_file_that_is_no_store_is_store_away_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    path.write_bytes(b"this is a text, not a database, and long enough to be looked at" * 100)
    with pytest.raises(StoreAway, match="not a database"):
        SqliteStore(path)


def test_many_threads_read_while_one_writes(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "series.db")
    faults: list[BaseException] = []
    seen: list[list[Reading]] = []
    written = threading.Event()

    def look() -> None:
        while not written.is_set():
            try:
                seen.append(store.read("a", LEVEL, 0, 2**60))
            except StoreAway as fault:
                faults.append(fault)

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    for part in range(20):
        store.write({"a": [level(T0 + part * 10 + n, 1.0, part * 10 + n + 1) for n in range(10)]})
    written.set()
    for reader in readers:
        reader.join(10)
    assert faults == []
    assert {len(rows) % 10 for rows in seen} == {0}, "a reader saw half a commit"
    store.close()
