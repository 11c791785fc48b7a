"""What the journal still has of one line."""

from typing import NamedTuple

from haihe_contract.ranges import RangeSet


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
