"""Which time to stamp, and how much it is worth. Pure: the evidence comes in as arguments.

The floor (field lesson C 35): a machine whose clock stands before the newest thing it has ever recorded has no
clock at all, and its readings are stamped with the milliseconds of this boot instead.
"""

from typing import NamedTuple

from haihe_contract.quality import Grade

from .boots import DRIFT

BUILT_MS = 1_780_272_000_000
"""2026-06-01: this software did not exist before."""
GNSS_FRESH_MS = 600_000
GNSS_AGREES_MS = 2_000
"""NMEA sentences come tens to hundreds of milliseconds late; two seconds is far beyond that."""


GNSS_ERROR_MS = 1_000
NTP_ERROR_MS = 1_000
"""The kernel counts a clock as disciplined that NTP keeps far better than this."""
SYSTEM_ERROR_MS = 300_000
"""A clock that somebody has set by a wrist watch."""
CENTRE_HEARD_MS_MAX = 120_000
"""A receipt that took longer says too little of the time."""
CENTRE_AGREES_MS = 2_000
"""A system clock that is no farther off than this, beside the error, is taken as confirmed: time does not jump."""
CENTRE_ERROR_MS_MAX = 5_000
"""A centre's time that may be wrong by more is not used to stamp readings."""


class Stamp(NamedTuple):
    """A time and its grade; with grade NONE the time is milliseconds of this boot."""

    time_ms: int
    grade: Grade


class Moment(NamedTuple):
    """What is known of the time now: UTC, by how much it may be wrong to either side, and who says so."""

    utc_ms: int
    error_ms: int
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
        self._centre: tuple[int, int, int] | None = None

    def not_before(self, time_ms: int) -> None:
        """Something was recorded at that time: a clock that stands before it is no clock."""
        self.floor_ms = max(self.floor_ms, time_ms)

    def saw_gnss(self, utc_ms: int, monotonic_ms: int, now_ms: int) -> None:
        """A satellite fix said it is ``utc_ms``; both our clocks are read at that moment."""
        if utc_ms >= BUILT_MS:
            self._gnss = (utc_ms, monotonic_ms)
            self.offset_ms = now_ms - utc_ms

    def saw_centre(self, utc_ms: int, sent_ms: int, heard_ms: int) -> None:
        """A centre signed at ``utc_ms`` what it cannot have known before ``sent_ms``; it was heard at ``heard_ms``.

        Args:
            utc_ms: by the centre's clock.
            sent_ms: milliseconds of this boot.
            heard_ms: the same.
        """
        known = self._by_centre(heard_ms)
        error_ms = (heard_ms - sent_ms + 1) // 2
        if utc_ms < BUILT_MS or not 0 <= heard_ms - sent_ms <= CENTRE_HEARD_MS_MAX:
            return
        if known is None or error_ms < known.error_ms:
            self._centre = (utc_ms - (sent_ms + heard_ms) // 2, error_ms, heard_ms)

    def _by_centre(self, monotonic_ms: int) -> Moment | None:
        if self._centre is None:
            return None
        offset_ms, error_ms, heard_ms = self._centre
        grown = error_ms + int((monotonic_ms - heard_ms) * DRIFT)
        return Moment(monotonic_ms + offset_ms, grown, Grade.CENTRE)

    def _by_gnss(self, monotonic_ms: int) -> Moment | None:
        if self._gnss is None or monotonic_ms - self._gnss[1] > GNSS_FRESH_MS:
            return None
        passed = monotonic_ms - self._gnss[1]
        return Moment(self._gnss[0] + passed, GNSS_ERROR_MS + int(passed * DRIFT), Grade.GNSS)

    def moment(self, now_ms: int, monotonic_ms: int, *, synchronised: bool) -> Moment | None:
        """The best that is known of the time, None while nothing is. Arguments as for :meth:`stamp`."""
        found = self._by_gnss(monotonic_ms)
        if found is not None:
            return found
        if synchronised and now_ms >= BUILT_MS:
            return Moment(now_ms, NTP_ERROR_MS, Grade.NTP)
        by_centre = self._by_centre(monotonic_ms)
        if by_centre is not None:
            return by_centre
        return Moment(now_ms, SYSTEM_ERROR_MS, Grade.SYSTEM) if now_ms >= self.floor_ms else None

    def stamp(self, now_ms: int, monotonic_ms: int, *, synchronised: bool) -> Stamp:
        """What to write beside a reading taken now.

        Args:
            now_ms: the system clock.
            monotonic_ms: milliseconds of this boot.
            synchronised: whether the kernel says that NTP disciplines the system clock.
        """
        by_gnss = self._by_gnss(monotonic_ms)
        if by_gnss is not None:  # else the system clock is wrong, and we know by how much
            agrees = abs(now_ms - by_gnss.utc_ms) <= GNSS_AGREES_MS
            return Stamp(now_ms if agrees else by_gnss.utc_ms, Grade.GNSS)
        if synchronised and now_ms >= BUILT_MS:
            return Stamp(now_ms, Grade.NTP)
        by_centre = self._by_centre(monotonic_ms)
        if by_centre is not None and by_centre.error_ms <= CENTRE_ERROR_MS_MAX:
            agrees = abs(now_ms - by_centre.utc_ms) <= by_centre.error_ms + CENTRE_AGREES_MS
            return Stamp(now_ms if agrees else by_centre.utc_ms, Grade.CENTRE)
        if now_ms >= self.floor_ms:
            return Stamp(now_ms, Grade.SYSTEM)
        return Stamp(monotonic_ms, Grade.NONE)
