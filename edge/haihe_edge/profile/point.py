"""Where a number lies in an instrument's registers, and what it means: blocks and points of Modbus profiles."""

from typing import Annotated, Literal

import msgspec

from haihe_edge import limits

from .header import Name, PointBase
from .rules import Condition, FromParameters, Quality, ScaleFrom, UnitFrom
from .steps import Address, Writable

Table = Literal["holding", "input", "coil", "discrete"]
Kind = Literal["u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64", "bcd", "text", "bit"]
Order = Literal["ABCD", "CDAB", "BADC", "DCBA"]
Merge = Literal["none", "block", "whole"]
Registers = Annotated[int, msgspec.Meta(ge=1, le=limits.REGISTERS_MAX)]
Bit = Annotated[int, msgspec.Meta(ge=0, le=63)]

WORDS_OF: dict[str, int] = {"u16": 1, "s16": 1, "u32": 2, "s32": 2, "f32": 2, "u64": 4, "s64": 4, "f64": 4}
"""Registers that a number of that kind takes."""


class Repeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same again, so many times: names get ``_1``, ``_2``, ... and measuring points ``-1``, ``-2``, ...

    A reference to a point that is repeated as often means the one of the same number.

    Args:
        count: how many there are.
        stride: registers from one to the next.
        first: number of the first.
    """

    count: Annotated[int, msgspec.Meta(ge=1, le=128)]
    stride: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    first: Annotated[int, msgspec.Meta(ge=0, le=999)] = 1


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run of registers that may be read in one go.

    Args:
        table: holding (function 3), input (4), coil (1) or discrete (2).
        start: first address.
        count: how many registers (bits in the tables of bits).
        repeat: for blocks that come again.
    """

    table: Table
    start: Address
    count: Registers
    repeat: Repeat | None = None


class Point(PointBase, frozen=True, forbid_unknown_fields=True):
    """One thing the instrument can say: value = raw * times + plus.

    Args:
        name: our name for it, unique in the profile.
        at: first register.
        kind: how the registers make a number; written ``as``. ``bcd`` and ``text`` also need ``registers``;
            ``bit`` is the only kind of the tables coil and discrete.
        table: holding, input, coil or discrete.
        order: how the bytes of a number ABCD arrive: ABCD normal, CDAB low word first, BADC bytes swapped
            inside words, DCBA all reversed.
        registers: how many registers a ``bcd`` number or a ``text`` takes.
        byte: only the high or the low byte of the number, for two things in one register.
        bits: only these bits, lowest and highest, 0 being the lowest; a signed kind stays signed.
        invalid_at_max: the largest number of the kind is no measurement.
        sentinel_from: the number that is no measurement stands in this point.
        add: points whose raw numbers are added before scaling: the fraction of a totalizer.
        scale_from: a factor that stands in another register.
        unit_from: the unit that was chosen at the instrument.
        valid_if: else there is no value.
        quality_from: what other points say about its quality.
        parameters: which of its numbers the station must say.
        read_clears: reading it starts it again from 0, or clears it. It is read alone, and a failed read is not
            repeated: what it held is lost.
        writable: it may be set.
        repeat: for points that come again.
        printed: its number as the manual prints it.
        example: a text as it may stand there.
    """

    at: Address
    kind: Kind = msgspec.field(name="as")
    table: Table = "holding"
    order: Order = "ABCD"
    registers: Registers | None = None
    byte: Literal["high", "low"] | None = None
    bits: Annotated[tuple[Bit, ...], msgspec.Meta(min_length=2, max_length=2)] | None = None
    invalid_at_max: bool = False
    sentinel_from: Name | None = None
    add: tuple[Name, ...] = ()
    scale_from: ScaleFrom | None = None
    unit_from: UnitFrom | None = None
    valid_if: tuple[Condition, ...] = ()
    quality_from: tuple[Quality, ...] = ()
    parameters: FromParameters | None = None
    read_clears: bool = False
    writable: Writable | None = None
    repeat: Repeat | None = None
    printed: str = ""
    example: str = ""

    @property
    def words(self) -> int:
        """Registers that the value takes."""
        return self.registers or WORDS_OF.get(self.kind, 1)

    @property
    def is_number(self) -> bool:
        """Whether it can be a reading."""
        return self.kind != "text"

    @property
    def needs(self) -> set[str]:
        """Names of the points without which it has no value."""
        found = {*self.add, *(each.point for each in self.valid_if), *(each.point for each in self.quality_from)}
        found |= {each.point for each in (self.scale_from, self.unit_from) if each is not None}
        return found | ({self.sentinel_from} if self.sentinel_from else set())


def holds(block: Block, point: Point) -> bool:
    """Whether the whole point lies in the block."""
    return (
        block.table == point.table and block.start <= point.at and point.at + point.words <= block.start + block.count
    )
