"""Tips by intervals and contacts without bounces, for any pattern of edges."""

from bisect import bisect_right
from itertools import pairwise

import pytest
from haihe_edge import limits
from haihe_edge.acquire.digital.pulses import Ended, Intervals, Steady, TipCounter
from hypothesis import given
from hypothesis import strategies as st

PERIOD = 300_000
WALL = 1_785_456_000_000 + 12_345

moments = st.lists(st.integers(0, 4_000_000), max_size=60).map(sorted)


def told(intervals: Intervals, tips: list[int], looks: list[int], offset: int = WALL) -> list[Ended]:
    """Everything that is said when the lines are looked at at these moments."""
    found = intervals.advance(offset, 0)
    done = 0
    for look in looks:
        until = bisect_right(tips, look)
        for tip in tips[done:until]:
            intervals.tip(tip)
        done = until
        found += intervals.advance(offset + look, look)
    return found


def expected(tips: list[int], end_ms: int) -> int:
    return sum(end_ms - PERIOD < WALL + tip <= end_ms for tip in tips)


@given(moments, moments)
def test_each_interval_has_exactly_the_tips_that_fell_in_it_however_late_they_are_looked_at(
    tips: list[int], looks: list[int]
) -> None:
    ended = told(Intervals(PERIOD), tips, [*looks, 4_000_001])
    assert ended[0].tips is None  # it began before anybody counted
    assert [each.tips for each in ended[1:]] == [expected(tips, each.end_ms) for each in ended[1:]]
    assert [b.end_ms - a.end_ms for a, b in pairwise(ended)] == [PERIOD] * (len(ended) - 1)
    assert all(each.end_ms % PERIOD == 0 for each in ended)


@given(moments, moments)
def test_the_sum_over_all_intervals_is_what_the_total_grew_by(tips: list[int], looks: list[int]) -> None:
    ended = told(Intervals(PERIOD, total=1000), tips, [*looks, 4_000_001])
    counted = sum(each.tips or 0 for each in ended)
    assert ended[-1].total == ended[0].total + counted
    assert ended[0].total >= 1000


@given(moments, moments, st.integers(0, 4_000_000), st.integers(0, 900_000))
def test_an_interval_in_which_nobody_counted_for_a_while_is_missing_and_never_zero(
    tips: list[int], looks: list[int], blind_from: int, lasted: int
) -> None:
    intervals = Intervals(PERIOD)
    seen = [tip for tip in tips if not blind_from < tip <= blind_from + lasted]
    before = [look for look in looks if look < blind_from]
    ended = told(intervals, [tip for tip in seen if tip <= blind_from], [*before, blind_from])
    intervals.blind(blind_from)
    ended += intervals.advance(WALL + blind_from + lasted, blind_from + lasted)
    intervals.sees(blind_from + lasted)
    for tip in [tip for tip in seen if tip > blind_from]:
        intervals.tip(tip)
    ended += intervals.advance(WALL + 5_000_000, 5_000_000)
    for each in ended[1:]:
        touched = each.end_ms - PERIOD < WALL + blind_from + lasted and each.end_ms > WALL + blind_from
        assert each.tips == (None if touched else expected(seen, each.end_ms))


@given(moments, moments, st.lists(st.integers(-limits.CLOCK_STEP_MS, limits.CLOCK_STEP_MS), min_size=1, max_size=8))
def test_a_clock_that_drifts_loses_no_tip_and_counts_none_twice(
    tips: list[int], looks: list[int], drifts: list[int]
) -> None:
    intervals = Intervals(PERIOD)
    ended = told(intervals, [], [])
    done, offset = 0, WALL
    for at, look in enumerate(sorted([*looks, 4_000_001])):
        until = bisect_right(tips, look)
        for tip in tips[done:until]:
            intervals.tip(tip)
        done = until
        offset = WALL + drifts[at % len(drifts)] // 2
        ended += intervals.advance(offset + look, look)
    assert ended[0].tips is None
    assert sum(each.tips for each in ended[1:] if each.tips is not None) == ended[-1].total - ended[0].total
    assert len({each.end_ms for each in ended}) == len(ended)


@given(moments, st.integers(0, 4_000_000), st.integers(-10_000_000, 10_000_000))
def test_a_clock_that_is_set_makes_no_rain_out_of_nothing(tips: list[int], when: int, by: int) -> None:
    intervals = Intervals(PERIOD)
    ended = told(intervals, [tip for tip in tips if tip <= when], [when])
    for tip in [tip for tip in tips if tip > when]:
        intervals.tip(tip)
    ended += intervals.advance(WALL + by + 4_000_001, 4_000_001)
    ended += intervals.advance(WALL + by + 4_900_001, 4_900_001)
    assert sum(each.tips or 0 for each in ended) <= len(tips)
    assert ended[-1].total == len(tips)
    assert len(ended) <= limits.COUNTER_PERIODS_MAX


def test_the_interval_that_a_set_clock_cuts_is_not_given_and_the_next_whole_one_is() -> None:
    intervals = Intervals(60_000)
    assert intervals.advance(0, 0) == []
    assert intervals.advance(60_000, 60_000) == [Ended(60_000, None, 0)]
    intervals.tip(70_000)
    assert intervals.advance(7_200_000 + 80_000, 80_000) == []
    assert intervals.advance(7_200_000 + 120_000, 120_000) == [Ended(7_320_000, None, 1)]
    assert intervals.advance(7_200_000 + 180_000, 180_000) == [Ended(7_380_000, 0, 1)]


def test_a_clock_set_back_does_not_replace_a_known_interval_by_a_missing_one() -> None:
    intervals = Intervals(60_000)
    intervals.advance(0, 0)
    intervals.advance(60_000, 60_000)
    intervals.tip(70_000)
    assert intervals.advance(120_000, 120_000) == [Ended(120_000, 1, 1)]
    assert intervals.advance(100_000, 130_000) == []
    assert intervals.advance(120_000, 150_000) == []
    assert intervals.advance(180_000, 210_000) == [Ended(180_000, 0, 1)]


def test_a_day_of_rain_ends_at_eight_in_beijing() -> None:
    intervals = Intervals(86_400_000)
    eight = 1_785_456_000_000
    assert intervals.advance(eight - 1000, 0) == []
    assert [each.end_ms for each in intervals.advance(eight + 1000, 2000)] == [eight]


@given(st.lists(st.integers(0, 500), max_size=80), st.integers(1, 200))
def test_two_tips_are_never_nearer_than_the_debounce_and_bounces_are_counted(gaps: list[int], debounce: int) -> None:
    counter, at, tips = TipCounter(debounce), 0, []
    for gap in gaps:
        at += gap
        if counter.edge(at):
            tips.append(at)
    assert all(b - a >= debounce for a, b in pairwise(tips))
    assert counter.total + counter.bounces == len(gaps)
    assert not gaps or counter.total >= 1


@pytest.mark.parametrize(("ago", "mm_h"), [(0, 36.0), (20_000, 36.0), (40_000, 18.0), (3_599_000, 0.2), (3_600_000, 0)])
def test_intensity_falls_while_the_next_tip_does_not_come(ago: int, mm_h: float) -> None:
    counter = TipCounter(100)
    counter.edge(1_000_000)
    counter.edge(1_020_000)
    assert counter.intensity(0.2, 1_020_000 + ago) == mm_h


def test_one_tip_after_a_dry_time_is_no_cloudburst() -> None:
    counter = TipCounter(100)
    assert counter.intensity(0.5, 0) == 0
    counter.edge(5_000_000)
    assert counter.intensity(0.5, 5_000_001) == 0.5


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=40))
def test_a_contact_changes_only_after_it_was_still_and_at_its_first_edge(edges: list[tuple[int, bool]]) -> None:
    steady, at = Steady(200), 0
    steady.see(False, 0)
    line, since = False, 0
    for gap, state in edges:
        before = steady.state
        changed = steady.settled(at + gap)
        if changed is not None:
            assert steady.state is line
            assert changed == since
            assert at + gap - since >= 200
        else:
            assert steady.state is before
        at += gap
        if state != line:
            line, since = state, at
        steady.see(state, at)
    steady.settled(at + 1000)
    assert steady.state is line
    assert steady.due_ms is None
