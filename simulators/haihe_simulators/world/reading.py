"""What lies on a card, read without the journal's code: the frames whose checksum fits, and their records."""

import struct
import zlib
from typing import NamedTuple

import msgspec
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Record
from haihe_edge.journal import Disk

from haihe_simulators.disk import SimulatedDisk

_FRAME = struct.Struct("<2scIIQIQ")
_HEAD_BYTES = 36
_SUFFIX = ".journal"
_records = msgspec.msgpack.Decoder(list[Record])


class File(NamedTuple):
    """One file of a journal.

    Args:
        name: of the file.
        line: by its name.
        records: by number.
        numbers: of them.
        size: in bytes.
        closed: whether nobody appends to it any more.
    """

    name: str
    line: int
    records: dict[int, Record]
    numbers: RangeSet
    size: int
    closed: bool


def read_file(disk: Disk, name: str) -> File:
    """Every commit group of it that verifies."""
    if isinstance(disk, SimulatedDisk):
        data = disk.content(name)
    else:
        with disk.open(name) as opened:
            data = opened.read()
    line = int(name.split("-")[1], 16)
    records: dict[int, Record] = {}
    at = _HEAD_BYTES
    while (at := data.find(b"HJ", at)) >= 0 and at + _FRAME.size <= len(data):
        _, kind, length, crc, first, count, time_ms = _FRAME.unpack_from(data, at)
        payload = data[at + _FRAME.size : at + _FRAME.size + length]
        summed = zlib.crc32(payload, zlib.crc32(kind + struct.pack("<QIQ", first, count, time_ms)))
        if len(payload) != length or summed != crc:
            at += 1
            continue
        if kind in (b"C", b"F"):
            records.update((record.number, record) for record in _records.decode(payload))
        at += _FRAME.size + length
    return File(name, line, records, RangeSet.from_numbers(records), len(data), data.endswith(b"SEALED\n\x00"))


def journal_files(disk: Disk) -> list[str]:
    """Names of its files, oldest first."""
    try:
        return [name for name in disk.names() if name.endswith(_SUFFIX)]
    except FileNotFoundError:
        return []  # a card that was never used
