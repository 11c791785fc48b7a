"""One instrument on its bus: what it is asked, what it said, how long it is waited for."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from haihe_contract.clock import Clock
from haihe_contract.errors import FieldError
from haihe_contract.quality import Reason

from haihe_edge import limits
from haihe_edge.acquire.asked_unit import AskedUnit
from haihe_edge.acquire.exchange import ExchangeError
from haihe_edge.acquire.group import InstrumentState, Sample
from haihe_edge.acquire.line import BusDown
from haihe_edge.acquire.outage import Told
from haihe_edge.acquire.schedule import probe_wait_ms
from haihe_edge.profile import ModbusProfile, variant_of, varied
from haihe_edge.site import Instrument, Site

from .bus import ModbusBus
from .decode import decode
from .follow import follow
from .frames import Ask, Refused, Request, Unsent, Write
from .identity import Identity
from .log import LogReader
from .patience import Patience
from .plan import reading, telling_read
from .recipe import answered, questions, recipe

_T = TypeVar("_T")
_NOT_THERE_CODES = (1, 2, 3)
"""Exceptions by which an instrument says that it has no such function, register or length of a read."""
_WAIT_CODES = (5, 6)
"""Exceptions by which an instrument asks for patience: accepted and still working, busy."""


class Unit(AskedUnit):
    """One instrument.

    Args:
        instrument: of the site.
        site: for its series.
        bus: where it is asked.
        clock: for pauses between probes.
    """

    def __init__(self, instrument: Instrument, site: Site, bus: ModbusBus, clock: Clock) -> None:
        super().__init__(instrument, site, clock)
        self._bus = bus
        self._refusal: ExchangeError | None = None
        self._patience = Patience(instrument.profile.answer_ms.typical, instrument.profile.answer_ms.most)
        self._probe: tuple[int, int] | None = None
        self._unit = instrument.unit
        profile = instrument.profile
        assert isinstance(profile, ModbusProfile)  # noqa: S101 - the site lets no other on this kind of bus
        self._model = profile
        self.identity = Identity(instrument, site.profile_files, clock)
        self._fit(profile)
        self._wrote = False
        self._asked_ms: int | None = None
        self._doubt_ms: int | None = None

    def _fit(self, profile: ModbusProfile) -> None:
        """Prepare what a poll consists of, for the variant that this profile describes."""
        self._profile = profile
        self._recipe = recipe(profile, self._unit, self.points)
        reads = self._recipe.reads
        numbers = self.points
        self._reads = [
            (read.request, read.fields, [numbers.get(field.name, []) for field in read.fields]) for read in reads
        ]
        # Read back in spare time, so its late answers must be told apart too.
        self.logs = {each.name: LogReader(profile, self._unit, each) for each in profile.memory}
        self._telling = telling_read(profile, [*reads, *(read for log in self.logs.values() for read in log.reads())])
        self._clearing = {read.request for read in reads if read.clears}
        self._variant_is_open = any(each.when for each in profile.variants)

    def told(self) -> list[Told]:
        """What the last poll showed and people should hear of."""
        return self.identity.told()

    def none(self, reason: Reason) -> list[Sample]:
        """No value for any series, with the reason."""
        if reason is Reason.BUS_DOWN:
            self.identity.is_open = True  # it may be another one when the line is back
        return super().none(reason)

    async def poll(self, probe: tuple[int, int] | None = None) -> list[Sample]:
        """Ask for everything.

        After a read that failed the others are not tried: what does not answer once is not asked again
        before its next due time. What a refusal concerns is one read only. Afterwards ``failure`` says why the
        instrument counts as silent, or None.

        Args:
            probe: for a unit that is left alone: longest pause between probes and number of dead units, by which
                the wait is shortened (:func:`haihe_edge.acquire.schedule.probe_wait_ms`).

        Raises:
            BusDown: when the bus cannot be used; nothing of the instrument is blamed.
        """
        self.state.polls += 1
        self._probe = probe
        samples = await self._poll()
        if self._bus.shares_address(self._unit):
            self.identity.shared(self._unit)
        elif self.identity.is_settled:
            return samples
        elif self.failure is None:
            await self.identity.polled(self._ask, samples, self._refusal)
        if self.state.error is None or self.identity.knows_nothing:
            self.state.error = self.identity.error or self.state.error
        return self.identity.marked(samples)

    async def obey(self, where: str, job: Callable[[Ask], Awaitable[_T]], *, once: bool = False) -> _T:
        """Have a person's wish done, if this is the instrument that is meant; between two polls only.

        Args:
            where: for whoever is refused.
            job: does it with exchanges that raise :class:`ExchangeError`.
            once: no read is asked again either, however busy the instrument is.

        Raises:
            FieldError: when it is not done; and what the job raises.
        """
        self._probe = None
        try:
            if self._sleeps():
                await self._wake_up()
            failure = await self._recognise() if self.identity.is_due else None
        except BusDown as down:
            failure = down
        if failure is not None:
            raise FieldError(
                f"it does not say who it is: {failure}", where=where, do="nothing was written; read it first"
            )
        if (error := self.identity.error) is not None:
            raise FieldError(error[0].format(**error[1]), where=where, do="nothing was written; mend that first")

        async def ask(request: Request | Write) -> bytes:
            try:
                await self._settle_doubt()
            except ExchangeError as doubt:
                raise Unsent(doubt.reason, doubt.sentence, **doubt.facts) from doubt
            answer = await self._ask(request, once=once)
            if isinstance(answer, ExchangeError):
                raise answer
            return answer

        return await job(ask)

    async def _wake_up(self) -> None:
        """Ask something harmless whose answer nobody needs."""
        wake = self._recipe.wake
        harmless = next((each for each in self._profile.points if not each.read_clears), None)
        if wake is not None and harmless is not None:
            await self._ask(reading(self._profile, self._unit, harmless))
            await self._clock.sleep(wake.wait_ms / 1000)

    async def _poll(self) -> list[Sample]:
        if self._variant_is_open or self.identity.is_due or not self._recipe.is_plain:
            return await self._poll_by_recipe()
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

    async def _poll_by_recipe(self) -> list[Sample]:
        """As :meth:`poll`, for instruments that want more than plain reads."""
        if (self._variant_is_open or self.identity.is_due) and (failure := await self._recognise()) is not None:
            self._conclude(failure, silent=True)
            return self.none(failure.reason)
        done = await follow(self._recipe, self._ask, self._clock, asleep=self._sleeps())
        self._conclude(done.failure, silent=done.silent)
        if done.silent and self._profile is not self._model:
            self._fit(self._model)  # it may be another one when it is back
        absent = None, Reason.SENTINEL
        return [(number, *done.values.get(name, absent)) for name, numbers in self.points.items() for number in numbers]

    async def _recognise(self) -> ExchangeError | None:
        """Ask who it is, and which variant; why that cannot be known now, or None."""
        said: dict[str, int | float | str | None] = {}
        asked = questions(self._model, self._unit)
        if asked and self._sleeps() and (wake := self._recipe.wake) is not None:
            await self._ask(asked[0].request)
            await self._clock.sleep(wake.wait_ms / 1000)
        for question in asked:
            answer = await self._ask(question.request)
            if not isinstance(answer, ExchangeError):
                said.update(answered(self._model, question, answer))
            elif not (isinstance(answer, Refused) and answer.alive):
                return answer
            elif answer.code not in _NOT_THERE_CODES:
                return None  # it cannot say so now; it is asked again before the next poll
        self.identity.said(said)
        variant = variant_of(self._model, said)
        if variant is not None:
            self._fit(varied(self._model, variant))
        self._variant_is_open = False
        return None

    def _sleeps(self) -> bool:
        """Whether it has to be woken before it hears."""
        wake, asked_ms = self._recipe.wake, self._asked_ms
        return wake is not None and (asked_ms is None or self._clock.monotonic_ms() - asked_ms >= wake.after_ms)

    @property
    def is_sure(self) -> bool:
        """Whether it answers, is who it should be, and no late answer of it can be under way."""
        well = self._answered_ms is not None and self.breaker.failures == 0
        return well and self._doubt_ms is None and self.identity.error is None

    def takes_ms(self, request: Request | Write) -> float:
        """How long an exchange takes if no answer comes."""
        pause = max(self._profile.pause_ms, self._profile.pause_after_write_ms)
        return self._patience.ms + self._bus.wire_ms(request) + pause + limits.PROBE_COST_MS

    async def remember(self, request: Request | Write) -> bytes | ExchangeError:
        """One exchange about its memory, and never more than one; what goes wrong does not count against it.

        A write only chooses what is read next. It changes nothing, so it is waited for no longer than a read: the
        longest answer that the profile allows may be longer than all spare time between two polls.

        Raises:
            BusDown: when the bus cannot be used.
        """
        self._probe = None
        return await self._ask(request, once=True, wait_ms=self._patience.ms)

    async def _ask(
        self, request: Request | Write, *, once: bool = False, wait_ms: int | None = None
    ) -> bytes | ExchangeError:
        try:
            await self._settle_doubt()
            return await self._exchange_when_ready(request, once=once, wait_ms=wait_ms)
        except BusDown:
            raise
        except Refused as refusal:
            refusal.facts["what"] = self._profile.exceptions.get(refusal.code, refusal.facts["what"])
            return refusal
        except ExchangeError as error:
            if not self._bus.numbers_answers and self._doubt_ms is None:
                self._doubt_ms = self._clock.monotonic_ms()
            return error

    async def _exchange_when_ready(self, request: Request | Write, *, once: bool, wait_ms: int | None) -> bytes:
        """Who says "busy" or "still working" is asked again, for as long as an answer may take anyway.

        Not after a command, nor for what a read clears: whether it was carried out is not known then.
        """
        pause_ms = max(limits.BUSY_PAUSE_MS, self._profile.pause_ms)
        until = self._clock.monotonic_ms() + self._profile.answer_ms.most
        once = once or isinstance(request, Write) or request in self._clearing or self._profile.retry is not None
        while True:
            try:
                return await self._exchange(request, wait_ms)
            except Refused as refusal:
                if once or refusal.code not in _WAIT_CODES or self._clock.monotonic_ms() + pause_ms > until:
                    raise
            await self._clock.sleep(pause_ms / 1000)
            pause_ms *= 2

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
                await self._exchange(self._telling)
        self._doubt_ms = None

    def _wait_ms(self, request: Request | Write) -> int:
        """How long its answer may take."""
        if isinstance(request, Write):
            return self._profile.answer_ms.most
        if self._probe is None:
            return self._patience.ms
        return probe_wait_ms(self._patience.ms, self._profile.answer_ms.typical, *self._probe)

    async def _exchange(self, request: Request | Write, wait_ms: int | None = None) -> bytes:
        pause = self._profile.pause_ms
        if self._wrote:
            pause = max(pause, self._profile.pause_after_write_ms)
        self._wrote = isinstance(request, Write)
        self._asked_ms = self._clock.monotonic_ms()
        try:
            answer = await self._bus.exchange(request, wait_ms or self._wait_ms(request), pause)
        except ExchangeError as error:
            if error.reason is Reason.TIMEOUT:
                self._patience.missed()
            raise
        self._patience.answered(self._bus.answer_took_ms)
        return answer

    def _conclude(self, failure: ExchangeError | None, *, silent: bool) -> None:
        self._ended(failure, silent=silent)
        self._refusal = None if silent else failure
        if silent:
            self.identity.is_open = self.identity.is_open or self.breaker.is_open
        never = self._answered_ms is None and self.breaker.is_open
        if failure is not None and failure.reason is Reason.CHECKSUM and never:
            self.state.error = ("nothing but damaged bytes, never an answer: check baud rate and parity", {})

    def shown(self, pause_most_ms: int) -> InstrumentState:
        """How it is doing, where a unit that is left alone is probed with such pauses at most."""
        self.state.wait_ms = self._patience.ms
        return super().shown(pause_most_ms)
