"""A station's computer: a card that survives it, a clock that may be wrong, and the agent that runs on both.

The agent is the real one from the record to the receipt: journal, recorder, forwarders, receipts, clock trust.
What stands in for instruments is :meth:`Machine._measure`.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from haihe_contract.ed25519 import PublicKey
from haihe_contract.quality import Flag, Reason, mark
from haihe_contract.receipt import Receipt
from haihe_contract.record import Body, Dictionary, Duty, Event, Opened, Readings, Record
from haihe_edge.clock.stamping import StationClock
from haihe_edge.clock.trust import ClockTrust
from haihe_edge.forward.forwarder import Forwarder
from haihe_edge.journal import Disk, Journal
from haihe_edge.recorder import Recorder
from haihe_edge.remember.boot_times import BootTimes

from haihe_simulators.disk import SimulatedDisk

from .account import Account
from .broker import Broker, StationLink
from .card import Card
from .habit import SERIES
from .life import Life
from .machine_clock import MachineClock
from .receipts import HeldOnCard

GROUPS = 4
SILENT_MS = 4 * 3_600_000
"""An instrument that falls silent is so for this long at most."""
LOOK_S = 600.0
"""A real station looks more often; its records do not wait so long for their commit, either."""


class Way(NamedTuple):
    """One centre as a station knows it."""

    centre: str
    key: PublicKey
    broker: Broker
    required: bool


class Habit(NamedTuple):
    """What does not change in a machine's day.

    Args:
        cycle_s: between two polls of its instruments.
        window_ms: how long a routine record may wait for its commit.
        size: byte limit of the journal.
        urgent: share of readings that cross a level.
        retry_most_ms: cap of the pause between connections.
        heartbeat_ms: a word at least so often.
    """

    cycle_s: float
    window_ms: int
    size: int
    urgent: float
    retry_most_ms: int
    heartbeat_ms: int


class Machine:
    """One computer of a station. A cloned card runs in a second machine of the same station.

    Args:
        name: of the machine.
        station: whose code it speaks under.
        card: what it keeps.
        ways: to which centres.
        habit: what does not change.
        account: what is told of everything.
        chance: for all of it.
        truth_ms: the true time.
    """

    def __init__(
        self,
        name: str,
        station: str,
        card: Card,
        ways: Sequence[Way],
        habit: Habit,
        account: Account,
        chance: random.Random,
        truth_ms: Callable[[], int],
    ) -> None:
        self.name, self.station, self.card = name, station, card
        self.clock = MachineClock(truth_ms)
        self.life: Life | None = None
        self.recorder: Recorder | None = None
        self.measuring = True
        self.retired = False
        self.pause_s = 5.0
        """How long it stays off when it has ended."""
        self.power_fails = False
        """Whether its next end takes the disk's power, too."""
        self.next_stop: str | None = None
        """The point at which the next agent is to be stopped, by the power."""
        self.reads_fail = False
        self.off = True
        """Whether it has lost its power since the last agent ran: the next one starts in a new boot."""
        self.opened_blind = False
        """Whether its journal was opened while the disk could not be read."""
        self.flood = False
        self._ways, self._habit, self._account, self._chance = ways, habit, account, chance
        self._boots = 0
        self._level = chance.uniform(10, 20)

    async def run(self) -> None:
        """Start the agent whenever it has ended, until retired."""
        while not self.retired:
            await self._live()
            await asyncio.sleep(self.pause_s)

    async def _live(self) -> None:
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def end(why: str) -> None:
            if not ended.done():
                ended.set_result(why)

        life = self.life = Life(end)
        if self.next_stop is not None:
            life.stop_at, self.next_stop, self.power_fails = self.next_stop, None, True
        self._guard(life)
        agent = life.start(self._agent(life))
        either: set[asyncio.Future[Any]] = {agent, ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if agent.done() and not agent.cancelled() and agent.exception() is not None:
            raise AssertionError(f"the agent of {self.name} failed") from agent.exception()
        why = ended.result() if ended.done() else "in order"
        await asyncio.wait({agent})
        life.over = True
        wrote = self.recorder is not None and self.recorder.journal.head > 0
        self.life = self.recorder = None
        if why == "in order" or wrote:  # who could write nothing leaves the card as the one before has left it
            self.card.in_order = why == "in order"
        self.card.disk.leave()
        self._account.ended(self, why)
        if self.power_fails:
            self.power_fails, self.off = False, True
            if self.card.cut(self._chance):
                self._account.hit("torn write")
            self._account.hit("power cut")
            self._account.looked(self)

    @property
    def boot(self) -> str:
        """Id of the newest boot."""
        return f"{self.name}-{self._boots}"

    def stop(self) -> None:
        """Tell the agent to end in order."""
        if self.life is not None and self.recorder is not None:
            self._stopping.set()

    def _guard(self, life: Life) -> None:
        disk = self.card.disk
        if not isinstance(disk, SimulatedDisk):
            return

        def before(what: str, _name: str) -> None:
            if what == "open":
                life.check()
                if self.reads_fail:
                    self._account.hit("disk cannot be read")
                    raise OSError(5, "the simulated disk cannot be read")
            else:
                life.at(f"disk: {what}")

        disk.before = before

    async def _agent(self, life: Life) -> None:
        if self.off:
            self._boots += 1
            self.clock.boot()
            self._account.times.begins((self.station, self.boot))
        self.off = False
        trust = ClockTrust()
        clock = StationClock(self.clock, trust, lambda: self.clock.disciplined and not self.clock.none)
        self._account.opening(self)
        self.opened_blind = self.reads_fail
        boots = BootTimes(self.card.folder, self.boot, clock)
        journal = self._open(life, clock, trust, boots.ended)
        boots.began(journal.line, journal.head)
        self._stopping = asyncio.Event()
        recorder = self.recorder = Recorder(journal, self.clock, self._habit.window_ms)
        recorder.committed = boots.committed
        recorder.record(Duty([round(self._habit.cycle_s * 1000)] * len(SERIES)))
        for way in self._ways:
            recorder.add(self._forwarder(way, life, journal, boots.heard), required=way.required)
        recorder.receipted()
        work = [recorder.commit(), recorder.save(), *(each.run() for each in recorder.forwarders)]
        work += [self._measure(recorder, clock, boots), self._look_after(recorder, boots)]
        tasks = [asyncio.ensure_future(each) for each in work]
        recorder.hurry(urgent=True)
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        stamp = clock.stamp()
        recorder.record(Event(stamp.time_ms, stamp.grade, "stopped"))
        journal.close()
        recorder.save_now([boots.save_now])
        if journal.waiting:
            life.end("stopped while the disk refused")

    def _open(self, life: Life, clock: StationClock, trust: ClockTrust, ended: Callable[[int, int], object]) -> Journal:
        account, machine = self._account, self

        class Watched(Journal):
            """The journal, whose every number and every commit is written down."""

            def append(self, body: Body, *, urgent: bool = False) -> int:
                number = super().append(body, urgent=urgent)
                account.appended(machine, self.line, number, urgent, body)
                return number

            def commit(self) -> list[Record]:
                done = super().commit()
                life.check()
                account.committed(machine, self.line, done)
                return done

        def opened(previous: int, last: int, last_ms: int, closed: bool) -> Opened:  # noqa: FBT001
            ended(previous, last_ms)
            stamp = clock.stamp()
            return Opened(
                time_ms=stamp.time_ms,
                boot=self.boot,
                monotonic_ms=clock.monotonic_ms(),
                grade=stamp.grade,
                previous=previous,
                previous_last=last,
                previous_time_ms=last_ms,
                window_ms=self._habit.window_ms,
                closed=closed,
                version="world",
                site="world",
            )

        disk: Disk = self.card.disk
        return Watched.open(
            disk,
            size=self._habit.size,
            clock=clock,
            entropy=lambda: self._chance.getrandbits(64),
            dictionary=Dictionary(SERIES),
            opened=opened,
            newest=trust.not_before,
        )

    def _forwarder(self, way: Way, life: Life, journal: Journal, heard: Callable[[Receipt], object]) -> Forwarder:
        account = self._account
        return Forwarder(
            station=self.station,
            centre=way.centre,
            key=way.key,
            journal=journal,
            link=StationLink(
                self.station,
                way.centre,
                way.broker,
                life,
                connected=lambda link: account.connected(self, link),
                sent=lambda link, payload: account.sent(self, way.centre, link, payload),
                heard=lambda payload: account.heard(self, way.centre, payload),
            ),
            held=HeldOnCard(self.card.folder / f"receipts-{way.centre}", lambda: getattr(self.card.disk, "refuses", 0)),
            clock=self.clock,
            chance=random.Random(self._chance.random()),
            retry_most_ms=self._habit.retry_most_ms,
            receipted=lambda: self.recorder.receipted() if self.recorder is not None else None,
            heartbeat_ms=self._habit.heartbeat_ms,
            heard=heard,
        )

    async def _look_after(self, recorder: Recorder, boots: BootTimes) -> None:
        """Record what the true time of boots was once it is known, and keep that beside the journal."""
        while True:
            await self.clock.sleep(LOOK_S)
            if self.clock.disciplined and not self.clock.none:
                self._account.times.clock_read((self.station, self.boot), self.clock.now_ms())
            boots.look(recorder.record)
            recorder.save_now([boots.save], receipts=False)

    async def _measure(self, recorder: Recorder, clock: StationClock, boots: BootTimes) -> None:
        """Poll four instruments every cycle; now and then one crosses a level, or is silent for hours."""
        chance, habit = self._chance, self._habit
        silent, silent_until_ms = 0, 0
        while True:
            await self.clock.sleep(habit.cycle_s * chance.uniform(0.8, 1.2))
            if not self.measuring:
                continue
            recorder.journal.flood = self.flood
            now_ms = clock.monotonic_ms()
            if chance.random() < 0.02:
                silent, silent_until_ms = chance.randrange(GROUPS), now_ms + chance.randrange(SILENT_MS)
            for series in range(GROUPS):
                stamp = clock.stamp()
                boots.saw(stamp.grade, now_ms)
                if stamp.grade:  # polls begin at the full minute, so two machines and two lines meet at one time
                    stamp = stamp._replace(time_ms=stamp.time_ms // 60_000 * 60_000)
                urgent = chance.random() < habit.urgent
                self._level += chance.gauss(0, 0.02)
                body = Readings(stamp.time_ms, stamp.grade, [series], [round(self._level + series, 3)])
                if chance.random() < 0.02 or (series == silent and now_ms < silent_until_ms):
                    body = Readings(stamp.time_ms, stamp.grade, [series], [None], [mark(Flag.MISSING, Reason.TIMEOUT)])
                elif urgent:
                    body = Readings(stamp.time_ms, stamp.grade, [series, (series + 1) % GROUPS], [self._level, 12.5])
                recorder.record(body, urgent=urgent)
                if urgent:
                    event = Event(stamp.time_ms, stamp.grade, "level_raised", series, self._level, {"level": "warning"})
                    recorder.record(event, urgent=True)
