"""What gives way first when the journal's space runs short. Pure."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from haihe_contract.ranges import EMPTY, RangeSet

THIN_BYTES_MIN = 8 * 1024
"""A file smaller than this gains too little by being thinned."""


class Way(Enum):
    """What happens to a file, the mildest first (design, promise 8)."""

    FREE = "free"  # all required centres hold everything in it
    THIN_ROUTINE = "thin routine"  # its routine readings become a summary
    THIN_FLOOD = "thin flood"  # its readings of flood stage do, too
    DROP = "drop"  # it goes, and a gap record names its numbers


class Held(NamedTuple):
    """One closed file as the decision sees it.

    Args:
        name: of the file.
        line: whose records.
        numbers: which.
        readings: those that are reading groups and can be read.
        urgent: those of the alarm lane.
        flood: those of flood stage.
        size: bytes.
    """

    name: str
    line: int
    numbers: RangeSet
    readings: RangeSet
    urgent: RangeSet
    flood: RangeSet
    size: int


class Step(NamedTuple):
    """The next thing to do about space."""

    name: str
    way: Way


def next_step(held: Sequence[Held], settled: Mapping[int, RangeSet], *, can_thin: bool = True) -> Step | None:
    """The mildest step that gains space, of equals the one on the oldest file; None when there is no file.

    Args:
        held: closed files, oldest first.
        settled: numbers per line that all required centres hold.
        can_thin: whether the disk has room for a thinned copy beside its original.
    """

    def unsettled(file: Held) -> RangeSet:
        return file.numbers - settled.get(file.line, EMPTY)

    best: tuple[int, Step] | None = None
    for file in held:
        left = unsettled(file)
        if not left:
            return Step(file.name, Way.FREE)
        thinnable = file.readings - file.urgent if can_thin and file.size >= THIN_BYTES_MIN else EMPTY
        if thinnable - file.flood:
            rank, way = 1, Way.THIN_ROUTINE
        elif thinnable:
            rank, way = 2, Way.THIN_FLOOD
        else:
            rank, way = 3 + bool(file.flood & left) + 2 * bool(file.urgent & left), Way.DROP
        if best is None or rank < best[0]:
            best = rank, Step(file.name, way)
    return best[1] if best else None
