"""The body of a batch: its records (docs/reference/wire.md).

A record of a kind that is not known here, or that cannot be read, stays as the bytes it came in: it harms no other.
"""

from collections.abc import Sequence

import msgspec

from .ranges import RangeSet
from .record import Dictionary, Duty, Event, Gap, Opened, Readings, Record, State, Summary, TimeFix, Unread
from .varint import Malformed, Reader, put
from .wire_columns import groups_of, put_groups, put_runs, runs

_URGENT, _OTHER = 1, 2  # bits of a record's form; a reading group has its clock grade above them
_GRADE_SHIFT = 2

_encoder = msgspec.msgpack.Encoder()
_Other = Opened | Dictionary | Duty | Event | Gap | Summary | TimeFix | State
_decoder: msgspec.msgpack.Decoder[_Other] = msgspec.msgpack.Decoder(_Other)


def encode_body(records: Sequence[Record]) -> bytes:
    """The records without their numbers."""
    out = bytearray()
    forms: list[int] = []
    others = bytearray()
    groups: list[Readings] = []
    for record in records:
        body = record.body
        if type(body) is Readings:
            forms.append(record.urgent | body.grade << _GRADE_SHIFT)
            groups.append(body)
            continue
        forms.append(record.urgent | _OTHER)
        packed = body.data if type(body) is Unread else _encoder.encode(body)
        put(others, len(packed))
        others += packed
    put_runs(out, forms)
    out += others
    put_groups(out, groups)
    return bytes(out)


def decode_body(raw: bytes, numbers: RangeSet) -> list[Record]:
    """Undo :func:`encode_body`.

    Raises:
        Malformed: when the bytes are no such records.
        ValueError: the same.
    """
    reader = Reader(raw)
    forms = runs(reader, numbers.count())
    if any(form & _OTHER and form >> _GRADE_SHIFT for form in forms):
        raise Malformed("a record that is no reading group has no clock grade here")
    others = [_other(reader.take(reader.varint())) for form in forms if form & _OTHER]
    groups = groups_of(reader, [form >> _GRADE_SHIFT for form in forms if not form & _OTHER])
    if not reader.done:
        raise Malformed("bytes left over")
    if not others and not any(form & _URGENT for form in forms):
        return [Record(number, False, group) for number, group in zip(numbers.numbers(), groups, strict=True)]
    next_other, next_group = iter(others), iter(groups)
    return [
        Record(number, bool(form & _URGENT), next(next_other) if form & _OTHER else next(next_group))
        for number, form in zip(numbers.numbers(), forms, strict=True)
    ]


def _other(data: bytes) -> _Other | Unread:
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError):
        return Unread(data)
