"""How a number lies in registers: kinds, byte orders, parts of a register, BCD, bits, text. Pure."""

import math
import struct
from collections.abc import Callable

from haihe_edge.profile import Point

_CODES = {"u16": "H", "s16": "h", "u32": "I", "s32": "i", "u64": "Q", "s64": "q", "f32": "f", "f64": "d"}
_FLOAT32 = struct.Struct(">f")

Reader = Callable[[bytes], int | float]


def reader(point: Point, start: int) -> Reader:
    """How to get the raw number out of the bytes of a read that begins at that register (or coil)."""
    if point.kind == "bit":
        byte, bit = divmod(point.at - start, 8)
        return lambda data: data[byte] >> bit & 1
    offset = 2 * (point.at - start)
    if point.kind == "bcd" or point.byte is not None or point.bits is not None:
        return _part(point, offset)
    return _number(point, offset)


def _number(point: Point, offset: int) -> Reader:
    """Bytes of a number arrive in one of four orders.

    ABCD is big-endian and DCBA little-endian as they stand; CDAB and BADC are the same two with the registers
    turned round.
    """
    little = point.order in ("DCBA", "BADC")
    form = struct.Struct(("<" if little else ">") + _CODES[point.kind])
    unpack = form.unpack_from
    end = offset + form.size
    read: Reader
    if point.order in ("ABCD", "DCBA") or point.words == 1:

        def read(data: bytes) -> int | float:
            return unpack(data, offset)[0]  # type: ignore[no-any-return]

    else:

        def read(data: bytes) -> int | float:
            turned = b"".join(data[at : at + 2] for at in range(end - 2, offset - 2, -2))
            return unpack(turned)[0]  # type: ignore[no-any-return]

    if point.kind != "f32":
        return read
    return lambda data: shortest_float32(read(data))


def _part(point: Point, offset: int) -> Reader:
    """Some bits of an integer, or its decimal digits of four bits each."""
    end = offset + 2 * point.words
    little = point.order in ("DCBA", "BADC")
    turned = point.order in ("CDAB", "BADC") and point.words > 1
    low, high = point.bits or {"low": (0, 7), "high": (8, 15), None: (0, 16 * point.words - 1)}[point.byte]
    wide: int = high - low + 1
    mask = (1 << wide) - 1
    sign = 1 << (wide - 1) if point.kind[0] == "s" else 0

    def read(data: bytes) -> int | float:
        taken = data[offset:end]
        if turned:
            taken = b"".join(taken[at : at + 2] for at in range(len(taken) - 2, -2, -2))
        number = int.from_bytes(taken, "little" if little else "big") >> low & mask
        return (number ^ sign) - sign

    if point.kind != "bcd":
        return read
    return lambda data: _decimal(int(read(data)))


def _decimal(number: int) -> int | float:
    """The number that the digits say; not a number where they are no digits."""
    digits = f"{number:x}"
    return int(digits) if digits.isdecimal() else math.nan


def text_of(point: Point, data: bytes, start: int) -> str:
    """Text in registers, without the zeros and spaces that fill it up; what is no letter shows as such."""
    offset = 2 * (point.at - start)
    taken = data[offset : offset + 2 * point.words]
    if point.order in ("BADC", "DCBA"):
        taken = b"".join(taken[at : at + 2][::-1] for at in range(0, len(taken), 2))
    return taken.split(b"\0", 1)[0].decode("ascii", "backslashreplace").strip()


def shortest_float32(value: float) -> float:
    """The shortest decimal that is the same 32-bit float: 9.1, not 9.100000381469727.

    Nothing is lost, and the wire carries such numbers in two bytes instead of eight.
    """
    if not math.isfinite(value):
        return value
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        try:
            if _FLOAT32.unpack(_FLOAT32.pack(short))[0] == value:
                return short
        except OverflowError:  # rounding went beyond the largest 32-bit float
            break
    return float(f"{value:.9g}")
