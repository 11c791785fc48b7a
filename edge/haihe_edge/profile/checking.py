"""Whether the parts of a Modbus profile fit together. Complaints name what is wrong and what to do."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from haihe_contract.document import Document, near

from .expand import blocks_of, points_of, varied, written_out
from .grouped import check_groups
from .header import Place, check_answer, check_header, check_meaning, check_names, check_unit
from .memory_checks import check_memory, check_registers
from .modbus import ModbusProfile
from .point import Point, holds
from .rules import Condition, Quality
from .steps import Send, Step

_RANGES = {
    f"{sign}{bits}": (0, 2**bits - 1) if sign == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for sign in "us"
    for bits in (16, 32, 64)
}
_BIT_TABLES = ("coil", "discrete")
COIL_ON = 0xFF00
"""What function 5 sends for on (MODBUS Application Protocol V1.1b3, section 6.5)."""
BCD_REGISTERS_MAX = 4
"""Sixteen digits: more than a float can say."""


def check_modbus(profile: ModbusProfile, path: Path, document: Document) -> None:
    """Complain about everything that does not fit together."""
    check_header(profile, path, document)
    check_unit(profile.unit, profile.units, document)
    check_answer(profile.answer_ms, document)
    if profile.join_over and profile.holes not in ("zeros", "nan"):
        document.complain(("join_over",), "join_over: only where it is known that holes are zeros or nan; see holes")
    check_names("points", profile.points, document)
    check_names("parameters", profile.parameters, document)
    check_names("commands", profile.commands, document)
    check_names("variants", profile.variants, document)
    whole = _checked(profile, (), document)
    _check_steps(profile, whole, document)
    _check_conditions(profile.identify, ("identify",), whole, document)
    for index, variant in enumerate(profile.variants):
        place: Place = ("variants", index)
        _check_conditions(variant.when, (*place, "when"), whole, document)
        for at, name in enumerate(variant.without):
            if name not in whole and name not in {point.name for point in profile.points}:
                document.complain((*place, "without", at), f"without: there is no point {name!r}{near(name, whole)}")
        if variant.points or variant.blocks is not None:
            plain = written_out(profile)
            names = [point.name for point in variant.points]
            other = varied(plain, plain.variants[index])
            _checked(other, place, document, only=names)
            for log in profile.memory if variant.blocks is not None else ():
                check_registers(other, log, (*place, "blocks"), document)
    check_memory(written_out(profile), document)
    for index, log in enumerate(profile.memory):
        for at, entered in enumerate(log.entry):
            _check_point(profile, entered, ("memory", index, "entry", at), document)


def _checked(
    profile: ModbusProfile, place: Place, document: Document, *, only: Sequence[str] | None = None
) -> dict[str, Point]:
    """Check blocks and points; returns every point by name, repeats written out.

    Args:
        profile: as it is, or as a variant makes it.
        place: of the variant, empty for the profile itself.
        document: to complain to.
        only: names of the points that stand in the variant, in its order.
    """
    for index, block in enumerate(profile.blocks):
        where: Place = (*place, "blocks", index)
        if any(each.start + each.count > 0x10000 for each in blocks_of(block)):
            document.complain((*where, "count"), "count: the block ends beyond address 65535")
        if profile.merge == "whole" and block.count > profile.registers_most:
            document.complain((*where, "count"), "count: more than registers_most, and merge: whole forbids parts")
        if profile.align == 2 and block.start % 2:
            document.complain((*where, "start"), "start: must be even where align is 2")
    whole = {point.name: point for _, point in points_of(profile.points)}
    blocks = [each for block in profile.blocks for each in blocks_of(block)]
    linked: set[int] = set()
    places: dict[str, Place] = {}
    for index, point in points_of(profile.points):
        written = profile.points[index]
        if only is None:
            where = ("points", index)
        elif written.name in only:
            where = (*place, "points", only.index(written.name))
        else:
            where = place
        if not any(holds(block, point) for block in blocks):
            document.complain(
                (*where, "at"),
                f"at: {point.at:#06x} (length {point.words}) lies in no declared {point.table} block; see blocks",
            )
        if only is not None and written.name not in only:
            continue
        places[point.name] = where
        if index in linked:
            continue
        linked.add(index)
        _check_point(profile, point, where, document)
        _check_links(profile, point, where, whole, document)
        if point.writable is not None:
            _check_writable(point, where, whole, document)
    check_groups(whole.values(), places, document)
    return whole


def _check_point(profile: ModbusProfile, point: Point, place: Place, document: Document) -> None:
    def wrong(key: str, what: str) -> None:
        document.complain((*place, key), f"{key}: {what}")

    check_meaning(point, place, document)
    _check_kind(point, place, document)
    _check_sentinels(point, place, document)
    if point.words > profile.registers_most:
        wrong("as", f"{point.kind} is longer than registers_most")
    if profile.align == 2 and point.words > 1 and point.at % 2:
        wrong("at", "must be even where align is 2")
    if point.counter is not None and point.counter.saturates_at is not None and point.counter.width is not None:
        document.complain((*place, "counter", "width"), "width: a counter starts again or saturates, not both")
    if point.read_clears and profile.merge == "whole":
        wrong("read_clears", "cannot be read alone where merge is whole")


def _check_kind(point: Point, place: Place, document: Document) -> None:
    def wrong(key: str, what: str) -> None:
        document.complain((*place, key), f"{key}: {what}")

    if (point.kind == "bit") != (point.table in _BIT_TABLES):
        wrong("as", "'bit' is the one kind of the tables coil and discrete")
    if point.kind in ("bcd", "text") and point.registers is None:
        wrong("as", f"{point.kind} needs 'registers: …'")
    if point.registers is not None and point.kind not in ("bcd", "text"):
        wrong("registers", f"{point.kind} has a length of its own; leave this out")
    if point.kind == "bcd" and point.words > BCD_REGISTERS_MAX:
        wrong("registers", f"at most {BCD_REGISTERS_MAX} for bcd")
    if point.kind == "text" and point.element is not None:
        wrong("element", "text is no measurement")
    if point.bits is not None:
        width = 16 * point.words
        if point.kind not in _RANGES and point.kind != "bcd":
            wrong("bits", f"{point.kind} has no bits to choose from")
        elif not point.bits[0] <= point.bits[1] < width:
            wrong("bits", f"write [lowest, highest] between 0 and {width - 1}")
    if point.byte is not None and (point.words != 1 or point.bits is not None or point.kind in ("text", "bit")):
        wrong("byte", "only for one register, and not together with bits")


def _check_sentinels(point: Point, place: Place, document: Document) -> None:
    bounds = _RANGES.get(point.kind)
    if bounds is not None and (point.bits or point.byte):
        wide = point.bits[1] - point.bits[0] + 1 if point.bits else 8
        bounds = (0, 2**wide - 1) if point.kind[0] == "u" else (-(2 ** (wide - 1)), 2 ** (wide - 1) - 1)
    for at, sentinel in enumerate(point.sentinels):
        whole = math.isfinite(sentinel.raw) and float(sentinel.raw).is_integer()
        if bounds is not None and not (whole and bounds[0] <= sentinel.raw <= bounds[1]):
            document.complain(
                (*place, "sentinels", at, "raw"),
                f"raw: {sentinel.raw} can never be read as {point.kind} ({bounds[0]} to {bounds[1]})",
            )


def _check_links(
    profile: ModbusProfile, point: Point, place: Place, whole: Mapping[str, Point], document: Document
) -> None:
    """Every point that this one depends on must exist, be a number where one is needed, and stand on its own."""
    for name in sorted(point.needs):
        other = whole.get(name)
        if other is None:
            document.complain(place, f"{point.name}: depends on {name!r}, which is no point{near(name, whole)}")
        elif name == point.name:
            document.complain(place, f"{point.name}: depends on itself")
        elif other.needs:
            document.complain(place, f"{point.name}: depends on {name}, which depends on others itself")
        elif other.read_clears:
            document.complain(place, f"{point.name}: depends on {name}, which reading clears")
        elif not other.is_number:
            document.complain(place, f"{point.name}: depends on {name}, which is text")
    for at, quality in enumerate(point.quality_from):
        _check_quality(quality, (*place, "quality_from", at), document)
    _check_conditions(point.valid_if, (*place, "valid_if"), whole, document)
    declared = [each.name for each in profile.parameters]
    for key in ("times", "plus", "low", "high"):
        wanted: str | None = getattr(point.parameters, key, None)
        if wanted is not None and wanted not in declared:
            document.complain(
                (*place, "parameters", key), f"{key}: {wanted!r} is not one of parameters{near(wanted, declared)}"
            )


def _check_quality(quality: Quality, place: Place, document: Document) -> None:
    graded = quality.best is not None or quality.worst is not None
    plain = bool(quality.is_one_of or quality.is_none_of) or quality.bit is not None
    if graded == plain:
        document.complain(place, "quality_from: write a status (is, is_not or bit) or a figure (best and worst)")
        return
    if graded and (quality.best is None or quality.worst is None or quality.best == quality.worst):
        document.complain(place, "quality_from: a figure needs both best and worst, and they must differ")
    if graded and quality.doubtful_from is None and quality.missing_from is None:
        document.complain(place, "quality_from: say doubtful_from, missing_from, or both")


def _check_writable(point: Point, place: Place, whole: Mapping[str, Point], document: Document) -> None:
    writable = point.writable
    assert writable is not None  # noqa: S101 - the caller has looked
    where = (*place, "writable")
    if (writable.low is None or writable.high is None) and not writable.is_one_of:
        document.complain(where, "writable: say low and high, or the values allowed ('is: […]')")
    elif writable.low is not None and writable.high is not None and writable.low >= writable.high:
        document.complain((*where, "high"), "high: must be more than low")
    if point.table not in ("holding", "coil") and writable.at is None:
        document.complain(where, f"writable: a point of the table {point.table} needs 'at: …' of its holding register")
    if writable.function == 6 and point.words > 1:
        document.complain((*where, "function"), "function: 6 writes one register; use 16")
    if writable.read_back is not None and writable.read_back not in whole:
        document.complain(
            (*where, "read_back"),
            f"read_back: there is no point {writable.read_back!r}{near(writable.read_back, whole)}",
        )


def _check_conditions(
    conditions: Iterable[Condition], place: Place, whole: Mapping[str, Point], document: Document
) -> None:
    for at, each in enumerate(conditions):
        if each.point not in whole:
            document.complain((*place, at, "point"), f"point: there is no {each.point!r}{near(each.point, whole)}")
        if each.matches is not None:
            try:
                re.compile(each.matches)
            except re.error as error:
                document.complain((*place, at, "matches"), f"matches: no regular expression: {error}")


def _check_steps(profile: ModbusProfile, whole: Mapping[str, Point], document: Document) -> None:
    known: set[str] = set()
    for index, step in enumerate(profile.measure):
        _check_step(step, ("measure", index), document)
        if step.send is not None and step.send.function == 16 and not step.send.values:
            document.complain(("measure", index, "send"), "values: a write of nothing is only for commands")
        for at, name in enumerate(step.read or ()):
            if name not in whole:
                document.complain(
                    ("measure", index, "read", at), f"read: there is no point {name!r}{near(name, whole)}"
                )
            known.add(name)
        if step.wait_for is not None and step.wait_for.point not in known:
            document.complain(
                ("measure", index, "wait_for", "point"),
                f"point: {step.wait_for.point!r} is read by no step before this",
            )
    for index, command in enumerate(profile.commands):
        for at, step in enumerate(command.steps):
            _check_step(step, ("commands", index, "steps", at), document)
            if step.read or step.wait_for:
                document.complain(("commands", index, "steps", at), "a command only sends and waits")
        if not any(step.send for step in command.steps):
            document.complain(("commands", index, "steps"), "steps: nothing is sent")
        for at, name in enumerate(command.clears):
            if name not in whole:
                document.complain(
                    ("commands", index, "clears", at), f"clears: there is no point {name!r}{near(name, whole)}"
                )


def _check_step(step: Step, place: Place, document: Document) -> None:
    written = [key for key in ("send", "wait_ms", "wait_for", "read") if getattr(step, key) is not None]
    if len(written) != 1:
        document.complain(place, "a step has exactly one of the keys send, wait_ms, wait_for, read")
    if step.send is not None:
        _check_send(step.send, (*place, "send"), document)


def _check_send(send: Send, place: Place, document: Document) -> None:
    if send.function in (3, 4) and send.values:
        document.complain((*place, "values"), f"values: function {send.function} reads")
    if send.function in (5, 6) and (len(send.values) != 1 or send.count):
        document.complain((*place, "values"), f"values: function {send.function} writes exactly one")
    if send.function == 5 and send.values not in ((0,), (COIL_ON,)):
        document.complain((*place, "values"), "values: a coil is switched by [0xFF00] (on) or [0] (off)")
    if send.function == 16 and send.count:
        document.complain((*place, "count"), "count: follows from values; leave it out")
