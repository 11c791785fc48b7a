"""What is missing, still at the station and overdue is asked for; nothing else, and never much."""

from pathlib import Path

import pytest
from haihe_cloud.database import Database
from haihe_cloud.ingest.inbox import Message
from haihe_cloud.ledger.arrival import LineState
from haihe_cloud.ledger.wanted import Patience
from haihe_cloud.limits import RECEIVE_MAXIMUM, WANTED_AFTER_MS, WANTED_LINES, WANTED_RANGES
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract.ranges import RangeSet
from haihe_contract.wire import CODECS

from tests.cloud.samples import LINE, STATION, T0, batch
from tests.cloud.whole import Whole

BEAT_MS = 30_000


def line(held: RangeSet, *, head: int = 100, tail: int = 1, which: int = LINE) -> LineState:
    return LineState(STATION, which, head, tail, held, RangeSet(), RangeSet(), 0, 0)


def beats(patience: Patience, lines: list[LineState], minutes: float, start_ms: int = 0) -> list[object]:
    said = []
    for now_ms in range(start_ms, start_ms + int(minutes * 60_000), BEAT_MS):
        said = patience.wanted(STATION, lines, now_ms)
    return list(said)


def test_a_number_is_asked_for_after_ten_to_twenty_minutes_of_connection() -> None:
    missing = [line(RangeSet.of((1, 50), (61, 100)))]
    assert beats(Patience(), missing, 9.5) == []
    (asked,) = beats(Patience(), missing, 21)
    assert (asked.line, asked.ranges) == (LINE, [(51, 60)])  # type: ignore[attr-defined]


def test_what_has_come_meanwhile_or_left_the_station_is_not_asked_for() -> None:
    patience = Patience()
    beats(patience, [line(RangeSet.of((1, 50)))], 15)
    (asked,) = patience.wanted(STATION, [line(RangeSet.of((1, 70)), tail=81)], 15 * 60_000)
    assert asked.ranges == [(81, 100)]


def test_time_without_connection_does_not_count() -> None:
    patience = Patience()
    for hour in range(10):
        assert beats(patience, [line(RangeSet.of((1, 50)))], 0.5, hour * 3_600_000) == []


def test_a_station_that_never_said_its_tail_is_asked_for_nothing() -> None:
    assert beats(Patience(), [line(RangeSet.of((1, 50)), tail=0)], 60) == []


def test_wishes_never_grow_beyond_their_bounds() -> None:
    torn = RangeSet((n, n) for n in range(1, 2000, 2))
    many = [line(torn, head=2000, which=each) for each in range(1, 40)]
    asked = beats(Patience(), many, 60)
    assert len(asked) == WANTED_LINES
    assert all(len(each.ranges) == WANTED_RANGES for each in asked)  # type: ignore[attr-defined]


@pytest.fixture
def whole(database: Database, tmp_path: Path) -> Whole:
    return Whole(database, SqliteStore(tmp_path / "series.db"))


def test_the_receipt_asks_names_codecs_and_gives_no_cap_while_there_is_room(whole: Whole) -> None:
    whole.send(batch([1, 2, 4, 5], head=9))
    for _ in range(2 * WANTED_AFTER_MS // BEAT_MS + 2):
        whole.clock.ms += BEAT_MS
        whole.send(batch([], head=9))
    said = whole.receipt()
    assert said.asked_for() == {LINE: RangeSet.of((3, 3), (6, 9))}
    assert (said.codecs, said.credit) == (list(CODECS), None)
    whole.send(batch([2, 3, 6, 7, 8, 9], head=9))
    assert whole.receipt().asked_for() == {}


def test_a_waiting_room_that_is_half_full_caps_the_backlog(whole: Whole) -> None:
    for _ in range(RECEIVE_MAXIMUM // 2 + 1):
        whole.inbox.put(Message("t", b"", T0, lambda: None), urgent=False)
    whole.send(batch([1, 2, 4]))
    credit = whole.receipt().credit
    assert credit is not None
    assert (credit.batches, credit.seconds) == (1, 30)
