"""The account of a journal: what is here, what the centres hold, what is gone and why. Reads files only."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import Gap, Opened, Summary

from haihe_edge.clock.trust import BUILT_MS
from haihe_edge.forward.held import Held
from haihe_edge.journal import Look
from haihe_edge.journal.segment import Segment
from haihe_edge.site import Site

DAY_MS = 86_400_000
_PACE_OVER_MS = 7 * DAY_MS
_PACE_MS_MIN = 3_600_000
_RECEIPTS = "receipts-"
_DICTIONARY = RangeSet.of((2, 2))
"""Every file of a line repeats its dictionary, so that number is never missing."""
FREED = "receipted"
"""Gone because every required centre holds it."""
UNNAMED = "unnamed"
"""Not here, and no record that is here says why; the next start of the agent looks, and names it."""


class LineAccount(NamedTuple):
    """One line.

    Args:
        line: its id.
        opened: its first record, None if that is not here.
        numbers: what is here.
        size: bytes of its files.
        files: how many.
        held: how many of the numbers here each centre holds.
        gone: numbers that are not here, counted by cause.
        last_ms: time of its last commit; milliseconds of its boot where the clock was not trusted.
    """

    line: int
    opened: Opened | None
    numbers: RangeSet
    size: int
    files: int
    held: dict[str, int]
    gone: dict[str, int]
    last_ms: int


class Account(NamedTuple):
    """A whole journal.

    Args:
        lines: oldest first.
        per_day: bytes a day of its newest week, None if it is too young to tell.
    """

    lines: list[LineAccount]
    per_day: float | None

    @property
    def gone(self) -> dict[str, int]:
        """Of all lines together."""
        return summed(line.gone for line in self.lines)

    @property
    def held(self) -> dict[str, int]:
        """Of all lines together."""
        return summed(line.held for line in self.lines)


def receipts_in(directory: Path, site: Site | None) -> dict[str, Held]:
    """What each centre holds, as it was last saved beside the journal."""
    if site is not None:
        names = [centre.name for centre in site.centres]
    else:
        names = [path.name.removeprefix(_RECEIPTS) for path in sorted(directory.glob(_RECEIPTS + "*"))]
        names = [name for name in names if not name.endswith(".new")]
    return {name: Held(directory / (_RECEIPTS + name)) for name in names}


def account(look: Look, held: Mapping[str, Held], required: Iterable[str]) -> Account:
    """Draw it up.

    Args:
        look: the files.
        held: by centre.
        required: centres whose receipts free a record.
    """
    named, opened = _said(look)
    needed = [held[name] for name in required if name in held]
    here: dict[int, list[Segment]] = {}
    for segment in look.segments:
        here.setdefault(segment.line, []).append(segment)
    for line in named:  # of which nothing is left
        here.setdefault(line, [])
    lines = []
    for line, segments in here.items():
        numbers = _union(segment.numbers for segment in segments)
        settled = needed[0].of(line) if needed else EMPTY
        for other in needed[1:]:
            settled = settled & other.of(line)
        lines.append(
            LineAccount(
                line,
                opened.get(line),
                numbers,
                sum(segment.size for segment in segments),
                len(segments),
                {name: (numbers & each.of(line)).count() for name, each in held.items()},
                _gone(numbers, named.get(line, {}), settled),
                max((segment.time_ms for segment in segments), default=0),
            )
        )
    return Account(lines, pace(look.segments))


def _said(look: Look) -> tuple[dict[int, dict[str, RangeSet]], dict[int, Opened]]:
    """What gap and summary records name, by line and cause; and the first record of each line."""
    named: dict[int, dict[str, RangeSet]] = {}
    opened: dict[int, Opened] = {}
    for segment in look.segments:
        if not segment.named and segment.first > 1:
            continue
        for _, records in look.groups(segment):
            for body in (record.body for record in records):
                if isinstance(body, Opened):
                    opened[segment.line] = body
                elif isinstance(body, Gap | Summary):
                    cause = body.cause if isinstance(body, Gap) else "thinned"
                    of_line = named.setdefault(body.line, {})
                    of_line[cause] = of_line.get(cause, EMPTY) | RangeSet(body.ranges)
            if not segment.named:
                break  # only its first record was wanted
    return named, opened


def _gone(numbers: RangeSet, named: Mapping[str, RangeSet], settled: RangeSet) -> dict[str, int]:
    """Each number that is not here under one cause; what a centre holds after all is not lost."""
    last = max(numbers.last if numbers else 0, *(each.last for each in named.values() if each), 0)
    left = numbers.holes(1, last)
    found: dict[str, int] = {}
    for cause, those in ((FREED, settled), *sorted(named.items()), (UNNAMED, left - _DICTIONARY)):
        count = (left & those).count()
        left = left - those
        if count:
            found[cause] = count
    return found


def pace(segments: Iterable[Segment]) -> float | None:
    """Bytes a day of the newest week with a known time; None when it is less than an hour."""
    timed = [each for each in segments if each.created_ms >= BUILT_MS and each.time_ms >= each.created_ms]
    newest = max((each.time_ms for each in timed), default=0)
    week = [each for each in timed if each.created_ms >= newest - _PACE_OVER_MS]
    span = newest - min((each.created_ms for each in week), default=newest)
    return sum(each.size for each in week) * DAY_MS / span if span >= _PACE_MS_MIN else None


def summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Counts by name, added up."""
    total: dict[str, int] = {}
    for each in counts:
        for name, count in each.items():
            total[name] = total.get(name, 0) + count
    return total


def _union(sets: Iterable[RangeSet]) -> RangeSet:
    return RangeSet(each for one in sets for each in one.ranges)
