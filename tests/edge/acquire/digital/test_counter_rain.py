"""Rain of intervals from an instrument's own counter: pauses, wraps, resets, restarts; no phantom rain."""

import json
import random
from pathlib import Path

import msgspec
import pytest
from haihe_contract.quality import Grade, Reason
from haihe_contract.record import Event, Readings
from haihe_edge.acquire import Group
from haihe_edge.qualify.counter import Closed, CounterState, CounterWatch
from haihe_edge.site import CounterRain, load_site
from haihe_edge.station import StationAgent
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import HandClock
from tests.edge.acquire.digital.conftest import MIDNIGHT_MS
from tests.edge.site_text import HEAD, modbus_profile

POLL, PERIOD = 60_000, 300_000
STEP = 0.5


def rule(wraps_at: float | None = None, *, from_zero: bool = False) -> CounterRain:
    return CounterRain(0, 1, PERIOD, POLL, wraps_at, from_zero)


def kept(state: CounterState | None) -> CounterState:
    """As it comes back from the disk."""
    return msgspec.json.decode(msgspec.json.encode(state), type=CounterState)


polls = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([True, True, True, False]), st.integers(0, 900)),
    min_size=1,
    max_size=60,
)
"""Per minute: tips, whether the instrument answered, and how many milliseconds late."""


def watched(pattern: list[tuple[int, bool, int]], wraps_at: float | None, restart_at: int) -> tuple[
    list[Closed], list[tuple[int, float]]
]:  # fmt: skip
    """What a watch says of a counter that is asked at :00 of every minute, and the true totals by time."""
    watch, total, closed = CounterWatch(rule(wraps_at)), 0, []
    truth = []
    for minute, (tips, answered, late) in enumerate(pattern):
        total += tips
        at = MIDNIGHT_MS + minute * POLL + late
        truth.append((at, total * STEP))
        value = total * STEP if wraps_at is None else total * STEP % wraps_at
        closed += watch.see(at, value if answered else None)
        if minute == restart_at and watch.state is not None:
            watch = CounterWatch(rule(wraps_at), kept(watch.state))
    return closed, truth


def between(truth: list[tuple[int, float]], begin: int, end: int) -> float:
    def at(moment: int) -> float:
        return max((total for time, total in truth if time <= moment + 1000), default=0.0)

    return round(at(end) - at(begin), 6)


@given(polls, st.integers(0, 60))
def test_what_is_given_is_what_fell_between_the_readings_at_both_ends(
    pattern: list[tuple[int, bool, int]], restart_at: int
) -> None:
    closed, truth = watched(pattern, None, restart_at)
    for each in closed:
        if each.mm is None:
            continue
        true = between(truth, each.end_ms - PERIOD, each.end_ms)
        answered = {index for index, (_, yes, _) in enumerate(pattern) if yes}
        ends = {(moment - MIDNIGHT_MS) // POLL for moment in (each.end_ms - PERIOD, each.end_ms)}
        if ends <= answered:
            assert each.mm == true
        else:  # the reading beside an end stood for it: at most its minute is on the wrong side
            near = [
                between(truth, each.end_ms - PERIOD + first * POLL, each.end_ms + last * POLL)
                for first in (-1, 0, 1)
                for last in (-1, 0, 1)
            ]
            assert min(near) <= each.mm <= max(near)


@given(polls, st.integers(0, 60))
def test_a_counter_that_wraps_gives_the_same_rain_as_one_that_does_not(
    pattern: list[tuple[int, bool, int]], restart_at: int
) -> None:
    straight, _ = watched(pattern, None, restart_at)
    wrapping, _ = watched(pattern, 16.0, restart_at)
    pauses = [minute for minute, (_, answered, _) in enumerate(pattern) if not answered]
    if not pauses:
        assert wrapping == straight
    known = {each.end_ms: each.mm for each in straight}
    for each in wrapping:
        assert each.mm is None or each.mm >= 0
        assert each.mm is None or each.mm <= (known.get(each.end_ms) or 0) + 16.0


@given(polls, st.integers(0, 60))
def test_the_sum_of_the_intervals_is_never_more_than_what_fell(
    pattern: list[tuple[int, bool, int]], restart_at: int
) -> None:
    closed, truth = watched(pattern, None, restart_at)
    assert round(sum(each.mm or 0 for each in closed), 6) <= truth[-1][1]
    ends = [each.end_ms for each in closed]
    assert ends == sorted(set(ends))


@given(st.floats(0, 6000), st.floats(0, 6000), st.booleans())
def test_a_counter_that_jumps_back_never_becomes_the_whole_counter(
    before: float, after: float, from_zero: bool
) -> None:
    watch = CounterWatch(rule(6553.6, from_zero=from_zero))
    closed = []
    for minute in range(8):
        closed += watch.see(MIDNIGHT_MS + minute * POLL + 10, before)
    for minute in range(8, 21):
        closed += watch.see(MIDNIGHT_MS + minute * POLL + 10, after)
    assert all(each.mm is None or 0 <= each.mm <= 422.0 * (1 / 60) ** 0.475 for each in closed)
    assert closed[-1].mm == 0.0  # and soon it is known again


def test_a_reset_makes_its_interval_missing_unless_the_instrument_begins_at_zero() -> None:
    for from_zero, expected in ((False, None), (True, 1.5)):
        watch = CounterWatch(rule(from_zero=from_zero))
        closed = []
        for minute, value in enumerate([800, 800, 800.5, 0, 0.5, 1.0, 1.0]):
            closed += watch.see(MIDNIGHT_MS - PERIOD + minute * POLL, value)
        assert closed == [Closed(MIDNIGHT_MS, expected if from_zero else None)]


def test_a_wrap_is_told_from_a_reset_by_how_little_must_have_fallen() -> None:
    watch = CounterWatch(rule(1000.0))
    closed = []
    for minute, value in enumerate([999.0, 999.5, 0.5, 0.5, 1.0, 1.0]):
        closed += watch.see(MIDNIGHT_MS + minute * POLL, value)
    assert closed == [Closed(MIDNIGHT_MS + PERIOD, 2.0)]


def test_a_pause_with_an_unmoved_counter_was_dry_and_one_with_rain_is_missing() -> None:
    for after, expected in ((5.0, 0.0), (9.0, None)):
        watch = CounterWatch(rule())
        watch.see(MIDNIGHT_MS, 5.0)
        watch.see(MIDNIGHT_MS + POLL, 5.0)
        closed = watch.see(MIDNIGHT_MS + 4 * PERIOD - 2 * POLL, after)
        assert [each.mm for each in closed] == ([expected] * 3 if expected is not None else [None])


def test_silence_makes_intervals_missing_one_by_one_and_never_zero() -> None:
    watch = CounterWatch(rule())
    closed = []
    for minute in range(30):
        closed += watch.see(MIDNIGHT_MS + minute * POLL, 5.0 if minute < 7 else None)
    assert [each.mm for each in closed] == [0.0, None, None, None, None]


def test_a_clock_that_was_wrong_for_years_makes_no_million_intervals() -> None:
    watch = CounterWatch(rule())
    watch.see(1_000_000, 5.0)
    assert watch.see(MIDNIGHT_MS, 5.0) == []
    assert watch.see(MIDNIGHT_MS, None) == []
    assert watch.see(1_000_000, 5.0) == []


SITE = (
    HEAD
    + """
buses: [{kind: serial, name: line, port: /dev/ttyUSB0}]
instruments:
  - name: gauge
    profile: gauge
    bus: line
    unit: 1
    every: 1min
    series: [{point: rain, derive: {element: period_rain, every: 5min}}]
levels: [{series: period_rain, warning: 5}]
"""
)
PROFILE = modbus_profile("""
answer_ms: {typical: 5, most: 60}
blocks: [{table: holding, start: 0, count: 1}]
points: [{name: rain, at: 0, as: u16, element: accumulated_rain, times: 0.5}]
""")


class Bench:
    """A station whose instrument is played, with what it wrote to its journal."""

    def __init__(self, folder: Path) -> None:
        (folder / "site.yaml").write_text(SITE)
        (folder / "gauge.yaml").write_text(PROFILE)
        self.folder = folder
        self.start()

    def start(self) -> None:
        site = load_site(self.folder / "site.yaml", [self.folder])
        self.clock = HandClock(MIDNIGHT_MS)
        self.agent = StationAgent(site, self.clock, random.Random(1))

    def stop(self) -> None:
        self.agent.recorder.save_now([self.agent.counted.save])
        self.agent.recorder.journal.close()

    def poll(self, minute: int, value: float | None, grade: Grade = Grade.NTP) -> None:
        why = Reason.NONE if value is not None else Reason.TIMEOUT
        self.agent.take(Group(MIDNIGHT_MS + minute * POLL, grade, minute * POLL, "gauge", [(0, value, why)]))

    def rain(self) -> list[tuple[int, float | None, list[int]]]:
        self.agent.recorder.journal.commit()
        records = [record.body for batch in self.agent.recorder.journal._recent for record in batch]
        return [
            ((body.time_ms - MIDNIGHT_MS) // POLL, body.values[0], body.marks)
            for body in records
            if isinstance(body, Readings) and body.series == [1]
        ]

    def events(self) -> list[str]:
        return [
            record.body.kind
            for batch in self.agent.recorder.journal._recent
            for record in batch
            if isinstance(record.body, Event)
        ]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_derived_rain_is_a_record_of_its_own_and_is_watched_for_levels(bench: Bench) -> None:
    for minute, value in enumerate([10, 10, 13, 14, 16, 17]):
        bench.poll(minute, value)
    assert bench.rain() == [(5, 7.0, [])]
    assert "level_raised" in bench.events()
    bench.stop()


def test_rain_that_fell_while_the_agent_was_down_is_known_from_the_counter(bench: Bench) -> None:
    for minute in range(7):
        bench.poll(minute, 10 + minute)
    bench.stop()
    bench.start()
    for minute in range(9, 12):
        bench.poll(minute, 10 + minute)
    assert bench.rain() == [(10, 5.0, [])]
    bench.stop()


def test_a_file_of_counters_that_is_damaged_is_said_and_costs_one_interval(bench: Bench) -> None:
    for minute in range(7):
        bench.poll(minute, 10 + minute)
    bench.stop()
    (bench.folder / "journal" / "counters.json").write_text('{"x": 7}')
    bench.start()
    for minute in range(8, 17):
        bench.poll(minute, 10 + minute)
    assert [(minute, value) for minute, value, _ in bench.rain()] == [(10, None), (15, 5.0)]
    assert "counters_forgotten" in bench.events()
    bench.stop()


def test_counters_are_written_to_the_disk_only_when_they_have_moved(bench: Bench) -> None:
    path = bench.folder / "journal" / "counters.json"
    bench.poll(0, 10)
    bench.agent.counted.save()
    first = path.stat().st_mtime_ns, path.stat().st_ino
    bench.poll(1, 10)
    bench.agent.counted.save()
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == first
    bench.poll(2, 11)
    bench.agent.counted.save()
    assert path.stat().st_ino != first[1]
    assert next(iter(json.loads(path.read_text()).values()))["value"] == 11
    bench.stop()


def test_a_clock_that_becomes_known_starts_the_intervals_anew(bench: Bench) -> None:
    bench.poll(0, 10, Grade.NONE)
    bench.poll(1, 11, Grade.NTP)
    for minute in range(2, 11):
        bench.poll(minute, 11)
    assert [(minute, value) for minute, value, _ in bench.rain()] == [(5, None), (10, 0.0)]
    bench.stop()
