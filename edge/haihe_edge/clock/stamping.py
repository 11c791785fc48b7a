"""The clock that readings are stamped with."""

from collections.abc import Callable

from haihe_contract.clock import Clock
from haihe_contract.quality import Grade

from .kernel import synchronised
from .trust import ClockTrust, Moment, Stamp

SYNC_CHECK_MS = 60_000


class StationClock:
    """The clock that readings are stamped with: the machine's, as far as it can be trusted.

    Args:
        system: the machine's.
        trust: what is known of the time.
        kernel_says: whether NTP disciplines the machine's clock.
    """

    def __init__(self, system: Clock, trust: ClockTrust, kernel_says: Callable[[], bool] = synchronised) -> None:
        self._system, self.trust, self._kernel_says = system, trust, kernel_says
        self._synchronised, self._checked_ms = False, -SYNC_CHECK_MS

    def stamp(self) -> Stamp:
        """Time and grade for something that happens now."""
        monotonic = self._system.monotonic_ms()
        return self.trust.stamp(self._system.now_ms(), monotonic, synchronised=self._disciplined(monotonic))

    def moment(self) -> tuple[int, Moment | None]:
        """The millisecond of this boot, and what is known of its true time."""
        monotonic = self._system.monotonic_ms()
        known = self.trust.moment(self._system.now_ms(), monotonic, synchronised=self._disciplined(monotonic))
        return monotonic, known

    def _disciplined(self, monotonic: int) -> bool:
        if monotonic - self._checked_ms >= SYNC_CHECK_MS:
            self._synchronised, self._checked_ms = self._kernel_says(), monotonic
        return self._synchronised

    def now_ms(self) -> int:
        """The time to stamp with."""
        return self.stamp().time_ms

    def grade(self) -> Grade:
        """How good that time is."""
        return self.stamp().grade

    def monotonic_ms(self) -> int:
        """Milliseconds of this boot."""
        return self._system.monotonic_ms()

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await self._system.sleep(seconds)

    def saw_gnss(self, utc_ms: int, monotonic_ms: int) -> None:
        """A fix brought a time; it was received at that monotonic moment."""
        passed = self._system.monotonic_ms() - monotonic_ms
        self.trust.saw_gnss(utc_ms, monotonic_ms, self._system.now_ms() - passed)
