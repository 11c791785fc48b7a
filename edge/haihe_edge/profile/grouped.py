"""Points that must be written in one request: whether one request can carry them."""

from collections.abc import Iterable, Mapping

from haihe_contract.document import Document

from haihe_edge import limits

from .header import Place
from .point import Point


def members(points: Iterable[Point], group: str) -> list[Point]:
    """The points of a group, in the order in which their registers stand in the request."""
    return sorted((each for each in points if _group(each) == group), key=written_at)


def written_at(point: Point) -> int:
    """The first register to write."""
    return point.at if point.writable is None or point.writable.at is None else point.writable.at


def check_groups(points: Iterable[Point], places: Mapping[str, Place], document: Document) -> None:
    """Complain about groups whose points do not fit into one request.

    Args:
        points: every point, repeats written out.
        places: where those points stand that are to be complained about.
        document: to complain to.
    """
    points = list(points)
    for group in dict.fromkeys(filter(None, map(_group, points))):
        found = members(points, group)
        for before, point in zip([None, *found], found, strict=False):
            what = _fault(group, before, point)
            if what and point.name in places:
                document.complain((*places[point.name], "writable", "group"), f"group: {what}")
        first, many = found[0], sum(each.words for each in found)
        if many > limits.WRITTEN_REGISTERS_MAX and first.name in places:
            document.complain(
                (*places[first.name], "writable", "group"),
                f"group: {group!r} has {many} registers; one request writes at most {limits.WRITTEN_REGISTERS_MAX}",
            )


def _fault(group: str, before: Point | None, point: Point) -> str:
    rule = point.writable
    if rule is not None and rule.function != 16:
        return f"points of a group are written by function 16, not {rule.function}"
    if before is not None and written_at(point) != written_at(before) + before.words:
        return (
            f"{point.name} is written at {written_at(point):#06x}, not beside {before.name} "
            f"({written_at(before):#06x}, length {before.words}); {group!r} cannot be one request"
        )
    return ""


def _group(point: Point) -> str | None:
    return point.writable.group if point.writable else None
