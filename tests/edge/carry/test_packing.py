"""What a bundle packs: every record once, in batches that stand alone, whatever the journal went through."""

import random

import msgspec
from haihe_contract import wire
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import LANE_BACKLOG, Dictionary, Event, Opened, Readings, State
from haihe_edge.carry.packing import packed
from haihe_edge.forward.batching import BACKLOG_RECORDS_MAX
from haihe_edge.journal import Journal, Look
from haihe_simulators.disk import SimulatedDisk
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clocks import HandClock

STATION = "31005650"
T0 = 1_790_000_000_000


def a_line(disk: SimulatedDisk, seed: int, commits: list[int], *, size: int = 1 << 20, close: bool = True) -> Journal:
    """A line with so many records in each of its commits."""
    chance, clock = random.Random(seed), HandClock(T0 + seed * 86_400_000)
    journal = Journal.open(
        disk,
        size=size,
        clock=clock,
        entropy=lambda: chance.getrandbits(64),
        dictionary=Dictionary(["water_level.main.instant.0.derived.dagu"]),
        opened=lambda line, last, ms, closed: Opened(clock.ms, "b", 1, 5, line, last, ms, 1000, closed, "0", "s"),
    )
    for count in commits:
        clock.ms += 60_000
        for n in range(count):
            journal.append(Readings(clock.ms + n, 5, [0], [chance.random()]), urgent=chance.random() < 0.05)
        journal.commit()
    if close:
        journal.close()
    return journal


def records_of(look: Look) -> dict[tuple[int, int], bytes]:
    return {
        (segment.line, record.number): msgspec.msgpack.encode(record)
        for segment in look.segments
        for _, records in look.groups(segment)
        for record in records
    }


@given(
    st.lists(st.lists(st.integers(0, 60), max_size=12), min_size=1, max_size=4),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 80), st.integers(0, 80)), max_size=5),
)
@settings(max_examples=80)
def test_every_record_that_is_not_left_out_is_packed_once_with_its_dictionary_and_the_extremes_of_its_line(
    lines: list[list[int]], close: bool, out: list[tuple[int, int, int]]
) -> None:
    disk = SimulatedDisk()
    made = []
    for seed, commits in enumerate(lines):
        journal = a_line(disk, seed + 1, commits, close=close)
        made.append(journal.line)
        disk.leave()
    look = Look(disk)
    left_out: dict[int, RangeSet] = {}
    for at, first, more in out:
        line = made[at % len(made)]
        left_out[line] = left_out.get(line, EMPTY) | RangeSet.of((first, first + more))
    here = records_of(look)
    wanted = {key: record for key, record in here.items() if key[1] not in left_out.get(key[0], EMPTY)}
    seen: dict[tuple[int, int], bytes] = {}
    extremes = {extent.line: (extent.last, extent.first) for extent in look.extents()}
    for each in packed(look, STATION, left_out):
        batch = wire.decode(each.data)
        assert (batch.station, batch.line, batch.lane) == (STATION, each.line, LANE_BACKLOG)
        assert (batch.head, batch.tail) == extremes[batch.line]
        assert 0 < each.numbers.count() <= BACKLOG_RECORDS_MAX
        assert each.records == len(batch.records)
        assert any(isinstance(record.body, Dictionary) for record in batch.records)
        for record in batch.records:
            key, data = (batch.line, record.number), msgspec.msgpack.encode(record)
            assert data == here[key]
            if record.number in each.numbers:
                assert key not in seen
                seen[key] = data
    assert seen == wanted


def test_batches_are_as_long_as_a_centre_takes_them_whatever_is_in_the_records() -> None:
    disk = SimulatedDisk()
    journal = a_line(disk, 1, [5000], close=False)
    chance = random.Random(7)
    for n in range(60):  # as long as states may be, of letters that nothing compresses
        text = "".join(
            chance.choice("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(48_000)
        )
        journal.append(State("site", {"zlib_base85": text}, T0 + n, 5))
    for n in range(300):
        journal.append(Event(T0 + n, 5, "stopped"))
    journal.commit()
    look = Look(disk)
    found = list(packed(look, STATION, {}))
    assert max(len(each.data) for each in found) <= wire.BATCH_BYTES_MAX
    assert sum(each.numbers.count() for each in found) == len(records_of(look)) == 5000 + 360 + 2
    assert max(each.numbers.count() for each in found) == BACKLOG_RECORDS_MAX


def test_what_an_agent_has_written_and_not_synced_is_durable_before_it_is_carried() -> None:
    disk = SimulatedDisk()
    a_line(disk, 1, [10, 10], close=False)
    (segment,) = Look(disk).segments
    inode = disk._inode(segment.name)
    inode.safe_bytes -= 200  # the last commit has been written, and its sync has not come back
    carried = {number for each in packed(Look(disk), STATION, {}) for number in each.numbers.numbers()}
    left = disk.after_a_cut(random.Random(3))
    assert {number for _, number in records_of(Look(left))} >= carried
    assert len(carried) == 22
