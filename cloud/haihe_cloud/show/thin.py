"""Many readings to few points without losing a peak, a dip, a doubt or a break. Pure."""

from collections.abc import Iterable

import msgspec
from haihe_contract.quality import Flag
from haihe_contract.reading import Reading

POINTS_MIN, POINTS_MAX = 10, 5000
_BREAK_STEPS = 4
"""A pause of more than so many usual steps is a break of the line, not a straight stroke over it."""
_BREAK_MS_MIN = 10_000


class Points(msgspec.Struct):
    """Columns for a chart.

    Args:
        time_ms: ascending.
        value: None where the instrument gave no value, or where nothing was received.
        flag: quality flag; 0 marks a place where nothing was received, so that a line breaks there.
        total: how many readings were looked at.
        step_ms: the usual distance of two readings, None below three readings.
    """

    time_ms: list[int]
    value: list[float | None]
    flag: list[int]
    total: int
    step_ms: int | None


class Thinner:
    """Takes readings in ascending order, as many as there are, and keeps a bounded number of them.

    The span is cut into slots; each slot keeps its first, lowest, highest and last value, and one suspect, one
    failed and one missing reading if it had them. So extremes are exact, and memory does not grow with the span.
    """

    def __init__(self, start_ms: int, end_ms: int, points: int) -> None:
        self._start = start_ms
        self._slots = max(1, points // 4)
        self._width = max(1, -(-(end_ms - start_ms) // self._slots))
        self._kept: dict[int, dict[str, Reading]] = {}
        self._total = 0
        self._steps: dict[int, int] = {}
        self._usual = 0
        self._previous: int | None = None
        self._pauses: list[tuple[int, int]] = []

    def take(self, readings: Iterable[Reading]) -> None:
        """Look at further readings."""
        for reading in readings:
            self._total += 1
            self._pace(reading.time_ms)
            slot = self._kept.setdefault((reading.time_ms - self._start) // self._width, {})
            if reading.value is None:
                slot.setdefault("missing", reading)
                continue
            if reading.flag is Flag.FAIL:
                slot.setdefault("failed", reading)
                continue
            if reading.flag is Flag.SUSPECT:
                slot.setdefault("suspect", reading)
            slot.setdefault("first", reading)
            slot["last"] = reading
            low, high = slot.get("low"), slot.get("high")
            if low is None or low.value is None or reading.value < low.value:
                slot["low"] = reading
            if high is None or high.value is None or reading.value > high.value:
                slot["high"] = reading

    def _pace(self, time_ms: int) -> None:
        if self._previous is not None:
            step = time_ms - self._previous
            rounded = max(1, round(step / 100)) * 100
            if rounded in self._steps or len(self._steps) < 1000:
                self._steps[rounded] = self._steps.get(rounded, 0) + 1
                if self._steps[rounded] > self._steps.get(self._usual, 0):
                    self._usual = rounded
            if step > max(_BREAK_MS_MIN, _BREAK_STEPS * self._usual):
                self._pauses.append((self._previous, time_ms))
                # The longest pauses matter most on a chart; a flapping link must not fill the memory.
                if len(self._pauses) > 2 * POINTS_MAX:
                    self._pauses = sorted(self._pauses, key=lambda pause: pause[0] - pause[1])[:POINTS_MAX]
        self._previous = time_ms

    def points(self) -> Points:
        """What is left of them, in order of time."""
        rows: dict[int, tuple[float | None, int]] = {}
        for slot in self._kept.values():
            for reading in slot.values():
                rows[reading.time_ms] = (reading.value, int(reading.flag))
        usual = self._usual or None
        for before, after in self._pauses:
            if after - before > max(_BREAK_MS_MIN, _BREAK_STEPS * self._usual):
                rows.setdefault((before + after) // 2, (None, 0))
        times = sorted(rows)
        return Points(times, [rows[t][0] for t in times], [rows[t][1] for t in times], self._total, usual)
