"""A second implementation of the wire: a decoder written from docs/reference/wire.md alone.

It imports nothing of the product; MessagePack is read without any of its types.
"""

import hashlib
import re
import struct
import zlib
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "wire.md").read_text("utf-8")
MISSING = 9
KINDS = (1, 2, 3, 5, 6, 7, 8, 9)


def block(name: str) -> str:
    """The block of the page behind a comment with that name."""
    found = re.search(rf"<!-- {name} -->\n```\w*\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"the page has no {name}"
    return found[1]


PRESET = " ".join(block("preset").split()).encode("ascii")


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

    def column(self, count: int) -> list[int]:
        return [self.varint() for _ in range(count)]

    def signed_column(self, count: int) -> list[int]:
        return [n // 2 if n % 2 == 0 else -(n + 1) // 2 for n in self.column(count)]

    def runs(self, count: int) -> list[int]:
        numbers: list[int] = []
        while len(numbers) < count:
            number = self.varint()
            more = self.varint() if count - len(numbers) > 1 else 0
            numbers += [number] * (1 + more)
        assert len(numbers) == count
        return numbers


def decode(data: bytes) -> dict[str, Any]:
    """Everything that a batch says, as the page says it."""
    reader = Bytes(data)
    assert (reader.u8(), reader.u8()) == (0x48, 1)
    flags = reader.u8()
    codec, lane = flags & 3, flags >> 2 & 3
    assert codec <= 1
    assert lane <= 2
    assert flags >> 7 == 0
    station = _station(int.from_bytes(reader.take(6), "big"))
    line = reader.take(8).hex()
    head, tail = reader.varint(), reader.varint()
    numbers = _numbers(reader, head, newest=bool(flags & 1 << 5))
    raw_length = reader.varint() if codec else None
    envelope = data[: len(data) - len(reader.data)]
    digest = reader.take(8)
    assert hashlib.sha256(envelope + reader.data).digest()[:8] == digest
    raw = reader.data
    if codec == 1:
        stream = zlib.decompressobj(-15, zdict=PRESET)
        raw = stream.decompress(raw)
        assert stream.eof
        assert not stream.unused_data
        assert len(raw) == raw_length
    return {
        "station": station,
        "line": line,
        "lane": ("alarm", "live", "backlog")[lane],
        "volatile": bool(flags & 1 << 4),
        "dictionary_needed": bool(flags & 1 << 6),
        "head": head,
        "tail": tail,
        "codec": codec,
        "records": _records(Bytes(raw), numbers),
    }


def _station(number: int) -> str:
    code = ""
    for _ in range(8):
        number, digit = divmod(number, 36)
        code = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[digit] + code
    assert number == 0
    return code


def _numbers(reader: Bytes, head: int, *, newest: bool) -> list[int]:
    if newest:
        count = reader.varint()
        return list(range(head - count + 1, head + 1))
    numbers: list[int] = []
    last = 0
    for _ in range(reader.varint()):
        first = last + reader.varint()
        last = first + reader.varint()
        numbers += range(first, last + 1)
    return numbers


def _records(body: Bytes, numbers: list[int]) -> list[dict[str, Any]]:
    forms = body.runs(len(numbers))
    others = iter([_other(body.take(body.varint())) for form in forms if form & 2])
    groups = iter(_groups(body, [form >> 2 for form in forms if not form & 2]))
    assert not body.data
    return [
        {"number": number, "urgent": bool(form & 1), **(next(others) if form & 2 else next(groups))}
        for number, form in zip(numbers, forms, strict=True)
    ]


def _other(data: bytes) -> dict[str, Any]:
    try:
        said = msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, ValueError):
        said = None
    if not isinstance(said, list) or not said or said[0] not in KINDS:
        return {"unread": data.hex()}
    return {"record": said}


def _groups(body: Bytes, grades: list[int]) -> list[dict[str, Any]]:
    count = len(grades)
    if not count:
        return []
    times = [body.signed_column(1)[0]]
    for difference in accumulate(body.signed_column(count - 1)):
        times.append(times[-1] + difference)  # noqa: PERF401 - as the page says it
    used = [0, *body.runs(count - 1)]
    shapes = [_shape(body) for _ in range(max(used) + 1)]
    columns = dict.fromkeys(sorted({series for shape in used for series in shapes[shape]}), 0)
    for shape in used:
        for series in shapes[shape]:
            columns[series] += 1
    marks = _marks(body, sum(columns.values()))
    entries: dict[int, list[tuple[float | None, int]]] = {}
    for series, length in columns.items():
        of_series, marks = marks[:length], marks[length:]
        entries[series] = list(zip(_values(body, of_series), of_series, strict=True))
    groups = []
    for time_ms, grade, shape in zip(times, grades, used, strict=True):
        pairs = [entries[series].pop(0) for series in shapes[shape]]
        groups.append(
            {
                "time_ms": time_ms,
                "grade": grade,
                "series": shapes[shape],
                "values": [value for value, _ in pairs],
                "marks": [mark for _, mark in pairs],
            }
        )
    return groups


def _shape(body: Bytes) -> list[int]:
    head = body.varint()
    if head % 2:
        first = body.varint()
        return list(range(first, first + head // 2))
    return list(accumulate(body.signed_column(head // 2)))


def _marks(body: Bytes, entries: int) -> list[int]:
    marks = [1] * entries
    stretches = body.varint()
    gaps = body.column(stretches)
    more = iter(body.column(sum(gap % 2 for gap in gaps)))
    at = 0
    for gap, mark in zip(gaps, body.column(stretches), strict=True):
        at += gap // 2
        for _ in range(next(more) + 2 if gap % 2 else 1):
            marks[at] = mark
            at += 1
    return marks


def _values(body: Bytes, marks: list[int]) -> list[float | None]:
    here = [mark % 16 != MISSING for mark in marks]
    left = iter(_present(body, sum(here)))
    return [next(left) if is_here else None for is_here in here]


def _present(body: Bytes, count: int) -> list[float]:
    if not count:
        return []
    head = body.varint()
    decimals, first = head % 4, head // 4
    if head == 3:
        decimals = body.u8()
        if decimals == 255:
            return [struct.unpack("<d", body.take(8))[0] for _ in range(count)]
        assert decimals <= 9
        first = body.signed_column(1)[0]
    return [whole / 10**decimals for whole in accumulate(body.signed_column(count - 1), initial=first)]
