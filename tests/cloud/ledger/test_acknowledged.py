"""Somebody takes note of what must not be about a station's numbers: it stays, and what is new stands out."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from haihe_cloud import database as port
from haihe_cloud.database import Database
from haihe_cloud.ledger.acknowledged import Taken, acknowledge
from haihe_cloud.ledger.missing import Trouble
from haihe_cloud.limits import CONFLICTS_PER_STATION, LINES_SHOWN
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract.errors import FieldError
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Readings

from tests.cloud.conftest import OpenDatabase
from tests.cloud.samples import LINE, STATION, T0, batch, opened
from tests.cloud.whole import Whole

OTHER = "31005651"


@pytest.fixture
def whole(database: Database, tmp_path: Path) -> Whole:
    return Whole(database, SqliteStore(tmp_path / "series.db"))


def take_note(whole: Whole, station: str = STATION) -> Taken | None:
    book = whole.book
    return acknowledge(
        whole.database, station, book.troubles(station), book.all_lines(station), who="Wang", why="", now_ms=T0
    )


def new(whole: Whole, station: str | None = None) -> list[tuple[str, int, int]]:
    noted = whole.book.acknowledged(station)
    return [(each.kind, each.line, each.number) for each in whole.book.troubles(station) if noted.of(each) is None]


def set_back(whole: Whole, line: int, *, last: int = 6, station: str = STATION) -> None:
    whole.send(batch([1, 2], line=line, bodies={1: opened(LINE, last)}, station=station), received_ms=T0 + line)


def another_content(whole: Whole, number: int, value: float) -> None:
    whole.send(batch([2, number], bodies={number: Readings(T0, 5, [0], [value])}))


def test_every_kind_of_trouble_is_taken_note_of_and_a_new_one_of_each_kind_stands_out(whole: Whole) -> None:
    whole.send(batch([1, 2, 4, 5, 6, 9]))
    another_content(whole, 4, 9.0)
    set_back(whole, 71)
    set_back(whole, 72)
    kinds = {"two_contents", "line_went_back", "line_forked"}
    assert {kind for kind, _, _ in new(whole)} == kinds
    known = whole.book.troubles()
    taken = take_note(whole)
    assert taken is not None
    assert (new(whole), whole.book.troubles()) == ([], known), "nothing is deleted"
    assert take_note(whole) is None
    another_content(whole, 4, 8.0)
    assert [kind for kind, _, _ in new(whole)] == ["two_contents"], "a third content of the same number"
    take_note(whole)
    another_content(whole, 5, 8.0)
    set_back(whole, 73)
    assert {kind for kind, _, _ in new(whole)} == kinds
    assert {line for kind, line, _ in new(whole) if kind != "two_contents"} == {73}


def test_a_card_that_speaks_on_after_somebody_took_note_is_a_new_trouble(whole: Whole) -> None:
    whole.send(batch([1, 2, 4, 9]))
    set_back(whole, 71)
    take_note(whole)
    whole.send(batch([2, 9]))
    assert new(whole) == [], "a repetition is no word of the card"
    whole.send(batch([2, 11]))
    assert new(whole) == [("line_went_back", 71, 7)]


def test_a_trouble_that_is_learned_later_of_an_older_opening_is_not_covered(whole: Whole) -> None:
    whole.send(batch([1, 2, 4, 5, 6]))
    another_content(whole, 4, 9.0)
    set_back(whole, 71)
    take_note(whole)
    whole.send(batch([9]))
    assert new(whole) == [("line_went_back", 71, 7)], "its opening came before, what it contradicts did not"


def test_what_is_lost_is_taken_note_of_number_by_number(whole: Whole) -> None:
    whole.send(batch([1, 2, 4, 9], head=9, tail=6))
    taken = take_note(whole)
    assert taken is not None
    assert taken.lost == {LINE: RangeSet.of((3, 3), (5, 5))}
    whole.send(batch([], head=9, tail=8))
    (line,) = whole.book.all_lines(STATION)
    assert str(line.lost) == "3,5-7"
    assert str(line.lost - whole.book.acknowledged(STATION).lost(STATION, LINE)) == "6-7"
    second = take_note(whole)
    assert second is not None
    assert second.lost == {LINE: RangeSet.of((6, 7))}
    assert len(whole.book.acknowledged().by) == 2


def test_more_conflicts_than_are_listed_are_all_taken_note_of(whole: Whole) -> None:
    assert CONFLICTS_PER_STATION > LINES_SHOWN
    numbers = range(4, LINES_SHOWN + 40)
    for value in (1.0, 2.0):
        whole.send(batch([2, *numbers], bodies={n: Readings(T0 + n, 5, [0], [value]) for n in numbers}))
    assert len(new(whole)) == len(numbers)
    take_note(whole)
    assert new(whole) == []


def test_more_conflicts_than_are_kept_are_never_taken_note_of_because_the_next_one_leaves_no_trace(
    whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("contents", "troubles", "acknowledged"):
        monkeypatch.setattr(f"haihe_cloud.ledger.{module}.CONFLICTS_PER_STATION", 3)
    whole.send(batch([1, 2, 4, 5, 6, 7]))
    for number in (4, 5):
        another_content(whole, number, 9.0)
    set_back(whole, 71)
    assert take_note(whole) is not None
    assert new(whole) == []
    for number in (6, 7):
        another_content(whole, number, 9.0)
    set_back(whole, 72)
    assert ("two_contents", LINE, 6) in new(whole)
    assert take_note(whole) is not None
    assert new(whole) == [("two_contents", LINE, 6)], "7 is not among them, but it is not said that all is well"


def test_one_station_is_taken_note_of_and_no_other(whole: Whole, tmp_path: Path) -> None:
    other = Whole(whole.database, whole.store, station=OTHER)
    for each, code in ((whole, STATION), (other, OTHER)):
        each.send(batch([1, 2, 9], station=code))
        set_back(each, 71, station=code)
    take_note(whole)
    assert (len(new(whole, STATION)), len(new(whole, OTHER)), len(new(whole))) == (0, 1, 1)


@pytest.mark.parametrize(("who", "why"), [("", ""), ("   ", ""), ("x" * 101, ""), ("Wang", "x" * 501)])
def test_nobody_and_too_many_words_are_refused_and_nothing_is_kept(whole: Whole, who: str, why: str) -> None:
    trouble = Trouble(STATION, "line_forked", 5, 1, {}, T0)
    with pytest.raises(FieldError):
        acknowledge(whole.database, STATION, [trouble], [], who=who, why=why, now_ms=T0)
    assert whole.book.acknowledged().by == []


def test_a_database_of_the_version_before_keeps_its_troubles_and_takes_notes(
    open_database: OpenDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path / "series.db")
    files = port.schema_files

    def before() -> Sequence[object]:
        return files()[:6]

    with monkeypatch.context() as older:
        older.setattr(port, "schema_files", before)
        old = open_database()
        whole = Whole(old, store)
        whole.send(batch([1, 2, 9]))
        set_back(whole, 71)
        with pytest.raises(port.DatabaseError):
            whole.book.acknowledged()
        old.close()
    whole = Whole(open_database(), store)
    assert new(whole) == [("line_went_back", 71, 7)]
    assert take_note(whole) is not None
    assert new(whole) == []
