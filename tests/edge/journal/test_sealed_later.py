"""A file that its agent left without a seal gets one later: it is read whole once, and what it says stays as it was."""

import errno
import io
import random
from pathlib import Path
from typing import BinaryIO

import pytest
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Body, Dictionary, Event, Gap, Opened, Readings, Record
from haihe_edge.journal import Disk, Folder, Journal
from haihe_edge.journal.archive import SEAL_FREE_BYTES, attributed
from haihe_edge.journal.segment import SUFFIX, Segment, SegmentDamaged, segment_name
from haihe_edge.journal.writing import OpenSegment, seal_later
from haihe_simulators.disk import PowerCut, SimulatedDisk
from haihe_simulators.world.reading import read_file
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clocks import HandClock

T0 = 1_790_000_000_000
WORDS = Dictionary(["water_level.main.instant.0.derived.dagu", "supply_voltage.main.instant.0.instrument.-"])
SIZE = 1 << 24
BLOCK_BYTES = 4096
AROUND_BYTES = 2048
"""More than header, dictionary and seal of a file have in these tests."""


class CountingDisk(SimulatedDisk):
    """A disk that counts the bytes which are read from it."""

    read_bytes = 0

    def open(self, name: str) -> BinaryIO:
        disk = self

        class Counting(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                data = super().read(size)
                disk.read_bytes += len(data)
                return data

        return Counting(self.content(name))


def start(disk: Disk, seed: int) -> Journal:
    chance = random.Random(seed)
    return Journal.open(
        disk,
        size=SIZE,
        clock=HandClock(T0),
        entropy=lambda: chance.getrandbits(64),
        dictionary=WORDS,
        opened=lambda line, last, ms, closed: Opened(T0, "boot", 5, 1, line, last, ms, 1000, closed, "0", "site"),
    )


def fill(journal: Journal, commits: int, records: int = 100) -> None:
    for at in range(commits):
        for n in range(records):
            journal.append(Readings(T0 + (at * records + n) * 1000, 5, [0, 1], [at / 7, n / 7]))
        assert journal.commit()


def body(n: int) -> Body:
    """Of every kind that a seal counts apart."""
    if n % 7 == 3:
        return Gap(9, [(n + 1, n + 1)], "no_space", T0)
    return Event(T0 + n, 5, "level_raised") if n % 5 == 4 else Readings(T0 + n * 1000, 5, [0, 1], [n / 7, 12.5])


def left_file(disk: Disk, serial: int, groups: int = 5, records: int = 8) -> str:
    """A file as an agent leaves it that is killed."""
    name = segment_name(serial, 1000 + serial, 1)
    file = OpenSegment(disk, name, 1000 + serial, 1, T0, WORDS)
    for group in range(groups):
        made = range(group * records, (group + 1) * records)
        file.append([Record(n + 1, n % 5 == 4, body(n)) for n in made], T0 + group, flood=group % 3 == 1)
    file.abandon()
    return name


def journal_names(disk: Disk) -> list[str]:
    return [name for name in disk.names() if name.endswith(SUFFIX)]


def unsealed(disk: Disk) -> list[str]:
    return [name for name in journal_names(disk) if not Segment(disk, name).sealed]


def said(segment: Segment) -> object:
    """All that anybody asks of a file."""
    facts = (segment.line, segment.first, segment.whole_header, segment.dictionary, segment.time_ms, segment.final)
    sets = (segment.numbers, segment.readings, segment.urgent, segment.flood, segment.named)
    return facts, sets, segment.read(segment.numbers, 1 << 30)


def read_at_start(disk: CountingDisk, seed: int) -> tuple[Journal, int]:
    before = disk.read_bytes
    journal = start(disk, seed)
    return journal, disk.read_bytes - before


def test_a_start_reads_one_file_whole_however_many_agents_before_it_were_killed() -> None:
    disk = CountingDisk()
    for seed in range(30):
        journal, read = read_at_start(disk, seed)
        names = journal_names(disk)[:-1]  # without its own
        newest = disk.size(names[-1]) if names else 0
        assert read <= newest + AROUND_BYTES * (len(names) + 1), f"start {seed}"
        fill(journal, 5)
        disk.leave()
    assert read < disk.used_bytes() / 4


def test_files_that_older_agents_left_are_read_whole_once_and_sealed_one_with_each_commit() -> None:
    disk = CountingDisk()
    for serial in range(1, 41):
        left_file(disk, serial, groups=40)
    journal, read = read_at_start(disk, 1)
    assert read > disk.used_bytes() / 2
    for left in range(39, 0, -1):  # the opening's own commit has sealed one
        assert len(unsealed(disk)) == left + 1  # and the open one
        before = disk.written_bytes
        fill(journal, 1, records=1)
        assert disk.written_bytes - before < BLOCK_BYTES
        assert journal.bytes_used() == disk.used_bytes()
    fill(journal, 3, records=1)
    disk.leave()
    _, read = read_at_start(disk, 2)
    assert read <= AROUND_BYTES * 41 + disk.size(journal_names(disk)[-2])
    assert len(unsealed(disk)) == 1


def test_sealed_later_is_not_closed_in_order() -> None:
    disk = SimulatedDisk()
    first = start(disk, 1)
    fill(first, 2)
    disk.leave()
    start(disk, 2)
    disk.leave()
    left, own = journal_names(disk)
    assert Segment(disk, left).sealed
    disk.unlink(own)  # as in an image of the card in which the second start had not got far
    third = start(disk, 3)
    (record,) = third.read(third.line, RangeSet.of((1, 1)))
    assert isinstance(record.body, Opened)
    assert (record.body.previous, record.body.previous_last, record.body.previous_time_ms) == (first.line, 202, T0)
    assert not record.body.closed


def test_sealing_on_a_real_disk_takes_the_right_to_write_away(tmp_path: Path) -> None:
    disk = Folder(tmp_path)
    name = left_file(disk, 1)
    before = said(Segment(disk, name))
    raw = (tmp_path / name).read_bytes()
    start(disk, 1).close()
    after = Segment(disk, name)
    assert after.sealed
    assert said(after) == before
    assert (tmp_path / name).read_bytes().startswith(raw)
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o440


@st.composite
def torn(draw: st.DrawFn, whole: bytes) -> bytes:
    """What a power cut, or a bad card, may leave of a file."""
    end = draw(st.integers(0, len(whole)))
    data = bytearray(whole[:end])
    tail = draw(st.sampled_from(("nothing", "zeros", "noise", "half a frame", "a lost sector", "a flipped byte")))
    if tail == "zeros":
        data += bytes(draw(st.integers(1, 2000)))
    elif tail == "noise":
        data += draw(st.binary(max_size=200))
    elif tail == "half a frame":
        at = whole.rindex(b"HJ", 0, max(3, end) + len(whole) // 2)
        data += whole[at : at + draw(st.integers(1, 300))]
    elif tail == "a lost sector":
        at = draw(st.integers(0, len(data) // 512)) * 512
        data[at : at + 512] = bytes(len(data[at : at + 512]))
    elif tail == "a flipped byte" and data:
        data[draw(st.integers(0, len(data) - 1))] ^= draw(st.integers(1, 255))
    return bytes(data)


@settings(max_examples=400)
@given(st.data())
def test_wherever_a_file_is_torn_its_records_are_the_same_before_and_after_it_is_sealed(data: st.DataObject) -> None:
    disk = SimulatedDisk()
    whole = disk.content(left_file(disk, 1, groups=4))
    name = segment_name(2, 77, 1)
    file = disk.create(name)
    file.write(data.draw(torn(whole)))
    try:
        found = attributed(disk, name)
    except SegmentDamaged:
        return  # set aside, as ever
    before, seen = said(found), read_file(disk, name)
    if data.draw(st.booleans()):  # the power fails in the middle of it, and the next agent does it again
        raw = disk.content(name)
        seal_later(disk, found)
        part = bytearray(disk.content(name)[len(raw) :])
        lost = data.draw(st.integers(0, len(part) - 2))  # the last byte is a zero itself
        part = part[:lost] if data.draw(st.booleans()) else part[:lost] + bytes(len(part) - lost)
        disk.unlink(name)
        disk.create(name).write(raw + part)
        found = attributed(disk, name)
        assert not found.sealed
        assert said(found) == before
    seal_later(disk, found)
    after = Segment(disk, name)
    assert after.sealed
    assert not after.final
    assert said(after) == before
    assert after.numbers == found.numbers
    assert after.size == found.size == disk.size(name)
    again = read_file(disk, name)  # by code that is not the journal's
    assert (again.records, again.at_flood) == (seen.records, seen.at_flood)


def left_by_kills() -> tuple[SimulatedDisk, dict[str, list[object]]]:
    """Three files: of the newest the agent was killed between writing a group and syncing it.

    And what may be said of each after a power cut.
    """
    disk = SimulatedDisk()
    names = [left_file(disk, serial) for serial in (1, 2, 3)]
    may = {name: [said(Segment(disk, name))] for name in names}
    left_file(longer := SimulatedDisk(), 3, groups=6)
    disk.extend(names[-1]).write(longer.content(names[-1])[disk.size(names[-1]) :])
    may[names[-1]].append(said(Segment(disk, names[-1])))
    return disk, may


def test_a_power_cut_at_every_operation_of_sealing_loses_nothing_and_claims_nothing() -> None:
    met: set[tuple[str, str]] = set()
    for operation in range(1, 200):
        disk, may = left_by_kills()
        asked: list[tuple[str, str]] = []

        def cut(what: str, name: str, asked: list[tuple[str, str]] = asked, last: int = operation) -> None:
            asked.append((what, name))
            if len(asked) == last:
                raise PowerCut

        disk.before = cut
        try:
            fill(start(disk, 1), 4, records=1)
        except PowerCut:
            met.add(asked[-1])
        else:
            assert {(what, name) for what in ("extend", "write", "sync", "protect") for name in may} <= met
            return
        disk.before = lambda _what, _name: None
        for image in range(12):
            left = disk.after_a_cut(random.Random(image))
            before = {name: said(Segment(left, name)) for name in may}
            assert all(before[name] in may[name] for name in may), (operation, image)
            journal = start(left, 2)
            fill(journal, 4, records=1)
            assert {name: said(Segment(left, name)) for name in may} == before, (operation, image)
            assert len(unsealed(left)) == 1, "its own"
            for extent in journal.extents():
                records = journal.read(extent.line, extent.numbers, 1 << 30)
                assert RangeSet.from_numbers(record.number for record in records) == extent.numbers
                gaps = [record.body for record in records if isinstance(record.body, Gap)]
                assert all(gap.line == 9 for gap in gaps), "only those that were there"
    pytest.fail("the work has no end")


def failing(disk: SimulatedDisk, what: str, name: str, error: int, *, from_: int = 1) -> list[str]:
    """Let an operation on one file fail, each time from that one on; returns what is asked of that file."""
    asked: list[str] = []

    def before(asks: str, of: str) -> None:
        if of == name:
            asked.append(asks)
            if asks == what and asked.count(asks) >= from_:
                raise OSError(error, "refused", name)

    disk.before = before
    return asked


@pytest.mark.parametrize("error", [errno.EIO, errno.EROFS, errno.EACCES, errno.ENOSPC])
@pytest.mark.parametrize(("what", "from_"), [("extend", 1), ("write", 1), ("sync", 1), ("sync", 2), ("protect", 1)])
def test_a_disk_that_refuses_to_seal_keeps_nothing_from_being_recorded_and_is_asked_again_at_the_next_start(
    what: str, from_: int, error: int
) -> None:
    disk = SimulatedDisk()
    name = left_file(disk, 1)
    before = said(Segment(disk, name))
    asked = failing(disk, what, name, error, from_=from_)
    journal = start(disk, 1)
    fill(journal, 5)
    assert journal.trouble == ""
    assert journal.head == 502
    assert asked.count("extend") == (0 if (what, from_) == ("sync", 1) else 1), "what is not durable gets no seal"
    assert said(Segment(disk, name)) == before
    assert disk.used_bytes() <= journal.bytes_used() < disk.used_bytes() + BLOCK_BYTES
    disk.leave()
    disk.before = lambda _what, _name: None
    fill(start(disk, 2), 1)  # its opening's commit has sealed the file of the agent before
    assert Segment(disk, name).sealed
    assert said(Segment(disk, name)) == before


def test_the_last_bytes_of_a_full_disk_are_not_spent_on_seals() -> None:
    disk = SimulatedDisk()
    name = left_file(disk, 1)
    disk.capacity = disk.used_bytes() + SEAL_FREE_BYTES
    journal = start(disk, 1)
    fill(journal, 3, records=1)
    assert name in unsealed(disk)
    disk.capacity = 1 << 40
    fill(journal, 1, records=1)
    assert name not in unsealed(disk)


def test_a_file_that_gave_way_before_its_turn_is_not_made_again() -> None:
    disk = SimulatedDisk()
    names = [left_file(disk, serial) for serial in range(1, 7)]
    journal = start(disk, 1)
    journal.size = journal.bytes_used() - 3 * disk.size(names[0])
    journal.settle({1000 + serial: RangeSet.of((1, 100)) for serial in range(1, 7)})
    fill(journal, 8, records=1)
    assert set(names) - set(disk.names()) >= set(names[:3])
    assert len(unsealed(disk)) == 1
    assert journal.bytes_used() == disk.used_bytes()
    assert not journal.trouble


def test_a_file_left_after_a_refusal_is_sealed_by_the_next_agent_with_all_that_is_in_it() -> None:
    disk = SimulatedDisk()
    journal = start(disk, 1)
    (name,) = journal_names(disk)
    failing(disk, "sync", name, errno.EIO)
    journal.append(Readings(T0, 5, [0], [1.0]))
    assert journal.commit() == []  # written, and nobody knows whether it is durable
    fill(journal, 3)
    assert name in unsealed(disk)
    disk.leave()
    disk.before = lambda _what, _name: None
    start(disk, 2).close()
    assert Segment(disk, name).sealed
    assert Segment(disk, name).numbers == RangeSet.of((1, 3))
