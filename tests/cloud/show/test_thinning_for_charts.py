"""Few points instead of many, and no peak, dip, doubt or break lost."""

from haihe_cloud.show.thin import Points, Thinner
from haihe_contract.quality import Flag, Grade, Reason
from haihe_contract.reading import Reading
from hypothesis import given
from hypothesis import strategies as st

START = 1_800_000_000_000


def rows(values: list[tuple[int, float | None, Flag]]) -> list[Reading]:
    return [Reading("s", START + t, v, f, Reason.NONE, Grade.NTP, 1, n) for n, (t, v, f) in enumerate(values, 1)]


def thinned(readings: list[Reading], points: int, end: int) -> Points:
    thinner = Thinner(START, START + end, points)
    thinner.take(readings)
    return thinner.points()


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=800), st.integers(10, 200))
def test_the_highest_and_lowest_values_survive(values: list[float], points: int) -> None:
    readings = rows([(i * 1000, v, Flag.PASS) for i, v in enumerate(values)])
    kept = thinned(readings, points, len(values) * 1000)
    there = [v for v in kept.value if v is not None]
    assert (max(there), min(there)) == (max(values), min(values))
    assert (there[0], there[-1]) == (values[0], values[-1])
    assert len(kept.time_ms) <= points + 8
    assert kept.total == len(values)
    assert kept.time_ms == sorted(kept.time_ms)


def test_few_readings_pass_untouched() -> None:
    kept = thinned(rows([(0, 1.0, Flag.PASS), (1000, 2.0, Flag.PASS), (2000, 3.0, Flag.PASS)]), 400, 100_000)
    assert kept.value == [1.0, 2.0, 3.0]


def test_one_suspect_one_failed_and_one_missing_reading_in_a_thousand_are_still_seen() -> None:
    values: list[tuple[int, float | None, Flag]] = [(i * 1000, 1.0, Flag.PASS) for i in range(3000)]
    values[500] = (500_000, 1.0, Flag.SUSPECT)
    values[1500] = (1_500_000, 9999.0, Flag.FAIL)
    values[2500] = (2_500_000, None, Flag.MISSING)
    kept = thinned(rows(values), 40, 3_000_000)
    assert {3, 4, 9} <= set(kept.flag)


def test_a_pause_breaks_the_line_where_nothing_was_received() -> None:
    values = [(i * 1000, 1.0, Flag.PASS) for i in [*range(100), *range(400, 500)]]
    kept = thinned(rows(list(values)), 100, 500_000)
    breaks = [t - START for t, f in zip(kept.time_ms, kept.flag, strict=True) if f == 0]
    assert len(breaks) == 1
    assert 99_000 < breaks[0] < 400_000


def test_readings_every_hour_are_not_a_row_of_breaks() -> None:
    kept = thinned(rows([(i * 3_600_000, 1.0, Flag.PASS) for i in range(200)]), 400, 200 * 3_600_000)
    assert kept.flag.count(0) == 0
    assert kept.step_ms == 3_600_000
