"""One world: stations, centres, a day of faults, then everything is mended and must come to rest.

A carried bundle is written beside the agent by the product's own code, signed, and read and checked like one at the
centre; its batches wait late and twice in the queue of the real import. A receipt comes back by hand.
"""

import asyncio
import gc
import logging
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from . import decoding
from .broker import Broker
from .cards import Broken
from .faults import DAY_S, Plan, draw
from .happenings import Happenings
from .life import WorldLoop
from .machine import Machine

LOOK_EVERY_S = 3 * 3600.0
FLAPPING_S = 500.0
LAST_CUT_S = 2 * 3600.0
HEALED_WITHIN_S = 2 * 3600.0
RECORDS_MIN = 2_000


class Outcome(NamedTuple):
    """How one seed went.

    Args:
        seed: which.
        broken: what promise was broken, empty if none.
        hits: how often each fault and each point was met.
        records: committed by all stations.
        history: what happened, if a promise was broken.
    """

    seed: int
    broken: str
    hits: dict[str, int]
    records: int
    history: list[str]


def play(seed: int) -> Outcome:
    """Live through the day of a seed."""
    plan = draw(seed)
    logging.disable(logging.CRITICAL)
    home = Path("/dev/shm")  # noqa: S108 - a memory disk where there is one: power cuts are simulated elsewhere
    folder = Path(tempfile.mkdtemp(prefix="haihe-world-", dir=home if home.is_dir() else None))
    world: list[World] = []
    gc.disable()  # a world is let go of as a whole
    try:
        with asyncio.Runner(loop_factory=WorldLoop) as runner:
            broken = runner.run(_live(plan, folder, world))
        return _outcome(seed, broken, world[0])
    finally:
        world.clear()
        decoding.forget()
        gc.enable()
        gc.collect(1)  # what is left of it, before it grows old, and nothing older: that is no world's
        logging.disable(logging.NOTSET)
        shutil.rmtree(folder, ignore_errors=True)


def _outcome(seed: int, broken: str, world: "World") -> Outcome:
    account = world.account
    records = sum(len(bodies) for bodies in account.bodies.values())
    return Outcome(seed, broken, dict(account.hits), records, world.history.last() if broken else [])


async def _live(plan: Plan, folder: Path, made: list["World"]) -> str:
    world = World(plan, folder)
    made.append(world)
    try:
        await world.day()
    except Exception as error:  # noqa: BLE001 - whatever breaks is this seed's outcome
        return str(error) if isinstance(error, Broken) else _where(error)
    finally:
        world.close()
    return ""


def _where(error: BaseException) -> str:
    cause = error.__cause__ or error
    frames = []
    at = cause.__traceback__
    while at is not None:
        frames.append(f"{Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}")
        at = at.tb_next
    return f"{type(cause).__name__}: {cause} ({' '.join(frames[-4:])})"


class World(Happenings):
    """A day on it."""

    async def day(self) -> None:
        """Faults, checks, healing, rest.

        Raises:
            Broken: when a promise was broken.
        """
        for centre in self.centres:
            self._later(self._chance.uniform(0.1, 0.6) * DAY_S, self._back_up, centre)
        for machine in self.machines:
            self._later(self._chance.uniform(0.1, 0.6) * DAY_S, self._take_image, machine)
        self.begin()
        self._later(DAY_S - LAST_CUT_S, self._cut_all)
        for fault in self.plan.faults:
            self._later(fault.at_s, self._happens, fault)
        while self.seconds() < DAY_S or not self._enough():
            await self._pass(LOOK_EVERY_S)
            self.account.check(self.machines, self.centres)
            if self.seconds() > 3 * DAY_S:
                self.account.fail(
                    f"three days, and a station has too few records: {[self._state(m) for m in self.machines]}"
                )
        await self._heal()
        self.account.finish(self.machines, self.centres)

    def _cut_all(self) -> None:
        """The day ends with all links cut: healing begins with a backlog, and no restart helps afterwards."""
        self.account.say("all links are cut")
        for centre in self.centres:
            for machine in self.machines:
                self._cut_off(centre, machine.station)

    def _flap(self) -> None:
        """The links are back, and snap at every other batch for some minutes."""
        for centre in self.centres:
            broker = centre.broker
            broker.cut.clear()
            broker.weather = broker.weather._replace(snap=0.5)
            self._loop.call_later(FLAPPING_S, self._calm, broker)

    def _calm(self, broker: Broker) -> None:
        broker.weather = broker.weather._replace(snap=0)

    def _state(self, machine: Machine) -> str:
        if machine.life is None or machine.recorder is None:
            return f"{machine.name} is off"
        journal = machine.recorder.journal
        return f"{machine.name}: head {journal.head}, waiting {journal.waiting}, {journal.trouble}"

    def _enough(self) -> bool:
        made: Counter[str] = Counter()
        for (station, _), bodies in self.account.bodies.items():
            made[station] += len(bodies)
        return all(made[machine.station] >= RECORDS_MIN for machine in self.machines)

    async def _pass(self, seconds: float) -> None:
        """Let time pass; whatever fails in the background ends the day.

        Raises:
            Broken: what it failed with.
        """
        passed = self._loop.create_task(asyncio.sleep(seconds))
        while not passed.done():
            running = [task for task in self._runs.values() if not task.done()]
            await asyncio.wait({passed, *running}, return_when=asyncio.FIRST_COMPLETED)
            failed = [task.exception() for task in self._runs.values() if task.done()]
            for error in (*failed, *self._errors):
                if error is not None:
                    raise error.__cause__ or error

    async def _heal(self) -> None:
        self.account.say("everything is mended")
        self.healed = True
        for mend in self._mends:
            mend()
        for centre in self.centres:
            centre.broker.weather = centre.broker.weather._replace(
                drop=0, vanish=0, repeat=0, overtake=0, damage=0, stale=0
            )
            centre.stop_at = None
            if not centre.up:
                centre.start()
        for machine in self.machines:
            if machine.life is not None:
                machine.life.stop_at = None
            if machine.opened_blind:
                machine.stop()
        self._flap()
        for centre, data in self._bundles:
            self._bring(centre, data)
        await self._pass(600)
        for machine in self.machines:
            machine.measuring = False
        until = self.seconds() + HEALED_WITHIN_S
        while left := self._left():
            if self.seconds() > until:
                self.account.fail(f"two hours after everything was mended, not at the centres: {left}")
            await self._pass(120)

    def _left(self) -> str:
        words = []
        for machine in self.machines:
            self.account.looked(machine)
            for centre in self.centres:
                for line, numbers in self.account.still_to_come(machine, centre).items():
                    words.append(f"{centre.name}: {numbers} of line {line:016x} of {machine.name}")
            if self.account.times.unsaid((machine.station, machine.boot)):
                words.append(f"when boot {machine.boot} was")
            if boot := self.account.times.unbounded(machine.station):
                words.append(f"when boot {boot} was, at least between others")
        return "; ".join(words)
