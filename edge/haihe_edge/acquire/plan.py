"""Which reads bring the wanted points. Pure; done once per instrument."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from haihe_edge.profile import Block, Point, Profile

from .decode import Field, field
from .modbus import READ_HOLDING, READ_INPUT, Request


class Read(NamedTuple):
    """One request and what is in its answer."""

    request: Request
    fields: tuple[Field, ...]


def plan(profile: Profile, unit: int, wanted: Collection[str]) -> list[Read]:
    """As few reads as possible, each inside one declared block and within the instrument's limit.

    Args:
        profile: of the instrument.
        unit: its address.
        wanted: names of points.
    """
    reads: list[Read] = []
    left = [point for point in profile.points if point.name in wanted]
    for block in profile.blocks:
        inside = [point for point in left if profile.block_of(point) is block]
        for group in _groups(profile, block, sorted(inside, key=lambda point: point.at)):
            start, count = _span(profile, block, group)
            function = READ_HOLDING if block.table == "holding" else READ_INPUT
            fields = tuple(field(point, start) for point in group)
            reads.append(Read(Request(unit, function, start, count), fields))
    return reads


def _groups(profile: Profile, block: Block, points: Sequence[Point]) -> list[list[Point]]:
    groups: list[list[Point]] = []
    for point in points:
        fits = groups and (profile.whole_blocks or point.at + point.words - groups[-1][0].at <= profile.registers_most)
        if fits:
            groups[-1].append(point)
        else:
            groups.append([point])
    return groups


def _span(profile: Profile, block: Block, group: Sequence[Point]) -> tuple[int, int]:
    if profile.whole_blocks:
        return block.start, block.count
    start = group[0].at
    return start, max(point.at + point.words for point in group) - start


def telling_read(profile: Profile, reads: Sequence[Read]) -> Request | None:
    """A read whose answer can be told from the answer to any of those reads, by its length.

    RTU answers carry no number: after a time-out, the late answer would pass for the answer to the next
    request of the same length. An instrument answers in order, so once the answer to a read of another
    length has come, nothing older can still be under way.

    Returns:
        The request, or None when the profile allows no such read.
    """
    if profile.whole_blocks or not reads:
        return None
    lengths = {read.request.quantity for read in reads}
    unit = reads[0].request.unit
    for block in profile.blocks:
        most = min(block.count, profile.registers_most)
        for count in range(1, most + 1):
            if count not in lengths:
                function = READ_HOLDING if block.table == "holding" else READ_INPUT
                return Request(unit, function, block.start, count)
    return None
