"""The choice between readings of one place is total and does not depend on the order of arrival."""

import math

from haihe_cloud.store.choose import TIME_MS_MAX, better, rank, refusal, settle
from haihe_contract.quality import Flag, Grade
from haihe_contract.reading import Reading
from hypothesis import given
from hypothesis import strategies as st

from tests.cloud.store.readings import LEVEL, T0, level, rivals

one_place = st.lists(rivals(graded=True).map(lambda r: r._replace(series=LEVEL, time_ms=T0)), min_size=1, max_size=8)


@given(one_place, st.randoms(use_true_random=False), st.integers(0, 8))
def test_any_order_and_any_portions_settle_the_same(readings: list[Reading], random: object, cut: int) -> None:
    at_once = settle(readings)
    shuffled = [*readings, *readings[:cut]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    by_portions = settle(shuffled[: cut or 1])
    for reading in shuffled[cut or 1 :]:
        by_portions = settle([by_portions.shown, *by_portions.others, reading])
    assert by_portions == at_once


@given(one_place)
def test_no_value_is_lost_and_the_best_rank_is_shown(readings: list[Reading]) -> None:
    shown, others = settle(readings)
    assert {r.value for r in readings} == {r.value for r in (shown, *others)}
    assert rank(shown) == max(map(rank, readings))
    assert shown.value not in [other.value for other in others]


@given(rivals(), rivals())
def test_two_different_readings_of_one_place_never_tie(a: Reading, b: Reading) -> None:
    a, b = a._replace(series=LEVEL, time_ms=T0), b._replace(series=LEVEL, time_ms=T0)
    assert (rank(a) == rank(b)) == (a == b)
    assert better(a, b) == better(b, a)


def test_a_value_beats_a_missing_one_then_the_clock_then_line_and_number_decide() -> None:
    worst_to_best = [
        level(value=None, number=9),
        level(value=9.0, flag=Flag.FAIL, number=9),
        level(value=4.0, grade=Grade.RTC, number=9),
        level(value=3.0, line=1, number=9),
        level(value=2.0, number=1),
        level(value=1.0, number=2),
    ]
    assert sorted({*worst_to_best}, key=rank) == worst_to_best
    assert settle(worst_to_best).shown == worst_to_best[-1]


def test_equal_values_of_different_records_are_no_conflict() -> None:
    assert settle([level(number=2), level(number=1)]) == (level(number=2), ())


def test_what_no_engine_can_hold_is_refused_with_a_reason() -> None:
    assert refusal(level()) is None
    assert refusal(level(value=None)) is None
    for bad in (
        level(value=math.nan),
        level(value=math.inf),
        level(value=1.0, flag=Flag.MISSING),
        level(value=None, flag=Flag.PASS),
        level(time_ms=-1),
        level(time_ms=TIME_MS_MAX + 1),
        level(number=0),
        level(number=2**63),
        level(line=2**64),
        level(series="no series key"),
    ):
        assert refusal(bad)
