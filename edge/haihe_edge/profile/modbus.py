"""Instruments that speak Modbus: ``transport: modbus``.

Addresses are those on the wire, counted from 0, whatever a manual prints. Reads stay inside declared blocks:
what lies between blocks may answer with an exception, with silence or with nonsense.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from haihe_edge import limits

from .header import Answer, Header, LongMilliseconds, Milliseconds, Name, Unit
from .memory import Log
from .point import Block, Merge, Point, Registers, holds
from .rules import Condition, Parameter
from .steps import Command, ExceptionCode, Retry, Step, Wake


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
        any_address: address at which it answers whatever its own is. A site file may name it as ``unit`` where nothing
            else is on the line.
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
        memory: what it remembers by itself, and how that is read back.
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
    memory: Annotated[tuple[Log, ...], msgspec.Meta(max_length=8)] = ()
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
