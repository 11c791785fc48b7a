"""From registers to values: raw number, sentinels, factor. Pure; everything that can be is worked out once."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from haihe_contract.quality import Reason

from haihe_edge.profile import Point

from .registers import reader, shortest_float32, text_of

_EXACT_DIVISOR_MAX = 10**12
_MAXIMA: dict[str, int] = {f"{sign}{bits}": 2 ** (bits - (sign == "s")) - 1 for sign in "us" for bits in (16, 32, 64)}

__all__ = ["Field", "Value", "decode", "field", "is_plain", "raw_value", "scaling", "shortest_float32", "spoken"]

Value = tuple[float | None, Reason]
"""A value in the element's unit, or None with the reason."""


class Field(NamedTuple):
    """A point, ready to be read out of the bytes of a block.

    ``scale`` is None where the number is the value, or where :mod:`.depend` makes the value of it.
    """

    name: str
    read: Callable[[bytes], int | float]
    scale: Callable[[float], float] | None
    sentinels: frozenset[int | float]
    is_float: bool


def field(point: Point, start: int) -> Field:
    """Prepare a point for a block that begins at that register."""
    sentinels = {sentinel.raw for sentinel in point.sentinels}
    if point.invalid_at_max and point.kind in _MAXIMA:
        sentinels.add(_maximum(point))
    return Field(
        point.name,
        reader(point, start),
        scaling(point.times, point.plus) if is_plain(point) else None,
        frozenset(sentinels),
        point.kind in ("f32", "f64"),
    )


def _maximum(point: Point) -> int:
    if point.byte is not None:
        wide = 8
    elif point.bits is not None:
        wide = point.bits[1] - point.bits[0] + 1
    else:
        return _MAXIMA[point.kind]
    return (1 << wide - (point.kind[0] == "s")) - 1


def is_plain(point: Point) -> bool:
    """Whether the value follows from the point's own registers alone."""
    return not point.needs and (point.counter is None or point.counter.saturates_at is None)


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
    return reader(point, start)(data)


def spoken(point: Point, data: bytes, start: int) -> int | float | str:
    """What the registers say, as a person or a condition reads it: text, or raw * times + plus."""
    if point.kind == "text":
        return text_of(point, data, start)
    raw = raw_value(point, data, start)
    scale = scaling(point.times, point.plus)
    return raw if scale is None else scale(raw)


def scaling(times: float, plus: float) -> Callable[[float], float] | None:
    """Raw * times + plus, without the dust that 0.1 leaves behind: 1441 * 0.1 is 144.1."""
    if times == 1 and plus == 0:
        return None
    divisor = round(1 / times) if abs(1 / times) <= _EXACT_DIVISOR_MAX else 0
    if plus == 0 and divisor and 1 / divisor == times:
        return lambda raw: raw / divisor
    return lambda raw: round(raw * times + plus, 9)
