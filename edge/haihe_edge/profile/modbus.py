"""Instruments that speak Modbus: ``transport: modbus``.

Addresses are those on the wire, counted from 0, whatever a manual prints. Reads stay inside declared blocks:
what lies between blocks may answer with an exception, with silence or with nonsense.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from haihe_edge import limits

from .header import Answer, Header, LongMilliseconds, Milliseconds, Name, PointBase, Unit
from .rules import Condition, FromParameters, Parameter, Quality, ScaleFrom, UnitFrom
from .steps import Address, Command, ExceptionCode, Retry, Step, Wake, Writable

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


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What differs in some of the instruments.

    Args:
        name: ours; a site file may choose it with ``variant``.
        when: what its registers must say for it to be this one; without conditions only the site chooses it.
        points: take the place of points of the same name, or are added.
        without: points that it does not have.
        blocks: take the place of all blocks.
        registers_most: instead of the profile's.
        merge: instead of the profile's.
        answer_ms: instead of the profile's.
        pause_ms: instead of the profile's.
        note: how to know it.
    """

    name: Name
    when: tuple[Condition, ...] = ()
    points: tuple[Point, ...] = ()
    without: tuple[Name, ...] = ()
    blocks: tuple[Block, ...] | None = None
    registers_most: Registers | None = None
    merge: Merge | None = None
    answer_ms: Answer | None = None
    pause_ms: Milliseconds | None = None
    note: str = ""


class ModbusProfile(Header, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="modbus"):
    """One model of instrument that speaks Modbus.

    Args:
        blocks: what may be read.
        points: what it can say.
        answer_ms: how long it thinks.
        unit: default address on the bus.
        units: lowest and highest address that it can be given.
        any_address: address at which it answers whatever its own is; only with nothing else on the line.
        registers_most: most registers of one read.
        merge: ``block``: points of a block are read together where that is quicker; ``none``: each on its own;
            ``whole``: it answers reads of a whole block only.
        align: 2 when a read must begin at an even address.
        holes: what is said for registers outside the blocks.
        join_over: holes of at most so many registers may be read over; only where ``holes`` are zeros or nan.
        pause_ms: silence that it needs between two requests.
        pause_after_write_ms: silence that it needs after a write.
        min_interval_ms: it has nothing new earlier.
        wake: for an instrument that sleeps.
        retry: when a read is worth another try.
        measure: steps that take the place of plain reads; points that no step reads are read after them.
        identify: what it must say if it is what this profile describes.
        variants: what differs in some of them.
        parameters: numbers that only the station knows.
        commands: what can be done to it.
        exceptions: exception codes of the maker's own, in words.
    """

    blocks: Annotated[tuple[Block, ...], msgspec.Meta(min_length=1, max_length=64)]
    points: Annotated[tuple[Point, ...], msgspec.Meta(min_length=1, max_length=500)]
    answer_ms: Answer
    unit: Unit = 1
    units: Annotated[tuple[Unit, ...], msgspec.Meta(min_length=2, max_length=2)] = (1, 247)
    any_address: Unit | None = None
    registers_most: Registers = limits.REGISTERS_MAX
    merge: Merge = "block"
    align: Literal[1, 2] = 1
    holes: Literal["unknown", "exception", "silence", "zeros", "nan"] = "unknown"
    join_over: Annotated[int, msgspec.Meta(ge=0, le=limits.REGISTERS_MAX)] = 0
    pause_ms: Milliseconds = 0
    pause_after_write_ms: Milliseconds = 0
    min_interval_ms: LongMilliseconds = 0
    wake: Wake | None = None
    retry: Retry | None = None
    measure: Annotated[tuple[Step, ...], msgspec.Meta(max_length=32)] = ()
    identify: Annotated[tuple[Condition, ...], msgspec.Meta(max_length=16)] = ()
    variants: Annotated[tuple[Variant, ...], msgspec.Meta(max_length=32)] = ()
    parameters: Annotated[tuple[Parameter, ...], msgspec.Meta(max_length=32)] = ()
    commands: Annotated[tuple[Command, ...], msgspec.Meta(max_length=64)] = ()
    exceptions: dict[ExceptionCode, str] = msgspec.field(default_factory=dict)

    def point(self, name: str) -> Point | None:
        """The point of that name, or None."""
        return next((point for point in self.points if point.name == name), None)

    def block_of(self, point: Point) -> Block | None:
        """The declared block that holds the whole point, or None."""
        return next((block for block in self.blocks if holds(block, point)), None)

    def asked_for_itself(self) -> Iterator[str]:
        """Points that must be read to know who this is."""
        yield from (each.point for each in self.identify)
        yield from (each.point for variant in self.variants for each in variant.when)


def holds(block: Block, point: Point) -> bool:
    """Whether the whole point lies in the block."""
    return (
        block.table == point.table and block.start <= point.at and point.at + point.words <= block.start + block.count
    )
