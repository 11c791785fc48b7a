"""What all instruments that are asked have in common, whatever they speak: due times, failures, state."""

from haihe_contract.clock import Clock
from haihe_contract.quality import Reason

from haihe_edge.site import Instrument, Site

from .exchange import ExchangeError
from .group import InstrumentState, Sample
from .schedule import Breaker


class AskedUnit:
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
        self.points: dict[str, list[int]] = {}
        for number in instrument.series:
            self.points.setdefault(site.series[number].point, []).append(number)
        self._clock = clock
        self._numbers = instrument.series
        self._answered_ms: int | None = None

    def none(self, reason: Reason) -> list[Sample]:
        """No value for any series, with the reason."""
        return [(number, None, reason) for number in self._numbers]

    def _ended(self, failure: ExchangeError | None, *, silent: bool) -> None:
        """Note how a poll ended: the failure that says why values are missing, and whether it counts as silence."""
        now = self._clock.monotonic_ms()
        self.failure = failure if silent else None
        if silent:
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
