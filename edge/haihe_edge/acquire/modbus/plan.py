"""Which reads bring the wanted points. Pure; done once per instrument."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from haihe_edge.profile import Block, ModbusProfile, Point

from .decode import Field, field
from .frames import READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT, Request

FUNCTIONS = {"holding": READ_HOLDING, "input": READ_INPUT, "coil": READ_COILS, "discrete": READ_DISCRETE}
"""The function that reads a table."""
_OVERHEAD_CHARACTERS = 20
"""A read costs 8 bytes of request, 5 around the data of the answer, and twice 3.5 characters of silence."""
_USUAL_BAUD = 9600
_BITS_A_CHARACTER = 11


class Read(NamedTuple):
    """One request and what is in its answer.

    Args:
        request: what to ask.
        fields: what the answer holds.
        clears: reading it changes the instrument; it must not be asked twice.
    """

    request: Request
    fields: tuple[Field, ...]
    clears: bool = False


def plan(profile: ModbusProfile, unit: int, wanted: Collection[str]) -> list[Read]:
    """The quickest reads, each inside the declared blocks and within the instrument's limits.

    Registers that nobody wants are read over where that is quicker than another request. Points that reading
    clears are read alone, and never on the way to another.

    Args:
        profile: of the instrument.
        unit: its address.
        wanted: names of points.
    """
    reads: list[Read] = []
    left = [point for point in profile.points if point.name in wanted and point.is_number]
    for region in _regions(profile):
        inside = [point for point in left if _in(region, point)]
        left = [point for point in left if point not in inside]
        for group in _groups(profile, sorted(inside, key=lambda point: point.at)):
            start, count = _span(profile, region, group)
            fields = tuple(field(point, start) for point in group)
            request = Request(unit, FUNCTIONS[region.table], start, count)
            reads.append(Read(request, fields, any(point.read_clears for point in group)))
    return reads


def _regions(profile: ModbusProfile) -> list[Block]:
    """The blocks, joined where the profile allows to read over what lies between them."""
    if profile.merge != "block" or not profile.join_over:
        return list(profile.blocks)
    joined: list[Block] = []
    for block in sorted(profile.blocks, key=lambda block: (block.table, block.start)):
        last = joined[-1] if joined else None
        if last and last.table == block.table and block.start <= last.start + last.count + profile.join_over:
            end = max(last.start + last.count, block.start + block.count)
            joined[-1] = Block(block.table, last.start, end - last.start)
        else:
            joined.append(block)
    return joined


def _in(region: Block, point: Point) -> bool:
    end = region.start + region.count
    return region.table == point.table and region.start <= point.at and point.at + point.words <= end


def _groups(profile: ModbusProfile, points: Sequence[Point]) -> Iterator[Sequence[Point]]:
    """Points that are read together, in the order of their addresses."""
    if profile.merge == "whole":
        if points:
            yield points
        return
    clearing = [point for point in points if point.read_clears]
    others = [point for point in points if not point.read_clears]
    for each in clearing:
        yield [each]
    if profile.merge == "none":
        yield from _alone(others)
    else:
        yield from _quickest(profile, others)


def _alone(points: Iterable[Point]) -> Iterator[Sequence[Point]]:
    """Each value on its own; parts of one register are one value."""
    spans: dict[tuple[int, int], list[Point]] = {}
    for point in points:
        spans.setdefault((point.at, point.words), []).append(point)
    yield from spans.values()


def _quickest(profile: ModbusProfile, points: Sequence[Point]) -> list[Sequence[Point]]:
    """The division into reads that takes the least time on the wire."""
    character_ms = _BITS_A_CHARACTER * 1000 / (profile.serial.baud if profile.serial else _USUAL_BAUD)
    one_read = _OVERHEAD_CHARACTERS + (profile.answer_ms.typical + profile.pause_ms) / character_ms
    taboo = _cleared(profile)
    best: list[tuple[float, int]] = [(0.0, 0)]
    for last in range(len(points)):
        choices = []
        end = 0
        for first in range(last, -1, -1):
            end = max(end, points[first].at + points[first].words)
            start = _even(profile, points[first].at)
            if first < last and (
                end - start > profile.registers_most or not taboo.isdisjoint(_touched(points[first], start, end))
            ):
                break
            choices.append((best[first][0] + one_read + 2 * (end - start), first))
        best.append(min(choices))
    groups: list[Sequence[Point]] = []
    after = len(points)
    while after:
        first = best[after][1]
        groups.append(points[first:after])
        after = first
    return groups[::-1]


def _cleared(profile: ModbusProfile) -> set[tuple[str, int]]:
    """Registers that must not be read on the way to another."""
    return {
        (point.table, point.at + shift) for point in profile.points if point.read_clears for shift in range(point.words)
    }


def _touched(point: Point, start: int, end: int) -> set[tuple[str, int]]:
    return {(point.table, at) for at in range(start, end)}


def _even(profile: ModbusProfile, start: int) -> int:
    return start - start % profile.align


def _span(profile: ModbusProfile, region: Block, group: Sequence[Point]) -> tuple[int, int]:
    if profile.merge == "whole":
        return region.start, region.count
    start = _even(profile, group[0].at)
    return start, max(point.at + point.words for point in group) - start


def telling_read(profile: ModbusProfile, reads: Sequence[Read]) -> Request | None:
    """A read whose answer can be told from the answer to any of those reads, by its length.

    RTU answers carry no number: after a time-out, the late answer would pass for the answer to the next
    request of the same length. An instrument answers in order, so once the answer to a read of another
    length has come, nothing older can still be under way.

    Returns:
        The request, or None when the profile allows no such read.
    """
    if profile.merge == "whole" or not reads:
        return None
    lengths = {read.request.data_bytes for read in reads}
    unit = reads[0].request.unit
    taboo = _cleared(profile)
    for table, start, count in _harmless(profile):
        if 2 * count not in lengths and taboo.isdisjoint((table, at) for at in range(start, start + count)):
            return Request(unit, FUNCTIONS[table], start, count)
    return None


def _harmless(profile: ModbusProfile) -> Iterator[tuple[str, int, int]]:
    """Table, start and length of everything that may be read, the most certain first."""
    registers = [block for block in profile.blocks if block.table in ("holding", "input")]
    if profile.merge == "block":
        for block in registers:
            for count in range(1, min(block.count, profile.registers_most) + 1):
                yield block.table, block.start, count
    for point in profile.points:
        if point.table in ("holding", "input"):
            yield point.table, point.at, point.words


def reading(profile: ModbusProfile, unit: int, point: Point) -> Request:
    """The read that brings this one point."""
    block = profile.block_of(point) if profile.merge == "whole" else None
    start, count = (point.at, point.words) if block is None else (block.start, block.count)
    return Request(unit, FUNCTIONS[point.table], start, count)
