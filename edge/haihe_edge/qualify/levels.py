"""Has one of the station's own levels been crossed? Decides, with no link and no centre, what is urgent."""

from collections.abc import Iterable
from typing import NamedTuple

from haihe_contract.quality import Flag

from haihe_edge.site import Level

from .judge import Judged

URGENT_PAUSE_MS = 60_000
"""At most one urgent crossing per series, level and minute, whatever waves do."""


class Crossing(NamedTuple):
    """A level was crossed.

    Args:
        number: series number.
        level: ``warning`` or ``guarantee``.
        raised: True when the value has reached the level, False when it has fallen below it by the hysteresis.
        threshold: the level.
        datum: what it is measured from.
        value: that decided.
        unverified: the value is suspect.
        urgent: goes by the alarm lane.
    """

    number: int
    level: str
    raised: bool
    threshold: float
    datum: str
    value: float
    unverified: bool
    urgent: bool

    @property
    def kind(self) -> str:
        """Kind of its Event record: ``level_raised`` or ``level_cleared``."""
        return "level_raised" if self.raised else "level_cleared"


class _Watched:
    __slots__ = ("level", "name", "raised", "threshold", "urgent_ms")

    def __init__(self, level: Level, name: str, threshold: float) -> None:
        self.level = level
        self.name = name
        self.threshold = threshold
        self.raised = False
        self.urgent_ms: int | None = None


class LevelWatch:
    """Remembers which levels are reached.

    A suspect value counts when it is over a level, marked unverified: quality control must not hide a flood.
    It does not end a crossing; only a good value does. Failed and missing values count for nothing.

    Args:
        levels: of the site.
    """

    def __init__(self, levels: Iterable[Level]) -> None:
        self._watched: dict[int, list[_Watched]] = {}
        for level in levels:
            named = (("warning", level.warning), ("guarantee", level.guarantee))
            self._watched[level.number] = [
                _Watched(level, name, threshold) for name, threshold in named if threshold is not None
            ]

    def see(self, judged: Judged, monotonic_ms: int) -> list[Crossing]:
        """The crossings that a reading group makes; a group without watched series costs next to nothing."""
        found: list[Crossing] = []
        for place, number in enumerate(judged.series):
            watched = self._watched.get(number)
            value = judged.values[place]
            if watched is None or value is None:
                continue
            flag = judged.flag(place)
            if flag in (Flag.FAIL, Flag.MISSING):
                continue
            for each in watched:
                crossing = _crossing(each, value, flag is Flag.SUSPECT, monotonic_ms)
                if crossing is not None:
                    found.append(crossing)
        return found

    def reached(self) -> list[tuple[int, str]]:
        """Series number and name of every level that is reached now."""
        return [(number, each.name) for number, watched in self._watched.items() for each in watched if each.raised]


def _crossing(each: _Watched, value: float, suspect: bool, monotonic_ms: int) -> Crossing | None:
    if not each.raised and value >= each.threshold:
        each.raised = True
    elif each.raised and value < each.threshold - each.level.hysteresis and not suspect:
        each.raised = False
    else:
        return None
    urgent = each.urgent_ms is None or monotonic_ms - each.urgent_ms >= URGENT_PAUSE_MS
    if urgent:
        each.urgent_ms = monotonic_ms
    return Crossing(each.level.number, each.name, each.raised, each.threshold, each.level.datum, value, suspect, urgent)
