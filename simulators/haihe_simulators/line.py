"""What simulated serial lines have in common: a plug, faults of single instruments, bytes at the pace of the wire."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path

from .fault import Fault
from .pty_port import PtyPort

_STIR_S = 0.5


class Line(ABC):
    """One line, answering at ``path`` while it is plugged and an event loop runs.

    Args:
        path: stable name of the port.
        baud: true speed of the port.
        character_s: how long one character takes on the wire.
    """

    slice_s = 0.004
    """How often bytes that are due are handed over."""

    def __init__(self, path: Path, *, baud: int, character_s: float) -> None:
        self.port = PtyPort(path)
        self.baud = baud
        self.character_s = character_s
        self.faults: dict[int, Fault] = {}
        self._heard = bytearray()
        self._stirrer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[object]] = set()

    def plug(self) -> None:
        """Connect the line; must be called inside a running event loop."""
        if not self.port.plugged:
            self.port.plug()
            asyncio.get_running_loop().add_reader(self.port.master, self._read)
            self._stir()
            self._plugged()

    def unplug(self) -> None:
        """Pull the adapter out; answers under way are gone."""
        if not self.port.plugged:
            return
        asyncio.get_running_loop().remove_reader(self.port.master)
        for task in self._tasks:
            task.cancel()
        if self._stirrer is not None:
            self._stirrer.cancel()
        self._heard.clear()
        self.port.unplug()

    async def close(self) -> None:
        """Unplug and wait until nothing is under way."""
        tasks = list(self._tasks)
        self.unplug()
        await asyncio.gather(*tasks, return_exceptions=True)

    @abstractmethod
    def _read(self) -> None:
        """Take in what the client has written."""

    def _plugged(self) -> None:
        """Begin what happens on the line without being asked."""
        return

    def _stir(self) -> None:
        self.port.stir()
        self._stirrer = asyncio.get_running_loop().call_later(_STIR_S, self._stir)

    def _start(self, work: Coroutine[None, None, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _paced(self, data: bytes) -> AsyncIterator[bytes]:
        """The bytes in parts, each when the wire would have carried it."""
        loop = asyncio.get_running_loop()
        begin, sent = loop.time(), 0
        while sent < len(data):
            await asyncio.sleep(max(0.0, min(self.slice_s, begin + len(data) * self.character_s - loop.time())))
            due = min(len(data), int((loop.time() - begin) / self.character_s + 1e-6))
            yield data[sent:due]
            sent = due
