"""What every profile has, whatever its instrument speaks: who made it, how sure it is, what its points mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from haihe_contract.document import Document, near
from haihe_contract.element import ELEMENTS
from haihe_contract.series import POINT_PATTERN

from haihe_edge import limits

Parity = Literal["none", "even", "odd"]
Grade = Literal["simulated", "bench", "field"]
Unit = Annotated[int, msgspec.Meta(ge=0, le=255)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=limits.ANSWER_MS_MAX)]
LongMilliseconds = Annotated[int, msgspec.Meta(ge=0, le=limits.PERIOD_MS_MAX)]
Name = Annotated[str, msgspec.Meta(pattern=POINT_PATTERN)]
Place = tuple[str | int, ...]


class Serial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the instrument's port is set when it leaves the maker.

    Args:
        baud: bits per second.
        parity: none, even or odd.
        stop_bits: 1 or 2.
    """

    baud: Annotated[int, msgspec.Meta(ge=300, le=4_000_000)]
    parity: Parity = "none"
    stop_bits: Literal[1, 2] = 1


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the instrument thinks before it answers, without the time on the wire.

    Args:
        typical: milliseconds, usually.
        most: milliseconds after which it will not answer any more.
    """

    typical: Milliseconds
    most: Annotated[int, msgspec.Meta(ge=1, le=limits.ANSWER_MS_MAX)]


class Power(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an instrument needs after its supply was switched on. The three times follow each other.

    Args:
        warm_up_ms: until it answers at all.
        settle_ms: until its values are right.
        measure_ms: one measurement.
    """

    warm_up_ms: LongMilliseconds = 0
    settle_ms: LongMilliseconds = 0
    measure_ms: LongMilliseconds = 0


class Sentinel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A raw number that is not a measurement.

    Args:
        raw: the number before scaling; ``.nan``, ``.inf`` and ``-.inf`` are tested too.
        why: what the instrument means by it.
    """

    raw: int | float
    why: str


class Counter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The point counts up. What a jump back means.

    Args:
        width: bits after which it starts again from 0; left out: never.
        resets: ``power`` when it is lost with the supply, ``anybody`` when any master may clear it.
        saturates_at: value in the element's unit at which it stops counting instead; from there on the value
            is marked as doubtful.
    """

    width: Annotated[int, msgspec.Meta(ge=4, le=64)] | None = None
    resets: Literal["never", "power", "anybody"] = "never"
    saturates_at: float | None = None


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something with a name of its own."""

    name: Name


class PointBase(Named, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every point has.

    Args:
        element: code of the element register that it measures; without one it is read only when a site asks.
        times: factor to the element's unit.
        plus: added after the factor.
        sentinels: raw numbers that mean "no measurement".
        low: the sensor can measure nothing below, in the element's unit.
        high: the sensor can measure nothing above.
        place: the measuring point of its series where the site file does not say one; for instruments that
            measure one element at several places.
        counter: for a point that counts up.
        unsure: what the documents leave open and hardware must show.
        note: anything else worth knowing.
    """

    element: str | None = None
    times: float = 1.0
    plus: float = 0.0
    sentinels: tuple[Sentinel, ...] = ()
    low: float | None = None
    high: float | None = None
    place: Name | None = None
    counter: Counter | None = None
    unsure: str = ""
    note: str = ""

    @property
    def is_number(self) -> bool:
        """Whether it can be a reading; text and the like only identify."""
        return True


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="transport"):
    """What every profile begins with.

    Args:
        profile: id; also the name of the file.
        maker: who makes it.
        model: what it is.
        grade: how far this profile has been proven: simulated, bench or field.
        sources: where each fact comes from.
        aliases: other names under which the same instrument is sold.
        serial: default settings of its port, where known.
        power: times after its supply was switched on.
        preconditions: what must be set at the instrument before it can answer; shown when it does not.
        notes: what a technician should know before and at the fault.
    """

    profile: Name
    maker: str
    model: str
    grade: Grade
    sources: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    aliases: tuple[str, ...] = ()
    serial: Serial | None = None
    power: Power | None = None
    preconditions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def transport(self) -> str:
        """How it speaks: the word that chose this kind of profile."""
        return str(self.__struct_config__.tag)


def check_header(profile: Header, path: Path, document: Document) -> None:
    """Complain about what is wrong with the head of any profile."""
    if profile.profile != path.stem:
        document.complain(
            ("profile",), f"profile: {profile.profile!r} lies in a file named {path.name}; they must agree"
        )


def check_unit(unit: int, units: Sequence[int], document: Document) -> None:
    """Complain about a usual address that is none of the possible ones."""
    if not units[0] <= unit <= units[1]:
        document.complain(("unit",), f"unit: {unit} lies outside units {list(units)}")


def check_answer(answer: Answer, document: Document) -> None:
    """Complain about times of an answer that contradict each other."""
    if answer.typical > answer.most:
        document.complain(("answer_ms", "most"), "most: less than typical")


def check_names(what: str, entries: Sequence[Any], document: Document) -> None:
    """Complain about names that are taken already in that list."""
    seen: dict[str, int] = {}
    for index, each in enumerate(entries):
        if each.name in seen:
            document.complain((what, index, "name"), f"name: {each.name!r} is taken by point {seen[each.name] + 1}")
        seen.setdefault(each.name, index)


def check_meaning(point: PointBase, place: Place, document: Document) -> None:
    """Complain about the element, factor and range of a point."""

    def wrong(key: str, what: str) -> None:
        document.complain((*place, key), f"{key}: {what}")

    if point.element is not None and point.element not in ELEMENTS:
        wrong("element", f"{point.element!r} is not in the element register{near(point.element, ELEMENTS)}")
    if point.times == 0:
        wrong("times", "0 would make every value the same")
    if point.low is not None and point.high is not None and point.low >= point.high:
        wrong("high", "must be more than low")
