"""docs/reference/wire.md is enough for a second implementation: this decoder was written from that page alone.

It shares no code with ``haihe_contract.wire``; MessagePack is read without any of our types.
"""

import hashlib
import json
import re
import struct
import zlib
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from haihe_contract import receipt, topic, wire
from haihe_contract.ed25519 import PublicKey
from haihe_contract.quality import Flag, Reason, mark
from haihe_contract.record import Dictionary, Duty, Event, Gap, Opened, Readings, Record
from hypothesis import given, settings
from hypothesis import strategies as st

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "wire.md").read_text("utf-8")
MISSING = 9


class Bytes:
    """Bytes that are read from the front."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, count: int) -> bytes:
        taken, self.data = self.data[:count], self.data[count:]
        assert len(taken) == count
        return taken

    def u8(self) -> int:
        return self.take(1)[0]

    def varint(self) -> int:
        number, shift = 0, 0
        while True:
            byte = self.u8()
            number |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return number

    def signed_column(self, count: int) -> list[int]:
        column = Bytes(self.take(self.varint()))
        numbers = [column.varint() for _ in range(count)]
        assert not column.data
        return [n // 2 if n % 2 == 0 else -(n + 1) // 2 for n in numbers]

    def runs(self, count: int) -> list[int]:
        numbers: list[int] = []
        for _ in range(self.varint()):
            value, times = self.varint(), self.varint()
            numbers += [value] * times
        assert len(numbers) == count
        return numbers


def decode(data: bytes) -> dict[str, Any]:
    """Station, line, lane, head, tail and records of a batch, as the page says."""
    reader = Bytes(data)
    assert reader.take(2) == b"HB"
    assert reader.u8() == 0
    codec = reader.u8()
    station = reader.take(reader.varint()).decode("ascii")
    line = int.from_bytes(reader.take(8), "big")
    lane, head, tail = reader.u8(), reader.varint(), reader.varint()
    numbers: list[int] = []
    last = 0
    for _ in range(reader.varint()):
        first = last + reader.varint()
        last = first + reader.varint()
        numbers += range(first, last + 1)
    raw_length = reader.varint()
    envelope = data[: len(data) - len(reader.data)]
    digest = reader.take(8)
    raw = zlib.decompress(reader.data) if codec == 1 else reader.data
    assert len(raw) == raw_length
    assert hashlib.sha256(envelope + raw).digest()[:8] == digest
    records = _records(Bytes(raw), numbers)
    return {"station": station, "line": line, "lane": lane, "head": head, "tail": tail, "records": records}


def _records(body: Bytes, numbers: list[int]) -> list[Any]:
    forms = body.runs(len(numbers))
    others = [msgspec.msgpack.decode(body.take(body.varint())) if form & 2 else None for form in forms]
    groups = sum(1 for form in forms if not form & 2)
    times = list(accumulate(accumulate(body.signed_column(groups))))
    grades = body.runs(groups)
    shapes = []
    for _ in range(body.varint()):
        count = body.varint()
        shapes.append(list(accumulate(body.signed_column(count))))
    used = [shapes[number] for number in body.runs(groups)]
    columns: dict[int, list[tuple[float | None, int]]] = {}
    for series in sorted({series for shape in used for series in shape}):
        marks = body.runs(sum(series in shape for shape in used))
        columns[series] = list(zip(_values(body, marks), marks, strict=True))
    assert not body.data
    found: list[Any] = []
    at = iter(range(groups))
    for number, form, other in zip(numbers, forms, others, strict=True):
        if form & 2:
            found.append([number, bool(form & 1), other])
            continue
        group = next(at)
        pairs = [columns[series].pop(0) for series in used[group]]
        reading = {
            "time_ms": times[group],
            "grade": grades[group],
            "series": used[group],
            "values": [value for value, _ in pairs],
            "marks": [packed for _, packed in pairs],
        }
        found.append([number, bool(form & 1), reading])
    return found


def _values(body: Bytes, marks: list[int]) -> list[float | None]:
    here = [packed % 16 != MISSING for packed in marks]
    scale = body.u8()
    values: list[float]
    if scale == 255:
        values = [struct.unpack("<d", body.take(8))[0] for _ in range(sum(here))]
    else:
        assert scale <= 9
        values = [whole / 10**scale for whole in accumulate(body.signed_column(sum(here)))]
    left = iter(values)
    return [next(left) if is_here else None for is_here in here]


def as_said(record: Record) -> list[Any]:
    """A record of the product in the words of the page."""
    body = record.body
    if not isinstance(body, Readings):
        return [record.number, record.urgent, msgspec.msgpack.decode(msgspec.msgpack.encode(body))]
    marks = body.marks or [1] * len(body.series)
    reading = {
        "time_ms": body.time_ms,
        "grade": body.grade,
        "series": body.series,
        "values": body.values,
        "marks": marks,
    }
    return [record.number, record.urgent, reading]


def example(name: str) -> str:
    """The block of the page behind a comment with that name."""
    found = re.search(rf"<!-- example {name} -->\n```\w*\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"the page has no example {name}"
    return found[1]


BATCH = bytes.fromhex(example("batch"))
RECEIPT = bytes.fromhex(example("receipt"))


def test_the_example_batch_means_what_the_page_says() -> None:
    decoded = decode(BATCH)
    assert decoded.pop("records") == json.loads(example("meaning"))
    assert decoded == {"station": "31005650", "line": 0x0123456789ABCDEF, "lane": 1, "head": 5, "tail": 1}


def test_the_product_reads_the_example_batch_as_the_page_does() -> None:
    assert [as_said(record) for record in wire.decode(BATCH).records] == decode(BATCH)["records"]


values = st.one_of(st.none(), st.integers(-(10**7), 10**7).map(lambda n: n / 1000), st.floats(allow_nan=False))


@st.composite
def groups(draw: st.DrawFn) -> Readings:
    series = draw(st.lists(st.integers(0, 300), min_size=1, max_size=6, unique=True))
    drawn = [draw(values) for _ in series]
    others = st.sampled_from([mark(Flag.PASS, Reason.NONE), mark(Flag.SUSPECT, Reason.BEYOND_LOCAL)])
    marks = [mark(Flag.MISSING, Reason.TIMEOUT) if value is None else draw(others) for value in drawn]
    return Readings(draw(st.integers(0, 2**45)), draw(st.integers(0, 6)), series, drawn, marks)


small = st.integers(0, 2**40)
bodies = st.one_of(
    groups(),
    st.builds(Dictionary, st.lists(st.text(max_size=9), max_size=4)),
    st.builds(Duty, st.lists(small, max_size=4)),
    st.builds(Event, small, st.integers(0, 6), st.text(max_size=9), st.integers(-1, 9), st.none(), st.just({"a": 1})),
    st.builds(Gap, small, st.lists(st.tuples(small, small), max_size=3), st.text(max_size=9), small),
    st.builds(Opened, small, st.text(max_size=8), small, st.integers(0, 6), small, small, small, small, st.booleans(),
              st.text(max_size=5), st.text(max_size=5)),
)  # fmt: skip


@st.composite
def batches(draw: st.DrawFn) -> wire.Batch:
    numbers = sorted(draw(st.sets(st.integers(1, 2**40), max_size=12)))
    records = [Record(number, draw(st.booleans()), draw(bodies)) for number in numbers]
    line = draw(st.integers(0, 2**64 - 1))
    return wire.Batch("31005650", line, draw(st.integers(0, 2)), draw(small), draw(small), records)


@given(batches(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_batch_of_the_product_can_be_read_by_the_page_alone(batch: wire.Batch, compress: bool) -> None:
    decoded = decode(wire.encode(batch, compress=compress))
    assert decoded.pop("records") == [as_said(record) for record in batch.records]
    assert decoded == {
        "station": batch.station,
        "line": batch.line,
        "lane": batch.lane,
        "head": batch.head,
        "tail": batch.tail,
    }


def test_the_example_receipt_verifies_and_means_what_the_page_says() -> None:
    key_text = re.search(r"public key of the example is `([0-9a-f]{64})`", PAGE)
    assert key_text
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key_text[1]))
    key.verify(RECEIPT[:64], RECEIPT[64:])
    said = msgspec.msgpack.decode(RECEIPT[64:])
    assert said == [
        0, "haihe", 1785542399000, "31005650", 1785542406000, [[0x0123456789ABCDEF, [[1, 5]], []]],
    ]  # fmt: skip
    taken = receipt.verify(RECEIPT, PublicKey(key.public_bytes_raw()), centre="haihe", station="31005650")
    assert str(taken.settled()[0x0123456789ABCDEF]) == "1-5"


def test_a_receipt_of_the_product_is_what_the_page_describes() -> None:
    key = Ed25519PrivateKey.generate()
    held = receipt.LineHeld(7, [(1, 9)], [(11, 11)])
    data = receipt.sign(receipt.Receipt(0, "haihe", 3, "31005650", 4, [held]), key)
    key.public_key().verify(data[:64], data[64:])
    assert msgspec.msgpack.decode(data[64:]) == [0, "haihe", 3, "31005650", 4, [[7, [[1, 9]], [[11, 11]]]]]


@pytest.mark.parametrize("made", [topic.up("31005650", lane) for lane in range(3)]
                         + [topic.receipt("31005650", "haihe"), topic.latest("31005650")])  # fmt: skip
def test_every_topic_of_the_product_stands_in_the_page(made: str) -> None:
    shard = hashlib.sha256(b"31005650").hexdigest()[:2]
    said = [
        found.replace("<shard>", shard).replace("<station>", "31005650").replace("<centre>", "haihe")
        for found in re.findall(r"^\| `(haihe/[^`]+)`", PAGE, re.MULTILINE)
    ]
    assert made in said


def test_the_limits_of_the_page_are_those_of_the_product() -> None:
    for limit in (wire.BATCH_BYTES_MAX, wire.RAW_BYTES_MAX, wire.RECORDS_MAX, wire.RANGES_MAX):
        assert f"{limit:,}" in PAGE or str(limit) in PAGE
    assert str(receipt.RECEIPT_BYTES_MAX) in PAGE
