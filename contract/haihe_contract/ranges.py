"""Sets of record numbers as sorted, disjoint, closed ranges."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from operator import itemgetter

Range = tuple[int, int]
_first = itemgetter(0)
_last = itemgetter(1)


class RangeSet:
    """An immutable set of integers kept as closed ranges: ``RangeSet.of((1, 5), (9, 9))``.

    Neighbouring ranges are always joined, so equal sets have equal ranges.
    """

    __slots__ = ("ranges",)

    ranges: tuple[Range, ...]

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        merged: list[Range] = []
        for first, last in sorted(ranges):
            if last < first:
                raise ValueError(f"range {first}-{last} runs backwards")
            if merged and first <= merged[-1][1] + 1:
                if last > merged[-1][1]:
                    merged[-1] = (merged[-1][0], last)
            else:
                merged.append((first, last))
        self.ranges = tuple(merged)

    @classmethod
    def of(cls, *ranges: Range) -> "RangeSet":
        """The set that these ranges cover together."""
        return cls(ranges)

    @classmethod
    def from_numbers(cls, numbers: Iterable[int]) -> "RangeSet":
        """The set of these single numbers."""
        ordered = sorted(set(numbers))
        if not ordered:
            return EMPTY
        first, last = ordered[0], ordered[-1]
        if last - first < len(ordered):  # nearly always: they follow one another
            return cls._of_normal(((first, last),))
        ranges: list[Range] = []
        end = first
        for number in ordered:
            if number > end + 1:
                ranges.append((first, end))
                first = number
            end = number
        return cls._of_normal((*ranges, (first, end)))

    @classmethod
    def _of_normal(cls, ranges: tuple[Range, ...]) -> "RangeSet":
        made = cls.__new__(cls)
        made.ranges = ranges
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeSet) and self.ranges == other.ranges

    def __hash__(self) -> int:
        return hash(self.ranges)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __repr__(self) -> str:
        return f"RangeSet({self})"

    def __str__(self) -> str:
        return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in self.ranges)

    def __contains__(self, number: int) -> bool:
        ranges = self.ranges
        if len(ranges) == 1:
            first, last = ranges[0]
            return first <= number <= last
        at = bisect_right(ranges, number, key=_first)
        return at > 0 and number <= ranges[at - 1][1]

    def __or__(self, other: "RangeSet") -> "RangeSet":
        if not other.ranges:
            return self
        if not self.ranges:
            return other
        if len(other.ranges) == 1:
            return self._with(other.ranges[0])
        return RangeSet(self.ranges + other.ranges)

    def _with(self, new: Range) -> "RangeSet":
        """Union with one range, without walking the rest."""
        first, last = self.ranges[-1]
        if new[0] > last + 1:
            return RangeSet._of_normal((*self.ranges, new))
        if new[0] >= first:
            return self if new[1] <= last else RangeSet._of_normal((*self.ranges[:-1], (first, new[1])))
        low = bisect_left(self.ranges, new[0] - 1, key=_last)
        high = bisect_right(self.ranges, new[1] + 1, key=_first)
        if low < high:
            new = (min(new[0], self.ranges[low][0]), max(new[1], self.ranges[high - 1][1]))
        return RangeSet._of_normal((*self.ranges[:low], new, *self.ranges[high:]))

    def __sub__(self, other: "RangeSet") -> "RangeSet":
        mine, cuts = self.ranges, other.ranges
        if not cuts or not mine or cuts[-1][1] < mine[0][0] or mine[-1][1] < cuts[0][0]:
            return self
        if mine == cuts:
            return EMPTY
        left: list[Range] = []
        for first, last in mine:
            at = bisect_left(cuts, first, key=_last)
            while first <= last and at < len(cuts) and cuts[at][0] <= last:
                cut_first, cut_last = cuts[at]
                if cut_first > first:
                    left.append((first, cut_first - 1))
                first = cut_last + 1
                at += 1
            if first <= last:
                left.append((first, last))
        return RangeSet._of_normal(tuple(left))

    def __and__(self, other: "RangeSet") -> "RangeSet":
        few, many = self.ranges, other.ranges
        if len(few) > len(many):
            few, many = many, few
        if not few or many[-1][1] < few[0][0] or few[-1][1] < many[0][0]:
            return EMPTY
        common: list[Range] = []
        for first, last in few:
            at = bisect_left(many, first, key=_last)
            while at < len(many) and many[at][0] <= last:
                common.append((max(first, many[at][0]), min(last, many[at][1])))
                at += 1
        return RangeSet._of_normal(tuple(common))

    def covers(self, other: "RangeSet") -> bool:
        """Whether every number of the other is in this one."""
        return not (other - self)

    def holes(self, first: int, last: int) -> "RangeSet":
        """The numbers of first..last that are not in the set."""
        if last < first:
            return EMPTY
        return RangeSet.of((first, last)) - self

    def count(self) -> int:
        """How many numbers it holds."""
        return sum(last - first + 1 for first, last in self.ranges)

    def numbers(self) -> Iterator[int]:
        """Every number, ascending."""
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def head(self, most: int) -> "RangeSet":
        """The lowest numbers, at most so many."""
        taken: list[Range] = []
        for first, last in self.ranges:
            if most <= 0:
                break
            last = min(last, first + most - 1)
            taken.append((first, last))
            most -= last - first + 1
        return RangeSet._of_normal(tuple(taken))

    @property
    def first(self) -> int:
        """Lowest number. Raises IndexError when empty."""
        return self.ranges[0][0]

    @property
    def last(self) -> int:
        """Highest number. Raises IndexError when empty."""
        return self.ranges[-1][1]


EMPTY = RangeSet()
"""The empty set."""
