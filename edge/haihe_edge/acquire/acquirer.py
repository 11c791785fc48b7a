"""The shell of acquisition: one task a bus, each asking its instruments when they are due."""

import asyncio
from collections.abc import Callable

from haihe_contract.clock import Clock
from haihe_contract.errors import FieldError, must
from haihe_contract.quality import Grade

from haihe_edge.site import GnssBus, Instrument, SerialBus, Site, TcpBus

from .bus import ModbusBus
from .gnss import GnssInstrument
from .group import BusState, Group, Happened, Happening, Sample
from .line import Line, SerialLine, TcpLine
from .runner import GnssRunner, ModbusRunner
from .unit import Unit

_RTU_OVER_TCP_BAUD = 9600
"""How fast the serial side of a serial server runs is not known here; its usual setting is assumed."""


def open_bus(bus: SerialBus | TcpBus, clock: Clock) -> ModbusBus:
    """A conversation on that bus, not opened yet. Also for commands that ask without a running agent."""
    if isinstance(bus, SerialBus):
        line: Line = SerialLine(bus.port, bus.baud, bus.parity, bus.stop_bits)
        return ModbusBus(line, clock, baud=bus.baud, framing="rtu")
    baud = _RTU_OVER_TCP_BAUD if bus.framing == "rtu" else None
    return ModbusBus(TcpLine(bus.host, bus.port), clock, baud=baud, framing=bus.framing)


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
    """

    def __init__(
        self,
        site: Site,
        clock: Clock,
        grade: Callable[[], Grade],
        sink: Callable[[Group], None],
        on_gnss_time: Callable[[int, int], None] = _nothing,
        on_happening: Callable[[Happening], None] = _nothing,
    ) -> None:
        self._site = site
        self._clock = clock
        self._grade = grade
        self._sink = sink
        self._on_gnss_time = on_gnss_time
        self._on_happening = on_happening
        self._runners: dict[str, ModbusRunner | GnssRunner] = {}
        self._running = False
        for bus in site.buses.values():
            self._runners[bus.name] = self._gnss(bus) if isinstance(bus, GnssBus) else self._modbus(bus)

    def _modbus(self, bus: SerialBus | TcpBus) -> ModbusRunner:
        instruments = [each for each in self._site.instruments if each.bus == bus.name]
        conversation = open_bus(bus, self._clock)
        happened = self._teller(bus.name)
        units = [Unit(each, self._site, conversation, self._clock, happened) for each in instruments]
        return ModbusRunner(bus, conversation, units, self._clock, self._emit, happened)

    def _gnss(self, bus: GnssBus) -> GnssRunner:
        series = tuple(each for each in self._site.series if each.instrument == bus.name)
        line = SerialLine(bus.port, bus.baud)
        happened = self._teller(bus.name)
        receiver = GnssInstrument(bus, self._site.station, series, line, self._clock, self._on_gnss_time, happened)
        return GnssRunner(receiver, series[0].period_ms, self._clock, self._emit, happened)

    def _teller(self, bus: str) -> Happened:
        def happened(kind: str, detail: dict[str, object]) -> None:
            time_ms, grade, _ = self._stamp()
            self._on_happening(Happening(time_ms, grade, kind, bus, detail))

        return happened

    def _stamp(self) -> tuple[int, Grade, int]:
        grade = self._grade()
        monotonic = self._clock.monotonic_ms()
        return (monotonic if grade is Grade.NONE else self._clock.now_ms()), grade, monotonic

    def _emit(self, instrument: str, samples: list[Sample], ago_ms: int = 0) -> Group:
        time_ms, grade, monotonic = self._stamp()
        group = Group(time_ms - ago_ms, grade, monotonic - ago_ms, instrument, samples)
        self._sink(group)
        return group

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

    async def read_now(self, name: str) -> Group:
        """Ask an instrument at once, whatever its period and however often it failed.

        The group also goes to the sink, as any other: it was measured.

        Args:
            name: of an instrument, or of a gnss bus.

        Raises:
            FieldError: when the site has no such instrument, or the acquirer is not running.
        """
        instrument: Instrument | None = self._site.instrument(name)
        runner = self._runners.get(instrument.bus if instrument else name)
        if runner is None or (instrument is None and not isinstance(runner, GnssRunner)):
            names = [each.name for each in self._site.instruments]
            names += [bus.name for bus in self._site.buses.values() if isinstance(bus, GnssBus)]
            raise FieldError(
                f"no instrument {name!r}", where=str(self._site.file), do=f"name one of {', '.join(names)}"
            )
        if not self._running:
            raise FieldError("the agent is not measuring", do="start it with haihe-edge run")
        return await runner.read_now(name)
