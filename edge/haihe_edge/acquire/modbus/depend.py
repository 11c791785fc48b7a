"""Values that depend on other points: factors, units, validity, quality. Pure; the rules are prepared once."""

import math
from collections.abc import Callable, Iterator, Mapping

from haihe_contract.quality import Reason

from haihe_edge.profile import Condition, Point, Quality, ScaleFrom, UnitFrom, holds_for

from .decode import Value, scaling

_EXPONENT_MAX = 15
"""Beyond, the exponent was no exponent."""

Found = Mapping[str, Value]
"""What the reads brought, by point; of a point with a rule the raw number, of others the value."""
Rule = Callable[[Found], Value]
Stage = Callable[[float, Found], Value]
"""One part of a rule: the number so far becomes another, or none, and a reason is added."""
_MISSING: Value = (None, Reason.SENTINEL)
_UNEXPLAINED: Value = (None, Reason.DAMAGED)


def rule(point: Point) -> Rule:
    """How the value of such a point is made once everything it needs has been read."""
    name = point.name
    stages = list(_stages(point))

    def value_of(found: Found) -> Value:
        value, reason = found[name]
        for stage in stages:
            if value is None:
                break
            value, more = stage(value, found)
            reason = reason | more if value is not None else more
        if value is not None and not math.isfinite(value):
            return _UNEXPLAINED
        return value, reason

    return value_of


def _stages(point: Point) -> Iterator[Stage]:
    if point.sentinel_from is not None:
        yield _not(point.sentinel_from)
    for name in point.add:
        yield _added(name)
    for condition in point.valid_if:
        yield _valid(condition)
    if point.scale_from is not None:
        yield _factor(point.scale_from)
    own = scaling(point.times, point.plus)
    if own is not None:
        yield _scaled(own)
    if point.unit_from is not None:
        yield _unit(point.unit_from)
    if point.counter is not None and point.counter.saturates_at is not None:
        yield _full(point.counter.saturates_at)
    for quality in point.quality_from:
        if quality.mark != "note":
            yield _marked(quality)


def _added(name: str) -> Stage:
    def apply(value: float, found: Found) -> Value:
        other, why = found[name]
        return (None, why) if other is None else (value + other, Reason.NONE)

    return apply


def _not(name: str) -> Stage:
    """The word for "no measurement" stands in a register: a value that equals it is none."""

    def apply(value: float, found: Found) -> Value:
        other, _ = found[name]
        return _MISSING if value == other else (value, Reason.NONE)

    return apply


def _valid(condition: Condition) -> Stage:
    def apply(value: float, found: Found) -> Value:
        other, why = found[condition.point]
        if other is None:
            return None, why
        return (value, Reason.NONE) if holds_for(condition, {condition.point: other}) else _MISSING

    return apply


def _scaled(scale: Callable[[float], float]) -> Stage:
    return lambda value, _: (scale(value), Reason.NONE)


def _full(most: float) -> Stage:
    return lambda value, _: (value, Reason.DOUBTFUL if value >= most else Reason.NONE)


def _factor(asked: ScaleFrom) -> Stage:
    table, power, shift = asked.table, asked.power, asked.shift

    def apply(value: float, found: Found) -> Value:
        said, why = found[asked.point]
        if said is None:
            return None, why
        if table:
            times = table.get(int(said)) if said.is_integer() else None
            return _UNEXPLAINED if times is None else (value * times, Reason.NONE)
        if power is None:
            return value * said, Reason.NONE
        exponent = power * said + shift
        if not exponent.is_integer() or abs(exponent) > _EXPONENT_MAX:
            return _UNEXPLAINED
        # Divided, not multiplied by a tenth: 12345 / 1000 is 12.345.
        ten = 10 ** int(abs(exponent))
        return (value / ten if exponent < 0 else value * ten), Reason.NONE

    return apply


def _unit(asked: UnitFrom) -> Stage:
    known = {
        code: (scaling(each.times, each.plus), frozenset(sentinel.raw for sentinel in each.sentinels))
        for code, each in asked.table.items()
    }

    def apply(value: float, found: Found) -> Value:
        said, why = found[asked.point]
        if said is None:
            return None, why
        meant = known.get(int(said)) if said.is_integer() else None
        if meant is None:
            return _UNEXPLAINED
        scale, sentinels = meant
        if value in sentinels:
            return _MISSING
        return (value if scale is None else scale(value)), Reason.NONE

    return apply


def _marked(quality: Quality) -> Stage:
    def apply(value: float, found: Found) -> Value:
        said, why = found[quality.point]
        if said is None:
            return value, why  # the status is not known: the value goes on with the reason beside it
        verdict = _verdict(quality, said)
        if verdict == "missing":
            return _MISSING
        return value, Reason.DOUBTFUL if verdict == "doubtful" else Reason.NONE

    return apply


def _verdict(asked: Quality, said: float) -> str | None:
    """``missing``, ``doubtful`` or None, by the status or figure of another point."""
    if asked.best is not None and asked.worst is not None:
        down = 1 if asked.worst > asked.best else -1  # so that more is always worse
        for verdict, bound in (("missing", asked.missing_from), ("doubtful", asked.doubtful_from)):
            if bound is not None and (said - bound) * down >= 0:
                return verdict
        return None
    due = asked.bit is not None and bool(int(said) >> asked.bit & 1)
    due = due or said in asked.is_one_of
    due = due or bool(asked.is_none_of and said not in asked.is_none_of)
    return asked.mark if due else None
