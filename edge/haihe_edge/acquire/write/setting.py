"""Setting a point of an instrument: what may be written, how fast, and as which bytes.

Off unless two people agreed: who wrote the profile (``writable`` at the point, with its bounds) and who wrote the
site file (``writable: [point]`` at the instrument). Deciding is pure; :mod:`.change` does it on a bus.
"""

import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from haihe_contract.errors import FieldError

from haihe_edge.acquire.modbus.decode import is_plain, spoken
from haihe_edge.acquire.modbus.frames import COIL_ON, WRITE_COIL, Request
from haihe_edge.acquire.modbus.plan import reading
from haihe_edge.kept import Kept
from haihe_edge.profile import ModbusProfile, Point, Writable, written_at
from haihe_edge.site import Instrument

MINUTE_MS = 60_000
_CODES = {"u16": "H", "s16": "h", "u32": "I", "s32": "i", "u64": "Q", "s64": "q", "f32": "f", "f64": "d"}


class Setting(NamedTuple):
    """A value that may be written, ready to be sent.

    Args:
        instrument: name.
        point: name.
        value: in the point's unit.
        at: first register to write.
        registers: what is sent.
        read: what shows the present value.
        now: the value in the bytes that ``read`` brings.
        rule: of the profile.
    """

    instrument: str
    point: str
    value: float
    at: int
    registers: tuple[int, ...]
    read: Request
    now: Callable[[bytes], float]
    rule: Writable


class Written(NamedTuple):
    """What came of it: the values before and after, in the point's unit."""

    before: float
    after: float


class NotObeyed(FieldError):
    """Something was sent, and the instrument does not hold or do what it was told, or nobody knows.

    Args:
        what: as of :class:`FieldError`.
        where: as of :class:`FieldError`.
        do: as of :class:`FieldError`.
        facts: for the record of it.
    """

    def __init__(self, what: str, *, where: str, do: str, facts: Mapping[str, object]) -> None:
        super().__init__(what, where=where, do=do)
        self.facts = facts


class Rates:
    """How much each point was changed within the last minute, remembered over restarts.

    Args:
        file: where; None to forget with the process.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._kept = None if file is None else Kept(file, dict[str, list[tuple[int, float]]])
        self._changes: dict[str, list[tuple[int, float]]] | None = None

    def left(self, setting: Setting, now_ms: int) -> float:
        """By how much the point may be changed now."""
        if setting.rule.per_minute is None:
            return math.inf
        return setting.rule.per_minute - sum(change for _, change in self._recent(setting, now_ms))

    def changed(self, setting: Setting, change: float, now_ms: int) -> None:
        """Note a change before it is sent: whether it was obeyed or not, it may have been."""
        if setting.rule.per_minute is None:
            return
        self._known()[_key(setting)] = [*self._recent(setting, now_ms), (now_ms, abs(change))]
        if self._kept is not None:
            self._kept.path.parent.mkdir(parents=True, exist_ok=True)
            self._kept.save(self._known())

    def _recent(self, setting: Setting, now_ms: int) -> list[tuple[int, float]]:
        # A clock that was set back must not set the limit free.
        return [each for each in self._known().get(_key(setting), ()) if abs(now_ms - each[0]) < MINUTE_MS]

    def _known(self) -> dict[str, list[tuple[int, float]]]:
        if self._changes is None:
            try:
                self._changes = (self._kept.load() if self._kept is not None else None) or {}
            except (OSError, ValueError):  # a damaged file is set aside; the limit begins anew
                self._changes = {}
        return self._changes


def _key(setting: Setting) -> str:
    return f"{setting.instrument}.{setting.point}"


def prepare(instrument: Instrument, name: str, value: float, file: str) -> Setting:
    """Check everything that can be known without asking the instrument.

    Args:
        instrument: of the site.
        name: of the point.
        value: wanted, in the point's unit.
        file: the site file, for whoever is refused.

    Raises:
        FieldError: when the point may not be written, or not with that value.
    """
    where = f"{file}: instrument {instrument.name}, point {name}"
    profile = instrument.profile
    point = profile.point(name)
    if not isinstance(profile, ModbusProfile) or not isinstance(point, Point):
        allowed = ", ".join(instrument.writable) or "none is enabled in the site file"
        raise FieldError(f"{profile.profile} has no point {name!r} to write", where=where, do=f"one of: {allowed}")
    if name not in instrument.writable:
        raise FieldError(
            f"writing {name} is not enabled",
            where=where,
            do=f"if that is wanted at this station: add `writable: [{name}]` to the instrument in the site file",
        )
    rule = point.writable
    if rule is None:
        raise FieldError(
            f"the profile {profile.profile} does not let {name} be written",
            where=where,
            do="only points with `writable:` in the profile can be",
        )
    check_value(rule, value, where)
    read, now = shown_by(profile, instrument.unit, point, where)
    registers = registers_of(point, value, where)
    return Setting(instrument.name, name, value, written_at(point), registers, read, now, rule)


def check_value(rule: Writable, value: float, where: str) -> None:
    """Complain about a value that the profile does not allow.

    Raises:
        FieldError: with what is allowed.
    """
    if rule.is_one_of:
        if value not in rule.is_one_of:
            known = ", ".join(f"{each:g}" for each in rule.is_one_of)
            raise FieldError(f"{value:g} cannot be written there", where=where, do=f"one of: {known}")
    elif rule.low is None or rule.high is None:
        raise FieldError(
            "the profile gives no range for this point", where=where, do="add low and high to its `writable:`"
        )
    elif not rule.low <= value <= rule.high:  # also when it is no number
        raise FieldError(
            f"{value:g} is out of range", where=where, do=f"write a value from {rule.low:g} to {rule.high:g}"
        )


def registers_of(point: Point, value: float, where: str) -> tuple[int, ...]:
    """The value as registers: scaled back, packed, in the instrument's order.

    Raises:
        FieldError: when the registers cannot say that value.
    """
    rule = point.writable
    raw = (value - point.plus) / point.times
    if rule is not None and rule.function == WRITE_COIL:
        return (COIL_ON if raw else 0,)
    code = _CODES.get(point.kind)
    if code is None or point.byte or point.bits or not is_plain(point):
        raise FieldError(
            "only plain numbers in registers of their own can be written", where=where, do="see the profile"
        )
    if code not in "fd":
        nearest = round(raw)
        if abs(raw - nearest) > 1e-6 * max(1.0, abs(raw)):
            step = abs(point.times)
            raise FieldError(
                f"the instrument can only be set in steps of {step:g}",
                where=where,
                do=f"write {round(nearest * point.times + point.plus, 9):g}",
            )
        raw = nearest
    try:
        packed = struct.pack((">" if point.order in ("ABCD", "CDAB") else "<") + code, raw)
    except (struct.error, OverflowError):
        raise FieldError(f"{value:g} does not fit into {point.kind}", where=where, do="write a smaller value") from None
    words = [packed[at : at + 2] for at in range(0, len(packed), 2)]
    if point.order in ("CDAB", "BADC"):
        words.reverse()
    return tuple(int.from_bytes(word, "big") for word in words)


def shown_by(profile: ModbusProfile, unit: int, point: Point, where: str) -> tuple[Request, Callable[[bytes], float]]:
    """How to read a point back, and what its bytes say.

    Raises:
        FieldError: when it cannot be read without harm.
    """
    rule = point.writable
    shown = point if rule is None or rule.read_back is None else profile.point(rule.read_back)
    if shown is None or shown.read_clears:
        raise FieldError("the profile names no point to read back", where=where, do="mend `read_back:` there")
    read = reading(profile, unit, shown)
    return read, lambda data: float(spoken(shown, data, read.start))
