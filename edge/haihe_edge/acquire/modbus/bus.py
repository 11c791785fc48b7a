"""A Modbus conversation on a line: one exchange at a time, a deadline around each, silence where it is due."""

import asyncio

from haihe_contract.clock import Clock
from haihe_contract.quality import Reason

from haihe_edge.acquire.exchange import ExchangeError, character_ms
from haihe_edge.acquire.line import BusDown, Line
from haihe_edge.acquire.listening import more_until, settle

from .frames import (
    OutOfStep,
    Refused,
    Request,
    Write,
    another_rtu_answer,
    find_rtu_answer,
    quiet_ms,
    rtu_answer_bytes,
    rtu_request,
    take_tcp_answer,
    tcp_request,
    why_no_rtu_answer,
)

_TIMEOUTS_BEFORE_RECONNECT = 3


class ModbusBus:
    """A bus with its line.

    Args:
        line: where the bytes go.
        clock: to wait by.
        baud: of the serial line, None where none is known.
        framing: ``rtu`` or ``tcp``.
        parity: of the serial line.
        stop_bits: of the serial line.
    """

    def __init__(
        self, line: Line, clock: Clock, *, baud: int | None, framing: str, parity: str = "even", stop_bits: int = 1
    ) -> None:
        self.line = line
        self.answer_took_ms = 0.0
        """How long the instrument thought before its last answer, without the time on the wire."""
        self._clock = clock
        self._character_ms = character_ms(baud, parity, stop_bits) if baud else 0.0
        self._quiet_ms = quiet_ms(self._character_ms)
        self._tcp = framing == "tcp"
        self._transaction = 0
        self._ended_s = 0.0
        self._unsettled = False
        self._timeouts = 0
        self._answers: dict[int, tuple[Request, bytes]] = {}
        self._shared_units: set[int] = set()

    @property
    def numbers_answers(self) -> bool:
        """Whether a late answer can be told from the one that is waited for (Modbus TCP)."""
        return self._tcp

    def wire_ms(self, request: Request | Write) -> float:
        """How long request and full answer take on the wire."""
        size = len(rtu_request(request)) + rtu_answer_bytes(request)
        return self._character_ms * size + (0 if self._tcp else self._quiet_ms)

    async def exchange(self, request: Request | Write, answer_ms: int, pause_ms: int = 0) -> bytes:
        """Ask and return the data: registers, two bytes each; none for a write.

        Args:
            request: what to read or write.
            answer_ms: how long the instrument may think.
            pause_ms: silence that this instrument needs before a request.

        Raises:
            ExchangeError: with the reason why there are none.
            BusDown: when the line cannot be used; it is closed then.
        """
        await self._silence(pause_ms)
        self._transaction = self._transaction + 1 & 0xFFFF
        frame = tcp_request(request, self._transaction) if self._tcp else rtu_request(request)
        wire_ms = self.wire_ms(request)
        if not self._tcp:
            self._look_for_second_answers()
            self._answers.pop(request.unit, None)
            self.line.buffer.clear()
        loop = asyncio.get_running_loop()
        asked_s = loop.time()
        self.line.write(frame)
        try:
            registers = await self._answer(request, asked_s + (answer_ms + wire_ms) / 1000)
        except TimeoutError:
            self._unsettled = True
            self._timeouts += 1
            failure = (
                ExchangeError(Reason.TIMEOUT, "no answer")
                if self._tcp
                else why_no_rtu_answer(self.line.buffer, request)
            )
            if self.line.dies_silently and self._timeouts >= _TIMEOUTS_BEFORE_RECONNECT:
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
            self._ended_s = loop.time()
        self._timeouts = 0
        self.answer_took_ms = max(0.0, (self._ended_s - asked_s) * 1000 - wire_ms)
        if isinstance(request, Request) and not self._tcp:
            self._answers[request.unit] = request, registers
        return registers

    def shares_address(self, unit: int) -> bool:
        """Whether two instruments have answered at that address since this was last asked (RTU)."""
        self._look_for_second_answers()
        is_shared = unit in self._shared_units
        self._shared_units.discard(unit)
        return is_shared

    def _look_for_second_answers(self) -> None:
        """In what has come, before it is thrown away: two instruments may share an address.

        The slower of the two may speak only when another unit has been asked, so what each unit said last is
        remembered until it is asked again. Which of the two was slower, or who was asked next, must not matter.
        """
        for unit, (request, taken) in self._answers.items():
            if another_rtu_answer(self.line.buffer, request, taken):
                self._shared_units.add(unit)

    async def _answer(self, request: Request | Write, deadline_s: float) -> bytes:
        buffer = self.line.buffer
        while True:
            if self._tcp:
                found = take_tcp_answer(buffer, request, self._transaction)
            else:
                found = find_rtu_answer(buffer, request)
            if found is not None:
                return found
            if not await more_until(self.line, deadline_s):
                raise TimeoutError

    async def _silence(self, pause_ms: int) -> None:
        """Wait for the silence between frames; after a failure, until the line has settled."""
        if self._unsettled and not self._tcp:
            self._unsettled = False
            self._look_for_second_answers()
            await settle(self.line, self._clock)
        # The loop's own time: whole milliseconds would make each silence a quarter longer at 9600 baud.
        wanted = max(0.0 if self._tcp else self._quiet_ms, pause_ms)
        left_s = self._ended_s + wanted / 1000 - asyncio.get_running_loop().time()
        if left_s > 0:
            await self._clock.sleep(left_s)
