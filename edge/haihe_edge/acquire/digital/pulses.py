"""What pulses and contacts mean: which edge is a tip, how much rain fell in an interval, has the door moved. Pure.

All moments are monotonic milliseconds, as the kernel stamps edges. The wall clock only says where an interval
ends; when it drifts the interval stretches with it and no tip is lost or counted twice, and when it is set the
interval that it cut is not given at all.
"""

import math
from collections import deque
from typing import NamedTuple

from haihe_edge import limits

_HOUR_MS = 3_600_000


class TipCounter:
    """Which edges are tips.

    Args:
        debounce_ms: an edge within this time of the last tip belongs to it. A bucket takes about half a second
            to turn, so two tips are never that near.
        total: tips counted before.
    """

    __slots__ = ("_debounce_ms", "bounces", "last_ms", "recent", "total")

    def __init__(self, debounce_ms: int, total: int = 0) -> None:
        self._debounce_ms = debounce_ms
        self.total = total
        self.bounces = 0
        self.last_ms: int | None = None
        self.recent: deque[int] = deque(maxlen=2)

    def edge(self, at_ms: int) -> bool:
        """An edge of the kind that a tip makes; whether it is a tip of its own."""
        if self.last_ms is not None and at_ms - self.last_ms < self._debounce_ms:
            self.bounces += 1
            return False
        self.last_ms = at_ms
        self.recent.append(at_ms)
        self.total += 1
        return True

    def intensity(self, tip_mm: float, now_ms: int) -> float:
        """Rain intensity in mm/h: one tip in the time that it took, or that the next one has taken so far.

        It is 0 once the last tip is an hour old: less than a tip an hour cannot be told from no rain.
        """
        if self.last_ms is None or now_ms - self.last_ms >= _HOUR_MS:
            return 0.0
        took = _HOUR_MS
        if len(self.recent) == 2:
            took = min(_HOUR_MS, max(self.recent[1] - self.recent[0], now_ms - self.last_ms, 1))
        return round(tip_mm * _HOUR_MS / took, 1)


class Ended(NamedTuple):
    """An interval that is over.

    Args:
        end_ms: where it ended, by the wall.
        tips: how many fell in it, None when they could not be counted all the time.
        total: how many had been counted at its end since the gauge began.
    """

    end_ms: int
    tips: int | None
    total: int


class Intervals:
    """Tips by intervals that end on the wall clock's grid. A tip at the very end still belongs to the interval.

    Args:
        period_ms: length of an interval; the grid begins at 00:00 UTC, which is 08:00 in Beijing.
        total: tips counted before.
    """

    def __init__(self, period_ms: int, total: int = 0) -> None:
        self._period_ms = period_ms
        self._total = total
        self._tips = 0
        self._waiting: deque[int] = deque(maxlen=limits.DIGITAL_EVENTS_MAX)
        self._whole = False
        self._began = False
        self._end_ms = 0
        self._last_end_ms: int | None = None
        self._due_ms = 0
        self._offset_ms = 0
        self._blind_until_ms: float = -math.inf

    def tip(self, at_ms: int) -> None:
        """A tip; :meth:`advance` gives it to its interval."""
        self._waiting.append(at_ms)

    def blind(self, from_ms: int, until_ms: float = math.inf) -> None:
        """Tips could not be counted in this time; without an end: until :meth:`sees`."""
        if from_ms < self._due_ms:
            self._whole = False
        self._blind_until_ms = max(self._blind_until_ms, until_ms)

    def sees(self, at_ms: int) -> None:
        """From this moment on tips can be counted again."""
        self._blind_until_ms = at_ms

    @property
    def is_blind(self) -> bool:
        """Whether tips cannot be counted now."""
        return self._blind_until_ms == math.inf

    @property
    def due_ms(self) -> int:
        """When the running interval ends."""
        return self._due_ms

    def advance(self, wall_ms: int, now_ms: int) -> list[Ended]:
        """The intervals that have ended by now, after every tip until now was reported.

        Args:
            wall_ms: the wall clock now.
            now_ms: the same moment, monotonic.
        """
        offset = wall_ms - now_ms
        if not self._began or abs(offset - self._offset_ms) > limits.CLOCK_STEP_MS:
            self._take(math.inf)
            self._begin(wall_ms)
        self._offset_ms = offset
        self._due_ms = self._end_ms - offset
        ended: list[Ended] = []
        while self._due_ms <= now_ms:
            self._take(self._due_ms)
            if self._whole or self._end_ms != self._last_end_ms:
                ended.append(Ended(self._end_ms, self._tips if self._whole else None, self._total))
            self._last_end_ms = self._end_ms
            self._tips = 0
            self._whole = self._due_ms >= self._blind_until_ms
            self._end_ms += self._period_ms
            self._due_ms += self._period_ms
        self._take(self._due_ms)
        return ended[-limits.COUNTER_PERIODS_MAX :]

    def _begin(self, wall_ms: int) -> None:
        """Start in the middle of an interval: what fell in it before is not known."""
        self._began = True
        self._end_ms = (wall_ms // self._period_ms + 1) * self._period_ms
        self._tips = 0
        self._whole = False

    def _take(self, until_ms: float) -> None:
        while self._waiting and self._waiting[0] <= until_ms:
            self._waiting.popleft()
            self._tips += 1
            self._total += 1


class Steady:
    """A contact without its bounces: a change counts once it has lasted.

    Args:
        debounce_ms: how long it must last.
    """

    __slots__ = ("_debounce_ms", "_since_ms", "_wanted", "bounces", "state")

    def __init__(self, debounce_ms: int) -> None:
        self._debounce_ms = debounce_ms
        self._since_ms = 0
        self._wanted: bool | None = None
        self.state: bool | None = None
        self.bounces = 0

    def see(self, state: bool, at_ms: int) -> None:  # noqa: FBT001 - the state is the argument
        """The contact is so, at least from this moment on. The first word counts at once."""
        if self.state is None:
            self.state = self._wanted = state
            return
        if state != self._wanted:
            self.bounces += state == self.state
            self._wanted, self._since_ms = state, at_ms

    def forget(self) -> None:
        """Nobody looks any more; the next word counts at once again."""
        self.state = self._wanted = None

    def settled(self, now_ms: int) -> int | None:
        """Whether the state has changed by now: the moment of its first edge, or None."""
        if self._wanted == self.state or now_ms - self._since_ms < self._debounce_ms:
            return None
        self.state = self._wanted
        return self._since_ms

    @property
    def due_ms(self) -> int | None:
        """When to ask :meth:`settled` again, None while nothing moves."""
        return None if self._wanted == self.state else self._since_ms + self._debounce_ms
