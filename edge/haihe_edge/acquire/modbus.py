"""Modbus on bytes: requests, frames, answers. Nothing here waits or touches a port.

Sources: MODBUS Application Protocol V1.1b3; MODBUS over Serial Line V1.02; MODBUS Messaging on TCP/IP V1.0b.
"""

import struct
from typing import NamedTuple

from haihe_contract.quality import Reason

READ_HOLDING, READ_INPUT = 3, 4
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
_MBAP = struct.Struct(">HHHB")


class Request(NamedTuple):
    """One read.

    Args:
        unit: address on the bus.
        function: 3 for holding registers, 4 for input registers.
        start: first register, counted from 0.
        quantity: how many.
    """

    unit: int
    function: int
    start: int
    quantity: int


class ExchangeError(Exception):
    """An exchange brought no registers.

    Args:
        reason: for the readings.
        sentence: in English, for :class:`haihe_contract.language.Words`.
        facts: what the sentence names.
    """

    def __init__(self, reason: Reason, sentence: str, **facts: object) -> None:
        super().__init__(sentence.format(**facts))
        self.reason = reason
        self.sentence = sentence
        self.facts = facts


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


def rtu_request(request: Request) -> bytes:
    """The request as it goes over a serial line."""
    body = _REQUEST.pack(*request)
    return body + crc16(body).to_bytes(2, "little")


def tcp_request(request: Request, transaction: int) -> bytes:
    """The request as it goes over Modbus TCP."""
    return _MBAP.pack(transaction, 0, 6, request.unit) + _REQUEST.pack(*request)[1:]


def rtu_answer_bytes(request: Request) -> int:
    """How long the full answer is on a serial line."""
    return 5 + 2 * request.quantity


def find_rtu_answer(buffer: bytes | bytearray, request: Request) -> bytes | None:
    """The registers of the answer, if the buffer holds it, whatever stands before it.

    Noise, an echo of the request, answers of other units and answers of another length are passed over: only
    a frame with the right unit, function, length and checksum counts.

    Raises:
        Refused: when the instrument answered with an exception.
    """
    size = 2 * request.quantity
    head = bytes((request.unit, request.function, size))
    start = buffer.find(head)
    while start >= 0:
        end = start + 3 + size
        if end + 2 > len(buffer):
            break
        if crc16(buffer[start:end]) == buffer[end] | buffer[end + 1] << 8:
            return bytes(buffer[start + 3 : end])
        start = buffer.find(head, start + 1)
    head = bytes((request.unit, request.function | _EXCEPTION_BIT))
    start = buffer.find(head)
    while start >= 0 and start + 5 <= len(buffer):
        if crc16(buffer[start : start + 3]) == buffer[start + 3] | buffer[start + 4] << 8:
            raise Refused(buffer[start + 2])
        start = buffer.find(head, start + 1)
    return None


def why_no_rtu_answer(buffer: bytes | bytearray, request: Request) -> ExchangeError:
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
    return ExchangeError(Reason.CHECKSUM, "a damaged answer of {count} bytes", count=len(buffer))


def take_tcp_answer(buffer: bytearray, request: Request, transaction: int) -> bytes | None:
    """The registers of the answer to that transaction; eats what it has read, late answers included.

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
        size = 2 * request.quantity
        if unit != request.unit or pdu[0] != request.function or pdu[1] != size or len(pdu) != 2 + size:
            raise ExchangeError(Reason.DAMAGED, "an answer that does not fit the request")
        return pdu[2:]
    return None


class OutOfStep(ExchangeError):
    """The bytes of the connection are no Modbus TCP."""

    def __init__(self) -> None:
        super().__init__(Reason.DAMAGED, "the other side does not speak Modbus TCP")
