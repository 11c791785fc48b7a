"""What an instrument remembers by itself: logs whose entries can be read back after a silence.

An entry is reached in one of three ways: entries lie side by side in registers (``stride``), a number is written
and the entry then stands at one place (``select``), or a time is written and everything since comes by and by
(``since``).
"""

from typing import Annotated, Literal

import msgspec
from haihe_contract.series import INTERVAL_S_MAX, Statistic

from haihe_edge import limits

from .header import Milliseconds, Name
from .point import Order, Point, Table
from .steps import Address, Send

Seconds = Annotated[int, msgspec.Meta(ge=-INTERVAL_S_MAX, le=INTERVAL_S_MAX)]
Interval = Annotated[int, msgspec.Meta(ge=0, le=INTERVAL_S_MAX)]
Part = Literal["year", "short_year", "month", "day", "hour", "minute", "second", "seconds"]
PARTS = ("year", "month", "day", "hour", "minute", "second")
"""Of a date and time, from the coarsest to the finest."""


class LogPoint(Point, frozen=True, forbid_unknown_fields=True):
    """One thing in an entry. ``at`` is counted from the entry's first register; the table is the log's.

    Args:
        of: the profile's point whose past it is, in the same unit: it goes into the series of that point.
        statistic: of a point that names an element and is no other's past: what it is of its interval.
        interval_s: the interval in seconds; 0 for an instant.
    """

    of: Name | None = None
    statistic: Statistic = Statistic.INSTANT
    interval_s: Interval = 0


class EntryTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an entry says when it was made. An interval's entry is stamped at the interval's end.

    Args:
        year: point of the entry with the year; below 100 it is one of this century.
        month: point with the month.
        day: point with the day.
        hour: point with the hour.
        minute: point with the minute.
        second: point with the second.
        seconds: point with seconds since a date, in place of all these.
        since: that date, by the instrument's clock.
        every_s: entries carry no time: they are so many seconds apart, and the points named here are the profile's
            own and say when the newest was made.
        plus_s: added: 86400 where the date means the whole day.
        zone: of the instrument's clock, as its difference from UTC.
    """

    year: Name | None = None
    month: Name | None = None
    day: Name | None = None
    hour: Name | None = None
    minute: Name | None = None
    second: Name | None = None
    seconds: Name | None = None
    since: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")] = "1970-01-01"
    every_s: Annotated[int, msgspec.Meta(ge=1, le=INTERVAL_S_MAX)] | None = None
    plus_s: Seconds = 0
    zone: Annotated[str, msgspec.Meta(pattern=r"^[+-]\d{2}:\d{2}$")] = "+08:00"

    @property
    def points(self) -> tuple[str, ...]:
        """Points that say it."""
        return tuple(name for key in (*PARTS, "seconds") if (name := getattr(self, key)) is not None)

    @property
    def zone_s(self) -> int:
        """Seconds that the instrument's clock is ahead of UTC."""
        hours, minutes = self.zone[1:].split(":")
        return (int(hours) * 3600 + int(minutes) * 60) * (-1 if self.zone[0] == "-" else 1)


class Select(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number of an entry is written, and the entry then stands at one place.

    Args:
        at: register to write.
        function: 6 or 16.
        wait_ms: from the write until the entry stands there.
    """

    at: Address
    function: Literal[6, 16] = 6
    wait_ms: Milliseconds = 0


class Since(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time is written, and every read of the same place then brings the next entries, oldest first.

    It ends with an entry that holds nothing, or when ``count`` says 0.

    Args:
        at: first register of the time.
        parts: what is written, one after the other: year, short_year (two digits), month, day, hour, minute, second;
            or seconds since the date of ``time``.
        kind: how each of them is written: u16, u32 or bcd (one register); written ``as``.
        order: byte order of u32.
        function: 6 or 16.
        wait_ms: from the write, and from ``next``, until the entries stand there.
        entries: how many are read at a time.
        stride: registers from one of these to the next.
        count: point of the profile that says how many of them there are.
        next: what is sent before the next are read, where reading alone does not bring them.
    """

    at: Address
    parts: Annotated[tuple[Part, ...], msgspec.Meta(min_length=1, max_length=7)]
    kind: Literal["u16", "u32", "bcd"] = msgspec.field(name="as", default="u16")
    order: Order = "ABCD"
    function: Literal[6, 16] = 16
    wait_ms: Milliseconds = 0
    entries: Annotated[int, msgspec.Meta(ge=1, le=limits.REGISTERS_MAX)] = 1
    stride: Annotated[int, msgspec.Meta(ge=1, le=limits.REGISTERS_MAX)] = 1
    count: Name | None = None
    next: Send | None = None


class Log(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One memory of the instrument. Exactly one of ``stride``, ``select`` and ``since`` says how it is reached.

    Args:
        name: ours.
        at: first register of the first entry, or of the place where entries appear.
        table: holding or input.
        entries: how many it holds at most.
        stride: registers from one entry to the next.
        select: the number of an entry is written first.
        since: a time is written first.
        numbered: from_newest: the newest has the first number; from_oldest: the oldest has it, and ``count`` says
            how many there are; ring: numbers begin again after the last, and ``pointer`` names the newest.
        first: the first number.
        count: point of the profile that says how many entries there are.
        pointer: point of the profile that names the newest entry.
        pointer_names: newest, or next where it names the one that will be written next.
        time: when an entry was made.
        entry: what an entry holds.
        unsure: what the documents leave open and hardware must show.
        note: anything else worth knowing.
    """

    name: Name
    at: Address
    time: EntryTime
    entry: Annotated[tuple[LogPoint, ...], msgspec.Meta(min_length=1, max_length=64)]
    table: Table = "holding"
    entries: Annotated[int, msgspec.Meta(ge=1, le=limits.LOG_ENTRIES_MAX)] = limits.LOG_ENTRIES_MAX
    stride: Annotated[int, msgspec.Meta(ge=1, le=4096)] | None = None
    select: Select | None = None
    since: Since | None = None
    numbered: Literal["from_newest", "from_oldest", "ring"] = "from_newest"
    first: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)] = 0
    count: Name | None = None
    pointer: Name | None = None
    pointer_names: Literal["newest", "next"] = "newest"
    unsure: str = ""
    note: str = ""

    @property
    def outside(self) -> set[str]:
        """Points of the profile itself that are needed to read it."""
        own = {point.name for point in self.entry}
        needed = {name for point in self.entry for name in point.needs if name not in own}
        needed |= {name for name in (self.pointer, self.count) if name is not None}
        if self.since is not None and self.since.count is not None:
            needed.add(self.since.count)
        return needed | (set(self.time.points) if self.time.every_s else set())

    @property
    def keeps(self) -> tuple[LogPoint, ...]:
        """What of an entry becomes readings."""
        return tuple(point for point in self.entry if point.of is not None or point.element is not None)

    @property
    def needed(self) -> tuple[LogPoint, ...]:
        """What of an entry has to be read: what becomes readings, what that depends on, and its time."""
        names = {point.name for point in self.keeps}.union(*(point.needs for point in self.keeps), self.time.points)
        return tuple(point for point in self.entry if point.name in names)

    @property
    def interval_s(self) -> int:
        """Of the longest interval that an entry tells of; 0 for instants."""
        return max((point.interval_s for point in self.keeps), default=0)

    def address(self, number: int) -> int:
        """First register of the entry of that number."""
        return self.at if self.stride is None else self.at + (number - self.first) * self.stride

    def placed(self, start: int) -> tuple[LogPoint, ...]:
        """What has to be read of an entry that begins at that register."""
        return tuple(msgspec.structs.replace(point, at=start + point.at, table=self.table) for point in self.needed)
