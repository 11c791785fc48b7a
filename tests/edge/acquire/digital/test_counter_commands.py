"""A counter that a command sets to 0 makes no rain, and loses none that is known."""

from pathlib import Path

import pytest
from haihe_contract.quality import Grade
from haihe_edge.acquire import Happening
from haihe_edge.qualify.counter import Closed, CounterWatch
from hypothesis import given
from hypothesis import strategies as st

from tests.edge.acquire.digital.conftest import MIDNIGHT_MS
from tests.edge.acquire.digital.test_counter_rain import PERIOD, POLL, Bench, kept, rule


def five_minutes(
    command_at: int, *, clears: bool, sure: bool, before: float, after: list[float], wraps_at: float | None = None
) -> list[Closed]:
    """What is given of one interval in whose third minute a command is sent, so many ms after the reading."""
    watch = CounterWatch(rule(wraps_at))
    closed = []
    for minute in range(3):
        closed += watch.see(MIDNIGHT_MS + minute * POLL, before)
    sent = MIDNIGHT_MS + 2 * POLL + command_at
    watch.commanded(sent, clears=clears, sure=sure)
    watch = CounterWatch(watch.rule, kept(watch.state))  # a restart does not forget it
    closed += watch.see(sent + 100, after[0])
    for minute, value in enumerate(after[1:], 3):
        closed += watch.see(MIDNIGHT_MS + minute * POLL, value)
    return closed


def test_a_counter_read_right_before_it_was_cleared_loses_no_rain() -> None:
    closed = five_minutes(300, clears=True, sure=True, before=20.0, after=[0.0, 0.5, 1.0, 1.5])
    assert closed == [Closed(MIDNIGHT_MS + PERIOD, 1.5)]


@pytest.mark.parametrize(
    ("command_at", "sure", "after"),
    [
        (50_000, True, [0.0, 0.5, 1.0, 1.5]),  # nobody knows what fell in the 50 s before
        (300, False, [0.0, 0.5, 1.0, 1.5]),  # no answer came
        (300, True, [20.0, 20.5, 20.5, 20.5]),  # confirmed, and it has not been cleared; or has filled again
        (300, True, [25.0, 25.5, 25.5, 25.5]),
    ],
)
def test_what_is_not_known_about_a_cleared_counter_makes_its_interval_missing(
    command_at: int, sure: bool, after: list[float]
) -> None:
    closed = five_minutes(command_at, clears=True, sure=sure, before=20.0, after=after)
    assert closed == [Closed(MIDNIGHT_MS + PERIOD, None)]


def test_a_reset_after_a_command_is_no_wrap_however_near_the_top_it_was() -> None:
    after = [0.5, 0.5, 0.5, 0.5]
    wrapped = CounterWatch(rule(1000.0))
    closed = []
    for minute, value in enumerate([999.5, 999.5, 999.5, *after[1:]]):
        closed += wrapped.see(MIDNIGHT_MS + minute * POLL, value)
    assert closed == [Closed(MIDNIGHT_MS + PERIOD, 1.0)]  # without a command it is one
    for clears in (True, False):
        closed = five_minutes(50_000, clears=clears, sure=True, before=999.5, after=after, wraps_at=1000.0)
        assert closed == [Closed(MIDNIGHT_MS + PERIOD, None)]


def test_a_command_that_clears_nothing_leaves_the_rain_as_it_is() -> None:
    closed = five_minutes(300, clears=False, sure=True, before=20.0, after=[20.0, 20.5, 21.0, 21.5])
    assert closed == [Closed(MIDNIGHT_MS + PERIOD, 1.5)]


@given(
    st.lists(st.integers(0, 3), min_size=12, max_size=40),
    st.sets(st.integers(1, 39), max_size=6),
    st.integers(0, 59_000),
    st.booleans(),
    st.booleans(),
)
def test_commands_at_any_moment_never_make_more_rain_than_fell(
    tips: list[int], cleared: set[int], late_ms: int, sure: bool, obeyed: bool
) -> None:
    watch, shown, fell, closed = CounterWatch(rule(16.0)), 7.5, 0.0, []
    for minute, each in enumerate(tips):
        shown, fell = (shown + each * 0.5) % 16.0, fell + each * 0.5
        at = MIDNIGHT_MS + minute * POLL
        closed += watch.see(at, shown)
        if minute in cleared:
            shown = 0.0 if obeyed else shown
            watch.commanded(at + late_ms, clears=True, sure=sure)
    assert round(sum(each.mm or 0 for each in closed), 6) <= fell
    assert all(each.mm is None or each.mm >= 0 for each in closed)


def test_the_station_hears_of_the_command_and_keeps_it_over_a_restart(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def command(kind: str, minute: int, **detail: object) -> None:
        at = MIDNIGHT_MS + minute * POLL
        bench.agent.happened(Happening(at, Grade.NTP, kind, "line", {"instrument": "gauge", **detail}))

    for minute in range(7):
        bench.poll(minute, 10 + minute)
    command("command_refused", 6)
    command("command_sent", 6, clears=["rain"])
    assert bench.events()[-1:] in ([], ["command_sent"])
    bench.stop()
    bench.start()
    for minute in range(7, 11):
        bench.poll(minute, minute - 6)
    assert [(minute, value) for minute, value, _ in bench.rain()] == [(10, 5.0)]
    command("command_failed", 10, clears=["rain"])
    for minute in range(11, 16):
        bench.poll(minute, 0)
    assert [(minute, value) for minute, value, _ in bench.rain()][-1] == (15, None)
    bench.stop()
