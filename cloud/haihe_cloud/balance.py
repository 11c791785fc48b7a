"""The day's figures of a station from the registry, the duty that it has declared, and the ledger."""

import datetime
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from haihe_contract.quality import Grade
from haihe_contract.ranges import RangeSet

from .admit.registry import Station
from .ledger import day as days
from .ledger import missing, tally, told
from .ledger.arrival import LineState
from .ledger.book import Book
from .ledger.day import OFF, Cause, Figures, Known, Span
from .ledger.missing import Missing
from .limits import DAY_MS, IN_TIME_MS

_HOURS = DAY_MS // tally.HOUR_MS


class StationDay(NamedTuple):
    """One station on one day.

    Args:
        station: its code.
        day: the date on which it begins, at 08:00 Beijing time.
        valid: whether the registry knows the station on that day.
        known: whether it has ever said what it means to measure; else nothing can be expected of it.
        series: figures by series key.
        heard: whether a word or a reading of it has ever come.
    """

    station: str
    day: datetime.date
    valid: bool
    known: bool
    series: dict[str, Figures]
    heard: bool = True

    @property
    def total(self) -> Figures:
        """All series together."""
        return days.total(self.series.values())

    @property
    def arrival_rate(self) -> float | None:
        """到报率, 0 to 1; 0 for a station that never spoke.

        None when nothing was to be expected, or nobody knows what.
        """
        total = self.total
        if total.expected:
            return total.arrived / total.expected
        return None if not self.valid or self.heard else 0.0


def day_of(time_ms: int) -> datetime.date:
    """The day to which a moment belongs."""
    return datetime.date(1970, 1, 1) + datetime.timedelta(days=time_ms // DAY_MS)


def station_day(book: Book, station: Station, day: datetime.date, now_ms: int) -> StationDay:
    """Figures of one day, as far as it has run: a time is judged when the ten minutes after it are over."""
    if not station.is_valid(day):
        return StationDay(station.code, day, False, True, {})
    start_ms = (day - datetime.date(1970, 1, 1)).days * DAY_MS
    end_ms = min(start_ms + DAY_MS, now_ms - IN_TIME_MS)
    duties = _Duties(book, station.code, start_ms, end_ms)
    if not duties.known:
        return StationDay(station.code, day, True, False, {}, _told_until(book, station.code, now_ms) is not None)
    hours = book.hours(station.code, start_ms // tally.HOUR_MS, start_ms // tally.HOUR_MS + _HOURS - 1)
    kept = book.summaries(station.code, None, start_ms, end_ms, 100_000)
    known = Known(
        duties.spans,
        hours,
        {line: duties.keys(line) for line in {hour.line for hour in hours}},
        [each.summary for each in kept],
        _told_until(book, station.code, now_ms),
        duties.cause,
    )
    return StationDay(station.code, day, True, True, days.figures(known))


def _told_until(book: Book, station: str, now_ms: int) -> int | None:
    """Up to when the station has told how it was, None without a word: it spoke then, or what it measured is here.

    A bundle is no word of the moment at which it comes. It tells of the time up to the newest reading in it.
    """
    moments = (book.last_heard(station), book.last_reading_ms(station, now_ms))
    return max((each for each in moments if each is not None), default=None)


class _Duties:
    """The lines of a station in the order of time, what each should have measured, and what is missing of it.

    A station that often restarts has thousands of lines; all are put in order, and of those that touch the time that
    is asked for everything is read.
    """

    def __init__(self, book: Book, station: str, start_ms: int, end_ms: int) -> None:
        self._book, self._station = book, station
        self._lines = {line.line: line for line in book.all_lines(station)}
        self._keys: dict[int, list[str]] = {}
        self._told = book.told_gaps(station)
        self._causes: dict[tuple[int, int], Cause] = {}
        self._ranges: dict[int, list[missing.MissingRange]] = {}
        openings, periods = book.openings(station), book.duties(station)
        starts = sorted((self._start(line, openings.get(line.line)), line.line) for line in self._lines.values())
        self.known = any(line in periods for _, line in starts)
        self.spans = list(self._spans(starts, periods, start_ms, end_ms)) if self.known else []
        self._newest = starts[-1][1] if starts else 0

    def keys(self, line: int) -> list[str]:
        """Series keys of a line by number."""
        found = self._keys.get(line)
        if found is None:
            found = self._keys[line] = self._book.dictionary(self._station, line) or []
        return found

    def _start(self, line: LineState, opening: "told.Opening | None") -> int:
        if opening is not None and opening.grade != Grade.NONE:
            return opening.time_ms
        first_ms = self._book.first_ms(self._station, line.line)
        return line.first_ms if first_ms is None else first_ms

    def _spans(
        self, starts: list[tuple[int, int]], periods: Mapping[int, list[int]], start_ms: int, end_ms: int
    ) -> Iterator[Span]:
        """From the first duty on, and before it by the same; a line that has not said its own goes on with the last."""
        ends = [start for start, _ in starts[1:]] + [2**62]
        teller = next(line for _, line in starts if line in periods)
        for at, ((start, line), end) in enumerate(zip(starts, ends, strict=True)):
            teller = line if line in periods else teller
            first, last = max(0 if at == 0 else start, start_ms), min(end, end_ms)
            if first < last:
                named = zip(self.keys(teller), periods[teller], strict=False)
                yield Span(first, last, line, {key: period for key, period in named if period})

    def cause(self, line: int, hour: int) -> Cause:
        """Why readings of this line and hour are missing: what most of the missing numbers around that hour are."""
        found = self._causes.get((line, hour))
        if found is None:
            found = self._causes[line, hour] = self._find_cause(line, hour)
        return found

    def _find_cause(self, line: int, hour: int) -> Cause:
        state = self._lines[line]
        below = self._book.number_before(self._station, line, hour)
        above = self._book.number_after(self._station, line, hour)
        around = RangeSet.of((below + 1, max(below + 1, (state.head + 1 if above is None else above) - 1)))
        counts: dict[Cause, int] = {}
        for each in self._missing(line):
            count = (RangeSet.of((each.first, each.last)) & around).count()
            if count:
                counts[each.state, each.cause] = counts.get((each.state, each.cause), 0) + count
        if counts:
            return max(counts, key=lambda cause: (counts[cause], cause))
        ended = above is None and line != self._newest and not self._book.has_hour(self._station, line, hour)
        return Missing.NEVER_ACQUIRED, OFF if ended else ""

    def _missing(self, line: int) -> list[missing.MissingRange]:
        found = self._ranges.get(line)
        if found is None:
            found = self._ranges[line] = missing.missing_ranges(self._lines[line], self._told)
        return found
