"""A simulated chip of digital lines behind the port of the real one (``haihe_edge.acquire.digital.chip.DigitalChip``).

``drive_in``, ``pulse``, ``unplug`` and ``plug`` are the world's side: contacts that move, a chip that is pulled out.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from haihe_contract.clock import Clock
from haihe_edge.acquire.digital.chip import Edge, Wanted
from haihe_edge.acquire.line import BusDown

EVENTS_MAX = 1024
"""Edges that are kept until somebody reads them, as the kernel's own limit is."""


class SimulatedChip:
    """A chip with as many lines as are wanted, each at the level of its pull until the world drives it.

    The kernel's debouncing is simulated as the kernel does it: what has not been still for so long is not reported.

    Args:
        name: path of its device.
        wanted: which lines, and how.
        clock: stamps the edges.
        lines: numbers and names that it has; any if left out.
    """

    def __init__(self, name: str, wanted: Sequence[Wanted], clock: Clock, lines: Sequence[str] | None = None) -> None:
        self.name = name
        self._wanted = {each.name: each for each in wanted}
        self._clock = clock
        self._lines = lines
        self._plugged = True
        self._open = False
        self._levels = {each.name: each.rest if each.is_output else each.pull == "up" for each in wanted}
        self._events: deque[Edge] = deque()
        self._lost: dict[str, int] = {}
        self._something = asyncio.Event()
        self._settling: dict[str, asyncio.TimerHandle] = {}
        self.opened = 0

    @property
    def is_open(self) -> bool:
        """Whether the lines are taken."""
        return self._open

    async def open(self) -> None:
        """Take the lines; outputs go to rest.

        Raises:
            BusDown: when it is pulled out or has no such line.
        """
        if not self._plugged:
            raise BusDown("chip {chip}: {why}", chip=self.name, why="No such file or directory")
        for each in self._wanted.values():
            if self._lines is not None and each.line not in self._lines:
                raise BusDown("chip {chip}: there is no line {line}; see gpioinfo", chip=self.name, line=each.line)
        self._open = True
        self.opened += 1
        self._events.clear()
        self._lost.clear()
        self._something.clear()
        self._rest()

    def close(self) -> None:
        """Bring the outputs to rest and give the lines back."""
        if self._open:
            self._open = False
            self._rest()
            self._something.set()

    def _rest(self) -> None:
        for each in self._wanted.values():
            if each.is_output:
                self._levels[each.name] = each.rest

    async def edges(self) -> Sequence[Edge]:
        """The next edges, waiting for the first one.

        Raises:
            BusDown: when it was pulled out.
        """
        self._check()
        await self._something.wait()
        self._check()
        found = list(self._events)
        self._events.clear()
        self._something.clear()
        return found

    def levels(self) -> dict[str, bool]:
        """How every line is now.

        Raises:
            BusDown: when it was pulled out.
        """
        self._check()
        return dict(self._levels)

    def drive(self, name: str, high: bool) -> None:  # noqa: FBT001 - as the port has it
        """Set an output.

        Raises:
            BusDown: when it was pulled out.
        """
        self._check()
        self._levels[name] = high

    def _check(self) -> None:
        if not self._plugged:
            self.close()
            raise BusDown("chip {chip}: {why}", chip=self.name, why="No such device")
        if not self._open:
            raise BusDown("chip {chip}: {why}", chip=self.name, why="not open")

    def level(self, name: str) -> bool:
        """World: how the line is, whether somebody has taken it or not."""
        return self._levels[name]

    def drive_in(self, name: str, high: bool, *, ago_ms: int = 0) -> None:
        """World: bring an input to a level, now or some time ago (the reader was slow)."""
        wanted = self._wanted[name]
        if wanted.debounce_ms:
            if name in self._settling:
                self._settling.pop(name).cancel()
            loop = asyncio.get_running_loop()
            self._settling[name] = loop.call_later(wanted.debounce_ms / 1000, self._arrive, name, high, 0)
        else:
            self._arrive(name, high, ago_ms)

    def _arrive(self, name: str, high: bool, ago_ms: int) -> None:  # noqa: FBT001
        before, self._levels[name] = self._levels[name], high
        edges = self._wanted[name].edges
        if before == high or not self._open or edges not in ("both", "rising" if high else "falling"):
            return
        if len(self._events) >= EVENTS_MAX:
            self._give_up(self._events.popleft())
        edge = Edge(name, high, self._clock.monotonic_ms() - ago_ms, self._lost.pop(name, 0))
        self._events.append(edge)
        self._something.set()

    def _give_up(self, gone: Edge) -> None:
        """The oldest edge has no place any more; the next one of its line will say so."""
        for at, each in enumerate(self._events):
            if each.name == gone.name:
                self._events[at] = each._replace(lost=each.lost + gone.lost + 1)
                return
        self._lost[gone.name] = self._lost.get(gone.name, 0) + gone.lost + 1

    def pulse(self, name: str, *, times: int = 1, ago_ms: int = 0) -> None:
        """World: a contact to ground closes and opens again, so many times."""
        for _ in range(times):
            self.drive_in(name, False, ago_ms=ago_ms)
            self.drive_in(name, True, ago_ms=ago_ms)

    def unplug(self) -> None:
        """World: the chip is gone."""
        self._plugged = False
        self._something.set()

    def plug(self) -> None:
        """World: the chip is back, its lines at their pulls."""
        self._plugged = True
        self._levels = {each.name: each.rest if each.is_output else each.pull == "up" for each in self._wanted.values()}
