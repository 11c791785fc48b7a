"""What is in quarantine comes back in by the same way, once somebody asks; it is no word of the station."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from haihe_cloud.admit.registry import Station
from haihe_cloud.database import Connection
from haihe_cloud.ingest.place import Placing
from haihe_cloud.ledger.arrival import TIMED, ArrivalEntry, Refusal
from haihe_cloud.ledger.book import Book
from haihe_cloud.ledger.follow import Follower, Following
from haihe_cloud.ledger.quarantine import Quarantine
from haihe_contract import topic
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Readings, TimeFix, Unread
from haihe_contract.wire import Batch

from tests.cloud.conftest import OpenDatabase
from tests.cloud.ingest.test_worker import Centre
from tests.cloud.samples import LEVEL, LINE, STATION, T0, data, gap, opened

NEWCOMER = "31005652"


@pytest.fixture
def centre(tmp_path: Path, open_database: OpenDatabase) -> Iterator[Centre]:
    made = Centre(tmp_path, open_database)
    yield made
    made.close()


def kept(centre: Centre) -> list[tuple[int, str]]:
    return [(each.id, each.reason) for each in centre.ledger.quarantined()]


def ask(centre: Centre, *numbers: int, then: int = 1000) -> None:
    Quarantine(centre.database).ask(numbers, T0)
    centre.clock.ms += then
    centre.worker.housekeep()


def test_bytes_that_an_older_version_refused_are_held_after_the_upgrade(centre: Centre) -> None:
    payload = data([1, 2, 4, 5])
    # As a version that could not open the body booked it: all numbers refused, the bytes in quarantine.
    centre.store.refuses = frozenset({4, 5})
    centre.worker.round([centre.message(payload)])
    assert centre.ledger.lines(STATION)[0].refused == RangeSet.of((4, 5))
    ((number, _),) = kept(centre)
    centre.store.refuses = frozenset()
    ask(centre, number)
    assert centre.ledger.lines(STATION)[0].held == RangeSet.of((1, 2), (4, 5)), "held wins over refused"
    assert centre.ledger.lines(STATION)[0].refused == RangeSet()
    assert centre.numbers() == [4, 5]
    assert kept(centre) == []
    assert len(centre.ledger.arrivals(0)) == 2, "whoever follows the log sees it now"


def test_what_is_held_again_wins_over_a_gap_that_was_said_meanwhile(centre: Centre) -> None:
    centre.store.refuses = frozenset({4})
    centre.worker.round([centre.message(data([1, 2, 4]))])
    centre.worker.round([centre.message(data([6], bodies={6: gap(LINE, (4, 5))}))])
    centre.store.refuses = frozenset()
    ask(centre, kept(centre)[0][0])
    line = centre.ledger.lines(STATION)[0]
    assert (line.held, line.gaps) == (RangeSet.of((1, 2), (4, 4), (6, 6)), RangeSet.of((5, 5)))


def test_what_still_cannot_be_taken_stays_with_its_new_reason_and_is_not_counted_again(centre: Centre) -> None:
    centre.worker.round([centre.message(b"hello"), centre.message(data([1, 2, 4], bodies={4: Unread(b"\xff")}))])
    before = {each.id: each.times for each in centre.ledger.quarantined()}
    ask(centre, *before)
    after = centre.ledger.quarantined()
    assert {each.id: each.times for each in after} == before
    assert all(each.asked_ms is None and each.tried_ms is not None for each in after)
    assert "cannot be read" in after[0].reason + after[1].reason


def test_a_message_of_a_station_that_was_removed_waits_for_its_registration(centre: Centre) -> None:
    payload = data([1, 2, 4], station=NEWCOMER)
    refusal = Refusal(topic.up(NEWCOMER, 1), NEWCOMER, "by an older version", payload, T0)
    centre.ledger.quarantine([refusal])
    ((number, _),) = kept(centre)
    ask(centre, number)
    assert kept(centre) == [(number, "its station is not registered")]
    centre.registry.add(Station(NEWCOMER))
    ask(centre, number)
    assert kept(centre) == []
    assert centre.ledger.lines(NEWCOMER)[0].held == RangeSet.of((1, 2), (4, 4))


def test_admitting_again_is_no_word_of_the_station(centre: Centre) -> None:
    centre.store.refuses = frozenset({4})
    centre.worker.round([centre.message(data([1, 2, 4]))])
    centre.store.refuses = frozenset()
    ask(centre, kept(centre)[0][0], then=86_400_000)
    assert centre.ledger.last_heard() == {STATION: T0}
    assert centre.ledger.lines(STATION)[0].last_ms == T0
    assert centre.ledger.arrivals(1)[0].received_ms == T0 + 86_400_000, "it is judged as what has come now"


def test_many_messages_come_back_in_small_rounds(centre: Centre) -> None:
    centre.store.refuses = frozenset(range(4, 60))
    for number in range(4, 60):
        body = Readings(T0 + number, 5, [0], [1.0])
        centre.worker.round([centre.message(data([1, 2, number], bodies={number: body}))])
    centre.store.refuses = frozenset()
    numbers = [number for number, _ in kept(centre)]
    ask(centre, *numbers)
    assert 0 < len(kept(centre)) < len(numbers), "what comes now does not wait for all of them"
    while kept(centre):
        centre.worker.housekeep()
    assert centre.ledger.lines(STATION)[0].held == RangeSet.of((1, 2), (4, 59))


def test_what_is_dropped_leaves_its_reason_and_stays_refused(centre: Centre) -> None:
    centre.store.refuses = frozenset({4})
    centre.worker.round([centre.message(data([1, 2, 4]))])
    ((number, _),) = kept(centre)
    quarantine = Quarantine(centre.database)
    assert quarantine.drop(number, "a test record", T0)
    assert not quarantine.drop(number, "a test record", T0)
    (gone,) = quarantine.gone(10)
    assert (gone.id, gone.why, gone.station) == (number, "a test record", STATION)
    assert centre.ledger.lines(STATION)[0].refused == RangeSet.of((4, 4))


class Faulty:
    """A follower that cannot work one kind of entry until it is mended; keeps what it has worked."""

    name = "alarm"

    def __init__(self, cannot: int | None) -> None:
        self.cannot = cannot
        self.worked: list[tuple[int, list[int]]] = []

    def handle(self, entry: ArrivalEntry, batch: Batch, connection: Connection) -> None:  # noqa: ARG002
        if entry.lane == self.cannot:
            raise KeyError("a fault of our own")
        self.worked.append((entry.lane, [record.number for record in batch.records]))


def work_off(centre: Centre, *followers: Follower) -> None:
    """Let each follow the log until nothing is left of it, whatever it sets aside."""
    for each in followers:
        following = Following(centre.ledger, centre.database, each)
        while following.step(0.0) is not None:
            pass


UNTIMED = {1: opened(), 4: Readings(4000, 0, [0], [3.4]), 5: Readings(5000, 0, [0], [3.5])}
FIX = {7: TimeFix("boot", T0 - 60_000, 20, 5, T0)}


def test_readings_timed_later_that_a_follower_set_aside_come_back_as_such_and_are_no_second_content(
    centre: Centre,
) -> None:
    placing, faulty = Placing(centre.store, centre.ledger, centre.clock), Faulty(cannot=TIMED)
    centre.worker.round([centre.message(data([2, *UNTIMED], bodies=UNTIMED))])
    centre.worker.round([centre.message(data([2, *FIX], bodies=FIX))])
    work_off(centre, placing, faulty)
    ((number, reason),) = kept(centre)
    assert "follower alarm failed" in reason
    before = (centre.ledger.lines(STATION), faulty.worked.copy())
    faulty.cannot = None
    ask(centre, number)
    work_off(centre, placing, faulty)
    assert faulty.worked == [*before[1], (TIMED, [4, 5])]
    assert kept(centre) == []
    assert Book(centre.database, centre.ledger).troubles() == []
    assert (centre.ledger.lines(STATION), centre.ledger.last_heard()) == (before[0], {STATION: T0})
    assert [row.time_ms for row in centre.store.read(STATION, LEVEL, 0, 2 * T0)] == [T0 - 56_000, T0 - 55_000]


def test_rows_whose_removal_from_the_untimed_was_set_aside_leave_them_when_it_is_admitted_again(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    placing = Placing(centre.store, centre.ledger, centre.clock)
    centre.worker.round([centre.message(data([2, *UNTIMED, *FIX], bodies={**UNTIMED, **FIX}))])

    def forget(*_: object) -> None:
        raise KeyError("a fault of our own")

    with monkeypatch.context() as broken:
        broken.setattr(centre.store, "forget_untimed", forget)
        work_off(centre, placing)
    assert len(centre.store.untimed(STATION)) == 2
    ask(centre, kept(centre)[0][0])
    work_off(centre, placing)
    assert centre.store.untimed(STATION) == []
    assert kept(centre) == []


@pytest.mark.parametrize("volatile", [False, True])
def test_an_entry_that_a_follower_set_aside_reaches_it_in_its_own_lane_and_is_not_booked_again(
    centre: Centre, *, volatile: bool
) -> None:
    faulty = Faulty(cannot=1)
    two_contents = {4: Readings(T0, 5, [0], [9.0])}
    centre.worker.round([centre.message(data([1, 2, 4], volatile=volatile))])
    centre.worker.round([centre.message(data([2, 4], bodies=two_contents, volatile=volatile))])
    work_off(centre, faulty)
    troubles = Book(centre.database, centre.ledger).troubles()
    assert len(troubles) == (not volatile)
    faulty.cannot = None
    numbers = [number for number, _ in kept(centre)]
    assert len(numbers) == 2
    ask(centre, *numbers)
    work_off(centre, faulty)
    assert faulty.worked == [(1, [1, 2, 4]), (1, [2, 4])]
    assert Book(centre.database, centre.ledger).troubles() == troubles, "not counted once more either"
    assert kept(centre) == []


def test_what_a_follower_set_aside_stays_as_long_as_nobody_could_work_it(centre: Centre) -> None:
    payload = data([1, 2, 4])
    newer = b"H\x02" + payload[2:]
    faulty = Faulty(cannot=None)
    unknown = data([1, 2, 4], station=NEWCOMER)
    centre.ledger.quarantine(
        [
            Refusal("follower/alarm", STATION, "follower alarm failed", newer, T0),
            Refusal("follower/alarm", NEWCOMER, "follower alarm failed", unknown, T0),
            Refusal("follower/alarm", STATION, "follower alarm failed", payload, T0),
        ]
    )
    ask(centre, *(number for number, _ in kept(centre)))
    work_off(centre, faulty)
    assert faulty.worked == [(1, [1, 2, 4])]
    reasons = sorted(reason for _, reason in kept(centre))
    assert reasons[0] == "its station is not registered"
    assert "version 2" in reasons[1]
