"""A follower sees every entry in order, at least once, and its work commits with its cursor."""

import threading

import pytest
from haihe_cloud.database import Connection, Database
from haihe_cloud.ledger.arrival import ArrivalEntry
from haihe_cloud.ledger.follow import follow
from haihe_cloud.ledger.ledger import Ledger
from haihe_contract.wire import Batch

from tests.cloud.samples import StillClock, arrival


class EngineAway(Exception):
    """The engine that a follower needs is away."""


class Book:
    """A follower that writes down the numbers it sees; faults can be planted."""

    name = "book"

    def __init__(self, database: Database, until: int) -> None:
        self.until = until
        self.faults: list[Exception] = []
        self.poison: int | None = None
        self.stop = threading.Event()
        self.attempts = 0
        with database.transaction() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS seen(position INTEGER PRIMARY KEY, number INTEGER)")

    def handle(self, entry: ArrivalEntry, batch: Batch, connection: Connection) -> None:
        self.attempts += 1
        connection.execute("INSERT INTO seen VALUES(?, ?)", (entry.position, batch.records[0].number))
        if entry.position == self.poison:
            raise KeyError("a fault of our own")
        if self.faults:
            raise self.faults.pop()
        if entry.position == self.until:
            self.stop.set()


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database, centre="haihe", clock=StillClock())


def seen(database: Database) -> list[tuple[int, int]]:
    return database.connection().execute("SELECT position, number FROM seen ORDER BY position").fetchall()


def test_every_entry_is_seen_once_and_in_order_across_restarts(ledger: Ledger, database: Database) -> None:
    ledger.take([arrival([n]) for n in (9, 4, 5)])
    first = Book(database, until=3)
    follow(ledger, database, first, first.stop)
    ledger.take([arrival([n]) for n in (6, 8)])
    second = Book(database, until=5)
    follow(ledger, database, second, second.stop)
    assert seen(database) == [(1, 9), (2, 4), (3, 5), (4, 6), (5, 8)]


def test_a_follower_waits_for_an_engine_and_its_half_work_is_undone(ledger: Ledger, database: Database) -> None:
    ledger.take([arrival([n]) for n in (4, 5)])
    book = Book(database, until=2)
    book.faults = [EngineAway()]
    follow(ledger, database, book, book.stop, away=(EngineAway,))
    assert seen(database) == [(1, 4), (2, 5)]
    assert ledger.quarantined() == []


def test_an_entry_that_a_newer_version_wrote_is_set_aside_and_never_passed_over_in_silence(
    ledger: Ledger, database: Database
) -> None:
    newer = arrival([5])
    newer = newer._replace(data=b"H\x02" + newer.data[2:])
    ledger.take([arrival([4]), newer, arrival([6])])
    book = Book(database, until=3)
    follow(ledger, database, book, book.stop)
    assert seen(database) == [(1, 4), (3, 6)]
    (kept,) = ledger.quarantined()
    assert "follower book failed at position 2" in kept.reason
    assert "version 2" in kept.reason
    assert ledger.quarantined_bytes(kept.id) == newer.data, "admitted again after the upgrade, every follower meets it"


def test_an_entry_that_breaks_the_follower_is_set_aside_and_named(ledger: Ledger, database: Database) -> None:
    ledger.take([arrival([n]) for n in (4, 5, 6)])
    book = Book(database, until=3)
    book.poison = 2
    follow(ledger, database, book, book.stop)
    assert seen(database) == [(1, 4), (3, 6)]
    (kept,) = ledger.quarantined()
    assert "follower book failed at position 2" in kept.reason
    assert ledger.position("book") == 3
