"""Of which seconds of each hour there are readings: what the day's figures are counted from.

For each (station, hour, line) one row. Within it series that were always measured together share their sets of
seconds. Adding is a union of sets, so order and repetition do not matter.
"""

import re
import zlib
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import msgspec
from haihe_contract.quality import PASS_MARK, Flag, Grade
from haihe_contract.ranges import Range
from haihe_contract.record import Readings
from haihe_contract.wire import Batch

from haihe_cloud.database import Connection
from haihe_cloud.limits import IN_TIME_MS

from .packed import line_of, line_text
from .sheet import Key, Sheet, Table

HOUR_MS = 3_600_000
_RUNS = re.compile("1+")
_GOOD = (Flag.PASS, Flag.NOT_EVALUATED)
_UNTIMED = int(Grade.NONE)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[tuple[list[int], bytes, bytes, bytes, bytes]])


class Seconds(NamedTuple):
    """Seconds of one hour, for one series; each set is a number whose bit n stands for second n.

    Args:
        arrived: with a reading, whatever it says.
        in_time: whose reading was here within :data:`haihe_cloud.limits.IN_TIME_MS` of its observation.
        valued: whose reading has a value.
        valid: whose value passes, or was not evaluated.
    """

    arrived: int = 0
    in_time: int = 0
    valued: int = 0
    valid: int = 0

    def plus(self, more: "Seconds") -> "Seconds":
        """Both together."""
        return Seconds(
            self.arrived | more.arrived,
            self.in_time | more.in_time,
            self.valued | more.valued,
            self.valid | more.valid,
        )


def ranges(seconds: int) -> list[Range]:
    """The seconds of a set as ranges, ascending."""
    return [(found.start(), found.end() - 1) for found in _RUNS.finditer(f"{seconds:b}"[::-1])]


class Hour(NamedTuple):
    """One hour of one line.

    Args:
        hour: since 1970, UTC.
        line: whose records.
        lowest: number of a reading group of this hour.
        highest: number of a reading group of this hour.
        seen: seconds per series number.
    """

    hour: int
    line: int
    lowest: int
    highest: int
    seen: dict[int, Seconds]


def keys(batch: Batch) -> set[Key]:
    """Of the rows in which the reading groups of a batch are counted."""
    line = line_text(batch.line)
    hours = set()
    start_ms = end_ms = 0
    for record in batch.records:
        body = record.body
        if type(body) is not Readings or start_ms <= body.time_ms < end_ms or body.grade == _UNTIMED:
            continue
        hour = body.time_ms // HOUR_MS
        start_ms, end_ms = hour * HOUR_MS, (hour + 1) * HOUR_MS
        hours.add(hour)
    return {(batch.station, hour, line) for hour in hours}


def put(hours: Sheet[Hour], batch: Batch, received_ms: int) -> None:
    """Count the reading groups of a batch whose time is known."""
    for hour, (numbers, seen) in _sort(batch, received_ms).items():
        key = (batch.station, hour, line_text(batch.line))
        known = hours.get(key)
        if known is not None:
            numbers = [*numbers, known.lowest, known.highest]
        joined = _joined(known.seen if known else {}, seen)
        hours.put(key, Hour(hour, batch.line, min(numbers), max(numbers), joined))


def hours(connection: Connection, station: str, first: int, last: int) -> list[Hour]:
    """The hours first..last of a station, ascending."""
    rows = connection.execute(
        "SELECT station, hour, line, lowest, highest, seen FROM tally WHERE station=? AND hour BETWEEN ? AND ?"
        " ORDER BY hour, line",
        (station, first, last),
    )
    return [_hour(row) for row in rows]


def of_line(connection: Connection, station: str, line: int) -> Iterable[Hour]:
    """Every hour of a line, ascending, a bounded number of them at a time."""
    after = -1
    while True:
        rows = connection.execute(
            "SELECT hour, lowest, highest, seen FROM tally WHERE station=? AND line=? AND hour>?"
            " ORDER BY hour LIMIT 64",
            (station, line_text(line), after),
        ).fetchall()
        if not rows:
            return
        for hour, lowest, highest, seen in rows:
            yield Hour(hour, line, lowest, highest, _unpack(seen))
        after = rows[-1][0]


def first_ms(connection: Connection, station: str, line: int) -> int | None:
    """The second (ms UTC) of the earliest reading of a line, None without any."""
    row = connection.execute(
        "SELECT hour, seen FROM tally WHERE station=? AND line=? ORDER BY hour LIMIT 1", (station, line_text(line))
    ).fetchone()
    if row is None:
        return None
    arrived = [each.arrived for each in _unpack(row[1]).values() if each.arrived]
    second = min(((seconds & -seconds).bit_length() - 1 for seconds in arrived), default=0)
    return int(row[0]) * HOUR_MS + second * 1000


def last_ms(connection: Connection, station: str, until_ms: int) -> int | None:
    """The second (ms UTC) of the latest reading of a station up to that time's hour, None without any."""
    row = connection.execute(
        "SELECT hour, seen FROM tally WHERE station=? AND hour<=? ORDER BY hour DESC LIMIT 1",
        (station, until_ms // HOUR_MS),
    ).fetchone()
    if row is None:
        return None
    second = max((each.arrived.bit_length() - 1 for each in _unpack(row[1]).values() if each.arrived), default=0)
    return int(row[0]) * HOUR_MS + second * 1000


def before(connection: Connection, station: str, line: int, hour: int) -> int:
    """The highest number of the last hour before this one that the line has, 0 without any."""
    row = connection.execute(
        "SELECT highest FROM tally WHERE station=? AND line=? AND hour<? ORDER BY hour DESC LIMIT 1",
        (station, line_text(line), hour),
    ).fetchone()
    return int(row[0]) if row else 0


def after(connection: Connection, station: str, line: int, hour: int) -> int | None:
    """The lowest number of the next hour after this one that the line has, None without any."""
    row = connection.execute(
        "SELECT lowest FROM tally WHERE station=? AND line=? AND hour>? ORDER BY hour LIMIT 1",
        (station, line_text(line), hour),
    ).fetchone()
    return int(row[0]) if row else None


def hour_below(connection: Connection, station: str, line: int, number: int) -> int | None:
    """The latest hour of the line that has a number below this one: since when numbers are missing."""
    row = connection.execute(
        "SELECT max(hour) FROM tally WHERE station=? AND line=? AND lowest<?", (station, line_text(line), number)
    ).fetchone()
    return row[0] if row else None


_Seen = dict[tuple[int, ...], Seconds]
"""Seconds of series that were measured together."""
_State = tuple[tuple[int, ...], bool, bool, bool]
"""Such series, and whether their readings came in time, have a value, and a valid one."""
_HOUR_BYTES = 450
_LEVEL, _WINDOW_BITS, _MEMORY_LEVEL = 6, 10, 4
"""Of zlib, for an hour: its own defaults clear 256 KB of memory for each, which costs more than the packing."""


def _sort(batch: Batch, received_ms: int) -> dict[int, tuple[list[int], _Seen]]:
    """By hour: the numbers of the reading groups, and their seconds."""
    out: dict[int, tuple[list[int], dict[_State, list[int]]]] = {}
    start_ms = end_ms = 0
    for record in batch.records:
        body = record.body
        if type(body) is not Readings or body.grade == _UNTIMED:
            continue
        time_ms = body.time_ms
        if not start_ms <= time_ms < end_ms:  # neighbours mostly share their hour
            hour = time_ms // HOUR_MS
            start_ms, end_ms = hour * HOUR_MS, (hour + 1) * HOUR_MS
            numbers, states = out.setdefault(hour, ([], {}))
        numbers.append(record.number)
        in_time = abs(received_ms - time_ms) <= IN_TIME_MS  # what is ahead has a wrong clock, and proves no speed
        second = (time_ms - start_ms) // 1000
        if None not in body.values and body.marks.count(PASS_MARK) == len(body.marks):
            states.setdefault((tuple(body.series), in_time, True, True), []).append(second)
            continue
        for valued, valid, series in _by_state(body):
            states.setdefault((series, in_time, valued, valid), []).append(second)
    return {hour: (numbers, _seen(states)) for hour, (numbers, states) in out.items()}


def _seen(states: dict[_State, list[int]]) -> _Seen:
    seen: _Seen = {}
    for (series, in_time, valued, valid), seconds in states.items():
        bits = _set_of(seconds)
        new = Seconds(bits, bits if in_time else 0, bits if valued else 0, bits if valid else 0)
        seen[series] = seen[series].plus(new) if series in seen else new
    return seen


def _set_of(seconds: list[int]) -> int:
    """A number with these bits."""
    bits = bytearray(_HOUR_BYTES)
    for second in seconds:
        bits[second >> 3] |= 1 << (second & 7)
    return int.from_bytes(bits, "little")


def _by_state(body: Readings) -> Iterable[tuple[bool, bool, tuple[int, ...]]]:
    """The series of a group by whether they have a value, and a valid one."""
    states: dict[tuple[bool, bool], list[int]] = {}
    for at, series in enumerate(body.series):
        flag = (body.marks[at] if body.marks else PASS_MARK) & 0xF
        states.setdefault((body.values[at] is not None, flag in _GOOD), []).append(series)
    return [(valued, valid, tuple(series)) for (valued, valid), series in states.items()]


def _joined(seen: dict[int, Seconds], more: _Seen) -> dict[int, Seconds]:
    for together, new in more.items():
        joined: dict[int, Seconds] = {}  # series that shared their sets go on sharing them
        for series in together:
            old = seen.get(series, _NOTHING)
            if id(old) not in joined:
                joined[id(old)] = old.plus(new)
            seen[series] = joined[id(old)]
    return seen


_NOTHING = Seconds()


def _pack(seen: dict[int, Seconds]) -> bytes:
    shared: dict[Seconds, list[int]] = {}
    for series in sorted(seen):
        shared.setdefault(seen[series], []).append(series)
    packed = cache(_bytes)  # the same seconds often lack this and that
    return _encoder.encode(
        [
            # what all that arrived has and the other set has not is mostly nothing
            (series, packed(each.arrived), *(packed(each.arrived & ~other) for other in each[1:]))
            for each, series in shared.items()
        ]
    )


def _unpack(data: bytes) -> dict[int, Seconds]:
    seen: dict[int, Seconds] = {}
    for series, *packed in _decoder.decode(data):
        arrived, *others = (int.from_bytes(zlib.decompress(each), "little") if each else 0 for each in packed)
        each = Seconds(arrived, *(arrived & ~other for other in others))
        for number in series:
            seen[number] = each
    return seen


def _bytes(seconds: int) -> bytes:
    if not seconds:
        return b""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL)
    return packer.compress(seconds.to_bytes((seconds.bit_length() + 7) // 8, "little")) + packer.flush()


def _hour(row: tuple[Any, ...]) -> Hour:
    _, hour, line, lowest, highest, seen = row
    return Hour(hour, line_of(line), lowest, highest, _unpack(seen))


TALLY: Table[Hour] = Table(
    "tally",
    ("station", "hour", "line"),
    ("lowest", "highest", "seen"),
    _hour,
    lambda hour: (hour.lowest, hour.highest, _pack(hour.seen)),
)
