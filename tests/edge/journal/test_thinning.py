"""When the space runs short: what goes first, what is kept of it, and that nothing goes without being named."""

import errno
import gc
import random
import tracemalloc
from collections.abc import Iterable

import pytest
from haihe_contract.quality import Flag, Grade, Reason, mark
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Dictionary, Event, Gap, Opened, Readings, Record, Summary
from haihe_edge.journal import Journal
from haihe_edge.journal import journal as journal_module
from haihe_edge.journal.reserve import RESERVE_BYTES
from haihe_edge.journal.space import THIN_BYTES_MIN, Held, Way, next_step
from haihe_edge.journal.thin import summarise, thin
from haihe_simulators.disk import SimulatedDisk
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import HandClock

T0 = 1_790_000_000_000
MINUTE_MS, DAY = 60_000, 1440
KEYS = [f"water_level.m{n}.instant.0.instrument.dagu" for n in range(5)]


def start(disk: SimulatedDisk, *, size: int, clock: HandClock | None = None, seed: int = 1) -> Journal:
    chance = random.Random(seed)
    return Journal.open(
        disk,
        size=size,
        clock=clock or HandClock(T0),
        entropy=lambda: chance.getrandbits(64),
        dictionary=Dictionary(KEYS),
        opened=lambda line, last, ms, closed: Opened(T0, "boot", 5, 1, line, last, ms, 1000, closed, "0", "site"),
    )


def all_records(journal: Journal) -> list[tuple[int, Record]]:
    found: list[tuple[int, Record]] = []
    for extent in journal.extents():
        wanted = extent.numbers
        while wanted:
            records = journal.read(extent.line, wanted)
            assert records
            found += [(extent.line, record) for record in records]
            wanted = wanted - RangeSet.from_numbers(record.number for record in records)
    return found


def fill(journal: Journal, seconds: range) -> int:
    """Five series each second, ten of them a commit; the newest number."""
    newest = 0
    for n in seconds:
        newest = journal.append(Readings(T0 + n * 1000, 5, list(range(5)), [n / 7] * 5))
        if n % 10 == 9:
            journal.commit()
    return newest


def named(records: Iterable[Record]) -> RangeSet:
    return RangeSet([each for r in records if isinstance(r.body, Gap | Summary) for each in r.body.ranges])


numbers = st.lists(st.integers(1, 60), max_size=20).map(RangeSet.from_numbers)


@st.composite
def files(draw: st.DrawFn) -> list[Held]:
    made = []
    for at in range(draw(st.integers(0, 6))):
        here = RangeSet.of((at * 100 + 1, at * 100 + 60))
        part = [draw(numbers) for _ in range(3)]
        readings, urgent, flood = (RangeSet([(a + at * 100, b + at * 100) for a, b in p.ranges]) for p in part)
        size = draw(st.sampled_from((100, THIN_BYTES_MIN, 100_000)))
        made.append(Held(f"{at:08d}", 1, here, readings, urgent, flood, size))
    return made


@given(files(), numbers, st.booleans())
def test_the_mildest_way_is_taken_first_and_of_equals_the_oldest_file(
    held: list[Held], settled_numbers: RangeSet, can_thin: bool
) -> None:
    settled = {1: settled_numbers}
    step = next_step(held, settled, can_thin=can_thin)
    if not held:
        assert step is None
        return
    assert step is not None

    def harm(file: Held) -> int:
        """How bad the mildest that can be done to this file is."""
        left = file.numbers - settled_numbers
        quiet = file.readings - file.urgent
        if not left:
            return 0
        if can_thin and file.size >= THIN_BYTES_MIN and quiet:
            return 1 if quiet - file.flood else 2
        return 3 + bool(file.flood & left) + 2 * bool(file.urgent & left)

    harms = [harm(file) for file in held]
    chosen = next(at for at, file in enumerate(held) if file.name == step.name)
    assert chosen == harms.index(min(harms))
    ways = {0: Way.FREE, 1: Way.THIN_ROUTINE, 2: Way.THIN_FLOOD}
    assert step.way is ways.get(min(harms), Way.DROP)


values = st.one_of(st.none(), st.integers(-50, 50).map(lambda n: n / 10))


@given(st.lists(st.tuples(st.integers(0, 50), values, st.booleans(), st.booleans()), max_size=30))
def test_a_summary_tells_count_mean_and_the_extremes_with_their_own_times(
    drawn: list[tuple[int, float | None, bool, bool]],
) -> None:
    records, good = [], []
    for number, (at, value, failed, untimed) in enumerate(drawn, start=1):
        flag = Flag.MISSING if value is None else Flag.FAIL if failed else Flag.PASS
        packed = mark(flag, Reason.NONE)
        grade = Grade.NONE if untimed else Grade.NTP
        records.append(Record(number, False, Readings(at, int(grade), [0], [value], [packed])))
        if value is not None and not failed:
            good.append((untimed, value, at, packed, int(grade)))
    found = {each.lowest[3] == Grade.NONE: each for each in summarise(records, KEYS)}
    for untimed in (False, True):
        mine = [each for each in good if each[0] is untimed]
        assert (untimed in found) is bool(mine)
        if mine:
            each = found[untimed]
            assert each.series == KEYS[0]
            assert each.count == len(mine)
            assert each.missing == sum(d[3] is untimed for d in drawn) - len(mine)
            assert abs(each.mean - sum(m[1] for m in mine) / len(mine)) < 1e-9
            low = min(mine, key=lambda m: (m[1], m[2]))
            high = min(mine, key=lambda m: (-m[1], m[2]))
            assert (each.lowest[0], each.lowest[1]) == (low[2], low[1])
            assert (each.highest[0], each.highest[1]) == (high[2], high[1])


def test_thinning_keeps_alarms_events_and_flood_stage_and_names_all_that_goes() -> None:
    records = [Record(n, n == 7, Readings(T0 + n, 5, [0], [n / 10])) for n in range(1, 21)]
    records[3] = Record(4, False, Event(T0, 5, "door_opened"))
    divided = thin(
        9,
        records,
        KEYS,
        settled=RangeSet.of((1, 2)),
        flood=RangeSet.of((11, 15)),
        even_flood=False,
        now_ms=T0,
    )
    assert [record.number for record in divided.kept] == [4, 7, 11, 12, 13, 14, 15]
    (summary,) = divided.summaries
    assert isinstance(summary, Summary)
    assert RangeSet(summary.ranges) == RangeSet.of((3, 3), (5, 6), (8, 10), (16, 20))
    assert (summary.line, summary.flood, summary.series[0].count) == (9, False, 11)


def test_thirty_days_of_flood_in_a_journal_for_seven_keep_the_newest_the_extremes_and_every_alarm() -> None:
    disk, clock, chance = SimulatedDisk(), HandClock(T0), random.Random(4)
    size = 7 * DAY * 120  # 120 bytes a group of five series
    journal = start(disk, size=size, clock=clock)
    journal.flood = True
    written: dict[int, Readings] = {}
    alarms: set[int] = set()
    for _ in range(30 * DAY):
        clock.ms += MINUTE_MS
        body = Readings(clock.ms, 5, list(range(5)), [round(3 + chance.gauss(0, 0.2), 3) for _ in range(5)])
        number = journal.append(body)
        written[number] = body
        if chance.random() < 0.002:
            alarms.add(journal.append(Event(clock.ms, 5, "level_raised"), urgent=True))
        if chance.random() < 0.1:
            journal.commit()
            assert disk.used_bytes() <= size
    journal.commit()
    records = {record.number: record for _, record in all_records(journal)}
    assert alarms <= set(records)
    newest = sorted(written)[-3 * DAY :]
    assert all(records[number].body == written[number] for number in newest)
    gone = RangeSet.from_numbers(set(written) - set(records))
    assert gone
    assert named(records.values()).covers(gone)
    summaries = [record.body for record in records.values() if isinstance(record.body, Summary)]
    assert sum(each.series[0].count for each in summaries) == gone.count()
    for series, key in enumerate(KEYS):
        everything = [(body.values[series], body.time_ms) for body in written.values()]
        kept = [(r.body.values[series], r.body.time_ms) for r in records.values() if isinstance(r.body, Readings)]
        for each in (s for body in summaries for s in body.series if s.series == key):
            kept += [(each.lowest[1], each.lowest[0]), (each.highest[1], each.highest[0])]
        assert min(everything)[0] == min(kept)[0]  # type: ignore[type-var]
        assert max(everything)[0] == max(kept)[0]  # type: ignore[type-var]


def test_routine_readings_of_after_the_flood_go_before_the_flood_itself() -> None:
    disk = SimulatedDisk()
    journal = start(disk, size=400_000)
    flood: set[int] = set()
    for n in range(12_000):
        journal.flood = 1000 <= n < 2500
        number = journal.append(Readings(T0 + n * 1000, 5, list(range(5)), [n / 7] * 5))
        if journal.flood:
            flood.add(number)
        if n % 10 == 9:
            journal.commit()
    here = {record.number for _, record in all_records(journal)}
    assert flood <= here
    assert len(here) < 12_000


def test_an_opening_with_a_smaller_limit_waits_with_giving_way_until_the_receipts_are_known() -> None:
    disk = SimulatedDisk()
    old = start(disk, size=1 << 20)
    for n in range(6000):
        old.append(Readings(T0 + n * 1000, 5, list(range(5)), [n / 7] * 5))
        if n % 10 == 9:
            old.commit()
    old.close()
    new = start(disk, size=disk.used_bytes() // 2, seed=2)
    new.settle({old.line: RangeSet.of((1, 6002))})
    new.append(Readings(T0, 5, [0], [1.0]))
    new.commit()
    assert not [r for _, r in all_records(new) if isinstance(r.body, Gap | Summary)]
    assert disk.used_bytes() <= new.size


def test_alarms_in_a_file_that_cannot_be_read_now_do_not_go_while_routine_readings_could() -> None:
    disk = SimulatedDisk()
    journal = start(disk, size=400_000)
    alarms = {journal.append(Event(T0, 5, "level_raised"), urgent=True) for _ in range(3)}
    sick = ""

    def before(what: str, name: str) -> None:
        if (what, name) == ("open", sick):
            raise OSError(errno.EIO, "Input/output error", name)

    disk.before = before
    for n in range(12_000):
        journal.append(Readings(T0 + n * 1000, 5, list(range(5)), [n / 7] * 5))
        if n % 10 == 9:
            journal.commit()
        if n == 500:
            sick = next(name for name in disk.names() if name.endswith(".journal"))
    sick = ""
    records = {record.number: record for _, record in all_records(journal)}
    assert alarms <= set(records)
    assert any(isinstance(record.body, Summary) for record in records.values())


def test_a_disk_that_others_have_filled_costs_old_routine_and_never_the_newest_and_says_so() -> None:
    disk = SimulatedDisk()
    journal = start(disk, size=1 << 22)
    fill(journal, range(8000))
    disk.capacity = disk.used_bytes() + 500
    newest = fill(journal, range(8000, 14_000))
    for _ in range(5):
        journal.commit()
    assert not journal.trouble
    records = [record for _, record in all_records(journal)]
    here = RangeSet.from_numbers(record.number for record in records)
    assert newest in here
    assert (here | named(records)).covers(RangeSet.of((1, newest)))
    assert named(records) - here
    assert disk.used_bytes() <= disk.capacity


def test_a_station_starts_on_a_disk_that_refuses_and_keeps_all_when_it_takes_again() -> None:
    disk = SimulatedDisk()
    disk.refuses = errno.EROFS
    journal = start(disk, size=1 << 20)
    assert journal.trouble
    last = 0
    for n in range(50):
        last = journal.append(Readings(T0 + n, 5, [0], [1.0]))
        assert journal.commit() == []
    disk.refuses = 0
    assert len(journal.commit()) == last
    assert not journal.trouble
    assert {record.number for _, record in all_records(journal)} == set(range(1, last + 1))


def test_a_station_that_starts_on_a_full_disk_writes_into_what_was_kept_back() -> None:
    disk = SimulatedDisk()
    start(disk, size=1 << 20).close()
    for name in [name for name in disk.names() if name != "reserve"]:
        disk.unlink(name)
    disk.capacity = RESERVE_BYTES - 8000  # others have taken the rest, and more
    journal = start(disk, size=1 << 20, seed=2)
    last = 0
    for n in range(20):
        last = journal.append(Readings(T0 + n, 5, [0], [1.0]))
        journal.commit()
    assert not journal.trouble
    assert journal.head == last


def test_a_full_disk_gets_what_the_centres_hold_however_little_it_is() -> None:
    disk = SimulatedDisk()
    journal = start(disk, size=1 << 22)
    for n in range(500):
        journal.append(Readings(T0 + n, 5, [0], [n / 7]))
    journal.commit()
    held = {journal.line: RangeSet.of((1, journal.head))}
    journal.close()
    disk.capacity = disk.used_bytes() - RESERVE_BYTES  # others have taken even what was kept back
    disk.unlink("reserve")
    journal = start(disk, size=1 << 22, seed=2)
    assert journal.trouble
    journal.settle(held)
    last = journal.append(Readings(T0 + 9000, 5, [0], [1.0]))
    for _ in range(3):
        journal.commit()
    assert not journal.trouble
    assert journal.head == last


def test_an_opening_that_cannot_see_older_files_names_its_own_after_them() -> None:
    disk = SimulatedDisk()
    first = start(disk, size=1 << 20)
    first.close()

    def before(what: str, _name: str) -> None:
        if what == "take":
            raise OSError(errno.EIO, "Input/output error")

    disk.before = before
    second = start(disk, size=1 << 20, seed=2)
    assert [r.body.kind for _, r in all_records(second) if isinstance(r.body, Event)] == ["journal_unreadable"]
    disk.before = lambda _what, _name: None
    second.append(Readings(T0, 5, [0], [1.0]))
    second.commit()
    second.close()
    third = start(disk, size=1 << 20, seed=3)
    assert [extent.line for extent in third.extents()] == [first.line, second.line, third.line]


def test_a_file_that_cannot_be_read_now_is_left_for_later_and_said() -> None:
    disk = SimulatedDisk()
    first = start(disk, size=1 << 20)
    for n in range(50):
        first.append(Readings(T0 + n, 5, [0], [1.0]))
    first.close()
    (name,) = [each for each in disk.names() if each.endswith(".journal")]

    def before(what: str, at: str) -> None:
        if (what, at) == ("open", name):
            raise PermissionError(errno.EACCES, "Permission denied", name)

    disk.before = before
    second = start(disk, size=1 << 20, seed=2)
    kinds = [r.body.kind for _, r in all_records(second) if isinstance(r.body, Event)]
    assert kinds == ["journal_unreadable"]
    second.close()
    disk.before = lambda _what, _name: None
    third = start(disk, size=1 << 20, seed=3)
    assert len([1 for line, _ in all_records(third) if line == first.line]) == 52


def test_a_file_that_was_left_while_the_disk_could_not_even_be_read_is_there_again_with_the_disk() -> None:
    disk = SimulatedDisk()
    journal = start(disk, size=1 << 20)
    first = journal.append(Readings(T0, 5, [0], [1.0]))
    journal.commit()
    before, freed = journal.extents(), journal.files_freed

    def sick(what: str, _name: str) -> None:
        if what in ("open", "write"):
            raise OSError(errno.EIO, "Input/output error")

    disk.before = sick
    last = journal.append(Readings(T0 + 1, 5, [0], [2.0]))
    assert journal.commit() == []
    assert journal.extents() != before
    disk.before = lambda _what, _name: None
    journal.commit()
    assert {record.number for _, record in all_records(journal)} == set(range(1, last + 1))
    assert first in journal.extents()[0].numbers
    assert journal.files_freed > freed  # so that forwarders look again


def test_a_file_whose_header_is_damaged_is_salvaged_under_the_line_in_its_name() -> None:
    disk = SimulatedDisk()
    first = start(disk, size=1 << 20)
    for n in range(50):
        first.append(Readings(T0 + n, 5, [0], [1.0]))
        first.commit()
    disk.leave()
    (name,) = [each for each in disk.names() if each.endswith(".journal")]
    disk._now[name].content[3] ^= 0xFF
    second = start(disk, size=1 << 20, seed=2)
    assert {r.number for line, r in all_records(second) if line == first.line} == set(range(1, 53))
    assert second.dictionary(first.line) == Dictionary(KEYS)
    kinds = [r.body.kind for _, r in all_records(second) if isinstance(r.body, Event)]
    assert kinds == ["journal_salvaged"]


def test_what_goes_is_named_once_and_not_again_at_every_start() -> None:
    disk = SimulatedDisk()
    said: list[int] = []
    for seed in range(1, 5):
        journal = start(disk, size=300_000, seed=seed)
        for n in range(6000 if seed == 1 else 3):
            journal.append(Readings(T0 + seed * 10**8 + n * 1000, 5, list(range(5)), [n / 7] * 5))
            if n % 10 == 9:
                journal.commit()
        journal.close()
        said.append(sum(isinstance(r.body, Gap | Summary) for line, r in all_records(journal) if line == journal.line))
    assert said[0] > 0
    assert said[1:] == [0, 0, 0]


def test_a_full_disk_that_lets_nothing_be_removed_makes_no_records_of_its_own_without_end() -> None:
    disk = SimulatedDisk()
    journal = start(disk, size=1 << 22)
    fill(journal, range(8000))
    files = {name for name in disk.names() if name != "reserve"}

    def before(what: str, name: str) -> None:
        if what == "unlink" and name in files:
            raise OSError(errno.ENOSPC, "No space left on device", name)

    disk.before, disk.capacity = before, disk.used_bytes() - RESERVE_BYTES  # others took even what was kept back
    appended = [journal.append(Readings(T0 + n * 1000, 5, [0], [n / 7])) for n in range(8000, 8020)]
    waits = []
    for _ in range(300):
        journal.commit()
        waits.append(len(journal.unkept()))
        assert journal.trouble
    assert waits[-1] == waits[10] < len(appended) + 20
    disk.before = lambda _what, _name: None
    for _ in range(5):
        journal.commit()
    assert not journal.trouble
    assert not journal.unkept()
    records = [record for _, record in all_records(journal)]
    here = RangeSet.from_numbers(record.number for record in records)
    assert here.covers(RangeSet.from_numbers(appended))
    assert (here | named(records)).covers(RangeSet.of((1, here.last)))


def test_a_gap_record_that_memory_has_no_room_for_does_not_take_along_what_it_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal_module, "PENDING_RECORDS_MAX", 50)
    disk = SimulatedDisk()
    journal = start(disk, size=1 << 20)
    disk.refuses = errno.EIO
    for n in range(400):  # for so long that even what names the first losses is lost
        journal.append(Readings(T0 + n, 5, [0], [1.0]))
        journal.commit()
    assert journal.dropped > 400
    disk.refuses = 0
    journal.commit()
    journal.commit()
    (extent,) = journal.extents()
    gone = extent.numbers.holes(1, extent.last)
    assert gone.count() == journal.dropped
    assert named(record for _, record in all_records(journal)) == gone


def test_a_journal_that_was_closed_just_as_a_file_was_full_was_closed_in_order() -> None:
    disk = SimulatedDisk()
    first = start(disk, size=1 << 20)
    for n in range(2000):
        first.append(Readings(T0 + n, 5, [0], [1.0]))
    first.commit()  # that much in one group: the file is full, and the last one holds no number
    first.close()
    second = start(disk, size=1 << 20, seed=2)
    opened = next(r.body for line, r in all_records(second) if line == second.line)
    assert isinstance(opened, Opened)
    assert (opened.previous, opened.closed) == (first.line, True)


def test_the_memory_of_a_station_whose_power_fails_every_day_does_not_grow_with_its_commits() -> None:
    disk = SimulatedDisk()
    for day in range(8):
        disk = disk.copy()  # as a power cut leaves it, at best
        journal = start(disk, size=1 << 24, seed=day)
        for n in range(500):
            journal.append(Readings(T0 + day * DAY * MINUTE_MS + n, 5, [0], [1.0]))
            journal.commit()
    disk = disk.copy()
    gc.collect()
    tracemalloc.start()
    again = start(disk, size=1 << 24, seed=99)
    assert len(all_records(again)) == 8 * 502 + 2
    gc.collect()
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert left < 8 * 500 * 100  # half of what an index takes, and only two are kept
