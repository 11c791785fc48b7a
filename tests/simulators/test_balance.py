"""Promises of the balance: every loss and every double is found and named, and nothing else is."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from haihe_simulators.balance import ON_THE_LINE_MS, Kill, Row, Said, SeriesBook, Sheet, align, draw
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = "water_level.main.instant.0.derived.dagu"


def book(said: Sequence[Said], rows: Sequence[Row], period_ms: float = 1000, **more: object) -> SeriesBook:
    return SeriesBook("31005650", KEY, said, rows, period_ms, **more)  # type: ignore[arg-type]


def answers(count: int, values: Sequence[float] = (3.25,), period_ms: int = 1000) -> list[Said]:
    return [Said(1_000_000 + at * period_ms, values[at % len(values)]) for at in range(count)]


def rows_of(said: Sequence[Said], shift_ms: int = 3) -> list[Row]:
    return [Row(round(each.time_ms) + shift_ms, each.value, 1, at + 4) for at, each in enumerate(said)]


def test_a_whole_store_balances_to_nothing_lost_and_nothing_double() -> None:
    said = answers(50)
    sheet = draw([book(said, rows_of(said))])
    assert (sheet.readings_answered, sheet.readings_in_store, sheet.clean) == (50, 50, True)


def test_one_planted_loss_and_one_planted_double_are_both_named() -> None:
    said = answers(30, [3.25, 3.26, 3.27])
    rows = rows_of(said)
    lost = rows.pop(10)
    double = rows[20]._replace(time_ms=rows[20].time_ms + 7_400, number=99)
    sheet = draw([book(said, [*rows, double])])
    assert not sheet.clean
    assert (sheet.readings_lost, sheet.duplicates_in_store) == (1, 1)
    named = sheet.lost[0]
    assert (named.station, named.series, named.time_ms, named.value) == ("31005650", KEY, lost.time_ms - 3, lost.value)
    assert (sheet.doubles[0].time_ms, sheet.doubles[0].value) == (double.time_ms, double.value)


def test_a_loss_and_a_double_in_a_run_of_equal_values_do_not_hide_each_other() -> None:
    said = answers(60)
    rows = rows_of(said)
    lost = rows.pop(10)
    double = Row(rows[40].time_ms + 300, 3.25, 1, 99)
    sheet = draw([book(said, [*rows, double])])
    assert [each.time_ms for each in sheet.lost] == [lost.time_ms - 3]
    assert [each.time_ms for each in sheet.doubles] == [double.time_ms]


def test_rows_that_were_stamped_late_by_a_busy_machine_still_find_their_answers() -> None:
    said = answers(20)
    rows = [
        row._replace(time_ms=row.time_ms + (700 if at in (5, 6, 13) else 0)) for at, row in enumerate(rows_of(said))
    ]
    assert draw([book(said, rows)]).clean


@st.composite
def planted(draw_: st.DrawFn) -> tuple[list[Said], list[Row], list[Said], list[Row]]:
    """Answers, rows, what was taken away, and doubles that were put in, near or far in time."""
    chance = random.Random(draw_(st.integers(0, 2**32)))
    count = draw_(st.integers(5, 80))
    pool = [3.25, 3.26, 3.26, 3.31][: draw_(st.integers(1, 4))]
    time, said = 1_000_000.0, []
    for _ in range(count):
        time += 1000 + chance.uniform(-60, 60)
        said.append(Said(time, chance.choice(pool)))
    rows = [Row(round(each.time_ms + chance.uniform(0, 120)), each.value, 1, at + 4) for at, each in enumerate(said)]
    gone = set(chance.sample(range(count), draw_(st.integers(0, min(4, count // 3)))))
    kept = [row for at, row in enumerate(rows) if at not in gone]
    doubles = []
    for number in range(draw_(st.integers(0, 4))):
        original = chance.choice(kept)
        shift = chance.choice([0, 1, 250, 400, chance.randrange(-20_000, 20_000)])
        double = original._replace(time_ms=original.time_ms + shift, number=1000 + number)
        # A double that stands just where a lost reading of the same value would stand is no double that
        # anybody could tell from the reading itself.
        if all(abs(double.time_ms - said[at].time_ms) > 1000 for at in gone):
            doubles.append(double)
    everything = kept + doubles
    chance.shuffle(everything)
    return said, everything, [said[at] for at in sorted(gone)], doubles


@settings(max_examples=300)
@given(planted())
def test_whatever_is_planted_is_found_and_nothing_else(
    case: tuple[list[Said], list[Row], list[Said], list[Row]],
) -> None:
    said, rows, gone, doubles = case
    sheet = draw([book(said, rows)])
    assert sheet.readings_unexplained == 0
    assert sheet.readings_lost == len(gone)
    assert sheet.duplicates_in_store == len(doubles)
    assert [each.time_ms for each in sheet.lost] == [round(each.time_ms) for each in gone]
    assert sorted(each.value for each in sheet.doubles) == sorted(each.value for each in doubles)


@settings(max_examples=100)
@given(planted())
def test_pairs_never_cross_and_never_use_anything_twice(
    case: tuple[list[Said], list[Row], list[Said], list[Row]],
) -> None:
    said, rows, _, _ = case
    pairs = align(said, sorted(rows), 1000)
    assert all(left[0] < right[0] and left[1] < right[1] for left, right in pairwise(pairs))


def test_a_value_that_no_instrument_said_is_named_as_such() -> None:
    said = answers(5)
    sheet = draw([book(said, [*rows_of(said), Row(1_002_500, 9.99, 1, 77)])])
    assert [each.value for each in sheet.unexplained] == [9.99]
    assert not sheet.clean


def test_what_is_still_in_the_station_is_not_lost_and_counts_once() -> None:
    said = answers(10)
    rows = rows_of(said)
    waiting = [row._replace(waiting=True) for row in rows[4:]]
    sheet = draw([book(said, [*rows[:6], *waiting])])
    assert sheet.clean
    assert (sheet.readings_in_store, sheet.still_in_station) == (6, 4)


def test_only_the_stated_window_before_a_kill_excuses_a_missing_reading() -> None:
    said = answers(10)
    rows = [row for at, row in enumerate(rows_of(said)) if at not in (3, 7)]
    kill = Kill("31005650", said[7].time_ms + 400, 1000)
    sheet = draw([book(said, rows)], kills=[kill])
    assert sheet.in_loss_window == 1
    assert [each.time_ms for each in sheet.lost] == [said[3].time_ms]
    in_flight = said[7]._replace(time_ms=said[7].time_ms + 450, asked_ms=said[7].time_ms + 350)
    asked = [*said[:7], in_flight, *said[8:]]
    assert draw([book(asked, rows)], kills=[kill]).in_loss_window == 1
    heard = in_flight._replace(asked_ms=kill.time_ms + ON_THE_LINE_MS)  # the last words of the dead were on the line
    assert draw([book([*said[:7], heard, *said[8:]], rows)], kills=[kill]).in_loss_window == 1
    later = in_flight._replace(asked_ms=kill.time_ms + ON_THE_LINE_MS + 1)
    assert draw([book([*said[:7], later, *said[8:]], rows)], kills=[kill]).in_loss_window == 0
    other = draw([book(said, rows)], kills=[kill._replace(station="31005660")])
    assert other.readings_lost == 2


def test_a_gap_record_excuses_exactly_the_numbers_it_names() -> None:
    said = answers(10)
    rows = [row for at, row in enumerate(rows_of(said)) if at not in (3, 7)]
    sheet = draw([book(said, rows)], gaps={"31005650": [(1, 3 + 4, 3 + 4)]})
    assert (sheet.in_gap_records, sheet.readings_lost, sheet.gaps) == (1, 1, 1)
    assert [each.time_ms for each in sheet.lost] == [said[7].time_ms]


def test_an_answer_that_came_later_than_the_profile_allows_may_be_left() -> None:
    said = [each._replace(optional=at == 2) for at, each in enumerate(answers(5))]
    sheet = draw([book(said, [row for at, row in enumerate(rows_of(said)) if at != 2])])
    assert (sheet.too_late, sheet.readings_lost, sheet.clean) == (1, 0, True)


def test_a_reading_that_the_station_called_missing_is_lost_and_the_sheet_says_what_it_said() -> None:
    said = answers(5)
    rows = [row for at, row in enumerate(rows_of(said)) if at != 2]
    sheet = draw([book(said, rows, missing_ms=[1_002_005])])
    assert "missing" in sheet.lost[0].why


def test_a_receiver_that_speaks_unasked_loses_nothing_and_still_may_not_be_doubled() -> None:
    said = [Said(1_000_000 + 1000 * at, 39.1 + at * 1e-6) for at in range(60)]
    rows = [Row(round(said[at].time_ms) + 40, said[at].value, 1, at) for at in range(0, 60, 10)]
    sheet = draw([book(said, rows, 5000, free=True)])
    assert (sheet.clean, sheet.free_running, sheet.readings_answered) == (True, 6, 0)
    double = rows[2]._replace(time_ms=rows[2].time_ms + 3000, number=99)
    assert draw([book(said, [*rows, double], 5000, free=True)]).duplicates_in_store == 1


@pytest.mark.parametrize("field", ["readings_lost", "duplicates_in_store", "readings_unexplained"])
def test_a_sheet_is_clean_only_when_all_three_are_zero(field: str) -> None:
    assert Sheet().clean
    assert not Sheet(**{field: 1}).clean


def test_a_balance_closes_with_few_answers_that_the_station_wrote_down_as_too_late_and_with_nothing_else() -> None:
    assert Sheet(readings_answered=1000, readings_lost=10, timed_out=10).closes
    assert not Sheet(readings_answered=1000, readings_lost=10, timed_out=10).clean
    assert not Sheet(readings_answered=1000, readings_lost=11, timed_out=11).closes
    assert not Sheet(readings_answered=1000, readings_lost=11, timed_out=10).closes
    assert not Sheet(readings_answered=1000, duplicates_in_store=1).closes
    assert not Sheet(readings_answered=1000, readings_unexplained=1).closes
