"""Batches survive the wire, and what is no batch is refused with a reason."""

import math

import pytest
from haihe_contract import wire
from haihe_contract.quality import PASS_MARK, Flag, Reason, mark
from haihe_contract.record import Dictionary, Duty, Event, Gap, Opened, Readings, Record
from hypothesis import given, settings
from hypothesis import strategies as st

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
bodies = st.one_of(
    groups(),
    groups(),
    st.builds(Dictionary, st.lists(st.text(max_size=20), max_size=5)),
    st.builds(Duty, st.lists(small, max_size=5)),
    st.builds(Event, small, st.integers(0, 6), st.text(max_size=10), st.integers(-1, 9), st.none(), st.just({"a": 1})),
    st.builds(Gap, st.integers(0, 2**64 - 1), st.lists(st.tuples(small, small), max_size=3), st.text(), small),
    st.builds(Opened, small, st.text(max_size=8), small, st.integers(0, 6), small, small, small, small, st.booleans(),
              st.text(max_size=5), st.text(max_size=5)),
)  # fmt: skip


@st.composite
def batches(draw: st.DrawFn) -> wire.Batch:
    numbers = sorted(draw(st.sets(st.integers(1, 2**50), max_size=20)))
    records = [Record(number, draw(st.booleans()), draw(bodies)) for number in numbers]
    return wire.Batch(
        "31005650",
        draw(st.integers(0, 2**64 - 1)),
        draw(st.integers(0, 2)),
        draw(small),
        draw(small),
        records,
    )


@given(batches())
@settings(max_examples=300, deadline=None)
def test_any_batch_survives_the_wire_unchanged(batch: wire.Batch) -> None:
    # a range of the wire is bounded, so numbers that lie far apart become ranges of their own
    assert wire.decode(wire.encode(batch)) == batch


@given(st.binary(max_size=300))
def test_bytes_that_are_no_batch_are_refused_and_never_crash(data: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode(b"HB\x00" + data)


@given(batches(), st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_batch_is_refused_or_unchanged(batch: wire.Batch, data: st.DataObject) -> None:
    good = bytearray(wire.encode(batch))
    at = data.draw(st.integers(0, len(good) - 1))
    good[at] ^= data.draw(st.integers(1, 255))
    try:
        taken = wire.decode(bytes(good))
    except wire.WireError:
        return
    # some bits of a compressed stream mean nothing: the digest is over what was meant
    assert taken == batch, f"damage at byte {at} went unseen"


def test_a_batch_that_asks_for_too_much_memory_is_refused_before_it_is_opened() -> None:
    huge = bytearray(b"HB\x00\x01\x0831005650" + bytes(8) + b"\x02\x01\x01\x01\x01")
    huge += b"\xff\xff\xff\xff\xff\xff\xff\x7f" + b"\x01" + bytes(8)
    with pytest.raises(wire.WireError, match="more than"):
        wire.read_envelope(bytes(huge))


def test_a_body_that_inflates_beyond_its_promise_is_refused() -> None:
    import hashlib
    import zlib

    header = b"HB\x00\x01\x0831005650" + bytes(8) + b"\x02\x01\x01\x00" + b"\x10"
    bomb = zlib.compress(bytes(50_000_000))
    data = header + hashlib.sha256(header).digest()[:8] + bomb
    with pytest.raises(wire.WireError, match="envelope says 16"):
        wire.decode(data)


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
