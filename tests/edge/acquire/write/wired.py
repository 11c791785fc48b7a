"""A simulated controller with groups and commands, on a pseudo-terminal and behind a socket."""

import asyncio
import random
from pathlib import Path

import yaml
from haihe_simulators.answer_log import AnswerLog
from haihe_simulators.instrument import Answer, Instrument
from haihe_simulators.modbus_server import ModbusServer
from haihe_simulators.profile_sheet import Conduct, SheetPoint, sheet
from haihe_simulators.serial_line import SerialLine

from tests.edge.patient_loop import LoopClock
from tests.edge.site_text import STATION

PROFILE = """
profile: controller
maker: test
model: gate controller with rain gauge
grade: simulated
sources: [test]
transport: modbus
units: [0, 255]
serial: {baud: 19200, parity: none, stop_bits: 1}
answer_ms: {typical: 5, most: 800}
blocks:
  - {table: holding, start: 0, count: 40}
points:
  - {name: opening, at: 0, as: u16, element: gate_opening, times: 0.01}
  - {name: rain, at: 1, as: u16, element: accumulated_rain, times: 0.1, counter: {width: 16}}
  - {name: low, at: 10, as: u16, times: 0.01, writable: {function: 16, low: 0, high: 5, group: limits}}
  - {name: high, at: 11, as: f32, order: CDAB, writable: {function: 16, low: 0, high: 5, per_minute: 1, group: limits}}
  - {name: delay, at: 13, as: s16, writable: {function: 16, low: -100, high: 100, group: limits}}
  - {name: alone, at: 20, as: u16, writable: {function: 6, low: 0, high: 9, effective: restart}}
  - {name: other, at: 22, as: u16, writable: {function: 16, low: 0, high: 9, group: others}}
commands:
  - name: clear_rain
    steps: [{send: {function: 6, at: 30, values: [0x5A]}}]
    what: sets the rain to 0
    clears: [rain]
  - name: calibrate
    steps:
      - {send: {function: 6, at: 31, values: [1]}}
      - {wait_ms: 300}
      - {send: {function: 16, at: 32, values: [1, 2]}}
      - {send: {function: 6, at: 34, values: [9]}}
    what: finds both ends of the gate
    effective: restart
  - name: sleep
    steps: [{send: {function: 6, at: 35, values: [1], unanswered: true}}]
    what: sends it to sleep
    effective: after_reply
  - name: brush
    steps: [{send: {function: 16, at: 36}}, {send: {function: 3, at: 37}}]
    what: wipes; a write and a read of nothing
"""
COMMANDS = "[clear_rain, calibrate, sleep, brush]"
WRITABLE = "[low, high, delay, alone, other]"


class Controller(Instrument):
    """The simulated instrument, with what it was asked to change.

    Attributes:
        heard: requests that write, and reads of nothing.
        told: set with the first of them.
        measures: what it measures, by point; 0 for the others.
        deaf_to: ``(function, address)`` that it neither obeys nor answers.
        says: exception code by ``(function, address)``, whatever its profile says.
    """

    def __init__(self, unit: int, folder: Path) -> None:
        self.heard: list[bytes] = []
        self.told = asyncio.Event()
        self.measures: dict[str, float] = {}
        self.deaf_to: set[tuple[int, int]] = set()
        self.says: dict[tuple[int, int], int] = {}
        log = AnswerLog(folder / f"controller-{unit}.jsonl", LoopClock())
        made = sheet(yaml.safe_load(PROFILE))
        super().__init__(f"c{unit}", unit, made, self._measured, log, random.Random(unit))

    def _measured(self, point: SheetPoint) -> float:
        return self.measures.get(point.name, 0.0)

    def answer(self, pdu: bytes) -> Answer | None:
        place = pdu[0], int.from_bytes(pdu[1:3], "big")
        if pdu[0] in (5, 6, 16) or pdu[3:5] == b"\0\0":
            self.heard.append(pdu)
            self.told.set()
        if place in self.says:
            return self._refuse(pdu[0], self.says[place])
        return None if place in self.deaf_to else super().answer(pdu)

    def behaves(self, **conduct: object) -> None:
        """Differ from the profile."""
        self.sheet = self.sheet._replace(conduct=self.conduct._replace(**conduct))

    @property
    def conduct(self) -> Conduct:
        return self.sheet.conduct

    def refuses(self, function: int, at: int) -> None:
        """Answer that command with exception 2 (address not known)."""
        self.behaves(orders=self.conduct.orders - {(function, at)})

    def registers(self, start: int, count: int) -> list[int]:
        """What it holds."""
        return self._image("holding", start, count)

    @property
    def places(self) -> list[tuple[int, int]]:
        """Function and address of all that it heard."""
        return [(pdu[0], int.from_bytes(pdu[1:3], "big")) for pdu in self.heard]


class Watched(SerialLine):
    """The simulated line; ``overlaps`` counts requests that came while one was still being answered."""

    overlaps = 0
    _thinking = 0

    async def _converse(self, instrument: Instrument, request: bytes) -> None:
        self.overlaps += self._thinking > 0
        self._thinking += 1
        try:
            await super()._converse(instrument, request)
        finally:
            self._thinking -= 1


def serial_line(folder: Path, *controllers: Controller) -> Watched:
    """Controllers on a pseudo-terminal."""
    line = Watched(folder / "tty", controllers, baud=19200, chance=random.Random(1))
    line.plug()
    return line


async def served(*controllers: Controller) -> ModbusServer:
    """Controllers behind a socket."""
    server = ModbusServer(controllers)
    await server.start()
    return server


def site(
    bus: str, *, writable: str = WRITABLE, commands: str = COMMANDS, every: str = "200ms", derive: str = ""
) -> str:
    """A site with two controllers; what may be done to the first one is the caller's to say."""
    return f"""
buses: [{{name: line, {bus}}}]
instruments:
  - {{name: sick, profile: controller, bus: line, unit: 1, every: {every},
      writable: {writable},
      commands: {commands},
      series: [{{point: opening, at: one}}, {{point: rain, at: one{derive}}}]}}
  - {{name: well, profile: controller, bus: line, unit: 2, every: {every}, series: [{{point: opening, at: two}}]}}
"""


def whole_site(bus: str, **how: str) -> str:
    """The same as a file for the command line."""
    return (
        STATION + "journal: {directory: journal, size: 16MiB, window: 50ms}\ncontrol: control.sock\n" + site(bus, **how)
    )
