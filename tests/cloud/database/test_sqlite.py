"""The centre's SQL in one file: what was written before stays readable, and nothing else need be installed."""

import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest
from haihe_cloud.database import DatabaseAway
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.sql import sqlite
from haihe_cloud.sql.sqlite import SqliteDatabase

from tests.cloud.samples import StillClock, arrival


@pytest.mark.parametrize(
    ("rows", "cursors", "last"), [([3, 4], [2, 4], 4), ([], [9, 9], 9), ([], [], 0), ([1, 2], [], 2)]
)
def test_a_log_from_before_positions_were_counted_goes_on_behind_its_last(
    tmp_path: Path, rows: list[int], cursors: list[int], last: int
) -> None:
    path = tmp_path / "haihe.db"
    with sqlite3.connect(path) as old:
        for name in ("0001_ledger.sql", "0002_alarm.sql"):
            old.executescript((resources.files("haihe_cloud.schema") / name).read_text("utf-8"))
        old.executemany("INSERT INTO arrival VALUES(?, 's', 'l', 1, 0, x'')", [(each,) for each in rows])
        old.executemany("INSERT INTO follower VALUES(?, ?)", [(f"f{at}", each) for at, each in enumerate(cursors)])
        old.execute("PRAGMA user_version=2")
    old.close()
    database = SqliteDatabase(path)
    ledger = Ledger(database, centre="haihe", clock=StillClock())
    ledger.take([arrival([1])])
    assert [entry.position for entry in ledger.arrivals(last)] == [last + 1]
    database.close()


def test_a_file_that_another_holds_too_long_is_not_there_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_S", 0.1)
    first, second = SqliteDatabase(tmp_path / "haihe.db"), SqliteDatabase(tmp_path / "haihe.db")

    def meet() -> None:
        with second.transaction():
            pass

    with first.transaction(), pytest.raises(DatabaseAway, match="locked"):
        meet()
    meet()
    first.close()
    second.close()


def mode_of(path: Path) -> str:
    with closing(sqlite3.connect(path)) as asked:
        return str(asked.execute("PRAGMA journal_mode").fetchone()[0])


def test_who_opens_a_new_file_while_another_process_prepares_it_waits_for_that(tmp_path: Path) -> None:
    """SQLite itself does not wait there: it refuses whoever switches to WAL while another one writes."""
    path = tmp_path / "haihe.db"
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the lock that another's switch to WAL holds, held for as long as we like
        with (
            closing(sqlite3.connect(path, timeout=30)) as bare,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            bare.execute("PRAGMA journal_mode=WAL")
        with ThreadPoolExecutor(2) as pool:
            opening = [pool.submit(SqliteDatabase, path) for _ in range(2)]
            done, _ = wait(opening, timeout=0.3)
            assert not done
            other.execute("COMMIT")
            for each in opening:
                each.result(30).close()
    assert mode_of(path) == "wal"


def test_a_new_file_that_another_never_lets_go_is_not_there_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_S", 0.1)
    path = tmp_path / "haihe.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseAway, match="locked"):
            SqliteDatabase(path)
    SqliteDatabase(path).close()
    assert mode_of(path) == "wal"


def test_who_waits_for_the_one_writer_has_his_turn_however_busy_the_others_are(tmp_path: Path) -> None:
    database, stop, done = SqliteDatabase(tmp_path / "haihe.db"), threading.Event(), []

    def busy() -> None:
        while not stop.is_set():
            with database.transaction() as connection:
                connection.execute("UPDATE meta SET value=value WHERE name='arrival'")
                time.sleep(0.01)
                done.append(1)

    others = [threading.Thread(target=busy) for _ in range(3)]  # as the followers of the log are
    for each in others:
        each.start()
    passed: list[int] = []
    try:
        for _ in range(20):
            before = len(done)
            with database.transaction():
                passed.append(len(done) - before)
    finally:
        stop.set()
        for each in others:
            each.join()
    assert max(passed) < 9, "each of the three comes before us once, and a busy machine may add a few"
    database.close()


def test_a_damaged_file_is_no_reason_to_wait(tmp_path: Path) -> None:
    (tmp_path / "haihe.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(sqlite.DatabaseError) as caught:
        SqliteDatabase(tmp_path / "haihe.db")
    assert not isinstance(caught.value, DatabaseAway)


def test_a_centre_on_sqlite_never_loads_the_driver_of_postgresql() -> None:
    code = (
        "import sys, haihe_cloud.cli, haihe_cloud.service, haihe_cloud.opening;"
        "sys.exit(any(name.startswith('psycopg') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
