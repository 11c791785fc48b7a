"""Instruments that speak text: asked, or listened to."""

import asyncio

from haihe_contract.clock import Clock
from haihe_contract.quality import Reason

from haihe_edge import limits
from haihe_edge.acquire.exchange import ExchangeError, character_ms
from haihe_edge.acquire.group import BusState, Happened, Sample
from haihe_edge.acquire.line import Line
from haihe_edge.acquire.listening import more_until, settle
from haihe_edge.acquire.schedule import probe_wait_ms
from haihe_edge.profile.text import TextProfile
from haihe_edge.site import Instrument, Site

from .meaning import Value
from .spoken_unit import SpokenUnit
from .text import Framer, Heard, TextReader, command_bytes

_OPENING_PAUSE_S = 0.1
"""Between the commands that set an instrument up; their answers are of no interest."""


class TextConversation:
    """A line on which one instrument at a time is asked.

    Args:
        line: where the bytes go.
        clock: to wait by.
        baud: bits per second.
        parity: of the line.
        stop_bits: of the line.
    """

    def __init__(self, line: Line, clock: Clock, *, baud: int, parity: str = "none", stop_bits: int = 1) -> None:
        self.line = line
        self.character_ms = character_ms(baud, parity, stop_bits)
        self._clock = clock
        self._unsettled = False
        self._ended_ms = 0

    async def ask(
        self, command: bytes, framer: Framer, reader: TextReader, message: str, wait_ms: float, pause_ms: int = 0
    ) -> Heard:
        """Send a command and wait for its message. What does not fit is passed over: echo, comments, banners.

        Args:
            command: what to send.
            framer: cuts messages out of the bytes.
            reader: reads them.
            message: which one is wanted.
            wait_ms: how long to wait, time on the wire included.
            pause_ms: silence that the instrument needs before.

        Raises:
            ExchangeError: with the reason why there is none.
            BusDown: when the line cannot be used.
        """
        await self.settle(pause_ms)
        refused, heard_bytes = framer.refused["checksum"], 0
        framer.restart(midway=False)
        self.line.buffer.clear()
        self.line.write(command)
        deadline_s = asyncio.get_running_loop().time() + wait_ms / 1000
        try:
            while await more_until(self.line, deadline_s):
                heard_bytes += len(self.line.buffer)
                frames = framer.feed(self.line.buffer)
                self.line.buffer.clear()
                for frame in frames:
                    heard = reader.read(frame, message)
                    if heard is not None:
                        return heard
            self._unsettled = True
            if framer.refused["checksum"] > refused:
                raise ExchangeError(Reason.CHECKSUM, "a damaged answer of {count} bytes", count=heard_bytes)
            if heard_bytes > len(command):
                raise ExchangeError(Reason.DAMAGED, "an answer that does not fit the request")
            raise ExchangeError(Reason.TIMEOUT, "no answer")
        finally:
            self._ended_ms = self._clock.monotonic_ms()

    async def settle(self, pause_ms: int) -> None:
        """Wait for the instrument's pause; after a failure until the line is silent, so that nothing late is left."""
        if self._unsettled:
            self._unsettled = False
            await settle(self.line, self._clock)
        left = self._ended_ms + pause_ms - self._clock.monotonic_ms()
        if left > 0:
            await self._clock.sleep(left / 1000)


class TextUnit(SpokenUnit):
    """An instrument that is asked.

    Args:
        instrument: of the site; its profile is a :class:`TextProfile`.
        site: for its series.
        bus: where it is asked.
        clock: for how long ago something was.
    """

    def __init__(self, instrument: Instrument, site: Site, bus: TextConversation, clock: Clock) -> None:
        super().__init__(instrument, site, clock)
        profile = instrument.profile
        assert isinstance(profile, TextProfile)  # noqa: S101 - the site file is checked
        self._profile, self._bus = profile, bus
        self._framer = Framer(profile.frame, profile.checksum, midway=False)
        self._reader = TextReader(profile, instrument.unit)
        self._opening = [command_bytes(text, instrument.unit) for text in profile.opening]
        self._opened: bytearray | None = None
        wanted = [point for point in profile.points if point.name in self.points]
        self._asks = [
            (
                message.name,
                command_bytes(message.send, instrument.unit),
                [point.name for point in wanted if profile.message_of(point) is message],
            )
            for message in profile.asked(self.points)
        ]

    async def poll(self, probe: tuple[int, int] | None = None) -> list[Sample]:
        """Ask for everything; after a message that did not come the others are not tried.

        Raises:
            BusDown: when the bus cannot be used; nothing of the instrument is blamed.
        """
        self.state.polls += 1
        await self._open()
        samples: list[Sample] = []
        failure: ExchangeError | None = None
        for message, command, points in self._asks:
            values: dict[str, Value] = {}
            if failure is None:
                try:
                    values = (await self._ask(message, command, probe)).values
                except ExchangeError as error:
                    if error.reason is Reason.BUS_DOWN:
                        raise
                    failure = error
            samples += self.values_of(values, points, Reason.SENTINEL if failure is None else failure.reason)
        self.conclude(failure)
        return samples

    async def _ask(self, message: str, command: bytes, probe: tuple[int, int] | None) -> Heard:
        answer = self._profile.answer_ms
        think = answer.most if probe is None else probe_wait_ms(answer.most, answer.typical, *probe)
        self.state.wait_ms = think
        frame = self._profile.frame
        wait = think + self._bus.character_ms * (len(command) + (frame.length or frame.most))
        failure: ExchangeError | None = None
        for _ in range(self._profile.tries if probe is None else 1):
            try:
                return await self._bus.ask(command, self._framer, self._reader, message, wait, self._profile.pause_ms)
            except ExchangeError as error:
                failure = error
                if error.reason is Reason.BUS_DOWN:
                    break
        raise failure or ExchangeError(Reason.TIMEOUT, "no answer")

    async def _open(self) -> None:
        """Set the instrument up after the port was opened, and when it may have started anew."""
        buffer = self._bus.line.buffer  # another one after each opening
        if not self._opening or (buffer is self._opened and not self.breaker.failures):
            return
        for command in self._opening:
            await self._bus.settle(0)
            self._bus.line.write(command)
            await self._clock.sleep(_OPENING_PAUSE_S)
        self._opened = buffer


class TextListener:
    """An instrument that speaks by itself, alone on its line: heard all the time, written down when due.

    Args:
        instrument: of the site; its profile is a :class:`TextProfile`.
        site: for its series.
        line: where it is heard.
        clock: when it is heard.
        happened: told when it falls silent and when it is back.
    """

    def __init__(self, instrument: Instrument, site: Site, line: Line, clock: Clock, happened: Happened) -> None:
        profile = instrument.profile
        assert isinstance(profile, TextProfile)  # noqa: S101 - the site file is checked
        self.name = instrument.name
        self.line = line
        self.error: tuple[str, dict[str, object]] | None = None
        self._unit = SpokenUnit(instrument, site, clock)
        self._bus_name = instrument.bus
        self._silent_after_ms = profile.silent_after_ms
        self._framer = Framer(profile.frame, profile.checksum)
        self._reader = TextReader(profile, instrument.unit)
        self._opening = [command_bytes(text, instrument.unit) for text in profile.opening]
        self._opened: bytearray | None = None
        self._clock = clock
        self._happened = happened
        self._values: dict[str, tuple[int, Value]] = {}
        self._bytes_ms: int | None = None
        self._unexplained = 0

    def hear(self) -> None:
        """Take in what has arrived on the line."""
        buffer = self.line.buffer
        if buffer is not self._opened:
            self._opened = buffer
            self._framer.restart(midway=True)
            for command in self._opening:
                self.line.write(command)
        now = self._clock.monotonic_ms()
        if buffer:
            self._bytes_ms = now
        frames = self._framer.feed(buffer)
        buffer.clear()
        for frame in frames:
            heard = self._reader.read(frame)
            if heard is None:
                self._unexplained += 1
                continue
            for name, value in heard.values.items():
                self._values[name] = (now, value)

    def has_spoken(self) -> bool:
        """Whether it has said something that its profile explains."""
        return bool(self._values)

    def samples(self) -> list[Sample]:
        """The newest value of each series that is not too old; why there is none for the others."""
        self._unit.state.polls += 1
        if not self.line.is_open:
            return self._unit.none(Reason.BUS_DOWN)
        now = self._clock.monotonic_ms()
        fresh = {name: value for name, (at, value) in self._values.items() if now - at <= self._silent_after_ms}
        failure = None if fresh else self._why(now)
        was_silent = self._unit.breaker.is_open
        self._unit.conclude(failure)
        if self._unit.breaker.is_open and not was_silent:
            self._happened("instrument_silent", {"instrument": self.name, "why": str(failure)})
        elif was_silent and not self._unit.breaker.is_open:
            self._happened("instrument_back", {"instrument": self.name})
        absent = Reason.SENTINEL if failure is None else failure.reason
        return self._unit.values_of(fresh, self._unit.points, absent)

    def _why(self, now: int) -> ExchangeError:
        if self._bytes_ms is None or now - self._bytes_ms > self._silent_after_ms:
            return ExchangeError(Reason.TIMEOUT, "the instrument says nothing")
        if self._framer.refused["checksum"] and not self._unexplained:
            return ExchangeError(Reason.CHECKSUM, "only damaged messages came")
        return ExchangeError(Reason.DAMAGED, "bytes come that the profile does not explain")

    def shown(self) -> BusState:
        """How it is doing."""
        state = self._unit.shown(limits.PROBE_PAUSE_MS_MAX)
        state.next_probe_ms = None
        detail: dict[str, object] = {"refused": {**self._framer.refused, "unexplained": self._unexplained}}
        return BusState(self._bus_name, "ascii", self.line.name, self.line.is_open, self.error, [state], detail)
