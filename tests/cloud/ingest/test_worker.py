"""Store, ledger, receipt, acknowledgement, in that order: a crash between any two only repeats."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from haihe_cloud.admit.registry import Registry, Station
from haihe_cloud.database import CENTRE, Connection, Database, DatabaseAway, Rows
from haihe_cloud.ingest.beside import Beside
from haihe_cloud.ingest.inbox import Inbox, Message
from haihe_cloud.ingest.worker import Stopped, Worker
from haihe_cloud.ledger.arrival import Arrival, Refusal
from haihe_cloud.ledger.carried import Carried
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.ledger.quarantine import Quarantine
from haihe_cloud.limits import ROUND_MESSAGES, ROUND_READINGS
from haihe_cloud.sql.sqlite import SqliteDatabase
from haihe_cloud.store.port import Refused, StoreAway
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract import receipt as receipts
from haihe_contract import topic, wire
from haihe_contract.ed25519 import PublicKey
from haihe_contract.ranges import RangeSet
from haihe_contract.reading import Reading
from haihe_contract.receipt import verify
from haihe_contract.record import Dictionary, Event, Readings, Record, Unread

from tests.cloud.conftest import OpenDatabase
from tests.cloud.samples import LEVEL, LINE, SERIES, STATION, T0, StillClock, body_of, data, gap

OTHER = "31005651"


class Crash(BaseException):
    """The process dies here."""


class FaultyStore(SqliteStore):
    """The real store; it can be away, refuse numbers, or crash before or after it has written."""

    away = 0
    crash = ""
    refuses: frozenset[int] = frozenset()
    on_away: Callable[[], object] = staticmethod(lambda: None)

    def write(self, readings: Mapping[str, Sequence[Reading]]) -> list[Refused]:
        if self.away:
            self.away -= 1
            self.on_away()
            raise StoreAway("unplugged")
        if self.crash == "before the store":
            raise Crash
        good = {code: [r for r in rows if r.number not in self.refuses] for code, rows in readings.items()}
        super().write(good)
        if self.crash == "after the store":
            raise Crash
        return [
            Refused(code, r, "the engine cannot")
            for code, rows in readings.items()
            for r in rows
            if r.number in self.refuses
        ]


class FaultyLedger(Ledger):
    """The real ledger; it can be busy, or crash before or after its commit."""

    crash = ""
    busy = 0
    before: Callable[[], None] = staticmethod(lambda: None)

    def take(self, arrivals: Sequence[Arrival], refusals: Sequence[Refusal] = ()) -> int:
        self.before()
        if self.busy:
            self.busy -= 1
            raise DatabaseAway("database is locked")
        if self.crash == "before the ledger":
            raise Crash
        deferred = super().take(arrivals, refusals)
        if self.crash == "after the ledger":
            raise Crash
        return deferred


class Centre:
    """The parts of a centre around a worker; ``restart`` makes new ones over the same files."""

    def __init__(self, directory: Path, open_database: OpenDatabase) -> None:
        self._directory, self._open_database = directory, open_database
        self.key = Ed25519PrivateKey.generate()
        self.published: list[tuple[str, bytes]] = []
        self.acknowledged: list[str] = []
        self.touched: list[str] = []
        self.connected = True
        self.publish_crashes = False
        self.start()
        self.registry.add(Station(STATION))

    def start(self) -> None:
        clock = self.clock = StillClock()
        self.stop = threading.Event()
        self.database = self._open_database()
        self.store = FaultyStore(self._directory / "series.db")
        self.ledger = FaultyLedger(self.database, centre="haihe", clock=clock)
        self.registry = Registry(self.database)
        self.inbox = Inbox(64)
        self.worker = Worker(
            self.inbox,
            self.store,
            self.ledger,
            self.registry,
            self.publish,
            self.key,
            clock=clock,
            chance=random.Random(3),
            stop=self.stop,
            touched=self.touched.append,
            beside=Beside(Quarantine(self.database), self.ledger, self.registry, Carried(self.database)).messages,
        )

    def close(self) -> None:
        self.store.close()
        self.database.close()

    def restart(self) -> None:
        self.close()
        self.publish_crashes = False
        self.start()

    def publish(self, name: str, payload: bytes) -> bool:
        if self.publish_crashes:
            raise Crash
        if self.connected:
            self.published.append((name, payload))
        return self.connected

    def message(self, payload: bytes, *, station: str = STATION, label: str = "m") -> Message:
        return Message(topic.up(station, 1), payload, T0, lambda: self.acknowledged.append(label))

    def settled(self, line: int = LINE) -> RangeSet:
        name, payload = self.published[-1]
        assert name == topic.receipt(STATION, "haihe")
        stated = receipts.verify(
            payload, PublicKey(self.key.public_key().public_bytes_raw()), centre="haihe", station=STATION
        )
        return stated.settled().get(line, RangeSet())

    def numbers(self) -> list[int]:
        return [r.number for r in self.store.read(STATION, LEVEL, 0, T0 * 2)]


@pytest.fixture
def centre(tmp_path: Path, open_database: OpenDatabase) -> Iterator[Centre]:
    made = Centre(tmp_path, open_database)
    yield made
    made.close()


def test_a_batch_is_stored_booked_receipted_and_acknowledged(centre: Centre) -> None:
    centre.worker.round([centre.message(data([1, 2, 3, 4, 5]))])
    assert centre.numbers() == [4, 5]
    assert centre.settled() == RangeSet.of((1, 5))
    assert centre.acknowledged == ["m"]
    assert centre.touched == [STATION]


def test_one_receipt_a_station_and_round_covers_all_its_batches(centre: Centre) -> None:
    centre.worker.round([centre.message(data([1, 2, n])) for n in (4, 5, 6)])
    assert len(centre.published) == 1
    assert centre.settled() == RangeSet.of((1, 2), (4, 6))


def test_a_later_batch_of_a_round_may_use_the_dictionary_of_an_earlier_one(centre: Centre) -> None:
    centre.worker.round([centre.message(data([1, 2, 4])), centre.message(data([5]))])
    assert centre.settled() == RangeSet.of((1, 2), (4, 5))


@pytest.mark.parametrize(
    "step", ["before the store", "after the store", "before the ledger", "after the ledger", "before the receipt"]
)
def test_a_crash_at_any_step_only_causes_a_repetition(centre: Centre, step: str) -> None:
    centre.store.crash = centre.ledger.crash = step
    centre.publish_crashes = step == "before the receipt"
    payload = data([1, 2, 4, 5])
    with pytest.raises(Crash):
        centre.worker.round([centre.message(payload)])
    assert (centre.acknowledged, centre.published) == ([], [])
    centre.restart()
    centre.worker.round([centre.message(payload, label="again")])
    assert centre.acknowledged == ["again"]
    assert centre.numbers() == [4, 5]
    assert centre.settled() == RangeSet.of((1, 2), (4, 5))
    assert len(centre.ledger.arrivals(0)) == 1
    assert centre.store.conflicts(STATION) == []


def test_the_same_batch_many_times_is_stored_and_logged_once(centre: Centre) -> None:
    for _ in range(3):
        centre.worker.round([centre.message(data([1, 2, 4])), centre.message(data([1, 2, 4]))])
    assert centre.numbers() == [4]
    assert len(centre.ledger.arrivals(0)) == 1
    assert len(centre.acknowledged) == 6


def test_a_store_that_is_away_is_waited_for_and_nothing_is_acknowledged_before(centre: Centre) -> None:
    troubles: list[tuple[str, int]] = []
    centre.store.away = 4
    centre.store.on_away = lambda: troubles.append((centre.worker.trouble, len(centre.acknowledged)))
    centre.worker.round([centre.message(data([1, 2, 4]))])
    assert troubles == [("", 0), *[("store: unplugged", 0)] * 3]
    assert centre.worker.trouble == ""
    assert centre.acknowledged == ["m"]
    assert centre.settled() == RangeSet.of((1, 2), (4, 4))


def test_a_stop_while_the_store_is_away_gives_the_round_up_unacknowledged(centre: Centre) -> None:
    centre.store.away = 10**9
    centre.store.on_away = centre.stop.set
    with pytest.raises(Stopped):
        centre.worker.round([centre.message(data([1, 2, 4]))])
    assert (centre.acknowledged, centre.published, centre.ledger.arrivals(0)) == ([], [], [])


def test_a_busy_database_is_waited_for(centre: Centre) -> None:
    centre.ledger.busy = 2
    centre.worker.round([centre.message(data([1, 2, 4]))])
    assert centre.acknowledged == ["m"]


def test_a_full_disk_is_waited_for_and_nothing_is_acknowledged_before(tmp_path: Path) -> None:
    centre = Centre(tmp_path, lambda: SqliteDatabase(tmp_path / "haihe.db"))
    connection = centre.database.connection()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    bodies = {
        n: Event(T0, 5, "long", -1, None, {"text": random.Random(n).randbytes(1500).hex()}) for n in range(10, 90)
    }
    tries: list[str] = []

    def free_space_at_third_try() -> None:
        tries.append(centre.worker.trouble)
        if len(tries) == 3:
            connection.execute("PRAGMA max_page_count=1000000")

    centre.ledger.before = free_space_at_third_try
    centre.worker.round([centre.message(data([2, *bodies], bodies=bodies))])
    assert tries[1:] == ["database: database or disk is full"] * (len(tries) - 1)
    assert len(tries) >= 3
    assert centre.acknowledged == ["m"]
    assert centre.ledger.lines(STATION)[0].held == RangeSet.of((2, 2), (10, 89))
    centre.close()


def test_rows_that_the_store_never_takes_go_to_quarantine_and_their_numbers_are_refused(centre: Centre) -> None:
    centre.store.refuses = frozenset({5})
    payload = data([1, 2, 4, 5])
    centre.worker.round([centre.message(payload)])
    (kept,) = centre.ledger.quarantined()
    assert kept.reason == "record 5: the engine cannot"
    assert centre.ledger.quarantined_bytes(kept.id) == payload
    (line,) = centre.ledger.lines(STATION)
    assert (line.held, line.refused) == (RangeSet.of((1, 2), (4, 4)), RangeSet.of((5, 5)))
    assert centre.settled() == RangeSet.of((1, 2), (4, 5))


def test_a_damaged_batch_is_kept_once_and_no_number_of_it_is_settled(centre: Centre) -> None:
    damaged = bytearray(data([1, 2, 4]))
    damaged[-1] ^= 1
    for _ in range(2):
        centre.worker.round([centre.message(bytes(damaged))])
    (kept,) = centre.ledger.quarantined()
    assert kept.times == 2
    assert (centre.published, centre.ledger.lines(STATION), centre.ledger.arrivals(0)) == ([], [], [])
    centre.worker.round([centre.message(data([1, 2, 4]))])
    assert centre.settled() == RangeSet.of((1, 2), (4, 4))


def test_a_message_that_breaks_our_own_code_is_set_aside_and_the_others_are_taken(centre: Centre) -> None:
    class Broken(FaultyStore):
        def write(self, readings: Mapping[str, Sequence[Reading]]) -> list[Refused]:
            if any(reading.number == 4 for rows in readings.values() for reading in rows):
                raise OverflowError("too large")
            return super().write(readings)

    centre.worker._store = Broken(centre._directory / "series.db")
    for numbers in ([1, 2, 3], [4], [5, 6]):
        centre.inbox.put(centre.message(data(numbers)), urgent=True)
    taken = centre.inbox.take(64, 0)
    assert centre.worker._round_whatever_comes(taken) == 3
    assert centre.numbers() == [5, 6]
    assert len(centre.ledger.quarantined()) == 1
    assert centre.acknowledged == ["m", "m", "m"]


def test_a_batch_of_another_station_touches_no_ledger(centre: Centre) -> None:
    centre.registry.add(Station(OTHER))
    centre.worker.round([centre.message(data([1, 2, 4], station=OTHER))])
    assert [kept.station for kept in centre.ledger.quarantined()] == [STATION]
    assert centre.ledger.stations() == []
    assert (centre.published, centre.ledger.last_heard()) == ([], {})
    assert centre.acknowledged == ["m"]


def test_an_unknown_station_is_listed_and_taken_once_it_is_registered(centre: Centre) -> None:
    payload = data([1, 2, 4], station=OTHER)
    centre.worker.round([centre.message(payload, station=OTHER)] * 3)
    (unknown,) = centre.registry.unknown()
    assert (unknown.code, unknown.times, unknown.last_ms) == (OTHER, 3, T0)
    assert (centre.ledger.stations(), centre.ledger.quarantined(), centre.published) == ([], [], [])
    centre.registry.add(Station(OTHER))
    centre.worker.round([centre.message(payload, station=OTHER)])
    assert centre.ledger.lines(OTHER)[0].held == RangeSet.of((1, 2), (4, 4))
    assert centre.registry.unknown() == []


def test_a_batch_without_known_dictionary_is_not_booked_and_answered_with_what_is_held(centre: Centre) -> None:
    centre.worker.round([centre.message(data([4, 5]))])
    assert (centre.numbers(), centre.worker.counts.waiting_for_dictionary) == ([], 1)
    said = verify(
        centre.published[-1][1], PublicKey(centre.key.public_key().public_bytes_raw()), centre="haihe", station=STATION
    )
    # a station that trusts an older epoch learns from this that its dictionary must come again
    assert (said.epoch, said.lines) == (centre.ledger.epoch, [])
    assert centre.acknowledged == ["m"], "the station sends it again; the broker need not keep it"


def test_a_heartbeat_is_answered_with_the_receipt(centre: Centre) -> None:
    centre.worker.round([centre.message(data([1, 2, 4]))])
    centre.published.clear()
    centre.worker.round([centre.message(data([], head=9))])
    assert centre.settled() == RangeSet.of((1, 2), (4, 4))
    assert centre.ledger.lines(STATION)[0].head == 9


def test_a_volatile_batch_is_stored_and_logged_and_no_ledger_or_receipt_names_its_line(centre: Centre) -> None:
    centre.worker.round([centre.message(data([1, 2, 4]))])
    centre.published.clear()
    memory = {1: Dictionary(SERIES), 2: Readings(T0 + 9000, 5, [0, 1], [9.25, 12.0])}
    payload = data([1, 2], line=77, tail=3, volatile=True, bodies=memory)
    centre.worker.round([centre.message(payload, label="from memory")])
    assert centre.acknowledged == ["m", "from memory"]
    assert centre.published == []
    assert [r.value for r in centre.store.read(STATION, LEVEL, 0, T0 * 2)] == [3.004, 9.25]
    assert [entry.line for entry in centre.ledger.arrivals(0)] == [LINE, 77]
    assert [line.line for line in centre.ledger.lines(STATION)] == [LINE]
    centre.worker.owe_receipts()
    centre.worker.housekeep()
    assert centre.settled(77) == RangeSet()


def test_a_gap_that_a_volatile_batch_claims_explains_no_number_of_the_journal(centre: Centre) -> None:
    centre.worker.round([centre.message(data([1, 2, 4], head=5))])
    lie = data([3], line=77, volatile=True, bodies={3: gap(LINE, (3, 5))})
    centre.worker.round([centre.message(lie)])
    assert centre.ledger.lines(STATION)[0].missing == RangeSet.of((3, 3), (5, 5))


def test_a_record_of_a_future_kind_is_refused_and_kept_and_the_rest_is_held(centre: Centre) -> None:
    payload = data([1, 2, 4, 5], bodies={4: Unread(b"\x92\x4d\x01")})
    centre.worker.round([centre.message(payload)])
    line = centre.ledger.lines(STATION)[0]
    assert (line.held, line.refused) == (RangeSet.of((1, 2), (5, 5)), RangeSet.of((4, 4)))
    assert centre.settled() == RangeSet.of((1, 2), (4, 5))
    kept = centre.ledger.quarantined()[0]
    assert "of kind 77" in kept.reason
    assert centre.ledger.quarantined_bytes(kept.id) == payload
    assert centre.numbers() == [5]


def test_receipts_that_cannot_leave_are_owed_until_the_broker_is_back(centre: Centre) -> None:
    centre.connected = False
    centre.worker.round([centre.message(data([1, 2, 4]))])
    assert centre.published == []
    centre.connected = True
    centre.worker.housekeep()
    assert centre.settled() == RangeSet.of((1, 2), (4, 4))
    centre.worker.housekeep()
    assert len(centre.published) == 1


def test_a_broker_that_forgot_gets_all_receipts_again(centre: Centre) -> None:
    centre.worker.round([centre.message(data([1, 2, 4]))])
    centre.restart()
    centre.published.clear()
    centre.worker.owe_receipts()
    centre.worker.housekeep()
    assert centre.settled() == RangeSet.of((1, 2), (4, 4))


def _records(numbers: Sequence[int], station: str) -> wire.Batch:
    """Only these: a station that has a receipt sends its dictionary no more."""
    records = [Record(number, False, body_of(number)) for number in numbers]
    return wire.Batch(station, LINE, 1, max(numbers), 1, records)


class Counted(Database):
    """The real database, and how often it is asked: on a server each time is a round trip."""

    def __init__(self, database: Database) -> None:
        self._database, self.asked = database, 0

    def connection(self) -> Connection:
        connection = self._database.connection()

        class Asking:
            def execute(_, sql: str, facts: Sequence[object] = (), /) -> Rows:  # noqa: N805
                self.asked += 1
                return connection.execute(sql, facts)

            def executemany(_, sql: str, rows: Sequence[Sequence[object]], /) -> None:  # noqa: N805
                self.asked += len(rows)
                connection.executemany(sql, rows)

        return Asking()

    @contextmanager
    def transaction(self, book: str = CENTRE) -> Iterator[Connection]:
        self.asked += 2
        with self._database.transaction(book):
            yield self.connection()

    def close(self) -> None:
        self._database.close()

    def _schema(self, connection: Connection) -> int:
        raise NotImplementedError

    def _run_schema(self, connection: Connection, version: int, statements: Sequence[str]) -> None:
        raise NotImplementedError


def test_a_round_of_many_stations_asks_the_database_as_often_as_one_batch(
    tmp_path: Path, open_database: OpenDatabase
) -> None:
    counted: list[Counted] = []

    def opened() -> Database:
        counted.append(Counted(open_database()))
        return counted[-1]

    centre = Centre(tmp_path, opened)
    stations = [f"{31_000_000 + n}" for n in range(ROUND_MESSAGES)]
    centre.registry.add_all([Station(code) for code in stations])

    def asked(numbers: list[int], some: Sequence[str]) -> int:
        before = counted[-1].asked
        messages = [centre.message(wire.encode(_records(numbers, code)), station=code) for code in some]
        assert centre.worker.round(messages) == len(some)
        return counted[-1].asked - before

    for numbers in ([1, 2, 3, 4], [5]):  # then every line is known, and every station told of all its lines
        asked(numbers, stations)
    alone = asked([6], stations[:1])
    assert alone <= 20
    assert asked([7], stations) == alone
    assert len({name for name, _ in centre.published}) == len(stations)
    centre.close()


def test_receipts_that_are_owed_to_all_stations_do_not_hold_up_what_one_of_them_says_now(centre: Centre) -> None:
    stations = [f"{31_000_001 + at}" for at in range(200)]
    for code in stations:
        centre.registry.add(Station(code))
        centre.worker.round([centre.message(data([1, 2, 4], station=code), station=code)])
    centre.published.clear()
    centre.worker.owe_receipts()  # the broker has forgotten everything
    centre.worker.housekeep()
    before = len(centre.published)
    assert before < 100
    centre.worker.round([centre.message(data([5], station=stations[-1]), station=stations[-1])])
    told = [name for name, _ in centre.published[before:]]
    assert told == [topic.receipt(stations[-1], "haihe")]
    for _ in range(10):
        centre.worker.housekeep()
    assert {name for name, _ in centre.published} == {topic.receipt(code, "haihe") for code in stations}


def test_huge_batches_are_taken_in_rounds_of_bounded_size(centre: Centre) -> None:
    per_batch = 60_000
    bodies = {n: Readings(T0 + n, 5, [0], [1.0]) for n in range(10, 10 + per_batch)}
    payload = data([2, *bodies], bodies=bodies)
    done = centre.worker.round([centre.message(payload)] * 4)
    assert done == -(-ROUND_READINGS // per_batch)


def test_alarms_and_live_values_are_taken_before_backlog() -> None:
    inbox = Inbox(3)
    messages = [Message("t", bytes([n]), T0, lambda: None) for n in range(9)]
    assert [inbox.put(m, urgent=False) for m in messages[:4]] == [True, True, True, False]
    assert inbox.put(messages[4], urgent=True)
    assert inbox.dropped == 1
    assert [m.payload[0] for m in inbox.take(3, 0)] == [4, 0, 1]
    assert inbox.waiting() == (0, 1)
