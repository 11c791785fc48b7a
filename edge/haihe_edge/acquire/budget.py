"""How much of a bus's time its instruments take, which periods it cannot meet, and which it could. Pure.

The bound that physics sets: every byte of request and answer takes its bits on the wire, each frame ends with 3.5
characters of silence, and the instrument thinks before it answers. Nothing that runs on a computer is counted.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from haihe_contract.document import DocumentError, Problem

from haihe_edge import limits
from haihe_edge.profile import ModbusProfile
from haihe_edge.site import Instrument, SerialBus, Site, TcpBus

from .modbus import character_ms, quiet_ms, rtu_answer_bytes, rtu_request, tcp_request
from .recipe import Wait, recipe

_TCP_MORE_BYTES = 4
"""Modbus TCP has seven bytes of header where a serial line has the unit and two of checksum."""
_TCP_TURN_MS = 1.0
"""One way there and back through a switch; what is farther away is said by the profile's answer time."""
CAPACITY = 1 - limits.DEAD_SHARE
"""Of a bus's time, how much periods may take: the rest is for probes of what does not answer."""
_STEPS_TRIED_MAX = 2_000
_PERIODS_MS = (
    *(100, 200, 250, 500, 1000, 2000, 3000, 4000, 5000, 6000, 10_000, 12_000, 15_000, 20_000, 30_000),
    *(60_000 * minutes for minutes in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440)),
)
"""Periods that divide a minute, an hour or a day, so that they fall on the clock."""


class Load(NamedTuple):
    """What one instrument asks of its bus at each due time.

    Args:
        instrument: its name.
        period_ms: how often.
        requests: how many exchanges one poll takes.
        bytes_out: bytes of all requests of a poll.
        bytes_in: bytes of all answers.
        wire_ms: their time on the wire with the silence between frames.
        answer_ms: how long the instrument thinks, and the pauses that it needs, all exchanges together.
    """

    instrument: str
    period_ms: int
    requests: int
    bytes_out: int
    bytes_in: int
    wire_ms: float
    answer_ms: float

    @property
    def busy_ms(self) -> float:
        """How long one poll keeps the bus."""
        return self.wire_ms + self.answer_ms

    @property
    def share(self) -> float:
        """Which part of the bus's time it takes."""
        return self.busy_ms / self.period_ms


class Unmet(NamedTuple):
    """A period that the bus cannot meet.

    Args:
        instrument: whose.
        period_ms: the one that is asked for.
        could_ms: one that could be met; None when only fewer instruments help.
        always: whether it is never met; else only now and then, when a long poll of another is in the way.
        common: ``could_ms`` can be met only if no instrument of the bus is asked more often than that; else
            everything else can stay as it is.
    """

    instrument: str
    period_ms: int
    could_ms: int | None
    always: bool
    common: bool = False


class BusBudget(NamedTuple):
    """One bus: what its instruments take, and what does not fit.

    Args:
        bus: its name.
        kind: serial or tcp.
        address: port, or host and port.
        loads: one an instrument.
        unmet: periods that cannot be met, or not every time.
    """

    bus: str
    kind: str
    address: str
    loads: tuple[Load, ...]
    unmet: tuple[Unmet, ...]

    @property
    def utilisation(self) -> float:
        """Which part of the bus's time is taken: beyond 1 it cannot be."""
        return sum(load.share for load in self.loads)


def modbus_load(site: Site, each: Instrument, profile: ModbusProfile, bus: SerialBus | TcpBus) -> Load:
    """What an instrument that speaks Modbus asks of its bus."""
    asked = recipe(profile, each.unit, {site.series[number].point for number in each.series})
    steps = [step.request for step in asked.steps if not isinstance(step, Wait)]
    waits_ms = sum(step.milliseconds for step in asked.steps if isinstance(step, Wait))
    if asked.wake is not None and asked.reads and each.period_ms >= asked.wake.after_ms:
        steps.append(asked.reads[0].request)
        waits_ms += asked.wake.wait_ms
    many = len(steps)
    answer_ms = (profile.answer_ms.typical + profile.pause_ms) * many + waits_ms
    answers = sum(rtu_answer_bytes(step) for step in steps)
    if isinstance(bus, TcpBus) and bus.framing == "tcp":
        out = sum(len(tcp_request(step, 0)) for step in steps)
        into = answers + _TCP_MORE_BYTES * many
        return Load(each.name, each.period_ms, many, out, into, _TCP_TURN_MS * many, answer_ms)
    if isinstance(bus, SerialBus):
        one = character_ms(bus.baud, bus.parity, bus.stop_bits)
    else:
        one = character_ms(limits.RTU_OVER_TCP_BAUD)
    out, quiet = sum(len(rtu_request(step)) for step in steps), quiet_ms(one)
    silence_ms = 2 * quiet * many - min(quiet, profile.pause_ms) * many  # the instrument's pause is silence too
    return Load(each.name, each.period_ms, many, out, answers, (out + answers) * one + silence_ms, answer_ms)


def budgets(site: Site) -> list[BusBudget]:
    """What the buses of a site have to do, in the order of the file; receivers speak by themselves."""
    found: list[BusBudget] = []
    for bus in site.buses.values():
        if not isinstance(bus, SerialBus | TcpBus):
            continue
        loads = [
            modbus_load(site, each, each.profile, bus)
            for each in site.instruments
            if each.bus == bus.name and isinstance(each.profile, ModbusProfile)
        ]
        kind, address = ("serial", bus.port) if isinstance(bus, SerialBus) else ("tcp", f"{bus.host}:{bus.port}")
        found.append(BusBudget(bus.name, kind, address, tuple(loads), tuple(unmet(loads))))
    return found


def unmet(loads: Sequence[Load]) -> list[Unmet]:
    """Which periods cannot be met, the dearest instrument first.

    With a sum of shares beyond 1 somebody is always late. Below that, earliest deadline first meets every period
    unless a poll that has begun keeps the bus for too long: polls are not interrupted (Jeffay, Stanat and Martel,
    On non-preemptive scheduling of periodic and sporadic tasks, 1991, theorem 4.1).
    """
    if sum(each.share for each in loads) > 1:
        dearest = sorted(loads, key=lambda each: -each.share)
        alone = [each for each in dearest if each.share > 1] or dearest[:1]
        return [_never(each, loads) for each in alone]
    found: list[Unmet] = []
    ordered = sorted(loads, key=lambda each: each.period_ms)
    for at, long in enumerate(ordered):
        late = _held_up(long, ordered[:at])
        if late is not None and all(late.instrument != each.instrument for each in found):
            found.append(Unmet(late.instrument, late.period_ms, _nice(late.busy_ms + long.busy_ms), always=False))
    return found


def could_ms(one: Load, loads: Iterable[Load]) -> int | None:
    """The shortest round period at which this instrument would fit beside the others as they are."""
    left = CAPACITY - sum(each.share for each in loads if each is not one)
    return _nice(one.busy_ms / left) if left > 0 else None


def _never(one: Load, loads: Sequence[Load]) -> Unmet:
    alone = could_ms(one, loads)
    if alone is not None:
        return Unmet(one.instrument, one.period_ms, alone, always=True)
    fits = (each for each in _PERIODS_MS if sum(o.busy_ms / max(o.period_ms, each) for o in loads) <= CAPACITY)
    return Unmet(one.instrument, one.period_ms, next(fits, None), always=True, common=True)


def _held_up(long: Load, shorter: Sequence[Load]) -> Load | None:
    """Who of those with shorter periods misses a due time when the long one's poll has just begun."""
    share = sum(each.share for each in shorter)
    if not shorter:
        return None
    # Beyond this the shorter ones have caught up whatever happened.
    caught_up_ms = min(float(long.period_ms), long.busy_ms / max(1e-9, 1 - share))
    moments = sorted(
        {
            times * each.period_ms
            for each in shorter
            for times in range(1, min(_STEPS_TRIED_MAX, int(caught_up_ms // each.period_ms)) + 1)
        }
    )
    for moment in moments:
        needed = long.busy_ms + sum(moment // each.period_ms * each.busy_ms for each in shorter)
        if needed > moment:
            return min(shorter, key=lambda each: (moment % each.period_ms, each.period_ms))
    return None


def _nice(least_ms: float) -> int | None:
    return next((period for period in _PERIODS_MS if period >= least_ms), None)


def fitting(site: Site) -> Site:
    """The site, with a warning for each period that is missed now and then.

    Raises:
        DocumentError: when a period cannot be met at all, with its place in the file and one that could.
    """
    found = budgets(site)
    faults = [_problem(site, bus, each) for bus in found for each in bus.unmet if each.always]
    if faults:
        raise DocumentError(faults)
    warnings = [_problem(site, bus, each) for bus in found for each in bus.unmet]
    return site._replace(warnings=tuple(sorted((*site.warnings, *warnings)))) if warnings else site


def _problem(site: Site, bus: BusBudget, each: Unmet) -> Problem:
    place = site.places[each.instrument]
    if each.always:
        why = f"bus {bus.bus} would be busy for {bus.utilisation:.0%} of the time"
    else:
        why = f"a poll of another instrument on bus {bus.bus} takes so long that some due times are missed"
    if each.could_ms is None:
        could = "move an instrument to another bus"
    else:
        could = f"{said(each.could_ms)} could be met" + (" if no other is asked more often" if each.common else "")
    return Problem(place.file, place.line, place.column, f"every: {said(each.period_ms)} cannot be met: {why}; {could}")


def said(milliseconds: int) -> str:
    """A period as a site file writes it."""
    for unit, size in (("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
