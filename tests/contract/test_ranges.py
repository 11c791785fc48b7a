"""Sets of numbers: the ledger, the receipts and the forwarder all count with them."""

from itertools import pairwise

from haihe_contract.ranges import RangeSet
from hypothesis import given
from hypothesis import strategies as st

numbers = st.sets(st.integers(1, 60))


@given(numbers, numbers)
def test_union_difference_and_intersection_agree_with_sets_of_numbers(a: set[int], b: set[int]) -> None:
    left, right = RangeSet.from_numbers(a), RangeSet.from_numbers(b)
    assert set((left | right).numbers()) == a | b
    assert set((left - right).numbers()) == a - b
    assert set((left & right).numbers()) == a & b
    assert left.covers(right) == (b <= a)
    assert left.count() == len(a)


@given(numbers, numbers)
def test_equal_sets_have_equal_ranges_however_they_were_made(a: set[int], b: set[int]) -> None:
    left, right = RangeSet.from_numbers(a), RangeSet.from_numbers(b)
    one_by_one = left
    for number in sorted(b, reverse=True):
        one_by_one = one_by_one | RangeSet.of((number, number))
    assert one_by_one == left | right == right | left == RangeSet.from_numbers(a | b)
    assert (left - right) | (left & right) == left


@given(numbers, st.integers(1, 60))
def test_ranges_are_sorted_disjoint_and_never_touch(a: set[int], most: int) -> None:
    ranges = RangeSet.from_numbers(a).ranges
    assert all(first <= last for first, last in ranges)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(ranges))
    assert list(RangeSet(ranges).head(most).numbers()) == sorted(a)[:most]


@given(numbers, st.integers(1, 60))
def test_membership_and_holes_agree_with_sets_of_numbers(a: set[int], number: int) -> None:
    ranges = RangeSet.from_numbers(a)
    assert (number in ranges) == (number in a)
    assert set(ranges.holes(5, 40).numbers()) == set(range(5, 41)) - a
