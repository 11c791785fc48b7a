"""Waiting on a line: until bytes come, or until none come any more."""

import asyncio

from haihe_contract.clock import Clock

from haihe_edge import limits

from .line import Line


async def settle(line: Line, clock: Clock) -> None:
    """Throw away what still comes until the line is silent, or has talked for :data:`limits.SETTLE_MS_MAX`.

    Raises:
        BusDown: when the line breaks.
    """
    until = clock.monotonic_ms() + limits.SETTLE_MS_MAX
    while clock.monotonic_ms() < until:
        try:
            async with asyncio.timeout(limits.SETTLE_MS / 1000):
                line.buffer.clear()
                await line.more()
        except TimeoutError:
            break


async def more_until(line: Line, deadline_s: float) -> bool:
    """Whether bytes have come by then, on the loop's clock.

    A loop that was itself held up finds the bytes and the end of the wait at once. They came first: what lies in the
    buffer counts, or a busy processor would make a silent instrument of one that has answered.

    Raises:
        BusDown: when the line breaks.
    """
    if asyncio.get_running_loop().time() >= deadline_s:
        return False  # whoever talks without end has been looked at once more, and that is enough
    before = len(line.buffer)
    try:
        async with asyncio.timeout_at(deadline_s):
            await line.more()
    except TimeoutError:
        return len(line.buffer) > before
    return True
