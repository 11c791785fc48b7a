"""The loop of one bus: who is due, is the port open, ask, hand on."""

import asyncio
import contextlib
import heapq
from typing import Protocol

from haihe_contract.clock import Clock
from haihe_contract.errors import FieldError
from haihe_contract.quality import Reason

from haihe_edge import limits
from haihe_edge.site import SerialBus, TcpBus

from .bus import ModbusBus
from .gnss import GnssInstrument
from .group import BusState, Group, Happened, Said, Sample
from .line import BusDown, Line
from .schedule import first_due, growing, next_due
from .unit import Unit

_LISTEN_MS = 250
"""How often somebody who waits for a receiver's first words looks again."""


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


class _Asked:
    """Instruments that somebody wants to be read now, and who waits for the result."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Group]] = {}
        self._event = asyncio.Event()

    async def ask(self, name: str) -> Group:
        future = self._waiting.get(name)
        if future is None:
            future = self._waiting[name] = asyncio.get_running_loop().create_future()
        self._event.set()
        return await asyncio.shield(future)

    def take(self) -> str | None:
        return next(iter(self._waiting), None)

    def answer(self, name: str, group: Group) -> None:
        future = self._waiting.pop(name, None)
        if future is not None and not future.done():
            future.set_result(group)

    def stop(self) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(FieldError("the agent stopped before the instrument was read"))
        self._waiting.clear()

    async def wait(self, milliseconds: int) -> None:
        """Return when somebody asks, or after so long."""
        if not self._waiting:
            self._event.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(milliseconds / 1000):
                    await self._event.wait()


class ModbusRunner:
    """One bus with its instruments.

    Args:
        bus: of the site.
        conversation: where they are asked.
        units: who is on it.
        clock: when.
        emit: stamps the samples of an instrument and hands them on.
        happened: told when the bus fails and when it is back.
    """

    def __init__(
        self,
        bus: SerialBus | TcpBus,
        conversation: ModbusBus,
        units: list[Unit],
        clock: Clock,
        emit: Emit,
        happened: Happened,
    ) -> None:
        self._bus = bus
        self._units = {unit.name: unit for unit in units}
        self._clock = clock
        self._emit = emit
        self._opener = _Opener(conversation.line, clock, happened)
        self._asked = _Asked()

    async def run(self) -> None:
        """Ask until cancelled."""
        clock = self._clock
        now, wall = clock.monotonic_ms(), clock.now_ms()
        # Those that fail come after the others that are due at the same time.
        due = [(first_due(now, wall, unit.period_ms), False, name) for name, unit in self._units.items()]
        heapq.heapify(due)
        try:
            while True:
                await self._read_what_is_asked()
                wait = due[0][0] - clock.monotonic_ms() if due else 3_600_000
                if wait > 0:
                    await self._asked.wait(wait)
                    continue
                moment, _, name = heapq.heappop(due)
                unit = self._units[name]
                await self._serve(unit)
                moment = self._overrun(unit, next_due(moment, clock.monotonic_ms(), clock.now_ms(), unit.period_ms))
                heapq.heappush(due, (moment, unit.is_failing, name))
        finally:
            self._asked.stop()
            self._opener.line.close()

    async def _read_what_is_asked(self) -> None:
        while (name := self._asked.take()) is not None:
            unit = self._units[name]
            self._asked.answer(name, await self._ask(unit, at_once=True))

    async def _serve(self, unit: Unit) -> None:
        if unit.is_left_alone():
            unit.state.skipped += 1
            self._emit(unit.name, unit.none(Reason.SKIPPED))
        else:
            await self._ask(unit)

    async def _ask(self, unit: Unit, *, at_once: bool = False) -> Group:
        if not await self._opener.ready(at_once=at_once):
            return self._emit(unit.name, unit.none(Reason.BUS_DOWN))
        try:
            samples = await unit.poll()
            self._opener.worked()
        except BusDown as error:
            self._opener.broke(error)
            samples = unit.none(Reason.BUS_DOWN)
        return self._emit(unit.name, samples)

    def _overrun(self, unit: Unit, due: int) -> int:
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
        kind = "serial" if isinstance(self._bus, SerialBus) else "tcp"
        units = [unit.shown() for unit in self._units.values()]
        return BusState(self._bus.name, kind, line.name, line.is_open, self._opener.error, units)


class GnssRunner:
    """One receiver: hears it all the time, writes down what it said once a period.

    Args:
        receiver: who is heard.
        period_ms: how often.
        clock: when.
        emit: as for :class:`ModbusRunner`.
        happened: as for :class:`ModbusRunner`.
    """

    def __init__(self, receiver: GnssInstrument, period_ms: int, clock: Clock, emit: Emit, happened: Happened) -> None:
        self._receiver = receiver
        self._period_ms = period_ms
        self._clock = clock
        self._emit = emit
        self._opener = _Opener(receiver.line, clock, happened)
        self._asked = _Asked()

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
            name = self._asked.take() or self._receiver.bus.name
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
