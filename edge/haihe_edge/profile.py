"""What a model of instrument can say: the model of ``firmware_profiles/*.yaml``.

Addresses are those on the wire, counted from 0, whatever a manual prints. Reads stay inside declared blocks:
what lies between blocks may answer with an exception, with silence or with nonsense.
"""

import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from haihe_contract.document import Document, DocumentError, Problem, load, near
from haihe_contract.element import ELEMENTS
from haihe_contract.series import POINT_PATTERN

from . import limits

Table = Literal["holding", "input"]
Kind = Literal["u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64"]
Order = Literal["ABCD", "CDAB", "BADC", "DCBA"]
Parity = Literal["none", "even", "odd"]
Grade = Literal["simulated", "bench", "field"]
Address = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
Unit = Annotated[int, msgspec.Meta(ge=0, le=255)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=limits.ANSWER_MS_MAX)]
Registers = Annotated[int, msgspec.Meta(ge=1, le=limits.REGISTERS_MAX)]
Name = Annotated[str, msgspec.Meta(pattern=POINT_PATTERN)]

WORDS_OF: dict[str, int] = {"u16": 1, "s16": 1, "u32": 2, "s32": 2, "f32": 2, "u64": 4, "s64": 4, "f64": 4}
"""Registers that a value of that kind takes."""
_RANGES = {
    f"{sign}{bits}": (0, 2**bits - 1) if sign == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for sign in "us"
    for bits in (16, 32, 64)
}


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


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run of registers that may be read in one go.

    Args:
        table: holding (function 3) or input (function 4).
        start: first address.
        count: how many registers.
    """

    table: Table
    start: Address
    count: Registers


class Sentinel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A raw number that is not a measurement.

    Args:
        raw: the number before scaling.
        why: what the instrument means by it.
    """

    raw: int | float
    why: str


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing the instrument can say: value = raw * times + plus.

    Args:
        name: our name for it, unique in the profile.
        at: first register.
        kind: how the registers make a number; written ``as``.
        table: holding or input.
        order: how the bytes of a number ABCD arrive: ABCD normal, CDAB low word first, BADC bytes swapped
            inside words, DCBA all reversed.
        element: code of the element register that it measures; without one it is read only when a site asks.
        times: factor to the element's unit.
        plus: added after the factor.
        sentinels: raw numbers that mean "no measurement".
        low: the sensor can measure nothing below, in the element's unit.
        high: the sensor can measure nothing above.
        unsure: what the documents leave open and hardware must show.
        note: anything else worth knowing.
    """

    name: Name
    at: Address
    kind: Kind = msgspec.field(name="as")
    table: Table = "holding"
    order: Order = "ABCD"
    element: str | None = None
    times: float = 1.0
    plus: float = 0.0
    sentinels: tuple[Sentinel, ...] = ()
    low: float | None = None
    high: float | None = None
    unsure: str = ""
    note: str = ""

    @property
    def words(self) -> int:
        """Registers that the value takes."""
        return WORDS_OF[self.kind]


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model of instrument with one generation of firmware.

    Args:
        profile: id; also the name of the file.
        maker: who makes it.
        model: what it is.
        grade: how far this profile has been proven: simulated, bench or field.
        sources: where each fact comes from.
        transport: how it speaks.
        blocks: what may be read.
        points: what it can say.
        answer_ms: how long it thinks.
        aliases: other names under which the same instrument is sold.
        serial: default settings of its port, where known.
        unit: default address on the bus.
        units: lowest and highest address that it can be given.
        registers_most: most registers of one read.
        whole_blocks: it answers reads of a whole block only.
        pause_ms: silence that it needs between two requests.
        notes: what a technician should know before and at the fault.
    """

    profile: Name
    maker: str
    model: str
    grade: Grade
    sources: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    transport: Literal["modbus"]
    blocks: Annotated[tuple[Block, ...], msgspec.Meta(min_length=1, max_length=64)]
    points: Annotated[tuple[Point, ...], msgspec.Meta(min_length=1, max_length=500)]
    answer_ms: Answer
    aliases: tuple[str, ...] = ()
    serial: Serial | None = None
    unit: Unit = 1
    units: Annotated[tuple[Unit, ...], msgspec.Meta(min_length=2, max_length=2)] = (1, 247)
    registers_most: Registers = limits.REGISTERS_MAX
    whole_blocks: bool = False
    pause_ms: Milliseconds = 0
    notes: tuple[str, ...] = ()

    def point(self, name: str) -> Point | None:
        """The point of that name, or None."""
        return next((point for point in self.points if point.name == name), None)

    def block_of(self, point: Point) -> Block | None:
        """The declared block that holds the whole point, or None."""
        return next((block for block in self.blocks if _holds(block, point)), None)


def _holds(block: Block, point: Point) -> bool:
    return (
        block.table == point.table and block.start <= point.at and point.at + point.words <= block.start + block.count
    )


def load_profile(path: Path) -> Profile:
    """Read and check one profile.

    Raises:
        DocumentError: with every fault of the file.
    """
    profile, document = load(path, Profile)
    _check(profile, path, document)
    document.finish()
    return profile


def _check(profile: Profile, path: Path, document: Document) -> None:
    if profile.profile != path.stem:
        document.complain(
            ("profile",), f"profile: {profile.profile!r} lies in a file named {path.name}; they must agree"
        )
    if not profile.units[0] <= profile.unit <= profile.units[1]:
        document.complain(("unit",), f"unit: {profile.unit} lies outside units {list(profile.units)}")
    if profile.answer_ms.typical > profile.answer_ms.most:
        document.complain(("answer_ms", "most"), "most: less than typical")
    for index, block in enumerate(profile.blocks):
        if block.start + block.count > 0x10000:
            document.complain(("blocks", index, "count"), "count: the block ends beyond address 65535")
        if profile.whole_blocks and block.count > profile.registers_most:
            document.complain(
                ("blocks", index, "count"), "count: more than registers_most, and whole_blocks forbids parts"
            )
    seen: dict[str, int] = {}
    for index, point in enumerate(profile.points):
        if point.name in seen:
            document.complain(
                ("points", index, "name"), f"name: {point.name!r} is taken by point {seen[point.name] + 1}"
            )
        seen.setdefault(point.name, index)
        _check_point(profile, point, index, document)


def _check_point(profile: Profile, point: Point, index: int, document: Document) -> None:
    def wrong(key: str, what: str) -> None:
        document.complain(("points", index, key), f"{key}: {what}")

    if profile.block_of(point) is None:
        wrong("at", f"{point.at:#06x} (length {point.words}) lies in no declared {point.table} block; see blocks")
    elif point.words > profile.registers_most:
        wrong("as", f"{point.kind} is longer than registers_most")
    if point.element is not None and point.element not in ELEMENTS:
        wrong("element", f"{point.element!r} is not in the element register{near(point.element, ELEMENTS)}")
    if point.times == 0:
        wrong("times", "0 would make every value the same")
    if point.low is not None and point.high is not None and point.low >= point.high:
        wrong("high", "must be more than low")
    for at, sentinel in enumerate(point.sentinels):
        bounds = _RANGES.get(point.kind)
        whole = float(sentinel.raw).is_integer() if math.isfinite(sentinel.raw) else False
        if bounds is not None and not (whole and bounds[0] <= sentinel.raw <= bounds[1]):
            document.complain(
                ("points", index, "sentinels", at, "raw"),
                f"raw: {sentinel.raw} can never be read as {point.kind} ({bounds[0]} to {bounds[1]})",
            )


def profile_directories(asked: Sequence[Path] = ()) -> list[Path]:
    """Where profiles are looked for, in this order: asked for, HAIHE_PROFILES, here, installed."""
    found = list(asked)
    found += [Path(each) for each in os.environ.get("HAIHE_PROFILES", "").split(os.pathsep) if each]
    found += [Path("firmware_profiles"), Path(sys.prefix) / "share" / "haihe" / "firmware_profiles"]
    return found


def known_profiles(directories: Sequence[Path]) -> dict[str, Path]:
    """Every profile that can be named, by id; the first directory that has one wins."""
    found: dict[str, Path] = {}
    for directory in directories:
        for path in sorted(directory.glob("*.yaml")) if directory.is_dir() else ():
            found.setdefault(path.stem, path)
    return found


def problems_of(path: Path) -> list[Problem]:
    """Every fault of a profile, none when it is good."""
    try:
        load_profile(path)
    except DocumentError as error:
        return error.problems
    return []
