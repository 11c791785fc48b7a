r"""One file of the journal: a header, commit groups each with its own CRC, and a seal once it is full.

    header  "HAIHEJ1\n" line first created crc   then a frame "D": the line's dictionary
    frame   "HJ" kind | length crc | first count time | payload
    commit  frame "C", or "F" at flood stage: records
    seal    frame "S": SHA-256 of all before it and what the file holds; then its own offset and "SEALED\n"

Commit groups are only ever appended by the opening of the journal that made the file. A torn end is therefore an
end: nothing is repaired in place, and everything before the tear stays readable. All that a later opening adds is
the seal of a file that was left without one, behind whatever is torn there. A thinned file is a new one that takes
the place of the old. The name says serial, line and first number too, so that a file whose header is damaged can
still be attributed.
"""

import hashlib
import os
import re
import struct
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import BinaryIO, NamedTuple

import msgspec
from haihe_contract.ranges import EMPTY, Range, RangeSet
from haihe_contract.record import Body, Dictionary, Gap, Readings, Record, Summary

from .disk import Disk

MAGIC = b"HAIHEJ1\n"
SUFFIX = ".journal"
_NAME = re.compile(r"(\d{8,12})-([0-9a-f]{16})-(\d{1,19})" + re.escape(SUFFIX))
SERIAL_BOUND = 10**11
"""No journal comes so far: a file with such a serial was not named by an agent."""
HEAD = struct.Struct("<8sQQQI")
FRAME = struct.Struct("<2scIIQIQ")  # magic, kind, payload length, crc, first number, count, commit time
FRAME_MAGIC = b"HJ"
END = struct.Struct("<Q8s")
END_MAGIC = b"SEALED\n\x00"
COMMIT, FLOOD, DICTIONARY, SEAL = b"C", b"F", b"D", b"S"
FRAME_BYTES_MAX = 16 * 1024 * 1024
FRAME_RECORDS_MAX = 200
"""So many records, and so many bytes: who reads believes no longer frame, so who writes makes none."""
FILE_BYTES_MAX = 128 * 1024 * 1024
"""No file is longer than a few megabytes and one commit group; what a damaged disk shows beyond that is not ours."""

_range_last = itemgetter(1)
_records = msgspec.msgpack.Decoder(list[Record])


class Seal(msgspec.Struct, frozen=True, array_like=True):
    """What a closed file says about itself.

    Args:
        digest: SHA-256 of all bytes before the seal.
        numbers: what is in it.
        time_ms: time of its last commit.
        urgent: numbers of the alarm lane.
        readings: numbers that are reading groups.
        flood: numbers that were recorded at flood stage.
        named: numbers that its gap and summary records name, by line.
        final: whether the journal was closed in order with this file, so that nothing was left in memory.
    """

    digest: bytes
    numbers: list[Range]
    time_ms: int
    urgent: list[Range]
    readings: list[Range]
    flood: list[Range]
    named: dict[int, list[Range]]
    final: bool


def named_by(bodies: Iterable[Body]) -> dict[int, RangeSet]:
    """Numbers that these records declare to be gone, by line."""
    found: dict[int, RangeSet] = {}
    for body in bodies:
        if isinstance(body, Gap | Summary):
            found[body.line] = found.get(body.line, EMPTY) | RangeSet(body.ranges)
    return found


def segment_name(serial: int, line: int, first: int) -> str:
    """The name of a file."""
    return f"{serial:08d}-{line:016x}-{first}{SUFFIX}"


def name_parts(name: str) -> tuple[int, int, int] | None:
    """Serial, line and first number of a name of ours, or None."""
    found = _NAME.fullmatch(name)
    return (int(found[1]), int(found[2], 16), int(found[3])) if found else None


def age(name: str) -> tuple[int, str]:
    """By what files are in the order in which they were begun. What bears no name of ours, a copy, comes before all."""
    parts = name_parts(name)
    return (parts[0] if parts and parts[0] < SERIAL_BOUND else 0, name)


_seal = msgspec.msgpack.Decoder(Seal)
_dictionary = msgspec.msgpack.Decoder(Dictionary)


class Frame(NamedTuple):
    """Where one commit group lies in its file."""

    first: int
    records: int
    time_ms: int
    offset: int
    length: int
    flood: bool


class SegmentDamaged(Exception):
    """The file does not begin like a segment; nothing in it can be attributed to a line."""


def frame_crc(kind: bytes, first: int, count: int, time_ms: int, payload: bytes) -> int:
    """The checksum of a frame: over its kind, its head and its payload."""
    return zlib.crc32(payload, zlib.crc32(kind + struct.pack("<QIQ", first, count, time_ms)))


class Segment:
    """A file that is read. Frames are found when first asked for; a damaged stretch is stepped over."""

    def __init__(self, disk: Disk, name: str) -> None:
        """Read header and seal only.

        Raises:
            SegmentDamaged: when neither its header nor its name says whose records it holds.
            OSError: when the file cannot be read.
        """
        self.name = name
        self._disk = disk
        self._frames: list[Frame] | None = None
        self.dictionary: Dictionary | None
        self.named: dict[int, RangeSet]
        self.digest = b""
        """SHA-256 of a file that was read whole, for want of a seal."""
        with disk.open(name) as file:
            head = file.read(HEAD.size)
            self.whole_header = self._read_head(head)
            self.dictionary = self._read_dictionary(file)
            self.size = file.seek(0, os.SEEK_END)
            self.final = False
            self.sealed = self._read_seal(file)
        if not self.sealed:
            self._survey()

    @property
    def last(self) -> int:
        """Highest number in it; one less than its first when it is empty."""
        return self.numbers.last if self.numbers else self.first - 1

    def _read_head(self, head: bytes) -> bool:
        if len(head) == HEAD.size:
            magic, self.line, self.first, self.created_ms, crc = HEAD.unpack(head)
            if magic == MAGIC and zlib.crc32(head[:-4]) == crc:
                return True
        parts = name_parts(self.name)
        if parts is None or len(head) < HEAD.size:
            raise SegmentDamaged("the header does not verify" if head else "it is empty")
        _, self.line, self.first = parts
        self.created_ms = 0
        return False

    def _read_dictionary(self, file: BinaryIO) -> Dictionary | None:
        frame = file.read(FRAME.size)
        if len(frame) == FRAME.size:
            magic, kind, length, crc, first, count, time_ms = FRAME.unpack(frame)
            if magic == FRAME_MAGIC and kind == DICTIONARY and length <= FRAME_BYTES_MAX:
                payload = file.read(length)
                if frame_crc(kind, first, count, time_ms, payload) == crc:
                    with suppress(msgspec.DecodeError):
                        return _dictionary.decode(payload)
        return None

    def _read_seal(self, file: BinaryIO) -> bool:
        """Take over what the seal at the end says, where there is one that can be."""
        if self.size < HEAD.size + END.size:
            return False
        file.seek(self.size - END.size)
        offset, magic = END.unpack(file.read(END.size))
        if magic != END_MAGIC or offset >= self.size:
            return False
        file.seek(offset)
        frame = file.read(FRAME.size)
        payload = file.read(self.size - END.size - file.tell())
        try:
            _, kind, length, crc, first, count, time_ms = FRAME.unpack(frame)
            if kind != SEAL or length != len(payload) or frame_crc(kind, first, count, time_ms, payload) != crc:
                return False
            seal = _seal.decode(payload)
            self.urgent, self.flood = RangeSet(seal.urgent), RangeSet(seal.flood)
            self.numbers, self.readings = RangeSet(seal.numbers), RangeSet(seal.readings)
            self.named = {line: RangeSet(ranges) for line, ranges in seal.named.items()}
        except (struct.error, msgspec.DecodeError, ValueError):
            return False
        self.time_ms, self.final = seal.time_ms, seal.final
        return True

    def _survey(self) -> None:
        """Look through an unsealed file for what verifies."""
        self.time_ms = self.created_ms
        self.numbers = self.readings = self.urgent = self.flood = EMPTY
        self.named = {}
        frames: list[Frame] = []
        data = self._bytes()
        self.digest = hashlib.sha256(data).digest()
        for frame, records in self._walk(data):
            frames.append(frame)
            self._add(records, frame.time_ms, flood=frame.flood)
        self._frames = frames
        if self.size > FILE_BYTES_MAX:
            self.size = max((frame.offset + frame.length for frame in frames), default=HEAD.size)

    def _add(self, records: Sequence[Record], time_ms: int, *, flood: bool) -> None:
        self.time_ms = time_ms
        numbers = RangeSet.from_numbers(record.number for record in records)
        self.numbers |= numbers
        if flood:
            self.flood |= numbers
        self.readings |= RangeSet.from_numbers(record.number for record in records if type(record.body) is Readings)
        self.urgent |= RangeSet.from_numbers(record.number for record in records if record.urgent)
        for line, named in named_by(record.body for record in records).items():
            self.named[line] = self.named.get(line, EMPTY) | named

    def _bytes(self) -> bytes:
        with self._disk.open(self.name) as file:
            return file.read(FILE_BYTES_MAX)

    def _walk(self, data: bytes) -> Iterator[tuple[Frame, list[Record]]]:
        at = HEAD.size
        while True:
            at = data.find(FRAME_MAGIC, at)
            if at < 0 or at + FRAME.size > len(data):
                return
            _, kind, length, crc, first, count, time_ms = FRAME.unpack_from(data, at)
            start = at + FRAME.size
            payload = data[start : start + length] if length <= FRAME_BYTES_MAX else b""
            if len(payload) != length or frame_crc(kind, first, count, time_ms, payload) != crc:
                at += 1
                continue
            if kind in (COMMIT, FLOOD):
                try:
                    yield Frame(first, count, time_ms, start, length, kind == FLOOD), _records.decode(payload)
                except msgspec.DecodeError:
                    at += 1
                    continue
            at = start + length

    def groups(self) -> Iterator[tuple[Frame, list[Record]]]:
        """Every commit group that verifies, in file order, read in one go: the file may be replaced meanwhile.

        Raises:
            OSError: when the file cannot be read, or has gone.
        """
        return self._walk(self._bytes())

    def frames(self) -> list[Frame]:
        """The commit groups that verify, in file order."""
        if self._frames is None:
            self._frames = [frame for frame, _ in self._walk(self._bytes())]
            # a seal says what was written; only now is it known what still verifies
            self.numbers &= RangeSet((f.first, f.first + f.records - 1) for f in self._frames if f.records)
        return self._frames

    def _touched(self, wanted: RangeSet) -> Iterator[Frame]:
        """Commit groups that may have wanted numbers, in file order: numbers mostly ascend in it, not always."""
        if not wanted:
            return
        lowest, highest = wanted.first, wanted.last
        for frame in self.frames():
            first, records = frame[0], frame[1]
            if first > highest or first + records < lowest:
                continue
            at = bisect_left(wanted.ranges, first, key=_range_last)
            if at < len(wanted.ranges) and wanted.ranges[at][0] < first + max(1, records):
                yield frame

    def keep_only(self, numbers: RangeSet) -> None:
        """Count nothing else of it, whatever lies in the file."""
        self.numbers &= numbers
        self.readings &= numbers
        self.urgent &= numbers
        self.flood &= numbers

    def forget_frames(self) -> None:
        """Let go of the index; it is found again when needed."""
        self._frames = None

    def read(self, wanted: RangeSet, most_bytes: int) -> list[Record]:
        """The wanted records of this file in order, stopping after about so many bytes.

        Raises:
            OSError: when the file cannot be read.
        """
        found: dict[int, Record] = {}
        with self._disk.open(self.name) as file:
            for run in _runs_of(self._touched(wanted), most_bytes):
                start, end = run[0].offset, run[-1].offset + run[-1].length
                file.seek(start)
                data = file.read(end - start)
                for frame in run:
                    at = frame.offset - start
                    try:
                        records = _records.decode(data[at : at + frame.length])
                    except msgspec.DecodeError:
                        continue  # damaged since the index was made: these numbers stay missing
                    found.update((record.number, record) for record in records if record.number in wanted)
                most_bytes -= end - start
                if found and most_bytes <= 0:  # a group that has none of the wanted in it ends nothing
                    break
        return [found[number] for number in sorted(found)]


def _runs_of(frames: Iterable[Frame], most_bytes: int) -> Iterator[list[Frame]]:
    """Frames that lie one behind the other, to be read at once, each time about so many bytes at most."""
    run: list[Frame] = []
    for frame in frames:
        if run:
            last = run[-1]
            apart = frame.offset != last.offset + last.length + FRAME.size
            if apart or frame.offset - run[0].offset >= most_bytes:
                yield run
                run = []
        run.append(frame)
    if run:
        yield run
