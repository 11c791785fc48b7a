"""The loop of one gpio bus: hear the edges, say what became due, switch the outputs."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from haihe_contract.clock import Clock
from haihe_contract.quality import Grade

from haihe_edge import limits
from haihe_edge.acquire.group import BusState, Group, Happened, InstrumentState, Said, Sample
from haihe_edge.acquire.jobs import Asked
from haihe_edge.acquire.line import BusDown
from haihe_edge.acquire.schedule import growing
from haihe_edge.kept import Kept
from haihe_edge.site import Wiring

from .chip import DigitalChip, Wanted
from .gauge import Count, Door, Gauge
from .switches import Switches

_LOOK_MS_MAX = 60_000
"""At least so often the wall clock is compared with the intervals."""
_LOST_TOLD_MS = 60_000
"""Edges that came too fast are an event at most so often."""

Stamp = Callable[[], tuple[int, Grade, int]]
"""Now: wall time (milliseconds of this boot while there is no clock), its grade, monotonic."""


def totals_file(directory: Path, bus: str) -> Path:
    """Where the totals of that bus are kept beside the journal."""
    return directory / f"rain-{bus}.json"


def wanted_lines(wiring: Wiring) -> list[Wanted]:
    """How the lines of a bus are to be used."""
    wanted = [Gauge(rain, None).wanted() for rain in wiring.rains]
    wanted += [Door(contact).wanted() for contact in wiring.contacts]
    wanted += [
        Wanted(each.line.name, each.line.line, "none", rest=each.line.active == "low") for each in wiring.outputs
    ]
    return wanted


def _tips(counts: Mapping[str, Count]) -> dict[str, int]:
    return {name: count.tips for name, count in counts.items()}


class DigitalRunner:
    """One gpio bus (a :class:`haihe_edge.acquire.power.Switchboard` too).

    What rain gauges stand at is kept in a small file beside the journal, written before a total is handed on: a
    total that was sent is never taken back. Tips of the time in which the agent was down could not be counted;
    an event says so, and the intervals that they fell in are missing.

    Args:
        wiring: of the site.
        chip: with the lines of :func:`wanted_lines`.
        directory: where the totals are kept; None for a command that only looks.
        clock: when.
        stamp: what time it is.
        sink: takes the groups.
        happened: told what is no reading.
    """

    def __init__(
        self,
        wiring: Wiring,
        chip: DigitalChip,
        directory: Path | None,
        clock: Clock,
        stamp: Stamp,
        sink: Callable[[Group], None],
        happened: Happened,
    ) -> None:
        self._wiring = wiring
        self._chip = chip
        self._kept: Kept[dict[str, Count]] | None = None
        if directory is not None:
            self._kept = Kept(totals_file(directory, wiring.bus.name), dict[str, Count])
        self._clock = clock
        self._stamp = stamp
        self._sink = sink
        self._happened = happened
        self._gauges: dict[str, Gauge] = {rain.line.name: Gauge(rain, None) for rain in wiring.rains}
        self._doors: dict[str, Door] = {contact.line.name: Door(contact) for contact in wiring.contacts}
        self._switches = Switches(wiring.outputs)
        self._actives = {each.line.name: each.line.active == "high" for each in wiring.outputs}
        self._driven: dict[str, bool] = {}
        self._asked = Asked()
        self._wake = asyncio.Event()
        self._error: Said | None = None
        self._failures = 0
        self.counted: dict[str, Count] = {}
        """What the gauges stood at when their totals were last kept: nothing that was sent is beyond it."""
        self._saving: asyncio.Future[str] | None = None
        self._unsaved = ""
        self._lost_told_ms = -_LOST_TOLD_MS

    async def run(self) -> None:
        """Count until cancelled; then outputs go to rest and the totals are kept."""
        self._remember()
        self._switches.run()
        try:
            await self._save_before_saying()  # from now on it has not stopped in order
            async with asyncio.TaskGroup() as both:
                both.create_task(self._hear())
                both.create_task(self._say())
        finally:
            self._asked.stop()
            self._chip.close()
            if self._saving is not None:
                await self._saving
            self._save(self._counts(closed=True))

    def _remember(self) -> None:
        """Go on from where the gauges stood."""
        before: dict[str, Count] = {}
        try:
            before = (self._kept.load() if self._kept else None) or {}
        except (OSError, ValueError) as error:
            self._happened("rain_total_lost", {"why": str(error)})
        for name, gauge in self._gauges.items():
            count = before.get(name)
            if count is None:
                continue
            self._gauges[name] = Gauge(gauge.rain, count)
            detail = {"instrument": name, "total_mm": round(count.tips * count.tip_mm, 3), "total_of_ms": count.time_ms}
            self._happened("rain_not_counted", {**detail, "in_order": count.closed})
            self._emit(name, gauge.missing())

    def _counts(self, *, closed: bool = False) -> dict[str, Count]:
        time_ms, _, _ = self._stamp()
        return {name: gauge.count(time_ms, closed=closed) for name, gauge in self._gauges.items()}

    async def _save_before_saying(self) -> None:
        """Keep the totals, if they have grown, before anybody hears of them."""
        counts = self._counts()
        if _tips(counts) != _tips(self.counted):
            self._saving = asyncio.get_running_loop().run_in_executor(None, self._save, counts)
            why = await asyncio.shield(self._saving)
            self._saving = None
            if not why:
                self.counted = counts
            elif why != self._unsaved:
                self._happened("rain_total_not_kept", {"why": why})
            self._unsaved = why

    def _save(self, counts: dict[str, Count]) -> str:
        """Keep the totals; why not, or nothing. In a thread of its own, for the disk may take its time."""
        try:
            if self._kept is not None and counts:
                self._kept.save(counts)
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def _emit(self, name: str, samples: list[Sample], time_ms: int | None = None) -> Group:
        wall_ms, grade, now_ms = self._stamp()
        at_ms = wall_ms if time_ms is None else time_ms
        group = Group(at_ms, grade, now_ms - (wall_ms - at_ms), name, samples)
        self._sink(group)
        return group

    # hearing

    async def _hear(self) -> None:
        while True:
            if not self._chip.is_open:
                await self._open()
                continue
            try:
                edges = await self._chip.edges()
            except BusDown as error:
                self._broke(error)
                continue
            lost = 0
            for edge in edges:
                gauge = self._gauges.get(edge.name)
                if gauge is not None:
                    lost += gauge.edge(edge)
                elif edge.name in self._doors:
                    self._doors[edge.name].level(edge.high, edge.at_ms)
            if lost:
                self._tell_lost(lost)
            self._wake.set()
            await self._clock.sleep(limits.DIGITAL_PAUSE_MS / 1000)

    def _tell_lost(self, lost: int) -> None:
        now = self._clock.monotonic_ms()
        if now - self._lost_told_ms >= _LOST_TOLD_MS:
            self._lost_told_ms = now
            self._happened("edges_lost", {"edges": lost})

    async def _open(self) -> None:
        try:
            await self._chip.open()
            levels = self._chip.levels()
        except BusDown as error:
            self._broke(error)
            await self._clock.sleep(
                growing(limits.REOPEN_PAUSE_MS_MIN, self._failures, limits.REOPEN_PAUSE_MS_MAX) / 1000
            )
            self._failures += 1
            return
        now = self._clock.monotonic_ms()
        was_down, self._error, self._failures = self._error is not None, None, 0
        self._driven.clear()
        self._switches.back(now)
        for name, gauge in self._gauges.items():
            gauge.sees(now)
            if was_down:
                self._emit(name, gauge.missing())
        for name, door in self._doors.items():
            if door.level(levels[name], now):
                self._emit(name, door.now())
        if was_down:
            self._happened("bus_up", {})
        self._wake.set()

    def _broke(self, error: BusDown) -> None:
        now = self._clock.monotonic_ms()
        self._chip.close()
        if self._error is None:
            self._happened("bus_down", {"why": str(error)})
            self._switches.lost()
            for gauge in self._gauges.values():
                gauge.blind(now)
            for door in self._doors.values():
                door.blind()
        self._error = (error.sentence, error.facts)

    # saying

    async def _say(self) -> None:
        while True:
            wall_ms, _, now_ms = self._stamp()
            due = self._said_by_gauges(wall_ms, now_ms)
            if due:
                await self._save_before_saying()
            self._look_at_doors(now_ms)
            for name, door in self._doors.items():
                due += [(name, each.time_ms, each.samples) for each in door.advance(wall_ms, now_ms)]
            for name, time_ms, samples in due:
                self._emit(name, samples, time_ms)
            self._switch(now_ms)
            while (asked := self._asked.take()) is not None:
                self._asked.answer(asked, self._emit(asked, self._now(asked)))
            await self._until(self._next_ms(now_ms))

    def _said_by_gauges(self, wall_ms: int, now_ms: int) -> list[tuple[str, int, list[Sample]]]:
        return [
            (name, each.time_ms, each.samples)
            for name, gauge in self._gauges.items()
            for each in gauge.advance(wall_ms, now_ms)
        ]

    def _look_at_doors(self, now_ms: int) -> None:
        """Before a state is written down it is looked at: an edge may have been lost."""
        due = [door for door in self._doors.values() if door.is_due(now_ms)]
        if due and self._chip.is_open:
            with contextlib.suppress(BusDown):  # whoever waits for edges is told as well
                levels = self._chip.levels()
                for door in due:
                    door.level(levels[door.name], now_ms)

    def _next_ms(self, now_ms: int) -> int:
        dues = [gauge.due_ms for gauge in self._gauges.values()]
        dues += [door.due_ms for door in self._doors.values()]
        off = self._switches.due_ms(now_ms)
        dues += [now_ms + _LOOK_MS_MAX] if off is None else [off]
        return min(*dues, now_ms + _LOOK_MS_MAX)

    async def _until(self, due_ms: int) -> None:
        """Return when it is time, or when something came."""
        wait = due_ms - self._clock.monotonic_ms()
        woken = asyncio.ensure_future(self._wake.wait())
        asleep = asyncio.ensure_future(self._clock.sleep(max(0, wait) / 1000))
        try:
            await asyncio.wait({woken, asleep}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            asleep.cancel()
        self._wake.clear()

    def _now(self, name: str) -> list[Sample]:
        if name in self._gauges:
            return self._gauges[name].now(self._clock.monotonic_ms())
        return self._doors[name].now()

    async def read_now(self, name: str) -> Group:
        """What a line says at this moment."""
        self._wake.set()
        return await self._asked.ask(name)

    # switching

    def _switch(self, now_ms: int) -> None:
        if not self._chip.is_open:
            return
        for name, on in self._switches.wanted(now_ms).items():
            if self._driven.get(name, False) != on:
                with contextlib.suppress(BusDown):
                    self._chip.drive(name, on is self._actives[name])
                    self._driven[name] = on

    def levels_reached(self, reached: set[str]) -> None:
        """Which levels of the station are reached now: sirens and lamps follow."""
        self._switches.levels(reached, self._clock.monotonic_ms())
        self._wake.set()

    def need(self, output: str, instrument: str) -> int | None:
        """Switch a supply on; since when it has been on, None while it cannot be switched."""
        now = self._clock.monotonic_ms()
        self._switches.need(output, instrument, now if self._chip.is_open else None)
        self._switch(now)
        return self._switches.fed_since(output)

    def release(self, output: str, instrument: str) -> None:
        """The instrument does not need its supply any more."""
        self._switches.release(output, instrument)
        self._switch(self._clock.monotonic_ms())

    def shown(self) -> BusState:
        """How the bus and its lines are doing."""
        now = self._clock.monotonic_ms()
        lines: dict[str, object] = {name: gauge.shown(now) for name, gauge in self._gauges.items()}
        lines |= {name: door.shown() for name, door in self._doors.items()}
        lines |= {name: {"on": self._driven.get(name, False)} for name in self._actives}
        states: list[InstrumentState] = [gauge.state for gauge in self._gauges.values()]
        states += [door.state for door in self._doors.values()]
        bus = self._wiring.bus
        return BusState(bus.name, "gpio", bus.chip, self._chip.is_open, self._error, states, {"lines": lines})
