"""A batch as bytes, version 0: a draft that is replaced by a frozen version 1 (docs/reference/wire.md).

    "HB" version codec | station line lane head tail ranges | raw length, stored length, digest | body

Numbers and digest stand outside the compressed body, so a batch whose body is damaged can still be named.
The body holds the readings as columns per series: deltas of integers at the coarsest decimal scale that is
exact, or float64 where none is, so that ``decode(encode(x)) == x``.
"""

import hashlib
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

import msgspec

from .errors import must
from .quality import PASS_MARK, Flag
from .ranges import RangeSet
from .record import Body, Dictionary, Readings, Record
from .varint import Malformed, Reader, put, put_signed

VERSION = 0
RAW_BYTES_MAX = 4 * 1024 * 1024
BATCH_BYTES_MAX = 1024 * 1024
RECORDS_MAX = 65536
READINGS_MAX = 200_000
RANGES_MAX = 4096
_MAGIC = b"HB"
_PLAIN, _ZLIB = 0, 1
_DIGEST_BYTES = 8
_SCALE_FLOAT = 255
_DECIMALS_MAX = 9
_INTEGER_MAX = 2**53
_OTHER = 2  # bit 1 of a record's form: not a reading group; bit 0: urgent

_encoder = msgspec.msgpack.Encoder()
_body_decoder = msgspec.msgpack.Decoder(Body)


class WireError(Exception):
    """These bytes are no batch that this version can take; the text says why."""


class Damaged(WireError):
    """Envelope and body do not belong together: nothing that the envelope says can be believed."""


class Envelope(msgspec.Struct, frozen=True):
    """What can be read of a batch without opening its body.

    Args:
        station: code of the station that speaks.
        line: whose numbers.
        lane: alarm, live or backlog.
        head: highest number the station has committed on this line.
        tail: lowest number of this line that is still in the station.
        numbers: the numbers of the records in the body, in order.
        codec: how the body is compressed.
        raw_length: bytes of the body once opened.
        digest: first 8 bytes of SHA-256 over envelope and opened body.
        header: the bytes the digest covers before the body.
        body: still compressed.
    """

    station: str
    line: int
    lane: int
    head: int
    tail: int
    numbers: RangeSet
    codec: int
    raw_length: int
    digest: bytes
    header: bytes
    body: bytes


class Batch(msgspec.Struct, frozen=True):
    """Numbered records of one line that travel together."""

    station: str
    line: int
    lane: int
    head: int
    tail: int
    records: list[Record]


def encode(batch: Batch, *, compress: bool = True) -> bytes:
    """Bytes of the batch. Records must be in ascending order of number."""
    numbers = RangeSet.from_numbers(record.number for record in batch.records)
    must(numbers.count() == len(batch.records), "a batch cannot hold one number twice")
    must(len(batch.records) <= RECORDS_MAX, "too many records for one batch")
    raw = _encode_body(batch.records)
    must(len(raw) <= RAW_BYTES_MAX, "too many bytes for one batch")
    packed = zlib.compress(raw, 6) if compress and len(raw) > 64 else raw
    codec = _ZLIB if len(packed) < len(raw) else _PLAIN
    head = bytearray(_MAGIC)
    head += bytes((VERSION, codec))
    station = batch.station.encode("ascii")
    put(head, len(station))
    head += station
    head += batch.line.to_bytes(8, "big")
    head.append(batch.lane)
    put(head, batch.head)
    put(head, batch.tail)
    put(head, len(numbers.ranges))
    at = 0
    for first, last in numbers.ranges:
        put(head, first - at)
        put(head, last - first)
        at = last
    put(head, len(raw))
    digest = hashlib.sha256(bytes(head) + raw).digest()[:_DIGEST_BYTES]
    return bytes(head) + digest + (packed if codec == _ZLIB else raw)


def read_envelope(data: bytes) -> Envelope:
    """Read the envelope without opening the body.

    Raises:
        WireError: when it is not one, or asks for more than the limits allow.
    """
    if len(data) > BATCH_BYTES_MAX:
        raise WireError(f"{len(data)} bytes are more than a batch may have ({BATCH_BYTES_MAX})")
    if data[:2] != _MAGIC or len(data) < 4:
        raise WireError("does not begin like a batch")
    version, codec = data[2], data[3]
    if version != VERSION:
        raise WireError(f"version {version} is not known here")
    if codec not in (_PLAIN, _ZLIB):
        raise WireError(f"codec {codec} is not known here")
    reader = Reader(data, 4)
    try:
        station = reader.take(reader.varint(32)).decode("ascii")
        line = int.from_bytes(reader.take(8), "big")
        lane = reader.take(1)[0]
        head, tail = reader.varint(), reader.varint()
        ranges, at, count = [], 0, 0
        for _ in range(reader.varint(RANGES_MAX)):
            first = at + reader.varint()
            at = first + reader.varint(RECORDS_MAX)
            ranges.append((first, at))
            count += at - first + 1
        raw_length = reader.varint()
        header = data[: reader.at]
        digest = reader.take(_DIGEST_BYTES)
    except (Malformed, UnicodeDecodeError) as error:
        raise WireError(f"envelope not readable: {error}") from None
    if raw_length > RAW_BYTES_MAX or count > RECORDS_MAX:
        raise WireError(f"asks for {raw_length} bytes and {count} records, more than the limits")
    if lane > 2 or any(first < 1 for first, _ in ranges):
        raise WireError("names a lane or a number that does not exist")
    numbers = RangeSet(ranges)
    if numbers.count() != count:
        raise WireError("names a number twice")
    return Envelope(station, line, lane, head, tail, numbers, codec, raw_length, digest, header, data[reader.at :])


def open_batch(envelope: Envelope) -> Batch:
    """Open and check the body.

    Raises:
        WireError: when digest, lengths or contents do not fit.
    """
    raw = envelope.body
    if envelope.codec == _ZLIB:
        inflater = zlib.decompressobj()
        try:
            raw = inflater.decompress(envelope.body, envelope.raw_length + 1)
        except zlib.error as error:
            raise Damaged(f"body does not decompress: {error}") from None
        if inflater.unused_data:
            raise Damaged(f"{len(inflater.unused_data)} bytes stand behind the body")
    if len(raw) != envelope.raw_length:
        raise Damaged(f"body has {len(raw)} bytes, its envelope says {envelope.raw_length}")
    if hashlib.sha256(envelope.header + raw).digest()[:_DIGEST_BYTES] != envelope.digest:
        raise Damaged("digest does not fit the contents")
    try:
        records = _decode_body(raw, envelope.numbers)
    except (Malformed, msgspec.DecodeError, ValueError, OverflowError) as error:
        raise WireError(f"body not readable: {error}") from None
    return Batch(envelope.station, envelope.line, envelope.lane, envelope.head, envelope.tail, records)


def decode(data: bytes) -> Batch:
    """Envelope and body at once.

    Raises:
        WireError: when it is no batch.
    """
    return open_batch(read_envelope(data))


def dictionaries(batch: Batch) -> Iterator[tuple[int, Dictionary]]:
    """The dictionaries in the batch with their record numbers."""
    for record in batch.records:
        if isinstance(record.body, Dictionary):
            yield record.number, record.body


def _encode_body(records: Sequence[Record]) -> bytes:
    out = bytearray()
    _put_runs(out, [_OTHER * (type(r.body) is not Readings) + r.urgent for r in records])
    groups: list[Readings] = []
    for record in records:
        if type(record.body) is Readings:
            groups.append(record.body)
        else:
            packed = _encoder.encode(record.body)
            put(out, len(packed))
            out += packed
    _put_times(out, [group.time_ms for group in groups])
    _put_runs(out, [group.grade for group in groups])
    shapes: dict[tuple[int, ...], int] = {}
    used = [shapes.setdefault(tuple(group.series), len(shapes)) for group in groups]
    put(out, len(shapes))
    for shape in shapes:
        put(out, len(shape))
        put_signed(out, _deltas(shape))
    _put_runs(out, used)
    columns: dict[int, tuple[list[float | None], list[int]]] = {}
    for group in groups:
        marks = group.marks or [PASS_MARK] * len(group.series)
        for series, value, packed_mark in zip(group.series, group.values, marks, strict=True):
            column = columns.get(series)
            if column is None:
                column = columns[series] = ([], [])
            column[0].append(value)
            column[1].append(packed_mark)
    for series in sorted(columns):
        values, marks = columns[series]
        _put_runs(out, marks)
        _put_values(out, values, marks)
    return bytes(out)


def _decode_body(raw: bytes, numbers: RangeSet) -> list[Record]:
    reader = Reader(raw)
    forms = _runs(reader, numbers.count())
    bodies: list[Body | None] = []
    for form in forms:
        if form > 3:
            raise Malformed(f"record form {form} does not exist")
        bodies.append(_body_decoder.decode(reader.take(reader.varint())) if form & _OTHER else None)
    groups = iter(_decode_groups(reader, bodies.count(None)))
    if not reader.done:
        raise Malformed("bytes left over")
    return [
        Record(number, bool(form & 1), next(groups) if body is None else body)
        for number, form, body in zip(numbers.numbers(), forms, bodies, strict=True)
    ]


def _decode_groups(reader: Reader, count: int) -> list[Readings]:
    times = _times(reader, count)
    grades = _runs(reader, count)
    shapes = [list(accumulate(reader.signed(reader.varint(RECORDS_MAX)))) for _ in range(reader.varint(count))]
    used = _runs(reader, count)
    columns: dict[int, tuple[Iterator[float | None], Iterator[int]]] = {}
    for series, length in sorted(_column_lengths(shapes, used).items()):
        marks = _runs(reader, length)
        columns[series] = (iter(_values(reader, marks)), iter(marks))
    groups: list[Readings] = []
    for time_ms, grade, shape in zip(times, grades, used, strict=True):
        picked = [columns[series] for series in shapes[shape]]
        marks = [next(column[1]) for column in picked]
        values = [next(column[0]) for column in picked]
        plain = marks.count(PASS_MARK) == len(marks)
        groups.append(Readings(time_ms, grade, shapes[shape], values, [] if plain else marks))
    return groups


def _column_lengths(shapes: Sequence[Sequence[int]], used: Sequence[int]) -> dict[int, int]:
    """How many readings each series has; checked before memory is asked for."""
    lengths: dict[int, int] = {}
    for shape, times in Counter(used).items():
        if shape >= len(shapes):
            raise Malformed(f"shape {shape} does not exist")
        for series in shapes[shape]:
            lengths[series] = lengths.get(series, 0) + times
    for series_list in shapes:
        if len(set(series_list)) != len(series_list) or any(series < 0 for series in series_list):
            raise Malformed("a reading group names a series twice")
    if sum(lengths.values()) > READINGS_MAX:
        raise Malformed(f"more than {READINGS_MAX} readings in one batch")
    return lengths


def _put_runs(out: bytearray, numbers: Sequence[int]) -> None:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][0] == number:
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
    put(out, len(runs))
    for number, length in runs:
        put(out, number)
        put(out, length)


def _runs(reader: Reader, count: int) -> list[int]:
    numbers: list[int] = []
    for _ in range(reader.varint(count)):
        number = reader.varint()
        numbers += [number] * reader.varint(count - len(numbers))
    if len(numbers) != count:
        raise Malformed(f"runs should cover {count}, cover {len(numbers)}")
    return numbers


def _deltas(numbers: Iterable[int]) -> list[int]:
    last, out = 0, []
    for number in numbers:
        out.append(number - last)
        last = number
    return out


def _put_times(out: bytearray, times: Sequence[int]) -> None:
    put_signed(out, _deltas(_deltas(times)))


def _times(reader: Reader, count: int) -> list[int]:
    return list(accumulate(accumulate(reader.signed(count))))


def _put_values(out: bytearray, values: Sequence[float | None], marks: Sequence[int]) -> None:
    present = [value for value in values if value is not None]
    missing = sum(1 for packed in marks if packed & 0xF == Flag.MISSING)
    must(len(present) + missing == len(values), "a value is None exactly when its flag is MISSING")
    for decimals in range(_DECIMALS_MAX + 1):
        scale = 10**decimals
        try:
            integers = [round(value * scale) for value in present]
        except (OverflowError, ValueError):
            break
        if any(not -_INTEGER_MAX < n < _INTEGER_MAX for n in integers):
            break
        if [n / scale for n in integers] == present:
            out.append(decimals)
            put_signed(out, _deltas(integers))
            return
    out.append(_SCALE_FLOAT)
    out += struct.pack(f"<{len(present)}d", *present)


def _values(reader: Reader, marks: Sequence[int]) -> list[float | None]:
    present = [packed & 0xF != Flag.MISSING for packed in marks]
    count = sum(present)
    decimals = reader.take(1)[0]
    values: Iterable[float]
    if decimals == _SCALE_FLOAT:
        values = struct.unpack(f"<{count}d", reader.take(8 * count))
    elif decimals <= _DECIMALS_MAX:
        scale = 10**decimals
        values = [n / scale for n in accumulate(reader.signed(count))]
    else:
        raise Malformed(f"scale {decimals} does not exist")
    if count == len(marks):
        return list(values)
    left = iter(values)
    return [next(left) if here else None for here in present]
