"""A clock that runs fast, a site file with a gpio bus, and a simulated chip behind the acquirer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from haihe_contract.clock import Clock
from haihe_contract.quality import Grade
from haihe_edge.acquire import Acquirer, Group, Happening
from haihe_edge.acquire.digital.chip import Wanted
from haihe_edge.site import GpioBus, Site, load_site
from haihe_simulators.gpio_chip import SimulatedChip

from tests.edge import heard
from tests.edge.site_text import write_site

MIDNIGHT_MS = 1_785_456_000_000
"""2026-07-31 00:00 UTC, when a rain day ends in Beijing."""
PATIENCE_S = 8.0


class FastClock:
    """Time that runs so many times as fast as that of the running loop.

    Args:
        wall_ms: where the wall clock begins.
        times: how fast.
    """

    def __init__(self, wall_ms: int = MIDNIGHT_MS - 90_000, times: int = 300) -> None:
        self.offset_ms = wall_ms
        self._times = times
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    def now_ms(self) -> int:
        return self.offset_ms + self.monotonic_ms()

    def monotonic_ms(self) -> int:
        return round((self._loop.time() - self._began) * 1000 * self._times)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds / self._times))


class World:
    """A running acquirer with what it said, and the chip that it believes to be real."""

    def __init__(self, site: Site, clock: FastClock) -> None:
        self.site = site
        self.clock = clock
        self.groups: list[Group] = []
        self.happenings: list[Happening] = []
        self.chip: SimulatedChip
        self.acquirer: Acquirer

    def make_chip(self, bus: GpioBus, wanted: Sequence[Wanted], clock: Clock) -> SimulatedChip:
        self.chip = SimulatedChip(bus.chip, wanted, clock)
        return self.chip

    def of(self, key: str) -> list[tuple[int, float | None, int]]:
        """Time, value and reasons of a series, in the order in which they were said."""
        number = next(each.number for each in self.site.series if each.key.startswith(key))
        return [
            (group.time_ms, value, int(reason))
            for group in self.groups
            for each, value, reason in group.samples
            if each == number
        ]

    def kinds(self) -> list[str]:
        return [each.kind for each in self.happenings]

    async def until(self, holds: Callable[[], object], what: str = "") -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        while not holds():
            if loop.time() > deadline:
                pytest.fail(f"waited in vain {what}; said {self.groups[-5:]}, happened {self.kinds()}")
            await asyncio.sleep(0.001)

    async def open(self) -> None:
        await self.until(lambda: self.chip.is_open, "until the chip is open")
        await asyncio.sleep(0.002)

    async def rain(self, tips: int) -> None:
        """So many tips, a second apart."""
        for _ in range(tips):
            self.chip.pulse("rain")
            await self.clock.sleep(1.0)


@asynccontextmanager
async def running(path: Path, clock: FastClock, grade: Grade = Grade.NTP, **more: Any) -> AsyncIterator[World]:
    site = load_site(path, [path.parent / "profiles"])
    site.journal.directory.mkdir(exist_ok=True)
    world = World(site, clock)
    world.acquirer = Acquirer(
        site,
        clock,
        lambda: grade,
        world.groups.append,
        on_happening=world.happenings.append,
        chips=world.make_chip,
        **more,
    )
    async with heard.running(world.acquirer):
        yield world


@pytest.fixture
async def clock() -> FastClock:
    return FastClock()


LINES = """
buses:
  - kind: gpio
    name: board
    chip: /dev/gpiochip0
    lines:
      - {kind: rain, name: rain, line: 17, tip_mm: 0.2, every: 1min, periods: [1min, 5min]}
      - {kind: contact, name: door, line: 27, normally: closed, alarm: true, every: 1min}
      - {kind: contact, name: flood, line: GPIO22}
      - {kind: output, name: lamp, line: 5, follows: running}
      - {kind: output, name: siren, line: 6, follows: warning, active: low, longest: 1min}
"""


@pytest.fixture
def site_file(tmp_path: Path) -> Callable[[str], Path]:
    def write(rest: str = LINES) -> Path:
        return write_site(tmp_path, rest)

    return write
