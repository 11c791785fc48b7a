"""One line of a gpio bus as an instrument: a rain gauge, a contact. They are told edges, and say samples."""

from typing import NamedTuple

import msgspec
from haihe_contract.quality import Reason

from haihe_edge.acquire.group import InstrumentState, Sample
from haihe_edge.acquire.schedule import first_due, next_due
from haihe_edge.site import Contact, Rain

from .chip import Edge, Wanted
from .pulses import Ended, Intervals, Steady, TipCounter

_DECIMALS = 3


class Count(msgspec.Struct, frozen=True):
    """What a rain gauge stood at, as it is kept over a restart.

    Args:
        tips: counted since the gauge began.
        tip_mm: rain of each.
        time_ms: when, by the station's clock.
        closed: whether the agent stopped in order then, so that it counted until that moment.
    """

    tips: int
    tip_mm: float
    time_ms: int
    closed: bool


class Said(NamedTuple):
    """Samples of one moment."""

    time_ms: int
    samples: list[Sample]


class Gauge:
    """A tipping bucket.

    Args:
        rain: of the site.
        before: what it stood at when the agent last ran, None if it begins.
    """

    def __init__(self, rain: Rain, before: Count | None) -> None:
        self.rain = rain
        line = rain.line
        self.name = line.name
        tips = round(before.tips * before.tip_mm / line.tip_mm) if before else 0
        self.counter = TipCounter(rain.debounce_ms if line.debounce_by == "agent" else 0, tips)
        self._every = Intervals(rain.every_ms, tips)
        self._periods = [(period, Intervals(period.period_ms, tips)) for period in rain.periods]
        self._all = [self._every, *(intervals for _, intervals in self._periods)]
        self._heard_ms = 0
        self.lost = 0
        self.state = InstrumentState(line.name, -1)

    def wanted(self) -> Wanted:
        """How the chip is to watch the line."""
        line = self.rain.line
        kernel_ms = self.rain.debounce_ms if line.debounce_by == "kernel" else 0
        return Wanted(line.name, line.line, line.edge, line.pull, kernel_ms)

    def edge(self, edge: Edge) -> int:
        """An edge; how many before it were lost."""
        if edge.lost:
            self.lost += edge.lost
            for intervals in self._all:
                intervals.blind(self._heard_ms, edge.at_ms)
        self._heard_ms = edge.at_ms
        if self.counter.edge(edge.at_ms):
            for intervals in self._all:
                intervals.tip(edge.at_ms)
        return edge.lost

    def blind(self, now_ms: int) -> None:
        """The line is gone: nobody has counted since it was last looked at."""
        for intervals in self._all:
            intervals.blind(min(self._heard_ms, now_ms) if self._heard_ms else now_ms)

    def sees(self, now_ms: int) -> None:
        """The line is there."""
        self._heard_ms = now_ms
        for intervals in self._all:
            intervals.sees(now_ms)

    def missing(self) -> list[Sample]:
        """The counter stood still for a while: who takes differences must not take one across this moment."""
        return [(self.rain.accumulated, None, Reason.INCOMPLETE)]

    def now(self, now_ms: int) -> list[Sample]:
        """What it says when it is asked."""
        if self._every.is_blind:
            return self._values(Reason.BUS_DOWN, self.counter.total, now_ms)
        return self._values(Reason.NONE, self.counter.total, now_ms)

    def _values(self, why: Reason, total: int, now_ms: int) -> list[Sample]:
        rain, tip_mm = self.rain, self.rain.line.tip_mm
        samples: list[Sample] = [(rain.accumulated, None if why else self._mm(total), why)]
        if rain.intensity is not None:
            samples.append((rain.intensity, None if why else self.counter.intensity(tip_mm, now_ms), why))
        return samples

    def _mm(self, tips: int) -> float:
        return round(tips * self.rain.line.tip_mm, _DECIMALS)

    def advance(self, wall_ms: int, now_ms: int) -> list[Said]:
        """What has become due, one entry a moment, in their order."""
        down = self._every.is_blind
        said: dict[int, list[Sample]] = {}
        for ended in self._every.advance(wall_ms, now_ms):
            said[ended.end_ms] = self._values(Reason.BUS_DOWN if down else Reason.NONE, ended.total, now_ms)
            self.state.polls += 1
            self.state.answers += not down
        for period, intervals in self._periods:
            for ended in intervals.advance(wall_ms, now_ms):
                said.setdefault(ended.end_ms, []).append(self._period(period.number, ended, down=down))
        if not down:
            self._heard_ms = now_ms
        return [Said(end_ms, said[end_ms]) for end_ms in sorted(said)]

    def _period(self, number: int, ended: Ended, *, down: bool) -> Sample:
        if ended.tips is None:
            return number, None, Reason.INCOMPLETE | (Reason.BUS_DOWN if down else Reason.NONE)
        return number, self._mm(ended.tips), Reason.NONE

    @property
    def due_ms(self) -> int:
        """When something becomes due."""
        return min(intervals.due_ms for intervals in self._all)

    def count(self, time_ms: int, *, closed: bool) -> Count:
        """What it stands at."""
        return Count(self.counter.total, self.rain.line.tip_mm, time_ms, closed)

    def shown(self, now_ms: int) -> dict[str, object]:
        """For the status."""
        last = self.counter.last_ms
        self.state.answered_ago_ms = None if last is None else now_ms - last
        return {
            "total_mm": self._mm(self.counter.total),
            "tips": self.counter.total,
            "bounces": self.counter.bounces,
            "edges_lost": self.lost,
            "last_tip_ago_ms": self.state.answered_ago_ms,
        }


class Door:
    """A contact.

    Args:
        contact: of the site.
    """

    def __init__(self, contact: Contact) -> None:
        self.contact = contact
        self.name = contact.line.name
        self._steady = Steady(contact.debounce_ms)
        self._due_ms: int | None = None
        self.state = InstrumentState(self.name, -1)

    def wanted(self) -> Wanted:
        """How the chip is to watch the line."""
        line = self.contact.line
        return Wanted(line.name, line.line, "both", line.pull)

    def level(self, high: bool, at_ms: int) -> bool:  # noqa: FBT001 - the level is the argument
        """The line is so; whether that is the first word about it."""
        line = self.contact.line
        closed = high is (line.closed == "high")
        first = self._steady.state is None
        self._steady.see(closed is (line.normally == "open"), at_ms)
        return first

    def blind(self) -> None:
        """The line is gone."""
        self._steady.forget()

    def now(self) -> list[Sample]:
        """What it says now."""
        state = self._steady.state
        if state is None:
            return [(self.contact.number, None, Reason.BUS_DOWN)]
        return [(self.contact.number, float(state), Reason.NONE)]

    def advance(self, wall_ms: int, now_ms: int) -> list[Said]:
        """A change that has lasted, stamped with its first edge; else the state when it is due."""
        period = self.contact.every_ms
        if self._due_ms is None:
            self._due_ms = first_due(now_ms, wall_ms, period)
        said = []
        changed_ms = self._steady.settled(now_ms)
        if changed_ms is not None:
            said.append(Said(wall_ms - (now_ms - changed_ms), self.now()))
        if now_ms >= self._due_ms:
            self._due_ms = max(now_ms + 1, next_due(self._due_ms, now_ms, wall_ms, period))
            self.state.polls += 1
            self.state.answers += self._steady.state is not None
            said.append(Said(wall_ms, self.now()))
        return said

    def is_due(self, now_ms: int) -> bool:
        """Whether the state will be written down at this moment."""
        return self._due_ms is not None and now_ms >= self._due_ms

    @property
    def due_ms(self) -> int:
        """When something becomes due."""
        moments = [each for each in (self._due_ms, self._steady.due_ms) if each is not None]
        return min(moments, default=0)

    def shown(self) -> dict[str, object]:
        """For the status."""
        return {"away_from_rest": self._steady.state, "bounces": self._steady.bounces}
