"""What lies on a card, read without the journal's code: the frames whose checksum fits, and their records."""

import struct
import zlib
from dataclasses import dataclass
from functools import cached_property

import msgspec
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import Gap, Readings, Record, Summary
from haihe_edge.journal import Disk

from haihe_simulators.disk import SimulatedDisk

_FRAME = struct.Struct("<2scIIQIQ")
_HEAD_BYTES = 36
_SUFFIX = ".journal"
_SEALED = b"SEALED\n\x00"
_records = msgspec.msgpack.Decoder(list[Record])


@dataclass(frozen=True, eq=False)
class File:
    """One file of a journal.

    Args:
        name: of the file.
        line: by its name.
        records: by number.
        at_flood: numbers that were written at flood stage.
        size: in bytes.
        closed: whether nobody appends to it any more.
    """

    name: str
    line: int
    records: dict[int, Record]
    at_flood: set[int]
    size: int
    closed: bool

    @cached_property
    def numbers(self) -> RangeSet:
        """All of them."""
        return RangeSet.from_numbers(self.records)

    @cached_property
    def flood(self) -> RangeSet:
        """Those of flood stage."""
        return RangeSet.from_numbers(self.at_flood)

    @cached_property
    def urgent(self) -> RangeSet:
        """Those of the alarm lane."""
        return RangeSet.from_numbers(number for number, record in self.records.items() if record.urgent)

    @cached_property
    def named(self) -> dict[int, RangeSet]:
        """Numbers that its gap and summary records say to be gone, by line."""
        found: dict[int, RangeSet] = {}
        for record in self.records.values():
            if isinstance(record.body, Gap | Summary):
                found[record.body.line] = found.get(record.body.line, EMPTY) | RangeSet(record.body.ranges)
        return found

    @cached_property
    def quiet(self) -> RangeSet:
        """Reading groups that are no alarms: what a summary can stand for."""
        return RangeSet.from_numbers(
            number for number, record in self.records.items() if type(record.body) is Readings and not record.urgent
        )


def read_file(disk: Disk, name: str) -> File:
    """Every commit group of it that verifies."""
    data = _content(disk, name)
    line = int(name.split("-")[1], 16)
    records: dict[int, Record] = {}
    at_flood: set[int] = set()
    at = _HEAD_BYTES
    while (at := data.find(b"HJ", at)) >= 0 and at + _FRAME.size <= len(data):
        _, kind, length, crc, first, count, time_ms = _FRAME.unpack_from(data, at)
        payload = data[at + _FRAME.size : at + _FRAME.size + length]
        summed = zlib.crc32(payload, zlib.crc32(kind + struct.pack("<QIQ", first, count, time_ms)))
        if len(payload) != length or summed != crc:
            at += 1
            continue
        if kind in (b"C", b"F"):
            group = {record.number: record for record in _records.decode(payload)}
            records.update(group)
            if kind == b"F":
                at_flood.update(group)
        at += _FRAME.size + length
    return File(name, line, records, at_flood, len(data), data.endswith(_SEALED))


def is_closed(disk: Disk, name: str) -> bool:
    """Whether nobody appends to it any more."""
    return _content(disk, name).endswith(_SEALED)


def _content(disk: Disk, name: str) -> bytes:
    if isinstance(disk, SimulatedDisk):
        return disk.content(name)
    with disk.open(name) as opened:
        return opened.read()


def journal_files(disk: Disk) -> list[str]:
    """Names of its files, oldest first."""
    try:
        return [name for name in disk.names() if name.endswith(_SUFFIX)]
    except FileNotFoundError:
        return []  # a card that was never used
