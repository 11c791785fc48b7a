"""QC marks and never deletes; raw and corrected travel together."""

import math

from haihe_contract.quality import PASS_MARK, Flag, Reason, mark
from haihe_contract.series import Series, Source
from haihe_edge.qualify import Judge
from haihe_edge.site import SiteSeries

ALL = (-math.inf, math.inf)


def series(number: int, element: str = "distance", times: float = 1.0, plus: float = 0.0,
           sensor: tuple[float, float] = ALL, local: tuple[float, float] = ALL) -> SiteSeries:  # fmt: skip
    source = Source.INSTRUMENT if (times, plus) == (1, 0) else Source.DERIVED
    identity = Series(element, source=source)
    return SiteSeries(number, identity, identity.key, 1000, "radar", "line", "distance", times, plus, sensor, local)


def test_plainly_good_values_need_no_marks() -> None:
    judged = Judge([series(0), series(1)])([(0, 3.2, Reason.NONE), (1, 4.0, Reason.NONE)])
    assert judged == ([0, 1], [3.2, 4.0], [])
    assert judged.flag(1) is Flag.PASS


def test_a_radar_distance_and_its_level_travel_together() -> None:
    judge = Judge([series(0), series(1, "water_level", times=-1, plus=8.35)])
    assert judge([(0, 3.214, Reason.NONE), (1, 3.214, Reason.NONE)]).values == [3.214, 5.136]


def test_beyond_the_sensor_fails_and_keeps_its_value() -> None:
    judge = Judge([series(0, sensor=(0.2, 15)), series(1, "water_level", times=-1, plus=8, sensor=(0.2, 15))])
    judged = judge([(0, 16.0, Reason.NONE), (1, 16.0, Reason.NONE)])
    assert judged.values == [16.0, -8.0]
    assert judged.marks == [mark(Flag.FAIL, Reason.BEYOND_SENSOR)] * 2


def test_beyond_what_any_sensor_of_the_kind_can_measure_fails() -> None:
    assert Judge([series(0, "ph")])([(0, 14.5, Reason.NONE)]).flag(0) is Flag.FAIL


def test_beyond_the_local_range_is_suspect_and_keeps_its_value() -> None:
    judged = Judge([series(0, local=(0.5, 14.5)), series(1)])([(0, 0.4, Reason.NONE), (1, 1.0, Reason.NONE)])
    assert judged.values == [0.4, 1.0]
    assert judged.marks == [mark(Flag.SUSPECT, Reason.BEYOND_LOCAL), PASS_MARK]


def test_a_missing_value_says_why_and_is_never_zero() -> None:
    judged = Judge([series(0)])([(0, None, Reason.TIMEOUT)])
    assert judged == ([0], [None], [mark(Flag.MISSING, Reason.TIMEOUT)])


def test_a_position_that_moved_is_suspect() -> None:
    assert Judge([series(0, "latitude")])([(0, 39.2, Reason.MOVED)]).marks == [mark(Flag.SUSPECT, Reason.MOVED)]
