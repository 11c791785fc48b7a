"""The arithmetic of one line: what an arrival adds. Set union, so order and repetition do not matter."""

from typing import NamedTuple

from haihe_contract.ranges import EMPTY, RangeSet

from .arrival import LineState

CLOCK_WAS_WRONG_MS = 600_000
"""Threads and rounds reorder arrivals by seconds, never by so much."""


class Addition(NamedTuple):
    """What is learned of one line at one moment; anything left out is not learned."""

    station: str
    line: int
    received_ms: int
    head: int = 0
    tail: int = 0
    held: RangeSet = EMPTY
    refused: RangeSet = EMPTY
    gaps: RangeSet = EMPTY


def unheard(station: str, line: int, now_ms: int) -> LineState:
    """A line of which nothing is known yet."""
    return LineState(station, line, 0, 0, EMPTY, EMPTY, EMPTY, now_ms, now_ms)


def add(state: LineState, more: Addition) -> LineState:
    """The line with the addition. Held wins over refused, and both over gap.

    The three sets of a line have no number in common, so only what is new is compared with all that is known: a batch
    of gap records costs no walk along the line for each of them.
    """
    held = state.held | more.held
    refused = (state.refused - more.held) | (more.refused - held)
    gaps = (state.gaps - more.held - more.refused) | (more.gaps - held - refused)
    named = [ranges.last for ranges in (more.held, more.refused, more.gaps) if ranges]
    return LineState(
        state.station,
        state.line,
        max([state.head, more.head, *named]),
        max(state.tail, more.tail),
        held,
        refused,
        gaps,
        min(state.first_ms, more.received_ms),
        latest(state.last_ms, more.received_ms),
    )


def latest(known_ms: int, received_ms: int) -> int:
    """When something was last heard. What lies far ahead of an arrival was stamped while the clock was wrong."""
    return received_ms if known_ms - received_ms > CLOCK_WAS_WRONG_MS else max(known_ms, received_ms)


def pieces(state: LineState) -> int:
    """How many separate ranges the ledger keeps of the line."""
    return len(state.held.ranges) + len(state.refused.ranges) + len(state.gaps.ranges)


def ends(ranges: RangeSet, most: int) -> list[tuple[int, int]]:
    """The ranges, or where they are too many the lowest and the highest of them.

    The lowest say how far the backlog has come, the highest which live values have just arrived.
    """
    if len(ranges.ranges) <= most:
        return list(ranges.ranges)
    half = most // 2
    return [*ranges.ranges[:half], *ranges.ranges[-half:]]
