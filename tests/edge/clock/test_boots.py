"""The true time of boots that had no clock: never outside what is recorded, whatever the order of boots and fixes."""

import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from haihe_contract.quality import Grade
from haihe_contract.receipt import LineHeld, Receipt
from haihe_contract.record import Dictionary, Opened, Readings, Record, TimeFix
from haihe_edge.clock.boots import AGAIN_MS, DRIFT, Boot, Boots
from haihe_edge.clock.stamping import StationClock
from haihe_edge.clock.trust import BUILT_MS, ClockTrust
from haihe_edge.journal import Folder, Journal
from haihe_edge.remember.boot_times import BootTimes
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clocks import HandClock

T0 = BUILT_MS + 86_400_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

durations = st.integers(1_000, 10 * DAY)
steps = st.lists(
    st.tuples(
        st.sampled_from(["untimed", "fix", "look", "keep"]),
        st.integers(1, 1000),  # how far on in the boot
        st.sampled_from([Grade.SYSTEM, Grade.CENTRE, Grade.NTP, Grade.GNSS]),
        st.integers(0, 60_000),  # error
        st.floats(-1, 1),  # where in it the truth lies
    ),
    max_size=8,
)
histories = st.lists(st.tuples(st.integers(0, 3 * DAY), durations, st.floats(-1, 1), steps), min_size=1, max_size=7)


@settings(max_examples=400)
@given(histories)
def test_for_any_boots_and_any_true_fixes_the_recorded_interval_contains_the_true_time(
    history: list[tuple[int, int, float, list[tuple[str, int, Grade, int, float]]]],
) -> None:
    kept = msgspec.json.encode([])
    now = float(T0)
    starts: dict[str, Callable[[float], float]] = {}
    untimed: dict[str, list[int]] = {}
    for n, (off_ms, lasts_ms, drift, does) in enumerate(history):
        now += off_ms
        name = f"boot{n}"
        rate = 1 + drift * DRIFT * 0.99

        def truth(boot_ms: float, start: float = now, rate: float = rate) -> float:
            return start + boot_ms * rate

        starts[name], untimed[name] = truth, []
        boots = Boots(msgspec.json.decode(kept, type=list[Boot]), name)
        boots.this.line = n + 1
        at = 0
        for what, far, grade, error, where in does:
            at += far * lasts_ms // 8000
            if what == "untimed":
                boots.untimed(at)
                untimed[name].append(at)
            elif what == "fix":
                boots.fixed(at, round(truth(at) + error * where), error + 1, grade)
            elif what == "look":
                boots.passed(at)
                for fix in boots.due(T0):
                    for moment in untimed[fix.boot]:
                        assert abs(moment + fix.offset_ms - starts[fix.boot](moment)) <= fix.error_ms
            else:
                kept = msgspec.json.encode(boots.all)
        if does and does[-1][0] != "keep":
            kept = msgspec.json.encode(boots.all)
        now = truth(lasts_ms)


def test_a_boot_without_a_clock_between_two_fixed_ones_is_put_between_them() -> None:
    first = Boots([], "a")
    first.fixed(HOUR, T0, 1000, Grade.NTP)
    second = Boots(first.all, "b")
    second.untimed(0)
    second.untimed(2 * HOUR)
    assert second.due(0) == []
    third = Boots(second.all, "c")
    assert third.due(0) == []  # not before it has a time itself
    third.fixed(MINUTE, T0 + 12 * HOUR + MINUTE, 1000, Grade.GNSS)
    (fix,) = third.due(T0 + 13 * HOUR)
    assert (fix.boot, fix.grade) == ("b", Grade.BOUNDED)
    assert abs(fix.offset_ms - (T0 + 5 * HOUR)) < 2000  # it lasted 2 h of the 12 h between
    assert abs(fix.error_ms - 5 * HOUR) < 4000
    assert third.due(T0 + 14 * HOUR) == []


def test_a_boot_whose_fix_went_with_the_power_is_said_again_though_a_later_one_is_fixed() -> None:
    clocked, without = Boot("a", last_ms=HOUR, alive_at=T0), Boot("b", last_ms=HOUR, untimed=(0, HOUR))
    fixed = Boot("c", last_ms=HOUR, untimed=(0, HOUR), began_by=T0 + 3 * HOUR, alive_at=T0 + 4 * HOUR)
    fixed.fix = (HOUR, T0 + 3 * HOUR, 20, int(Grade.NTP))
    boots = Boots([clocked, without, fixed], "d")
    assert {each.boot for each in boots.due(T0 + 5 * HOUR)} == {"b", "c"}
    again = Boots(boots.all, "e")
    assert [each.boot for each in again.all] == ["c", "d", "e"]  # all is said: nobody needs the older ones


def test_there_is_one_fix_a_boot_and_one_for_each_real_improvement() -> None:
    boots = Boots([], "a")
    boots.untimed(5_000)
    assert boots.due(0) == []
    said = []
    for at, error in ((10_000, 40_000), (20_000, 39_000), (30_000, 12_000), (40_000, 11_000), (50_000, 1_000)):
        boots.fixed(at, T0 + at, error, Grade.CENTRE)
        said += boots.due(T0)
    assert [fix.error_ms // 1000 for fix in said] == [40, 12, 1]
    boots.untimed(60_000)
    boots.fixed(70_000, T0 + 70_000, 1_000, Grade.CENTRE)
    assert boots.due(T0) == []
    boots.fixed(50_000 + AGAIN_MS, T0 + 50_000 + AGAIN_MS, 1_000, Grade.CENTRE)
    assert len(boots.due(T0)) == 1  # what was read since is covered too, and no more often


def test_a_boot_that_always_had_a_clock_needs_no_fix() -> None:
    boots = Boots([], "a")
    boots.fixed(1000, T0, 10, Grade.GNSS)
    assert boots.due(T0) == []


def test_a_clock_that_nobody_checked_fixes_its_own_boot_and_no_other() -> None:
    first = Boots([], "a")
    first.fixed(HOUR, T0, 1000, Grade.SYSTEM)
    second = Boots(first.all, "b")
    second.untimed(MINUTE)
    third = Boots(second.all, "c")
    third.untimed(0)
    third.fixed(MINUTE, T0 + DAY, 300_000, Grade.SYSTEM)
    (fix,) = third.due(T0)
    assert (fix.boot, fix.grade) == ("c", Grade.SYSTEM)


def test_clocks_that_contradict_each_other_bound_nothing() -> None:
    first = Boots([], "a")
    first.fixed(HOUR, T0 + DAY, 1000, Grade.NTP)
    second = Boots(first.all, "b")
    second.untimed(MINUTE)
    third = Boots(second.all, "c")
    third.fixed(MINUTE, T0, 1000, Grade.NTP)
    assert third.due(T0) == []


@given(st.integers(0, 10 * DAY), st.integers(0, 120_000), st.floats(0, 1), st.integers(0, 3 * DAY), st.floats(-1, 1))
def test_what_a_receipt_says_of_the_time_contains_the_true_time(
    sent: int, took: int, share: float, later: int, drift: float
) -> None:
    rate = 1 + drift * DRIFT * 0.99
    trust = ClockTrust()
    issued = T0 + (sent + took * share) * rate
    trust.saw_centre(int(issued), sent, sent + took)
    moment = trust.moment(1_000, sent + took + later, synchronised=False)
    assert moment is not None
    assert moment.grade is Grade.CENTRE
    truth = T0 + (sent + took + later) * rate
    assert abs(moment.utc_ms - truth) <= moment.error_ms + took * DRIFT + 2


def test_a_machine_without_a_clock_is_stamped_by_the_centre_as_long_as_that_is_sure_enough() -> None:
    trust = ClockTrust()
    trust.saw_centre(T0, 10_000, 12_000)
    stamp = trust.stamp(5_000, 20_000, synchronised=False)
    assert (stamp.grade, stamp.time_ms) == (Grade.CENTRE, T0 + 9_000)
    assert trust.stamp(5_000, 12_000 + 2 * DAY, synchronised=False).grade is Grade.NONE
    trust.saw_centre(T0 + DAY, DAY, DAY + 60_000)
    assert trust.stamp(5_000, DAY + 60_000, synchronised=False).grade is Grade.NONE  # ± 30 s
    wrong = trust.stamp(T0 + 40 * DAY, 20_000, synchronised=False)
    assert wrong.grade is Grade.CENTRE
    assert wrong.time_ms < T0 + DAY


class Machine(HandClock):
    """A computer without a battery-backed clock: every boot begins in 1970."""

    def __init__(self, began: int) -> None:
        super().__init__(0)
        self.began = began


class Station:
    """A real journal and what keeps the time, on a machine that the test moves."""

    def __init__(self, directory: Path, machine: Machine, boot: str) -> None:
        self.machine = machine
        trust = ClockTrust()
        self.clock = StationClock(machine, trust, lambda: False)
        self.times = BootTimes(directory, boot, self.clock)
        chance = random.Random(boot)

        def opened(line: int, last: int, ms: int, closed: bool) -> Opened:
            self.times.ended(line, ms)
            return Opened(machine.ms, boot, machine.ms, 0, line, last, ms, 1000, closed, "0", "s")

        self.journal = Journal.open(
            Folder(directory), size=1 << 20, clock=self.clock, entropy=lambda: chance.getrandbits(64),
            dictionary=Dictionary(["stage.main.instant.0.instrument.-"]), opened=opened, newest=trust.not_before,
        )  # fmt: skip
        self.times.began(self.journal.line, self.journal.head)
        self.fixes: list[TimeFix] = []

    def measure(self, until: int) -> None:
        while self.machine.ms < until:
            self.machine.ms += MINUTE
            stamp = self.clock.stamp()
            self.times.saw(stamp.grade, self.machine.ms)
            self.journal.append(Readings(stamp.time_ms, stamp.grade, [0], [1.0]))
            self.commit()
            self.look()

    def commit(self) -> list[Record]:
        records = self.journal.commit()
        if records:
            self.times.committed(records)
        return records

    def look(self) -> None:
        def record(fix: TimeFix) -> int:
            self.fixes.append(fix)
            return self.journal.append(fix)

        self.times.look(record)
        self.commit()

    def receipt(self, took_ms: int) -> None:
        """The centre answers the newest record."""
        self.machine.ms += took_ms
        held = [LineHeld(self.journal.line, [(1, self.journal.head)])]
        issued = self.machine.began + self.machine.ms - took_ms // 3
        self.times.heard(Receipt(0, "haihe", 1, "31005650", issued, held))
        self.look()

    def cut(self) -> None:
        """The power fails."""
        if self.journal._tail.open is not None:
            self.journal._tail.open.abandon()
        self.journal._disk.leave()


def test_readings_without_a_clock_get_their_time_from_a_receipt_and_earlier_boots_from_both_sides(
    tmp_path: Path,
) -> None:
    first = Station(tmp_path, Machine(T0), "a")
    first.measure(30 * MINUTE)
    assert first.fixes == []
    first.receipt(800)
    (fix,) = first.fixes
    assert (fix.boot, fix.grade) == ("a", Grade.CENTRE)
    assert abs(fix.offset_ms - T0) <= fix.error_ms < 1_000
    assert first.clock.grade() is Grade.CENTRE
    first.measure(60 * MINUTE)
    assert len(first.fixes) == 1
    first.times.save()
    first.cut()

    lone = Station(tmp_path, Machine(T0 + 3 * HOUR), "b")  # no link, no clock, and no chance to save
    lone.times.save()
    lone.measure(2 * HOUR)
    lone.cut()

    third = Station(tmp_path, Machine(T0 + 6 * HOUR), "c")
    third.measure(10 * MINUTE)
    third.receipt(500)
    found = {each.boot: each for each in third.fixes}
    assert set(found) == {"b", "c"}
    assert found["b"].grade == Grade.BOUNDED
    assert abs(found["b"].offset_ms - (T0 + 3 * HOUR)) <= found["b"].error_ms
    assert found["b"].error_ms <= 2 * HOUR  # its last commit told how long it had lasted
    assert third.clock.grade() is Grade.CENTRE
    third.look()
    third.times.save()
    third.journal.close()
    again = Station(tmp_path, Machine(T0 + 9 * HOUR), "d")
    again.measure(MINUTE)
    again.receipt(500)
    assert [each.boot for each in again.fixes] == ["d"]
    again.journal.close()


def test_an_old_receipt_that_was_retained_says_nothing_of_the_time(tmp_path: Path) -> None:
    station = Station(tmp_path, Machine(T0), "a")
    station.measure(60 * MINUTE)
    held = [LineHeld(station.journal.line, [(1, 5)])]
    station.times.heard(Receipt(0, "haihe", 1, "31005650", T0 + 4 * MINUTE, held))
    station.times.heard(Receipt(0, "haihe", 1, "31005650", T0, [LineHeld(12345, [(1, 99)])]))
    station.look()
    assert station.fixes == []
    station.journal.close()


def test_what_was_said_but_perhaps_not_written_is_not_kept_as_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = Station(tmp_path, Machine(T0), "a")
    station.measure(MINUTE)
    with monkeypatch.context() as slow:
        slow.setattr(station, "commit", list)  # a long commit window, or a disk that refuses
        station.receipt(100)
        for _ in range(3):
            station.look()
            station.times.save()
    assert len(station.fixes) == 1
    kept = (tmp_path / "boots.json").read_bytes()
    assert b'"fix":[' in kept
    assert b'"said":null' in kept
    station.commit()
    station.times.save()
    assert b'"said":[' in (tmp_path / "boots.json").read_bytes()
    station.journal.close()


def test_a_boot_that_ended_before_it_could_be_kept_that_it_had_no_clock_gets_its_time_all_the_same(
    tmp_path: Path,
) -> None:
    first = Station(tmp_path, Machine(T0), "a")
    first.receipt(500)
    first.measure(MINUTE)
    first.times.save()
    first.cut()
    second = Station(tmp_path, Machine(T0 + HOUR), "b")
    second.times._boots.this.untimed = None  # as if the clock had been lost only after this was kept
    second.times.save()
    second.measure(10 * MINUTE)
    second.cut()
    third = Station(tmp_path, Machine(T0 + 3 * HOUR), "c")
    third.measure(MINUTE)
    third.receipt(500)
    (bounded,) = [fix for fix in third.fixes if fix.boot == "b"]
    assert bounded.grade == Grade.BOUNDED
    assert abs(bounded.offset_ms - (T0 + HOUR)) <= bounded.error_ms
    third.journal.close()


def test_a_damaged_memory_of_boots_costs_their_bounds_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "boots.json").write_bytes(b"{not json")
    station = Station(tmp_path, Machine(T0), "a")
    assert station.times.trouble
    station.measure(MINUTE)
    station.receipt(100)
    assert len(station.fixes) == 1
    station.journal.close()


def test_what_was_recorded_after_the_last_fix_of_a_boot_widens_the_error_that_is_said_of_it() -> None:
    first = Boots([], "a")
    first.untimed(0)
    first.fixed(1000, T0 + 1000, 0, Grade.SYSTEM)
    first.untimed(10 * DAY)
    (fix,) = Boots(first.all, "b").due(T0)
    assert 10 * DAY * DRIFT <= fix.error_ms <= 10 * DAY * DRIFT + 10


@pytest.mark.parametrize("drift", [-0.99 * DRIFT, 0.0, 0.99 * DRIFT])
def test_a_bound_gives_way_by_as_much_as_the_worst_crystal_drifts(drift: float) -> None:
    rate = 1 + drift
    first = Boots([], "a")
    first.fixed(HOUR, T0, 0, Grade.NTP)
    second = Boots(first.all, "b")  # begins at once, and lasts ten days
    for moment in (0, 10 * DAY):
        second.untimed(moment)
    third = Boots(second.all, "c")  # begins at once
    third.fixed(0, T0 + round(10 * DAY * rate), 0, Grade.NTP)
    (fix,) = third.due(T0)
    for moment in (0, 10 * DAY):
        assert abs(moment + fix.offset_ms - (T0 + moment * rate)) <= fix.error_ms
    assert fix.error_ms <= 10 * DAY * DRIFT * 2
