"""Rain is the difference of a counter, or it is missing."""

from haihe_cloud.show.rain import edges, rainfall
from haihe_contract.quality import Flag, Grade, Reason
from haihe_contract.reading import Reading
from hypothesis import given
from hypothesis import strategies as st

HOUR = 3_600_000
START = 1_800_000_000_000 // HOUR * HOUR
FAR = START + 400 * HOUR


def counter(*points: tuple[float, float | None], flag: Flag = Flag.PASS) -> list[Reading]:
    """Counter readings at minutes after the start."""
    return [
        Reading("r", START + round(m * 60_000), v, Flag.MISSING if v is None else flag, Reason.NONE, Grade.NTP, 1, n)
        for n, (m, v) in enumerate(points, 1)
    ]


def hours(readings: list[Reading], many: int, now_ms: int = FAR) -> list[tuple[float | None, str]]:
    return [(b.mm, b.why) for b in rainfall(readings, START, START + many * HOUR, 3600, now_ms)]


def test_rain_is_booked_where_the_counter_was_read() -> None:
    readings = counter(*((m, 100 + max(0, m - 30) * 0.5) for m in range(-1, 121)))
    assert hours(readings, 2) == [(15.0, ""), (30.0, "")]


def test_a_counter_that_went_back_is_missing_and_never_negative() -> None:
    readings = counter(*((m, 100.0 if m < 70 else 0.5) for m in range(0, 181, 5)))
    assert hours(readings, 3) == [(0.0, ""), (None, "reset"), (0.0, "")]


def test_silence_over_an_edge_is_missing_and_never_zero() -> None:
    readings = counter(*((m, 10.0) for m in range(0, 31, 5)), *((m, 22.0) for m in range(95, 181, 5)))
    assert hours(readings, 3) == [(None, "missing"), (None, "missing"), (0.0, "")]


def test_silence_inside_a_bucket_loses_nothing_because_the_counter_counts_on() -> None:
    readings = counter((0, 10.0), (5, 10.0), (50, 18.5), (60, 18.5))
    assert hours(readings, 1) == [(8.5, "")]


def test_failed_and_missing_reads_are_no_counter_values() -> None:
    readings = sorted(
        counter((0, 10.0), (30, None), (60, 12.0)) + counter((45, 9999.0), flag=Flag.FAIL), key=lambda r: r.time_ms
    )
    assert hours(readings, 1) == [(2.0, "")]


def test_a_bucket_that_is_not_over_says_so() -> None:
    readings = counter((0, 10.0), (10, 11.0), (20, 12.0))
    assert hours(readings, 2, now_ms=START + 20 * 60_000) == [(2.0, "running")]


def test_nothing_known_is_missing_for_the_whole_span() -> None:
    assert hours([], 2) == [(None, "missing")] * 2


def test_the_rain_day_begins_at_eight_in_beijing() -> None:
    first, _ = edges(START, START + 1, 86_400)
    assert (first // HOUR + 8) % 24 == 8


@given(
    st.lists(
        st.tuples(st.floats(0.1, 50), st.one_of(st.none(), st.floats(0, 20)), st.booleans()), min_size=1, max_size=120
    )
)
def test_no_bucket_is_negative_and_all_together_never_exceed_what_fell(
    steps: list[tuple[float, float | None, bool]],
) -> None:
    minute, total, fell, points = -1.0, 50.0, 0.0, []
    for gap, rain, reset in steps:
        minute += gap
        if reset:
            total = 0.0
        if rain is not None:
            total += rain
            fell += rain
        points.append((minute, None if rain is None else round(total, 3)))
    buckets = rainfall(counter(*points), START, START + 48 * HOUR, 3600, FAR)
    amounts = [b.mm for b in buckets if b.mm is not None]
    assert all(mm >= 0 for mm in amounts)
    assert sum(amounts) <= fell + 0.01 * len(amounts)


def test_a_pause_in_which_nobody_counted_is_missing_even_inside_a_bucket() -> None:
    readings = counter(*((m, 10.0 + m / 10) for m in range(0, 181, 5)))
    gap = readings[15]._replace(value=None, flag=Flag.MISSING, reasons=Reason.INCOMPLETE)  # at 75 minutes
    assert hours([*readings[:15], gap, *readings[16:]], 3) == [(6.0, ""), (None, "missing"), (6.0, "")]
