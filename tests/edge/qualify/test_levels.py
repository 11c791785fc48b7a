"""The station's own levels are noticed with no link and no centre."""

from haihe_contract.quality import PASS_MARK, Flag, Reason, mark
from haihe_edge.qualify import Judged, LevelWatch
from haihe_edge.site import Level
from hypothesis import given
from hypothesis import strategies as st

LEVEL = Level(3, "water_level.main.instant.0.derived.dagu", "dagu", 4.5, 5.2, 0.05)
SUSPECT = mark(Flag.SUSPECT, Reason.BEYOND_LOCAL)


def seen(watch: LevelWatch, value: float | None, at: int = 0, marked: int = PASS_MARK) -> list[tuple[str, bool]]:
    crossings = watch.see(Judged([1, 3], [0.0, value], [PASS_MARK, marked]), at)
    return [(each.level, each.raised) for each in crossings]


def test_reaching_a_level_raises_it_once() -> None:
    watch = LevelWatch([LEVEL])
    assert seen(watch, 4.49) == []
    assert seen(watch, 4.5) == [("warning", True)]
    assert seen(watch, 4.6) == []
    assert watch.reached() == [(3, "warning")]


def test_a_wall_of_water_raises_both_levels_at_once() -> None:
    crossings = LevelWatch([LEVEL]).see(Judged([3], [6.0], []), 0)
    assert [(each.level, each.raised, each.urgent, each.kind) for each in crossings] == [
        ("warning", True, True, "level_raised"),
        ("guarantee", True, True, "level_raised"),
    ]
    assert crossings[0].datum == "dagu"


def test_a_crossing_ends_only_below_its_hysteresis() -> None:
    watch = LevelWatch([LEVEL])
    seen(watch, 4.5)
    assert seen(watch, 4.46) == []
    assert seen(watch, 4.44) == [("warning", False)]


def test_a_suspect_value_over_a_level_counts_and_is_called_unverified() -> None:
    [crossing] = LevelWatch([LEVEL]).see(Judged([3], [4.8], [SUSPECT]), 0)
    assert crossing.raised
    assert crossing.unverified


def test_a_suspect_value_does_not_end_a_crossing() -> None:
    watch = LevelWatch([LEVEL])
    seen(watch, 4.8)
    assert seen(watch, 1.0, marked=SUSPECT) == []
    assert seen(watch, 1.0) == [("warning", False)]


def test_failed_and_missing_values_count_for_nothing() -> None:
    watch = LevelWatch([LEVEL])
    assert seen(watch, 9.9, marked=mark(Flag.FAIL, Reason.BEYOND_SENSOR)) == []
    assert seen(watch, None, marked=mark(Flag.MISSING, Reason.TIMEOUT)) == []
    seen(watch, 4.8)
    assert seen(watch, None, marked=mark(Flag.MISSING, Reason.TIMEOUT)) == []
    assert watch.reached() == [(3, "warning")]


def test_waves_make_at_most_one_urgent_crossing_a_minute() -> None:
    watch = LevelWatch([LEVEL])
    urgent = 0
    for second in range(600):
        value = 4.6 if second % 2 else 4.3
        urgent += sum(each.urgent for each in watch.see(Judged([3], [value], []), second * 1000))
    assert urgent == 10


@given(st.lists(st.floats(0, 10), max_size=60))
def test_raised_and_cleared_take_turns_and_end_as_the_last_value_says(values: list[float]) -> None:
    watch = LevelWatch([LEVEL])
    told: list[tuple[str, bool]] = []
    for value in values:
        told += seen(watch, value)
    for name, threshold in (("warning", 4.5), ("guarantee", 5.2)):
        turns = [raised for level, raised in told if level == name]
        assert turns == [place % 2 == 0 for place in range(len(turns))]
        if values and values[-1] >= threshold:
            assert turns[-1]
        if values and values[-1] < threshold - 0.05:
            assert not turns or not turns[-1]
