"""From registers to values: raw number, sentinels, factor. Pure; everything that can be is worked out once."""

import math
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from haihe_contract.quality import Reason

from haihe_edge.profile import Point

_CODES = {"u16": "H", "s16": "h", "u32": "I", "s32": "i", "u64": "Q", "s64": "q", "f32": "f", "f64": "d"}
_FLOAT32 = struct.Struct(">f")
_EXACT_DIVISOR_MAX = 10**12

Value = tuple[float | None, Reason]
"""A value in the element's unit, or None with the reason."""


class Field(NamedTuple):
    """A point, ready to be read out of the bytes of a block."""

    name: str
    read: Callable[[bytes], int | float]
    scale: Callable[[float], float] | None
    sentinels: frozenset[int | float]
    is_float: bool


def field(point: Point, start: int) -> Field:
    """Prepare a point for a block that begins at that register."""
    return Field(
        point.name,
        _reader(point, 2 * (point.at - start)),
        _scale(point.times, point.plus),
        frozenset(sentinel.raw for sentinel in point.sentinels),
        point.kind in ("f32", "f64"),
    )


def decode(fields: Sequence[Field], data: bytes) -> list[Value]:
    """The values of a block, in the order of the fields."""
    found: list[Value] = []
    for _, read, scale, sentinels, is_float in fields:
        raw = read(data)
        if raw in sentinels or (is_float and not math.isfinite(raw)):
            found.append((None, Reason.SENTINEL))
            continue
        value = float(raw) if scale is None else scale(raw)
        found.append((value, Reason.NONE) if math.isfinite(value) else (None, Reason.DAMAGED))
    return found


def raw_value(point: Point, data: bytes, start: int) -> int | float:
    """The number in the registers, before sentinels and scaling: for people who look for a fault."""
    return _reader(point, 2 * (point.at - start))(data)


def _reader(point: Point, offset: int) -> Callable[[bytes], int | float]:
    """How to get the raw number out of a block's bytes.

    Bytes of a number arrive in one of four orders. ABCD is big-endian and DCBA little-endian as they stand;
    CDAB and BADC are the same two with the registers turned round.
    """
    little = point.order in ("DCBA", "BADC")
    form = struct.Struct(("<" if little else ">") + _CODES[point.kind])
    unpack = form.unpack_from
    end = offset + form.size
    read: Callable[[bytes], int | float]
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


def _scale(times: float, plus: float) -> Callable[[float], float] | None:
    """Raw * times + plus, without the dust that 0.1 leaves behind: 1441 * 0.1 is 144.1."""
    if times == 1 and plus == 0:
        return None
    divisor = round(1 / times) if abs(1 / times) <= _EXACT_DIVISOR_MAX else 0
    if plus == 0 and divisor and 1 / divisor == times:
        return lambda raw: raw / divisor
    return lambda raw: round(raw * times + plus, 9)
