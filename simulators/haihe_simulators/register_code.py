"""From values to registers, as instruments do it: unit, factor, type, byte order. Nothing here decodes."""

import math
import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

FORMS = {
    "u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "u64": ">Q", "s64": ">q", "f32": ">f", "f64": ">d",
}  # fmt: skip
"""struct forms of the profile's numbers, most significant byte first."""


class SheetPoint(NamedTuple):
    """One value of an instrument and where it lies in its registers; element "" for what measures nothing.

    ``usual`` is what a healthy instrument says there when nature has nothing to say.
    """

    name: str
    element: str
    table: str
    at: int
    form: str
    order: str
    times: float
    plus: float
    sentinels: tuple[float, ...]
    registers: int = 0
    bits: tuple[int, int] | None = None
    invalid_at_max: bool = False
    add: tuple[str, ...] = ()
    scale_from: Mapping[str, Any] = {}  # noqa: RUF012 - nobody writes into it
    unit_from: Mapping[str, Any] = {}  # noqa: RUF012
    sentinel_from: str = ""
    clears: bool = False
    usual: float | str = 0.0

    @property
    def words(self) -> int:
        """How many registers it takes."""
        return self.registers or (struct.calcsize(FORMS[self.form]) // 2 if self.form in FORMS else 1)


Others = Callable[[str], float]
"""What the instrument says for another of its points, in that point's unit."""


def _nothing(_: str) -> float:
    return 0.0


def registers_of(point: SheetPoint, value: float | str | None, others: Others = _nothing) -> list[int]:
    """Registers that say the value: scaled back, rounded to the type, in the instrument's order.

    A value that the type cannot hold sits at its end, as real instruments do. None is said by the first
    sentinel, or NaN, or zero where the instrument has no word for it. Of a part of a register the other bits
    are zero.
    """
    if point.form == "text":
        filled = str(value or "").encode("ascii", "replace")[: 2 * point.words].ljust(2 * point.words, b"\0")
        return _words(_turn(filled, "BADC" if point.order in ("BADC", "DCBA") else "ABCD"))
    raw = _no_value(point, others) if value is None or isinstance(value, str) else _raw(point, value, others)
    if point.form == "bit":
        return [int(bool(raw))]
    if point.form == "f32" or point.form == "f64":
        packed = struct.pack(FORMS[point.form], raw)
    elif point.form == "bcd":
        packed = _digits(point, round(raw)).to_bytes(2 * point.words, "big")
    else:
        size = 2 * point.words
        packed = (_whole(point, raw) << (point.bits[0] if point.bits else 0)).to_bytes(size, "big")
    return _words(_turn(packed, point.order))


def _raw(point: SheetPoint, value: float, others: Others) -> float:
    """The number before the instrument's unit and factor were put on it."""
    if point.unit_from:
        unit = point.unit_from["table"].get(int(others(point.unit_from["point"]))) or {}
        value = (value - float(unit.get("plus", 0))) / float(unit.get("times", 1))
    value = (value - point.plus) / point.times
    if point.scale_from:
        value /= _factor(point.scale_from, others(point.scale_from["point"]))
    return value - sum(others(name) for name in point.add)


def _factor(scale: Mapping[str, Any], said: float) -> float:
    if scale.get("table"):
        return float(scale["table"][int(said)])
    if "power" in scale:
        return float(10.0 ** (scale["power"] * said + scale.get("shift", 0)))
    return said


def _no_value(point: SheetPoint, others: Others) -> float:
    if point.sentinels:
        return point.sentinels[0]
    if point.sentinel_from:
        return others(point.sentinel_from)
    if point.form in ("f32", "f64"):
        return math.nan
    return math.inf if point.invalid_at_max else 0.0


def _width(point: SheetPoint) -> int:
    return point.bits[1] - point.bits[0] + 1 if point.bits else 16 * point.words


def _whole(point: SheetPoint, raw: float) -> int:
    """A whole number of the type, as the bits that say it; what is too large or too small sits at the end."""
    bits = _width(point)
    low, high = (0, 2**bits - 1) if point.form[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    number = high if raw == math.inf else min(high, max(low, round(raw)))
    return int(number % 2**bits)


def _digits(point: SheetPoint, number: int) -> int:
    places = _width(point) // 4
    return int(str(max(0, number))[-places:], 16) << (point.bits[0] if point.bits else 0)


def _turn(packed: bytes, order: str) -> bytes:
    """Put big-endian bytes into the named order; 64-bit values follow the same two choices."""
    words = [packed[at : at + 2] for at in range(0, len(packed), 2)]
    if order in ("CDAB", "DCBA"):
        words.reverse()
    if order in ("BADC", "DCBA"):
        words = [word[::-1] for word in words]
    return b"".join(words)


def _words(packed: bytes) -> list[int]:
    return [packed[at] << 8 | packed[at + 1] for at in range(0, len(packed), 2)]
