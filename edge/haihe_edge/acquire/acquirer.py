"""The shell of acquisition: one task a bus, each asking its instruments when they are due."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from haihe_contract.clock import Clock
from haihe_contract.errors import FieldError, must
from haihe_contract.quality import Grade

from haihe_edge import limits
from haihe_edge.site import AsciiBus, GnssBus, GpioBus, Instrument, Sdi12Bus, SerialBus, Site, TcpBus

from .digital.chip import DigitalChip, Wanted
from .digital.gauge import Count
from .digital.gpio import GpioChip
from .digital.runner import DigitalRunner, wanted_lines
from .gnss.receiver import GnssInstrument
from .group import BusState, Group, Happened, Happening, Sample
from .line import Line, SerialLine, TcpLine, adapter_turns, kernel_turns
from .memory.filling import Memories, Memory
from .memory.missed import Missed
from .modbus.bus import ModbusBus
from .modbus.unit import Unit
from .power import Supplies
from .runner import AskingRunner, HearingRunner
from .spoken.runners import spoken_runner
from .write.attempt import Attempt, Changed, found, wanted
from .write.change import carry_out, change
from .write.order import Sent, obeyed, order
from .write.setting import Rates

_T = TypeVar("_T")


def open_bus(bus: SerialBus | TcpBus, clock: Clock) -> ModbusBus:
    """A conversation on that bus, not opened yet. Also for commands that ask without a running agent."""
    if isinstance(bus, SerialBus):
        turn = kernel_turns if bus.direction == "kernel" else adapter_turns
        line: Line = SerialLine(bus.port, bus.baud, bus.parity, bus.stop_bits, turn=turn)
        return ModbusBus(line, clock, baud=bus.baud, framing="rtu", parity=bus.parity, stop_bits=bus.stop_bits)
    baud = limits.RTU_OVER_TCP_BAUD if bus.framing == "rtu" else None
    return ModbusBus(TcpLine(bus.host, bus.port), clock, baud=baud, framing=bus.framing)


def open_chip(bus: GpioBus, wanted: Sequence[Wanted], _clock: Clock) -> DigitalChip:
    """A chip of this machine, not opened yet."""
    return GpioChip(bus.chip, wanted)


def _nothing(*_: object) -> None:
    """Nobody wants to know."""


class Acquirer:
    """Asks every instrument of a site, for ever.

    Args:
        site: the station.
        clock: what the wall says, and how long it has been.
        grade: how good the clock is now. With :attr:`Grade.NONE` groups are stamped in milliseconds of this
            boot.
        sink: takes each group as soon as the last answer of its poll has come. Called on the event loop; must
            return soon.
        on_gnss_time: told ``(utc_ms, monotonic_ms)`` for each trusted sentence of a receiver, about once a
            second.
        on_happening: told what is no reading: an outage begins or ends, antenna, the station has moved.
        chips: makes the chip of a gpio bus.
        keeps: whether the totals of rain gauges are kept beside the journal; not by a command that only looks.
        missed: what the station lacks of the series that instruments remember; None to read no memories.
        recalled: takes each group that an instrument's memory brought, stamped with the instrument's own time.
    """

    def __init__(
        self,
        site: Site,
        clock: Clock,
        grade: Callable[[], Grade],
        sink: Callable[[Group], None],
        on_gnss_time: Callable[[int, int], None] = _nothing,
        on_happening: Callable[[Happening], None] = _nothing,
        *,
        chips: Callable[[GpioBus, Sequence[Wanted], Clock], DigitalChip] = open_chip,
        keeps: bool = True,
        missed: Missed | None = None,
        recalled: Callable[[Group], None] = _nothing,
    ) -> None:
        self._site = site
        self._clock = clock
        self._grade = grade
        self._sink = sink
        self._on_gnss_time = on_gnss_time
        self._on_happening = on_happening
        self._missed = missed
        self._on_recalled = recalled
        self._runners: dict[str, AskingRunner | HearingRunner | DigitalRunner] = {}
        self._supplies = Supplies(clock)
        self._units: dict[str, Unit] = {}
        self._rates = Rates(site.journal.directory / "written.json")
        self._running = self._flood = False
        for bus in site.buses.values():
            if isinstance(bus, GpioBus):
                self._runners[bus.name] = self._digital(bus, chips, keeps=keeps)
            elif isinstance(bus, AsciiBus | Sdi12Bus):
                told = self._teller(bus.name)
                self._runners[bus.name] = spoken_runner(bus, site, clock, self._emit, told)
            else:
                self._runners[bus.name] = self._gnss(bus) if isinstance(bus, GnssBus) else self._modbus(bus)
        self._connect_supplies()

    def _connect_supplies(self) -> None:
        boards = {name: each for name, each in self._runners.items() if isinstance(each, DigitalRunner)}
        self._supplies.connect(self._site, boards)
        for each in self._site.instruments:
            runner = self._runners.get(each.bus)
            if not self._supplies.feeds(each.name):
                continue
            if isinstance(runner, AskingRunner):
                runner.supplies = self._supplies
            else:  # who speaks unasked is always fed
                self._supplies.hold(each.name)

    def _modbus(self, bus: SerialBus | TcpBus) -> AskingRunner:
        instruments = [each for each in self._site.instruments if each.bus == bus.name]
        conversation = open_bus(bus, self._clock)
        happened = self._teller(bus.name)
        units = [Unit(each, self._site, conversation, self._clock) for each in instruments]
        self._units.update((unit.name, unit) for unit in units)
        runner = AskingRunner(bus, conversation.line, units, self._clock, self._emit, happened)
        if self._missed is not None:
            memories = [
                Memory(unit, each.recalls, self._missed, self._clock, self._time, self._recaller(each.name))
                for unit, each in zip(units, instruments, strict=True)
                if each.recalls
            ]
            runner.memories = Memories(memories, self._clock)
        return runner

    def _gnss(self, bus: GnssBus) -> HearingRunner:
        series = tuple(each for each in self._site.series if each.instrument == bus.name)
        line = SerialLine(bus.port, bus.baud)
        happened = self._teller(bus.name)
        receiver = GnssInstrument(bus, self._site.station, series, line, self._clock, self._on_gnss_time, happened)
        return HearingRunner(receiver, series[0].period_ms, self._clock, self._emit, happened)

    def _digital(
        self, bus: GpioBus, chips: Callable[[GpioBus, Sequence[Wanted], Clock], DigitalChip], *, keeps: bool
    ) -> DigitalRunner:
        wiring = self._site.wirings[bus.name]
        chip = chips(bus, wanted_lines(wiring), self._clock)
        directory = self._site.journal.directory if keeps else None
        told = self._teller(bus.name)
        return DigitalRunner(wiring, chip, directory, self._clock, self._stamp, self._sink, told)

    def _teller(self, bus: str) -> Happened:
        def happened(kind: str, detail: dict[str, object]) -> None:
            time_ms, grade, _ = self._stamp()
            self._on_happening(Happening(time_ms, grade, kind, bus, detail))

        return happened

    def _time(self) -> tuple[int, Grade]:
        return self._stamp()[:2]

    def _recaller(self, instrument: str) -> Callable[[int, list[Sample]], None]:
        def recalled(time_ms: int, samples: list[Sample]) -> None:
            # Nobody has checked the instrument's clock.
            self._on_recalled(Group(time_ms, Grade.SYSTEM, self._clock.monotonic_ms(), instrument, samples))

        return recalled

    def _stamp(self) -> tuple[int, Grade, int]:
        grade = self._grade()
        monotonic = self._clock.monotonic_ms()
        return (monotonic if grade is Grade.NONE else self._clock.now_ms()), grade, monotonic

    def _emit(self, instrument: str, samples: list[Sample], ago_ms: int = 0) -> Group:
        time_ms, grade, monotonic = self._stamp()
        group = Group(time_ms - ago_ms, grade, monotonic - ago_ms, instrument, samples)
        self._sink(group)
        if self._missed is not None and grade is not Grade.NONE:
            for number, value, _ in samples:
                if value is not None:
                    self._missed.see(number, group.time_ms)
        return group

    @property
    def flood(self) -> bool:
        """Whether a level of the station is reached: what is dead is then probed more often."""
        return self._flood

    @flood.setter
    def flood(self, flood: bool) -> None:
        if flood == self._flood:
            return
        self._flood = flood
        for runner in self._runners.values():
            if isinstance(runner, AskingRunner):
                runner.flood = flood

    def levels_reached(self, names: set[str]) -> None:
        """Which levels (warning, guarantee) are reached at the station now: its lamps and sirens follow."""
        for runner in self._runners.values():
            if isinstance(runner, DigitalRunner):
                runner.levels_reached(names)

    async def run(self) -> None:
        """Ask until cancelled; then every port is closed again."""
        must(not self._running, "an acquirer runs once")
        self._running = True
        try:
            async with asyncio.TaskGroup() as buses:
                for name, runner in self._runners.items():
                    buses.create_task(runner.run(), name=f"bus {name}")
        finally:
            self._running = False

    def state(self) -> list[BusState]:
        """How every bus and instrument is doing now."""
        return [runner.shown() for runner in self._runners.values()]

    def tips(self) -> dict[str, Count]:
        """What each tipping bucket of this machine's own lines stands at, by name, once that is kept."""
        boards = [runner for runner in self._runners.values() if isinstance(runner, DigitalRunner)]
        return {name: count for board in boards for name, count in board.counted.items()}

    async def read_now(self, name: str) -> Group:
        """Ask an instrument at once, whatever its period and however often it failed.

        The group also goes to the sink, as any other: it was measured.

        Args:
            name: of an instrument, or of a gnss bus.

        Raises:
            FieldError: when the site has no such instrument, or the acquirer is not running.
        """
        instrument: Instrument | None = self._site.instrument(name)
        line_bus = self._site.bus_of_line(name)
        runner = self._runners.get(instrument.bus if instrument else line_bus or name)
        if runner is None or (instrument is None and line_bus is None and not isinstance(runner, HearingRunner)):
            names = list(dict.fromkeys(each.instrument for each in self._site.series))
            raise FieldError(
                f"no instrument {name!r}", where=str(self._site.file), do=f"name one of {', '.join(names)}"
            )
        if not self._running:
            raise FieldError("the agent is not measuring", do="start it with haihe-edge run")
        await self._supplies.warm(name)
        try:
            return await runner.read_now(name)
        finally:
            self._supplies.release(name)

    async def write(self, name: str, values: Mapping[str, float], by: str = "") -> Changed:
        """Set a point, or points of one group in one request, if profile and site allow it.

        Every attempt is told as a happening, a refused one too.

        Args:
            name: of the instrument.
            values: by point of its profile, in the points' units.
            by: who wants it.

        Raises:
            FieldError: when it was refused, or not obeyed, with the reason.
        """
        attempt = self._attempt("write", name, {**wanted(values), "by": by})
        with attempt.asked():
            made = change(self._instrument(name), values, str(self._site.file))

            async def job() -> Changed:
                written = await self._units[name].obey(
                    made.where, lambda ask: carry_out(made, ask, self._rates, self._clock)
                )
                changed = Changed(written, made.effective)
                attempt.tell("point_written", found(changed))
                return changed

            return await self._have_done(name, attempt, job)

    async def command(self, name: str, command: str, by: str = "") -> Sent:
        """Send a named command of the profile, if the site allows it; every attempt is told as a happening.

        An instrument whose counters it clears is read right before and after, so that no rain goes uncounted.

        Args:
            name: of the instrument.
            command: of its profile.
            by: who wants it.

        Raises:
            FieldError: when it was refused, or not obeyed, with the steps that were sent and those that were not.
        """
        attempt = self._attempt("command", name, {"command": command, "by": by})
        with attempt.asked():
            instrument = self._instrument(name)
            made = order(instrument, command, str(self._site.file))
            attempt.adds(made.told)
            runner = self._asking_runner(name)
            counts = bool(made.command.clears and instrument.series)

            async def job() -> Sent:
                if counts:
                    await runner.measure(name)
                unit = self._units[name]
                sent = await unit.obey(made.where, lambda ask: obeyed(made, ask, self._clock), once=True)
                attempt.tell("command_sent", {"answers": list(sent.answers)})
                if counts:
                    await runner.measure(name)
                return sent

            return await self._have_done(name, attempt, job)

    def _attempt(self, kind: str, name: str, detail: Mapping[str, object]) -> Attempt:
        instrument = self._site.instrument(name)
        return Attempt(kind, {"instrument": name, **detail}, self._teller(instrument.bus if instrument else ""))

    def _instrument(self, name: str) -> Instrument:
        instrument = self._site.instrument(name)
        if instrument is None:
            known = ", ".join(each.name for each in self._site.instruments)
            raise FieldError(f"no instrument {name!r}", where=str(self._site.file), do=f"name one of {known}")
        return instrument

    def _asking_runner(self, name: str) -> AskingRunner:
        runner = self._runners[self._instrument(name).bus]
        must(isinstance(runner, AskingRunner), "only what speaks Modbus can be written or commanded")
        assert isinstance(runner, AskingRunner)  # noqa: S101 - for the type checker
        return runner

    async def _have_done(self, name: str, attempt: Attempt, job: Callable[[], Awaitable[_T]]) -> _T:
        """Between two exchanges of the instrument's bus, with its supply switched on."""
        runner = self._asking_runner(name)
        if not self._running:
            raise FieldError("the agent is not measuring", do="start it with haihe-edge run")

        async def noted() -> _T:
            with attempt.under_way():
                return await job()

        await self._supplies.warm(name)
        try:
            return await runner.jobs.do(noted)
        finally:
            self._supplies.release(name)
