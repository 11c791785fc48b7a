"""A Modbus conversation on a line: one exchange at a time, a deadline around each, silence where it is due."""

import asyncio

from haihe_contract.clock import Clock
from haihe_contract.quality import Reason

from .line import BusDown, Line
from .modbus import (
    ExchangeError,
    OutOfStep,
    Refused,
    Request,
    find_rtu_answer,
    rtu_answer_bytes,
    rtu_request,
    take_tcp_answer,
    tcp_request,
    why_no_rtu_answer,
)

_QUIET_MS_MIN = 2
"""3.5 characters are 1.75 ms from 19200 baud on (MODBUS over Serial Line V1.02, section 2.5.1.1)."""
_SETTLE_MS = 50
"""After a failure the line must have been silent for so long; USB adapters hold bytes back for 16 ms."""
_SETTLE_MS_MAX = 1_000
"""A line that never falls silent is used all the same: the frame is found in the noise or it is not."""
_TIMEOUTS_BEFORE_RECONNECT = 3


class ModbusBus:
    """A bus with its line.

    Args:
        line: where the bytes go.
        clock: for the silence between frames.
        baud: of the serial line, None where none is known.
        framing: ``rtu`` or ``tcp``.
    """

    def __init__(self, line: Line, clock: Clock, *, baud: int | None, framing: str) -> None:
        self.line = line
        self._clock = clock
        self._character_ms = 11_000 / baud if baud else 0.0
        self._quiet_ms = max(_QUIET_MS_MIN, 3.5 * self._character_ms)
        self._tcp = framing == "tcp"
        self._transaction = 0
        self._ended_ms = 0
        self._unsettled = False
        self._timeouts = 0

    @property
    def numbers_answers(self) -> bool:
        """Whether a late answer can be told from the one that is waited for (Modbus TCP)."""
        return self._tcp

    async def exchange(self, request: Request, answer_ms: int, pause_ms: int = 0) -> bytes:
        """Ask and return the registers, two bytes each.

        Args:
            request: what to read.
            answer_ms: how long the instrument may think.
            pause_ms: silence that this instrument needs before a request.

        Raises:
            ExchangeError: with the reason why there are none.
            BusDown: when the line cannot be used; it is closed then.
        """
        await self._silence(pause_ms)
        self._transaction = self._transaction + 1 & 0xFFFF
        wire_ms = self._character_ms * (8 + rtu_answer_bytes(request))
        if not self._tcp:
            self.line.buffer.clear()
        self.line.write(tcp_request(request, self._transaction) if self._tcp else rtu_request(request))
        try:
            async with asyncio.timeout((answer_ms + wire_ms) / 1000):
                registers = await self._answer(request)
        except TimeoutError:
            self._unsettled = True
            self._timeouts += 1
            failure = (
                ExchangeError(Reason.TIMEOUT, "no answer")
                if self._tcp
                else why_no_rtu_answer(self.line.buffer, request)
            )
            if self._tcp and self._timeouts >= _TIMEOUTS_BEFORE_RECONNECT:
                self._timeouts = 0
                self.line.close()  # a connection that nobody serves any more looks just like this
            raise failure from None
        except Refused:
            self._timeouts = 0
            raise
        except OutOfStep:
            self.line.close()
            raise
        except BusDown:
            self._unsettled = False
            raise
        finally:
            self._ended_ms = self._clock.monotonic_ms()
        self._timeouts = 0
        return registers

    async def _answer(self, request: Request) -> bytes:
        buffer = self.line.buffer
        while True:
            if self._tcp:
                found = take_tcp_answer(buffer, request, self._transaction)
            else:
                found = find_rtu_answer(buffer, request)
            if found is not None:
                return found
            await self.line.more()

    async def _silence(self, pause_ms: int) -> None:
        """Wait for the silence between frames; after a failure, until the line has settled."""
        if self._unsettled and not self._tcp:
            self._unsettled = False
            until = self._clock.monotonic_ms() + _SETTLE_MS_MAX
            while self._clock.monotonic_ms() < until:
                try:
                    async with asyncio.timeout(_SETTLE_MS / 1000):
                        self.line.buffer.clear()
                        await self.line.more()
                except TimeoutError:
                    break
        wanted = max(self._quiet_ms if not self._tcp else 0, pause_ms)
        left = self._ended_ms + wanted - self._clock.monotonic_ms()
        if left > 0:
            await self._clock.sleep(left / 1000)
