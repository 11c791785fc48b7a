"""What becomes of a message is decided without looking at anything but the message and what is known."""

import hashlib
import math

import msgspec
import pytest
from haihe_cloud.ingest.admit import (
    Admitted,
    Heartbeat,
    Quarantine,
    UnknownStation,
    Verdict,
    WaitingForDictionary,
    admit,
)
from haihe_contract import topic, wire
from haihe_contract.quality import Flag, Reason, mark
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Body, Dictionary, Event, Gap, Opened, Readings, State, Unread
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.cloud.samples import LEVEL, LINE, SERIES, STATION, T0, data, gap, opened

UP = topic.up(STATION, 1)


def judge(payload: bytes, *, to: str = UP, dictionary: list[str] | None = None) -> Verdict:
    return admit(to, payload, {STATION}, lambda station, line: dictionary)


def test_a_whole_batch_is_admitted_with_all_its_readings() -> None:
    verdict = judge(data([1, 2, 3, 4, 5]))
    assert isinstance(verdict, Admitted)
    assert [(r.series, r.number) for r in verdict.readings] == [(key, n) for n in (4, 5) for key in SERIES]
    assert not verdict.refused


def test_a_batch_without_its_dictionary_waits_and_with_a_known_one_is_admitted() -> None:
    assert judge(data([4, 5])) == WaitingForDictionary(STATION, LINE)
    assert isinstance(judge(data([4, 5]), dictionary=SERIES), Admitted)


def test_records_that_need_no_dictionary_do_not_wait_for_one() -> None:
    assert isinstance(judge(data([9], bodies={9: gap(LINE, (1, 2))})), Admitted)


def test_a_batch_without_records_is_a_heartbeat() -> None:
    verdict = judge(data([], head=7, tail=3))
    assert isinstance(verdict, Heartbeat)
    assert (verdict.envelope.head, verdict.envelope.tail) == (7, 3)


def test_an_unregistered_station_is_unknown_whatever_it_sends() -> None:
    assert judge(b"anything", to=topic.up("31009999", 0)) == UnknownStation("31009999")


def test_a_batch_that_names_another_station_than_its_topic_is_quarantined() -> None:
    verdict = judge(data([1, 2, 4], station="31005651"))
    assert isinstance(verdict, Quarantine)
    assert "names station '31005651', but 31005650 has sent it" in verdict.reason


@pytest.mark.parametrize("name", ["", "haihe/1/00/31005650/latest", "haihe/1/00/lower123/up/live", "other"])
def test_a_topic_that_is_not_for_batches_is_quarantined(name: str) -> None:
    assert isinstance(judge(data([1]), to=name), Quarantine)


def test_a_damaged_batch_settles_none_of_the_numbers_that_it_names() -> None:
    damaged = bytearray(data([1, 2, 4]))
    damaged[-1] ^= 1
    assert isinstance(judge(bytes(damaged)), Quarantine)


def test_marks_and_events_that_no_engine_could_keep_are_refused() -> None:
    huge = judge(data([4], bodies={4: Readings(T0, 5, [0], [1.0], [1 + (1 << 63)])}), dictionary=SERIES)
    assert isinstance(huge, Admitted)
    assert huge.refused == RangeSet.of((4, 4))
    for event in (Event(T0, 5, "x" * 65), Event(T0, 5, "x", detail={"a": "b" * 5000})):
        verdict = judge(data([4], bodies={4: event}), dictionary=SERIES)
        assert isinstance(verdict, Admitted)
        assert verdict.refused == RangeSet.of((4, 4))


NOT_UNDERSTOOD: dict[str, Body] = {
    "series that the dictionary lacks": Readings(T0, 5, [7], [1.0]),
    "clock grade that does not exist": Readings(T0, 17, [0], [1.0]),
    "flag that QARTOD lacks": Readings(T0, 5, [0], [1.0], [6]),
    "gap that runs backwards": Gap(LINE, [(5, 3)], "damaged", T0),
    "gap of number zero": Gap(LINE, [(0, 3)], "damaged", T0),
    "gap of an impossible line": Gap(-5, [(1, 3)], "damaged", T0),
    "opening of an impossible line": Opened(T0, "b", 0, 5, 2**64 - 1, 2**60, T0, 1000, True, "", ""),
    "opening at an impossible moment of its boot": replace(opened(), monotonic_ms=-1),
    "opening after a line of an impossible time": replace(opened(), previous_time_ms=2**53),
    "opening with an impossible window": replace(opened(), window_ms=-5),
    "opening that names an impossible older line": replace(opened(), lines=[(7, 1, 2**53)]),
    "opening that names too many older lines": replace(opened(), lines=[(7, 1, 2)] * 65),
    "opening with an impossible count of further lines": replace(opened(), more_lines=-1),
    "event in an impossible time": Event(2**62, 5, "x"),
    "dictionary that contradicts": Dictionary(["turbidity.main.instant.0.instrument.-"]),
    "dictionary without end": Dictionary([LEVEL] * 5000),
}


@pytest.mark.parametrize("body", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD.keys())
def test_what_cannot_be_understood_is_refused_with_its_numbers(body: Body) -> None:
    verdict = judge(data([9], bodies={9: body}), dictionary=SERIES)
    assert isinstance(verdict, Admitted)
    assert verdict.refused == RangeSet.of((9, 9))
    assert verdict.readings == []


@pytest.mark.parametrize(
    "body",
    [
        Readings(T0, 5, [0], [math.inf]),
        Readings(T0, 5, [0], [math.nan]),
        Readings(-5, 5, [0], [1.0]),
        Readings(2**60, 5, [0], [1.0]),
    ],
)
def test_one_impossible_reading_is_refused_and_the_others_of_the_batch_are_stored(body: Readings) -> None:
    verdict = judge(data([1, 2, 4, 5], bodies={4: body}))
    assert isinstance(verdict, Admitted)
    assert verdict.refused == RangeSet.of((4, 4))
    assert {reading.number for reading in verdict.readings} == {5}
    assert verdict.reason.startswith("record 4: ")


@pytest.mark.parametrize(
    "body",
    [
        State("site", {"text": "x" * 60_000}, T0, 5),
        State("", {}, T0, 5),
        Event(T0, 5, "x", detail={"a": "b" * 5000}),
        Event(2**62, 5, "x"),
        Gap(LINE, [(5, 3)], "damaged", T0),
        Readings(T0, 17, [0], [1.0]),
        Readings(T0, 5, [7], [1.0]),
    ],
    ids=["state too long", "state without name", "event too long", "no such time", "gap", "grade", "series"],
)
def test_a_record_that_says_what_cannot_be_harms_no_other_of_its_batch(body: Body) -> None:
    verdict = judge(data([1, 2, 3, 4, 5], bodies={3: body}))
    assert isinstance(verdict, Admitted)
    assert verdict.refused == RangeSet.of((3, 3))
    assert [record.number for record in verdict.batch.records] == [1, 2, 4, 5]
    assert {reading.number for reading in verdict.readings} == {4, 5}
    assert list(verdict.dictionary) == SERIES
    assert verdict.reason.startswith("record 3: ")


def test_a_series_of_an_element_from_the_future_is_stored() -> None:
    series = ["snow_water.main.instant.0.instrument.-"]
    body = Readings(T0, 5, [0], [None], [mark(Flag.MISSING, Reason.TIMEOUT)])
    verdict = judge(data([2, 3], bodies={2: Dictionary(series), 3: body}))
    assert isinstance(verdict, Admitted)
    assert [reading.series for reading in verdict.readings] == series
    assert not verdict.refused


def test_a_series_key_that_cannot_be_read_refuses_only_its_records() -> None:
    series = [LEVEL, "../etc/passwd"]
    bodies: dict[int, Body] = {2: Dictionary(series), 3: Readings(T0, 5, [1], [1.0]), 4: Readings(T0, 5, [0], [1.0])}
    verdict = judge(data([2, 3, 4], bodies=bodies))
    assert isinstance(verdict, Admitted)
    assert verdict.refused == RangeSet.of((3, 3))


def test_numbers_beyond_any_journal_are_quarantined() -> None:
    assert isinstance(judge(data([1], head=2**60, bodies={1: opened()})), Quarantine)


GOOD = data([1, 2, 3, 4, 5, 10])
UNDAMAGED = judge(GOOD)
assert isinstance(UNDAMAGED, Admitted)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
@settings(max_examples=300)
def test_damage_anywhere_is_named_or_changes_no_reading(at: int, change: int) -> None:
    damaged = bytearray(GOOD)
    damaged[at] ^= change
    verdict = judge(bytes(damaged))
    assert isinstance(verdict, Quarantine | Admitted)
    if isinstance(verdict, Admitted) and verdict.readings:  # the checksum of the compression, which nothing rests on
        assert verdict.readings == UNDAMAGED.readings


@given(st.text(max_size=60), st.binary(max_size=200))
@example(UP, b"")
@settings(max_examples=200)
def test_any_topic_and_any_bytes_get_a_verdict(name: str, payload: bytes) -> None:
    assert isinstance(judge(payload, to=name), Quarantine | UnknownStation)
    assert isinstance(judge(b"H\x01" + payload), Quarantine | Admitted | Heartbeat | WaitingForDictionary)


def future(kind: int = 77) -> Unread:
    return Unread(msgspec.msgpack.encode([kind, "what will come"]))


def test_a_record_of_a_kind_from_the_future_is_refused_and_the_rest_of_its_batch_is_taken() -> None:
    verdict = judge(data([1, 2, 4, 5, 6], bodies={5: future()}))
    assert isinstance(verdict, Admitted)
    assert verdict.refused == RangeSet.of((5, 5))
    assert {reading.number for reading in verdict.readings} == {4, 6}
    assert verdict.reason == "record 5: of kind 77, in a form that this version does not know"


def test_a_batch_of_only_unknown_records_is_refused_with_all_its_numbers() -> None:
    verdict = judge(data([7, 8], bodies={7: future(), 8: Unread(b"\xc1")}))
    assert isinstance(verdict, Admitted)
    assert verdict.refused == RangeSet.of((7, 8))


def test_a_codec_of_the_future_is_refused_with_its_numbers_because_its_digest_fits() -> None:
    payload = bytearray(data([1, 2, 4]))
    envelope = wire.read_envelope(bytes(payload))
    payload[2] = payload[2] & ~3 | 2
    header = bytes(payload[: len(envelope.header)])
    payload[len(header) : len(header) + 8] = hashlib.sha256(header + envelope.body).digest()[:8]
    assert envelope.codec == wire.DEFLATE, "the sample has a raw length, as every codec but plain has"
    verdict = judge(bytes(payload))
    assert isinstance(verdict, Admitted)
    assert verdict.refused == RangeSet.of((1, 2), (4, 4))
    assert "codec 2" in verdict.reason


def test_a_volatile_batch_is_unfolded_with_its_own_dictionary_and_no_other() -> None:
    verdict = judge(data([1, 2, 4], volatile=True), dictionary=["turbidity.main.instant.0.instrument.-"])
    assert isinstance(verdict, Admitted)
    assert [reading.series for reading in verdict.readings] == SERIES
    lost = judge(data([4, 5], volatile=True), dictionary=SERIES)
    assert lost == Quarantine(STATION, "a volatile batch without the dictionary of its line")


def test_a_wire_error_names_the_reason_for_people() -> None:
    verdict = judge(b"{}")
    assert isinstance(verdict, Quarantine)
    assert verdict == Quarantine(STATION, "does not begin like a batch")
    assert len(data([1])) < wire.BATCH_BYTES_MAX
