"""The figures of a day: five numbers that are never blended, and why what is missing is missing."""

import datetime
import random
from pathlib import Path

import pytest
from haihe_cloud.admit.registry import Station, Validity
from haihe_cloud.balance import StationDay, day_of, station_day
from haihe_cloud.database import Database
from haihe_cloud.ledger.day import OFF, Figures, Known, Span, figures
from haihe_cloud.ledger.missing import WENT_BACK, Missing
from haihe_cloud.ledger.tally import Hour, Seconds
from haihe_cloud.limits import DAY_MS, LINES_SHOWN
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Body, Dictionary, Duty, Opened, Readings, SeriesSummary, Summary, TimeFix
from hypothesis import given
from hypothesis import strategies as st

from tests.cloud.samples import LEVEL, LINE, SERIES, STATION, VOLTAGE, arrival, batch, gap
from tests.cloud.whole import Whole

DAY = datetime.date(2026, 5, 1)
D0 = (DAY - datetime.date(1970, 1, 1)).days * DAY_MS
"""08:00 Beijing time of that day is midnight UTC."""
FIVE = 300_000
EXPECTED = 288


@pytest.fixture
def whole(database: Database, tmp_path: Path) -> Whole:
    made = Whole(database, SqliteStore(tmp_path / "series.db"))
    made.clock.ms = D0 + 2 * DAY_MS
    return made


def at(n: int, *, value: float | None = 3.0, mark: int = 1) -> Readings:
    """The reading of the n-th five minutes, 400 ms after it was due."""
    return Readings(D0 + n * FIVE + 400, 5, [0], [value], [mark])


def line_of(
    slots: dict[int, Readings], *, opened_ms: int = D0, first: int = 4, previous: int = 0, previous_last: int = 0
) -> dict[int, Body]:
    """A whole line that measures the level every five minutes: number = slot + first."""
    start = Opened(opened_ms, f"boot{opened_ms}", 0, 5, previous, previous_last, 0, 1000, True, "0.1.0", "site")
    return {1: start, 2: Dictionary(SERIES), 3: Duty([FIVE, 0]), **{n + first: each for n, each in slots.items()}}


def day(whole: Whole, station: Station | None = None, on: datetime.date = DAY) -> StationDay:
    return station_day(whole.book, station or Station(STATION), on, whole.clock.ms)


def send(whole: Whole, bodies: dict[int, Body], *, received_ms: int, line: int = LINE, **how: int) -> None:
    whole.send(batch(bodies, bodies=bodies, line=line, **how), received_ms=received_ms)


def live(whole: Whole, bodies: dict[int, Body], *, line: int = LINE, **how: int) -> None:
    """Two readings come together, soon after the second was measured."""
    told = {n: body for n, body in bodies.items() if not isinstance(body, Readings)}
    send(whole, told, received_ms=D0, line=line, **how)
    readings = [(n, body) for n, body in bodies.items() if isinstance(body, Readings)]
    for start in range(0, len(readings), 2):
        pair = readings[start : start + 2]
        received_ms = pair[-1][1].time_ms + 5000
        send(whole, {2: Dictionary(SERIES), **dict(pair)}, received_ms=received_ms, line=line, **how)


def test_a_whole_day_has_all_and_in_time(whole: Whole) -> None:
    live(whole, line_of({n: at(n) for n in range(EXPECTED)}))
    found = day(whole)
    assert found.series == {LEVEL: Figures(EXPECTED, EXPECTED, EXPECTED, EXPECTED, EXPECTED, {})}
    assert found.arrival_rate == 1.0


def test_late_missing_and_doubtful_values_count_apart(whole: Whole) -> None:
    slots = {n: at(n) for n in range(EXPECTED)}
    slots[5] = at(5, value=None, mark=25)
    slots[6] = at(6, mark=3)
    slots[7] = at(7, mark=4)
    slots[8] = at(8, mark=2)
    live(whole, line_of({n: each for n, each in slots.items() if n >= 20}))
    send(whole, line_of({n: each for n, each in slots.items() if n < 20}), received_ms=D0 + DAY_MS)
    assert day(whole).total == Figures(EXPECTED, EXPECTED, EXPECTED - 20, EXPECTED - 1, EXPECTED - 3, {})


def test_a_clock_that_runs_ahead_makes_no_reading_come_in_time(whole: Whole) -> None:
    send(whole, line_of({n: at(n) for n in range(100, 200)}), received_ms=at(150).time_ms)
    total = day(whole).total
    assert (total.arrived, total.in_time) == (100, 5), "within ten minutes before and after"


def test_readings_between_the_expected_times_add_nothing(whole: Whole) -> None:
    slots = {n: at(n) for n in range(10)}
    extra = {100 + n: Readings(D0 + n * 60_000 + 700, 5, [0], [3.0]) for n in range(50)}
    send(whole, {**line_of(slots), **extra}, received_ms=D0 + 10 * FIVE)
    whole.clock.ms = D0 + 10 * FIVE + 600_000
    assert day(whole).total[:2] == (10, 10)


@pytest.mark.parametrize("period_ms", [1000, 1100, 1500, 2000, 2500, 7500, 60_000])
def test_whatever_the_period_all_that_was_measured_counts_as_arrived(whole: Whole, period_ms: int) -> None:
    first = -(-D0 // period_ms)
    due = [n * period_ms for n in range(first, first + 500)]
    readings = {n: Readings(time_ms + 20, 5, [0], [3.0]) for n, time_ms in enumerate(due, start=4)}
    send(whole, {**line_of({}), 3: Duty([period_ms, 0]), **readings}, received_ms=due[-1] + 5000)
    whole.clock.ms = due[-1] + 1 + 600_000
    found = day(whole).total
    assert (found.expected, found.arrived, found.missing) == (500, 500, {})


def test_a_day_is_judged_only_as_far_as_ten_minutes_ago(whole: Whole) -> None:
    send(whole, line_of({n: at(n) for n in range(10)}), received_ms=D0 + 10 * FIVE)
    whole.clock.ms = D0 + 10 * FIVE
    assert day(whole).total[:2] == (8, 8)


def test_what_is_missing_is_told_by_its_state(whole: Whole) -> None:
    skipped, awaited, gone, refused = {3, 4}, range(30, 36), range(60, 66), range(90, 94)
    slots = {n: at(n) for n in range(EXPECTED) if n not in {*skipped}}
    numbered = dict(enumerate(sorted(slots), start=4))
    bodies = {number: slots[n] for number, n in numbered.items()}
    there = {number: body for number, body in bodies.items() if numbered[number] not in {*awaited, *gone, *refused}}
    lost_numbers = [number for number, n in numbered.items() if n in gone]
    told: dict[int, Body] = {400: gap(LINE, (lost_numbers[0], lost_numbers[-1]), cause="no_space")}
    send(whole, {**line_of({}), **there, **told}, received_ms=D0 + DAY_MS + 60_000, head=400)
    kept = RangeSet.from_numbers(number for number, n in numbered.items() if n in refused)
    whole.ledger.take([arrival(kept.numbers(), refused=kept, bodies=bodies, head=400)])
    figures = day(whole).series[LEVEL]
    assert figures.missing == {
        (Missing.NEVER_ACQUIRED, ""): len(skipped),
        (Missing.AWAITED, ""): len(awaited),
        (Missing.GAP, "no_space"): len(gone),
        (Missing.REFUSED, ""): len(refused),
    }
    assert figures.arrived == EXPECTED - len(skipped) - len(awaited) - len(gone) - len(refused)


def test_thinned_readings_are_told_by_their_summary(whole: Whole) -> None:
    slots = {n: at(n) for n in range(EXPECTED) if not 100 <= n < 150}
    low, high = ((D0 + n * FIVE + 400, value, 1, 5) for n, value in ((110, 2.0), (120, 4.0)))
    told = SeriesSummary(LEVEL, 50, 0, 3.0, low, high, D0 + 100 * FIVE + 400, D0 + 149 * FIVE + 400)
    bodies: dict[int, Body] = {**line_of(slots), 900: Summary(LINE, [(104, 153)], [told], False, D0)}
    send(whole, bodies, received_ms=D0 + DAY_MS)
    figures = day(whole).series[LEVEL]
    assert figures.missing == {(Missing.THINNED, ""): 50}


def test_a_summary_whose_times_run_backwards_keeps_nobody_from_the_figures(whole: Whole) -> None:
    extreme = (D0 + 110 * FIVE, 2.0, 1, 5)
    told = SeriesSummary(LEVEL, 50, 0, 3.0, extreme, extreme, D0 + 149 * FIVE, D0 + 100 * FIVE)
    slots = {n: at(n) for n in range(EXPECTED) if not 100 <= n < 150}
    send(whole, {**line_of(slots), 900: Summary(LINE, [(104, 153)], [told], False, D0)}, received_ms=D0 + DAY_MS)
    assert day(whole).series[LEVEL].missing == {(Missing.THINNED, ""): 50}


def test_a_station_that_fell_silent_is_not_heard_of_since(whole: Whole) -> None:
    live(whole, line_of({n: at(n) for n in range(100)}))
    figures = day(whole).series[LEVEL]
    assert (figures.arrived, figures.missing) == (100, {(Missing.NOT_HEARD, ""): EXPECTED - 100})


def test_of_a_station_that_is_carried_by_hand_only_what_is_newer_than_its_bundle_is_not_heard_of(whole: Whole) -> None:
    slots = {n: at(n) for n in range(200) if n not in range(30, 36)}
    whole.carry(batch(bodies=line_of(slots), numbers=line_of(slots)))
    figures = day(whole).series[LEVEL]
    assert (figures.arrived, figures.in_time) == (194, 0)
    assert figures.missing == {(Missing.AWAITED, ""): 6, (Missing.NOT_HEARD, ""): EXPECTED - 200}


def test_a_station_that_stood_still_between_two_lines_never_acquired(whole: Whole) -> None:
    live(whole, line_of({n: at(n) for n in range(96)}))
    later = line_of(
        {n: at(n) for n in range(144, EXPECTED)}, opened_ms=D0 + 144 * FIVE, previous=LINE, previous_last=99
    )
    live(whole, later, line=99)
    figures = day(whole).series[LEVEL]
    assert figures.arrived == EXPECTED - 48
    assert figures.missing == {(Missing.NEVER_ACQUIRED, OFF): 48}


def test_a_station_that_never_spoke_has_nought_percent(whole: Whole) -> None:
    found = day(whole)
    assert (found.known, found.series, found.arrival_rate) == (False, {}, 0.0)


def test_a_station_whose_duty_has_not_come_yet_is_not_called_one_that_sent_nothing(whole: Whole) -> None:
    live(whole, {n: each for n, each in line_of({n: at(n) for n in range(EXPECTED)}).items() if n != 3})
    found = day(whole)
    assert (found.known, found.series, found.arrival_rate) == (False, {}, None)


def test_a_station_is_expected_only_while_it_is_in_service(whole: Whole) -> None:
    live(whole, line_of({n: at(n) for n in range(EXPECTED)}))
    after = Station(STATION, valid=[Validity(DAY + datetime.timedelta(1))])
    assert (day(whole, after).valid, day(whole, after).arrival_rate) == (False, None)
    during = Station(STATION, valid=[Validity(DAY, DAY)])
    assert day(whole, during).arrival_rate == 1.0
    assert not day(whole, during, DAY + datetime.timedelta(1)).valid


def test_before_its_first_word_a_station_owes_what_it_measures_later(whole: Whole) -> None:
    live(whole, line_of({n: at(n) for n in range(EXPECTED)}))
    found = day(whole, on=DAY - datetime.timedelta(1))
    assert (found.total.expected, found.total.arrived, found.arrival_rate) == (EXPECTED, 0, 0.0)


def test_a_change_of_duty_counts_from_its_line_on(whole: Whole) -> None:
    live(whole, line_of({n: at(n) for n in range(144)}))
    minute = {n: Readings(D0 + DAY_MS // 2 + n * 60_000, 5, [0, 1], [3.0, 12.0]) for n in range(720)}
    start = Opened(D0 + DAY_MS // 2, "boot2", 0, 5, LINE, 147, 0, 1000, True, "0.1.0", "site")
    send(
        whole,
        {1: start, 2: Dictionary(SERIES), 3: Duty([60_000, 60_000]), **{n + 4: each for n, each in minute.items()}},
        line=99,
        received_ms=D0 + DAY_MS,
    )
    found = day(whole).series
    assert found[LEVEL][:2] == (144 + 720, 144 + 720)
    assert found[VOLTAGE][:2] == (720, 720)


def test_a_change_of_duty_after_a_start_without_a_clock_counts_from_the_first_reading_on(whole: Whole) -> None:
    live(whole, line_of({n: at(n) for n in range(22)}))  # up to 1:45; the next one is due at 1:50
    began = D0 + 110 * 60_000
    start = Opened(0, "boot2", 0, 0, LINE, 25, 0, 1000, True, "0.1.0", "site")
    minutes = {n + 4: Readings(n * 60_000, 0, [0], [3.0]) for n in range(10)}
    bodies: dict[int, Body] = {1: start, 2: Dictionary(SERIES), 3: Duty([60_000, 0]), **minutes}
    send(whole, {**bodies, 50: TimeFix("boot2", began, 10, 5, began)}, line=99, received_ms=began + 600_000)
    whole.settle()
    whole.clock.ms = began + 10 * 60_000 + 600_000
    found = day(whole).total
    assert (found.expected, found.arrived, found.missing) == (32, 32, {})


def test_a_station_that_restarted_thousands_of_times_keeps_its_old_days_its_losses_and_its_troubles(
    whole: Whole,
) -> None:
    live(whole, line_of({n: at(n) for n in range(EXPECTED)}), tail=400, head=399)
    restarts = []
    for n in range(LINES_SHOWN + 1):
        opened_ms, (previous, last) = D0 + DAY_MS + n * 60_000, (n + 99, 1) if n else (LINE, 291)
        start = {1: line_of({}, opened_ms=opened_ms, previous=previous, previous_last=last)[1]}
        restarts.append(arrival([1], bodies=start, line=n + 100, received_ms=opened_ms))
    whole.ledger.take(restarts)
    assert day(whole).total == Figures(EXPECTED, EXPECTED, EXPECTED, EXPECTED, EXPECTED, {})
    (lost,) = whole.book.missing_ranges(STATION)
    assert (lost.line, lost.first, lost.last, lost.state) == (LINE, 292, 399, Missing.LOST)
    assert [(each.kind, each.line) for each in whole.book.troubles(STATION)] == [(WENT_BACK, 100)]


def test_placed_readings_are_counted_when_their_time_is_known(whole: Whole) -> None:
    boot = Opened(0, "b", 0, 0, 0, 0, 0, 1000, True, "0.1.0", "site")
    bodies: dict[int, Body] = {
        1: boot, 2: Dictionary(SERIES), 3: Duty([FIVE, 0]),
        **{n + 4: Readings(n * FIVE, 0, [0], [3.0]) for n in range(EXPECTED)},
    }  # fmt: skip
    send(whole, bodies, received_ms=D0 + DAY_MS)
    whole.settle()
    assert day(whole).total.arrived == 0
    send(whole, {2: Dictionary(SERIES), 500: TimeFix("b", D0, 10, 5, D0)}, received_ms=D0 + DAY_MS)
    whole.settle()
    assert day(whole).total.arrived == EXPECTED


def test_figures_do_not_depend_on_the_order_of_arrival(whole: Whole) -> None:
    slots = {n: at(n, value=None if n % 7 == 0 else 3.0, mark=25 if n % 7 == 0 else 1) for n in range(0, EXPECTED, 2)}
    bodies = line_of(slots)
    seen = []
    for n in range(3):
        code = f"3100561{n}"
        each = Whole(whole.database, whole.store, station=code)
        chance = random.Random(n)
        numbers = chance.sample(sorted(bodies), len(bodies))
        for start in range(0, len(numbers), 40):
            part = {number: bodies[number] for number in {2, *numbers[start : start + 40]}}
            each.send(batch(part, bodies=part, station=code), received_ms=D0 + DAY_MS)
        seen.append(station_day(each.book, Station(code), DAY, whole.clock.ms).series)
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][LEVEL][:2] == (EXPECTED, EXPECTED // 2)


@given(
    st.integers(1, 7200).map(lambda seconds: seconds * 1000),
    st.sets(st.integers(0, 3 * 3600 - 1), max_size=40),
    st.tuples(st.integers(0, 10_800_000), st.integers(0, 10_800_000)),
)
def test_arrived_and_missing_together_are_what_was_expected(
    period_ms: int, seconds: set[int], stretch: tuple[int, int]
) -> None:
    start_ms, end_ms = sorted(stretch)
    hours = [
        Hour(hour, 7, 1, 1, {0: Seconds(*[sum(1 << s % 3600 for s in seconds if s // 3600 == hour)] * 4)})
        for hour in range(3)
    ]
    known = Known(
        [Span(start_ms, end_ms, 7, {"k": period_ms})], hours, {7: ["k"]}, [], 10**12,
        lambda line, hour: (Missing.AWAITED, ""),
    )  # fmt: skip
    found = figures(known)["k"]
    due = [slot for slot in range(10_800_000 // period_ms + 1) if start_ms <= slot * period_ms < end_ms]
    arrived = [slot for slot in due if any(slot * period_ms // 1 <= s * 1000 < (slot + 1) * period_ms for s in seconds)]
    assert (found.expected, found.arrived) == (len(due), len(arrived))
    assert sum(found.missing.values()) == len(due) - len(arrived)


def test_the_day_begins_at_eight_in_beijing() -> None:
    eight = datetime.datetime(2026, 5, 1, 8, tzinfo=datetime.timezone(datetime.timedelta(hours=8)))
    assert day_of(int(eight.timestamp() * 1000)) == DAY
    assert day_of(int(eight.timestamp() * 1000) - 1) == DAY - datetime.timedelta(1)
