"""When to ask: on the grid, calmly after failures, whatever the clock does."""

import itertools

from haihe_edge import limits
from haihe_edge.acquire.schedule import Breaker, first_due, growing, next_due
from hypothesis import given
from hypothesis import strategies as st


def test_polls_fall_on_the_grid_of_the_wall_clock() -> None:
    assert first_due(monotonic_ms=5_000, wall_ms=1_000_000_123, period_ms=1000) == 5_877
    assert first_due(monotonic_ms=5_000, wall_ms=1_000_000_000, period_ms=1000) == 5_000


@given(st.integers(0, 10**9), st.integers(100, 86_400_000), st.integers(-5, 5))
def test_a_loop_that_wakes_a_little_early_or_late_polls_once_a_period(wall: int, period: int, early: int) -> None:
    due = first_due(0, wall, period)
    following = next_due(due, due + early, wall + due + early, period)
    assert following - due == period


@given(st.integers(0, 10**9), st.integers(100, 86_400_000), st.integers(-(10**12), 10**12))
def test_a_clock_that_is_set_causes_neither_a_storm_nor_a_pause(wall: int, period: int, jump: int) -> None:
    following = next_due(wall, wall, max(0, wall + jump), period)
    assert period // 2 <= following - wall <= period + period // 2 + 1


def test_a_dead_unit_is_asked_once_a_minute_and_no_more() -> None:
    breaker = Breaker()
    asked = [
        moment for moment in range(0, 3_600_000, 1000) if breaker.allows(moment) and (breaker.failed(moment) or True)
    ]
    assert asked[:3] == [0, 1000, 2000]
    assert len(asked) < 70
    assert all(later - earlier <= limits.PROBE_PAUSE_MS_MAX + 1000 for earlier, later in itertools.pairwise(asked))


def test_the_first_answer_ends_the_pauses() -> None:
    breaker = Breaker()
    for _ in range(9):
        breaker.failed(0)
    assert not breaker.allows(10_000)
    breaker.answered()
    assert breaker.allows(10_000)


def test_pauses_double_up_to_their_cap() -> None:
    assert [growing(500, times, 10_000) for times in (0, 1, 2, 9, 10**6)] == [500, 1000, 2000, 10_000, 10_000]
