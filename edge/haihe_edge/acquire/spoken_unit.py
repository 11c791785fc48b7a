"""What instruments that speak text and those on SDI-12 have in common: due times, failures, state."""

from collections.abc import Iterable, Mapping

from haihe_contract.clock import Clock
from haihe_contract.quality import Reason

from haihe_edge.site import Instrument, Site

from .group import InstrumentState, Sample
from .meaning import Value
from .modbus import ExchangeError
from .outage import Told
from .schedule import Breaker

DEAF = frozenset((Reason.TIMEOUT, Reason.CHECKSUM, Reason.DAMAGED, Reason.BUS_DOWN))
"""Failures after which nobody knows whether the instrument lives."""


class SpokenUnit:
    """One instrument and its series.

    Args:
        instrument: of the site.
        site: for its series.
        clock: for how long ago something was.
    """

    def __init__(self, instrument: Instrument, site: Site, clock: Clock) -> None:
        self.name = instrument.name
        self.period_ms = instrument.period_ms
        self.due_ms = 0
        self.has_alarms = any(level.number in instrument.series for level in site.levels)
        self.breaker = Breaker()
        self.failure: ExchangeError | None = None
        self.state = InstrumentState(instrument.name, instrument.unit)
        self._clock = clock
        self._answered_ms: int | None = None
        self._numbers = instrument.series
        self.points: dict[str, list[int]] = {}
        for number in instrument.series:
            self.points.setdefault(site.series[number].point, []).append(number)

    def told(self) -> list[Told]:
        """Nothing beyond what the readings say."""
        return []

    def none(self, reason: Reason) -> list[Sample]:
        """No value for any series, with the reason."""
        return [(number, None, reason) for number in self._numbers]

    def values_of(self, values: Mapping[str, Value], points: Iterable[str], absent: Reason) -> list[Sample]:
        """The series of those points; what the instrument left out is missing for the given reason."""
        return [(number, *values.get(point, (None, absent))) for point in points for number in self.points[point]]

    def conclude(self, failure: ExchangeError | None) -> None:
        """Note how a poll ended: without failure, or with the one that says why values are missing."""
        now = self._clock.monotonic_ms()
        self.failure = failure if failure is not None and failure.reason in DEAF else None
        if self.failure is not None:
            self.breaker.failed(now)
        else:
            self._answered_ms = now
            self.breaker.answered()
        if failure is None:
            self.state.answers += 1
        self.state.error = None if failure is None else (failure.sentence, failure.facts)

    def shown(self, pause_most_ms: int) -> InstrumentState:
        """How it is doing, where a unit that is left alone is probed with such pauses at most."""
        now = self._clock.monotonic_ms()
        self.state.failures = self.breaker.failures
        self.state.answered_ago_ms = None if self._answered_ms is None else now - self._answered_ms
        left_alone = self.breaker.is_open
        self.state.next_probe_ms = max(0, self.breaker.probe_ms(pause_most_ms) - now) if left_alone else None
        return self.state
