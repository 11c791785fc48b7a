"""One instrument on its bus: what it is asked, what it said, whether it is worth asking."""

from haihe_contract.clock import Clock
from haihe_contract.quality import Reason

from haihe_edge import limits
from haihe_edge.site import Instrument, Site

from .bus import ModbusBus
from .decode import decode
from .group import Happened, InstrumentState, Sample
from .line import BusDown
from .modbus import ExchangeError, Refused, Request
from .plan import plan, telling_read
from .schedule import Breaker


class Unit:
    """One instrument.

    Args:
        instrument: of the site.
        site: for its series.
        bus: where it is asked.
        clock: for pauses between probes.
        happened: told when it falls silent and when it is back.
    """

    def __init__(self, instrument: Instrument, site: Site, bus: ModbusBus, clock: Clock, happened: Happened) -> None:
        self._happened = happened
        self.name = instrument.name
        self.period_ms = instrument.period_ms
        self._profile = instrument.profile
        self._bus = bus
        self._clock = clock
        self._breaker = Breaker()
        self._numbers = instrument.series
        points: dict[str, list[int]] = {}
        for number in instrument.series:
            points.setdefault(site.series[number].point, []).append(number)
        reads = plan(instrument.profile, instrument.unit, points)
        self._reads = [(read.request, read.fields, [points[field.name] for field in read.fields]) for read in reads]
        self._telling = telling_read(instrument.profile, reads)
        self._doubt_ms: int | None = None
        self._answered_ms: int | None = None
        self.state = InstrumentState(instrument.name, instrument.unit)

    @property
    def is_failing(self) -> bool:
        """Whether the last poll failed: others go first."""
        return self._breaker.failures > 0

    def is_left_alone(self) -> bool:
        """Whether this due time is let pass."""
        return not self._breaker.allows(self._clock.monotonic_ms())

    def none(self, reason: Reason) -> list[Sample]:
        """No value for any series, with the reason."""
        return [(number, None, reason) for number in self._numbers]

    async def poll(self) -> list[Sample]:
        """Ask for everything.

        After a read that failed the others are not tried: what does not answer once is not asked again
        before its next due time. What a refusal concerns is one read only.

        Raises:
            BusDown: when the bus cannot be used; nothing of the instrument is blamed.
        """
        self.state.polls += 1
        samples: list[Sample] = []
        failure: ExchangeError | None = None
        silence: ExchangeError | None = None
        for request, fields, numbers in self._reads:
            answer = silence or await self._ask(request)
            if isinstance(answer, ExchangeError):
                failure = answer
                if not (isinstance(answer, Refused) and answer.alive):
                    silence = answer
                samples += [(number, None, answer.reason) for each in numbers for number in each]
                continue
            for (value, reason), each in zip(decode(fields, answer), numbers, strict=True):
                for number in each:
                    samples.append((number, value, reason))
        self._conclude(failure, silent=silence is not None)
        return samples

    async def _ask(self, request: Request) -> bytes | ExchangeError:
        try:
            await self._settle_doubt()
            return await self._bus.exchange(request, self._profile.answer_ms.most, self._profile.pause_ms)
        except BusDown:
            raise
        except Refused as refusal:
            return refusal
        except ExchangeError as error:
            if not self._bus.numbers_answers and self._doubt_ms is None:
                self._doubt_ms = self._clock.monotonic_ms()
            return error

    async def _settle_doubt(self) -> None:
        """After a time-out, make sure that its late answer can't pass for the answer to what is asked next.

        A read whose answer has another length is asked first: once it is answered, nothing older can come.
        Where the profile allows none, or the instrument refuses it, only time helps.

        Raises:
            ExchangeError: while there is doubt.
        """
        if self._doubt_ms is None:
            return
        left = self._doubt_ms + limits.LATE_ANSWER_MS - self._clock.monotonic_ms()
        if left > 0:
            if self._telling is None:
                await self._clock.sleep(min(left, self._profile.answer_ms.most) / 1000)
            else:
                await self._bus.exchange(self._telling, self._profile.answer_ms.most, self._profile.pause_ms)
        self._doubt_ms = None

    def _conclude(self, failure: ExchangeError | None, *, silent: bool) -> None:
        now = self._clock.monotonic_ms()
        was_left_alone = self._breaker.probe_ms is not None
        if failure is None or not silent:
            self._answered_ms = now
            self._breaker.answered()
            if was_left_alone:
                self._happened("instrument_back", {"instrument": self.name})
        else:
            self._breaker.failed(now)
            if not was_left_alone and self._breaker.probe_ms is not None:
                self._happened("instrument_silent", {"instrument": self.name, "why": str(failure)})
        if failure is None:
            self.state.answers += 1
        self.state.error = None if failure is None else (failure.sentence, failure.facts)

    def shown(self) -> InstrumentState:
        """How it is doing."""
        now = self._clock.monotonic_ms()
        self.state.failures = self._breaker.failures
        self.state.answered_ago_ms = None if self._answered_ms is None else now - self._answered_ms
        probe = self._breaker.probe_ms
        self.state.next_probe_ms = None if probe is None else max(0, probe - now)
        return self.state
