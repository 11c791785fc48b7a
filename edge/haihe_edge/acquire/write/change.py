"""Changing what an instrument holds: one point, or the points of a group, which must be written in one request.

All or nothing: every bound and every rate is checked against what the instrument holds before anything is sent, and
everything that was sent is read back.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from haihe_contract.clock import Clock
from haihe_contract.errors import FieldError

from haihe_edge.acquire.exchange import ExchangeError
from haihe_edge.acquire.modbus.frames import Ask, Request, Write
from haihe_edge.acquire.modbus.recipe import command
from haihe_edge.profile import Effective, ModbusProfile, Point, Send, Writable, members, written_at
from haihe_edge.site import Instrument

from .setting import NotObeyed, Rates, Setting, Written, check_value, prepare, registers_of, shown_by

_SAME = 1e-6
"""A float that comes back is the same one within so much of its size: it has been through 32 bits."""
_LATEST: tuple[Effective, ...] = ("now", "after_reply", "restart")


class Kept(NamedTuple):
    """A member of a group that is written again as it is.

    Args:
        point: name.
        read: what shows the present value.
        now: the value in the bytes that ``read`` brings.
        registers: the same, as it is written.
        rule: of the profile.
    """

    point: str
    read: Request
    now: Callable[[bytes], float]
    registers: Callable[[bytes], tuple[int, ...]]
    rule: Writable


class Change(NamedTuple):
    """What is written in one request, ready to be sent.

    Args:
        instrument: name.
        unit: its address.
        function: 5, 6 or 16.
        at: first register to write.
        parts: what is written, in the order of the registers.
        group: name of the group, None for a point on its own.
        persist: what makes it survive the supply being switched off.
    """

    instrument: str
    unit: int
    function: int
    at: int
    parts: tuple[Setting | Kept, ...]
    group: str | None
    persist: tuple[Send, ...]

    @property
    def settings(self) -> list[Setting]:
        """The points that get a new value."""
        return [part for part in self.parts if isinstance(part, Setting)]

    @property
    def where(self) -> str:
        """For people."""
        names = [each.point for each in self.settings]
        return f"instrument {self.instrument}, {'point' if len(names) == 1 else 'points'} {', '.join(names)}"

    @property
    def settle_ms(self) -> int:
        """From the write until the new values can be read."""
        return max(part.rule.settle_ms for part in self.parts)

    @property
    def effective(self) -> Effective:
        """When the last of it is obeyed."""
        return max((each.rule.effective for each in self.settings), key=_LATEST.index)


def change(instrument: Instrument, values: Mapping[str, float], file: str) -> Change:
    """Check everything that can be known without asking the instrument.

    Args:
        instrument: of the site.
        values: wanted, by point, in the points' units.
        file: the site file, for whoever is refused.

    Raises:
        FieldError: when a point may not be written, or not with that value, or not all of them in one request.
    """
    settings = {name: prepare(instrument, name, value, file) for name, value in values.items()}
    where = f"{file}: instrument {instrument.name}"
    if not settings:
        raise FieldError("there is nothing to write", where=where, do="name at least one point and its value")
    groups = {each.rule.group for each in settings.values()}
    group = next(iter(groups))
    if len(settings) > 1 and (None in groups or len(groups) > 1):
        raise FieldError(
            f"{', '.join(settings)} cannot be written in one request: they are no group in the profile",
            where=where,
            do="write them one by one",
        )
    profile = instrument.profile
    assert isinstance(profile, ModbusProfile)  # noqa: S101 - prepare lets no other through
    parts: list[Setting | Kept] = list(settings.values())
    if group is not None:
        whole = members(profile.points, group)
        parts = [settings.get(point.name) or _kept(profile, instrument.unit, point, where) for point in whole]
    first = next(iter(settings.values()))
    at = first.at if group is None else written_at(whole[0])
    persist = tuple(dict.fromkeys(part.rule.persist for part in parts if part.rule.persist))
    made = Change(instrument.name, instrument.unit, first.rule.function, at, tuple(parts), group, persist)
    registers = tuple(0 for part in parts for _ in range(_length(profile, part)))
    try:
        for each in (Write(made.unit, made.function, at, registers), *(command(send, made.unit) for send in persist)):
            _ = each.body if isinstance(each, Write) else b""
    except ValueError as error:
        raise FieldError(f"the profile cannot be obeyed: {error}", where=where, do="mend `writable:` there") from None
    return made


def _length(profile: ModbusProfile, part: Setting | Kept) -> int:
    point = profile.point(part.point)
    return 1 if point is None else point.words


def _kept(profile: ModbusProfile, unit: int, point: Point, where: str) -> Kept:
    where = f"{where}, point {point.name}"
    rule = point.writable
    assert rule is not None  # noqa: S101 - a member of a group has one
    read, now = shown_by(profile, unit, point, where)
    if rule.read_back is not None:  # what shows it is written in another way
        return Kept(point.name, read, now, lambda data: registers_of(point, now(data), where), rule)
    first, last = 2 * (point.at - read.start), 2 * (point.at - read.start + point.words)

    def as_read(data: bytes) -> tuple[int, ...]:
        return tuple(int.from_bytes(data[place : place + 2], "big") for place in range(first, last, 2))

    return Kept(point.name, read, now, as_read, rule)


async def carry_out(change: Change, ask: Ask, rates: Rates, clock: Clock) -> dict[str, Written]:
    """Read, check the rates of change, write, read back, compare.

    Args:
        change: from :func:`change`.
        ask: one exchange with the instrument.
        rates: what was changed before.
        clock: for the time between writing and reading back.

    Returns:
        By point, what it held before and what it holds now.

    Raises:
        FieldError: when nothing was written.
        NotObeyed: when something was sent, and it is not obeyed or nobody knows.
    """
    try:
        said = await _read(change, ask)
    except ExchangeError as error:
        raise FieldError(
            f"the present value cannot be read: {error}", where=change.where, do="nothing was written; read it first"
        ) from error
    before = {part.point: part.now(said[part.read]) for part in change.parts}
    _check_kept(change, before)
    registers = [
        register
        for part in change.parts
        for register in (part.registers if isinstance(part, Setting) else part.registers(said[part.read]))
    ]
    _check_rates(change, before, rates, clock)
    refusal: ExchangeError | None = None
    try:
        await ask(Write(change.unit, change.function, change.at, tuple(registers)))
    except ExchangeError as error:
        refusal = error  # what it did all the same is read, not guessed
    await clock.sleep(change.settle_ms / 1000)
    after = await _read_back(change, before, refusal, ask)
    await _persist(change, before, after, ask)
    return {each.point: Written(before[each.point], after[each.point]) for each in change.settings}


async def _read(change: Change, ask: Ask) -> dict[Request, bytes]:
    return {read: await ask(read) for read in dict.fromkeys(part.read for part in change.parts)}


def _check_kept(change: Change, before: Mapping[str, float]) -> None:
    """What is written again unchanged must be allowed too: the instrument would refuse all of it otherwise."""
    for part in change.parts:
        if isinstance(part, Kept):
            try:
                check_value(part.rule, before[part.point], change.where)
            except FieldError as error:
                raise FieldError(
                    f"{part.point} of the same group holds {before[part.point]:g}: {error.what}",
                    where=change.where,
                    do=f"nothing was written; name {part.point} too: {error.do}",
                ) from None


def _check_rates(change: Change, before: Mapping[str, float], rates: Rates, clock: Clock) -> None:
    now_ms = clock.now_ms()
    for each in change.settings:
        held, left = before[each.point], rates.left(each, now_ms)
        if abs(each.value - held) > left * (1 + 1e-9):
            which = "it" if len(change.settings) == 1 else each.point
            raise FieldError(
                f"{which} stands at {held:g} and may change by at most {each.rule.per_minute:g} a minute",
                where=change.where,
                do=f"nothing was written; {max(left, 0):g} is left of this minute",
            )
    try:
        for each in change.settings:
            rates.changed(each, each.value - before[each.point], now_ms)
    except OSError as error:
        raise FieldError(
            f"the change cannot be noted: {error.strerror}",
            where=str(error.filename),
            do="nothing was written; make room or give the agent the right to write there",
        ) from error


async def _read_back(
    change: Change, before: Mapping[str, float], refusal: ExchangeError | None, ask: Ask
) -> dict[str, float]:
    """What the instrument holds now.

    Raises:
        NotObeyed: when that is not what it was told.
    """
    try:
        said = await _read(change, ask)
    except ExchangeError as error:
        raise NotObeyed(
            f"written, but the instrument does not say what it holds now: {refusal or error}",
            where=change.where,
            do="look at the instrument before writing again",
            facts={"before": dict(before)},
        ) from error
    after = {part.point: part.now(said[part.read]) for part in change.parts}
    wanted = dict(before) | {each.point: each.value for each in change.settings}
    wrong = [name for name, value in wanted.items() if not _same(after[name], value)]
    if wrong:
        alone = len(change.parts) == 1
        held = " and ".join(
            f"{'the instrument' if alone else name} holds {after[name]:g} and not {wanted[name]:g}" for name in wrong
        )
        raise NotObeyed(
            f"{held} ({refusal})" if refusal else held,
            where=change.where,
            do="see whether it is locked or switched to local operation",
            facts={"before": dict(before), "after": after},
        )
    return after


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=_SAME, abs_tol=1e-9)


async def _persist(change: Change, before: Mapping[str, float], after: Mapping[str, float], ask: Ask) -> None:
    for send in change.persist:
        try:
            await ask(command(send, change.unit))
        except ExchangeError as error:
            if not send.unanswered:
                raise NotObeyed(
                    f"the value is set, but saving it failed: {error}",
                    where=change.where,
                    do="it is lost when the supply is switched off; write it again",
                    facts={"before": dict(before), "after": dict(after)},
                ) from error
