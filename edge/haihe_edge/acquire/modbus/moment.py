"""When an entry of an instrument's memory was made, and how a time is told to an instrument. Pure."""

import struct
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from haihe_edge.profile import EntryTime, Since
from haihe_edge.profile.memory import PARTS

from .decode import Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CENTURY = 2000
_LEAST = {"month": 1, "day": 1}
_FIRST_YEAR, _LAST_YEAR = 2000, 2199
"""No logger is older; a year outside is damage, or a clock that was never set."""
_EARLIEST_MS = 946_684_800_000


def moment(time: EntryTime, said: Mapping[str, Value], age: int = 0) -> int | None:
    """The time of an entry in milliseconds UTC, or None where it says none that can be.

    Args:
        time: of the profile.
        said: values of the points that say it.
        age: how many entries were made after it, where the points say the newest's time.
    """
    numbers: dict[str, int] = {}
    for key in (*PARTS, "seconds"):
        name: str | None = getattr(time, key)
        if name is None:
            continue
        value, _ = said.get(name, (None, None))
        if value is None or not float(value).is_integer():
            return None
        numbers[key] = int(value)
    try:
        if "seconds" in numbers:
            local = datetime.fromisoformat(time.since).replace(tzinfo=UTC) + timedelta(seconds=numbers["seconds"])
        else:
            year = numbers["year"] + (_CENTURY if numbers["year"] < 100 else 0)
            month, day, hour, minute, second = (numbers.get(key, _LEAST.get(key, 0)) for key in PARTS[1:])
            local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        found = local + timedelta(seconds=time.plus_s - time.zone_s - age * (time.every_s or 0))
    except (ValueError, OverflowError):
        return None
    if not _FIRST_YEAR <= local.year <= _LAST_YEAR:
        return None
    return (found - _EPOCH) // timedelta(milliseconds=1)


def told(since: Since, time: EntryTime, after_ms: int | None) -> tuple[int, ...]:
    """The registers that ask for everything after that moment; for everything there is, after the year 2000 began."""
    moment_ms = max(_EARLIEST_MS, _EARLIEST_MS if after_ms is None else after_ms)
    local = _EPOCH + timedelta(seconds=moment_ms // 1000 + time.zone_s - time.plus_s)
    registers: list[int] = []
    for part in since.parts:
        if part == "seconds":
            began = datetime.combine(date.fromisoformat(time.since), datetime.min.time(), UTC)
            number = max(0, min(0xFFFFFFFF, int((local - began).total_seconds())))
        elif part == "short_year":
            number = local.year % 100
        else:
            number = int(getattr(local, part))
        if since.kind == "bcd":
            number = int(str(number), 16)
        registers += _u32(number, since.order) if since.kind == "u32" else [number]
    return tuple(registers)


def _u32(number: int, order: str) -> list[int]:
    words = list(struct.unpack(">2H", struct.pack(">I", number)))
    if order in ("CDAB", "DCBA"):
        words.reverse()
    if order in ("BADC", "DCBA"):
        words = [(word >> 8 | word << 8) & 0xFFFF for word in words]
    return words
