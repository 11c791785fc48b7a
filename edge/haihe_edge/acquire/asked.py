"""Instruments that somebody wants to be read now, and the wait of a loop that this ends."""

import asyncio
import contextlib

from haihe_contract.errors import FieldError

from .group import Group


class Asked:
    """Instruments that somebody wants to be read now, and who waits for the result."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Group]] = {}
        self._event = asyncio.Event()

    async def ask(self, name: str) -> Group:
        """Have that instrument read before all others."""
        future = self._waiting.get(name)
        if future is None:
            future = self._waiting[name] = asyncio.get_running_loop().create_future()
        self._event.set()
        return await asyncio.shield(future)

    def take(self) -> str | None:
        """Who is to be read next, None when nobody is."""
        return next(iter(self._waiting), None)

    def answer(self, name: str, group: Group) -> None:
        """It has been read."""
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
