"""A power cut at any moment: whatever the disk then holds, what was committed is there, and what is gone is named."""

import errno
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Dictionary, Gap, Opened, Readings, Record, Summary
from haihe_edge.journal import Disk, Journal
from haihe_edge.journal.reserve import RESERVE_BYTES
from haihe_simulators.disk import PowerCut, SimulatedDisk

from tests.clocks import HandClock

WORDS = Dictionary(["water_level.main.instant.0.derived.dagu", "supply_voltage.main.instant.0.instrument.-"])
T0 = 1_790_000_000_000
IMAGES = 4
"""How many of the images that one cut may leave are tried."""


def start(disk: Disk, chance: random.Random) -> Journal:
    return Journal.open(
        disk,
        size=120_000,
        clock=HandClock(T0),
        entropy=lambda: chance.getrandbits(64),
        dictionary=WORDS,
        opened=lambda line, last, ms, closed: Opened(T0, "boot", 5, 1, line, last, ms, 1000, closed, "0", "site"),
    )


class Work:
    """What an agent does: commits small and large, receipts, files that fill, an orderly end."""

    def __init__(self, *, refused: bool = False) -> None:
        self.refused = refused
        """Whether the disk refuses now and then."""
        self.committed: dict[tuple[int, int], Record] = {}
        self.receipted: dict[int, RangeSet] = {}

    def on(self, disk: Disk, chance: random.Random) -> None:
        for last in (False, True):
            journal = start(disk, chance)
            self._note(journal, 1, 2)
            for step in range(45):
                for _ in range(chance.choice((1, 1, 2, 40, 250))):
                    time_ms = T0 + len(self.committed) * 1000 + step
                    values = [chance.random() for _ in range(2)]
                    journal.append(Readings(time_ms, 5, [0, 1], list(values)), urgent=chance.random() < 0.02)
                if isinstance(disk, SimulatedDisk):
                    disk.refuses = errno.EIO if self.refused and chance.random() < 0.1 else 0
                for record in journal.commit():
                    self.committed[journal.line, record.number] = record
                if chance.random() < 0.3:
                    self.receipted[journal.line] = RangeSet.of((1, journal.head))
                    journal.settle(self.receipted)
            if isinstance(disk, SimulatedDisk):
                disk.refuses = 0
            if last:
                journal.close()
            else:
                disk.leave()  # a crash of the agent alone: the machine goes on

    def _note(self, journal: Journal, *numbers: int) -> None:
        for record in journal.read(journal.line, RangeSet.from_numbers(numbers)):
            self.committed[journal.line, record.number] = record


def cut_at(operation: int, seed: int) -> tuple[Work, SimulatedDisk] | None:
    """The work up to that operation of the disk; None when it ends before."""
    count = 0

    def before(what: str, name: str) -> None:
        nonlocal count
        count += 1
        if count == operation:
            raise PowerCut

    disk, work = SimulatedDisk(before=before), Work(refused=seed > 0)
    try:
        work.on(disk, random.Random(seed))
    except PowerCut:
        disk.before = lambda _what, _name: None
        return work, disk
    return None


def every_cut() -> Iterator[tuple[int, Work, SimulatedDisk]]:
    for operation in range(1, 100_000):
        found = cut_at(operation, seed=operation % 3)
        if found is None:
            return
        yield operation, *found


def test_whatever_a_power_cut_leaves_of_the_disk_nothing_committed_is_lost_silently() -> None:
    cuts = images = 0
    for operation, work, disk in every_cut():
        cuts += 1
        for image_seed in range(IMAGES):
            images += 1
            left = disk.after_a_cut(random.Random(image_seed))
            chance = random.Random(operation * 1000 + image_seed)
            journal = start(left, chance)
            journal.commit()  # names what is not there
            held: dict[tuple[int, int], Record] = {}
            for extent in journal.extents():
                wanted = extent.numbers
                while wanted:
                    records = journal.read(extent.line, wanted)
                    assert records, f"operation {operation}, image {image_seed}: numbers that cannot be read"
                    held |= {(extent.line, record.number): record for record in records}
                    wanted = wanted - RangeSet.from_numbers(record.number for record in records)
            gaps = {
                (body.line, number)
                for (line, own), record in (work.committed | held).items()
                if (line, own) in held or own in work.receipted.get(line, RangeSet())  # the centre knows it
                if isinstance(body := record.body, Gap | Summary)
                for number in RangeSet(body.ranges).numbers()
            }
            for key, record in work.committed.items():
                settled = key[1] in work.receipted.get(key[0], RangeSet())
                there = held.get(key)
                assert there == record if there else (key in gaps or settled), (operation, image_seed, key)
            assert journal.line not in {line for line, _ in work.committed}
            opened = held[journal.line, 1].body
            assert isinstance(opened, Opened)
            newest = [number for line, number in held if line == opened.previous]
            assert opened.previous_last == max(newest, default=0)
    assert cuts > 150
    assert images == cuts * IMAGES


def test_the_images_of_a_cut_really_lose_reorder_and_tear_what_was_not_synced() -> None:
    disk = SimulatedDisk()
    file = disk.create("a")
    disk.sync()
    file.write(b"1" * 700)
    file.sync()
    file.write(b"2" * 2000)
    disk.create("b")
    seen = {
        bytes(left.open("a").read()) + (b"b" if "b" in left.names() else b"")
        for left in (disk.after_a_cut(random.Random(seed)) for seed in range(200))
    }
    assert all(content.startswith(b"1" * 700) for content in seen)
    assert b"1" * 700 in seen  # lost
    assert any(content[700:1024] == bytes(324) and b"2" in content for content in seen)  # reordered
    assert any(b"2" in content and content.rstrip(b"b").endswith(b"2") and len(content) < 2700 for content in seen)
    assert {content.endswith(b"b") for content in seen} == {True, False}
    assert len(seen) > 20


def test_what_an_agent_wrote_and_did_not_sync_is_durable_once_the_next_agent_counts_it() -> None:
    disk = SimulatedDisk()
    journal = start(disk, random.Random(1))
    journal.append(Readings(T0, 5, [0], [12.0]))

    def before(what: str, name: str) -> None:
        if what == "sync":
            raise PowerCut  # the agent alone is killed here: the machine goes on

    disk.before = before
    with pytest.raises(PowerCut):
        journal.commit()
    disk.before = lambda _what, _name: None
    disk.leave()
    again = start(disk, random.Random(2))
    (opened,) = again.read(again.line, RangeSet.of((1, 1)))
    assert isinstance(opened.body, Opened)
    assert opened.body.previous_last == 3
    disk.leave()
    for seed in range(20):
        left = start(disk.after_a_cut(random.Random(seed)), random.Random(seed))
        assert 3 in {extent.line: extent.numbers for extent in left.extents()}[journal.line]


def test_what_a_full_disk_took_of_a_group_counts_nowhere_until_all_of_it_is_durable() -> None:
    disk = SimulatedDisk()
    journal = start(disk, random.Random(1))
    for at in range(300):
        journal.append(Readings(T0 + at, 5, [0], [float(at)]))
    disk.capacity = disk.used_bytes() - RESERVE_BYTES + 6000  # when that is given up: one frame's worth, not two's
    for _ in range(5):
        assert journal.commit() == []
        assert [extent.numbers for extent in journal.extents()] == [RangeSet.of((1, 2))]
    disk.capacity = 1 << 40
    assert len(journal.commit()) == 300
    assert [extent.numbers for extent in journal.extents()] == [RangeSet.of((1, 302))]


_WATCHED = """
import random, sys
from pathlib import Path
from haihe_edge.journal import Folder
from tests.edge.journal.test_power_cut import Work
Work().on(Folder(Path(sys.argv[1])), random.Random(1))
"""


CALLS = {"create", "extend", "write", "sync", "sync folder", "unlink"}


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: the kernel cannot be listened to")
def test_the_real_journal_asks_the_kernel_for_just_what_the_simulated_disk_is_asked_for(tmp_path: Path) -> None:
    directory, trace = tmp_path / "journal", tmp_path / "trace"
    calls = "trace=openat,write,fsync,fdatasync,unlink,unlinkat,rename,renameat2,chmod,fchmodat"
    subprocess.run(
        ["strace", "-f", "-y", "-s", "0", "-e", calls, "-o", trace, sys.executable, "-c", _WATCHED, str(directory)],
        check=True,
        cwd=Path(__file__).parents[3],
        timeout=120,
    )
    asked: list[tuple[str, str]] = []

    def before(what: str, name: str) -> None:
        asked.append((what, name))

    Work().on(SimulatedDisk(before=before), random.Random(1))
    expected = [each for each in asked if each[0] in CALLS]
    assert _of_kernel(trace.read_text(), directory) == expected
    assert {what for what, _ in expected} == CALLS


def _of_kernel(trace: str, directory: Path) -> list[tuple[str, str]]:
    """The calls on files of the folder in the words of the disk's port."""
    found: list[tuple[str, str]] = []
    folder = re.escape(str(directory))
    for line in trace.splitlines():
        if made := re.search(rf'openat\(.*"{folder}/([^"]+)", .*O_CREAT\|O_EXCL.*= \d', line):
            found.append(("create", made[1]))
        elif more := re.search(rf'openat\(.*"{folder}/([^"]+)", .*O_APPEND.*= \d', line):
            found.append(("extend", more[1]))
        elif wrote := re.search(rf"\bwrite\(\d+<{folder}/([^>]+)>", line):
            found.append(("write", wrote[1]))
        elif synced := re.search(rf"\bf(?:data)?sync\(\d+<{folder}(?:/([^>]+))?>", line):
            found.append(("sync", synced[1]) if synced[1] else ("sync folder", ""))
        elif gone := re.search(rf'unlink(?:at)?\(.*"{folder}/([^"]+)"', line):
            found.append(("unlink", gone[1]))
    return found
