"""Which numbers are missing, in which state and by which cause; and what a station's lines say of each other. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from haihe_contract.ranges import RangeSet

from .arrival import LineState
from .told import THINNED, Opening, ToldGap


class Missing(StrEnum):
    """Why something that should be here is not."""

    NEVER_ACQUIRED = "never_acquired"
    """The station should have measured it and has no number for it."""
    AWAITED = "awaited"
    """It has a number, and is still in the station."""
    GAP = "gap"
    """The station itself has said that it is gone, and why."""
    THINNED = "thinned"
    """It gave way to a summary for want of space."""
    REFUSED = "refused"
    """Its bytes are in quarantine."""
    LOST = "lost"
    """It has a number, the station no longer has it, and nobody has said why."""
    NOT_HEARD = "not_heard"
    """The station has not been heard of since."""


class MissingRange(NamedTuple):
    """Neighbouring numbers of one line that are missing for one reason.

    Args:
        line: whose.
        first: lowest number.
        last: highest number.
        state: why.
        cause: as the station wrote it, or empty.
        told_ms: when the station found out, None where it did not say.
    """

    line: int
    first: int
    last: int
    state: Missing
    cause: str
    told_ms: int | None


class Trouble(NamedTuple):
    """Something about a station's numbers that must not be.

    Args:
        station: whose.
        kind: ``two_contents``, ``line_went_back`` or ``line_forked``.
        line: where it shows.
        number: the first number that it is about.
        detail: further facts by name.
        received_ms: when the centre learned of it.
    """

    station: str
    kind: str
    line: int
    number: int
    detail: dict[str, object]
    received_ms: int

    @property
    def mark(self) -> str:
        """What makes it another one than was known of this place: a further content, or a card that spoke on."""
        return str(self.detail.get("digest", self.detail.get("heard", "")))


TWO_CONTENTS, WENT_BACK, FORKED = "two_contents", "line_went_back", "line_forked"


def missing_ranges(line: LineState, told: Iterable[ToldGap]) -> list[MissingRange]:
    """Every number up to the head that is not held, in ascending order; each in exactly one range."""
    out = _ranges(line.line, line.awaited, Missing.AWAITED) + _ranges(line.line, line.lost, Missing.LOST)
    out += _ranges(line.line, line.refused, Missing.REFUSED)
    left = line.gaps
    for gap in told:
        if gap.line == line.line and left:
            named = gap.ranges & left
            left = left - named
            state = Missing.THINNED if gap.cause == THINNED else Missing.GAP
            out += _ranges(line.line, named, state, "" if gap.cause == THINNED else gap.cause, gap.time_ms)
    out += _ranges(line.line, left, Missing.GAP)
    return sorted(out)


def _ranges(
    line: int, numbers: RangeSet, state: Missing, cause: str = "", told_ms: int | None = None
) -> list[MissingRange]:
    return [MissingRange(line, first, last, state, cause, told_ms) for first, last in numbers.ranges]


def ancestry(newest: int, openings: Mapping[int, Opening]) -> frozenset[int] | None:
    """The lines of the journal that now writes this line; None when an opening in between is not known."""
    found: set[int] = set()
    line = newest
    while line and line not in found:
        found.add(line)
        opening = openings.get(line)
        if opening is None:
            return None
        line = opening.previous
    return frozenset(found)


def with_gone(lines: Sequence[LineState], openings: Mapping[int, Opening]) -> list[LineState]:
    """The lines, most recently heard first, with those marked of which the station can have nothing any more.

    A station has one journal. Its newest line names the one before, and so on to a line that began a new journal;
    a line that was heard before and is not among them was in a journal that is no longer there. The line heard last is
    in the journal, and may be an older one whose backlog comes now. A line younger than the newest that is known may
    have followed it, as long as an opening between them is not known.
    """
    if not lines:
        return []
    children: dict[int, list[int]] = {}
    for opening in openings.values():
        children.setdefault(opening.previous, []).append(opening.line)
    after = _descent(lines[0].line, children)
    followed = _followed(lines, openings)
    newest = next((line for line in lines if line.line in after and line.line not in followed), lines[0])
    known = ancestry(newest.line, openings)
    if known is None:
        return list(lines)
    whole = _descent(0, children)
    return [
        line._replace(gone=True)
        if line.line not in known and (line.line in whole or line.first_ms <= newest.first_ms)
        else line
        for line in lines
    ]


def are_one_journal(lines: Sequence[LineState], previous: Mapping[int, int]) -> bool:
    """Whether each of these lines follows another of them, but for the oldest: then none of them is gone.

    Args:
        lines: some of a station.
        previous: what each names as the line before, as far as known.
    """
    followed = set(previous.values())
    left = {line.line for line in lines}
    line = next((each for each in left if each not in followed), 0)
    while line in left:
        left.remove(line)
        line = previous.get(line, 0)
    return not left


def _followed(lines: Iterable[LineState], openings: Mapping[int, Opening]) -> set[int]:
    """Every line that one of these goes back to."""
    found: set[int] = set()
    for each in lines:
        line = each.line
        while line in openings and (line := openings[line].previous) and line not in found:
            found.add(line)
    return found


def _descent(line: int, children: Mapping[int, Sequence[int]]) -> set[int]:
    """The line and every line that followed it."""
    found: set[int] = set()
    waiting = [line]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += children.get(each, ())
    return found


def lines_that_went_back(station: str, heads: Mapping[int, int], openings: Mapping[int, Opening]) -> list[Trouble]:
    """Cards that were rolled back or cloned: what an opening says of the line before cannot be.

    Either more of that line had been committed than the opening knows, or two openings name it.

    Args:
        station: whose.
        heads: highest number known of each line.
        openings: by line.
    """
    followed: dict[int, list[Opening]] = {}
    for opening in openings.values():
        if opening.previous:
            followed.setdefault(opening.previous, []).append(opening)
    out: list[Trouble] = []
    for previous, named in followed.items():
        ordered = sorted(named, key=lambda each: (each.received_ms, each.line))
        head = heads.get(previous, 0)
        for opening in ordered:
            if opening.previous_last < head:
                detail: dict[str, object] = {
                    "previous": f"{previous:016x}", "previous_last": opening.previous_last, "heard": head,
                }  # fmt: skip
                out.append(
                    Trouble(station, WENT_BACK, opening.line, opening.previous_last + 1, detail, opening.received_ms)
                )
        for opening in ordered[1:]:
            detail = {"previous": f"{previous:016x}", "other": f"{ordered[0].line:016x}"}
            out.append(Trouble(station, FORKED, opening.line, 1, detail, opening.received_ms))
    return sorted(out, key=lambda each: (-each.received_ms, each.line, each.kind))
