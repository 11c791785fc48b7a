"""Whether a log of a Modbus profile can be read as it is written."""

from collections.abc import Mapping
from datetime import date

from haihe_contract.document import Document, near
from haihe_contract.series import Statistic

from .header import Place, check_names
from .memory import PARTS, Log
from .modbus import ModbusProfile
from .point import Point

_WAYS = ("stride", "select", "since")


def check_memory(profile: ModbusProfile, document: Document) -> None:
    """Complain about logs that cannot be read.

    Args:
        profile: repeats written out.
        document: to complain to.
    """
    check_names("memory", profile.memory, document)
    if profile.memory and profile.wake is not None:
        document.complain(("memory",), "memory: of an instrument that must be woken first cannot be read back yet")
    points = {point.name: point for point in profile.points}
    for index, log in enumerate(profile.memory):
        place: Place = ("memory", index)
        _check_way(log, place, document)
        _check_outside(log, place, points, document)
        _check_entry(log, place, points, document)
        _check_time(log, place, points, document)
        check_registers(profile, log, place, document)


def _check_way(log: Log, place: Place, document: Document) -> None:
    ways = [way for way in _WAYS if getattr(log, way) is not None]
    if len(ways) != 1:
        document.complain(place, "memory: write exactly one of stride, select and since")
    if log.since is not None:
        if log.numbered != "from_newest" or log.pointer or log.count:
            document.complain((*place, "since"), "since: entries have no numbers there; see numbered, pointer, count")
        if ("seconds" in log.since.parts) != (len(log.since.parts) == 1 and log.since.kind == "u32"):
            document.complain((*place, "since", "parts"), "parts: [seconds] alone and as u32, or parts of a date")
        if log.since.function == 6 and (len(log.since.parts) > 1 or log.since.kind == "u32"):
            document.complain((*place, "since", "function"), "function: 6 writes one register; use 16")
        return
    if (log.numbered == "ring") != (log.pointer is not None):
        document.complain(place, "pointer: belongs to 'numbered: ring', and that needs it")
    if log.numbered == "from_oldest" and log.count is None:
        document.complain((*place, "numbered"), "numbered: from_oldest needs 'count: …'")
    if log.first + log.entries > 0x10000:
        document.complain((*place, "entries"), "entries: the last number is beyond 65535")


def _check_outside(log: Log, place: Place, points: Mapping[str, Point], document: Document) -> None:
    entry = {point.name for point in log.entry}
    named: list[tuple[Place, str | None]] = [((*place, "pointer"), log.pointer), ((*place, "count"), log.count)]
    if log.since is not None:
        named.append(((*place, "since", "count"), log.since.count))
    for where, name in named:
        point = points.get(name or "")
        if name is not None and (point is None or not point.is_number or point.needs):
            what = "is no plain number" if point is not None else f"is no point of the profile{near(name, points)}"
            document.complain(where, f"{where[-1]}: {name!r} {what}")
    for index, each in enumerate(log.entry):
        for name in sorted(each.needs - entry):
            point = points.get(name)
            if point is None or not point.is_number or point.needs or point.read_clears:
                document.complain(
                    (*place, "entry", index),
                    f"{each.name}: depends on {name!r}, which is no plain number{near(name, points)}",
                )


def _check_entry(log: Log, place: Place, points: Mapping[str, Point], document: Document) -> None:
    check_names("entry", log.entry, document)
    for index, point in enumerate(log.entry):
        where: Place = (*place, "entry", index)
        if point.name in points:
            document.complain((*where, "name"), f"name: {point.name!r} is a point of the profile; choose another")
        for key in ("repeat", "writable"):
            if getattr(point, key) is not None:
                document.complain((*where, key), f"{key}: not in an entry")
        if point.read_clears:
            document.complain((*where, "read_clears"), "read_clears: not in an entry")
        if point.of is not None:
            if point.of not in points:
                document.complain((*where, "of"), f"of: there is no point {point.of!r}{near(point.of, points)}")
            if point.element is not None:
                document.complain((*where, "element"), "element: is that of the point named by 'of'; leave one out")
        elif (point.statistic is not Statistic.INSTANT) != (point.interval_s > 0):
            document.complain((*where, "statistic"), "statistic: a mean, min, max or total has an interval_s")
        if point.kind == "text" and (point.of or point.element):
            document.complain((*where, "as"), "as: text is no measurement")
    if not log.keeps:
        document.complain((*place, "entry"), "entry: nothing of it becomes a reading; write 'of: …' or 'element: …'")


def _check_time(log: Log, place: Place, points: Mapping[str, Point], document: Document) -> None:
    time, where = log.time, (*place, "time")
    known = points if time.every_s else {point.name: point for point in log.entry}
    for key in (*PARTS, "seconds"):
        name: str | None = getattr(time, key)
        if name is not None and (name not in known or not known[name].is_number or known[name].needs):
            whose = "the profile" if time.every_s else "the entry"
            document.complain((*where, key), f"{key}: {name!r} is no plain number of {whose}{near(name, known)}")
    if (time.seconds is None) == (time.year is None):
        document.complain(where, "time: write year, month, day, …, or seconds")
    given = [getattr(time, key) is not None for key in PARTS]
    if given != sorted(given, reverse=True):
        document.complain(where, "time: a coarser part is missing, as in a month without a year")
    if time.every_s and log.since is not None:
        document.complain((*where, "every_s"), "every_s: entries that come since a time must say their own")
    try:
        date.fromisoformat(time.since)
    except ValueError:
        document.complain((*where, "since"), f"since: {time.since} is no date")
    if time.zone_s % 900 or abs(time.zone_s) > 14 * 3600:
        document.complain((*where, "zone"), f"zone: {time.zone} is no zone; Beijing is +08:00")


def check_registers(profile: ModbusProfile, log: Log, place: Place, document: Document) -> None:
    """Complain about entries outside the declared blocks, and what must come in one read and cannot.

    Args:
        profile: repeats written out; as it is, or as a variant makes it.
        log: of the profile.
        place: of the log, or of the variant.
        document: to complain to.
    """
    if log.table not in ("holding", "input"):
        document.complain((*place, "table"), "table: memories are read from holding or input registers")
        return
    ends: dict[int, int] = {}
    for block in profile.blocks:
        for at in range(block.start, block.start + block.count) if block.table == log.table else ():
            ends[at] = max(ends.get(at, 0), block.start + block.count)
    numbers = range(log.first, log.first + (log.entries if log.stride is not None else 1))
    for index, point in enumerate(log.entry):
        outside = next(
            (n for n in numbers if ends.get(log.address(n) + point.at, 0) < log.address(n) + point.at + point.words),
            None,
        )
        if outside is not None:
            at = log.address(outside) + point.at
            where = (*place, "entry", index, "at") if place[0] == "memory" else place
            document.complain(
                where,
                f"at: {point.name} of entry {outside} ({at:#06x}) lies in no declared {log.table} block; see blocks",
            )
    if log.since is not None:
        last = log.at + (log.since.entries - 1) * log.since.stride + max(point.at + point.words for point in log.entry)
        if profile.merge == "none" or last - log.at > profile.registers_most or ends.get(log.at, 0) < last:
            document.complain(
                (*place, "since", "entries") if place[0] == "memory" else place,
                "entries: all that come together must lie in one block and be read in one go",
            )
