"""Sensors on an SDI-12 line behind a serial adapter: wake, ask, wait, collect."""

import asyncio

from haihe_contract.clock import Clock
from haihe_contract.quality import Reason
from haihe_contract.quantity import duration_ms

from haihe_edge.acquire.exchange import ExchangeError
from haihe_edge.acquire.group import Sample
from haihe_edge.acquire.line import SerialLine
from haihe_edge.acquire.listening import more_until
from haihe_edge.profile.sdi12 import Measurement, Sdi12Point, Sdi12Profile, address_of
from haihe_edge.site import Instrument, Sdi12Bus, Site

from .meaning import Value, doubted, is_seen, meaning
from .sdi12 import (
    BREAK_MS,
    CHARACTER_MS,
    FRESH_MS,
    INNER_TRIES,
    LINE_BYTES_MAX,
    MARK_BEFORE_SLEEP_MS,
    MARK_MS,
    ZERO_MS,
    Ask,
    Attend,
    Course,
    Identification,
    Leave,
    command,
    even_parity,
    has_even_parity,
    measuring,
    read_identification,
)
from .spoken_unit import DEAF, SpokenUnit

_ZERO_BAUD = 600
"""A zero byte at this speed is nine bits of spacing: 15 ms."""


class Sdi12Conversation:
    """An SDI-12 line: one command at a time, with break, retries and checks.

    Args:
        line: the adapter's port, set to eight bits without parity: parity is made and checked here.
        clock: to wait by.
        bus: its settings.
    """

    def __init__(self, line: SerialLine, clock: Clock, bus: Sdi12Bus) -> None:
        self.line = line
        self.units: list[Sdi12Unit] = []
        self._clock = clock
        self._bus = bus
        self._latency_ms = duration_ms(bus.latency)
        self._parity = bus.parity == "even"
        self._spoken: tuple[str, int] = ("", -MARK_BEFORE_SLEEP_MS)

    async def ask(self, step: Ask, answer_ms: int, wake_ms: int = 0) -> bytes:
        """Ask with the retries of the specification; give the answer with its line end.

        Args:
            step: what to send and how often.
            answer_ms: how long the sensor may think.
            wake_ms: what it needs after the break beyond the specification.

        Raises:
            ExchangeError: with the reason of the last try.
            BusDown: when the line cannot be used.
        """
        address = step.data[:1].decode("ascii")
        failure = ExchangeError(Reason.TIMEOUT, "no answer")
        for _ in range(step.outer):
            for inner in range(step.inner):
                await self._wake(address, anew=inner == 0, wake_ms=wake_ms)
                self.line.buffer.clear()
                self.line.write(self._coded(step.data))
                wire_ms = len(step.data) * CHARACTER_MS
                try:
                    answer = await self._line(step.data, wire_ms + answer_ms + self._latency_ms)
                    if address not in ("?", answer[:1].decode("latin-1")):
                        other = answer[:1].decode("ascii", "replace")
                        raise ExchangeError(Reason.TIMEOUT, "no answer, but unit {other} spoke", other=other)
                    return answer
                except ExchangeError as error:
                    if error.reason is Reason.BUS_DOWN:
                        raise
                    failure = error
                finally:
                    self._spoken = (address, self._clock.monotonic_ms())
        raise failure

    async def attend(self, address: str, milliseconds: int) -> bool:
        """Wait for a service request on the busy line; whether one came before the time was over."""
        until = self._clock.monotonic_ms() + milliseconds
        while (left := until - self._clock.monotonic_ms()) > 0:
            try:
                line = await self._line(b"", left)
            except ExchangeError as error:
                if error.reason is Reason.BUS_DOWN:
                    raise
                continue
            if line == address.encode("ascii") + b"\r\n":
                return True
        return False

    async def identify(self, address: str = "?") -> Identification:
        """Who is there. With ``?`` there must be one sensor only, whose address is asked first.

        Raises:
            ExchangeError: when nobody answers.
            BusDown: when the line cannot be used.
        """
        if address == "?":
            answer = await self.ask(Ask(command("?", ""), 1, INNER_TRIES), 15)
            address = answer[:1].decode("latin-1")
        return read_identification(await self.ask(Ask(command(address, "I")), 15))

    def _coded(self, data: bytes) -> bytes:
        return even_parity(data) if self._parity else data

    async def _wake(self, address: str, *, anew: bool, wake_ms: int) -> None:
        last, at = self._spoken
        if self._bus.wakes == "adapter":
            return
        if not anew and last == address and self._clock.monotonic_ms() - at < MARK_BEFORE_SLEEP_MS:
            return
        if self._bus.wakes == "break":
            self.line.hold_break(True)
            try:
                await self._clock.sleep(BREAK_MS / 1000)
            finally:
                self.line.hold_break(False)
        else:
            self.line.set_baud(_ZERO_BAUD)
            self.line.write(b"\0")
            await self._clock.sleep(ZERO_MS / 1000)
            self.line.set_baud(self._bus.baud)
        await self._clock.sleep((MARK_MS + wake_ms) / 1000)

    async def _line(self, sent: bytes, first_ms: float) -> bytes:
        """The next line, without an echo of what was sent.

        Raises:
            ExchangeError: when none came in time, or a damaged one.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + first_ms / 1000
        longest = deadline + (LINE_BYTES_MAX * CHARACTER_MS + self._latency_ms) / 1000
        seen = 0
        while True:
            raw = bytes(self.line.buffer).lstrip(b"\0")
            plain = bytes(byte & 0x7F for byte in raw) if self._parity else raw
            start = len(sent) if sent and plain.startswith(sent) else 0
            end = plain.find(b"\r\n", start)
            if end >= 0:
                del self.line.buffer[: len(self.line.buffer) - len(raw) + end + 2]
                if self._parity and not has_even_parity(raw[start : end + 2]):
                    raise ExchangeError(Reason.CHECKSUM, "a damaged answer of {count} bytes", count=end - start)
                return plain[start : end + 2]
            if len(raw) > LINE_BYTES_MAX:
                self.line.buffer.clear()
                raise ExchangeError(Reason.DAMAGED, "bytes come that the profile does not explain")
            if len(raw) > max(seen, start):  # it speaks: give it the time to finish
                seen = len(raw)
                deadline = min(longest, max(deadline, loop.time() + (self._latency_ms + 50) / 1000))
            if not await more_until(self.line, deadline):
                if seen > start:
                    failure = ExchangeError(Reason.CHECKSUM, "a damaged answer of {count} bytes", count=seen)
                else:
                    failure = ExchangeError(Reason.TIMEOUT, "no answer")
                self.line.buffer.clear()
                raise failure


class _Running:
    """A measurement that was begun: its course, and when it can be collected."""

    def __init__(self, course: Course, ready_ms: int) -> None:
        self.course = course
        self.ready_ms = ready_ms


class Sdi12Unit(SpokenUnit):
    """One sensor.

    Args:
        instrument: of the site; its profile is a :class:`Sdi12Profile`.
        site: for its series.
        bus: where it is asked.
        clock: to wait by.
    """

    def __init__(self, instrument: Instrument, site: Site, bus: Sdi12Conversation, clock: Clock) -> None:
        super().__init__(instrument, site, clock)
        profile = instrument.profile
        assert isinstance(profile, Sdi12Profile)  # noqa: S101 - the site file is checked
        self._profile, self._bus = profile, bus
        self._address = address_of(instrument.unit)
        self._meanings = {point.name: meaning(point) for point in profile.points}
        needed = set(self.points) | {doubt.point for doubt in profile.doubts}
        self._asks: list[tuple[Measurement, list[Sdi12Point]]] = []
        for each in profile.asked(self.points):
            points = [point for point in profile.points if profile.measurement_of(point) is each]
            self._asks.append((each, [point for point in points if point.name in needed]))
        self._running: _Running | None = None
        bus.units.append(self)

    async def poll(self, probe: tuple[int, int] | None = None) -> list[Sample]:
        """Measure and collect; after silence the other measurements are not tried.

        Raises:
            BusDown: when the bus cannot be used; nothing of the sensor is blamed.
        """
        self.state.polls += 1
        values: dict[str, Value] = {}
        numbers: dict[str, float] = {}
        failures: dict[str, ExchangeError] = {}
        deaf: ExchangeError | None = None
        for index, (measurement, points) in enumerate(self._asks):
            try:
                if deaf is not None:
                    raise deaf
                found = await self._measure(measurement, first=index == 0, probe=probe is not None)
            except ExchangeError as error:
                if error.reason is Reason.BUS_DOWN:
                    self._running = None
                    raise
                failures[measurement.name] = error
                deaf = error if error.reason in DEAF else None
                values.update((point.name, (None, error.reason)) for point in points)
                continue
            for point in points:
                numbers[point.name] = found[point.value]
                values[point.name] = self._meanings[point.name](found[point.value])
        doubted(values, [doubt for doubt in self._profile.doubts if is_seen(doubt, numbers)])
        self.conclude(next(iter(failures.values()), None))
        return self.values_of(values, self.points, Reason.SENTINEL)

    def _course(self, measurement: Measurement, *, together: bool) -> Course:
        profile = self._profile
        return measuring(
            self._address,
            measurement.command,
            measurement.values,
            crc=profile.crc,
            together=together and profile.concurrent,
            once=measurement.clears,
            ready_after_ms=profile.ready_after_ms,
        )

    async def _measure(self, measurement: Measurement, *, first: bool, probe: bool) -> list[float]:
        begun = self._running if first else None
        if begun is not None:
            self._running = None
            if self._clock.monotonic_ms() - begun.ready_ms > FRESH_MS:
                begun = None
        stage: _Running | list[float] | None = begun
        if stage is None:
            if probe:  # a sensor that may be dead: one round is enough to know
                await self._ask(Ask(command(self._address, ""), 1))
            together = any(unit is not self for unit in self._bus.units)
            stage = await self._begin(self._course(measurement, together=together))
            if first and isinstance(stage, _Running):
                await self._begin_others()
        while isinstance(stage, _Running):
            left = stage.ready_ms - self._clock.monotonic_ms()
            if left > 0:
                await self._clock.sleep(left / 1000)
            stage = await self._begin(stage.course)
        return stage

    async def _ask(self, step: Ask) -> bytes:
        return await self._bus.ask(step, self._profile.answer_ms.most, self._profile.wake_ms)

    async def _begin_others(self) -> None:
        """Let those that are due as well measure meanwhile; each is collected at its own turn."""
        now = self._clock.monotonic_ms()
        for unit in self._bus.units:
            if unit is not self and unit.due_ms <= now and unit.can_begin:
                await unit.begin()

    @property
    def can_begin(self) -> bool:
        """Whether it can measure while others are asked, and is worth it."""
        return (
            self._profile.concurrent
            and self._running is None
            and not self.breaker.failures
            and self._asks[0][0].command[0] == "M"
        )

    async def begin(self) -> None:
        """Begin the first measurement; what goes wrong is told when it is collected.

        Raises:
            BusDown: when the bus cannot be used.
        """
        try:
            running = await self._begin(self._course(self._asks[0][0], together=True))
        except ExchangeError as error:
            if error.reason is Reason.BUS_DOWN:
                raise
            return  # at its own turn it is asked again
        self._running = running if isinstance(running, _Running) else None

    async def _begin(self, course: Course) -> "_Running | list[float]":
        """Follow the course until the line is free for others, or to its end."""
        answer: bytes | None = None
        try:
            while True:
                step = course.send(answer)
                answer = None
                if isinstance(step, Leave):
                    return _Running(course, self._clock.monotonic_ms() + step.milliseconds)
                if isinstance(step, Attend):
                    await self._bus.attend(self._address, step.milliseconds)
                else:
                    answer = await self._ask(step)
        except StopIteration as end:
            return list(end.value)
