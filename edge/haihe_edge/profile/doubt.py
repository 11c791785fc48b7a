"""What an instrument says about its own values: status words, status bits, quality numbers. Text and SDI-12."""

from collections.abc import Collection
from typing import Annotated, Literal

import msgspec
from haihe_contract.document import Document, near

from .header import Place


class Doubt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sign by which the instrument itself puts values in doubt.

    Args:
        why: what the instrument means by it.
        text: it is this text somewhere in the message.
        point: or it is in the number of this point.
        bits: any of these bits is set in that number.
        above: or the number is above this.
        below: or below this.
        points: whose values are doubted; none: all of the instrument.
        makes: suspect, or missing where such a value must not be used at all.
    """

    why: Annotated[str, msgspec.Meta(min_length=1)]
    text: str = ""
    point: str = ""
    bits: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] = 0
    above: float | None = None
    below: float | None = None
    points: tuple[str, ...] = ()
    makes: Literal["suspect", "missing"] = "suspect"


def check_doubts(doubts: tuple[Doubt, ...], points: Collection[str], texts: bool, document: Document) -> None:
    """Complain about signs that cannot be seen, or that doubt nothing.

    Args:
        doubts: of the profile.
        points: names of its points.
        texts: whether the instrument can say words.
        document: where to complain.
    """
    for index, doubt in enumerate(doubts):
        place: Place = ("doubts", index)
        if doubt.text and not texts:
            document.complain((*place, "text"), "text: this transport carries numbers only; write point")
        if bool(doubt.text) == bool(doubt.point):
            document.complain(place, "doubts: write one of text and point")
        if doubt.point and not doubt.bits and doubt.above is None and doubt.below is None:
            document.complain((*place, "point"), "point: write bits, above or below too")
        for name in filter(None, (doubt.point, *doubt.points)):
            if name not in points:
                document.complain((*place, "points"), f"points: the profile has no {name!r}{near(name, points)}")
