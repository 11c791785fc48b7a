"""The audit: store and ledger agree, and any single row that differs is found and named."""

import itertools
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from haihe_cloud import audit as audits
from haihe_cloud.audit import CHANGED, MISSING, STRAY, TWICE, audit
from haihe_cloud.database import Database
from haihe_cloud.sql.sqlite import SqliteDatabase
from haihe_cloud.store.port import Store
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract.quality import Flag, Grade, Reason, mark
from haihe_contract.reading import Reading
from haihe_contract.record import Body, Dictionary, Opened, Readings, SeriesSummary, Summary, TimeFix
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cloud.samples import LEVEL, LINE, SERIES, T0, VOLTAGE, batch
from tests.cloud.whole import Whole

CODES = (f"{n:08d}" for n in itertools.count(31_000_000))
OTHER, VOLATILE, EQUAL = 77, 78, 79


def opening(boot: str) -> Opened:
    return Opened(0, boot, 1000, 0, 0, 0, 0, 1000, True, "0.1.0", "site")


def filled(database: Database, store: Store) -> Whole:
    """A station with all kinds of records: lines, placed and waiting readings, a summary, a conflict, memory."""
    whole = Whole(database, store, station=next(CODES))

    def send(bodies: dict[int, Body] | None, numbers: set[int] | None = None, line: int = LINE, **how: object) -> None:
        every = {2, *(bodies or {}), *(numbers or ())}
        whole.send(batch(every, bodies=bodies, line=line, station=whole.station, **how))  # type: ignore[arg-type]

    send(None, set(range(1, 40)))
    send({n: Readings(T0 + n * 400_000, 5, [0, 1], [n / 7, None], [3, 25]) for n in range(40, 60)})
    low, high = (T0 + 1_000_000_000, 2.5, 1, 5), (T0 + 1_000_001_000, 4.5, 3, 5)
    told = SeriesSummary(LEVEL, 50, 2, 3.25, low, high, low[0], high[0])
    send({60: Summary(LINE, [(70, 80)], [told], False, T0)})
    untimed: dict[int, Body] = {n: Readings(n * 1000, 0, [0, 1], [n / 3, 12.0]) for n in range(4, 9)}
    send({1: opening("boot-a"), **untimed, 9: TimeFix("boot-a", T0 + 500_000_000, 20, 5, T0)}, line=OTHER)
    whole.settle()
    send({n: Readings(n * 1000, 0, [0], [n / 3]) for n in range(61, 64)})  # of a boot that nobody has fixed
    # the same place as record 4 of the first line, another value: one of them is shown, the other a conflict
    send({20: Readings(T0 + 4000, 5, [0], [8.5])}, line=OTHER)
    # what others said too: whole with a lower and a higher rank, in part, and from an instrument's memory
    memory = [mark(Flag.PASS, Reason.FROM_MEMORY)] * 2
    equal: dict[int, Body] = {
        4: Readings(T0 + 11_000, 5, [0, 1], [3.011, 12.5]),
        5: Readings(T0 + 12_000, 6, [0, 1], [3.012, 12.5]),
        6: Readings(T0 + 13_000, 5, [0, 1], [9.5, 12.5]),
        7: Readings(T0 + 14_000, 6, [1], [12.5]),
        8: Readings(T0 + 15_000, 6, [0, 1], [3.015, 12.5], memory),
    }
    send(equal, line=EQUAL)
    send({1: Dictionary(SERIES), 2: Readings(T0 + 77_000, 5, [0], [1.5])}, line=VOLATILE, tail=3, volatile=True)
    whole.settle()
    assert len(store.conflicts(whole.station)) == 2
    return whole


def test_store_and_ledger_agree_on_everything_that_was_taken(database: Database, store: Store) -> None:
    whole = filled(database, store)
    found = audit(whole.book, store, whole.station)
    assert (found.disagreements, found.more, found.volatile) == ([], 0, 1)
    by_line = {line.line: line for line in found.lines}
    groups = sum(1 for n in range(4, 40) if n % 10) + 20
    assert by_line[LINE].records == groups + 3
    assert by_line[LINE].held == 63
    assert by_line[OTHER].records == 6
    assert by_line[EQUAL].records == 5
    assert sum(by_line[LINE].rows_by_day.values()) == 2 * groups + 2 - 5


def test_a_group_without_readings_has_nothing_in_the_store_that_could_be_missing(
    database: Database, store: Store
) -> None:
    whole = Whole(database, store, station=next(CODES))
    bodies: dict[int, Body] = {4: Readings(T0, 5, [], []), 5: Readings(T0 + 1000, 5, [0], [1.0])}
    whole.send(batch({1, 2, 3, 4, 5}, bodies=bodies, station=whole.station))
    found = audit(whole.book, store, whole.station)
    assert found.disagreements == []
    assert [(line.held, line.records) for line in found.lines] == [(5, 1)]


def test_what_is_added_changed_or_moved_is_found_in_every_store(database: Database, store: Store) -> None:
    whole = filled(database, store)
    stray = Reading(LEVEL, T0 + 123, 1.0, Flag.PASS, Reason.NONE, Grade.NTP, LINE, 5000)
    of_an_event = stray._replace(time_ms=T0 + 124, number=10)
    twice = stray._replace(time_ms=T0 + 125, number=5)
    changed = Reading(VOLTAGE, T0 + 6000, 13.5, Flag.PASS, Reason.NONE, Grade.GNSS, LINE, 6)
    unknown_line = stray._replace(time_ms=T0 + 126, line=1234)
    store.write({whole.station: [stray, of_an_event, twice, changed, unknown_line]})
    found = {(each.line, each.first, each.kind) for each in audit(whole.book, store, whole.station).disagreements}
    assert found >= {
        (LINE, 5000, STRAY),
        (LINE, 10, STRAY),
        (LINE, 6, CHANGED),
        (1234, 5000, STRAY),
    }
    assert {kind for line, number, kind in found if number == 5} <= {CHANGED, TWICE}
    assert (LINE, 5) in {(line, number) for line, number, _ in found}


def test_rows_that_a_station_left_in_the_store_and_the_ledger_alone_know_are_missing(
    database: Database, open_store: Callable[[], Store], tmp_path: Path
) -> None:
    whole = filled(database, SqliteStore(tmp_path / "lost.db"))
    empty = open_store()
    found = audit(whole.book, empty, whole.station)
    empty.close()
    assert {each.kind for each in found.disagreements} == {MISSING}
    missing = sum(each.last - each.first + 1 for each in found.disagreements)
    assert missing == sum(1 for n in range(4, 40) if n % 10) + 20 + 1 + 3 + 6 + 5


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Whole, Path]:
    directory = tmp_path_factory.mktemp("audit")
    whole = filled(SqliteDatabase(directory / "haihe.db"), SqliteStore(directory / "series.db"))
    whole.store.close()
    return whole, directory / "series.db"


COLUMNS = {
    "reading": ("time_ms", "value", "mark", "grade", "line_id", "number", "series_id"),
    "conflict": ("time_ms", "value", "mark", "grade", "line_id", "number", "series_id"),
    "untimed": ("boot_ms", "value", "mark", "line_id", "number", "series_id"),
}
_copies = itertools.count()


@given(st.data(), st.randoms(use_true_random=False))
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_single_row_deleted_added_or_changed_is_found(
    original: tuple[Whole, Path], tmp_path: Path, data: st.DataObject, chance: random.Random
) -> None:
    whole, path = original
    copy = tmp_path / f"copy{next(_copies)}.db"
    copy.write_bytes(path.read_bytes())
    raw = sqlite3.connect(copy)
    volatile = f"{VOLATILE:016x}"
    table = data.draw(st.sampled_from(sorted(COLUMNS)))
    rows = raw.execute(
        f"SELECT * FROM {table} WHERE line_id <> (SELECT id FROM line WHERE line=?)", (volatile,)
    ).fetchall()
    names = [each[1] for each in raw.execute(f"PRAGMA table_info({table})")]
    row = dict(zip(names, data.draw(st.sampled_from(rows)), strict=True))
    where = " AND ".join(f"{name} IS ?" for name in names)
    what = data.draw(st.sampled_from(["deleted", "added", "changed"]))
    column = data.draw(st.sampled_from(COLUMNS[table]))
    other = dict(row)
    others = [each for (each,) in raw.execute("SELECT id FROM line WHERE line<>?", (volatile,))]
    if column in ("line_id", "series_id"):
        ids = others if column == "line_id" else [each for (each,) in raw.execute("SELECT id FROM series")]
        other[column] = chance.choice([each for each in ids if each != row[column]])
    elif column == "value":
        other["value"] = 17.25 if row["value"] is not None else row["value"]
        other["mark"] = row["mark"] if row["value"] is not None else row["mark"] + 16
    elif column == "mark":
        other["mark"] = row["mark"] + 32
    elif column == "grade":
        other["grade"] = 6 if row["grade"] != 6 else 4
    else:
        other[column] = row[column] + chance.choice([1, 7, 1000])
    try:
        if what != "added":
            raw.execute(f"DELETE FROM {table} WHERE {where}", [row[name] for name in names])
        if what != "deleted":
            raw.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(names))})", [other[name] for name in names])
    except sqlite3.IntegrityError:
        raw.close()
        copy.unlink()
        return  # the place is taken: such a row cannot be
    raw.commit()
    raw.close()
    store = SqliteStore(copy)
    found = audit(whole.book, store, whole.station)
    store.close()
    copy.unlink()
    assert found.disagreements, (table, what, column, row, other)


_GROUPS = st.lists(
    st.tuples(
        st.sampled_from([LINE, OTHER, EQUAL]),
        st.integers(0, 3),  # the moment
        st.sampled_from([Grade.NTP, Grade.GNSS]),
        st.sampled_from([(0,), (1,), (0, 1)]),
        st.lists(st.sampled_from([1.5, 2.5, None]), min_size=2, max_size=2),
        st.sampled_from([Reason.NONE, Reason.FROM_MEMORY]),
    ),
    min_size=1, max_size=14, unique_by=lambda group: group[:2],
)  # fmt: skip


def _readings(group: tuple) -> Readings:  # type: ignore[type-arg]
    _, moment, grade, series, values, reason = group
    said = values[: len(series)]
    marks = [mark(Flag.MISSING if value is None else Flag.PASS, reason) for value in said]
    return Readings(T0 + moment * 1000, int(grade), list(series), said, marks)


@given(_GROUPS, st.integers(0, 1000))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whoever_says_the_same_of_the_same_moment_nothing_is_missing_and_any_row_that_is_lost_is_found(
    tmp_path: Path,
    groups: list[tuple],
    which: int,  # type: ignore[type-arg]
) -> None:
    folder = tmp_path / f"equal{next(_copies)}"
    folder.mkdir()
    whole = Whole(SqliteDatabase(folder / "haihe.db"), SqliteStore(folder / "series.db"), station=next(CODES))
    for number, group in enumerate(groups, 4):
        whole.send(batch({2, number}, bodies={number: _readings(group)}, line=group[0], station=whole.station))
    done = audit(whole.book, whole.store, whole.station)
    assert (done.disagreements, sum(line.records for line in done.lines)) == ([], len(groups))
    whole.store.close()
    raw = sqlite3.connect(folder / "series.db")
    rows = [(table, row) for table in ("reading", "conflict") for row in raw.execute(f"SELECT * FROM {table}")]
    table, row = rows[which % len(rows)]
    names = [each[1] for each in raw.execute(f"PRAGMA table_info({table})")]
    raw.execute(f"DELETE FROM {table} WHERE {' AND '.join(f'{name} IS ?' for name in names)}", row)
    assert raw.total_changes == 1
    raw.commit()
    raw.close()
    store = SqliteStore(folder / "series.db")
    assert audit(whole.book, store, whole.station).disagreements
    store.close()
    whole.database.close()


def test_what_was_sent_from_memory_while_the_disk_refused_and_is_kept_later_is_not_missing(
    database: Database, store: Store
) -> None:
    whole = Whole(database, store, station=next(CODES))
    said: dict[int, Body] = {n: Readings(T0 + n * 1000, 5, [0, 1], [n / 8, 12.5]) for n in range(4, 12)}
    for volatile in (1, 2**64 - 1):
        bodies: dict[int, Body] = {1: Dictionary(SERIES), **said}
        whole.send(batch(bodies, bodies=bodies, line=volatile, tail=12, volatile=True, station=whole.station))
    whole.send(batch({1, 2, 3, *said}, bodies=said, line=OTHER, station=whole.station))
    done = audit(whole.book, store, whole.station)
    assert done.disagreements == []
    assert [line.records for line in done.lines] == [len(said)]


def test_two_numbers_of_one_line_that_say_the_same_are_both_there(database: Database, store: Store) -> None:
    whole = Whole(database, store, station=next(CODES))
    same = Readings(T0, 5, [0, 1], [3.5, 12.5])
    whole.send(batch({1, 2, 4, 5, 6}, bodies={4: same, 5: same, 6: same}, station=whole.station))
    (line,) = audit(whole.book, store, whole.station).lines
    assert line.records == 3
    assert audit(whole.book, store, whole.station).disagreements == []


def test_a_record_that_got_its_time_later_may_be_held_by_one_that_had_it(database: Database, store: Store) -> None:
    whole = Whole(database, store, station=next(CODES))
    untimed: dict[int, Body] = {n: Readings(n * 1000, 0, [0, 1], [n / 3, 12.0]) for n in range(4, 9)}
    fixed: dict[int, Body] = {1: opening("boot-a"), **untimed, 9: TimeFix("boot-a", T0, 20, 5, T0)}
    whole.send(batch({2, *fixed}, bodies=fixed, line=OTHER, station=whole.station))
    whole.settle()
    same: dict[int, Body] = {n: Readings(T0 + n * 1000, 6, [0, 1], [n / 3, 12.0]) for n in range(4, 9)}
    whole.send(batch({1, 2, *same}, bodies=same, station=whole.station))
    whole.settle()
    done = audit(whole.book, store, whole.station)
    assert done.disagreements == []
    assert sorted(line.records for line in done.lines) == [5, 5]


def test_a_row_of_others_with_another_value_does_not_excuse_one_that_is_lost(
    database: Database, open_store: Callable[[], Store], tmp_path: Path
) -> None:
    whole = Whole(database, SqliteStore(tmp_path / "lost.db"), station=next(CODES))
    whole.send(batch({1, 2, 4}, bodies={4: Readings(T0, 5, [0], [3.5])}, station=whole.station))
    left = open_store()
    rival = Reading(LEVEL, T0, 3.25, Flag.PASS, Reason.NONE, Grade.GNSS, 2**64 - 1, 9)
    lesser = Reading(LEVEL, T0, 3.5, Flag.PASS, Reason.NONE, Grade.SYSTEM, 1, 9)
    left.write({whole.station: [rival, lesser]})
    kinds = {(each.line, each.kind) for each in audit(whole.book, left, whole.station).disagreements}
    left.close()
    assert (LINE, MISSING) in kinds, "an equal row of lower rank cannot have taken its place"


def test_a_dense_series_is_read_in_bounded_stretches(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audits, "STRETCH_ROWS", 50)
    whole = Whole(database, SqliteStore(tmp_path / "series.db"))
    bodies: dict[int, Body] = {n: Readings(T0 + n * 1000, 5, [0, 1], [n / 10, 12.0]) for n in range(10, 900)}
    whole.send(batch({1, 2, *bodies}, bodies=bodies))
    longest = 0
    records = audits._records

    def measured(store: Store, station: str):  # type: ignore[no-untyped-def]
        nonlocal longest
        for each in records(store, station):
            longest = max(longest, sum(map(len, each.values())))
            yield each

    monkeypatch.setattr(audits, "_records", measured)
    found = audit(whole.book, whole.store, whole.station)
    assert found.disagreements == []
    assert found.lines[0].records == len(bodies)
    assert longest <= 2 * 50


def test_numbers_taken_before_contents_were_kept_are_counted_apart(database: Database, tmp_path: Path) -> None:
    whole = Whole(database, SqliteStore(tmp_path / "series.db"))
    whole.send(batch([1, 2, 4, 5, 6]))
    with database.transaction() as connection:
        connection.execute("DELETE FROM content")
    (line,) = audit(whole.book, whole.store, whole.station).lines
    assert (line.records, line.unproven) == (0, 3)
    whole.send(batch([1, 2, 4, 5, 6]))
    (line,) = audit(whole.book, whole.store, whole.station).lines
    assert (line.records, line.unproven) == (3, 0), "a repetition tells the contents"


def test_a_batch_that_is_stored_and_not_yet_booked_is_no_disagreement_once_it_is(
    database: Database, tmp_path: Path
) -> None:
    whole = Whole(database, SqliteStore(tmp_path / "series.db"))
    whole.send(batch([1, 2, 4]))

    class Slow(SqliteStore):
        """The real store, read by an audit while the worker finishes its round."""

        def series(self, station: str) -> list[str]:
            whole.send(batch([2, 5]))
            return super().series(station)

    store = Slow(tmp_path / "series.db")
    assert audit(whole.book, store, whole.station).disagreements == []
    store.close()
