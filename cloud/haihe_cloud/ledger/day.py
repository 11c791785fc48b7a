"""The figures of one station and day: how many readings were expected, arrived, in time, valid; why others miss. Pure.

Expected times of a series lie on the grid of its period (the station's duty), counted from 08:00 Beijing time, and
each stands for the readings up to the next one. 到报率 = arrived / expected, 及时率 = in time / expected,
合格率 = valid / valued. Readings between expected times add nothing. Periods below one second count as one second.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from haihe_contract.ranges import EMPTY, Range, RangeSet
from haihe_contract.record import SeriesSummary

from .missing import Missing
from .tally import HOUR_MS, Hour, ranges

Cause = tuple[Missing, str]
"""Why readings miss: the state and, where somebody has named one, the cause."""
OFF = "off"
"""Cause of what was never acquired while the station stood still between two lines."""


_Sets = tuple[RangeSet, ...]
"""Seconds since 1970: arrived, in time, valued, valid."""
_NONE: _Sets = (EMPTY, EMPTY, EMPTY, EMPTY)


class Span(NamedTuple):
    """A stretch of time in which one duty holds.

    Args:
        start_ms: from here on.
        end_ms: up to here.
        line: whose duty it is, and whose numbers readings of this time have.
        periods: milliseconds by series key; series of which none are expected are left out.
    """

    start_ms: int
    end_ms: int
    line: int
    periods: Mapping[str, int]


class Figures(NamedTuple):
    """Counted expected times.

    Args:
        expected: how many there were.
        arrived: with at least one reading.
        in_time: with one that was here within ten minutes.
        valued: with one that has a value.
        valid: with one that passes quality control or was not evaluated.
        missing: the others, by why.
    """

    expected: int = 0
    arrived: int = 0
    in_time: int = 0
    valued: int = 0
    valid: int = 0
    missing: Mapping[Cause, int] = {}

    def plus(self, more: "Figures") -> "Figures":
        """Both together."""
        missing = dict(self.missing)
        for cause, count in more.missing.items():
            missing[cause] = missing.get(cause, 0) + count
        return Figures(
            self.expected + more.expected,
            self.arrived + more.arrived,
            self.in_time + more.in_time,
            self.valued + more.valued,
            self.valid + more.valid,
            missing,
        )


class Known(NamedTuple):
    """What the figures of a day are made of.

    Args:
        spans: duties, in the order of time; they do not overlap.
        hours: of the day, of all lines.
        keys: series keys of each line by number.
        summaries: of blocks that gave way, whose times touch the day.
        heard_ms: up to when the station has told how it was, None for never.
        cause: why a reading of that line and hour is missing, if not for one of the reasons above.
    """

    spans: Sequence[Span]
    hours: Sequence[Hour]
    keys: Mapping[int, Sequence[str]]
    summaries: Sequence[SeriesSummary]
    heard_ms: int | None
    cause: Callable[[int, int], Cause]


def figures(known: Known) -> dict[str, Figures]:
    """Figures of every series of which something was expected."""
    seconds = _by_series(known.hours, known.keys)
    out: dict[str, Figures] = {}
    for span in known.spans:
        for key, period_ms in span.periods.items():
            counted = _count(known, span, key, max(period_ms, 1000), seconds.get(key, _NONE))
            out[key] = out.get(key, Figures()).plus(counted)
    return out


def total(parts: Iterable[Figures]) -> Figures:
    """All of them together."""
    out = Figures()
    for part in parts:
        out = out.plus(part)
    return out


def _count(known: Known, span: Span, key: str, period_ms: int, seen: _Sets) -> Figures:
    first, last = -(-span.start_ms // period_ms), -(-span.end_ms // period_ms) - 1
    if last < first:
        return Figures()
    due = RangeSet.of((first, last))
    arrived, in_time, valued, valid = (due & _slots(each, period_ms) for each in seen)
    missing = _why(known, span, key, period_ms, due - arrived)
    return Figures(due.count(), arrived.count(), in_time.count(), valued.count(), valid.count(), missing)


def _why(known: Known, span: Span, key: str, period_ms: int, slots: RangeSet) -> dict[Cause, int]:
    counts: dict[Cause, int] = {}

    def add(cause: Cause, count: int) -> None:
        if count:
            counts[cause] = counts.get(cause, 0) + count

    for summary in known.summaries:
        if summary.series == key and slots:
            first, last = sorted((summary.first_ms // period_ms, summary.last_ms // period_ms))  # whatever it says
            gone = slots & RangeSet.of((first, last))
            add((Missing.THINNED, ""), gone.count())
            slots = slots - gone
    if known.heard_ms is None or not slots:
        add((Missing.NOT_HEARD, ""), slots.count())
        return counts
    unheard = slots & RangeSet.of((known.heard_ms // period_ms + 1, max(slots.last, known.heard_ms // period_ms + 1)))
    add((Missing.NOT_HEARD, ""), unheard.count())
    for first, last in (slots - unheard).ranges:
        for hour, count in _by_hour(first, last, period_ms):
            add(known.cause(span.line, hour), count)
    return counts


def _by_hour(first: int, last: int, period_ms: int) -> Iterable[Range]:
    """How many of the slots first..last begin in each hour."""
    while first <= last:
        hour = first * period_ms // HOUR_MS
        end = min(last, ((hour + 1) * HOUR_MS - 1) // period_ms)
        yield hour, end - first + 1
        first = end + 1


def _slots(seconds: RangeSet, period_ms: int) -> RangeSet:
    """The expected times that seconds belong to: of two that lie in one second, the later one.

    A reading comes soon after it was due. Where a period is no whole number of seconds (1.5 s), its second has begun
    before that, so the end of the second tells to which expected time it belongs.
    """
    if not seconds:
        return EMPTY
    return RangeSet(
        ((first * 1000 + 999) // period_ms, (last * 1000 + 999) // period_ms) for first, last in seconds.ranges
    )


def _by_series(hours: Iterable[Hour], keys: Mapping[int, Sequence[str]]) -> dict[str, _Sets]:
    """The seconds of each series, whichever line its readings came on."""
    gathered: dict[str, tuple[list[Range], ...]] = {}
    for hour in hours:
        names, base = keys.get(hour.line, ()), hour.hour * 3600
        for number, seconds in hour.seen.items():
            if number < len(names):
                into = gathered.setdefault(names[number], ([], [], [], []))
                for found, each in zip(into, seconds, strict=True):
                    found += [(base + first, base + last) for first, last in ranges(each)]
    return {key: tuple(map(RangeSet, found)) for key, found in gathered.items()}
