"""Time as an argument: what the wall says, how long it has been, wake me later."""

import asyncio
import calendar
import time
from typing import Protocol


class Clock(Protocol):
    """The three questions anybody may ask about time."""

    def now_ms(self) -> int:
        """Wall time in milliseconds UTC since 1970. May jump when somebody sets the clock."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since some fixed moment of this boot; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds of monotonic time."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now_ms(self) -> int:
        """Wall time in milliseconds UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Milliseconds since boot."""
        return time.monotonic_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(max(0.0, seconds))


BEIJING_OFFSET_MS = 8 * 3_600_000
"""Beijing time is UTC + 8 h all year; it is what people are shown whatever the machine's zone."""


def beijing(time_ms: int, *, seconds: bool = True) -> str:
    """A moment as people in Beijing write it, ``2026-08-01 08:00:00``."""
    form = "%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M"
    return time.strftime(form, time.gmtime((time_ms + BEIJING_OFFSET_MS) // 1000))


_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d")


def beijing_ms(text: str) -> int:
    """Milliseconds UTC of a moment as people in Beijing write it; a date alone is its midnight.

    Raises:
        ValueError: when the text is no such moment.
    """
    for form in _FORMS:
        try:
            return calendar.timegm(time.strptime(text.strip(), form)) * 1000 - BEIJING_OFFSET_MS
        except ValueError:
            continue
    raise ValueError(f"{text!r} is no moment; write for example '2026-08-01 08:00'")
