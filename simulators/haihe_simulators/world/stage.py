"""The stage of one world: its machines and centres, its clock, and what is put right again later."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

from haihe_edge.forward.port import LinkDown
from haihe_edge.journal import Folder

from haihe_simulators.disk import SimulatedDisk

from .account import Account
from .card import Card
from .centre import Centre
from .faults import STATIONS, Plan
from .history import History
from .machine import Habit, Machine, Way
from .times import Times

T0_MS = 1_790_000_000_000


class Stage:
    """Everything that is there.

    Args:
        plan: the day.
        folder: for files.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self._folder = plan, folder
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _loop, context: self._noticed(context.get("exception")))
        self._start_s = self._read_s = self._loop.time()
        self._truth_ms = T0_MS
        self._chance = random.Random(plan.seed ^ 0x5EED)
        self.history = History(self.seconds)
        names = ["bureau", "district"]
        self.account = Account(set(names if plan.both_required else names[:1]), self.history, Times(self.truth_ms))
        self.centres = [
            Centre(
                name,
                folder / name,
                weather,
                self.account,
                random.Random(self._chance.random()),
                self.truth_ms,
                STATIONS,
                signs=plan.real_files,
            )
            for name, weather in zip(names, plan.weather, strict=True)
        ]
        self.machines: list[Machine] = []
        self._runs: dict[Machine, asyncio.Task[None]] = {}
        self._mends: list[Callable[[], None]] = []
        self._backups: list[tuple[Centre, Path]] = []
        self._images: dict[str, Card] = {}
        self._bundles: list[tuple[Centre, bytes]] = []
        self._files = 0
        self._errors: list[BaseException] = []
        self.healed = False
        for code in STATIONS:
            self._add(code, code, self._new_card())

    def seconds(self) -> float:
        """Since the beginning of the day."""
        return self._loop.time() - self._start_s

    def truth_ms(self) -> int:
        """The true time."""
        now_s = self._loop.time()
        if now_s != self._read_s:  # it stands still while anybody does something, and is asked for all the time
            self._read_s, self._truth_ms = now_s, T0_MS + round((now_s - self._start_s) * 1000)
        return self._truth_ms

    def close(self) -> None:
        """Let go of all files."""
        for centre in self.centres:
            if centre.up:
                centre.store.close()
                centre.database.close()

    def _later(self, seconds: float, act: Callable[..., None], *given: object) -> None:
        def guarded() -> None:
            if self.healed:
                return
            try:
                act(*given)
            except Exception as error:  # noqa: BLE001 - the day ends with it
                self._errors.append(error)

        self._loop.call_later(seconds, guarded)

    def _mend(self, seconds: float, act: Callable[[], None]) -> None:
        """Put it right after a while, or when everything is mended."""
        self._mends.append(act)
        self._loop.call_later(seconds, act)

    def _new_card(self) -> Card:
        self._files += 1
        folder = self._folder / f"card-{self._files}"
        if self.plan.real_files:
            self.account.hit("real files")
            return Card(folder, Folder(folder / "journal"))
        return Card(folder, SimulatedDisk())

    def _add(self, name: str, station: str, card: Card) -> Machine:
        plan = self.plan
        habit = Habit(
            plan.cycle_s,
            plan.window_ms,
            plan.size,
            plan.urgent,
            retry_most_ms=600_000,
            heartbeat_ms=3_600_000,
        )
        ways = [
            Way(each.name, each.public_key, each.broker, each.name in self.account.required) for each in self.centres
        ]
        chance = random.Random(self._chance.random())
        machine = Machine(name, station, card, ways, habit, self.account, chance, self.truth_ms)
        self.machines.append(machine)
        return machine

    def _noticed(self, error: BaseException | None) -> None:
        """Something failed outside the machines' own tasks."""
        if error is not None and not isinstance(error, LinkDown):
            self._errors.append(error)

    def begin(self) -> None:
        """Switch the machines on that are not."""
        for machine in self.machines:
            if machine not in self._runs:
                self._runs[machine] = self._loop.create_task(machine.run())
