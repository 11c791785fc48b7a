"""What goes first when the journal's space runs short. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from haihe_contract.ranges import EMPTY, RangeSet


class Held(NamedTuple):
    """One closed file as the decision sees it."""

    name: str
    line: int
    numbers: RangeSet
    urgent: RangeSet
    size: int


class Freed(NamedTuple):
    """One file that goes, and the numbers that are lost by it (covered by no required receipt)."""

    name: str
    line: int
    lost: RangeSet


def choose(held: Sequence[Held], settled: Mapping[int, RangeSet], needed: int) -> list[Freed]:
    """Files to remove, oldest first, until so many bytes are free.

    Order: files whose every number is settled; then files without unsettled urgent numbers; alarm events only
    when nothing else is left (design, promise 8). ``held`` is in order of age.
    """

    def unsettled(file: Held) -> RangeSet:
        return file.numbers - settled.get(file.line, EMPTY)

    def worth(file: Held) -> int:
        left = unsettled(file)
        return 0 if not left else 2 if file.urgent & left else 1

    freed: list[Freed] = []
    for file in sorted(held, key=worth):  # stable: age decides among equals
        if needed <= 0:
            break
        freed.append(Freed(file.name, file.line, unsettled(file)))
        needed -= file.size
    return freed
