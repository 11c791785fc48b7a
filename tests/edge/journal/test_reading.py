"""Any wanted numbers are found, however the commit groups lie in a file."""

from haihe_contract.ranges import RangeSet
from haihe_contract.record import Dictionary, Event, Record
from haihe_edge.journal.segment import Segment
from haihe_edge.journal.writing import OpenSegment, replace_thinned
from haihe_simulators.disk import SimulatedDisk
from hypothesis import given, settings
from hypothesis import strategies as st

LINE = 5


def event(number: int) -> Record:
    return Record(number, False, Event(number, 5, "x", detail={"n": number}))


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=40),
    st.sets(st.integers(1, 200), max_size=60),
    st.sets(st.integers(1, 200)),
    st.integers(1, 3000),
    st.booleans(),
)
def test_any_wanted_numbers_are_read_in_order_and_the_rest_comes_with_the_next_calls(
    commits: list[tuple[int, bool]],
    wanted: set[int],
    thinned: set[int],
    most_bytes: int,
    thin: bool,  # noqa: FBT001
) -> None:
    disk = SimulatedDisk()
    file = OpenSegment(disk, f"00000001-{LINE:016x}-1.journal", LINE, 1, 0, Dictionary([]))
    here: list[Record] = []
    for count, flood in commits:
        group = [event(len(here) + 1 + n) for n in range(count)]
        file.append(group, 0, flood=flood)
        here += group
    segment: Segment = file.seal(final=True)
    if thin:
        here = [record for record in here if record.number not in thinned] or here[:1]
        segment = replace_thinned(disk, segment, here)
    left = RangeSet.from_numbers(wanted) & RangeSet.from_numbers(record.number for record in here)
    found: list[int] = []
    while left:
        records = segment.read(left, most_bytes)
        numbers = [record.number for record in records]
        assert numbers
        assert numbers == sorted(numbers)
        assert all(record == event(record.number) for record in records)
        assert left.covers(RangeSet.from_numbers(numbers))
        found += numbers
        left = left - RangeSet.from_numbers(numbers)
    assert set(found) == {record.number for record in here} & wanted
