"""What is in quarantine comes back in by the same way, once somebody asks; it is no word of the station."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from haihe_cloud.admit.registry import Station
from haihe_cloud.ledger.arrival import Refusal
from haihe_cloud.ledger.quarantine import Quarantine
from haihe_contract import topic
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Readings, Unread

from tests.cloud.conftest import OpenDatabase
from tests.cloud.ingest.test_worker import Centre
from tests.cloud.samples import LINE, STATION, T0, data, gap

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


def test_what_a_follower_set_aside_is_followed_again(centre: Centre) -> None:
    payload = data([1, 2, 4])
    centre.worker.round([centre.message(payload)])
    centre.ledger.quarantine([Refusal("follower/alarm", STATION, "follower alarm failed", payload, T0)])
    ask(centre, kept(centre)[0][0])
    assert [entry.data for entry in centre.ledger.arrivals(0)] == [payload, payload]
    assert kept(centre) == []


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
