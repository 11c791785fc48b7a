"""What has to be done around reading: wake, ask, wait, ask again; and what may be written."""

from typing import Annotated, Literal

import msgspec

from haihe_edge import limits

from .header import LongMilliseconds, Milliseconds, Name

Address = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
RegisterValue = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
WriteFunction = Literal[5, 6, 16]
Effective = Literal["now", "after_reply", "restart"]
ExceptionCode = Annotated[int, msgspec.Meta(ge=1, le=255)]


class Send(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request that is a command.

    Args:
        function: 5, 6 or 16 to write; 3 or 4 for makers whose command is a read whose answer means nothing.
        at: register.
        values: what is written, a number a register; none for a read.
        count: registers of a read; 0 is allowed, some makers want just that. A write takes as many registers as it
            has values: function 16 without any is a write of nothing, which some makers want as a command.
        unanswered: it is obeyed in silence, or answered only by some.
    """

    function: Literal[3, 4, 5, 6, 16]
    at: Address
    values: Annotated[tuple[RegisterValue, ...], msgspec.Meta(max_length=123)] = ()
    count: Annotated[int, msgspec.Meta(ge=0, le=limits.REGISTERS_MAX)] = 0
    unanswered: bool = False


class WaitFor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wait as long as the instrument itself says.

    Args:
        point: whose value is the time in milliseconds; a step before must have read it.
        plus_ms: added.
        most_ms: never longer.
    """

    point: Name
    plus_ms: Milliseconds = 0
    most_ms: Annotated[int, msgspec.Meta(ge=1, le=limits.ANSWER_MS_MAX)] = 10_000


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of a measurement: exactly one of its keys.

    Args:
        send: a command.
        wait_ms: a fixed wait.
        wait_for: a wait whose length was read before.
        read: points; those that nobody asked for and nothing depends on are left out.
    """

    send: Send | None = None
    wait_ms: Milliseconds | None = None
    wait_for: WaitFor | None = None
    read: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)] | None = None


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a read is worth another try at once. Reads that clear are never tried again.

    Args:
        after: exception codes, and ``timeout``.
        times: how often at most.
        wait_ms: before each.
    """

    after: Annotated[tuple[ExceptionCode | Literal["timeout"], ...], msgspec.Meta(min_length=1)]
    times: Annotated[int, msgspec.Meta(ge=1, le=20)] = 1
    wait_ms: Milliseconds = 0


class Wake(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first request only wakes the instrument; whatever comes back is thrown away.

    Args:
        after_ms: asleep after so long without a request; 0: wake before every poll.
        wait_ms: from the wake-up request to the first real one.
    """

    after_ms: LongMilliseconds = 0
    wait_ms: Milliseconds = 0


class Writable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The point may be set, inside these bounds, if the site allows it.

    Args:
        function: 6 for one register, 16 for one or several, 5 for a coil.
        at: register to write, where it is not the one that is read.
        low: smallest value, in the point's unit.
        high: largest value.
        is_one_of: the only values allowed; written ``is``.
        per_minute: the most by which the value may change within a minute, in the point's unit.
        read_back: point that shows the new value, where it is not this one.
        settle_ms: from the write until the new value can be read.
        effective: when it is obeyed.
        persist: command that makes it survive the supply being switched off.
        group: points of one group must be written in one request: all of function 16, their registers side by side.
    """

    function: WriteFunction
    low: float | None = None
    high: float | None = None
    is_one_of: tuple[int | float, ...] = msgspec.field(name="is", default=())
    per_minute: Annotated[float, msgspec.Meta(gt=0)] | None = None
    at: Address | None = None
    read_back: Name | None = None
    settle_ms: LongMilliseconds = 0
    effective: Effective = "now"
    persist: Send | None = None
    group: Name | None = None


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that can be done to the instrument, kept apart from its points. Nothing does it by itself.

    Args:
        name: ours.
        steps: what is sent, in order; :class:`Step` with ``send`` and ``wait_ms``.
        what: what it does.
        effective: when it is obeyed.
        clears: counters that begin at 0 again by it. Rain is made of such a counter with care then.
    """

    name: Name
    steps: Annotated[tuple[Step, ...], msgspec.Meta(min_length=1, max_length=16)]
    what: str
    effective: Effective = "now"
    clears: Annotated[tuple[Name, ...], msgspec.Meta(max_length=32)] = ()
