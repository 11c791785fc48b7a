"""Modbus on bytes: requests, frames, answers. Nothing here waits or touches a port.

Sources: MODBUS Application Protocol V1.1b3; MODBUS over Serial Line V1.02; MODBUS Messaging on TCP/IP V1.0b.
"""

import struct
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from haihe_contract.quality import Reason

from haihe_edge import limits
from haihe_edge.acquire.exchange import ExchangeError

ACKNOWLEDGE = 5
"""The exception by which an instrument says that it has accepted and needs time (section 7 of the first)."""
READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT = 1, 2, 3, 4
WRITE_COIL, WRITE_REGISTER, WRITE_REGISTERS = 5, 6, 16
COIL_ON = 0xFF00
"""What function 5 sends for on; off is 0 (MODBUS Application Protocol V1.1b3, section 6.5)."""
_EXCEPTION_BIT = 0x80
_GATEWAY_CODES = (0x0A, 0x0B)

EXCEPTIONS = {
    1: "function not known",
    2: "address not known",
    3: "value not allowed",
    4: "device failure",
    5: "accepted, still working",
    6: "busy",
    8: "memory parity error",
    10: "gateway has no path",
    11: "gateway: instrument does not answer",
}
"""Exception codes in words; makers add codes of their own."""

_REQUEST = struct.Struct(">BBHH")
_WRITE_MANY = struct.Struct(">BBHHB")
_MBAP = struct.Struct(">HHHB")


def quiet_ms(one_character_ms: float) -> float:
    """The silence between two frames: 3.5 characters, and 1.75 ms above 19200 baud.

    Source: MODBUS over Serial Line V1.02, section 2.5.1.1.
    """
    return max(1.75, 3.5 * one_character_ms)


class Request(NamedTuple):
    """One read.

    Args:
        unit: address on the bus.
        function: 3 for holding registers, 4 for input registers; 1 for coils, 2 for discrete inputs.
        start: first register (or coil), counted from 0.
        quantity: how many.
    """

    unit: int
    function: int
    start: int
    quantity: int

    @property
    def data_bytes(self) -> int:
        """Bytes of data in the answer: two a register, one for every eight coils."""
        return 2 * self.quantity if self.function > READ_DISCRETE else (self.quantity + 7) // 8


class Write(NamedTuple):
    """One write. It has no retry of its own: who writes reads back and compares.

    Args:
        unit: address on the bus.
        function: 6 for one register, 16 for several, 5 for a coil.
        start: first register (or coil), counted from 0.
        registers: what to write, as numbers of 16 bits; for a coil :data:`COIL_ON` or 0. None at all (function 16)
            is a command of some makers.
    """

    unit: int
    function: int
    start: int
    registers: tuple[int, ...]

    @property
    def body(self) -> bytes:
        """Unit and PDU of the request.

        Raises:
            ValueError: when the function cannot carry that many registers.
        """
        if self.function == WRITE_REGISTERS and len(self.registers) <= limits.WRITTEN_REGISTERS_MAX:
            many = len(self.registers)
            head = _WRITE_MANY.pack(self.unit, self.function, self.start, many, 2 * many)
            return head + struct.pack(f">{many}H", *self.registers)
        if self.function in (WRITE_COIL, WRITE_REGISTER) and len(self.registers) == 1:
            return _REQUEST.pack(self.unit, self.function, self.start, self.registers[0])
        raise ValueError(f"function {self.function} cannot write {len(self.registers)} registers")

    @property
    def answer(self) -> bytes:
        """Unit and PDU of the only answer that confirms it (the same standard, sections 6.5, 6.6 and 6.12)."""
        return self.body[:6]


Ask = Callable[[Request | Write], Awaitable[bytes]]
"""One exchange with the instrument. Raises :class:`ExchangeError`."""


class Refused(ExchangeError):
    """The instrument, or a gateway before it, answered with an exception code."""

    def __init__(self, code: int) -> None:
        what = EXCEPTIONS.get(code, "a code of the maker's own")
        super().__init__(Reason.EXCEPTION, "the instrument refused: exception {code} ({what})", code=code, what=what)
        self.code = code

    @property
    def alive(self) -> bool:
        """Whether the instrument itself spoke, not a gateway that misses it."""
        return self.code not in _GATEWAY_CODES


class Unsent(ExchangeError):
    """The request was not even sent, for what came of the one before it."""


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ 0xA001 if byte & 1 else byte >> 1
        table.append(byte)
    return tuple(table)


_CRC = _table()


def crc16(data: bytes | bytearray | memoryview) -> int:
    """CRC-16/MODBUS (polynomial A001 reflected, start FFFF); goes on the wire low byte first."""
    crc, table = 0xFFFF, _CRC
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


def _body(request: Request | Write) -> bytes:
    return request.body if isinstance(request, Write) else _REQUEST.pack(*request)


def rtu_request(request: Request | Write) -> bytes:
    """The request as it goes over a serial line."""
    body = _body(request)
    return body + crc16(body).to_bytes(2, "little")


def tcp_request(request: Request | Write, transaction: int) -> bytes:
    """The request as it goes over Modbus TCP."""
    body = _body(request)
    return _MBAP.pack(transaction, 0, len(body), request.unit) + body[1:]


def rtu_answer_bytes(request: Request | Write) -> int:
    """How long the full answer is on a serial line."""
    return 8 if isinstance(request, Write) else 5 + request.data_bytes


def _answer_head(request: Request | Write) -> tuple[bytes, int]:
    """How the answer must begin, and how many bytes of data follow: none to a write, which only confirms."""
    if isinstance(request, Write):
        return request.answer, 0
    size = request.data_bytes
    return bytes((request.unit, request.function, size)), size


def find_rtu_answer(buffer: bytes | bytearray, request: Request | Write) -> bytes | None:
    """The data of the answer (none for a write), if the buffer holds it, whatever stands before it.

    Noise, an echo of the request, answers of other units and answers of another length are passed over: only
    a frame with the right unit, function, length and checksum counts.

    Raises:
        Refused: when the instrument answered with an exception.
    """
    head, size = _answer_head(request)
    start = buffer.find(head)
    while start >= 0:
        end = start + len(head) + size
        if end + 2 > len(buffer):
            break
        if crc16(buffer[start:end]) == buffer[end] | buffer[end + 1] << 8:
            return bytes(buffer[end - size : end])
        start = buffer.find(head, start + 1)
    head = bytes((request.unit, request.function | _EXCEPTION_BIT))
    start = buffer.find(head)
    while start >= 0 and start + 5 <= len(buffer):
        if crc16(buffer[start : start + 3]) == buffer[start + 3] | buffer[start + 4] << 8:
            raise Refused(buffer[start + 2])
        start = buffer.find(head, start + 1)
    return None


def why_no_rtu_answer(buffer: bytes | bytearray, request: Request | Write) -> ExchangeError:
    """What to say of a time-out, from what did arrive."""
    if not buffer:
        return ExchangeError(Reason.TIMEOUT, "no answer")
    if bytes(buffer) == rtu_request(request):
        return ExchangeError(Reason.TIMEOUT, "no answer but an echo of the request")
    for start in range(len(buffer) - 4):
        end = start + 3 + buffer[start + 2]
        if buffer[start + 1] != request.function or end + 2 > len(buffer):
            continue
        if crc16(buffer[start:end]) == buffer[end] | buffer[end + 1] << 8:
            if buffer[start] != request.unit:
                return ExchangeError(Reason.TIMEOUT, "no answer, but unit {other} spoke", other=buffer[start])
            return ExchangeError(Reason.TIMEOUT, "no answer, but one to an earlier request")
    start, whole = buffer.rfind(_answer_head(request)[0]), rtu_answer_bytes(request)
    if start >= 0 and len(buffer) - start < whole:
        count = len(buffer) - start
        return ExchangeError(Reason.CHECKSUM, "half an answer: {count} of {whole} bytes", count=count, whole=whole)
    return ExchangeError(Reason.CHECKSUM, "a damaged answer of {count} bytes", count=len(buffer))


def another_rtu_answer(buffer: bytes | bytearray, request: Request, taken: bytes) -> bool:
    """Whether the buffer holds an answer to that read with other data than were taken: two instruments, one address."""
    head, size = _answer_head(request)
    start = buffer.find(head)
    while start >= 0:
        data = start + len(head)
        end = data + size
        if end + 2 <= len(buffer) and crc16(buffer[start:end]) == buffer[end] | buffer[end + 1] << 8:
            if buffer[data:end] != taken:
                return True
            start = end - 1
        start = buffer.find(head, start + 1)
    return False


def take_tcp_answer(buffer: bytearray, request: Request | Write, transaction: int) -> bytes | None:
    """The data of the answer to that transaction (none for a write); eats what it has read, late answers included.

    Raises:
        Refused: when the instrument or gateway answered with an exception.
        ExchangeError: when the stream is no Modbus TCP (the connection must be made anew), or the answer to
            the right transaction does not fit the request.
    """
    while len(buffer) >= 8:
        number, protocol, length, unit = _MBAP.unpack_from(buffer)
        if protocol != 0 or not 3 <= length <= 254:
            raise OutOfStep
        if len(buffer) < 6 + length:
            return None
        pdu = bytes(buffer[7 : 6 + length])
        del buffer[: 6 + length]
        if number != transaction:
            continue
        if unit == request.unit and pdu[0] == request.function | _EXCEPTION_BIT:
            raise Refused(pdu[1])
        head, size = _answer_head(request)
        body = bytes((unit,)) + pdu
        if not body.startswith(head) or len(body) != len(head) + size:
            raise ExchangeError(Reason.DAMAGED, "an answer that does not fit the request")
        return body[len(head) :]
    return None


class OutOfStep(ExchangeError):
    """The bytes of the connection are no Modbus TCP."""

    def __init__(self) -> None:
        super().__init__(Reason.DAMAGED, "the other side does not speak Modbus TCP")
