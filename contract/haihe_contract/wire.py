"""A batch as bytes, version 1, frozen (docs/reference/wire.md).

    "H" version flags station line head tail numbers raw length | digest | body

Numbers and digest stand outside the compressed body, so a batch whose body cannot be read can still be named.
What a body holds is in :mod:`haihe_contract.wire_body`.
"""

import hashlib
import zlib
from collections.abc import Iterator

import msgspec

from .errors import must
from .ranges import EMPTY, RangeSet
from .record import Dictionary, Event, Readings, Record
from .topic import is_station, station_number, station_of_number
from .varint import Malformed, Reader, put
from .wire_body import decode_body, encode_body
from .wire_preset import PRESET

VERSION = 1
RAW_BYTES_MAX = 4 * 1024 * 1024
BATCH_BYTES_MAX = 1024 * 1024
RECORDS_MAX = 65536
RANGES_MAX = 4096
PLAIN, DEFLATE = 0, 1
CODECS = (PLAIN, DEFLATE)
"""Compressions of the body that this version can undo."""
_MAGIC = b"H"
_STATION_BYTES = 6
_DIGEST_BYTES = 8
_CODEC_BITS, _LANE_SHIFT, _LANE_BITS, _VOLATILE, _NEWEST = 0b11, 2, 0b11, 1 << 4, 1 << 5
_DICTIONARY, _RESERVED = 1 << 6, 1 << 7
_WORTH_COMPRESSING = 100
_LEVEL = 6
_RAW_DEFLATE = -zlib.MAX_WBITS


class WireError(Exception):
    """These bytes are no batch that this version can take; the text says why."""


class Envelope(msgspec.Struct, frozen=True):
    """What can be read of a batch without opening its body.

    Args:
        station: code of the station that speaks.
        line: whose numbers.
        lane: alarm, live or backlog.
        head: highest number the station has committed on this line.
        tail: lowest number of this line that is still in the station.
        numbers: the numbers of the records in the body, in order.
        volatile: the line was never durable: nobody keeps a ledger of it, and no receipt names it.
        needs_dictionary: the records name series by number, and the dictionary of the line is not among them.
        codec: how the body is compressed.
        raw_length: bytes of the body once opened.
        digest: first 8 bytes of SHA-256 over envelope and body.
        header: the bytes the digest covers before the body.
        body: still compressed.
    """

    station: str
    line: int
    lane: int
    head: int
    tail: int
    numbers: RangeSet
    volatile: bool
    needs_dictionary: bool
    codec: int
    raw_length: int
    digest: bytes
    header: bytes
    body: bytes


class Batch(msgspec.Struct, frozen=True):
    """Numbered records of one line that travel together.

    Args:
        station: code of the station that speaks.
        line: whose numbers.
        lane: alarm, live or backlog.
        head: highest number the station has committed on this line.
        tail: lowest number of this line that is still in the station.
        records: in ascending order of number; none makes it a heartbeat.
        volatile: the records come from memory, because the station's disk refuses them.
    """

    station: str
    line: int
    lane: int
    head: int
    tail: int
    records: list[Record]
    volatile: bool = False


def encode(batch: Batch, *, compress: bool = True) -> bytes:
    """Bytes of the batch. Records must be in ascending order of number."""
    numbers = RangeSet.from_numbers(record.number for record in batch.records)
    must(numbers.count() == len(batch.records), "a batch cannot hold one number twice")
    must(len(batch.records) <= RECORDS_MAX, "too many records for one batch")
    must(is_station(batch.station), "a station code has eight digits or capital letters")
    raw = encode_body(batch.records)
    must(len(raw) <= RAW_BYTES_MAX, "too many bytes for one batch")
    body = _deflate(raw) if compress and len(raw) >= _WORTH_COMPRESSING else raw
    codec = DEFLATE if len(body) < len(raw) else PLAIN
    if codec == PLAIN:
        body = raw
    newest = not numbers or numbers.ranges == ((numbers.first, batch.head),)
    head = bytearray(_MAGIC)
    head.append(VERSION)
    flags = _VOLATILE * batch.volatile | _NEWEST * newest | _DICTIONARY * _needs_dictionary(batch)
    head.append(codec | batch.lane << _LANE_SHIFT | flags)
    head += station_number(batch.station).to_bytes(_STATION_BYTES, "big")
    head += batch.line.to_bytes(8, "big")
    put(head, batch.head)
    put(head, batch.tail)
    put(head, len(batch.records) if newest else len(numbers.ranges))
    if not newest:
        at = 0
        for first, last in numbers.ranges:
            put(head, first - at)
            put(head, last - first)
            at = last
    if codec != PLAIN:
        put(head, len(raw))
    digest = hashlib.sha256(head + body).digest()[:_DIGEST_BYTES]
    return bytes(head) + digest + body


def read_envelope(data: bytes) -> Envelope:
    """Read the envelope without opening the body.

    Raises:
        WireError: when it is not one, is damaged, or asks for more than the limits allow.
    """
    if len(data) > BATCH_BYTES_MAX:
        raise WireError(f"{len(data)} bytes are more than a batch may have ({BATCH_BYTES_MAX})")
    if data[:1] != _MAGIC or len(data) < 3:
        raise WireError("does not begin like a batch")
    version, flags = data[1], data[2]
    if version != VERSION:
        raise WireError(f"version {version} is not known here")
    lane, codec = flags >> _LANE_SHIFT & _LANE_BITS, flags & _CODEC_BITS
    if flags & _RESERVED or lane > 2:
        raise WireError(f"flags {flags:08b} are not known here")
    reader = Reader(data, 3)
    try:
        station = station_of_number(int.from_bytes(reader.take(_STATION_BYTES), "big"))
        line = int.from_bytes(reader.take(8), "big")
        head, tail = reader.varint(), reader.varint()
        numbers = _newest(reader, head) if flags & _NEWEST else _ranges(reader)
        raw_length = reader.varint() if codec != PLAIN else 0
        header = data[: reader.at]
        digest = reader.take(_DIGEST_BYTES)
    except ValueError as error:
        raise WireError(f"envelope not readable: {error}") from None
    body = data[reader.at :]
    if hashlib.sha256(header + body).digest()[:_DIGEST_BYTES] != digest:
        raise WireError("digest does not fit the contents")
    if codec == PLAIN:
        raw_length = len(body)
    if raw_length > RAW_BYTES_MAX:
        raise WireError(f"asks for {raw_length} bytes, more than a body may have ({RAW_BYTES_MAX})")
    volatile, needs_dictionary = bool(flags & _VOLATILE), bool(flags & _DICTIONARY)
    return Envelope(
        station, line, lane, head, tail, numbers, volatile, needs_dictionary, codec, raw_length, digest, header, body
    )


def open_batch(envelope: Envelope) -> Batch:
    """Open the body.

    Raises:
        WireError: when its contents do not fit.
    """
    raw = envelope.body if envelope.codec == PLAIN else _inflate(envelope)
    try:
        records = decode_body(raw, envelope.numbers)
    except (ValueError, OverflowError) as error:
        raise WireError(f"body not readable: {error}") from None
    return Batch(
        envelope.station, envelope.line, envelope.lane, envelope.head, envelope.tail, records, envelope.volatile
    )


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


def _needs_dictionary(batch: Batch) -> bool:
    needed = False
    for record in batch.records:
        body = record.body
        if isinstance(body, Dictionary):
            return False
        if isinstance(body, Readings):
            needed = True
        elif isinstance(body, Event):
            needed = needed or body.series >= 0
    return needed


def _newest(reader: Reader, head: int) -> RangeSet:
    count = reader.varint(RECORDS_MAX)
    if count > head:
        raise Malformed(f"{count} numbers up to {head}")
    return RangeSet.of((head - count + 1, head)) if count else EMPTY


def _ranges(reader: Reader) -> RangeSet:
    ranges, at, count = [], 0, 0
    for _ in range(reader.varint(RANGES_MAX)):
        first = at + reader.varint()
        at = first + reader.varint(RECORDS_MAX)
        count += at - first + 1
        if first < 1 or count > RECORDS_MAX:
            raise Malformed(f"number {first}, or more than {RECORDS_MAX} numbers")
        ranges.append((first, at))
    numbers = RangeSet(ranges)
    if numbers.count() != count:
        raise Malformed("a number named twice")
    return numbers


def _deflate(raw: bytes) -> bytes:
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW_DEFLATE, zlib.DEF_MEM_LEVEL, zlib.Z_FILTERED, PRESET)
    return deflater.compress(raw) + deflater.flush()


def _inflate(envelope: Envelope) -> bytes:
    if envelope.codec != DEFLATE:
        raise WireError(f"codec {envelope.codec} is not known here")
    inflater = zlib.decompressobj(_RAW_DEFLATE, zdict=PRESET)
    try:
        raw = inflater.decompress(envelope.body, envelope.raw_length + 1)
    except zlib.error as error:
        raise WireError(f"body does not decompress: {error}") from None
    if len(raw) != envelope.raw_length or not inflater.eof or inflater.unused_data:
        raise WireError(f"body is not the {envelope.raw_length} bytes that its envelope says")
    return raw
