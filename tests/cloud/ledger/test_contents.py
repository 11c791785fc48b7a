"""One number, two contents: known however batches are cut, both kept, and shown by one fixed order."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from haihe_cloud.audit import audit
from haihe_cloud.database import Database
from haihe_cloud.ledger import content
from haihe_cloud.ledger.arrival import Arrival
from haihe_cloud.ledger.book import Book
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.ledger.missing import TWO_CONTENTS
from haihe_cloud.limits import CONFLICTS_PER_NUMBER
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract import wire
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Body, Event, Readings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cloud.samples import LEVEL, LINE, STATION, T0, StillClock, batch, body_of
from tests.cloud.whole import Whole

values = st.one_of(st.none(), st.floats(-100, 100).map(lambda value: round(value, 3)))


def other(number: int, value: float = 99.0) -> Body:
    return Readings(T0 + number * 1000, 5, [0, 1], [value, 12.5])


@pytest.fixture
def whole(database: Database, tmp_path: Path) -> Whole:
    return Whole(database, SqliteStore(tmp_path / "series.db"))


@given(st.lists(st.tuples(values, values), min_size=1, max_size=20), st.randoms(use_true_random=False), st.booleans())
def test_the_digest_of_a_record_is_the_same_for_every_cut_of_batches(
    rows: list[tuple[float | None, float | None]], chance: random.Random, compress: bool
) -> None:
    bodies = {
        n: Readings(T0 + n, 5, [0, 1], list(row), [9 if value is None else 1 for value in row])
        for n, row in enumerate(rows, start=4)
    }
    whole_batch = wire.decode(wire.encode(batch(bodies, bodies=bodies), compress=compress))
    digests = {record.number: content.content(record.body) for record in whole_batch.records}
    numbers = list(bodies)
    while numbers:
        some = {numbers.pop() for _ in range(min(len(numbers), chance.randint(1, 4)))}
        cut = wire.decode(wire.encode(batch(some, bodies=bodies)))
        assert all(content.content(record.body) == digests[record.number] for record in cut.records)
    assert all(content.has_readings(digest) for digest in digests.values())


@given(st.permutations([0, 1, 2]))
def test_the_order_of_the_series_and_the_sign_of_zero_are_no_content(order: list[int]) -> None:
    told = Readings(T0, 5, [0, 1, 2], [0.0, 1.5, 2.0], [1, 3, 1])
    again = Readings(T0, 5, order, [[-0.0, 1.5, 2.0][at] for at in order], [[1, 3, 1][at] for at in order])
    assert content.content(told) == content.content(again)
    assert content.content(told) != content.content(Readings(T0, 5, [0, 1, 2], [0.0, 1.5, 2.0], [1, 1, 1]))
    assert content.content(told) != content.content(Readings(T0, 4, [0, 1, 2], [0.0, 1.5, 2.0], [1, 3, 1]))
    assert not content.has_readings(content.content(Event(T0, 5, "level_raised")))


def test_a_repetition_with_the_same_content_is_nothing_new(whole: Whole) -> None:
    whole.send(batch([1, 2, 3, 4, 5]))
    before = whole.ledger.lines(STATION), whole.store.read(STATION, LEVEL, 0, 2 * T0)
    whole.send(batch([2, 4]), batch([1, 2, 3, 5]))
    assert (whole.ledger.lines(STATION), whole.store.read(STATION, LEVEL, 0, 2 * T0)) == before
    assert len(whole.ledger.arrivals(0)) == 1
    assert whole.book.troubles() == []


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("turned", [True, False])
def test_of_two_contents_one_is_shown_and_the_other_beside_it_in_any_order(
    whole: Whole, together: bool, turned: bool
) -> None:
    first, second = batch([1, 2, 4, 5]), batch([1, 2, 5, 6], bodies={5: other(5)})
    if turned:
        first, second = second, first
    if together:
        whole.send(first, second)
    else:
        whole.send(first)
        whole.send(second)
    values = {row.number: row.value for row in whole.store.read(STATION, LEVEL, 0, 2 * T0)}
    assert values == {4: 3.004, 5: 99.0, 6: 3.006}, "of two values for one time the store's order decides"
    assert [(rival.reading.number, rival.reading.value) for rival in whole.store.conflicts(STATION)] == [(5, 3.005)]
    (kept,) = whole.book.content_conflicts(STATION)
    assert (kept.line, kept.number) == (LINE, 5)
    digests = {content.content(body) for body in (other(5), body_of(5))}
    assert {kept.digest, whole.book.contents(STATION, LINE)[5]} == digests
    assert kept.digest == max(digests)
    (trouble,) = whole.book.troubles()
    assert (trouble.kind, trouble.number) == (TWO_CONTENTS, 5)
    assert [event.kind for event in whole.ledger.events(STATION)].count(TWO_CONTENTS) == 1
    assert whole.receipt().settled()[LINE] == RangeSet.of((1, 2), (4, 6)), "it need not be sent a third time"
    assert audit(whole.book, whole.store, STATION).disagreements == []


def test_followers_see_each_content_once(whole: Whole) -> None:
    for _ in range(2):
        whole.send(batch([1, 2, 4, 5]))
        whole.send(batch([2, 5], bodies={5: other(5)}))
    seen = [record.body for entry in whole.ledger.arrivals(0) for record in wire.decode(entry.data).records]
    assert [body for body in seen if body in (body_of(5), other(5))] == [body_of(5), other(5)]


@given(st.permutations(range(CONFLICTS_PER_NUMBER + 3)))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_of_contents_without_end_the_same_ones_are_kept_in_any_order(
    fresh_database: Callable[[], Database], tmp_path: Path, order: list[int]
) -> None:
    database = fresh_database()
    whole = Whole(database, SqliteStore(tmp_path / f"series{len(list(tmp_path.iterdir()))}.db"))
    for n in order:
        whole.send(batch([2, 4], bodies={4: other(4, 50.0 + n)}))
    digests = sorted(content.content(other(4, 50.0 + n)) for n in order)
    assert whole.book.contents(STATION, LINE)[4] == digests[0]
    kept = sorted(each.digest for each in whole.book.content_conflicts(STATION))
    assert kept == digests[1 : CONFLICTS_PER_NUMBER + 1]
    database.close()


@st.composite
def contradictory(draw: st.DrawFn) -> list[wire.Batch]:
    """Batches of one line, cut at will; some numbers have two contents."""
    out = []
    for _ in range(draw(st.integers(2, 6))):
        numbers = draw(st.sets(st.integers(4, 12), min_size=1, max_size=6))
        bodies = {n: other(n) for n in numbers if n in (5, 9) and draw(st.booleans())}
        out.append(batch({1, 2, *numbers}, bodies=bodies, head=12))
    return out


@given(contradictory(), st.randoms(use_true_random=False), st.integers(1, 3))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_contradicting_batches_gives_the_same_book(
    fresh_database: Callable[[], Database], batches: list[wire.Batch], chance: random.Random, cuts: int
) -> None:
    def contents(order: list[wire.Batch]) -> tuple[object, ...]:
        database = fresh_database()
        ledger = Ledger(database, centre="haihe", clock=StillClock())
        for at in range(0, len(order), cuts):
            envelopes = [(each, wire.read_envelope(wire.encode(each))) for each in order[at : at + cuts]]
            ledger.take([Arrival(env, wire.open_batch(env), wire.encode(b), T0, RangeSet()) for b, env in envelopes])
        book = Book(database, ledger)
        blocks = book.contents(STATION, LINE)
        (line,) = ledger.lines(STATION)
        both: dict[int, list[int]] = {number: [blocks[number]] for number in line.held.numbers()}
        for each in sorted(book.content_conflicts(STATION), key=lambda each: each.digest):
            both[each.number].append(each.digest)
        assert all(digests == sorted(set(digests)) for digests in both.values())
        troubles = {(each.kind, each.line, each.number) for each in book.troubles(STATION)}
        database.close()
        return line, both, troubles

    mixed = [*batches, chance.choice(batches)]
    chance.shuffle(mixed)
    line, both, troubles = contents(batches)
    assert contents(mixed) == (line, both, troubles)
    assert all(len(digests) <= 2 for digests in both.values())
