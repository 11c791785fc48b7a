"""Simulated text and SDI-12 lines in virtual time, with the real runners on them and every byte counted."""

import asyncio
import random
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from haihe_contract.quality import Grade
from haihe_edge.acquire.exchange import character_ms
from haihe_edge.acquire.group import Group, Sample
from haihe_edge.acquire.runner import AskingRunner
from haihe_edge.acquire.spoken.sdi12_runner import Sdi12Conversation, Sdi12Unit
from haihe_edge.acquire.spoken.text_runner import TextConversation, TextUnit
from haihe_edge.site import AsciiBus, Sdi12Bus, Site
from haihe_simulators.answer_log import AnswerLog
from haihe_simulators.pty_port import PortSettings
from haihe_simulators.sdi12_line import Sdi12Line, Sdi12Sensor
from haihe_simulators.spoken_sheet import SpokenPoint
from haihe_simulators.text_line import TextInstrument, TextLine

from tests.edge.acquire.schedule.virtual import START_WALL_MS, VirtualClock


class Middling(random.Random):
    """Every instrument thinks exactly as long as it typically does."""

    def random(self) -> float:
        return 0.5


class PairPort:
    """The instruments' end of a line that hands bytes over at once: a pty does it a moment later, which virtual time
    would overtake."""

    def __init__(self, baud: int) -> None:
        self._ours, self.theirs = socket.socketpair()
        self._ours.setblocking(False)
        self.baud = baud
        self.plugged = False
        self.master = self._ours.fileno()

    def plug(self) -> None:
        self.plugged = True

    def unplug(self) -> None:
        self.plugged = False
        self._ours.close()

    def settings(self) -> PortSettings:
        return PortSettings(self.baud, False, 1)

    def stir(self) -> None:
        return

    def read(self) -> bytes:
        return self._ours.recv(4096)

    def write(self, data: bytes) -> None:
        if data:
            self._ours.sendall(data)


class CountedLine:
    """The agent's end: what it sends is under way for as long as its characters take, and everything is counted."""

    name = "virtual"
    dies_silently = False

    def __init__(self, port: PairPort, character_s: float) -> None:
        self.buffer = bytearray()
        self.is_open = False
        self.requests = self.bytes_out = self.bytes_in = self.breaks = 0
        self._port, self._socket, self._character_s = port, port.theirs, character_s
        self._more = asyncio.Event()
        self._socket.setblocking(False)

    async def open(self) -> None:
        if not self.is_open:
            self.is_open = True
            asyncio.get_running_loop().add_reader(self._socket, self._read)

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def write(self, data: bytes) -> None:
        if data != b"\0":
            self.requests += 1
            self.bytes_out += len(data)
        asyncio.get_running_loop().call_later(len(data) * self._character_s, self._socket.sendall, data)

    def _read(self) -> None:
        data = self._socket.recv(4096)
        self.bytes_in += len(data)
        self.buffer += data
        self._more.set()

    async def more(self) -> None:
        await self._more.wait()
        self._more.clear()

    def hold_break(self, on: bool) -> None:
        self.breaks += on

    def set_baud(self, baud: int) -> None:
        self._port.baud = baud


class SpokenBench:
    """The only bus of a site in virtual time. Use it inside :func:`in_virtual_time`.

    Args:
        site: with one bus of kind ascii or sdi12.
        documents: the profile of each instrument as plain YAML.
        folder: for the logs of the instruments.
        values: what the instruments measure, by point; else each says its zero.
    """

    def __init__(
        self, site: Site, documents: Mapping[str, Mapping[str, Any]], folder: Path, values: Mapping[str, float]
    ) -> None:
        self.clock = VirtualClock()
        self.done: list[tuple[int, str, list[Sample]]] = []
        self._values = values
        (bus,) = site.buses.values()
        logs = {each.name: AnswerLog(folder / f"{each.name}.jsonl", self.clock) for each in site.instruments}
        self._logs = logs.values()
        if isinstance(bus, Sdi12Bus):
            sensors = [
                Sdi12Sensor(
                    each.name,
                    str(each.unit),
                    documents[each.name],
                    self._source,
                    logs[each.name],
                )
                for each in site.instruments
            ]
            port = PairPort(bus.baud)
            self.sim: Sdi12Line | TextLine = Sdi12Line(folder / "tty", sensors, chance=Middling(), wakes=bus.wakes)
            self.line = CountedLine(port, 0.0)  # the simulated line itself paces commands
            sensed = Sdi12Conversation(self.line, self.clock, bus)  # type: ignore[arg-type]
            self.units = [Sdi12Unit(each, site, sensed, self.clock) for each in site.instruments]
        else:
            assert isinstance(bus, AsciiBus)
            told = [
                TextInstrument(each.name, each.unit, documents[each.name], self._source, logs[each.name], Middling())
                for each in site.instruments
            ]
            port = PairPort(bus.baud)
            self.sim = TextLine(folder / "tty", told, baud=bus.baud, chance=Middling())
            character = character_ms(bus.baud, bus.parity, bus.stop_bits) / 1000
            self.sim.character_s = character
            self.line = CountedLine(port, character)
            asked = TextConversation(self.line, self.clock, baud=bus.baud, parity=bus.parity, stop_bits=bus.stop_bits)
            self.units = [TextUnit(each, site, asked, self.clock) for each in site.instruments]
        self.sim.port = port  # type: ignore[assignment]
        self.sim.plug()
        self.runner = AskingRunner(bus, self.line, self.units, self.clock, self._emit, lambda *told: None)

    def _source(self, point: SpokenPoint) -> float | None:
        return self._values.get(point.name, point.plus)

    def _emit(self, instrument: str, samples: list[Sample], ago_ms: int = 0) -> Group:
        self.done.append((self.clock.now_ms() - START_WALL_MS - ago_ms, instrument, samples))
        return Group(self.clock.now_ms(), Grade.NTP, self.clock.monotonic_ms(), instrument, samples)

    async def poll(self, at: int = 0) -> tuple[float, list[Sample]]:
        """One poll of an instrument; milliseconds that it took."""
        await self.line.open()
        began = asyncio.get_running_loop().time()
        samples = await self.units[at].poll()
        return (asyncio.get_running_loop().time() - began) * 1000, samples

    async def run_for(self, seconds: float) -> None:
        """Let the runner work for so long."""
        running = asyncio.ensure_future(self.runner.run())
        await asyncio.sleep(seconds)
        running.cancel()
        await asyncio.wait([running])

    async def close(self) -> None:
        await self.sim.close()
        self.line.close()
        for log in self._logs:
            log.close()
