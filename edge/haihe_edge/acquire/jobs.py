"""Work that somebody wants done on a bus, between two exchanges of its own: one conversation at a time."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from haihe_contract.errors import FieldError

from .group import Group

_T = TypeVar("_T")
JOBS_MAX = 16
_UNKNOWN = "look at the instrument: it may have been done or not"


class Jobs:
    """Jobs of one bus.

    Args:
        wake: ends the wait of whoever does them.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._waiting: deque[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any]]] = deque()
        self._wake = wake

    async def do(self, job: Callable[[], Awaitable[_T]]) -> _T:
        """Have it done when the bus is free, and wait for what comes of it.

        Raises:
            FieldError: when too many wait already, or the agent stops; and what the job raises.
        """
        if len(self._waiting) >= JOBS_MAX:
            raise FieldError("too much is waiting for this bus already", do="try again in a moment")
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, future))
        self._wake()
        return await future

    async def work(self, ready: Callable[[], Awaitable[bool]]) -> None:
        """Do what waits; ``ready`` opens the line and says whether it is open."""
        while self._waiting:
            job, future = self._waiting.popleft()
            if future.done():  # nobody waits for it any more
                continue
            try:
                if not await ready():
                    raise FieldError("the bus cannot be used now", do="haihe-edge status says why")
                result = await job()
            except FieldError as error:
                if not future.done():
                    future.set_exception(error)
            except asyncio.CancelledError:
                if not future.done():
                    future.set_exception(FieldError("the agent stopped while this was being done", do=_UNKNOWN))
                raise
            else:
                if not future.done():
                    future.set_result(result)

    def stop(self) -> None:
        """Nothing more will be done."""
        while self._waiting:
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(FieldError("the agent stopped before this was done", do="nothing was written"))


class Asked:
    """Instruments that somebody wants to be read now, and who waits for the result."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Group]] = {}
        self._event = asyncio.Event()

    async def ask(self, name: str) -> Group:
        """Want it read, and wait for what comes of it."""
        future = self._waiting.get(name)
        if future is None:
            future = self._waiting[name] = asyncio.get_running_loop().create_future()
        self._event.set()
        return await asyncio.shield(future)

    def take(self) -> str | None:
        """Who is wanted and has waited longest, or None."""
        return next(iter(self._waiting), None)

    def answer(self, name: str, group: Group) -> None:
        """Give it to those who wait."""
        future = self._waiting.pop(name, None)
        if future is not None and not future.done():
            future.set_result(group)

    def stop(self) -> None:
        """Nothing more will be read."""
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(FieldError("the agent stopped before the instrument was read"))
        self._waiting.clear()

    def wake(self) -> None:
        """End the wait that is going on."""
        self._event.set()

    async def wait(self, milliseconds: int) -> None:
        """Return when somebody asks, or after so long."""
        if not self._waiting:
            self._event.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(milliseconds / 1000):
                    await self._event.wait()
