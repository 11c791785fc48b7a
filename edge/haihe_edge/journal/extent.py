"""What the journal still has of one line."""

from collections.abc import Iterable
from typing import NamedTuple

from haihe_contract.ranges import EMPTY, RangeSet

from .segment import Segment


class Extent(NamedTuple):
    """Its numbers, and those of them that go by the alarm lane."""

    line: int
    numbers: RangeSet
    urgent: RangeSet

    @property
    def first(self) -> int:
        """Tail: the lowest number."""
        return self.numbers.first if self.numbers else 0

    @property
    def last(self) -> int:
        """Head: the highest number."""
        return self.numbers.last if self.numbers else 0


def extents_of(segments: Iterable[Segment]) -> list[Extent]:
    """What these files have of every line, oldest line first."""
    lines: dict[int, tuple[RangeSet, RangeSet]] = {}
    for segment in segments:
        numbers, urgent = lines.get(segment.line, (EMPTY, EMPTY))
        lines[segment.line] = (numbers | segment.numbers, urgent | segment.urgent)
    return [Extent(line, numbers, urgent) for line, (numbers, urgent) in lines.items() if numbers]
