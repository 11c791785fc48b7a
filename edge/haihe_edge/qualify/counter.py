"""Rain of an interval from an instrument's own counter. Pure.

The counter goes on while nobody asks, so a pause costs nothing as long as both ends of an interval are known.
What is not known is missing: it never becomes a zero, a negative amount, or the whole counter at once.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
from haihe_contract.quality import Flag, Reason

from haihe_edge import limits
from haihe_edge.site import CounterRain

from .judge import Judged

_MM_PER_MINUTE_MAX = 4.0
"""Tipping buckets are specified up to 4 mm/min: a jump back that would need more was no wrap."""
_PAUSE_MS_MAX = 31 * 86_400_000
"""After a longer pause, or a clock that was set by more, the counter begins anew."""
_PUNCTUAL_MS = 2_000
"""A first reading that is no later than this after an interval's begin has missed nothing of it."""
_DECIMALS = 6
_EDGE_SHARE = 5
"""A reading stands for the end of an interval if it is nearer to it than a fifth of the interval."""


class Commanded(msgspec.Struct):
    """A command was sent to the instrument since its last good reading.

    Args:
        clears: it sets the counter to 0.
        at_once: it surely did, and so soon after that reading that nothing has fallen in between.
    """

    clears: bool
    at_once: bool


class CounterState(msgspec.Struct):
    """What must be remembered over a restart.

    Args:
        time_ms: of the last good reading.
        value: that it had.
        sum: the counter without its jumps, counted since this began.
        end_ms: end of the running interval.
        base: the sum at its begin, None when that is not known.
        commanded: what the instrument was told since; a jump back is a reset then, and no wrap.
    """

    time_ms: int
    value: float
    sum: float
    end_ms: int
    base: float | None
    commanded: Commanded | None = None

    @property
    def news(self) -> tuple[object, ...]:
        """What must differ for the state to be worth writing down again: a reading alone moves only its time."""
        return self.value, self.end_ms, self.base, self.commanded is None


class Closed(NamedTuple):
    """An interval that is over: its end, and its rain or None."""

    end_ms: int
    mm: float | None


class CounterWatch:
    """Turns the readings of one counter into the rain of one interval.

    Args:
        rule: of the site.
        state: what it was left with, None to begin.
    """

    def __init__(self, rule: CounterRain, state: CounterState | None = None) -> None:
        self.rule = rule
        self.state = state
        self._near_ms = max(rule.poll_ms // 2, rule.period_ms // _EDGE_SHARE)
        self._closed_ms = 0

    def forget(self) -> None:
        """The clock was set: what went before cannot be compared any more."""
        self.state = None

    def commanded(self, time_ms: int, *, clears: bool, sure: bool) -> None:
        """A person sent the instrument a command.

        Args:
            time_ms: when.
            clears: whether the command sets the counter to 0.
            sure: whether it was obeyed, as far as the instrument says.
        """
        state = self.state
        if state is None or (state.commanded is not None and state.commanded.clears):
            return  # a second command makes the first one no better known
        at_once = clears and sure and 0 <= time_ms - state.time_ms <= _PUNCTUAL_MS
        state.commanded = Commanded(clears, at_once)

    def see(self, time_ms: int, value: float | None) -> list[Closed]:
        """A reading, or None for a failed one. The intervals that are known to be over, each once."""
        state = self.state
        if value is None:
            near = state is not None and time_ms < state.time_ms + _PAUSE_MS_MAX
            return self._overdue(state, time_ms) if state is not None and near else []
        if state is None or not state.time_ms < time_ms < state.time_ms + _PAUSE_MS_MAX:
            begun = 0.0 if time_ms % self.rule.period_ms <= _PUNCTUAL_MS else None
            self.state = CounterState(time_ms, value, 0.0, self._next(time_ms), begun)
            return []
        before, fallen = state.sum, self._fallen(state, time_ms, value)
        last_ms, state.time_ms, state.value, state.commanded = state.time_ms, time_ms, value, None
        if fallen is None:
            return self._jumped(state, last_ms)
        state.sum = round(before + fallen, _DECIMALS)
        if fallen == 0 and state.base is None and last_ms <= state.end_ms - self.rule.period_ms:
            state.base = before  # nothing has fallen since before the interval began
        closed = []
        while state.end_ms <= time_ms:
            at_end = state.sum if fallen == 0 else self._at(state, before, last_ms)
            closed.append(self._close(state, at_end))
        return self._told(closed)

    def _next(self, time_ms: int) -> int:
        return (time_ms // self.rule.period_ms + 1) * self.rule.period_ms

    def _fallen(self, state: CounterState, time_ms: int, value: float) -> float | None:
        """What the counter has counted since the last reading, None when that cannot be told."""
        took_ms = time_ms - state.time_ms
        most = limits.rain_record_mm(took_ms)
        told = state.commanded
        if told is not None and state.value > 0 and (told.clears or value < state.value):
            # A counter that is not below what it was has been cleared and filled again, or not been cleared.
            certain = told.at_once and value < state.value
            return value if certain and value <= most else None
        if value >= state.value:
            fallen = value - state.value
            return fallen if fallen <= most else None
        most = min(most, _MM_PER_MINUTE_MAX * max(1.0, took_ms / 60_000))
        if self.rule.wraps_at is not None and 0 <= value + self.rule.wraps_at - state.value <= most:
            return value + self.rule.wraps_at - state.value
        return value if self.rule.from_zero and value <= most else None

    def _at(self, state: CounterState, before: float, last_ms: int) -> float | None:
        """The sum at the interval's end: that of the nearer one of the readings around it, if it is near."""
        after_ms, before_ms = state.time_ms - state.end_ms, state.end_ms - last_ms
        if min(after_ms, before_ms) > self._near_ms:
            return None
        return state.sum if after_ms <= before_ms else before

    def _close(self, state: CounterState, at_end: float | None) -> Closed:
        mm = None if at_end is None or state.base is None else round(at_end - state.base, _DECIMALS)
        closed = Closed(state.end_ms, mm)
        state.base = at_end
        state.end_ms += self.rule.period_ms
        return closed

    def _jumped(self, state: CounterState, last_ms: int) -> list[Closed]:
        """The counter was reset, replaced, or says nonsense: only intervals that ended before are known."""
        closed = []
        first = True
        while state.end_ms <= state.time_ms:
            near = state.end_ms - last_ms <= min(self._near_ms, state.time_ms - state.end_ms)
            closed.append(self._close(state, state.sum if first and near else None))
            first = False
        state.base = state.sum if closed and state.time_ms % self.rule.period_ms <= _PUNCTUAL_MS else None
        return self._told(closed)

    def _overdue(self, state: CounterState, time_ms: int) -> list[Closed]:
        """Nobody answers: an interval is not waited for longer than a reading could still stand for its end."""
        closed = []
        while state.end_ms + self._near_ms < time_ms:
            near = state.end_ms - state.time_ms <= self._near_ms
            closed.append(self._close(state, state.sum if near else None))
        return self._told(closed)

    def _told(self, closed: list[Closed]) -> list[Closed]:
        """Never more than is bounded, and of a long time of which nothing is known only the first interval."""
        told = []
        for at, each in enumerate(closed[-limits.COUNTER_PERIODS_MAX :]):
            if each.end_ms > self._closed_ms or each.mm is not None:
                if each.mm is not None or at == 0:
                    told.append(each)
                self._closed_ms = each.end_ms
        return told


class Counters:
    """Every counter of a station that rain is made of.

    Args:
        rules: of the site.
        states: what :meth:`states` gave when the agent last ran.
    """

    def __init__(self, rules: Iterable[CounterRain], states: Mapping[int, CounterState]) -> None:
        self._watches: dict[int, list[CounterWatch]] = {}
        for rule in rules:
            watch = CounterWatch(rule, states.get(rule.number))
            self._watches.setdefault(rule.counter, []).append(watch)
        self._timed = True

    def see(
        self, judged: Judged, time_ms: int, *, timed: bool
    ) -> list[tuple[int, list[tuple[int, float | None, Reason]]]]:
        """What a reading group ends: the moment, and the samples of the rain. Nearly free without counters in it.

        Args:
            judged: the group; failed values count as no value.
            time_ms: of the group.
            timed: whether that is a time of the day, and not of this boot.
        """
        if not self._watches:
            return []
        if timed != self._timed:
            self._timed = timed
            for watches in self._watches.values():
                for watch in watches:
                    watch.forget()
        found: dict[int, list[tuple[int, float | None, Reason]]] = {}
        for place, number in enumerate(judged.series):
            for watch in self._watches.get(number, ()):
                value = judged.values[place] if judged.flag(place) not in (Flag.FAIL, Flag.MISSING) else None
                for closed in watch.see(time_ms, value):
                    reason = Reason.NONE if closed.mm is not None else Reason.INCOMPLETE
                    found.setdefault(closed.end_ms, []).append((watch.rule.number, closed.mm, reason))
        return sorted(found.items())

    def commanded(self, counters: Iterable[tuple[int, bool]], time_ms: int, *, sure: bool) -> None:
        """A command was sent to an instrument.

        Args:
            counters: series numbers of its counters, and whether the command clears them.
            time_ms: when; a time as those of its readings.
            sure: whether it was obeyed, as far as the instrument says.
        """
        for number, clears in counters:
            for watch in self._watches.get(number, ()):
                watch.commanded(time_ms, clears=clears, sure=sure)

    def states(self) -> dict[int, CounterState]:
        """What to remember, by series number of the rain; nothing while there is no time of the day."""
        if not self._timed:
            return {}
        watches = [watch for watches in self._watches.values() for watch in watches]
        return {watch.rule.number: watch.state for watch in watches if watch.state is not None}
