"""What every engine of the centre's SQL promises, whichever it is."""

import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from haihe_cloud.database import Database, DatabaseAway, DatabaseError
from haihe_cloud.ledger.arrival import Refusal
from haihe_cloud.ledger.ledger import Ledger
from haihe_contract.errors import FieldError
from haihe_contract.ranges import RangeSet

from tests.cloud.conftest import OpenDatabase
from tests.cloud.samples import LINE, STATION, T0, StillClock, arrival

WORKERS, ROUNDS, BATCHES = 3, 20, 4
WORD = "SELECT value FROM meta WHERE name='word'"


class Stop(Exception):
    """The work inside a transaction breaks here."""


def say(database: Database, value: int) -> None:
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO meta VALUES('word', ?) ON CONFLICT(name) DO UPDATE SET value=excluded.value", (value,)
        )


def word(database: Database) -> int | None:
    row = database.connection().execute(WORD).fetchone()
    return row[0] if row else None


def test_what_is_committed_is_there_for_whoever_opens_it_next(open_database: OpenDatabase) -> None:
    first = open_database()
    say(first, 7)
    first.close()
    assert word(open_database()) == 7


def test_others_see_nothing_of_a_transaction_before_its_end_and_nothing_of_a_broken_one(
    open_database: OpenDatabase,
) -> None:
    mine, other = open_database(), open_database()
    say(mine, 1)

    def break_off() -> None:
        with mine.transaction() as connection:
            connection.execute("UPDATE meta SET value=2 WHERE name='word'")
            assert word(mine) == 2
            assert word(other) == 1
            raise Stop

    with pytest.raises(Stop):
        break_off()
    assert (word(mine), word(other)) == (1, 1)
    say(mine, 3)
    assert word(other) == 3


def test_a_wrong_statement_is_never_taken_for_a_database_that_is_away(database: Database) -> None:
    say(database, 1)

    def do(wrong: str) -> None:
        with database.transaction() as connection:
            connection.execute("UPDATE meta SET value=9 WHERE name='word'")
            connection.execute(wrong)

    for wrong in ("SELECT nothing FROM nowhere", "INSERT INTO meta VALUES('word', 2)"):
        with pytest.raises(DatabaseError) as caught:
            do(wrong)
        assert not isinstance(caught.value, DatabaseAway)
    assert word(database) == 1


def test_a_transaction_within_a_transaction_is_a_fault_and_leaves_nothing(database: Database) -> None:
    say(database, 1)

    def nest() -> None:
        with database.transaction() as connection:
            connection.execute("UPDATE meta SET value=2 WHERE name='word'")
            say(database, 3)

    with pytest.raises(DatabaseError) as refused:
        nest()
    assert not isinstance(refused.value, DatabaseAway), "it would be tried again"
    assert word(database) == 1
    say(database, 4)
    assert word(database) == 4


def test_processes_that_start_together_make_the_schema_once(way_to: Callable[[str], Callable[[], Database]]) -> None:
    way = way_to("fresh")
    together = threading.Barrier(4)

    def start(_: int) -> int | None:
        together.wait()
        opened = way()
        say(opened, 5)
        found = word(opened)
        opened.close()
        return found

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(start, range(4))) == [5] * 4


def test_a_database_of_a_newer_version_is_refused_with_a_cure(open_database: OpenDatabase) -> None:
    database = open_database()
    with database.transaction() as connection:
        database._run_schema(connection, 99, [])
    with pytest.raises(FieldError, match="newer version") as caught:
        open_database()
    assert "newer version" in caught.value.do


def test_text_that_no_person_writes_is_kept_all_the_same(database: Database) -> None:
    ledger = Ledger(database, centre="haihe", clock=StillClock())
    ledger.quarantine([Refusal("haihe/0/00/X/up/live", "", "said \0 and 汉字 and 😀", b"\0\xff", T0)])
    (kept,) = ledger.quarantined()
    assert kept.reason in ("said \0 and 汉字 and 😀", "said \ufffd and 汉字 and 😀")
    assert ledger.quarantined_bytes(kept.id) == b"\0\xff"


def test_text_is_ordered_byte_by_byte(database: Database) -> None:
    with database.transaction() as connection:
        for code in ("b", "Z", "a", "10", "海", "9", "é"):
            connection.execute("INSERT INTO station VALUES(?, '')", (code,))
    rows = database.connection().execute("SELECT code FROM station ORDER BY code")
    assert [code for (code,) in rows] == ["10", "9", "Z", "a", "b", "é", "海"]


def test_threads_that_end_leave_no_connection_open(open_database: OpenDatabase) -> None:
    database = open_database()
    for at in range(30):
        thread = threading.Thread(target=say, args=(database, at))
        thread.start()
        thread.join()
    assert len(database._connections._all) <= 2  # type: ignore[attr-defined]


def work(way: Callable[[], Database], worker: int, ready: object, go: object) -> None:
    """One ingest worker in a process of its own: every n-th number of the same line, several batches a commit."""
    database = way()
    ledger = Ledger(database, centre="haihe", clock=StillClock())
    ready.release()  # type: ignore[attr-defined]
    go.wait()  # type: ignore[attr-defined]
    for at in range(ROUNDS):
        first = at * WORKERS * BATCHES + worker + 1
        ledger.take([arrival([first + each * WORKERS]) for each in range(BATCHES)])
    database.close()


def test_workers_in_several_processes_lose_no_range_and_a_follower_never_skips_a_position(
    way_to: Callable[[str], Callable[[], Database]], open_database: OpenDatabase
) -> None:
    way = way_to("haihe")
    ledger = Ledger(open_database(), centre="haihe", clock=StillClock())
    spawn = multiprocessing.get_context("spawn")
    ready, go = spawn.Semaphore(0), spawn.Event()
    processes = [spawn.Process(target=work, args=(way, each, ready, go)) for each in range(WORKERS)]
    for process in processes:
        process.start()
    for _ in processes:
        assert ready.acquire(timeout=60)
    go.set()
    seen: list[int] = []
    everything = WORKERS * ROUNDS * BATCHES
    while len(seen) < everything:
        new = [entry.position for entry in ledger.arrivals(seen[-1] if seen else 0, 7)]
        assert new or any(process.is_alive() for process in processes) or ledger.arrivals(seen[-1] if seen else 0)
        seen += new
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert seen == list(range(1, everything + 1))
    (line,) = ledger.lines(STATION)
    assert (line.line, line.held) == (LINE, RangeSet.of((1, everything)))


def test_a_process_learns_of_what_another_has_booked(open_database: OpenDatabase) -> None:
    here = Ledger(open_database(), centre="haihe", clock=StillClock())
    there = Ledger(open_database(), centre="haihe", clock=StillClock())
    there.take([arrival([1])])
    assert here.wait(0, 0.05)
    assert here.behind() == {}
    assert here.position("page") == 0
    assert there.behind() == {"page": 1}
