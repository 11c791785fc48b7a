r"""One file of the journal: a header, commit groups each with its own CRC, and a seal once it is full.

    header  "HAIHEJ1\n" line first created crc   then a frame "D": the line's dictionary
    frame   "HJ" kind | length crc | first count time | payload
    seal    frame "S": SHA-256 of all before it, last number, urgent ranges; then its own offset and "SEALED\n"

A file is only ever appended to by the opening of the journal that made it. A torn end is therefore an end:
nothing is repaired in place, and everything before the tear stays readable.
"""

import contextlib
import hashlib
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

import msgspec
from haihe_contract.ranges import EMPTY, Range, RangeSet
from haihe_contract.record import Dictionary, Record

from .disk import Disk

MAGIC = b"HAIHEJ1\n"
SUFFIX = ".journal"
_HEAD = struct.Struct("<8sQQQI")
_FRAME = struct.Struct("<2scIIQIQ")  # magic, kind, payload length, crc, first number, count, commit time
_FRAME_MAGIC = b"HJ"
_END = struct.Struct("<Q8s")
_END_MAGIC = b"SEALED\n\x00"
_COMMIT, _DICTIONARY, _SEAL = b"C", b"D", b"S"
FRAME_BYTES_MAX = 16 * 1024 * 1024
FRAME_RECORDS_MAX = 200
"""A record has at most 64 KiB, so a frame of so many is always one that can be read again."""

_records = msgspec.msgpack.Decoder(list[Record])
_encode = msgspec.msgpack.Encoder().encode


class Seal(msgspec.Struct, frozen=True, array_like=True):
    """What a closed file says about itself.

    Args:
        digest: SHA-256 of all bytes before the seal.
        last: highest number in it.
        time_ms: time of its last commit.
        urgent: numbers of the alarm lane.
        final: whether the journal was closed in order with this file, so that nothing was left in memory.
    """

    digest: bytes
    last: int
    time_ms: int
    urgent: list[Range]
    final: bool


_seal = msgspec.msgpack.Decoder(Seal)
_dictionary = msgspec.msgpack.Decoder(Dictionary)


class Frame(NamedTuple):
    """Where one commit group lies in its file."""

    first: int
    records: int
    time_ms: int
    offset: int
    length: int


class SegmentDamaged(Exception):
    """The file does not begin like a segment; nothing in it can be attributed to a line."""


def _crc(kind: bytes, first: int, count: int, time_ms: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(kind + struct.pack("<QIQ", first, count, time_ms)))


def _read_dictionary(file: BinaryIO) -> Dictionary:
    frame = file.read(_FRAME.size)
    if len(frame) == _FRAME.size:
        magic, kind, length, crc, first, count, time_ms = _FRAME.unpack(frame)
        if magic == _FRAME_MAGIC and kind == _DICTIONARY and length <= FRAME_BYTES_MAX:
            payload = file.read(length)
            if _crc(kind, first, count, time_ms, payload) == crc:
                return _dictionary.decode(payload)
    raise SegmentDamaged("the dictionary does not verify")


class Segment:
    """A file that is read. Frames are found when first asked for; a damaged stretch is stepped over."""

    def __init__(self, disk: Disk, name: str) -> None:
        """Read header and seal only.

        Raises:
            SegmentDamaged: when the header is not one.
            OSError: when the file cannot be read.
        """
        self.name = name
        self._disk = disk
        self._frames: list[Frame] | None = None
        with disk.open(name) as file:
            head = file.read(_HEAD.size)
            if len(head) < _HEAD.size:
                raise SegmentDamaged(f"only {len(head)} bytes")
            magic, self.line, self.first, self.created_ms, crc = _HEAD.unpack(head)
            if magic != MAGIC or zlib.crc32(head[:-4]) != crc:
                raise SegmentDamaged("the header does not verify")
            _read_dictionary(file)  # it must verify, but a line with many series would be kept many times
            self.size = file.seek(0, os.SEEK_END)
            seal = self._read_seal(file)
        self.sealed = seal is not None
        self.final = seal is not None and seal.final
        if seal is not None:
            self.last, self.time_ms, self.urgent = seal.last, seal.time_ms, RangeSet(seal.urgent)
            self.numbers = RangeSet.of((self.first, self.last)) if self.last >= self.first else EMPTY
        else:
            self._survey()

    def dictionary(self) -> Dictionary:
        """The dictionary of its line, read anew.

        Raises:
            SegmentDamaged: when it does not verify any more.
            OSError: when the file cannot be read.
        """
        with self._disk.open(self.name) as file:
            file.seek(_HEAD.size)
            return _read_dictionary(file)

    def _read_seal(self, file: BinaryIO) -> Seal | None:
        if self.size < _HEAD.size + _END.size:
            return None
        file.seek(self.size - _END.size)
        offset, magic = _END.unpack(file.read(_END.size))
        if magic != _END_MAGIC or offset >= self.size:
            return None
        file.seek(offset)
        frame = file.read(_FRAME.size)
        payload = file.read(self.size - _END.size - file.tell())
        try:
            _, kind, length, crc, first, count, time_ms = _FRAME.unpack(frame)
            if kind == _SEAL and length == len(payload) and _crc(kind, first, count, time_ms, payload) == crc:
                return _seal.decode(payload)
        except (struct.error, msgspec.DecodeError):
            pass
        return None

    def _survey(self) -> None:
        """Look through an unsealed file for what verifies."""
        urgent: list[Range] = []
        numbers: list[Range] = []
        self.time_ms = self.created_ms
        frames: list[Frame] = []
        for frame, records in self._walk(self._bytes()):
            frames.append(frame)
            self.time_ms = frame.time_ms
            numbers += [(record.number, record.number) for record in records]
            urgent += [(record.number, record.number) for record in records if record.urgent]
        self._frames = frames
        self.numbers = RangeSet(numbers)
        self.urgent = RangeSet(urgent)
        self.last = self.numbers.last if self.numbers else self.first - 1

    def _bytes(self) -> bytes:
        with self._disk.open(self.name) as file:
            return file.read()

    def _walk(self, data: bytes) -> Iterator[tuple[Frame, list[Record]]]:
        at = _HEAD.size
        while True:
            at = data.find(_FRAME_MAGIC, at)
            if at < 0 or at + _FRAME.size > len(data):
                return
            _, kind, length, crc, first, count, time_ms = _FRAME.unpack_from(data, at)
            start = at + _FRAME.size
            payload = data[start : start + length] if length <= FRAME_BYTES_MAX else b""
            if len(payload) != length or _crc(kind, first, count, time_ms, payload) != crc:
                at += 1
                continue
            if kind == _COMMIT:
                try:
                    yield Frame(first, count, time_ms, start, length), _records.decode(payload)
                except msgspec.DecodeError:
                    at += 1
                    continue
            at = start + length

    def frames(self) -> list[Frame]:
        """The commit groups that verify, in file order."""
        if self._frames is None:
            self._frames = [frame for frame, _ in self._walk(self._bytes())]
            # a seal says what was written; only now is it known what still verifies
            self.numbers &= RangeSet((f.first, f.first + f.records - 1) for f in self._frames if f.records)
        return self._frames

    def forget_frames(self) -> None:
        """Let go of the index; it is found again when needed."""
        if self.sealed:
            self._frames = None

    def read(self, wanted: RangeSet, most_bytes: int) -> list[Record]:
        """The wanted records of this file in order, stopping after about so many bytes.

        Raises:
            OSError: when the file cannot be read.
        """
        found: dict[int, Record] = {}
        with self._disk.open(self.name) as file:
            for frame in self.frames():
                reach = RangeSet.of((frame.first, max(frame.first, frame.first + frame.records - 1)))
                if not (reach & wanted):
                    continue
                file.seek(frame.offset)
                payload = file.read(frame.length)
                try:
                    records = _records.decode(payload)
                except msgspec.DecodeError:
                    continue  # damaged since the index was made: these numbers stay missing
                found.update((record.number, record) for record in records if record.number in wanted)
                most_bytes -= frame.length
                if most_bytes <= 0:
                    break
        return [found[number] for number in sorted(found)]


def dictionary_of(segments: Iterable[Segment]) -> Dictionary | None:
    """The dictionary of a line that these files are of: each has it, and one may have been damaged meanwhile.

    Raises:
        OSError: when the disk refuses now.
    """
    for segment in segments:
        with contextlib.suppress(SegmentDamaged):
            return segment.dictionary()
    return None


class OpenSegment(Segment):
    """The one file that is being written."""

    def __init__(self, disk: Disk, name: str, line: int, first: int, now_ms: int, dictionary: Dictionary) -> None:
        """Make the file and its header durable.

        Raises:
            OSError: when the disk refuses.
        """
        self.name = name
        self._disk = disk
        self.line, self.first, self.created_ms, self.time_ms = line, first, now_ms, now_ms
        self.last = first - 1
        self.numbers = self.urgent = EMPTY
        self.sealed = self.final = False
        self._frames = []
        self._digest = hashlib.sha256()
        self._file = disk.create(name)
        self.size = 0
        head = _HEAD.pack(MAGIC, line, first, now_ms, 0)[:-4]
        try:
            self._write(head + struct.pack("<I", zlib.crc32(head)))
            self._write_frame(_DICTIONARY, 0, 0, now_ms, _encode(dictionary))
            self._file.sync()
            disk.sync()
        except OSError:
            self.abandon()  # neither the descriptor nor an empty file may be left for every try
            disk.unlink(name)
            raise

    def append(self, records: list[Record], now_ms: int) -> None:
        """Make one commit group durable.

        Raises:
            OSError: when the disk refuses; the file must then be abandoned, since nobody knows what it holds.
        """
        frames: list[Frame] = []
        for at in range(0, len(records), FRAME_RECORDS_MAX):
            part = records[at : at + FRAME_RECORDS_MAX]
            first, count = part[0].number, part[-1].number - part[0].number + 1
            payload = _encode(part)
            frames.append(Frame(first, count, now_ms, self.size + _FRAME.size, len(payload)))
            self._write_frame(_COMMIT, first, count, now_ms, payload)
        self._file.sync()
        self.frames().extend(frames)
        self.last, self.time_ms = records[-1].number, now_ms
        self.numbers |= RangeSet.from_numbers(record.number for record in records)
        self.urgent |= RangeSet.from_numbers(record.number for record in records if record.urgent)

    def seal(self, *, final: bool) -> Segment:
        """Close the file for good and give it back for reading.

        Raises:
            OSError: when the disk refuses.
        """
        offset = self.size
        seal = Seal(self._digest.digest(), self.last, self.time_ms, list(self.urgent.ranges), final)
        self._write_frame(_SEAL, self.first, 0, self.time_ms, _encode(seal))
        self._write(_END.pack(offset, _END_MAGIC))
        self._file.sync()
        self.abandon()
        self._disk.protect(self.name)
        return Segment(self._disk, self.name)

    def abandon(self) -> None:
        """Close the file as it is."""
        self._file.close()

    def _write_frame(self, kind: bytes, first: int, count: int, time_ms: int, payload: bytes) -> None:
        crc = _crc(kind, first, count, time_ms, payload)
        self._write(_FRAME.pack(_FRAME_MAGIC, kind, len(payload), crc, first, count, time_ms) + payload)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self.size += len(data)
        self._digest.update(data)
