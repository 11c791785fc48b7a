"""Readings without a clock get their true time once, whatever comes first, and stay there."""

import itertools
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from haihe_cloud.admit.registry import Station, StationLevels
from haihe_cloud.alarm.book import AlarmBook
from haihe_cloud.alarm.engine import AlarmEngine
from haihe_cloud.alarm.rule import load_rules
from haihe_cloud.database import Database
from haihe_cloud.ledger.arrival import TIMED
from haihe_cloud.store.port import Refused
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract import wire
from haihe_contract.quality import Flag, Grade, Reason
from haihe_contract.reading import Reading
from haihe_contract.record import Body, Opened, Readings, SeriesSummary, Summary, TimeFix

from tests.cloud.samples import LEVEL, LINE, SERIES, STATION, T0, arrival, batch
from tests.cloud.whole import Whole

BEGAN = T0 - 3_600_000
"""When the boot began, as the fix tells."""
NEXT = 99


def opening(boot: str = "boot-a", previous: int = 0, previous_last: int = 0) -> Opened:
    return Opened(0, boot, 1000, 0, previous, previous_last, 0, 1000, True, "0.1.0", "site")


def fix(boot: str = "boot-a", offset_ms: int = BEGAN, grade: int = 5) -> TimeFix:
    return TimeFix(boot, offset_ms, 20, grade, T0)


def untimed(number: int, value: float = 3.0) -> Readings:
    return Readings(number * 1000, 0, [0, 1], [value + number / 1000, 12.5])


PARTS: list[dict[int, Body]] = [
    {1: opening()},
    {4: untimed(4), 5: untimed(5)},
    {6: untimed(6)},
    {7: fix()},
]


@pytest.fixture
def make(fresh_database: Callable[[], Database], tmp_path: Path) -> Callable[[], Whole]:
    names = itertools.count()
    return lambda: Whole(fresh_database(), SqliteStore(tmp_path / f"series{next(names)}.db"))


def part(bodies: dict[int, Body], line: int = LINE) -> wire.Batch:
    return batch({2, *bodies}, bodies=bodies, line=line, head=12)


def test_before_the_fix_they_wait_untimed_with_a_receipt(make: Callable[[], Whole]) -> None:
    whole = make()
    whole.send(part(PARTS[0]), part(PARTS[1]))
    whole.settle()
    assert [row.number for row in whole.store.untimed(STATION) if row.series == LEVEL] == [4, 5]
    assert whole.store.series(STATION) == []
    assert whole.receipt().settled()[LINE].covers(whole.ledger.lines(STATION)[0].held)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_opening_fix_and_rows_in_any_order_give_the_same_series(
    make: Callable[[], Whole], order: tuple[int, ...]
) -> None:
    whole = make()
    for at in order:
        whole.send(part(PARTS[at]))
        if random.Random(str(order)).random() < 0.5:
            whole.settle()
    whole.settle()
    rows = whole.store.read(STATION, LEVEL, 0, 2 * T0)
    assert [(row.time_ms, row.value, row.grade, row.number, row.line) for row in rows] == [
        (BEGAN + n * 1000, 3 + n / 1000, Grade.NTP, n, LINE) for n in (4, 5, 6)
    ]
    assert whole.store.untimed(STATION) == []
    assert whole.store.conflicts(STATION) == []


def test_a_repeated_batch_does_not_bring_its_rows_back_to_the_untimed(make: Callable[[], Whole]) -> None:
    whole = make()
    for bodies in PARTS:
        whole.send(part(bodies))
    whole.settle()
    before = whole.store.read(STATION, LEVEL, 0, 2 * T0)
    for bodies in PARTS:
        whole.send(part(bodies))
    whole.settle()
    assert whole.store.untimed(STATION) == []
    assert whole.store.read(STATION, LEVEL, 0, 2 * T0) == before


def test_a_later_better_fix_moves_nothing_and_is_kept_and_shown(make: Callable[[], Whole]) -> None:
    whole = make()
    for bodies in PARTS:
        whole.send(part(bodies))
    whole.settle()
    before = whole.store.read(STATION, LEVEL, 0, 2 * T0)
    whole.send(part({8: fix(offset_ms=BEGAN + 700, grade=6), 9: untimed(9)}))
    whole.settle()
    rows = whole.store.read(STATION, LEVEL, 0, 2 * T0)
    assert rows[:3] == before
    assert rows[3].time_ms == BEGAN + 9000, "all rows of a boot share one fix"
    assert [(each.number, each.used) for each in whole.book.fixes(STATION)] == [(8, False), (7, True)]


def test_two_fixes_place_every_reading_once_by_the_one_that_came_first(make: Callable[[], Whole]) -> None:
    """The one place where the order of arrival is seen (docs/decisions/0020): which of two fixes, and no more."""
    fixes = {7: fix(), 8: fix(offset_ms=BEGAN + 15, grade=6)}
    parts: list[dict[int, Body]] = [*PARTS[:3], {7: fixes[7]}, {8: fixes[8]}]
    shown: dict[int, set[tuple[object, ...]]] = {7: set(), 8: set()}
    for order in random.Random(7).sample(list(itertools.permutations(range(5))), 16):
        whole = make()
        for at in order:
            whole.send(part(parts[at]))
            if random.Random(str(order)).random() < 0.5:
                whole.settle()
        whole.settle()
        first = 7 if order.index(3) < order.index(4) else 8
        rows = whole.store.read(STATION, LEVEL, 0, 2 * T0)
        assert [(row.number, row.value, row.time_ms, row.grade) for row in rows] == [
            (n, 3 + n / 1000, fixes[first].offset_ms + n * 1000, fixes[first].grade) for n in (4, 5, 6)
        ]
        assert whole.store.untimed(STATION) == whole.store.conflicts(STATION) == []
        assert {each.number: each.used for each in whole.book.fixes(STATION)} == {7: first == 7, 8: first == 8}
        (line,) = whole.ledger.lines(STATION)
        shown[first].add((line, *(whole.book.contents(STATION, LINE)[n] for n in range(1, 13))))
        whole.store.close()
        whole.database.close()
    assert shown[7] == shown[8]
    assert len(shown[7]) == 1, "what is kept is the same"


def test_the_fix_of_another_boot_moves_nothing(make: Callable[[], Whole]) -> None:
    whole = make()
    whole.send(part(PARTS[0]), part(PARTS[1]), part({7: fix("boot-b")}))
    whole.settle()
    assert whole.store.series(STATION) == []


def test_a_bounded_fix_of_a_boot_that_is_over_comes_on_another_line(make: Callable[[], Whole]) -> None:
    whole = make()
    whole.send(part(PARTS[0]), part(PARTS[1]))
    whole.send(part({1: opening("boot-b", LINE, 12), 4: fix("boot-a", BEGAN, Grade.BOUNDED)}, line=NEXT))
    whole.settle()
    assert {row.grade for row in whole.store.read(STATION, LEVEL, 0, 2 * T0)} == {Grade.BOUNDED}


def test_a_time_that_cannot_be_leaves_its_rows_where_they_are(make: Callable[[], Whole]) -> None:
    whole = make()
    whole.send(part(PARTS[0]), part(PARTS[1]), part({7: fix(offset_ms=-T0)}))
    whole.settle()
    assert len(whole.store.untimed(STATION)) == 4
    assert whole.store.series(STATION) == []


class Dies(SqliteStore):
    """The real store; the process dies at a chosen step."""

    at = ""

    def write(self, readings):  # type: ignore[no-untyped-def]
        done = super().write(readings)
        if self.at == "after the write":
            raise KeyboardInterrupt
        return done

    def forget_untimed(self, station, line, numbers):  # type: ignore[no-untyped-def]
        super().forget_untimed(station, line, numbers)
        if self.at == "after the removal":
            raise KeyboardInterrupt


@pytest.mark.parametrize("step", ["after the write", "after the removal"])
def test_a_crash_while_rows_are_moved_only_repeats(
    fresh_database: Callable[[], Database], tmp_path: Path, step: str
) -> None:
    store = Dies(tmp_path / "series.db")
    whole = Whole(fresh_database(), store)
    for bodies in PARTS:
        whole.send(part(bodies))
    store.at = step
    with pytest.raises(KeyboardInterrupt):
        whole.settle()
    store.at = ""
    whole.settle()
    assert [row.number for row in whole.store.read(STATION, LEVEL, 0, 2 * T0)] == [4, 5, 6]
    assert whole.store.untimed(STATION) == []
    told = {
        record.number
        for entry in whole.ledger.arrivals(0)
        if entry.lane == TIMED
        for record in wire.decode(entry.data).records
    }
    assert told == {4, 5, 6}, "the other followers have learned of all of them"


def test_alarms_see_placed_readings_as_late_ones(make: Callable[[], Whole], tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "rules:\n  - {name: high, title_zh: 高, title_en: high, series: {element: water_level}, raise_at: warning,\n"
        "     clear_margin: 0.1, severity: yellow}\n",
        "utf-8",
    )
    whole = make()
    whole.registry.add(Station(STATION, levels=[StationLevels(LEVEL, "dagu", 4.0, 5.0)]))
    engine = AlarmEngine(whole.database, whole.ledger, whole.store, whole.registry, load_rules(rules), whole.clock)
    whole.send(part(PARTS[0]), part({4: untimed(4, 4.5), 5: untimed(5, 3.0)}))
    whole.settle([engine])
    (told,) = AlarmBook(whole.database).recent()
    assert (told.started_ms, told.unverified) == (T0, True), "judged at its arrival, as long as its time is unknown"
    whole.send(part({7: fix()}))
    whole.settle([engine])
    (amended,) = AlarmBook(whole.database).recent()
    assert (amended.id, amended.started_ms, amended.unverified) == (told.id, BEGAN + 4000, False)
    assert amended.amended == "started"


def test_extremes_of_a_summary_become_readings_and_mean_and_count_are_kept(make: Callable[[], Whole]) -> None:
    whole = make()
    low, high = (T0 + 5000, 2.5, 1, 5), (T0 + 9000, 4.5, 3, 5)
    told = SeriesSummary(LEVEL, 50, 2, 3.25, low, high, T0, T0 + 60_000)
    whole.send(part({1: opening(), 9: Summary(LINE, [(4, 8)], [told], True, T0)}))
    whole.settle()
    rows = whole.store.read(STATION, LEVEL, 0, 2 * T0)
    assert [(row.time_ms, row.value, row.flag, row.reasons, row.number) for row in rows] == [
        (T0 + 5000, 2.5, Flag.PASS, Reason.THINNED, 9),
        (T0 + 9000, 4.5, Flag.SUSPECT, Reason.THINNED, 9),
    ]
    (line,) = whole.ledger.lines(STATION)
    assert str(line.gaps) == "4-8"
    assert [(each.state, each.first, each.last) for each in whole.book.missing_ranges(STATION)][1] == ("thinned", 4, 8)
    (kept,) = whole.book.summaries(STATION, LEVEL, T0, T0 + 1)
    assert (kept.summary.mean, kept.summary.count, kept.number) == (3.25, 50, 9)


def test_an_extreme_never_takes_the_place_of_the_reading_itself(make: Callable[[], Whole]) -> None:
    for order in ((0, 1), (1, 0)):
        whole = make()
        extreme = (T0 + 4000, 3.004, 1, 5)
        told = SeriesSummary(LEVEL, 1, 0, 3.004, extreme, extreme, T0 + 4000, T0 + 4000)
        parts = [
            part({1: opening(), 4: batch([4]).records[0].body}),
            part({9: Summary(LINE, [(5, 8)], [told], False, T0)}),
        ]
        for at in order:
            whole.send(parts[at])
        assert [row.number for row in whole.store.read(STATION, LEVEL, 0, 2 * T0)] == [4]


@pytest.mark.parametrize("fix_first", [True, False])
def test_untimed_extremes_get_the_time_of_the_boot_they_were_measured_in(
    make: Callable[[], Whole], fix_first: bool
) -> None:
    whole = make()
    told = SeriesSummary(LEVEL, 9, 0, 3.0, (5000, 2.0, 1, 0), (8000, 4.0, 1, 0), 4000, 9000)
    parts = [
        part({1: opening("boot-b", LINE, 12), 5: Summary(LINE, [(4, 8)], [told], False, T0)}, line=NEXT),
        part({1: opening("boot-a"), 9: fix("boot-a")}),
    ]
    for bodies in reversed(parts) if fix_first else parts:
        whole.send(bodies)
        whole.settle()
    rows = whole.store.read(STATION, LEVEL, 0, 2 * T0)
    assert [(row.time_ms, row.value, row.line, row.number) for row in rows] == [
        (BEGAN + 5000, 2.0, NEXT, 5),
        (BEGAN + 8000, 4.0, NEXT, 5),
    ]
    assert [each.summary.first_ms for each in whole.book.summaries(STATION, LEVEL, 0, 2 * T0)] == [BEGAN + 4000]


def test_many_untimed_rows_are_moved_page_by_page(make: Callable[[], Whole], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haihe_cloud.ingest.place._PAGE", 7)
    whole = make()
    numbers = range(4, 60)
    whole.send(part({1: opening()}), part({n: untimed(n) for n in numbers}))
    whole.settle()
    whole.send(part({70: fix()}))
    whole.settle()
    assert [row.number for row in whole.store.read(STATION, LEVEL, 0, 2 * T0)] == list(numbers)
    assert whole.store.untimed(STATION) == []
    assert SERIES[1] in whole.store.series(STATION)


class Meanwhile(SqliteStore):
    """A store that lets another station be booked after each write, and notes whether that had to wait."""

    book: Callable[[], object] | None = None

    def write(self, readings: Mapping[str, Sequence[Reading]]) -> list[Refused]:
        refused = super().write(readings)
        if self.book:
            other = threading.Thread(target=self.book)
            other.start()
            other.join(3)
            self.waited.append(other.is_alive())
        return refused

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.waited: list[bool] = []


def test_receipts_of_other_stations_wait_for_one_page_of_rows_and_not_for_all(
    fresh_database: Callable[[], Database], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haihe_cloud.ingest.place._PAGE", 20)
    store = Meanwhile(tmp_path / "series.db")
    whole = Whole(fresh_database(), store)
    whole.send(part({1: opening()}), part({n: untimed(n) for n in range(4, 31)}))
    whole.settle()
    whole.send(part({70: fix()}))
    numbers = itertools.count(1)
    store.book = lambda: whole.ledger.take([arrival([next(numbers)], station="31005999")])
    whole.settle()
    assert len(store.waited) >= 3
    assert not any(store.waited[:-1]), "only the last page is committed together with the cursor"
    assert [row.number for row in store.read(STATION, LEVEL, 0, 2 * T0)] == list(range(4, 31))
