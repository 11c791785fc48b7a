"""A second implementation of the wire, the other direction: an encoder written from docs/reference/wire.md alone.

The page leaves choices to who writes; here chance makes them, also those that the product never makes.
"""

import hashlib
import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from random import Random
from typing import Any

import msgspec

from tests.docs.wire_by_the_page import MISSING, PRESET


def encode(said: dict[str, Any], chance: Random) -> bytes:
    """The bytes of a batch that means this, in the words of the page."""
    codec, head, records = said["codec"], said["head"], said["records"]
    numbers = [record["number"] for record in records]
    newest = numbers == list(range(head - len(numbers) + 1, head + 1)) and _choose(chance)
    flags = codec | ("alarm", "live", "backlog").index(said["lane"]) << 2
    flags |= said["volatile"] << 4 | newest << 5 | said["dictionary_needed"] << 6
    body = _body(records, chance)
    envelope = bytes([0x48, 1, flags]) + int(said["station"], 36).to_bytes(6, "big") + bytes.fromhex(said["line"])
    envelope += varint(head) + varint(said["tail"]) + (varint(len(numbers)) if newest else _ranges(numbers, chance))
    if codec == 1:
        envelope += varint(len(body))
        deflate = zlib.compressobj(chance.randrange(10), zlib.DEFLATED, -15, zdict=PRESET)
        body = deflate.compress(body) + deflate.flush()
    return envelope + hashlib.sha256(envelope + body).digest()[:8] + body


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number % 128 + 128)
        number //= 128
    return bytes([*out, number])


def column(numbers: Iterable[int]) -> bytes:
    return b"".join(map(varint, numbers))


def signed_column(numbers: Iterable[int]) -> bytes:
    return column(2 * n if n >= 0 else -2 * n - 1 for n in numbers)


def runs(numbers: Sequence[int], chance: Random) -> bytes:
    out, at = b"", 0
    for end in _ends(numbers, chance):
        out += varint(numbers[at]) + (varint(end - at - 1) if len(numbers) - at > 1 else b"")
        at = end
    return out


def _choose(chance: Random) -> bool:
    return chance.random() < 0.5


def _ends(entries: Sequence[Any], chance: Random) -> list[int]:
    """Where stretches of equal neighbours end; some are cut in two."""
    last = len(entries)
    return [n for n in range(1, last + 1) if n == last or entries[n] != entries[n - 1] or chance.random() < 0.1]


def _differences(numbers: Sequence[int]) -> list[int]:
    return [after - before for before, after in pairwise(numbers)]


def _ranges(numbers: list[int], chance: Random) -> bytes:
    out, at, before = [], 0, 0
    for end in _ends([number - place for place, number in enumerate(numbers)], chance):
        first, last = numbers[at], numbers[end - 1]
        out += [first - before, last - first]
        at, before = end, last
    return varint(len(out) // 2) + column(out)


def _body(records: list[dict[str, Any]], chance: Random) -> bytes:
    groups = [record for record in records if "series" in record]
    forms = [each["urgent"] + (4 * each["grade"] if "series" in each else 2) for each in records]
    out = runs(forms, chance)
    for other in (record for record in records if "series" not in record):
        packed = bytes.fromhex(other["unread"]) if "unread" in other else msgspec.msgpack.encode(other["record"])
        out += varint(len(packed)) + packed
    return out + (_groups(groups, chance) if groups else b"")


def _groups(groups: list[dict[str, Any]], chance: Random) -> bytes:
    times = [group["time_ms"] for group in groups]
    out = signed_column(times[:1]) + signed_column(_differences([0, *_differences(times)]))
    shapes: list[list[int]] = []
    shapes += (group["series"] for group in groups if group["series"] not in shapes)
    if 1 < len(shapes) < len(groups) and _choose(chance):
        shapes.insert(1, [chance.randrange(400)])  # that no group may have
    used = [shapes.index(group["series"]) for group in groups]
    out += runs(used[1:], chance) + b"".join(_shape(shape, chance) for shape in shapes)
    entries: dict[int, list[tuple[float | None, int]]] = {}
    for group in groups:
        for series, value, mark in zip(group["series"], group["values"], group["marks"], strict=True):
            entries.setdefault(series, []).append((value, mark))
    columns = [entries[series] for series in sorted(entries)]
    out += _marks([mark for each in columns for _, mark in each], chance)
    return out + b"".join(_values([v for v, mark in each if mark % 16 != MISSING], chance) for each in columns)


def _shape(shape: list[int], chance: Random) -> bytes:
    if shape and set(_differences(shape)) <= {1} and _choose(chance):
        return varint(2 * len(shape) + 1) + varint(shape[0])
    return varint(2 * len(shape)) + signed_column(_differences([0, *shape]))


def _marks(marks: list[int], chance: Random) -> bytes:
    gaps, more, told, at, before = [], [], [], 0, 0
    for end in _ends(marks, chance):
        if marks[at] != 1:
            length = end - at
            gaps.append(2 * (at - before) + (length > 1))
            more += [length - 2] * (length > 1)
            told.append(marks[at])
            before = end
        at = end
    return varint(len(told)) + column(gaps) + column(more) + column(told)


def _values(values: list[float], chance: Random) -> bytes:
    exact = [(decimals, whole) for decimals in range(10) if (whole := _whole(values, 10**decimals))]
    if not values:
        return b""
    if not exact or chance.random() < 0.1:
        return b"\x03\xff" + struct.pack(f"<{len(values)}d", *values)
    decimals, whole = chance.choice(exact)
    short = 4 * whole[0] + decimals
    if decimals < 4 and whole[0] >= 0 and short != 3 and _choose(chance):
        return varint(short) + signed_column(_differences(whole))
    return bytes([3, decimals]) + signed_column([whole[0], *_differences(whole)])


def _whole(values: list[float], scale: int) -> list[int] | None:
    if not all(math.isfinite(value) and abs(value * scale) < 2**53 for value in values):
        return None
    whole = [round(value * scale) for value in values]
    return whole if [n / scale for n in whole] == values else None
