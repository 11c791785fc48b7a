"""Range sets and line ids as the database keeps them."""

from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.varint import Reader, put


def pack(ranges: RangeSet) -> bytes:
    """The set as distances, base 128: about three bytes a range."""
    out = bytearray()
    at = 0
    for first, last in ranges.ranges:
        put(out, first - at)
        put(out, last - first)
        at = last
    return bytes(out)


def unpack(data: bytes) -> RangeSet:
    """Undo :func:`pack`."""
    if not data:
        return EMPTY
    reader = Reader(data)
    ranges, at = [], 0
    while not reader.done:
        first = at + reader.varint()
        at = first + reader.varint()
        ranges.append((first, at))
    return RangeSet(ranges)


def line_text(line: int) -> str:
    """A line as 16 hex digits: how people and databases write it."""
    return f"{line:016x}"


def line_of(text: str) -> int:
    """Undo :func:`line_text`.

    Raises:
        ValueError: when the text is no line.
    """
    return int(text, 16)
