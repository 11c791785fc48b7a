"""What a machine of the world knows of time."""

import asyncio
from collections.abc import Callable


class MachineClock:
    """A clock that can be set wrong; what has passed since the boot it always knows."""

    def __init__(self, truth_ms: Callable[[], int]) -> None:
        self._truth_ms = truth_ms
        self.ahead_ms = 0
        self.disciplined = True
        self.booted_ms = truth_ms()
        self.none = False
        """Whether it lost its time: it begins at 1970 with each boot."""

    def boot(self) -> None:
        """The machine starts."""
        self.booted_ms = self._truth_ms()

    def now_ms(self) -> int:
        """What it believes."""
        return self.monotonic_ms() if self.none else max(0, self._truth_ms() + self.ahead_ms)

    def monotonic_ms(self) -> int:
        """Milliseconds since the boot."""
        return self._truth_ms() - self.booted_ms

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(max(0.0, seconds))
