"""What state is a station in, and what stays visible beside it."""

from haihe_cloud.show.state import CONDITION_NAMES, Condition, Facts, Limit, Sighting, judge, trend
from haihe_contract.quality import Flag, Grade, Reason
from haihe_contract.reading import Reading

NOW = 1_800_000_000_000
LEVEL = "water_level.main.instant.0.derived.dagu"
RAIN = "accumulated_rain.main.total.0.instrument.-"
LIMITS = [Limit(LEVEL, "dagu", 6.0, 7.0)]


def level(
    value: float | None = 5.0, *, ago_s: float = 5, flag: Flag = Flag.PASS, grade: Grade = Grade.GNSS
) -> Sighting:
    at = NOW - round(ago_s * 1000)
    known = grade is not Grade.NONE
    return Sighting(Reading(LEVEL, at if known else 77_000, value, flag, Reason.NONE, grade, 1, 1), at, known)


def facts(
    *newest: Sighting, heard_ago_s: float | None = 5, limits: list[Limit] = LIMITS, usable: list[Sighting] | None = None
) -> Facts:
    believed = usable if usable is not None else [s for s in newest if s.reading.value is not None]
    heard = None if heard_ago_s is None else NOW - round(heard_ago_s * 1000)
    return Facts(NOW, heard, 600, list(newest), believed, limits)


def test_a_flood_stays_visible_when_the_station_falls_silent() -> None:
    state = judge(facts(level(7.2, ago_s=3600), heard_ago_s=3600))
    assert state.worst is Condition.ABOVE_GUARANTEE
    assert state.also == [Condition.SILENT]
    assert state.level is not None
    assert state.level.sighting.reading.value == 7.2


def test_a_suspect_value_over_a_limit_counts_and_is_marked() -> None:
    state = judge(facts(level(6.4, flag=Flag.SUSPECT)))
    assert (state.worst, state.also) == (Condition.ABOVE_WARNING, [Condition.UNVERIFIED])


def test_a_failed_value_is_no_flood_and_the_last_good_one_stays() -> None:
    state = judge(facts(level(9999.0, flag=Flag.FAIL), usable=[level(5.5, ago_s=1200)]))
    assert state.worst is Condition.NO_VALUE
    assert state.level is not None
    assert state.level.sighting.reading.value == 5.5


def test_a_level_exactly_at_its_limit_is_over_it() -> None:
    assert judge(facts(level(6.0))).worst is Condition.ABOVE_WARNING
    assert judge(facts(level(7.0))).worst is Condition.ABOVE_GUARANTEE


def test_levels_of_different_datums_never_meet() -> None:
    state = judge(facts(level(9.0), limits=[Limit(LEVEL, "cgvd1985", 6.0, 7.0)]))
    assert state.worst is Condition.NORMAL
    assert state.level is not None
    assert state.level.warning is None


def test_backlog_that_streams_in_makes_late_and_not_current() -> None:
    assert judge(facts(level(ago_s=1800), heard_ago_s=1)).worst is Condition.LATE


def test_a_reading_without_a_trusted_clock_is_shown_as_time_unknown() -> None:
    state = judge(facts(level(5.0, grade=Grade.NONE)))
    assert state.worst is Condition.TIME_UNKNOWN
    assert Condition.UNVERIFIED in state.also


def test_a_clock_that_runs_ahead_is_doubted_and_hides_no_flood() -> None:
    state = judge(facts(level(7.5, ago_s=-3600)))
    assert state.worst is Condition.ABOVE_GUARANTEE
    assert Condition.TIME_UNKNOWN in state.also


def test_a_station_that_never_spoke_is_not_called_normal() -> None:
    assert judge(facts(heard_ago_s=None)).worst is Condition.NEVER_HEARD


def test_a_station_without_level_is_normal_while_its_values_are_new() -> None:
    rain = Sighting(Reading(RAIN, NOW - 1000, 3.0, Flag.PASS, Reason.NONE, Grade.NTP, 1, 1), NOW)
    state = judge(facts(rain))
    assert (state.worst, state.level) == (Condition.NORMAL, None)


def test_the_worst_of_several_levels_decides() -> None:
    other = LEVEL.replace("main", "upstream")
    upstream = Sighting(level(8.0).reading._replace(series=other), NOW)
    state = judge(facts(level(5.0), upstream, limits=[*LIMITS, Limit(other, "dagu", 7.5, 9.0)]))
    assert state.level is not None
    assert (state.worst, state.level.series.point) == (Condition.ABOVE_WARNING, "upstream")


def test_every_condition_has_a_name_in_both_languages() -> None:
    assert set(CONDITION_NAMES) == set(Condition)
    assert all(zh and en for zh, en in CONDITION_NAMES.values())


def test_waves_are_no_trend_and_a_rise_is() -> None:
    assert [trend(each) for each in (None, 0.01, 0.3, -0.3)] == ["", "steady", "rising", "falling"]
