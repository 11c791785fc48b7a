"""What state is a station in? Pure: from facts to one worst condition, and everything else that also holds.

A level over a limit stays visible when the station then falls silent: the worst condition colours the station
and the others stand beside it. Quality never hides a flood: a suspect value over a limit counts, and is marked.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec
from haihe_contract.quality import Flag
from haihe_contract.reading import Reading
from haihe_contract.series import Series, parse_series

AHEAD_MS = 60_000
"""A measurement this far in the future of the centre's clock has a clock that nobody should believe."""
TREND_STEADY_M_PER_H = 0.02
"""Slower than this is the noise of the water's surface, not a rise: stage sensors are good to 1 or 2 cm."""


class Condition(StrEnum):
    """One thing that can be said of a station, worst first."""

    ABOVE_GUARANTEE = "above_guarantee"
    ABOVE_WARNING = "above_warning"
    SILENT = "silent"
    NO_VALUE = "no_value"
    LATE = "late"
    TIME_UNKNOWN = "time_unknown"
    UNVERIFIED = "unverified"
    NEVER_HEARD = "never_heard"
    NORMAL = "normal"


CONDITION_NAMES = {
    Condition.ABOVE_GUARANTEE: ("超保证", "above guarantee"),
    Condition.ABOVE_WARNING: ("超警戒", "above warning"),
    Condition.SILENT: ("失联", "silent"),
    Condition.NO_VALUE: ("缺测", "no value"),
    Condition.LATE: ("迟报", "late"),
    Condition.TIME_UNKNOWN: ("时间不明", "time unknown"),
    Condition.UNVERIFIED: ("待核实", "unverified"),
    Condition.NEVER_HEARD: ("未上线", "never heard"),
    Condition.NORMAL: ("正常", "normal"),
}
"""Chinese and English names of the conditions."""

_RANK = {condition: rank for rank, condition in enumerate(Condition)}


class Sighting(msgspec.Struct, frozen=True):
    """A reading and when the centre took it in.

    Args:
        reading: as it was stored.
        received_ms: when its batch arrived; None where that is no longer known.
        time_known: whether the reading's time is a time of day (else it is milliseconds of some boot).
    """

    reading: Reading
    received_ms: int | None = None
    time_known: bool = True

    @property
    def as_of_ms(self) -> int | None:
        """The best answer to "from when is this": the measurement, else the arrival."""
        return self.reading.time_ms if self.time_known else self.received_ms


class Limit(msgspec.Struct, frozen=True):
    """Warning and guarantee level of one series, in metres above the datum that they were published in."""

    series: str
    datum: str
    warning: float | None = None
    guarantee: float | None = None


class LevelNow(msgspec.Struct, frozen=True):
    """The newest usable level of one series, set against its limits.

    Args:
        series: whose level.
        sighting: the reading itself.
        warning: limit in the same datum, or None when there is none that may be compared.
        guarantee: likewise.
        condition: ABOVE_GUARANTEE, ABOVE_WARNING or NORMAL.
        unverified: the value is suspect, or its time is not known.
    """

    series: Series
    sighting: Sighting
    warning: float | None
    guarantee: float | None
    condition: Condition
    unverified: bool


class StationState(msgspec.Struct, frozen=True):
    """The answer: the worst condition, what else holds (worst first), and the level that decided."""

    worst: Condition
    also: list[Condition]
    level: LevelNow | None


class Facts(msgspec.Struct, frozen=True):
    """Everything that the judgement rests on.

    Args:
        now_ms: the centre's clock.
        last_heard_ms: when the newest batch arrived, None when there never was one.
        silent_after_s: the station's own limit of silence.
        newest: newest sighting per series, whatever its quality.
        usable: newest sighting per series that has a believable value.
        limits: levels of the registry.
    """

    now_ms: int
    last_heard_ms: int | None
    silent_after_s: float
    newest: Sequence[Sighting]
    usable: Sequence[Sighting]
    limits: Sequence[Limit]


def believable(reading: Reading) -> bool:
    """Whether the value may be set against a limit: there is one, and quality control has not failed it."""
    return reading.value is not None and reading.flag is not Flag.FAIL


def judge(facts: Facts) -> StationState:
    """The station's state."""
    level = _worst_level(facts)
    found: list[Condition] = []
    if level is not None and level.condition is not Condition.NORMAL:
        found.append(level.condition)
    if level is not None and level.unverified:
        found.append(Condition.UNVERIFIED)
    found += _contact(facts)
    if any(_doubtful_time(each, facts.now_ms) for each in facts.newest):
        found.append(Condition.TIME_UNKNOWN)
    if _level_is_missing(facts):
        found.append(Condition.NO_VALUE)
    ranked = sorted(set(found), key=_RANK.__getitem__) or [Condition.NORMAL]
    return StationState(ranked[0], ranked[1:], level)


def severity(condition: Condition) -> int:
    """For sorting and metrics: 0 is the worst."""
    return _RANK[condition]


def trend(metres_per_hour: float | None) -> str:
    """``rising``, ``falling``, ``steady``, or empty when it is not known."""
    if metres_per_hour is None:
        return ""
    if abs(metres_per_hour) < TREND_STEADY_M_PER_H:
        return "steady"
    return "rising" if metres_per_hour > 0 else "falling"


def _contact(facts: Facts) -> list[Condition]:
    """Is it heard of, and are its newest values new? Half the limit of silence is where "late" begins."""
    if facts.last_heard_ms is None:
        return [Condition.NEVER_HEARD]
    limit_ms = facts.silent_after_s * 1000
    if facts.now_ms - facts.last_heard_ms > limit_ms:
        return [Condition.SILENT]
    times = [time for each in facts.newest if (time := each.as_of_ms) is not None]
    if not times or facts.now_ms - max(times) > limit_ms / 2:
        return [Condition.LATE]
    return []


def _doubtful_time(sighting: Sighting, now_ms: int) -> bool:
    return not sighting.time_known or sighting.reading.time_ms > now_ms + AHEAD_MS


def _level_is_missing(facts: Facts) -> bool:
    """The newest word of a level instrument is that there is no value."""
    levels = (each.reading for each in facts.newest if each.reading.series.startswith("water_level."))
    return not all(believable(reading) for reading in levels)


def _worst_level(facts: Facts) -> LevelNow | None:
    levels = [_set_against(each, facts) for each in _newest_per_series(facts.usable)]
    if not levels:
        return None
    with_limits = {limit.series for limit in facts.limits}
    # The worst first; among equals the series that has limits, then the name, so that the choice never flickers.
    return min(
        levels,
        key=lambda level: (
            _RANK[level.condition],
            level.series.key not in with_limits,
            level.series.key,
        ),
    )


def _newest_per_series(sightings: Iterable[Sighting]) -> list[Sighting]:
    """One sighting a level series: a reading of unknown time that came later outranks an older timed one."""
    best: dict[str, Sighting] = {}
    for each in sightings:
        if each.reading.series.startswith("water_level."):
            held = best.get(each.reading.series)
            if held is None or (each.as_of_ms or 0) > (held.as_of_ms or 0):
                best[each.reading.series] = each
    return list(best.values())


def _set_against(sighting: Sighting, facts: Facts) -> LevelNow:
    reading = sighting.reading
    series = parse_series(reading.series)
    warning = guarantee = None
    for limit in facts.limits:
        # Levels of different datums never meet here, whatever the registry says.
        if limit.series == reading.series and limit.datum in ("", series.datum):
            warning, guarantee = limit.warning, limit.guarantee
    value = reading.value if reading.value is not None else float("-inf")
    condition = Condition.NORMAL
    if guarantee is not None and value >= guarantee:
        condition = Condition.ABOVE_GUARANTEE
    elif warning is not None and value >= warning:
        condition = Condition.ABOVE_WARNING
    unverified = reading.flag is Flag.SUSPECT or _doubtful_time(sighting, facts.now_ms)
    return LevelNow(series, sighting, warning, guarantee, condition, unverified)
