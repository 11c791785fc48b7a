"""One station, put together. New here? Start reading at :func:`run`.

    acquire -> judge and levels -> journal -> one forwarder per centre

There is no decision about readings in this file; it only connects the parts that decide.
"""

import asyncio
import base64
import random
import re
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from haihe_contract import VERSION, topic
from haihe_contract.clock import Clock, SystemClock
from haihe_contract.ed25519 import PublicKey
from haihe_contract.errors import FieldError
from haihe_contract.quality import PASS_MARK, Reason, mark, unmark
from haihe_contract.record import Dictionary, Duty, Event, Opened, Readings, State
from haihe_contract.service_manager import notify, watchdog_s

from . import handover, orders, status
from .acquire import Acquirer, Group, Happening
from .card import CardWear
from .clock.kernel import boot_id
from .clock.stamping import StationClock
from .clock.trust import ClockTrust
from .control import Control
from .forward.budget import Budget
from .forward.forwarder import Forwarder
from .forward.held import Held
from .journal import Folder, Journal
from .link.mqtt import KEEPALIVE_S, link_to
from .qualify import Judge, Judged, LevelWatch
from .recorder import Recorder
from .remember.boot_times import LOOK_S, BootTimes
from .remember.counted import CountedRain
from .remember.metered import KeptBudget
from .remember.recalled import Recalled
from .remember.site_states import BUDGET, COUNTER, TIPS, SiteStates, Standing
from .site import Centre, Site

WATCHERS_QUEUE_MAX = 1000
_PEM = re.compile("-----BEGIN PUBLIC KEY-----([^-]+)-----END PUBLIC KEY-----")
_ED25519 = bytes.fromhex("302a300506032b6570032100")
"""How the DER of an Ed25519 public key begins (RFC 8410, section 4); its 32 bytes follow."""


class StationAgent:
    """Everything of one running station that status, watch and read may ask for."""

    def __init__(self, site: Site, clock: Clock, chance: random.Random) -> None:
        self.site = site
        self.system = clock
        self.started_ms = clock.now_ms()
        self.card = CardWear(clock)
        trust = ClockTrust()
        self.clock = StationClock(clock, trust)
        self.boots = BootTimes(site.journal.directory, boot_id(), self.clock)
        journal = open_journal(site, self.clock, trust, self.boots.ended)
        self.boots.began(journal.line, journal.head)
        self.recorder = Recorder(journal, clock, site.journal.window_ms)
        self.recorder.committed = self.boots.committed
        self.recorder.record(Duty(site.duty()))
        self.counted = CountedRain(site)
        self.recalled = Recalled(site, self.recorder.journal)
        for kind, why in (("counters_forgotten", self.counted.trouble), ("memories_forgotten", self.recalled.trouble)):
            note_forgotten(kind, why, self.recorder.record, self.clock)
        self.judge = Judge(site.series)
        self.levels = LevelWatch(site.levels)
        self.latest: dict[tuple[str, int], tuple[Group, Judged]] = {}
        self._watchers: set[asyncio.Queue[dict[str, Any]]] = set()
        self.acquirer = Acquirer(
            site,
            self.clock,
            self.clock.grade,
            self.take,
            self.clock.saw_gnss,
            self.happened,
            missed=self.recalled.missed,
            recalled=self.recall,
        )
        self.budgets: list[KeptBudget] = []
        self.states = SiteStates(site, self._standing, clock)
        for centre in site.centres:
            self.recorder.add(self._forwarder(centre, chance), required=centre.required)
        self.recorder.receipted()

    def _forwarder(self, centre: Centre, chance: random.Random) -> Forwarder:
        station = self.site.station.code
        return Forwarder(
            station=station,
            centre=centre.name,
            key=read_receipt_key(centre.receipt_key),
            journal=self.recorder.journal,
            link=link_to(
                centre,
                station,
                [topic.receipt(station, centre.name)],
                keepalive_s=max(KEEPALIVE_S, centre.heartbeat_ms // 1000),
            ),
            held=Held(self.site.journal.directory / f"receipts-{centre.name}"),
            clock=self.system,
            chance=chance,
            retry_most_ms=centre.retry_most_ms,
            receipted=self.recorder.receipted,
            heartbeat_ms=centre.heartbeat_ms,
            budget=self._budget(centre),
            heard=self.boots.heard,
        )

    def _budget(self, centre: Centre) -> Budget | None:
        if centre.allowance is None:
            return None
        kept = KeptBudget(self.site.journal.directory, centre.name, centre.allowance)
        if kept.trouble:
            stamp = self.clock.stamp()
            detail = {"why": kept.trouble, "centre": centre.name}
            self.recorder.record(Event(stamp.time_ms, stamp.grade, "budget_forgotten", detail=detail))
        self.budgets.append(kept)
        return kept.budget

    def _standing(self) -> dict[str, Standing]:
        """What a new card would have to be told besides the site file."""
        standing = {COUNTER + key: Standing(state, state.news) for key, state in self.counted.states().items()}
        standing |= {TIPS + name: Standing(count, count.tips) for name, count in self.acquirer.tips().items()}
        spent = [kept for kept in self.budgets if kept.budget.spent.bytes]
        return standing | {BUDGET + kept.centre: Standing(kept.budget.spent, kept.steps) for kept in spent}

    def take(self, group: Group) -> None:
        """A poll's group, and the rain that its counters make known."""
        for rain in self.counted.see(group, self._take(group)):
            self._take(rain)

    def _take(self, group: Group) -> Judged:
        """Judge a group, watch the levels, give it its number."""
        self.boots.saw(group.grade, group.monotonic_ms)
        judged = self.judge(group.samples)
        crossings = self.levels.see(judged, group.monotonic_ms)
        urgent = any(crossing.urgent for crossing in crossings)
        body = Readings(group.time_ms, group.grade, judged.series, judged.values, judged.marks)
        self.recorder.record(body, urgent=urgent)
        self.latest[group.instrument, judged.series[0] if judged.series else -1] = (group, judged)
        if crossings:
            reached = self.levels.reached()
            self.acquirer.flood = any(self.site.series[n].series.element != "contact" for n, _ in reached)
            self.recorder.journal.flood = self.acquirer.flood
            self.acquirer.levels_reached({level for _, level in reached})
        for each in crossings:
            detail = {
                "level": each.level,
                "threshold": each.threshold,
                "datum": each.datum,
                "unverified": each.unverified,
            }
            event = Event(group.time_ms, group.grade, each.kind, each.number, each.value, detail)
            self.recorder.record(event, urgent=each.urgent)
        self._show(group, judged)
        return judged

    def _show(self, group: Group, judged: Judged) -> None:
        if self._watchers:
            row = status.row_of(self.site, group, judged)
            for watcher in self._watchers:
                if not watcher.full():
                    watcher.put_nowait(row)

    def recall(self, group: Group) -> None:
        """What an instrument's memory brought: of the past, so it moves no level, counter or latest value."""
        judged = self.judge(group.samples)
        marks = [mark(flag, reasons | Reason.FROM_MEMORY) for flag, reasons in map(unmark, judged.marks)]
        marks = marks or [mark(unmark(PASS_MARK)[0], Reason.FROM_MEMORY)] * len(judged.series)
        self.recorder.record(Readings(group.time_ms, group.grade, judged.series, judged.values, marks))
        self._show(group, judged._replace(marks=marks))

    def happened(self, happening: Happening) -> None:
        """A bus noticed something that is no reading."""
        self.counted.happened(happening)
        detail = {**happening.detail, "bus": happening.bus}
        self.recorder.record(Event(happening.time_ms, happening.grade, happening.kind, detail=detail))

    async def look_after(self) -> None:
        """Record what the true time of boots was once it is known, and what another card would have to be told."""
        while True:
            self.boots.look(self.recorder.record)
            self._record_states()
            await self.system.sleep(LOOK_S)

    def _record_states(self, *, last: bool = False) -> None:
        stamp = self.clock.stamp()
        for name, value in self.states.due(last=last):
            self.recorder.record(State(name, value, stamp.time_ms, stamp.grade))

    async def beat(self) -> None:
        """Feed the service manager's watchdog as long as the event loop turns and the disk answers.

        A disk that refuses is no reason: a restart would lose what waits in memory. One that never comes back
        from a write is.
        """
        every = watchdog_s()
        notify("READY=1")
        while every is not None:
            if not self.recorder.stuck:
                notify("WATCHDOG=1")
            await self.system.sleep(every)

    async def run(self) -> None:
        """Measure, keep and send until cancelled; then stop in order."""
        control = Control(
            self.site.control,
            {
                "status": self.answer_status,
                "read": self.answer_read,
                "write": self.answer_write,
                "command": self.answer_command,
                "standing": self.answer_standing,
                "receipt": self.answer_receipt,
            },
            {"watch": self.answer_watch},
        )
        states = [self.counted.save, self.recalled.save, self.boots.save, *(kept.save for kept in self.budgets)]
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(control.run(), name="control")
                tasks.create_task(self.acquirer.run(), name="acquire")
                tasks.create_task(self.recorder.commit(), name="commit")
                tasks.create_task(self.recorder.save(states, note=self.recalled.note), name="receipts")
                tasks.create_task(self.look_after(), name="time and states")
                tasks.create_task(self.beat(), name="watchdog")
                for forwarder in self.recorder.forwarders:
                    tasks.create_task(forwarder.run(), name=f"forward {forwarder.centre}")
                self.recorder.hurry(urgent=True)
        finally:
            notify("STOPPING=1")
            self._record_states(last=True)
            stamp = self.clock.stamp()
            self.recorder.record(Event(stamp.time_ms, stamp.grade, "stopped"))
            self.recorder.journal.close()
            self.recorder.save_now(
                [self.counted.save, self.recalled.close, self.boots.save_now, *(kept.keep for kept in self.budgets)]
            )

    async def answer_status(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        """What ``haihe-edge status`` shows; documented in docs/reference/status.md."""
        return status.of(self)

    async def answer_read(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Ask one instrument now, through the bus that is in use."""
        group = await self.acquirer.read_now(str(request.get("instrument", "")))
        return status.answer_of(self.site, group, self.judge(group.samples), self.acquirer.state())

    async def answer_write(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Set points of an instrument through the bus that is in use."""
        return await orders.write(self.acquirer, request)

    async def answer_command(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send an instrument a command through the bus that is in use."""
        return await orders.command(self.acquirer, request)

    async def answer_standing(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        """What a bundle has to say to a new card."""
        return await handover.standing(self.recorder, self._standing(), self.clock.stamp())

    async def answer_receipt(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A receipt that was brought by hand."""
        return await handover.receipt(self.recorder, request)

    async def answer_watch(self) -> AsyncIterator[dict[str, Any]]:
        """Every reading group as it is taken."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(WATCHERS_QUEUE_MAX)
        self._watchers.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)


def open_journal(
    site: Site,
    clock: StationClock,
    trust: ClockTrust,
    ended: Callable[[int, int], object] = lambda _line, _last_ms: None,
) -> Journal:
    """Start a new line in the journal of that site.

    Args:
        site: of the station.
        clock: that records are stamped with.
        trust: told the newest time that was ever recorded.
        ended: told the line before, and its last commit's time.

    Raises:
        FieldError: when it cannot be used, or another agent has it.
    """

    def opened(previous: int, last: int, last_ms: int, closed: bool) -> Opened:  # noqa: FBT001 - the record's own word
        ended(previous, last_ms)
        stamp = clock.stamp()
        return Opened(
            time_ms=stamp.time_ms,
            boot=boot_id(),
            monotonic_ms=clock.monotonic_ms(),
            grade=stamp.grade,
            previous=previous,
            previous_last=last,
            previous_time_ms=last_ms,
            window_ms=site.journal.window_ms,
            closed=closed,
            version=VERSION,
            site=site.fingerprint,
        )

    return Journal.open(
        Folder(site.journal.directory),
        size=site.journal.size_bytes,
        clock=clock,
        entropy=lambda: random.SystemRandom().getrandbits(64),
        dictionary=Dictionary(site.dictionary()),
        opened=opened,
        newest=trust.not_before,
    )


def note_forgotten(kind: str, why: str, record: Callable[[Event], object], clock: StationClock) -> None:
    """Record it if something that was kept beside the journal could not be read; ``why`` is empty if it could."""
    if why:
        stamp = clock.stamp()
        record(Event(stamp.time_ms, stamp.grade, kind, detail={"why": why}))


def read_receipt_key(path: Path) -> PublicKey:
    """The centre's public receipt key.

    Raises:
        FieldError: when the file is not one.
    """
    try:
        body = _PEM.search(path.read_text("ascii"))
        der = base64.b64decode(body[1]) if body else b""
        if not der.startswith(_ED25519):
            raise ValueError  # noqa: TRY301 - all that is wrong with the file is said in one place
        return PublicKey(der.removeprefix(_ED25519))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not an Ed25519 public key in PEM"
        raise FieldError(
            f"the centre's receipt key cannot be read: {why}",
            where=str(path),
            do="copy the file that `haihe-cloud pki receipt-key` made at the centre",
        ) from None


async def run(site: Site, *, clock: Clock | None = None, ready: Callable[[], None] | None = None) -> None:
    """Run one station until SIGTERM or SIGINT, then stop in order.

    Args:
        site: from :func:`haihe_edge.site.load_site`.
        clock: the machine's, unless a test brings its own.
        ready: called once everything has started.

    Raises:
        FieldError: when the station cannot start, with what to do about it.
    """
    agent = StationAgent(site, clock or SystemClock(), random.SystemRandom())
    task = asyncio.ensure_future(agent.run())
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, task.cancel)
    if ready is not None:
        ready()
    try:
        await task
    except asyncio.CancelledError:
        return
    except ExceptionGroup as group:
        faults, rest = group.split(FieldError)
        if rest is not None or faults is None:
            raise
        raise faults.exceptions[0] from None
