"""The clock that readings are stamped with."""

from haihe_contract.clock import Clock
from haihe_contract.quality import Grade

from .kernel import synchronised
from .trust import ClockTrust, Stamp

SYNC_CHECK_MS = 60_000


class StationClock:
    """The clock that readings are stamped with: the machine's, as far as it can be trusted."""

    def __init__(self, system: Clock, trust: ClockTrust) -> None:
        self._system, self.trust = system, trust
        self._synchronised, self._checked_ms = False, -SYNC_CHECK_MS

    def stamp(self) -> Stamp:
        """Time and grade for something that happens now."""
        monotonic = self._system.monotonic_ms()
        if monotonic - self._checked_ms >= SYNC_CHECK_MS:
            self._synchronised, self._checked_ms = synchronised(), monotonic
        return self.trust.stamp(self._system.now_ms(), monotonic, synchronised=self._synchronised)

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
