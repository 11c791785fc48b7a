"""Which time to stamp, and how much it is worth. Pure: the evidence comes in as arguments.

The floor (field lesson C 35): a machine whose clock stands before the newest thing it has ever recorded has no
clock at all, and its readings are stamped with the milliseconds of this boot instead.
"""

from typing import NamedTuple

from haihe_contract.quality import Grade

BUILT_MS = 1_780_272_000_000
"""2026-06-01: this software did not exist before."""
GNSS_FRESH_MS = 600_000
GNSS_AGREES_MS = 2_000
"""NMEA sentences come tens to hundreds of milliseconds late; two seconds is far beyond that."""


class Stamp(NamedTuple):
    """A time and its grade; with grade NONE the time is milliseconds of this boot."""

    time_ms: int
    grade: Grade


class ClockTrust:
    """Weighs what is known of the time.

    Args:
        floor_ms: the newest time that was ever recorded at this station.
    """

    def __init__(self, floor_ms: int = 0) -> None:
        self.floor_ms = max(BUILT_MS, floor_ms)
        self.offset_ms: int | None = None
        self._gnss: tuple[int, int] | None = None

    def not_before(self, time_ms: int) -> None:
        """Something was recorded at that time: a clock that stands before it is no clock."""
        self.floor_ms = max(self.floor_ms, time_ms)

    def saw_gnss(self, utc_ms: int, monotonic_ms: int, now_ms: int) -> None:
        """A satellite fix said it is ``utc_ms``; both our clocks are read at that moment."""
        if utc_ms >= BUILT_MS:
            self._gnss = (utc_ms, monotonic_ms)
            self.offset_ms = now_ms - utc_ms

    def stamp(self, now_ms: int, monotonic_ms: int, *, synchronised: bool) -> Stamp:
        """What to write beside a reading taken now.

        Args:
            now_ms: the system clock.
            monotonic_ms: milliseconds of this boot.
            synchronised: whether the kernel says that NTP disciplines the system clock.
        """
        if self._gnss is not None and monotonic_ms - self._gnss[1] <= GNSS_FRESH_MS:
            by_gnss = self._gnss[0] + monotonic_ms - self._gnss[1]
            if abs(now_ms - by_gnss) <= GNSS_AGREES_MS:
                return Stamp(now_ms, Grade.GNSS)
            return Stamp(by_gnss, Grade.GNSS)  # the system clock is wrong, and we know by how much
        if synchronised and now_ms >= BUILT_MS:
            return Stamp(now_ms, Grade.NTP)
        if now_ms >= self.floor_ms:
            return Stamp(now_ms, Grade.SYSTEM)
        return Stamp(monotonic_ms, Grade.NONE)
