"""Which periods the buses of a site cannot meet, and which they could. Pure.

What one poll costs is said by the module of each kind of bus: :mod:`.modbus.load`, :mod:`.spoken.text_load` and
:mod:`.spoken.sdi12_load`. Tries after the first are not counted.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from haihe_contract.document import DocumentError, Problem
from haihe_contract.quantity import duration_text

from haihe_edge import limits
from haihe_edge.profile import ModbusProfile, TextProfile
from haihe_edge.site import AsciiBus, Bus, GnssBus, GpioBus, Sdi12Bus, SerialBus, Site, TcpBus

from .load import Load
from .modbus.load import modbus_load
from .spoken.sdi12_load import sdi12_loads
from .spoken.text_load import text_load

CAPACITY = 1 - limits.DEAD_SHARE
"""Of a bus's time, how much periods may take: the rest is for probes of what does not answer."""
_STEPS_TRIED_MAX = 2_000
_PERIODS_MS = (
    *(100, 200, 250, 500, 1000, 2000, 3000, 4000, 5000, 6000, 10_000, 12_000, 15_000, 20_000, 30_000),
    *(60_000 * minutes for minutes in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440)),
)
"""Periods that divide a minute, an hour or a day, so that they fall on the clock."""
Why = Literal["busy", "poll", "held", "pace", "baud"]
"""All polls together take too long; one poll alone does; a poll of another is sometimes in the way; the instrument
speaks more rarely by itself; its messages take longer than it has from one to the next."""


class Unmet(NamedTuple):
    """A period that the bus cannot meet.

    Args:
        instrument: whose.
        period_ms: the one that is asked for.
        could_ms: one that could be met; None when only fewer instruments help, or another baud rate.
        always: whether it is never met; else only now and then, when a long poll of another is in the way.
        common: ``could_ms`` can be met only if no instrument of the bus is asked more often than that; else
            everything else can stay as it is.
        why: the cause.
        takes_ms: how long one poll takes, or the messages of an instrument that speaks by itself.
        pace_ms: it speaks by itself once in so long.
    """

    instrument: str
    period_ms: int
    could_ms: int | None
    always: bool
    common: bool = False
    why: Why = "busy"
    takes_ms: float = 0.0
    pace_ms: int | None = None


class Job(NamedTuple):
    """A turn on the bus: of one instrument, or of several that measure together.

    Args:
        members: their names.
        period_ms: how often it comes.
        busy_ms: how long it takes.
        first: it goes before turns of instruments without alarm levels.
    """

    members: tuple[str, ...]
    period_ms: int
    busy_ms: float
    first: bool = False

    @property
    def share(self) -> float:
        """Which part of the bus's time it takes."""
        return self.busy_ms / self.period_ms


class BusBudget(NamedTuple):
    """One bus: what its instruments take, and what does not fit.

    Args:
        bus: its name.
        kind: as in the site file.
        address: port, or host and port.
        loads: one an instrument; none for a positioning receiver, which speaks by itself.
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
        return sum(job.share for job in jobs(self.loads)) + sum(load.share for load in self.loads if load.speaks)


def budgets(site: Site) -> list[BusBudget]:
    """What the buses of a site have to do, in the order of the file. Digital lines have no time to share."""
    found: list[BusBudget] = []
    for bus in site.buses.values():
        if isinstance(bus, GpioBus):
            continue
        with_levels = {site.series[level.number].instrument for level in site.levels}
        loads = tuple(load._replace(first=load.instrument in with_levels) for load in _loads(site, bus))
        address = f"{bus.host}:{bus.port}" if isinstance(bus, TcpBus) else bus.port
        kind = str(bus.__struct_config__.tag)
        found.append(BusBudget(bus.name, kind, address, loads, tuple(unmet(loads))))
    return found


def _loads(site: Site, bus: Bus) -> list[Load]:
    on_it = [each for each in site.instruments if each.bus == bus.name]
    if isinstance(bus, Sdi12Bus):
        return sdi12_loads(site, bus, on_it)
    if isinstance(bus, AsciiBus):
        return [text_load(site, e, e.profile, bus) for e in on_it if isinstance(e.profile, TextProfile)]
    if isinstance(bus, SerialBus | TcpBus):
        return [modbus_load(site, e, e.profile, bus) for e in on_it if isinstance(e.profile, ModbusProfile)]
    assert isinstance(bus, GnssBus)  # noqa: S101 - nothing is asked of a receiver
    return []


def jobs(loads: Iterable[Load]) -> list[Job]:
    """The turns on a bus. Those that measure together and are due together always are one turn."""
    found: list[Job] = []
    together: dict[int, list[Load]] = {}
    for load in loads:
        if load.shared_ms:
            together.setdefault(load.period_ms, []).append(load)
        elif not load.speaks:
            found.append(Job((load.instrument,), load.period_ms, load.busy_ms, load.first))
    for period_ms, those in together.items():
        busy_ms = sum(load.busy_ms - load.shared_ms for load in those) + max(load.shared_ms for load in those)
        members = tuple(load.instrument for load in those)
        found.append(Job(members, period_ms, busy_ms, any(load.first for load in those)))
    return found


def unmet(loads: Sequence[Load]) -> list[Unmet]:
    """Which periods cannot be met, the dearest instrument first.

    With a sum of shares beyond 1 somebody is always late. Below that, earliest deadline first meets every period
    unless a poll that has begun keeps the bus for too long: polls are not interrupted (Jeffay, Stanat and Martel,
    On non-preemptive scheduling of periodic and sporadic tasks, 1991, theorem 4.1). Instruments with alarm levels
    go before all others, so each of them may come once more than its deadline demands.
    """
    alone = [each for load in loads if load.speaks for each in _spoken_too_rarely(load)]
    turns = jobs(loads)
    if sum(turn.share for turn in turns) > 1:
        dearest = sorted(turns, key=lambda turn: -turn.share)
        never = [turn for turn in dearest if turn.share > 1] or dearest[:1]
        return alone + [each for turn in never for each in _never(turn, turns)]
    found: list[Job] = []
    for late in _late(turns):
        if late not in found:
            found.append(late)
    return alone + [each for late in found for each in _now_and_then(late, turns)]


def _spoken_too_rarely(load: Load) -> list[Unmet]:
    """What is wrong with the period of an instrument that speaks by itself, as far as its pace is known."""
    pace_ms = load.pace_ms
    if pace_ms is None:
        return []
    found = Unmet(load.instrument, load.period_ms, None, True, takes_ms=load.busy_ms, pace_ms=pace_ms)
    if load.busy_ms > pace_ms:  # the longest frame that may pass need not come
        return [found._replace(always=load.length != "limit", why="baud")]
    if load.period_ms < pace_ms:
        return [found._replace(could_ms=_nice(pace_ms), why="pace")]
    return []


def could_ms(one: Job, turns: Iterable[Job]) -> int | None:
    """The shortest round period at which this turn would fit beside the others as they are."""
    left = CAPACITY - sum(turn.share for turn in turns if turn is not one)
    return _nice(one.busy_ms / left) if left > 0 else None


def _never(one: Job, turns: Sequence[Job]) -> list[Unmet]:
    could, common = could_ms(one, turns), len(one.members) > 1
    if could is None:
        fits = (each for each in _PERIODS_MS if sum(t.busy_ms / max(t.period_ms, each) for t in turns) <= CAPACITY)
        could, common = next(fits, None), True
    why: Why = "poll" if one.share > 1 else "busy"
    return [Unmet(each, one.period_ms, could, True, common, why, one.busy_ms) for each in one.members]


def _now_and_then(late: Job, turns: Sequence[Job]) -> list[Unmet]:
    could = None
    for period_ms in _PERIODS_MS:
        if period_ms > late.period_ms:
            moved = [turn._replace(period_ms=period_ms) if turn is late else turn for turn in turns]
            if not any(other.members == late.members for other in _late(moved)):
                could = period_ms
                break
    common = len(late.members) > 1
    return [Unmet(each, late.period_ms, could, False, common, "held", late.busy_ms) for each in late.members]


def _late(turns: Sequence[Job]) -> list[Job]:
    """Who misses a due time now and then: at most one for each turn that can be in the way."""
    ordered = sorted(turns, key=lambda turn: turn.period_ms)
    found: list[Job | None] = []
    if any(turn.first for turn in turns):
        found.append(_held_up(None, ordered))
    for at, long in enumerate(ordered):
        if not long.first:
            before = [*ordered[:at], *(turn for turn in ordered[at + 1 :] if turn.first)]
            found.append(_held_up(long, before))
    return [turn for turn in found if turn is not None]


def _held_up(long: Job | None, others: Sequence[Job]) -> Job | None:
    """Who of those that go before misses a due time when the long turn has just begun, or without it."""
    share = sum(turn.share for turn in others)
    if not others:
        return None
    held_ms = 0.0 if long is None else long.busy_ms
    # Beyond this they have caught up whatever happened.
    ahead_ms = held_ms + sum(turn.busy_ms for turn in others if turn.first)
    caught_up_ms = ahead_ms / max(1e-9, 1 - share)
    if long is not None:
        caught_up_ms = min(caught_up_ms, float(long.period_ms))
    moments = sorted(
        {
            times * turn.period_ms
            for turn in others
            for times in range(1, min(_STEPS_TRIED_MAX, int(caught_up_ms // turn.period_ms)) + 1)
        }
    )
    for moment in moments:
        needed = held_ms + sum((moment // turn.period_ms + turn.first) * turn.busy_ms for turn in others)
        if needed > moment:
            return min(others, key=lambda turn: (moment % turn.period_ms, turn.period_ms))
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
    if each.why == "busy":
        why = f"bus {bus.bus} would be busy for {bus.utilisation:.0%} of the time"
    elif each.why == "poll":
        why = f"one poll takes {taken(each.takes_ms)} on bus {bus.bus}"
    elif each.why == "held":
        why = f"a poll of another instrument on bus {bus.bus} takes so long that some due times are missed"
    elif each.why == "pace":
        why = f"the instrument speaks by itself only every {duration_text(each.pace_ms or 0)}"
    else:
        pace = duration_text(each.pace_ms or 0)
        why = f"its messages take {taken(each.takes_ms)}, and it speaks by itself every {pace}"
    if each.could_ms is not None:
        could = f"{duration_text(each.could_ms)} could be met" + (
            " if no other is asked more often" if each.common else ""
        )
    else:
        could = "set a higher baud rate" if each.why == "baud" else "move an instrument to another bus"
    return Problem(
        place.file, place.line, place.column, f"every: {duration_text(each.period_ms)} cannot be met: {why}; {could}"
    )


def taken(milliseconds: float) -> str:
    """A time that something takes, for people."""
    return f"{milliseconds:.1f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"
