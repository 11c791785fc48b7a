"""Why numbers are missing, and what openings say of cards that were rolled back, cloned or replaced."""

import random
from pathlib import Path

import pytest
from haihe_cloud.database import Database
from haihe_cloud.ledger import told
from haihe_cloud.ledger.arrival import LineState
from haihe_cloud.ledger.missing import Missing, ancestry, are_one_journal, missing_ranges, with_gone
from haihe_cloud.ledger.told import Opening, ToldGap
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Body
from hypothesis import given
from hypothesis import strategies as st

from tests.cloud.samples import LINE, STATION, T0, batch, gap, opened
from tests.cloud.whole import Whole

A, B, C = 0xA, 0xB, 0xC


@pytest.fixture
def whole(database: Database, tmp_path: Path) -> Whole:
    return Whole(database, SqliteStore(tmp_path / "series.db"))


def send(whole: Whole, line: int, bodies: dict[int, Body], *, head: int, tail: int = 1, at: int = T0) -> None:
    whole.send(batch(bodies, line=line, bodies=bodies, head=head, tail=tail), received_ms=at)


ranges = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), max_size=5).map(
    lambda found: RangeSet((first, first + more) for first, more in found)
)


@given(ranges, ranges, ranges, st.integers(0, 80), st.integers(0, 70), st.booleans())
def test_every_number_is_held_or_missing_for_exactly_one_reason(
    held: RangeSet, refused: RangeSet, said: RangeSet, head: int, tail: int, gone: bool
) -> None:
    head = max([head, *(each.last for each in (held, refused, said) if each)])
    refused = refused - held
    line = LineState(STATION, 7, head, tail, held, refused, said - held - refused, 0, 0, gone)
    named = [
        ToldGap(7, said, "no_space", T0),
        ToldGap(7, said, "thinned", T0 + 1),
        ToldGap(8, RangeSet.of((1, 99)), "x", 1),
    ]
    found = missing_ranges(line, named)
    numbers = [number for each in found for number in range(each.first, each.last + 1)]
    assert numbers == sorted(set(range(1, head + 1)) - set(held.numbers()))
    assert {each.state for each in found} <= {Missing.GAP, Missing.REFUSED, Missing.AWAITED, Missing.LOST}
    assert not gone or all(each.state is not Missing.AWAITED for each in found)


def test_gaps_say_state_cause_and_since_when(whole: Whole) -> None:
    bodies = {n: batch([n]).records[0].body for n in (1, 2, 3, 4, 5, 31)}
    send(whole, LINE, {**bodies, 30: gap(LINE, (6, 9), cause="no_space")}, head=40, tail=20)
    found = [
        (each.first, each.last, each.state, each.cause, each.told_ms) for each in whole.book.missing_ranges(STATION)
    ]
    assert found == [
        (6, 9, Missing.GAP, "no_space", T0),
        (10, 19, Missing.LOST, "", None),
        (20, 29, Missing.AWAITED, "", None),
        (32, 40, Missing.AWAITED, "", None),
    ]
    assert whole.book.missing_since(STATION, LINE, 6) == T0 // 3_600_000 * 3_600_000
    assert whole.book.missing_since(STATION, LINE, 1) is None


def test_a_previous_last_below_what_was_heard_is_a_rolled_back_card(whole: Whole) -> None:
    for order in ((A, B), (B, A)):
        code = f"3100565{order[0] % 10}"
        again = Whole(whole.database, whole.store, station=code)
        for line in order:
            body: Body = opened() if line == A else opened(A, 6)
            again.send(batch([1], line=line, bodies={1: body}, head=9, station=code))
        (trouble,) = again.book.troubles(code)
        assert (trouble.kind, trouble.line, trouble.number) == ("line_went_back", B, 7)
        assert trouble.detail["heard"] == 9
        assert "line_went_back" in [event.kind for event in again.ledger.events(code)]
    assert len(whole.book.troubles()) == 2


def test_two_lines_after_the_same_one_are_a_cloned_card(whole: Whole) -> None:
    send(whole, A, {1: opened()}, head=6)
    send(whole, B, {1: opened(A, 6)}, head=3, at=T0 + 1)
    assert whole.book.troubles(STATION) == []
    send(whole, C, {1: opened(A, 6)}, head=3, at=T0 + 2)
    (trouble,) = whole.book.troubles(STATION)
    assert (trouble.kind, trouble.line) == ("line_forked", C)


def test_what_a_replaced_card_had_is_lost_and_not_awaited_for_ever(whole: Whole) -> None:
    send(whole, A, {1: opened(), 2: batch([2]).records[0].body}, head=20)
    assert whole.ledger.lines(STATION)[0].awaited.count() == 18
    send(whole, B, {2: batch([2]).records[0].body}, head=5, at=T0 + 1)
    lines = {line.line: line for line in whole.ledger.lines(STATION)}
    assert lines[A].awaited.count() == 18, "the opening of the new line is not known yet"
    send(whole, B, {1: opened()}, head=5, at=T0 + 2)
    lines = {line.line: line for line in whole.ledger.lines(STATION)}
    assert (lines[A].gone, lines[A].lost.count(), lines[A].awaited.count()) == (True, 18, 0)
    send(whole, A, {3: batch([3]).records[0].body}, head=20, at=T0 + 3)
    lines = {line.line: line for line in whole.ledger.lines(STATION)}
    assert lines[A].awaited.count() == 17, "it speaks again: the old card is back"


def test_while_the_backlog_of_an_older_line_comes_nothing_of_the_newer_ones_is_called_lost(whole: Whole) -> None:
    send(whole, A, {1: opened()}, head=20)
    send(whole, B, {1: opened(A, 20)}, head=9, at=T0 + 1)
    send(whole, C, {1: opened(B, 9)}, head=6, at=T0 + 2)
    for backlog in (A, B):
        send(whole, backlog, {3: batch([3]).records[0].body}, head=9, at=T0 + 3)
        assert {line.line: line.lost.count() for line in whole.ledger.lines(STATION)} == {A: 0, B: 0, C: 0}
    assert {line.line: line.awaited.count() for line in whole.ledger.lines(STATION)} == {A: 18, B: 7, C: 5}


def test_of_two_lines_that_followed_one_the_journal_of_the_earlier_is_gone_whatever_is_heard_last(
    whole: Whole,
) -> None:
    send(whole, A, {1: opened()}, head=20)
    send(whole, B, {1: opened(A, 20)}, head=9, at=T0 + 1)
    send(whole, C, {1: opened(A, 20)}, head=6, at=T0 + 2)
    send(whole, A, {3: batch([3]).records[0].body}, head=20, at=T0 + 3)
    assert {line.line: line.gone for line in whole.ledger.lines(STATION)} == {A: False, B: True, C: False}


def test_a_line_whose_opening_has_not_come_is_not_gone_while_older_ones_speak(whole: Whole) -> None:
    send(whole, A, {1: opened()}, head=20)
    send(whole, B, {2: batch([2]).records[0].body}, head=9, at=T0 + 1)
    send(whole, A, {3: batch([3]).records[0].body}, head=20, at=T0 + 2)
    assert [line.gone for line in whole.ledger.lines(STATION)] == [False, False]


def test_older_lines_of_the_same_journal_stay_awaited(whole: Whole) -> None:
    send(whole, A, {1: opened()}, head=20)
    send(whole, B, {1: opened(A, 20)}, head=5, at=T0 + 1)
    send(whole, C, {1: opened(B, 5)}, head=5, at=T0 + 2)
    assert [line.gone for line in whole.ledger.lines(STATION)] == [False, False, False]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9, unique=True), st.data())
def test_ancestry_ends_and_is_only_told_when_it_is_whole(lines: list[int], data: st.DataObject) -> None:
    openings = {
        line: Opening(line, 0, 5, "b", data.draw(st.sampled_from([0, *lines])), 1, 0)
        for line in data.draw(st.lists(st.sampled_from(lines), unique=True))
    }
    found = ancestry(lines[0], openings)
    states = [LineState(STATION, line, 5, 1, RangeSet(), RangeSet(), RangeSet(), 0, 0) for line in lines]
    marked = with_gone(states, openings)
    assert not marked[0].gone
    if found is None:
        assert marked == states
    else:
        assert not {line.line for line in marked if line.gone} & found


@given(st.permutations(range(1, 7)), st.integers(1, 6), st.data())
def test_of_lines_that_follow_each_other_none_is_gone_whatever_else_is_known(
    chain: list[int], listed: int, data: st.DataObject
) -> None:
    """The chain is the journal; what is drawn besides it, forks of it and journals of their own, is not listed."""
    previous = dict(zip(chain, [0, *chain], strict=False))
    others = {line: data.draw(st.sampled_from([0, *chain, *range(20, line)])) for line in range(20, 23)}
    openings = {line: Opening(line, 0, 5, "b", named, 1, line) for line, named in (previous | others).items()}
    heard = data.draw(st.permutations(chain[-listed:]))
    states = [LineState(STATION, line, 5, 1, RangeSet(), RangeSet(), RangeSet(), 0, 0) for line in heard]
    assert are_one_journal(states, {line: previous[line] for line in heard})
    assert with_gone(states, openings) == states
    assert not are_one_journal([*states, states[0]._replace(line=99)], previous | {99: 98})


def test_troubles_are_the_same_for_any_order_of_arrival(database: Database, tmp_path: Path) -> None:
    parts: list[tuple[int, dict[int, Body], int]] = [
        (A, {1: opened()}, 9),
        (B, {1: opened(A, 6)}, 4),
        (C, {1: opened(A, 9)}, 4),
        (A, {4: batch([4]).records[0].body}, 12),
    ]
    seen = []
    for n in range(4):
        code = f"3100560{n}"
        whole = Whole(database, SqliteStore(tmp_path / f"{n}.db"), station=code)
        chance = random.Random(n)
        for line, bodies, head in chance.sample(parts, len(parts)):
            whole.send(batch({2, *bodies}, line=line, bodies=bodies, head=head, station=code))
        seen.append({(each.kind, each.line) for each in whole.book.troubles(code) if each.kind == "line_went_back"})
    assert seen == [{("line_went_back", B), ("line_went_back", C)}] * 4


def test_what_is_read_of_openings_for_a_receipt_does_not_grow_with_the_years_and_people_are_told_of_all(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 100
    monkeypatch.setattr("haihe_cloud.ledger.ledger.OPENINGS_READ", most)
    send(whole, 7, {1: opened()}, head=9, tail=1)  # a card that was replaced
    last = 4 * most
    for line in range(100, 100 + last):
        send(whole, line, {1: opened(line - 1, 4) if line > 100 else opened()}, head=4, at=T0 + line)
    connection = whole.database.connection()
    read = told.openings_of(connection, [STATION], most)[STATION]
    assert sorted(read) == list(range(100 + last - most, 100 + last))
    assert len(told.openings(connection, STATION)) == last + 1
    by_number = {each.line: each for each in whole.book.all_lines(STATION)}
    assert by_number[7].gone
    assert not any(each.gone for line, each in by_number.items() if line != 7)
