"""A profile as it is used: repeats written out, one variant chosen, the station's parameters put in. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from .modbus import ModbusProfile, Variant
from .point import Block, Point, Repeat
from .rules import Condition
from .steps import Writable

_P = TypeVar("_P", bound=Point)
Said = Mapping[str, int | float | str | None]
"""Values of points by name: numbers, or text; None where there is none."""


def written_out(profile: ModbusProfile) -> ModbusProfile:
    """The same profile without ``repeat``."""
    copies: dict[str, list[str]] = {}
    for index, point in points_of(profile.points):
        copies.setdefault(profile.points[index].name, []).append(point.name)
    return replace(
        profile,
        blocks=tuple(each for block in profile.blocks for each in blocks_of(block)),
        points=tuple(point for _, point in points_of(profile.points)),
        variants=tuple(_variant_written_out(variant, copies) for variant in profile.variants),
    )


def _variant_written_out(variant: Variant, copies: Mapping[str, list[str]]) -> Variant:
    """A point takes the place of all copies of the one of its name."""
    gone = [each for name in variant.without for each in copies.get(name, [name])]
    points = tuple(point for _, point in points_of(variant.points))
    names = {point.name for point in points}
    gone += [each for point in variant.points for each in copies.get(point.name, ()) if each not in names]
    blocks = variant.blocks
    if blocks is not None:
        blocks = tuple(each for block in blocks for each in blocks_of(block))
    return replace(variant, points=points, blocks=blocks, without=tuple(gone))


def blocks_of(block: Block) -> Iterator[Block]:
    """The block, as often as it is repeated; nothing beyond the last address."""
    if block.repeat is None:
        yield block
        return
    for index in range(block.repeat.count):
        start = block.start + index * block.repeat.stride
        if start <= 0xFFFF:
            yield replace(block, start=start, repeat=None)


def points_of(points: Sequence[Point]) -> Iterator[tuple[int, Point]]:
    """Every point, as often as it is repeated, with the place where it is written."""
    repeats = {point.name: point.repeat for point in points if point.repeat}
    for index, point in enumerate(points):
        if point.repeat is None:
            yield index, point
        else:
            yield from ((index, each) for each in _copies(point, point.repeat, repeats))


def _copies(point: Point, repeat: Repeat, repeats: Mapping[str, Repeat]) -> Iterator[Point]:
    for shift in range(repeat.count):
        number = repeat.first + shift

        def meant(name: str, number: int = number) -> str:
            other = repeats.get(name)
            same = other is not None and (other.count, other.first) == (repeat.count, repeat.first)
            return f"{name}_{number}" if same else name

        at = point.at + shift * repeat.stride
        if at > 0xFFFF:
            return
        yield replace(
            point,
            name=f"{point.name}_{number}",
            at=at,
            place=f"{point.place}-{number}" if point.place else None,
            sentinel_from=meant(point.sentinel_from) if point.sentinel_from else None,
            add=tuple(map(meant, point.add)),
            scale_from=point.scale_from and replace(point.scale_from, point=meant(point.scale_from.point)),
            unit_from=point.unit_from and replace(point.unit_from, point=meant(point.unit_from.point)),
            valid_if=tuple(replace(each, point=meant(each.point)) for each in point.valid_if),
            quality_from=tuple(replace(each, point=meant(each.point)) for each in point.quality_from),
            writable=point.writable and _moved(point.writable, shift * repeat.stride, meant),
            repeat=None,
        )


def _moved(rule: Writable, registers: int, meant: Callable[[str], str]) -> Writable:
    """What is written for a copy lies so many registers further on, as what is read does."""
    return replace(
        rule,
        at=None if rule.at is None else rule.at + registers,
        read_back=meant(rule.read_back) if rule.read_back else None,
    )


def varied(profile: ModbusProfile, variant: Variant) -> ModbusProfile:
    """The profile as it is for that variant."""
    others = {point.name: point for point in variant.points}
    points = [others.pop(point.name, point) for point in profile.points if point.name not in variant.without]
    gone = set(variant.without)
    steps = (
        replace(step, read=tuple(name for name in step.read if name not in gone)) if step.read else step
        for step in profile.measure
    )
    return replace(
        profile,
        points=(*points, *others.values()),
        blocks=profile.blocks if variant.blocks is None else variant.blocks,
        registers_most=variant.registers_most or profile.registers_most,
        merge=variant.merge or profile.merge,
        answer_ms=variant.answer_ms or profile.answer_ms,
        pause_ms=profile.pause_ms if variant.pause_ms is None else variant.pause_ms,
        measure=tuple(step for step in steps if step.read != ()),
        variants=(),
    )


def variant_of(profile: ModbusProfile, said: Said) -> Variant | None:
    """The first variant whose conditions hold, None for the profile as it is."""
    return next(
        (each for each in profile.variants if each.when and all(holds_for(when, said) for when in each.when)), None
    )


def holds_for(condition: Condition, said: Said) -> bool:
    """Whether the instrument fulfils a condition; not when the point has no value."""
    value = said.get(condition.point)
    if value is None:
        return False
    if condition.is_one_of and value not in condition.is_one_of:
        return False
    if value in condition.is_none_of:
        return False
    if condition.matches is not None and re.match(condition.matches, str(value)) is None:
        return False
    if condition.bit is None and condition.low is None and condition.high is None:
        return True
    if isinstance(value, str) or value != value:  # noqa: PLR0124 - NaN fulfils nothing
        return False
    if condition.bit is not None and not int(value) >> condition.bit & 1:
        return False
    return (condition.low is None or value >= condition.low) and (condition.high is None or value <= condition.high)


def with_parameters(profile: ModbusProfile, given: Mapping[str, float]) -> ModbusProfile:
    """The profile with the station's numbers in the places that ask for them.

    Args:
        profile: of the instrument.
        given: what the site says; the profile's defaults fill in. Every parameter must have a value by now.
    """
    if not profile.parameters:
        return profile
    known = {each.name: each.default for each in profile.parameters} | dict(given)
    memory = tuple(replace(log, entry=tuple(_with(point, known) for point in log.entry)) for log in profile.memory)
    return replace(profile, points=tuple(_with(point, known) for point in profile.points), memory=memory)


def _with(point: _P, known: Mapping[str, float | None]) -> _P:
    wanted = point.parameters
    if wanted is None:
        return point

    def value(name: str | None, otherwise: float | None) -> float | None:
        return otherwise if name is None else known.get(name, otherwise)

    return replace(
        point,
        times=point.times * (value(wanted.times, 1.0) or 1.0),
        plus=point.plus + (value(wanted.plus, 0.0) or 0.0),
        low=value(wanted.low, point.low),
        high=value(wanted.high, point.high),
        parameters=None,
    )
