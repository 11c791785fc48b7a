"""A running acquirer, and what it hands on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from haihe_contract.quality import Reason
from haihe_edge.acquire import Acquirer, Group, Happening


class Heard:
    """What reached the sink, with a way to wait for it.

    Args:
        patience_s: how long is waited unless a test says otherwise.
    """

    def __init__(self, patience_s: float = 8) -> None:
        self.groups: list[Group] = []
        self.happenings: list[Happening] = []
        self._patience_s = patience_s
        self._event = asyncio.Event()

    def __call__(self, group: Group) -> None:
        self.groups.append(group)
        self._event.set()

    def kinds(self) -> list[str]:
        return [each.kind for each in self.happenings]

    async def until(self, fits: Callable[[Group], bool], seconds: float | None = None) -> Group:
        """The next group that fits."""
        start = len(self.groups)
        async with asyncio.timeout(self._patience_s if seconds is None else seconds):
            while True:
                for group in self.groups[start:]:
                    if fits(group):
                        return group
                start = len(self.groups)
                self._event.clear()
                await self._event.wait()


def has_values(group: Group) -> bool:
    return all(value is not None for _, value, _ in group.samples)


def misses_for(reason: Reason) -> Callable[[Group], bool]:
    return lambda group: all(value is None and why is reason for _, value, why in group.samples)


@asynccontextmanager
async def running(acquirer: Acquirer) -> AsyncIterator[None]:
    """Run it; in the end it must have been running still."""
    task = asyncio.ensure_future(acquirer.run())
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
