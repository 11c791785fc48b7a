"""One station takes no more of the centre than its share; what is over it waits, or is in quarantine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from haihe_cloud.admit.registry import Station
from haihe_cloud.ingest.admit import Admitted, Heartbeat, contents
from haihe_cloud.ingest.inbox import Message
from haihe_cloud.ingest.pace import Pace, too_much, work
from haihe_cloud.limits import WORK_OF_A_MESSAGE
from haihe_contract import topic, wire
from haihe_contract.ranges import RangeSet
from haihe_contract.record import LANE_BACKLOG, LANE_LIVE, Body, Readings

from tests.cloud.conftest import OpenDatabase
from tests.cloud.ingest.test_worker import OTHER, Centre
from tests.cloud.samples import LINE, STATION, T0, data, gap, opened

HOUR = 3_600_000
RECORDS = 2000
"""Most of one batch of a station (edge/haihe_edge/forward/outbox.py)."""


@pytest.fixture
def centre(tmp_path: Path, open_database: OpenDatabase) -> Iterator[Centre]:
    made = Centre(tmp_path, open_database)
    made.registry.add(Station(OTHER))
    yield made
    made.close()


def send(centre: Centre, *payloads: bytes, lane: int = LANE_LIVE, station: str = STATION) -> None:
    messages = [Message(topic.up(station, lane), payload, T0, lambda: None) for payload in payloads]
    assert centre.worker.round(messages) == len(messages)


def an_hour_each(numbers: range) -> dict[int, Body]:
    return {n: Readings(T0 + n * HOUR, 5, [0], [1.0]) for n in numbers}


def hours(centre: Centre) -> int:
    return int(centre.database.connection().execute("SELECT count(*) FROM tally").fetchone()[0])


def lines(centre: Centre, station: str = STATION) -> set[int]:
    return {each.line for each in centre.ledger.lines(station)}


def test_a_few_hundred_bytes_never_make_sixty_thousand_rows(centre: Centre) -> None:
    many = data([2, *range(4, 60_004)], bodies=an_hour_each(range(4, 60_004)), lane=LANE_BACKLOG)
    assert len(many) < 400
    other = data([1, 2, 4], station=OTHER)
    message = Message(topic.up(OTHER, LANE_LIVE), other, T0, lambda: None)
    assert centre.worker.round([Message(topic.up(STATION, LANE_BACKLOG), many, T0, lambda: None), message]) == 2
    assert hours(centre) == 1, "that of the other station"
    (line,) = centre.ledger.lines(STATION)
    assert (line.held, line.refused) == (RangeSet(), RangeSet.of((2, 2), (4, 60_003)))
    (kept,) = centre.ledger.quarantined()
    assert "rows of work" in kept.reason
    assert centre.ledger.quarantined_bytes(kept.id) == many, "the bytes are here, whatever they cost"
    assert centre.ledger.lines(OTHER)[0].held == RangeSet.of((1, 2), (4, 4))


def test_what_a_person_has_admitted_again_is_taken_whatever_it_asks_for(centre: Centre) -> None:
    numbers = range(4, WORK_OF_A_MESSAGE + 10)
    send(centre, data([2, *numbers], bodies=an_hour_each(numbers), lane=LANE_BACKLOG), lane=LANE_BACKLOG)
    (kept,) = centre.ledger.quarantined()
    again = Message(kept.topic, centre.ledger.quarantined_bytes(kept.id) or b"", T0, lambda: None, kept.id)
    centre.worker.round([again])
    assert centre.ledger.quarantined() == []
    assert hours(centre) == len(numbers)


def test_new_lines_beyond_the_rate_wait_without_a_receipt_and_come_later(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haihe_cloud.ingest.pace.LINES_BURST", 3)
    payloads = [data([1, 2, 4], line=100 + n, lane=LANE_BACKLOG) for n in range(5)]
    send(centre, *payloads, lane=LANE_BACKLOG)
    assert lines(centre) == {100, 101, 102}
    assert all(centre.settled(100 + n) for n in range(3))
    assert not any(centre.settled(100 + n) for n in (3, 4))
    assert (centre.worker.counts.deferred, centre.ledger.quarantined()) == (2, [])
    send(centre, data([5, 6], line=100, lane=LANE_BACKLOG), lane=LANE_BACKLOG)
    assert centre.ledger.lines(STATION)[0].line == 100, "a line that is known goes on"
    send(centre, data([1, 2, 4], line=99))
    assert 99 in lines(centre), "what the station measures now waits for no backlog"
    send(centre, data([1, 2, 4], line=200, station=OTHER, lane=LANE_BACKLOG), station=OTHER, lane=LANE_BACKLOG)
    assert lines(centre, OTHER) == {200}
    centre.clock.ms += 20_000
    send(centre, *payloads, lane=LANE_BACKLOG)
    assert lines(centre) == {99, 100, 101, 102, 103, 104}


@pytest.mark.parametrize("kind", ["heartbeat", "gap", "opening", "volatile"])
def test_no_way_to_make_lines_is_free(centre: Centre, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr("haihe_cloud.ingest.pace.LINES_BURST", 10)
    send(centre, data([1, 2, 4]))
    for at in range(40):
        body = {"gap": gap(1000 + at, (1, 9)), "opening": opened(1000 + at, 7)}.get(kind)
        if kind == "heartbeat":
            send(centre, data([], line=100 + at, head=3))
        elif body:
            send(centre, data([2, 10 + at], bodies={10 + at: body}, line=100 + at))
        else:
            send(centre, data([2, 4], line=100 + at, volatile=True))
    connection = centre.database.connection()
    (known,) = connection.execute("SELECT count(*) FROM line").fetchone()
    (volatile,) = connection.execute("SELECT count(*) FROM volatile_line").fetchone()
    assert known + volatile <= 10 + 2


def test_a_volatile_line_that_is_known_goes_on_and_a_new_one_over_the_rate_is_in_quarantine(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haihe_cloud.ingest.pace.LINES_BURST", 1)
    for number in range(4, 9):
        send(centre, data([2, number], line=7, volatile=True))
    assert len(centre.numbers()) == 5
    send(centre, data([2, 14], line=8, volatile=True))
    (kept,) = centre.ledger.quarantined()
    assert "more than its rate" in kept.reason


def test_a_station_over_its_rate_of_work_waits_until_it_has_paid_for_it(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haihe_cloud.ingest.pace.WORK_BURST", 100)
    first, second = range(4, 304), range(304, 604)
    for numbers in (first, second):
        send(centre, data([2, *numbers], bodies=an_hour_each(numbers), lane=LANE_BACKLOG), lane=LANE_BACKLOG)
    assert hours(centre) == len(first), "the second has to wait, and is not even opened"
    centre.clock.ms += 12_000
    send(centre, data([2, *second], bodies=an_hour_each(second), lane=LANE_BACKLOG), lane=LANE_BACKLOG)
    assert hours(centre) == len(first) + len(second)


def test_a_bundle_never_makes_the_link_of_its_station_wait(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haihe_cloud.ingest.pace.WORK_BURST", 100)
    monkeypatch.setattr("haihe_cloud.ingest.pace.LINES_BURST", 1)
    batches = [data([2, *range(4, 304)], bodies=an_hour_each(range(4, 304)), line=n, lane=LANE_BACKLOG) for n in (1, 2)]
    for payload in batches * 2:  # brought twice, as after an import that was broken off
        centre.worker.round([Message(topic.up(STATION, LANE_BACKLOG), payload, T0, lambda: None, carried=True)])
    assert lines(centre) == {1, 2}
    send(centre, data([2, 304], line=3, lane=LANE_BACKLOG), lane=LANE_BACKLOG)
    assert lines(centre) == {1, 2, 3}
    assert centre.worker.counts.deferred == 0


def judged(payload: bytes) -> tuple[wire.Envelope, Admitted | Heartbeat]:
    envelope = wire.read_envelope(payload)
    verdict = contents(envelope, None)
    assert isinstance(verdict, Admitted | Heartbeat)
    return envelope, verdict


def waits(pace: Pace, judged: tuple[wire.Envelope, Admitted | Heartbeat], now_ms: int, *, opens: bool) -> bool:
    """Whether it has to wait, or is too much for one message."""
    envelope, verdict = judged
    if pace.must_wait(envelope, now_ms, opens=opens):
        return True
    rows = work(verdict.batch) if isinstance(verdict, Admitted) else 0
    pace.charge(verdict, rows, now_ms, opens=opens)
    return isinstance(verdict, Admitted) and too_much(verdict, rows) is not None


def test_a_station_that_restarts_every_minute_for_a_year_never_waits() -> None:
    pace, opening = Pace(), judged(data([1, 2, 3, 4, 5], bodies={1: opened(LINE + 1, 9)}))
    assert not any(waits(pace, opening, minute * 60_000, opens=True) for minute in range(525_600))


def test_two_hundred_series_at_one_second_never_wait() -> None:
    pace, values = Pace(), {4: Readings(T0, 5, list(range(200)), [1.0] * 200)}
    dictionary = [f"water_level.p{n}.instant.0.derived.dagu" for n in range(200)]
    envelope = wire.read_envelope(data([4], bodies=values))
    verdict = contents(envelope, dictionary)
    assert isinstance(verdict, Admitted)
    for second in range(20_000):
        for part in range(4):  # as many as four batches in it
            assert not waits(pace, (envelope, verdict), second * 1000 + part * 250, opens=False)


@pytest.mark.parametrize(
    ("period_ms", "batches"),
    [(1000, 2600), (60_000, 526), (HOUR, 44)],
    ids=["3 days of 20 series at 1 s", "two years at 1 min", "ten years at 1 h"],
)
def test_no_honest_backlog_waits_however_fast_it_comes(period_ms: int, batches: int) -> None:
    numbers = range(4, 4 + RECORDS)
    bodies: dict[int, Body] = {n: Readings(T0 + n * period_ms, 5, [0, 1], [1.0, 2.0]) for n in numbers}
    one, pace = judged(data([2, *numbers], bodies=bodies, lane=LANE_BACKLOG)), Pace()
    assert not any(waits(pace, one, 0, opens=False) for _ in range(batches))


def test_the_dearest_batch_of_a_station_is_within_the_limit_of_a_message() -> None:
    """Every record in an hour of its own and in a block of contents of its own, as after a loss of nearly all."""
    numbers = range(256, 256 * RECORDS, 256)
    bodies: dict[int, Body] = {n: Readings(T0 + n * HOUR, 5, [0], [1.0]) for n in numbers}
    assert not waits(Pace(), judged(data([2, *numbers], bodies=bodies, lane=LANE_BACKLOG)), 0, opens=True)
