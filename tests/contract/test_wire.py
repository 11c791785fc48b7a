"""Batches survive the wire, and what is no batch is refused with a reason."""

import hashlib
import math
import tracemalloc
import zlib

import msgspec
import pytest
from haihe_contract import wire, wire_columns
from haihe_contract.quality import PASS_MARK, Flag, Reason, mark
from haihe_contract.record import (
    Dictionary,
    Duty,
    Event,
    Gap,
    Opened,
    Readings,
    Record,
    SeriesSummary,
    State,
    Summary,
    TimeFix,
    Unread,
)
from haihe_contract.varint import put, put_signed
from haihe_contract.wire_columns import READINGS_MAX
from hypothesis import given, settings
from hypothesis import strategies as st

STATION = "31005650"
MISSING = mark(Flag.MISSING, Reason.TIMEOUT)
values = st.one_of(
    st.none(),
    st.integers(-(10**7), 10**7).map(lambda n: n / 1000),
    st.floats(allow_nan=False, width=64),
)


@st.composite
def groups(draw: st.DrawFn) -> Readings:
    series = draw(st.lists(st.integers(0, 300), min_size=1, max_size=8, unique=True))
    drawn = [draw(values) for _ in series]
    others = st.sampled_from([PASS_MARK, mark(Flag.SUSPECT, Reason.BEYOND_LOCAL), mark(Flag.FAIL, Reason.SENTINEL)])
    marks = [MISSING if value is None else draw(others) for value in drawn]
    if all(each == PASS_MARK for each in marks):
        marks = []
    return Readings(draw(st.integers(0, 2**45)), draw(st.integers(0, 6)), series, drawn, marks)


small = st.integers(0, 2**40)
plain = st.floats(allow_nan=False)
extremes = st.tuples(small, plain, small, st.integers(0, 6))
summaries = st.builds(SeriesSummary, st.text(max_size=9), small, small, plain, extremes, extremes, small, small)
ranges = st.lists(st.tuples(small, small), max_size=3)
from_the_future = st.lists(st.one_of(small, st.text(max_size=9)), max_size=4).map(lambda more: [12, *more])
bodies = st.one_of(
    groups(),
    groups(),
    st.builds(Dictionary, st.lists(st.text(max_size=20), max_size=5)),
    st.builds(Duty, st.lists(small, max_size=5)),
    st.builds(Event, small, st.integers(0, 6), st.text(max_size=10), st.integers(-1, 9), st.none(), st.just({"a": 1})),
    st.builds(Gap, st.integers(0, 2**64 - 1), ranges, st.text(), small),
    st.builds(Opened, small, st.text(max_size=8), small, st.integers(0, 6), small, small, small, small, st.booleans(),
              st.text(max_size=5), st.text(max_size=5)),
    st.builds(Summary, small, ranges, st.lists(summaries, max_size=3), st.booleans(), small),
    st.builds(TimeFix, st.text(max_size=9), small.map(lambda n: n - 2**39), small, st.integers(0, 6), small),
    st.builds(State, st.text(max_size=9), st.dictionaries(st.text(max_size=4), small), small, st.integers(0, 6)),
    st.builds(Unread, from_the_future.map(msgspec.msgpack.encode)),
    st.builds(Unread, st.binary(max_size=20).map(lambda data: b"\xc1" + data)),  # C1 begins nothing in MessagePack
)  # fmt: skip


@st.composite
def batches(draw: st.DrawFn) -> wire.Batch:
    numbers = sorted(draw(st.sets(st.integers(1, 2**50), max_size=20)))
    numbers += range(last := max(numbers, default=0) + 2, last + draw(st.integers(0, 5)))
    records = [Record(number, draw(st.booleans()), draw(bodies)) for number in numbers]
    return wire.Batch(
        "31005650",
        draw(st.integers(0, 2**64 - 1)),
        draw(st.integers(0, 2)),
        draw(st.one_of(small, st.just(max(numbers, default=0)))),
        draw(small),
        records,
        draw(st.booleans()),
    )


def sealed(
    *, flags: int = 0, numbers: bytes = b"\x00", body: bytes = b"", version: int = 1, station: int = int(STATION, 36)
) -> bytes:
    """A batch whose digest fits, whatever else is wrong with it."""
    header = b"H" + bytes((version, flags)) + station.to_bytes(6, "big") + bytes(8) + b"\x02\x01" + numbers
    return header + hashlib.sha256(header + body).digest()[:8] + body


NEWEST, DEFLATE = 1 << 5, 1


@given(batches(), st.booleans())
@settings(max_examples=300)
def test_any_batch_survives_the_wire_unchanged(batch: wire.Batch, compress: bool) -> None:
    # a range of the wire is bounded, so numbers that lie far apart become ranges of their own
    assert wire.decode(wire.encode(batch, compress=compress)) == batch


@given(st.lists(groups(), min_size=1, max_size=40))
@settings(max_examples=100)
def test_reading_groups_of_any_shapes_together_survive_the_wire(bodies: list[Readings]) -> None:
    records = [Record(number, False, body) for number, body in enumerate(bodies, start=1)]
    batch = wire.Batch("31005650", 7, 1, len(records), 1, records)
    assert wire.decode(wire.encode(batch)) == batch


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9), st.integers(-1, 12))
@settings(max_examples=300)
def test_a_value_comes_back_exactly_at_any_number_of_decimals(column: list[float], decimals: int) -> None:
    if decimals >= 0:
        column = [round(math.fmod(value, 1e6), decimals) for value in column]
    records = [Record(n, False, Readings(n, 5, [3], [value])) for n, value in enumerate(column, start=1)]
    taken = wire.decode(wire.encode(wire.Batch("31005650", 7, 1, 9, 1, records)))
    for record, value in zip(taken.records, column, strict=True):
        assert isinstance(record.body, Readings)
        assert record.body.values == [value]  # a negative zero may come back as zero


@given(st.binary(max_size=300))
def test_bytes_that_are_no_batch_are_refused_and_never_crash(data: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode(b"H\x01" + data)


@given(st.integers(0, 255), st.binary(max_size=40), st.binary(max_size=200))
@settings(max_examples=500)
def test_wrong_bytes_under_a_right_digest_are_refused_and_never_crash(flags: int, numbers: bytes, body: bytes) -> None:
    try:
        taken = wire.decode(sealed(flags=flags, numbers=numbers, body=body))
    except wire.WireError:
        return
    wire.encode(taken)  # what was taken can be said


@given(batches(), st.data())
@settings(max_examples=200)
def test_a_body_that_was_written_wrongly_is_refused_or_names_the_same_numbers(
    batch: wire.Batch, data: st.DataObject
) -> None:
    envelope = wire.read_envelope(wire.encode(batch, compress=False))
    body = bytearray(envelope.body)
    if not body:
        return
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        taken = wire.open_batch(msgspec.structs.replace(envelope, body=bytes(body)))
    except wire.WireError:
        return
    assert [record.number for record in taken.records] == [record.number for record in batch.records]


@given(batches(), st.data())
@settings(max_examples=300)
def test_a_batch_with_any_damaged_byte_is_refused(batch: wire.Batch, data: st.DataObject) -> None:
    good = bytearray(wire.encode(batch))
    at = data.draw(st.integers(0, len(good) - 1))
    good[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(wire.WireError):
        wire.decode(bytes(good))


@given(batches(), st.data())
@settings(max_examples=100)
def test_a_batch_that_was_cut_short_or_made_longer_is_refused(batch: wire.Batch, data: st.DataObject) -> None:
    good = wire.encode(batch)
    cut = data.draw(st.integers(0, len(good) - 1))
    for wrong in (good[:cut], good + data.draw(st.binary(min_size=1, max_size=9))):
        with pytest.raises(wire.WireError):
            wire.decode(wrong)


ENVELOPES_THAT_ASK_TOO_MUCH = {
    "a body beyond the limit": sealed(flags=NEWEST | DEFLATE, numbers=b"\x01" + b"\xff\xff\xff\x7f"),
    "more newest numbers than records may be": sealed(flags=NEWEST, numbers=b"\xff\xff\xff\x7f"),
    "newest numbers below one": sealed(flags=NEWEST, numbers=b"\x03"),
    "a range beyond the limit": sealed(numbers=b"\x01\x01\x81\x80\x04"),
    "ranges that are too many together": sealed(numbers=b"\x02\x01\x80\x80\x04\x02\x80\x80\x04"),
    "too many ranges": sealed(numbers=b"\x81\x20" + b"\x02\x00" * 4097),
    "number zero": sealed(numbers=b"\x01\x00\x00"),
    "a number twice": sealed(numbers=b"\x02\x01\x05\x00\x01"),
    "a station that cannot be": sealed(station=36**8),
    "a lane that does not exist": sealed(flags=3 << 2),
    "flags of the future": sealed(flags=1 << 7),
    "a version of the future": sealed(version=2),
    "version 0": sealed(version=0),
}


@pytest.mark.parametrize("data", ENVELOPES_THAT_ASK_TOO_MUCH.values(), ids=ENVELOPES_THAT_ASK_TOO_MUCH.keys())
def test_an_envelope_that_cannot_be_is_refused_before_its_body_is_opened(data: bytes) -> None:
    with pytest.raises(wire.WireError) as refused:
        wire.read_envelope(data)
    assert "digest" not in str(refused.value), "the digest fits: something else must be the reason"


def packed(raw: bytes) -> bytes:
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    return deflater.compress(raw) + deflater.flush()


def test_a_body_that_inflates_beyond_its_promise_is_refused() -> None:
    bomb = sealed(flags=NEWEST | DEFLATE, numbers=b"\x01\x10", body=packed(bytes(50_000_000)))
    with pytest.raises(wire.WireError, match="not the 16 bytes"):
        wire.decode(bomb)


def test_a_compressed_body_with_bytes_behind_it_or_without_its_end_is_refused() -> None:
    body = packed(b"\x02\x01\xc1")
    good = sealed(flags=NEWEST | DEFLATE, numbers=b"\x01\x03", body=body)
    assert wire.decode(good).records == [Record(2, False, Unread(b"\xc1"))]
    for wrong in (body + b"\x00", body[:-1]):
        with pytest.raises(wire.WireError):
            wire.decode(sealed(flags=NEWEST | DEFLATE, numbers=b"\x01\x03", body=wrong))


def test_a_codec_of_the_future_names_its_numbers_and_is_not_opened() -> None:
    envelope = wire.read_envelope(sealed(flags=NEWEST | 2, numbers=b"\x02\x09", body=b"?"))
    assert list(envelope.numbers.numbers()) == [1, 2]
    with pytest.raises(wire.WireError, match="codec 2 is not known"):
        wire.open_batch(envelope)


def test_more_readings_than_a_batch_may_have_are_refused_before_memory_is_asked_for() -> None:
    groups, series = 60_000, READINGS_MAX // 60_000 + 1
    body = b"\x14" + b"\xdf\xd4\x03" + bytes(groups) + b"\x00" + b"\xde\xd4\x03" + bytes((2 * series + 1, 0))
    with pytest.raises(wire.WireError, match="more than 200000 readings"):
        wire.decode(sealed(numbers=b"\x01\x01\xdf\xd4\x03", body=body))


def of_shapes(used: list[int], shapes: list[tuple[int, int]]) -> bytes:
    """A body of reading groups at 5 ms, 6 ms, …; a shape is (first series, how many), each first value is 1."""
    out = bytearray()
    wire_columns.put_runs(out, [0x14] * len(used))
    put_signed(out, [5])
    put_signed(out, [1] + [0] * (len(used) - 2))
    wire_columns.put_runs(out, used[1:])
    for first, count in shapes:
        put(out, 2 * count + 1)
        put(out, first)
    put(out, 0)
    for shape in sorted(set(used)):
        out += b"\x04"
        put_signed(out, [0] * (used.count(shape) - 1))
    return bytes(out)


def test_a_shape_that_no_group_has_costs_nothing_and_harms_no_batch() -> None:
    taken = wire.decode(sealed(numbers=b"\x01\x01\x02", body=of_shapes([0, 2, 2], [(0, 1), (9, 1), (1, 1)])))
    groups = [record.body for record in taken.records]
    assert groups == [Readings(5, 5, [0], [1.0]), Readings(6, 5, [1], [1.0]), Readings(7, 5, [1], [1.0])]


@pytest.mark.parametrize("used", [list(range(4000)), [0] * 3999 + [3999]])
def test_few_bytes_that_name_many_series_are_refused_before_memory_is_asked_for(used: list[int]) -> None:
    body = of_shapes(used, [(0, 65536)] * 4000)
    assert len(body) < 40_000
    tracemalloc.start()
    with pytest.raises(wire.WireError, match="more than 200000 readings"):
        wire.decode(sealed(numbers=b"\x01\x01\x9f\x1f", body=body))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 30_000_000


def test_a_record_of_a_kind_from_the_future_harms_no_other_record() -> None:
    future = msgspec.msgpack.encode([77, "what", {"will": "come"}])
    records = [
        Record(1, False, Readings(5, 5, [0], [1.5])),
        Record(2, True, Unread(future)),
        Record(3, False, Duty([1])),
    ]
    batch = wire.Batch("31005650", 7, 0, 3, 1, records)
    assert wire.decode(wire.encode(batch)) == batch
    assert future in wire.encode(batch, compress=False)


def test_a_known_kind_with_further_elements_is_read_and_with_wrong_ones_stays_as_it_came() -> None:
    longer, wrong, group = (
        msgspec.msgpack.encode(said) for said in ([3, [5], "new"], [3, "five"], [4, 5, 5, [0], [1.5]])
    )
    batch = wire.Batch(
        "31005650", 7, 1, 3, 1, [Record(n, False, Unread(d)) for n, d in enumerate((longer, wrong, group), 1)]
    )
    taken = wire.decode(wire.encode(batch))
    assert [record.body for record in taken.records] == [Duty([5]), Unread(wrong), Unread(group)]


def test_a_heartbeat_is_a_header_and_a_digest() -> None:
    beat = wire.Batch("31005650", 2**64 - 1, 1, 300_000, 100_000, [])
    assert len(wire.encode(beat)) == 32
    assert wire.decode(wire.encode(beat)) == beat


def test_a_live_batch_of_twenty_plain_readings_costs_little_more_than_its_values() -> None:
    values = [round(3 + n / 7, 2) for n in range(20)]
    group = Readings(1_790_000_000_000, 5, list(range(20)), [*values])
    data = wire.encode(wire.Batch("31005650", 2**63, 1, 300_000, 1, [Record(300_000, False, group)]))
    assert len(data) <= 33 + 11 + 2 * 20


def test_an_hour_of_level_costs_less_than_two_bytes_a_reading() -> None:
    records = [
        Record(
            n,
            False,
            Readings(1_790_000_000_000 + n * 60_000, 5, [0, 1], [round(3 + math.sin(n / 9), 3), 12.6]),
        )
        for n in range(1, 61)
    ]
    assert len(wire.encode(wire.Batch("31005650", 7, 2, 60, 1, records))) < 240
