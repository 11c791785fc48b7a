"""The loop of one bus: who is due, is the port open, ask, hand on."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from haihe_contract.clock import Clock
from haihe_contract.quality import Reason

from haihe_edge import limits
from haihe_edge.site import AsciiBus, Sdi12Bus, SerialBus, TcpBus

from .askable import Askable, Listened
from .group import BusState, Group, Happened, Said, Sample
from .jobs import Asked, Jobs
from .line import BusDown, Line
from .memory.filling import Memories
from .outage import Outages, Told
from .power import Supplies
from .schedule import Agenda, Allowance, deadline, first_due, growing, next_due

_LISTEN_MS = 250
"""How often somebody who waits for a receiver's first words looks again."""
_NOBODY: Said = ("no instrument of this bus answers", {})


class Emit(Protocol):
    """Stamps the samples of an instrument with now, or with a moment some milliseconds ago, and hands them on."""

    def __call__(self, instrument: str, samples: list[Sample], ago_ms: int = 0) -> Group:
        """Hand on."""
        ...


class _Opener:
    """Opens a line, and again after it broke, with growing pauses."""

    def __init__(self, line: Line, clock: Clock, happened: Happened) -> None:
        self.line = line
        self._happened = happened
        self._clock = clock
        self._failures = 0
        self._again_ms = 0
        self.error: Said | None = None

    async def ready(self, *, at_once: bool = False) -> bool:
        """Whether the line is open, after trying to open it when it is time to."""
        if self.line.is_open:
            return True
        if not at_once and self._clock.monotonic_ms() < self._again_ms:
            return False
        try:
            await self.line.open()
        except BusDown as error:
            self.broke(error)
            return False
        return True

    def worked(self) -> None:
        """Note that it was of use: opening alone proves nothing, a server may hang up at once."""
        if self.error is not None:
            self._happened("bus_up", {})
            self._failures, self.error = 0, None

    def broke(self, error: BusDown) -> None:
        """Note that it broke or would not open."""
        self.line.close()
        if self.error is None:
            self._happened("bus_down", {"why": str(error)})
        self.error = (error.sentence, error.facts)
        pause = growing(limits.REOPEN_PAUSE_MS_MIN, self._failures, limits.REOPEN_PAUSE_MS_MAX)
        self._again_ms = self._clock.monotonic_ms() + pause
        self._failures += 1

    @property
    def pause_ms(self) -> int:
        """How long until it is time to try again."""
        return max(0, self._again_ms - self._clock.monotonic_ms())


class AskingRunner:
    """One bus whose instruments are asked, whatever they speak.

    Args:
        bus: of the site.
        line: where they are asked.
        units: who is on it.
        clock: when.
        emit: stamps the samples of an instrument and hands them on.
        happened: told when the bus or an instrument fails and when it is back.
    """

    def __init__(
        self,
        bus: SerialBus | TcpBus | AsciiBus | Sdi12Bus,
        line: Line,
        units: Sequence[Askable],
        clock: Clock,
        emit: Emit,
        happened: Happened,
    ) -> None:
        self._bus = bus
        self._units = {unit.name: unit for unit in units}
        self._clock = clock
        self._emit = emit
        self._happened = happened
        self._opener = _Opener(line, clock, happened)
        self._asked = Asked()
        self.jobs = Jobs(self._asked.wake)
        self._agenda = Agenda()
        self._allowance = Allowance(clock.monotonic_ms())
        self._outages = Outages(self._units)
        self._flood = False
        self.supplies: Supplies | None = None
        self.memories = Memories((), clock)

    @property
    def flood(self) -> bool:
        """Whether a level of the station is reached: dead units are then probed more often."""
        return self._flood

    @flood.setter
    def flood(self, flood: bool) -> None:
        if flood != self._flood:
            self._flood = flood
            self._arrange_failing()
            self._asked.wake()

    async def run(self) -> None:
        """Ask until cancelled."""
        clock = self._clock
        now, wall = clock.monotonic_ms(), clock.now_ms()
        for unit in self._units.values():
            unit.due_ms = first_due(now, wall, unit.period_ms)
            self._arrange(unit)
            if unit.due_ms - now > limits.FIRST_READING_MS_MAX:
                # Nobody should have to wait a day for the first sign of life of a daily reading. What has a switched
                # supply waits until the board that switches it is open.
                fed = self.supplies is not None and self.supplies.feeds(unit.name)
                first = now + limits.FIRST_READING_MS_MAX // 2 * fed
                by = deadline(first, unit.period_ms, alarms=unit.has_alarms, fails=False)
                self._agenda.put(unit.name, first, by)
        try:
            while True:
                await self._read_what_is_asked()
                self._tell(self._outages.overdue(clock.monotonic_ms()))
                name = self._agenda.take(clock.monotonic_ms())
                if name is not None:
                    if not self._waits_for_supply(self._units[name]):
                        await self._serve(self._units[name])
                        self._arrange(self._units[name])
                    continue
                due = self._agenda.next_ms()
                look = await self._remember(due)
                turns = [turn for turn in (due, look) if turn is not None]
                await self._asked.wait(max(0, min(turns) - clock.monotonic_ms()) if turns else 3_600_000)
        finally:
            self._asked.stop()
            self.jobs.stop()
            self._opener.line.close()

    async def _read_what_is_asked(self) -> None:
        await self.jobs.work(lambda: self._opener.ready(at_once=True))
        while (name := self._asked.take()) is not None:
            self._asked.answer(name, await self.measure(name))

    async def measure(self, name: str) -> Group:
        """Ask an instrument at once; for whoever has the bus: the loop, or a job of :attr:`jobs`."""
        unit = self._units[name]
        group = self._emit(name, await self._ask(unit, at_once=True))
        self._arrange(unit)
        return group

    async def _remember(self, due: int | None) -> int | None:
        """One exchange about an instrument's memory, if it is over before the next turn; when to look again."""
        try:
            return await self.memories.step(due, self.supplies) if self._opener.line.is_open else None
        except BusDown as error:
            self._opener.broke(error)
            return None

    def _arrange_failing(self) -> None:
        for unit in self._units.values():
            if unit.breaker.failures:
                self._arrange(unit)

    def _arrange(self, unit: Askable) -> None:
        """Note when it is next this unit's turn: at its due time, or before that for a probe."""
        turn = unit.due_ms
        fails = unit.breaker.failures > 0
        if fails:
            turn = min(turn, self._probe_at(unit))
        by = deadline(turn, unit.period_ms, alarms=unit.has_alarms, fails=fails)
        if self.supplies is not None:
            self.supplies.release(unit.name, unit.due_ms)
            if not unit.breaker.is_open:
                turn -= self.supplies.lead_ms(unit.name)
        self._agenda.put(unit.name, turn, by)

    def _waits_for_supply(self, unit: Askable) -> bool:
        """Switch its supply on if it has one; whether its turn is put off until it has warmed up and is due."""
        if self.supplies is None or not self.supplies.feeds(unit.name):
            return False
        now = self._clock.monotonic_ms()
        if unit.breaker.is_open and now < self._probe_at(unit):
            return False  # it will not be asked
        ready = now + self.supplies.wait_ms(unit.name)
        if unit.breaker.failures == 0 and unit.due_ms - now <= self.supplies.lead_ms(unit.name):
            ready = max(ready, unit.due_ms)
        if ready > now:
            by = deadline(ready, unit.period_ms, alarms=unit.has_alarms, fails=unit.breaker.failures > 0)
            self._agenda.put(unit.name, ready, by)
        return ready > now

    @property
    def _pause_most_ms(self) -> int:
        often = self._flood or self._outages.all_silent
        return limits.PROBE_PAUSE_FLOOD_MS_MAX if often else limits.PROBE_PAUSE_MS_MAX

    def _probe_at(self, unit: Askable) -> int:
        """When a failing unit may be asked beside its due times. A bus that is dead anyway has time for all."""
        at = unit.breaker.probe_ms(self._pause_most_ms)
        if unit.breaker.is_open and not self._outages.all_silent:
            at = max(at, self._allowance.allows_ms(self._clock.monotonic_ms()))
        return at

    async def _serve(self, unit: Askable) -> None:
        """Ask a unit whose turn it is. Between due times only what a probe brings is written down."""
        now = self._clock.monotonic_ms()
        is_due = unit.due_ms <= now
        if unit.breaker.is_open and now < self._probe_at(unit):
            samples = unit.none(Reason.SKIPPED)
            unit.state.skipped += is_due
        else:
            samples = await self._ask(unit)
        if is_due or unit.breaker.failures == 0:
            self._emit(unit.name, samples)
        if is_due:
            clock = self._clock
            following = next_due(unit.due_ms, clock.monotonic_ms(), clock.now_ms(), unit.period_ms)
            unit.due_ms = self._overrun(unit, following)

    async def _ask(self, unit: Askable, *, at_once: bool = False) -> list[Sample]:
        if not await self._opener.ready(at_once=at_once):
            return unit.none(Reason.BUS_DOWN)
        began = self._clock.monotonic_ms()
        probe = unit.breaker.is_open and not at_once and not self._outages.all_silent
        try:
            samples = await unit.poll((self._pause_most_ms, self._outages.silent) if probe else None)
        except BusDown as error:
            self._opener.broke(error)
            return unit.none(Reason.BUS_DOWN)
        self._opener.worked()
        self._tell(unit.told())
        now = self._clock.monotonic_ms()
        if unit.failure is not None:
            if probe:
                self._allowance.spent(now, now - began)
            silent = unit.breaker.is_open
            self._tell(self._outages.failed(unit.name, str(unit.failure), now, silent=silent))
        elif told := self._outages.answered(unit.name, now):
            self._tell(told)
            if ("bus_heard", {}) in told:
                self._revive()
        return samples

    def _revive(self) -> None:
        """What the instruments shared works again: ask all of them now."""
        now = self._clock.monotonic_ms()
        for unit in self._units.values():
            unit.breaker.retry(now)
        self._arrange_failing()

    def _tell(self, told: list[Told]) -> None:
        for kind, detail in told:
            self._happened(kind, detail)

    def _overrun(self, unit: Askable, due: int) -> int:
        """Let due times pass that the busy bus has missed: they are written down, not made up for."""
        late = self._clock.monotonic_ms() - due
        if late < unit.period_ms:
            return due
        missed = late // unit.period_ms
        unit.state.overruns += missed
        reason = Reason.SKIPPED if self._opener.line.is_open else Reason.BUS_DOWN
        for index in range(min(missed, limits.OVERRUN_ROWS_MAX)):
            self._emit(unit.name, unit.none(reason), late - index * unit.period_ms)
        return due + missed * unit.period_ms

    async def read_now(self, name: str) -> Group:
        """Ask that instrument before all others."""
        return await self._asked.ask(name)

    def shown(self) -> BusState:
        """How the bus and its instruments are doing."""
        line = self._opener.line
        kind = str(self._bus.__struct_config__.tag)
        units = [unit.shown(self._pause_most_ms) for unit in self._units.values()]
        error = self._opener.error or (_NOBODY if self._outages.bus_silent else None)
        return BusState(self._bus.name, kind, line.name, line.is_open, error, units)


class HearingRunner:
    """One receiver: hears it all the time, writes down what it said once a period.

    Args:
        receiver: who is heard.
        period_ms: how often.
        clock: when.
        emit: as for :class:`AskingRunner`.
        happened: as for :class:`AskingRunner`.
    """

    def __init__(self, receiver: Listened, period_ms: int, clock: Clock, emit: Emit, happened: Happened) -> None:
        self._receiver = receiver
        self._period_ms = period_ms
        self._clock = clock
        self._emit = emit
        self._opener = _Opener(receiver.line, clock, happened)
        self._asked = Asked()

    async def run(self) -> None:
        """Hear until cancelled."""
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._hear())
                both.create_task(self._write())
        finally:
            self._asked.stop()
            self._opener.line.close()

    async def _hear(self) -> None:
        while True:
            if not await self._opener.ready():
                self._receiver.error = self._opener.error
                await self._clock.sleep(self._opener.pause_ms / 1000)
                continue
            try:
                await self._receiver.line.more()
            except BusDown as error:
                self._opener.broke(error)
                continue
            self._opener.worked()
            self._receiver.error = None
            self._receiver.hear()

    async def _write(self) -> None:
        clock = self._clock
        due = first_due(clock.monotonic_ms(), clock.now_ms(), self._period_ms)
        while True:
            wait = due - clock.monotonic_ms()
            if self._asked.take() is None and wait > 0:
                await self._asked.wait(wait)
                continue
            name = self._asked.take() or self._receiver.name
            group = self._emit(name, self._receiver.samples())
            self._asked.answer(name, group)
            if wait <= 0:
                due = next_due(due, clock.monotonic_ms(), clock.now_ms(), self._period_ms)
                due = max(due, clock.monotonic_ms())

    async def read_now(self, name: str) -> Group:
        """Write down at once; a receiver that has only just been opened gets a moment to speak."""
        for _ in range(limits.NMEA_SILENCE_MS // _LISTEN_MS):
            if self._receiver.has_spoken():
                break
            await self._clock.sleep(_LISTEN_MS / 1000)
        return await self._asked.ask(name)

    def shown(self) -> BusState:
        """How the receiver is doing."""
        return self._receiver.shown()
