"""An event loop for tests that count milliseconds on a machine that has other work."""

import asyncio
import selectors
import time
from collections.abc import Callable

STEP_S = 0.001
"""What the work between two waits, and the wait for bytes that are under way, may count for at most."""
SLICE_S = 0.005
"""The longest wait in one piece, and with it what counts of a machine that stood still during a wait."""


class _Watched(selectors.PollSelector):
    """Tells how long was waited, and never more than was asked for.

    Poll, because it asks each file anew whenever it is called: Linux then first hands over what it still has of a
    pseudo-terminal's bytes. Epoll only hears of them when the kernel's worker comes to it, and a busy machine lets
    that one wait for longer than an instrument may take.
    """

    def __init__(self, passed: Callable[[float], None]) -> None:
        super().__init__()
        self._passed = passed
        self._ended_s = time.monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None:
            timeout = min(timeout, SLICE_S)
        began_s = time.monotonic()
        ready = super().select(timeout)
        worked_s, self._ended_s = began_s - self._ended_s, time.monotonic()
        waited_s = self._ended_s - began_s
        if timeout is not None:
            waited_s = min(waited_s, max(0.0, timeout))
        if ready:
            waited_s = min(waited_s, STEP_S)
        self._passed(min(worked_s, STEP_S) + waited_s)
        return ready


class PatientLoop(asyncio.SelectorEventLoop):
    """Real time, without the stretches in which this process was not let run.

    Both ends of a conversation must live in this loop: then all that takes its time is a timer of this loop, and
    bytes from one end to the other are under way for next to nothing.
    """

    def __init__(self) -> None:
        self._now_s = time.monotonic()
        self.ahead_s = time.time() - self._now_s
        super().__init__(_Watched(self._pass))

    def _pass(self, seconds: float) -> None:
        self._now_s += seconds

    def time(self) -> float:
        """Seconds that this process was given."""
        return self._now_s


class LoopClock:
    """The time of the running loop as a clock; all clocks of one loop agree."""

    def now_ms(self) -> int:
        """By the wall; a patient loop's as it was when the loop began, and what has passed since."""
        loop = asyncio.get_running_loop()
        if isinstance(loop, PatientLoop):
            return round((loop.ahead_s + loop.time()) * 1000)
        return round(time.time() * 1000)

    def monotonic_ms(self) -> int:
        return round(asyncio.get_running_loop().time() * 1000)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
