"""A bus in virtual time: an hour of polling takes a second, and every millisecond on the wire is known."""

import asyncio

from haihe_contract.quality import Grade, Reason
from haihe_edge.acquire.exchange import character_ms
from haihe_edge.acquire.group import Group, Sample
from haihe_edge.acquire.modbus.bus import ModbusBus
from haihe_edge.acquire.modbus.frames import Request, rtu_request
from haihe_edge.acquire.modbus.unit import Unit
from haihe_edge.acquire.runner import AskingRunner
from haihe_edge.site import SerialBus, Site

from tests.edge.acquire.far_end import registers_answer

BAUD = 9600
START_WALL_MS = 1_785_542_400_000
"""2026-08-01 08:00:00 in Beijing."""


class VirtualClock:
    """The loop's time; the wall begins at 08:00:00 plus what is asked for."""

    def __init__(self, after_ms: int = 0) -> None:
        self._loop = asyncio.get_running_loop()
        self._wall_ms = START_WALL_MS + after_ms - self._loop.time() * 1000

    def now_ms(self) -> int:
        return round(self._wall_ms + self._loop.time() * 1000)

    def monotonic_ms(self) -> int:
        return round(self._loop.time() * 1000)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class PacedLine:
    """A line with instruments: units that are in ``dead`` say nothing, the others think for so long."""

    name = "virtual"
    dies_silently = False
    is_open = True

    def __init__(self, think_ms: float = 20) -> None:
        self.buffer = bytearray()
        self.dead: set[int] = set()
        self.think_ms: dict[int, float] = {}
        self.asked: list[tuple[float, int]] = []
        self.collisions = 0
        self._usual_ms = think_ms
        self._character_s = character_ms(BAUD, "none") / 1000
        self._busy_until_s = 0.0
        self._more = asyncio.Event()

    async def open(self) -> None:
        return

    def close(self) -> None:
        return

    def write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.collisions += loop.time() < self._busy_until_s - 1e-6
        self.asked.append((loop.time(), data[0]))
        assert rtu_request_is_whole(data)
        answer = registers_answer(data, *([7] * data[5]))
        took_s = (len(data) + 3.5) * self._character_s
        if data[0] not in self.dead:
            took_s += self.think_ms.get(data[0], self._usual_ms) / 1000 + len(answer) * self._character_s
            loop.call_later(took_s, self._arrive, answer)
        self._busy_until_s = loop.time() + took_s

    def _arrive(self, answer: bytes) -> None:
        self.buffer += answer
        self._more.set()

    async def more(self) -> None:
        await self._more.wait()
        self._more.clear()


def rtu_request_is_whole(data: bytes) -> bool:
    start, count = int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:6], "big")
    return data == rtu_request(Request(data[0], data[1], start, count))


class VirtualBus:
    """A runner on a paced line, with everything that it said."""

    def __init__(self, site: Site, *, after_ms: int = 0) -> None:
        self.clock = VirtualClock(after_ms)
        self.line = PacedLine()
        self.groups: list[tuple[int, str, list[Sample]]] = []
        self.told: list[tuple[str, dict[str, object]]] = []
        bus = next(each for each in site.buses.values() if isinstance(each, SerialBus))
        conversation = ModbusBus(self.line, self.clock, baud=BAUD, framing="rtu", parity="none")
        self.units = [Unit(each, site, conversation, self.clock) for each in site.instruments]
        self.runner = AskingRunner(
            bus, self.line, self.units, self.clock, self._emit, lambda *told: self.told.append(told)
        )

    def _emit(self, instrument: str, samples: list[Sample], ago_ms: int = 0) -> Group:
        self.groups.append((self.clock.now_ms() - START_WALL_MS - ago_ms, instrument, samples))
        return Group(self.clock.now_ms(), Grade.NTP, self.clock.monotonic_ms(), instrument, samples)

    async def run_for(self, seconds: float) -> None:
        """Let it run for so long, and go on where it stopped when called again."""
        if not hasattr(self, "_running"):
            self._running = asyncio.ensure_future(self.runner.run())
        await asyncio.sleep(seconds)
        if self._running.done():
            self._running.result()

    async def stop(self) -> None:
        self._running.cancel()
        await asyncio.wait([self._running])

    def values(self, instrument: str, since_ms: int = 0) -> list[int]:
        """When this instrument brought values."""
        return [
            at
            for at, name, samples in self.groups
            if name == instrument and at >= since_ms and samples[0][1] is not None
        ]

    def misses(self, instrument: str, reason: Reason) -> int:
        """How many due times of this instrument ended so."""
        return sum(name == instrument and samples[0][2] is reason for _, name, samples in self.groups)

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told]
