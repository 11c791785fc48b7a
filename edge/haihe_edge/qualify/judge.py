"""Is this reading usable, and why not? QC marks and never deletes."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from haihe_contract.element import element
from haihe_contract.quality import PASS_MARK, Flag, Reason, mark

from haihe_edge.site import SiteSeries

_BEYOND_SENSOR = mark(Flag.FAIL, Reason.BEYOND_SENSOR)
_DECIMALS = 9
"""Arithmetic dust lies beyond; no element is resolved finer than 1e-6."""


class Judged(NamedTuple):
    """A reading group as the journal takes it (:class:`haihe_contract.record.Readings`).

    Args:
        series: series numbers.
        values: one a series, None where missing.
        marks: one packed mark a series (:func:`haihe_contract.quality.mark`); empty when all plainly pass.
    """

    series: list[int]
    values: list[float | None]
    marks: list[int]

    def flag(self, place: int) -> Flag:
        """The flag of the value at that place of the group."""
        return Flag(self.marks[place] & 0xF) if self.marks else Flag.PASS


class Judge:
    """Makes series values of point values, and marks them.

    A value beyond what the sensor, or any sensor of the element, can measure fails. A value beyond what is
    believable at this place is suspect, and so is one that comes with a reason of its own.

    Args:
        series: the series table of the site.
    """

    def __init__(self, series: Sequence[SiteSeries]) -> None:
        self._rules = [_rule(each) for each in series]

    def __call__(self, samples: Iterable[tuple[int, float | None, Reason]]) -> Judged:
        """Judge the samples of one group."""
        numbers: list[int] = []
        values: list[float | None] = []
        marks: list[int] = []
        plain = True
        for number, value, reason in samples:
            numbers.append(number)
            if value is None:
                values.append(None)
                marks.append(mark(Flag.MISSING, reason))
                plain = False
                continue
            value, packed = self._judge(number, value, reason)
            values.append(value)
            marks.append(packed)
            plain = plain and packed == PASS_MARK
        return Judged(numbers, values, [] if plain else marks)

    def _judge(self, number: int, value: float, reason: Reason) -> tuple[float, int]:
        times, plus, sensor_low, sensor_high, low, high, element_low, element_high = self._rules[number]
        failed = not sensor_low <= value <= sensor_high
        if times != 1 or plus != 0:
            value = round(value * times + plus, _DECIMALS)
        failed = failed or not element_low <= value <= element_high
        if failed:
            return value, mark(Flag.FAIL, reason | Reason.BEYOND_SENSOR) if reason else _BEYOND_SENSOR
        if not low <= value <= high:
            reason |= Reason.BEYOND_LOCAL
        return value, mark(Flag.SUSPECT, reason) if reason else PASS_MARK


def _rule(series: SiteSeries) -> tuple[float, float, float, float, float, float, float, float]:
    kind = element(series.series.element)
    low = kind.low if math.isfinite(kind.low) else -math.inf
    high = kind.high if math.isfinite(kind.high) else math.inf
    return (series.times, series.plus, *series.sensor, *series.local, low, high)
