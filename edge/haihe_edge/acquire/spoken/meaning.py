"""From the numbers that text and SDI-12 instruments say to values: sentinels, factor, doubts. Pure."""

import math
from collections.abc import Callable, Iterable, Mapping

from haihe_contract.quality import Reason

from haihe_edge.profile.doubt import Doubt
from haihe_edge.profile.header import PointBase

Value = tuple[float | None, Reason]
"""A value in the element's unit, or None with the reason."""
Meaning = Callable[[float], Value]
_DECIMALS = 9
"""Arithmetic dust lies beyond: 1441 * 0.001 is 1.441."""


def meaning(point: PointBase, times: float = 1.0, plus: float = 0.0) -> Meaning:
    """Prepare a point: what its number means.

    Args:
        point: of the profile.
        times: factor of the unit in which the number comes, before the point's own.
        plus: added after that factor.
    """
    sentinels = frozenset(sentinel.raw for sentinel in point.sentinels)
    factor, addend = times * point.times, plus * point.times + point.plus
    most = point.counter.saturates_at if point.counter is not None else None

    def value(raw: float) -> Value:
        if raw in sentinels:
            return None, Reason.SENTINEL
        found = raw if factor == 1 and addend == 0 else round(raw * factor + addend, _DECIMALS)
        if not math.isfinite(found):
            return None, Reason.DAMAGED
        return found, Reason.DOUBTFUL if most is not None and found >= most else Reason.NONE

    return value


def is_seen(doubt: Doubt, numbers: Mapping[str, float], text: str = "") -> bool:
    """Whether an instrument gives that sign now.

    Args:
        doubt: the sign.
        numbers: raw numbers by point, before sentinels and factors.
        text: the message.
    """
    if doubt.text:
        return doubt.text in text
    number = numbers.get(doubt.point)
    if number is None or not math.isfinite(number):
        return False
    return (
        (doubt.bits != 0 and int(abs(number)) & doubt.bits != 0)
        or (doubt.above is not None and number > doubt.above)
        or (doubt.below is not None and number < doubt.below)
    )


def doubted(values: dict[str, Value], doubts: Iterable[Doubt]) -> dict[str, Value]:
    """The values with what the instrument says against them. Missing ones stay as they are."""
    for doubt in doubts:
        for name in doubt.points or tuple(values):
            value, reason = values.get(name, (None, Reason.NONE))
            if value is None or name == doubt.point:
                continue
            values[name] = (None if doubt.makes == "missing" else value, reason | Reason.DOUBTFUL)
    return values
