"""The memory of a simulated instrument, from the same profile that the agent reads: what it answers, and to what.

Like the rest of the simulators it only goes from values to registers, with a codec of its own.
"""

import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from .register_code import Others, SheetPoint, registers_of

_PARTS = ("year", "month", "day", "hour", "minute", "second")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_USUAL_EVERY_S = 600


class LogSheet(NamedTuple):
    """One log of a profile: the document itself, its points, and whose past they are."""

    document: Mapping[str, Any]
    points: tuple[SheetPoint, ...]
    of: Mapping[str, str]

    @property
    def every_s(self) -> int:
        """How far entries are apart."""
        intervals = [int(point.get("interval_s", 0)) for point in self.document["entry"]]
        return int(self.document["time"].get("every_s") or max(intervals) or _USUAL_EVERY_S)


class InstrumentLog:
    """One log with what it holds. ``held`` has the entries, oldest first: time and registers by offset."""

    def __init__(self, sheet: LogSheet) -> None:
        self.sheet = sheet
        document = sheet.document
        self.name = str(document["name"])
        self.capacity = int(document.get("entries", 65536))
        self.held: deque[tuple[int, dict[int, int]]] = deque(maxlen=self.capacity)
        self.written = 0
        self._select: Mapping[str, Any] = document.get("select") or {}
        self._since: Mapping[str, Any] = document.get("since") or {}
        self._time: Mapping[str, Any] = document["time"]
        self._first = int(document.get("first", 0))
        self._number = self._first
        self._queue: list[dict[int, int]] = []
        self._grid = 0

    def record(self, time_ms: int, values: Mapping[str, float | None], others: Others = lambda _: 0.0) -> None:
        """Write an entry of that true time."""
        parts = self._parts(time_ms)
        said = {self._time[key]: value for key, value in parts.items() if self._time.get(key) in self._names()}
        registers: dict[int, int] = {}
        for point in self.sheet.points:
            value = said.get(point.name, values.get(point.name))
            for shift, register in enumerate(registers_of(point, value, others)):
                at = point.at + shift
                registers[at] = registers.get(at, 0) | register if point.bits else register
        self.held.append((time_ms, registers))
        self.written += 1

    def record_until(self, now_ms: int, value_of: Callable[[str, SheetPoint], float | None]) -> None:
        """Write the entries that have become due by now, with what is measured now."""
        every_ms = self.sheet.every_s * 1000
        grid = now_ms // every_ms
        missing = min(grid - self._grid, self.capacity) if self._grid else 0
        self._grid = grid
        for back in range(missing - 1, -1, -1):
            values = {p.name: value_of(self.sheet.of.get(p.name, ""), p) for p in self.sheet.points}
            self.record((grid - back) * every_ms, values)

    def says(self, name: str) -> float | None:
        """What a point of the profile itself says about this log; None for what it does not speak of."""
        document = self.sheet.document
        newest = self.written - 1
        if name == document.get("pointer") and self.written:
            after = document.get("pointer_names") == "next"
            return float(self._first + ((newest + after) % self.capacity))
        if name == document.get("count"):
            return float(len(self.held))
        if name == self._since.get("count"):
            return float(min(len(self._queue), int(self._since.get("entries", 1))))
        if self._time.get("every_s") and self.held:
            for key, value in self._parts(self.held[-1][0]).items():
                if self._time.get(key) == name:
                    return float(value)
        return None

    def registers(self, table: str) -> Iterator[tuple[int, int]]:
        """Addresses and what stands there now."""
        document = self.sheet.document
        if table != document.get("table", "holding"):
            return
        at = int(document["at"])
        if "stride" in document:
            for age in range(len(self.held)):
                start = at + (self._number_of(age) - self._first) * int(document["stride"])
                yield from ((start + offset, register) for offset, register in self.held[-1 - age][1].items())
        elif self._select:
            for age in range(len(self.held)):
                if self._number_of(age) == self._number:
                    yield from ((at + offset, register) for offset, register in self.held[-1 - age][1].items())
        else:
            for place, entry in enumerate(self._queue[: int(self._since.get("entries", 1))]):
                start = at + place * int(self._since.get("stride", 1))
                yield from ((start + offset, register) for offset, register in entry.items())

    def was_read(self, table: str, start: int, count: int) -> None:
        """Reading the place of what came since a time brings the next."""
        document = self.sheet.document
        touched = table == document.get("table", "holding") and start <= int(document["at"]) < start + count
        if self._since and touched and "next" not in self._since:
            del self._queue[: int(self._since.get("entries", 1))]

    def obeys(self, function: int, start: int, registers: tuple[int, ...]) -> bool:
        """Whether a write is meant for this log; it is done then."""
        for rule in (self._select, self._since):
            usual = 16 if rule is self._since else 6
            if not rule or (function, start) != (int(rule.get("function", usual)), int(rule["at"])):
                continue
            if rule is self._select:
                self._number = registers[0]
            else:
                after = self._told(registers)
                self._queue = [entry for time_ms, entry in self.held if time_ms > after]
            return True
        following = self._since.get("next") or {}
        if following and (function, start) == (int(following["function"]), int(following["at"])):
            del self._queue[: int(self._since.get("entries", 1))]
            return True
        return False

    def _names(self) -> set[str]:
        return {point.name for point in self.sheet.points}

    def _number_of(self, age: int) -> int:
        numbered = self.sheet.document.get("numbered", "from_newest")
        if numbered == "from_newest":
            return self._first + age
        if numbered == "from_oldest":
            return self._first + len(self.held) - 1 - age
        return self._first + (self.written - 1 - age) % self.capacity

    def _zone(self) -> timedelta:
        zone = str(self._time.get("zone", "+08:00"))
        hours, minutes = zone[1:].split(":")
        ahead = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if zone[0] == "-" else 1)
        return ahead - timedelta(seconds=int(self._time.get("plus_s", 0)))

    def _parts(self, time_ms: int) -> dict[str, int]:
        local = _EPOCH + timedelta(milliseconds=time_ms) + self._zone()
        parts: dict[str, int] = {key: getattr(local, key) for key in _PARTS}
        year = next((point for point in self.sheet.points if point.name == self._time.get("year")), None)
        if year is not None and year.bits is not None:
            parts["year"] %= 100
        parts["seconds"] = int((local - self._began()).total_seconds())
        return parts

    def _began(self) -> datetime:
        since = str(self._time.get("since", "1970-01-01"))
        return datetime.combine(date.fromisoformat(since), datetime.min.time(), UTC)

    def _told(self, registers: tuple[int, ...]) -> int:
        rule = self._since
        parts, kind = list(rule["parts"]), rule.get("as", "u16")
        if kind == "u32":
            pair = struct.pack(">2H", *registers[:2])
            words = [pair[:2], pair[2:]]
            if rule.get("order") in ("CDAB", "DCBA"):
                words.reverse()
            if rule.get("order") in ("BADC", "DCBA"):
                words = [word[::-1] for word in words]
            local = self._began() + timedelta(seconds=int.from_bytes(b"".join(words), "big"))
        else:
            numbers = [int(f"{each:x}") if kind == "bcd" else each for each in registers]
            said = dict(zip(parts, numbers, strict=True))
            year = said.get("year", 2000 + said.get("short_year", 0))
            rest = [said.get(key, 1 if key in ("month", "day") else 0) for key in _PARTS[1:]]
            local = datetime(year, rest[0], rest[1], rest[2], rest[3], rest[4], tzinfo=UTC)
        return (local - self._zone() - _EPOCH) // timedelta(milliseconds=1)
