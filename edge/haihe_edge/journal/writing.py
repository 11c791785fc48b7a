"""Writing a file of the journal: the one that is appended to, and the thinned copy of an older one."""

import hashlib
import struct
import zlib
from collections.abc import Iterator, Sequence

import msgspec
from haihe_contract.ranges import EMPTY
from haihe_contract.record import Dictionary, Record

from .disk import Disk
from .segment import (
    COMMIT,
    DICTIONARY,
    END,
    END_MAGIC,
    FLOOD,
    FRAME,
    FRAME_BYTES_MAX,
    FRAME_MAGIC,
    FRAME_RECORDS_MAX,
    HEAD,
    MAGIC,
    SEAL,
    Frame,
    Seal,
    Segment,
    frame_crc,
)

THIN_SUFFIX = ".thinned"
_encode = msgspec.msgpack.Encoder().encode


class OpenSegment(Segment):
    """The one file that is being written."""

    def __init__(
        self, disk: Disk, name: str, line: int, first: int, now_ms: int, dictionary: Dictionary | None
    ) -> None:
        """Make the file and its header durable.

        Raises:
            OSError: when the disk refuses.
        """
        self.name = name
        self._disk = disk
        self.line, self.first, self.created_ms, self.time_ms = line, first, now_ms, now_ms
        self.numbers = self.readings = self.urgent = self.flood = EMPTY
        self.named = {}
        self.dictionary = dictionary
        self.sealed = self.final = False
        self.whole_header = True
        self._frames = []
        self._digest = hashlib.sha256()
        self._file = disk.create(name)
        self.size = 0
        head = HEAD.pack(MAGIC, line, first, now_ms, 0)[:-4]
        try:
            self._write(head + struct.pack("<I", zlib.crc32(head)))
            if dictionary is not None:
                self._write_frame(DICTIONARY, 0, 0, now_ms, _encode(dictionary))
            self._file.sync()
            disk.sync()
        except OSError:
            self.abandon()  # neither the descriptor nor an empty file may be left for every try
            disk.unlink(name)
            raise

    def append(self, records: Sequence[Record], now_ms: int, *, flood: bool = False) -> None:
        """Make one commit group durable.

        Raises:
            OSError: when the disk refuses; the file must then be abandoned, since nobody knows what it holds.
        """
        self._put(records, now_ms, flood=flood)
        self._file.sync()

    def _put(self, records: Sequence[Record], now_ms: int, *, flood: bool) -> None:
        frames = self.frames()
        for part, payload in _framed(records):
            first, count = part[0].number, part[-1].number - part[0].number + 1
            frames.append(Frame(first, count, now_ms, self.size + FRAME.size, len(payload), flood))
            self._write_frame(FLOOD if flood else COMMIT, first, count, now_ms, payload)
        self._add(records, now_ms, flood=flood)

    def seal(self, *, final: bool) -> Segment:
        """Close the file for good and give it back for reading.

        Raises:
            OSError: when the disk refuses.
        """
        self._write(_seal_of(self, self._digest.digest(), final=final))
        self._file.sync()
        self.abandon()
        self._disk.protect(self.name)
        return Segment(self._disk, self.name)

    def forget_frames(self) -> None:
        """Its index grows with it."""

    def abandon(self) -> None:
        """Close the file as it is."""
        self._file.close()

    def _write_frame(self, kind: bytes, first: int, count: int, time_ms: int, payload: bytes) -> None:
        self._write(_frame(kind, first, count, time_ms, payload))

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self.size += len(data)
        self._digest.update(data)


def _frame(kind: bytes, first: int, count: int, time_ms: int, payload: bytes) -> bytes:
    crc = frame_crc(kind, first, count, time_ms, payload)
    return FRAME.pack(FRAME_MAGIC, kind, len(payload), crc, first, count, time_ms) + payload


def _seal_of(segment: Segment, digest: bytes, *, final: bool) -> bytes:
    """What closes a file: it follows the last byte that is there."""
    seal = Seal(
        digest,
        list(segment.numbers.ranges),
        segment.time_ms,
        list(segment.urgent.ranges),
        list(segment.readings.ranges),
        list(segment.flood.ranges),
        {line: list(named.ranges) for line, named in segment.named.items()},
        final,
    )
    return _frame(SEAL, segment.first, 0, segment.time_ms, _encode(seal)) + END.pack(segment.size, END_MAGIC)


def _framed(records: Sequence[Record]) -> Iterator[tuple[Sequence[Record], bytes]]:
    """Cut a commit group into frames that can be read again. One record alone is always short enough for one.

    Source of that: the bounds in :mod:`haihe_contract.record_fault`; the longest is a summary, of some megabytes.
    """
    for at in range(0, len(records), FRAME_RECORDS_MAX):
        part = records[at : at + FRAME_RECORDS_MAX]
        payload = _encode(part)
        if len(payload) <= FRAME_BYTES_MAX or len(part) == 1:
            yield part, payload
        else:
            half = len(part) // 2
            yield from _framed(part[:half])
            yield from _framed(part[half:])


def seal_later(disk: Disk, segment: Segment) -> None:
    """Append its seal to a file that an earlier opening left without one, so that no later start reads it whole.

    It says what was found in the file, and not that the journal was closed in order with it. What it says must be
    durable already: else a power cut could leave the seal, and not the records.

    Raises:
        OSError: when the disk refuses. The file then has all that it had, and behind it perhaps a part of the seal,
            which counts as little as any other torn end.
    """
    if disk.size(segment.name) != segment.size:
        return  # not what was read
    seal = _seal_of(segment, segment.digest, final=False)
    file = disk.extend(segment.name)
    try:
        segment.size += len(seal)  # refused or not: nobody knows then how much of it is there
        file.write(seal)
        file.sync()
    finally:
        file.close()
    segment.sealed = True
    disk.protect(segment.name)


def replace_thinned(disk: Disk, old: Segment, kept: Sequence[Record]) -> Segment:
    """Put a file with these records of it in the place of an older one: after a crash it is the one or the other.

    Raises:
        OSError: when the disk refuses; the old file is still there then.
    """
    beside = old.name + THIN_SUFFIX
    disk.unlink(beside)
    new = OpenSegment(disk, beside, old.line, old.first, old.created_ms, old.dictionary)
    try:
        for flood in (False, True):
            part = [record for record in kept if (record.number in old.flood) is flood]
            if part:
                new._put(part, old.time_ms, flood=flood)  # noqa: SLF001 - its own file
        new.time_ms = old.time_ms
        new.final = old.final
        new.seal(final=old.final)
        disk.rename(beside, old.name)
        disk.sync()
    except OSError:
        new.abandon()
        disk.unlink(beside)
        raise
    return Segment(disk, old.name)
