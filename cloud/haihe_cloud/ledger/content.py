"""The short digest of what a record says: how one number with two contents is known, however batches are cut.

Four bytes a number, read as a big-endian integer: 31 bits of BLAKE2b over the record in one canonical form, and the
lowest bit says whether it is a group of readings, which must be in the store. 0 means that nothing is known.
"""

import struct
from collections.abc import Sequence
from hashlib import blake2b

import msgspec
from haihe_contract.quality import PASS_MARK
from haihe_contract.record import Body, Readings, Unread

BLOCK = 256
"""Numbers whose digests share one row of the database."""
WIDTH = 4
_encoder = msgspec.msgpack.Encoder()


def content(body: Body) -> int:
    """The digest of a record. The same for every cut of batches, every order of the series and either zero."""
    if type(body) is Readings:
        return readings_content(body.time_ms, body.grade, body.series, body.values, body.marks)
    data = body.data if type(body) is Unread else _encoder.encode(body)
    return _digest(data) & ~1 or 2


def readings_content(
    time_ms: int, grade: int, series: Sequence[int], values: Sequence[float | None], marks: Sequence[int]
) -> int:
    """The digest of a reading group."""
    if len(series) > 1 and sorted(series) != series:
        order = sorted(range(len(series)), key=series.__getitem__)
        series, values = [series[at] for at in order], [values[at] for at in order]
        marks = [marks[at] for at in order] if marks else marks
    if 0.0 in values:
        values = [None if value is None else value + 0.0 for value in values]  # a negative zero may come as zero
    if marks and marks.count(PASS_MARK) == len(marks):
        marks = ()
    digest = _digest(_encoder.encode((time_ms, int(grade), series, values, marks)))
    return digest | 1 if series else digest & ~1 or 2  # of an empty group there is nothing in the store


def has_readings(digest: int) -> bool:
    """Whether the record is a reading group."""
    return bool(digest & 1)


def get(digests: bytes, number: int) -> int:
    """The digest of a number in the digests of its block; 0 when it is not known."""
    at = number % BLOCK * WIDTH
    return int.from_bytes(digests[at : at + WIDTH], "big")


def unpack(digests: bytes) -> list[int]:
    """The digests of a block, from its first number on."""
    return list(struct.unpack(f">{len(digests) // WIDTH}I", digests))


def pack(digests: Sequence[int]) -> bytes:
    """Undo :func:`unpack`."""
    return struct.pack(f">{len(digests)}I", *digests)


def _digest(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=WIDTH).digest(), "big")
