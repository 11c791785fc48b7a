"""What is kept of a block of readings that must give way: alarms, events, and a summary with its extremes. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from haihe_contract.quality import PASS_MARK, Flag, Grade
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Body, Gap, Readings, Record, SeriesSummary, Summary

RANGES_MAX = 2000
"""More in one record would make it larger than a record may be."""


class Thinned(NamedTuple):
    """A file's records, divided.

    Args:
        kept: stay as they are, under their numbers.
        summaries: of what goes without being held by the centres; one for routine and one for flood stage at most,
            and gap records where there are more ranges than a summary may name.
    """

    kept: list[Record]
    summaries: list[Body]


def thin(
    line: int,
    records: Sequence[Record],
    series: Sequence[str],
    *,
    settled: RangeSet,
    flood: RangeSet,
    even_flood: bool,
    now_ms: int,
) -> Thinned:
    """Divide the records of a file: routine readings go, those of flood stage only where that is said.

    Args:
        line: whose records.
        records: in order.
        series: keys by number.
        settled: numbers that all required centres hold: they go without a summary.
        flood: numbers that were recorded at flood stage.
        even_flood: whether flood stage goes too.
        now_ms: for the summaries.
    """
    kept: list[Record] = []
    going: dict[bool, list[Record]] = {False: [], True: []}
    for record in records:
        at_flood = record.number in flood
        if type(record.body) is not Readings or record.urgent or (at_flood and not even_flood):
            kept.append(record)
        elif record.number not in settled:
            going[at_flood].append(record)
    summaries: list[Body] = []
    for at_flood, gone in going.items():
        if gone:
            ranges = list(RangeSet.from_numbers(record.number for record in gone).ranges)
            named, more = ranges[:RANGES_MAX], ranges[RANGES_MAX:]
            summaries.append(Summary(line, named, summarise(gone, series), at_flood, now_ms))
            summaries += gaps(line, RangeSet(more), "thinned", now_ms)
    return Thinned(kept, summaries)


def gaps(line: int, numbers: RangeSet, cause: str, now_ms: int) -> Iterator[Gap]:
    """Gap records for these numbers, each small enough to be one."""
    ranges = list(numbers.ranges)
    for at in range(0, len(ranges), RANGES_MAX):
        yield Gap(line, ranges[at : at + RANGES_MAX], cause, now_ms)


class _Course:
    """One series while it is summed up."""

    def __init__(self) -> None:
        self.count = self.missing = 0
        self.sum = 0.0
        self.lowest: tuple[int, float, int, int] | None = None
        self.highest: tuple[int, float, int, int] | None = None
        self.first_ms = self.last_ms = 0

    def add(self, body: Readings, value: float | None, mark: int) -> None:
        if not self.count + self.missing:
            self.first_ms = self.last_ms = body.time_ms
        self.first_ms, self.last_ms = min(self.first_ms, body.time_ms), max(self.last_ms, body.time_ms)
        if value is None or mark & 0xF == Flag.FAIL:
            self.missing += 1
            return
        self.count += 1
        self.sum += value
        here = (body.time_ms, value, mark, body.grade)
        if self.lowest is None or (value, body.time_ms) < (self.lowest[1], self.lowest[0]):
            self.lowest = here
        if self.highest is None or (-value, body.time_ms) < (-self.highest[1], self.highest[0]):
            self.highest = here


def summarise(records: Iterable[Record], series: Sequence[str]) -> list[SeriesSummary]:
    """Count, mean and extremes of each series; readings without a known time are summed up on their own."""
    courses: dict[tuple[int, bool], _Course] = {}
    for record in records:
        body = record.body
        if type(body) is not Readings:
            continue
        marks = body.marks or [PASS_MARK] * len(body.series)
        for number, value, mark in zip(body.series, body.values, marks, strict=True):
            courses.setdefault((number, body.grade == Grade.NONE), _Course()).add(body, value, mark)
    return [
        SeriesSummary(
            series[number],
            course.count,
            course.missing,
            course.sum / course.count,
            course.lowest,
            course.highest,
            course.first_ms,
            course.last_ms,
        )
        for (number, _), course in sorted(courses.items())
        if course.lowest is not None and course.highest is not None and number < len(series)
    ]
