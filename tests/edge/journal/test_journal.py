"""The journal: what was committed is there again after any end of the process, and what is gone is named."""

import gc
import itertools
import os
import random
import shutil
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from haihe_contract.errors import FieldError
from haihe_contract.quality import Reason, unmark
from haihe_contract.ranges import RangeSet
from haihe_contract.record import (
    Body,
    Dictionary,
    Duty,
    Event,
    Gap,
    Opened,
    Readings,
    SeriesSummary,
    State,
    Summary,
    TimeFix,
)
from haihe_contract.record_fault import record_fault
from haihe_edge.journal import Folder, Journal
from haihe_edge.journal.segment import FRAME_BYTES_MAX
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clocks import HandClock

WORDS = Dictionary(["water_level.main.instant.0.derived.dagu", "supply_voltage.main.instant.0.instrument.-"])


def start(
    directory: Path, *, size: int = 1 << 20, entropy: Callable[[], int] | None = None, dictionary: Dictionary = WORDS
) -> Journal:
    return Journal.open(
        Folder(directory),
        size=size,
        clock=HandClock(1_790_000_000_000),
        entropy=entropy or (lambda: random.SystemRandom().getrandbits(64)),
        dictionary=dictionary,
        opened=lambda line, last, time_ms, closed: Opened(
            1_790_000_000_000, "boot", 5, 1, line, last, time_ms, 1000, closed, "0.1", "site"
        ),
    )


def group(n: int, *, pad: int = 2) -> Readings:
    return Readings(1_790_000_000_000 + n * 1000, 5, list(range(pad)), [n / 1000] * pad)


def everything(journal: Journal, line: int) -> dict[int, object]:
    extent = next(e for e in journal.extents() if e.line == line)
    found: dict[int, object] = {}
    while left := extent.numbers - RangeSet.from_numbers(found):
        records = journal.read(line, left)
        if not records:
            break
        found |= {record.number: record.body for record in records}
    return found


def crash(journal: Journal) -> None:
    """End as kill -9 would: nothing is flushed, only the descriptors go away."""
    if journal._tail.open is not None:
        journal._tail.open.abandon()
    journal._disk.leave()


def test_a_commit_group_longer_than_any_frame_is_read_again_whole(tmp_path: Path) -> None:
    journal = start(tmp_path, size=1 << 28)
    keys = [f"water_temperature.p{n:04}.instant.0.instrument.{'x' * 60}" for n in range(1500)]
    extreme = (1_790_000_000_000, 12.25, 0, 5)
    series = [SeriesSummary(key, 1, 0, 12.25, extreme, extreme, 1, 2) for key in keys]
    for n in range(1, 121):
        journal.append(Summary(7, [(n, n)], series, False, 1_790_000_000_000))
    journal.append(group(1))
    journal.commit()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) > FRAME_BYTES_MAX
    crash(journal)
    again = start(tmp_path, size=1 << 28)
    read = everything(again, journal.line)
    assert [body.ranges for body in read.values() if isinstance(body, Summary)] == [[(n, n)] for n in range(1, 121)]
    assert group(1) in read.values()
    again.commit()
    again.commit()
    assert not [body for body in everything(again, again.line).values() if isinstance(body, Gap)]
    again.close()


def test_every_opening_starts_a_new_line_that_names_the_one_before(tmp_path: Path) -> None:
    first = start(tmp_path)
    first.append(group(1))
    first.commit()
    crash(first)
    second = start(tmp_path)
    assert second.line != first.line
    opened = everything(second, second.line)[1]
    assert isinstance(opened, Opened)
    assert (opened.previous, opened.previous_last, opened.closed) == (first.line, 3, False)


def test_a_journal_closed_in_order_says_that_nothing_is_missing(tmp_path: Path) -> None:
    first = start(tmp_path)
    first.append(group(1))
    first.close()
    opened = everything(second := start(tmp_path), second.line)[1]
    assert isinstance(opened, Opened)
    assert opened.closed


def test_a_file_sealed_because_it_was_full_is_not_taken_for_an_orderly_end(tmp_path: Path) -> None:
    first = start(tmp_path, size=64 * 40_000)
    while not any(segment.sealed for segment in first._archive.segments):
        first.append(group(first._next))
        first.commit()
    crash(first)
    opened = everything(second := start(tmp_path), second.line)[1]
    assert isinstance(opened, Opened)
    assert not opened.closed


def test_what_was_committed_is_there_after_a_crash_and_what_was_not_is_not(tmp_path: Path) -> None:
    first = start(tmp_path)
    for n in range(3, 50):
        first.append(group(n))
        first.commit()
    first.append(group(50))
    crash(first)
    found = everything(start(tmp_path), first.line)
    assert sorted(found) == list(range(1, 50))
    assert all(found[n] == group(n) for n in range(3, 50))


@settings(max_examples=60)
@given(data=st.data())
def test_damage_anywhere_in_a_file_costs_only_what_it_touched(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    first = start(directory)
    for n in range(3, 40):
        first.append(group(n))
        first.commit()
    crash(first)
    path = next(directory.glob("*.journal"))
    raw = bytearray(path.read_bytes())
    kind = data.draw(st.sampled_from(["flip", "cut", "zero"]))
    at = data.draw(st.integers(0, len(raw) - 1))
    if kind == "flip":
        raw[at] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del raw[at:]
    else:
        raw[at : at + 512] = bytes(len(raw[at : at + 512]))
    path.write_bytes(raw)
    second = start(directory)  # starts in any case
    if any(extent.line == first.line for extent in second.extents()):
        found = everything(second, first.line)
        assert all(found[n] == group(n) for n in found if n > 2)
        lost = set(range(1, 40)) - set(found)
        if kind == "flip":
            assert len(lost) <= 2  # one commit group; the first holds two records
        second.commit()
        gaps = [b for b in everything(second, second.line).values() if isinstance(b, Gap)]
        inner = {n for n in lost if n < max(found, default=0)} - {2}  # every file repeats the dictionary
        assert {n for gap in gaps for n in RangeSet(gap.ranges).numbers()} == inner
    elif list(directory.glob("*.damaged")):
        events = [b for b in everything(second, second.line).values() if isinstance(b, Event)]
        assert any(event.kind == "journal_damaged" for event in events)
    else:
        assert kind == "cut"  # a header without any commit group behind it is a journal that had just begun


def test_a_cloned_card_never_uses_a_number_twice(tmp_path: Path) -> None:
    first = start(tmp_path / "one")
    first.append(group(3))
    first.commit()
    crash(first)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    names = set()
    for directory in ("one", "two"):
        journal = start(tmp_path / directory)
        names.add((journal.line, journal.append(group(9))))
        journal.close()
    assert len(names) == 2


def test_a_line_number_that_was_used_before_is_drawn_again(tmp_path: Path) -> None:
    first = start(tmp_path, entropy=lambda: 7)
    first.close()
    drawn = itertools.chain([0, 7, 7], itertools.repeat(8))
    assert start(tmp_path, entropy=lambda: next(drawn)).line == 8


def test_the_byte_limit_counts_real_files_and_what_had_to_go_is_named_in_a_gap(tmp_path: Path) -> None:
    limit = 400_000
    journal = start(tmp_path, size=limit)
    for n in range(3, 4000):
        journal.append(group(n, pad=20))
        if n % 10 == 0:
            journal.commit()
            assert sum(path.stat().st_size for path in tmp_path.glob("*.journal")) <= limit * 1.02
    journal.commit()
    here = next(e for e in journal.extents() if e.line == journal.line).numbers
    gone = [b for b in everything(journal, journal.line).values() if isinstance(b, Gap | Summary)]
    named = RangeSet([each for body in gone for each in body.ranges])
    # the first gap records may have been freed themselves; the station's newest readings never are
    assert here.last == journal.head
    assert named
    assert not (named & here)
    assert journal.dictionary(journal.line) == WORDS


def test_the_memory_of_full_files_does_not_depend_on_how_many_series_a_station_has(tmp_path: Path) -> None:
    words = Dictionary([f"water_level.point-{n:04}.instant.0.instrument.-" for n in range(1000)])
    journal = start(tmp_path, size=4 << 20, dictionary=words)
    numbers = itertools.count(1)

    def memory_at(files: int) -> int:
        while len(journal._archive.segments) < files:
            for _ in range(20):
                journal.append(group(next(numbers), pad=50))
            journal.commit()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        few = memory_at(10)  # by then the newest records fill what is kept of them
        grown = memory_at(40) - few
    finally:
        tracemalloc.stop()
    assert grown < 30 * sum(map(sys.getsizeof, words.series)) / 10
    older = journal.line
    crash(journal)
    assert start(tmp_path, size=4 << 20).dictionary(older) == words


def test_what_a_receipt_covers_goes_before_anything_else(tmp_path: Path) -> None:
    journal = start(tmp_path, size=400_000)
    while len(journal._archive.segments) < 6:
        journal.append(group(journal._next, pad=20))
        journal.commit()
    third = journal._archive.segments[2].numbers
    journal.settle({journal.line: third})
    while journal._archive.segments[2].numbers == third:
        journal.append(group(journal._next, pad=20))
        journal.commit()
    assert not [b for b in everything(journal, journal.line).values() if isinstance(b, Gap)]


def test_an_alarm_is_kept_while_routine_readings_can_go(tmp_path: Path) -> None:
    journal = start(tmp_path, size=400_000)
    alarm = journal.append(Event(1, 5, "level_raised"), urgent=True)
    for n in range(4, 3000):
        journal.append(group(n, pad=20))
        if n % 5 == 0:
            journal.commit()
    assert alarm in next(e for e in journal.extents() if e.line == journal.line).numbers


def test_a_second_reading_of_a_series_at_one_time_is_moved_by_a_millisecond_and_says_so(tmp_path: Path) -> None:
    journal = start(tmp_path)
    journal.append(group(5))
    number = journal.append(group(5))
    journal.commit()
    (record,) = journal.read(journal.line, RangeSet.of((number, number)))
    assert isinstance(record.body, Readings)
    assert record.body.time_ms == group(5).time_ms + 1
    assert all(unmark(packed)[1] & Reason.SHIFTED_1MS for packed in record.body.marks)


def test_a_disk_that_refuses_is_said_and_nothing_is_lost_when_it_takes_again(tmp_path: Path) -> None:
    journal = start(tmp_path)
    file = journal._tail.open._file  # type: ignore[union-attr]
    file.close()
    file._fd = os.open("/dev/full", os.O_WRONLY)  # type: ignore[attr-defined]
    number = journal.append(group(5))
    assert journal.commit() == []
    assert "space" in journal.trouble
    assert journal.commit()
    assert not journal.trouble
    assert number in everything(journal, journal.line)


def test_a_directory_that_cannot_be_used_is_an_error_for_the_person_on_site(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FieldError, match="cannot be used"):
        start(tmp_path / "file")


def happening(n: int) -> Event:
    """A record that cannot be thinned."""
    return Event(1_790_000_000_000 + n, 5, "seen", detail={"what": "x" * 1500})


def test_a_gap_record_that_is_freed_itself_leaves_its_numbers_named(tmp_path: Path) -> None:
    first = start(tmp_path, size=400_000)
    while not first.files_freed or len(first._archive.segments) < 8:
        first.append(happening(first._next))
        first.commit()
    gone = RangeSet.of((3, first.head)) - next(e for e in first.extents() if e.line == first.line).numbers
    first.close()
    second = start(tmp_path, size=400_000)
    while any(extent.line == first.line for extent in second.extents()):
        second.append(happening(second._next))
        second.commit()
    gaps = [b for b in everything(second, second.line).values() if isinstance(b, Gap)]
    named = RangeSet([r for gap in gaps for r in gap.ranges if gap.line == first.line])
    assert gone
    assert named.covers(gone)


def test_an_opening_says_which_older_lines_are_still_here(tmp_path: Path) -> None:
    lines = []
    for _ in range(70):
        journal = start(tmp_path)
        lines.append((journal.line, 1, 3))
        journal.append(group(1))
        journal.close()
    opened = everything(last := start(tmp_path), last.line)[1]
    assert isinstance(opened, Opened)
    assert opened.lines == lines[:5:-1]
    assert opened.more_lines == 6


def test_a_start_that_was_cut_short_does_not_hide_the_line_before_it(tmp_path: Path) -> None:
    first = start(tmp_path)
    first.append(group(1))
    first.commit()
    crash(first)
    second = start(tmp_path)
    crash(second)
    path = max(tmp_path.glob("*.journal"))
    path.write_bytes(path.read_bytes()[:250])  # the power failed between the header and the first commit
    opened = everything(third := start(tmp_path), third.line)[1]
    assert isinstance(opened, Opened)
    assert (opened.previous, opened.previous_last, opened.closed) == (first.line, 3, False)


def test_a_commit_of_any_size_can_be_read_again(tmp_path: Path) -> None:
    journal = start(tmp_path, size=1 << 27)
    for n in range(3, 30_000):
        journal.append(group(n, pad=40))
    records = journal.commit()
    journal.close()
    again = start(tmp_path, size=1 << 27)
    assert len(everything(again, journal.line)) == len(records) + 2


def test_a_disk_that_stays_full_leaves_neither_files_nor_descriptors_behind(tmp_path: Path) -> None:
    import resource

    journal = start(tmp_path)
    journal.append(group(1))
    journal.commit()
    before = len(list(Path("/proc/self/fd").iterdir()))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        for n in range(50):
            journal.append(group(2 + n))
            assert journal.commit() == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    assert len(list(tmp_path.glob("*.journal"))) == 1
    assert len(journal.commit()) == 50
    assert not journal.trouble


def test_a_second_agent_cannot_write_into_the_journal_of_a_running_one(tmp_path: Path) -> None:
    first = start(tmp_path)
    with pytest.raises(FieldError, match="already running"):
        start(tmp_path)
    first.close()
    start(tmp_path).close()


@pytest.mark.parametrize(
    "body",
    [
        Event(1_790_000_000_000, 5, "notice", detail={"text": "x" * 5000}),
        Event(-1, 5, "notice"),
        State("site", {"text": "x" * 60_000}, 1_790_000_000_000, 5),
        TimeFix("boot", 2**60, 1, 5, 1_790_000_000_000),
        Duty([-1]),
    ],
    ids=["event too long", "no such time", "state too long", "offset", "duty"],
)
def test_what_no_centre_would_take_is_recorded_as_an_event_that_says_so(tmp_path: Path, body: Body) -> None:
    assert record_fault(body)
    journal = start(tmp_path)
    number = journal.append(body)
    journal.commit()
    kept = everything(journal, journal.line)[number]
    assert isinstance(kept, Event)
    assert kept.kind == "not_recorded"
    assert kept.detail["why"] == record_fault(body)
    assert not record_fault(kept)
    journal.close()


@pytest.mark.parametrize(
    "body",
    [
        Event(1, 1, "told", detail={"n": 2**64}),
        Event(1, 1, "told", value=2**64),
        State("tips bucket", {"tips": 2**64}, 1, 1),
    ],
)
def test_a_number_that_no_record_can_hold_takes_none_of_the_others_along(tmp_path: Path, body: Body) -> None:
    journal = start(tmp_path)
    journal.append(group(1))
    journal.append(body)
    assert [record.number for record in journal.commit()] == [3, 4]
    kept = everything(journal, journal.line)[4]
    assert isinstance(kept, Event)
    assert (kept.kind, kept.detail["why"]) == ("not_recorded", "a number of more than 64 bits")
