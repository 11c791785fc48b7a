"""What came in bundles goes through the worker as from the broker, between what comes now, and is no word of now."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from haihe_cloud.admit.registry import Station
from haihe_cloud.ingest.bundle import Named, outcome
from haihe_cloud.ledger.arrival import Arrival
from haihe_cloud.ledger.carried import Carried
from haihe_cloud.limits import CARRIED_COMMIT_BYTES, CARRIED_ROUND_BYTES, ROUND_MESSAGES
from haihe_contract import wire
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Readings, Record

from tests.cloud.conftest import OpenDatabase
from tests.cloud.ingest.test_worker import Centre, Crash
from tests.cloud.samples import LINE, STATION, T0, batch, data, opened

OTHER = "31005651"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@pytest.fixture
def centre(tmp_path: Path, open_database: OpenDatabase) -> Iterator[Centre]:
    made = Centre(tmp_path, open_database)
    yield made
    made.close()


def queue(centre: Centre) -> Carried:
    return Carried(centre.database)


def take(centre: Centre, *payloads: bytes, station: str = STATION, then: int = 1000) -> None:
    """Put into the queue, and let the worker take all of it."""
    queue(centre).put(station, payloads)
    centre.clock.ms += then
    while queue(centre).waiting().batches:
        centre.worker.housekeep()


def reasons(centre: Centre) -> list[tuple[str, str]]:
    return [(each.station, each.reason) for each in centre.ledger.quarantined()]


def without_dictionary(*numbers: int) -> bytes:
    records = [Record(n, False, Readings(T0 + n * 1000, 5, [0, 1], [1.0, 12.5])) for n in numbers]
    return wire.encode(wire.Batch(STATION, LINE, 2, 9, 1, records))


def test_a_carried_batch_is_stored_booked_logged_and_receipted(centre: Centre) -> None:
    take(centre, data([1, 2, 3, 4, 5]))
    assert centre.numbers() == [4, 5]
    assert centre.settled() == RangeSet.of((1, 5))
    assert [entry.data for entry in centre.ledger.arrivals(0)] == [data([1, 2, 3, 4, 5])]
    assert centre.touched == [STATION]
    take(centre, data([1, 2, 3, 4, 5]))
    assert len(centre.ledger.arrivals(0)) == 1, "twice does no harm"
    assert centre.ledger.quarantined() == []


def test_what_is_carried_is_no_word_of_the_station(centre: Centre) -> None:
    take(centre, data([1, 2, 4]))
    assert centre.ledger.last_heard() == {}, "a station that never spoke has not spoken"
    centre.worker.round([centre.message(data([1, 2, 5]))])
    take(centre, data([1, 2, 6]), then=DAY_MS)
    assert centre.ledger.last_heard() == {STATION: T0}
    assert centre.ledger.lines(STATION)[0].last_ms == centre.clock.ms, "but its line is heard of, and so stated"
    assert centre.ledger.arrivals(0)[-1].received_ms == centre.clock.ms, "and it is judged as what has come now"


def test_readings_that_cost_a_row_each_are_taken_in_rounds_as_short_as_the_others(centre: Centre) -> None:
    """Ten years of an hourly value that never changes fit into 16 KiB: all in one round held up live values for 9 s."""
    hourly = [
        data(numbers, bodies={n: Readings(T0 + n * HOUR_MS, 5, [0], [0.0]) for n in numbers}, lane=2)
        for numbers in (range(at, at + 2000) for at in range(4, 20_004, 2000))
    ]
    queue(centre).put(STATION, [data([1, 2, 3]), *hourly])
    assert sum(map(len, hourly)) < CARRIED_ROUND_BYTES
    centre.clock.ms += 1000
    taken = []
    while queue(centre).waiting().batches:
        before = queue(centre).waiting().batches
        centre.worker.housekeep()
        taken.append(before - queue(centre).waiting().batches)
    assert sum(taken) == 11
    assert max(taken) <= 4
    assert centre.ledger.lines(STATION)[0].held == RangeSet.of((1, 20_003))


def test_a_batch_whose_dictionary_is_not_here_waits_in_quarantine(centre: Centre) -> None:
    take(centre, without_dictionary(4, 5))
    assert reasons(centre) == [(STATION, "the dictionary of its line is not here")]
    assert centre.ledger.lines(STATION) == []
    take(centre, data([1, 2]), without_dictionary(6))
    centre.worker.round([])
    (kept,) = centre.ledger.quarantined()
    from haihe_cloud.ledger.quarantine import Quarantine

    Quarantine(centre.database).ask([kept.id], T0)
    centre.clock.ms += 1000
    centre.worker.housekeep()
    assert centre.ledger.lines(STATION)[0].held == RangeSet.of((1, 2), (4, 6))
    assert reasons(centre) == []


def test_of_a_station_that_was_removed_nothing_is_taken_and_nothing_kept(centre: Centre) -> None:
    queue(centre).put(STATION, [data([1, 2, 4])])
    centre.registry.remove(STATION)
    centre.clock.ms += 1000
    centre.worker.housekeep()
    centre.worker.housekeep()
    assert queue(centre).waiting().batches == 0
    assert (centre.ledger.lines(STATION), reasons(centre)) == ([], [])
    assert [each.code for each in centre.registry.unknown()] == [STATION]


def test_a_station_speaks_only_for_itself_also_in_a_bundle_that_it_has_signed(centre: Centre) -> None:
    centre.registry.add(Station(OTHER))
    take(centre, data([1, 2, 4], station=OTHER), data([1, 2, 4]), b"noise")
    assert centre.ledger.lines(OTHER) == []
    assert centre.store.series(OTHER) == []
    assert centre.ledger.lines(STATION)[0].held == RangeSet.of((1, 2), (4, 4))
    assert sorted(reasons(centre)) == [
        (STATION, "does not begin like a batch"),
        (STATION, f"names station '{OTHER}', but {STATION} has sent it"),
    ]


@pytest.mark.parametrize(
    "step", ["before the store", "after the store", "before the ledger", "after the ledger", "before the receipt"]
)
def test_a_centre_that_dies_at_any_step_takes_again_what_was_handed_to_it(centre: Centre, step: str) -> None:
    queue(centre).put(STATION, [data([1, 2, 4, 5]), data([6, 7])])
    centre.clock.ms += 1000
    centre.store.crash = centre.ledger.crash = step
    centre.publish_crashes = step == "before the receipt"
    with pytest.raises(Crash):
        centre.worker.housekeep()
    assert queue(centre).waiting().batches == 2
    centre.restart()
    take(centre)
    assert centre.ledger.lines(STATION)[0].held == RangeSet.of((1, 2), (4, 7))
    assert centre.numbers() == [4, 5, 6, 7]
    assert len(centre.ledger.arrivals(0)) == 2


def test_a_broker_that_is_away_keeps_nothing_out(centre: Centre) -> None:
    centre.connected = False
    take(centre, data([1, 2, 4]))
    assert centre.ledger.lines(STATION)[0].held == RangeSet.of((1, 2), (4, 4))
    centre.connected = True
    centre.worker.housekeep()
    assert centre.settled() == RangeSet.of((1, 2), (4, 4)), "the receipt was owed"


def test_what_comes_now_has_its_turn_between_two_rounds_of_a_bundle(centre: Centre) -> None:
    many = [data([1, 2, n]) for n in range(4, 4 + 3 * ROUND_MESSAGES) if n % 10]
    assert ROUND_MESSAGES * len(many[0]) < CARRIED_ROUND_BYTES
    queue(centre).put(STATION, many)
    taken: list[int] = []
    whole = centre.ledger.take

    def note(arrivals: list[Arrival], refusals: object = ()) -> int:
        taken.append(len(arrivals))
        if len(taken) == 2:
            centre.inbox.put(centre.message(data([1, 2, 500]), label="live"), urgent=True)
        if len(taken) == 3:
            assert [each.envelope.numbers.last for each in arrivals] == [500]
            centre.stop.set()
        return whole(arrivals, refusals)  # type: ignore[arg-type]

    centre.ledger.take = note  # type: ignore[method-assign,assignment]
    centre.clock.ms += 1000
    centre.worker.run()
    assert taken[:3] == [ROUND_MESSAGES, ROUND_MESSAGES, 1]
    assert centre.acknowledged == ["live"]


def test_one_large_batch_is_a_round_of_its_own(centre: Centre) -> None:
    chance = random.Random(1)
    noise = [chance.randbytes(CARRIED_ROUND_BYTES) for _ in range(3)]
    queue(centre).put(STATION, [b"small", *noise])
    assert [len(queue(centre).next()), queue(centre).waiting().size] == [1, 5 + 3 * CARRIED_ROUND_BYTES]
    queue(centre).forget([queue(centre).next()[0].id])
    assert [each.data for each in queue(centre).next()] == noise[:1]


def test_what_is_handed_over_in_several_commits_keeps_its_order(centre: Centre) -> None:
    chance = random.Random(2)
    parts = [chance.randbytes(CARRIED_COMMIT_BYTES // 3 + 1) for _ in range(8)]
    queue(centre).put(STATION, parts)
    queue(centre).put(OTHER, [b"", b"last"])
    found = []
    while some := queue(centre).next():
        found += [(each.station, each.data) for each in some]
        queue(centre).forget([each.id for each in some])
    assert found == [*((STATION, part) for part in parts), (OTHER, b""), (OTHER, b"last")]


def test_the_outcome_tells_new_here_refused_and_left_apart(centre: Centre) -> None:
    before = centre.ledger.lines(STATION)
    centre.store.refuses = frozenset({6})
    centre.worker.round([centre.message(data([1, 2, 4]))])
    here = centre.ledger.lines(STATION)
    take(centre, data([2, 4, 5, 6]))
    named = Named(STATION)
    named.note([data([2, 4, 5, 6]), data([8]), data([1], line=9), data([1], line=10, volatile=True), b"noise"])
    assert named.batches == 5
    assert named.unread == {"does not begin like a batch": 1}
    now = centre.ledger.lines(STATION)
    assert outcome(named.numbers(), before, now) == (6, 3, 0, 1, 2)
    assert outcome(named.numbers(), here, now) == (6, 1, 2, 1, 2)


def test_a_year_old_card_is_late_in_the_figures_and_not_in_time(centre: Centre) -> None:
    take(centre, wire.encode(batch([1, 2, 3, 4], bodies={1: opened()})), then=DAY_MS)
    from haihe_cloud.ledger.book import Book

    (hour,) = Book(centre.database, centre.ledger).hours(STATION, 0, 10**6)
    assert all(seconds.arrived and not seconds.in_time for seconds in hour.seen.values())
