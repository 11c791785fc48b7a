"""Rain that the station makes of an instrument's own counter: its series, and how the counter jumps back."""

import math
from collections.abc import Callable

from haihe_contract.series import Series, Source, Statistic

from haihe_edge import limits
from haihe_edge.profile import Point, PointBase

from .plan import CounterRain
from .wired import Append, rain_period
from .written import WrittenInstrument, WrittenSeries

_Path = tuple[str | int, ...]


class Derive:
    """Turns the ``derive`` of a series into rains of intervals.

    Args:
        wrong: notes a fault at a place of the file.
        duration: reads a duration and checks its bounds, complaining where it is none.
        append: adds a series to the site.
    """

    def __init__(
        self,
        wrong: Callable[[_Path, str], None],
        duration: Callable[[_Path, str, int, int], int],
        append: Append,
    ) -> None:
        self._wrong = wrong
        self._duration = duration
        self._append = append
        self.rains: list[CounterRain] = []

    def __call__(
        self, each: WrittenInstrument, entry: WrittenSeries, point: PointBase, counter: int, poll_ms: int, path: _Path
    ) -> None:
        """Resolve what is derived of one series.

        Args:
            each: whose series it is.
            entry: the series as written.
            point: of the profile.
            counter: number of the series in the site.
            poll_ms: how often it is read.
            path: where the series stands.
        """
        many = isinstance(entry.derive, tuple)
        written = entry.derive if isinstance(entry.derive, tuple) else (entry.derive,)
        if written and (entry.element or point.element) != "accumulated_rain":
            self._wrong((*path, "derive"), "derive: rain can be made of an accumulated_rain only")
            return
        for index, wanted in enumerate(written):
            place = (*path, "derive", index) if many else (*path, "derive")
            if wanted is None:  # could not be read; its fault is noted already
                continue
            period = rain_period(self._duration, self._wrong, (*place, "every"), wanted.every)
            if period < poll_ms:
                self._wrong((*place, "every"), "every: shorter than the pause between two readings of the instrument")
            series = Series("period_rain", entry.at, Statistic.TOTAL, period // 1000, Source.DERIVED)
            plain = WrittenSeries(entry.point, at=entry.at)
            local = (0.0, limits.rain_record_mm(period))
            numbers = self._append(
                series, period, each.name, each.bus, plain, (-math.inf, math.inf), local, (*place, "every")
            )
            wraps_at = wanted.wraps_at or _wraps_at(point, entry.times)
            self.rains += [
                CounterRain(counter, number, period, poll_ms, wraps_at, wanted.after_reset == "zero")
                for number in numbers
            ]


def _wraps_at(point: PointBase, times: float) -> float | None:
    if point.counter is not None:
        steps = None if point.counter.width is None else 2.0**point.counter.width
    elif not isinstance(point, Point):
        steps = None
    elif point.kind == "bcd":
        steps = 10.0 ** (4 * point.words)
    else:
        steps = {"u16": 2.0**16, "u32": 2.0**32}.get(point.kind)
    return None if steps is None else steps * abs(point.times * times)
