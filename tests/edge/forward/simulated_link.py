"""A link and a centre in virtual time, at the port of the forwarder: rate, delay, freezing, refusing, flapping."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from haihe_contract import receipt as receipts
from haihe_contract import topic, wire
from haihe_contract.clock import Clock
from haihe_contract.ed25519 import PublicKey
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.receipt import VERSION, Credit, LineHeld, LineWanted, Receipt
from haihe_contract.record import Dictionary, Event, Opened, Readings
from haihe_edge.forward.flow import Grant
from haihe_edge.forward.forwarder import Forwarder
from haihe_edge.forward.held import Held
from haihe_edge.forward.port import LinkDown, PublishRefused
from haihe_edge.journal import Journal
from haihe_edge.recorder import Recorder
from haihe_simulators.disk import SimulatedDisk
from haihe_simulators.virtual_time import in_virtual_time

STATION, CENTRE = "31005650", "bureau"
KEY = Ed25519PrivateKey.generate()
WALL_MS = 1_790_000_000_000


class LoopClock:
    """The loop's time as a clock."""

    def now_ms(self) -> int:
        return WALL_MS + self.monotonic_ms()

    def monotonic_ms(self) -> int:
        return round(asyncio.get_running_loop().time() * 1000)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SimulatedCentre:
    """Link and centre: a ledger behind a pipe of so many bytes a second and so much delay each way."""

    def __init__(self, *, bytes_per_s: float = 1e6, one_way_s: float = 0.02, grant: Grant | None = None) -> None:
        self.incoming: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.bytes_per_s, self.one_way_s, self.grant = bytes_per_s, one_way_s, grant
        self.epoch = 1
        self.answers = True
        self.acknowledges = True
        self.frozen = False
        self.up = True
        self.refuses: Callable[[wire.Batch], PublishRefused | None] = lambda _batch: None
        self.credit: Credit | None = None
        self.wanted: list[LineWanted] = []
        self.held: dict[int, RangeSet] = {}
        self.arrived: list[tuple[float, wire.Batch, int]] = []
        self.volatile: list[wire.Batch] = []
        self.times: Counter[tuple[int, int]] = Counter()
        self.dials: list[float] = []
        self.unanswered = self.unanswered_most = 0
        self._ended: asyncio.Future[str] | None = None
        self._free_s = 0.0
        self._session = 0

    async def connect(self) -> Grant | None:
        self.dials.append(now_s())
        await asyncio.sleep(4 * self.one_way_s)
        if not self.up or self.frozen:
            raise LinkDown("no answer")
        self._session += 1
        self._ended = asyncio.get_running_loop().create_future()
        self.incoming = asyncio.Queue()
        self.unanswered = 0
        self._free_s = 0.0
        if self.held:
            self._later(self.one_way_s, self.say)
        return self.grant

    def _later(self, after_s: float, act: Callable[[], None]) -> None:
        """On this connection, unless it froze."""
        session = self._session
        asyncio.get_running_loop().call_later(
            after_s, lambda: act() if session == self._session and not self.frozen else None
        )

    def publish(self, name: str, payload: bytes) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[None] = loop.create_future()
        self.unanswered += 1
        self.unanswered_most = max(self.unanswered_most, self.unanswered)
        self._free_s = max(self._free_s, loop.time()) + (len(payload) + 120) / self.bytes_per_s
        self._later(self._free_s - loop.time() + self.one_way_s, lambda: self._arrive(name, payload, answer))
        return answer

    def _arrive(self, name: str, payload: bytes, answer: "asyncio.Future[None]") -> None:
        batch = wire.decode(payload)
        assert name == topic.up(STATION, batch.lane)
        refusal = self.refuses(batch)
        if refusal is None:
            self._take(batch, len(payload))
        if not self.acknowledges:
            return

        def acknowledge() -> None:
            self.unanswered -= 1
            if answer.done():
                return
            if refusal is not None:
                answer.set_exception(refusal)
            else:
                answer.set_result(None)

        self._later(self.one_way_s, acknowledge)

    def _take(self, batch: wire.Batch, size: int) -> None:
        if batch.volatile:
            self.volatile.append(batch)
            return
        self.arrived.append((now_s(), batch, size))
        for record in batch.records:
            self.times[batch.line, record.number] += 1
        numbers = RangeSet.from_numbers(record.number for record in batch.records)
        if numbers:
            self.held[batch.line] = self.held.get(batch.line, EMPTY) | numbers
        if self.answers:
            self._later(0.005 + self.one_way_s, self.say)

    def say(self) -> None:
        lines = [LineHeld(line, list(numbers.ranges)) for line, numbers in self.held.items()]
        issued = round(now_s() * 1000)
        receipt = Receipt(VERSION, CENTRE, self.epoch, STATION, issued, lines, self.credit, self.wanted)
        self.incoming.put_nowait((topic.receipt(STATION, CENTRE), receipts.sign(receipt, KEY)))

    async def closed(self) -> str:
        assert self._ended is not None
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        self.cut()

    def cut(self) -> None:
        self._session += 1
        if self._ended is not None and not self._ended.done():
            self._ended.set_result("cut")


class Station:
    """Journal, group commit and one forwarder, as the agent joins them."""

    def __init__(
        self,
        centre: SimulatedCentre,
        *,
        backlog: int = 0,
        disk: SimulatedDisk | None = None,
        held: Held | None = None,
        seed: int = 1,
        values: int = 4,
        clock: Clock | None = None,
        **options: Any,
    ) -> None:
        self.chance = random.Random(seed)
        self.disk = disk or SimulatedDisk()
        self.clock = clock or LoopClock()
        self.centre = centre
        self.values = values
        self.committed_s: dict[int, float] = {}
        if backlog:
            before = self._open()
            for n in range(backlog):
                before.append(self.reading(n - backlog))
                if n % 20 == 0:
                    before.commit()
            before.close()
            self.backlog_line, self.backlog_last = before.line, before.head
        self.recorder = Recorder(self._open(), self.clock, 1000)
        self.forwarder = Forwarder(
            station=STATION,
            centre=CENTRE,
            key=PublicKey(KEY.public_key().public_bytes_raw()),
            journal=self.recorder.journal,
            link=centre,
            held=held or Held(),
            clock=self.clock,
            chance=self.chance,
            retry_most_ms=30_000,
            receipted=self.recorder.receipted,
            **options,
        )
        self.recorder.add(self.forwarder, required=True)
        self._tasks: list[asyncio.Future[Any]] = []

    @property
    def line(self) -> int:
        return self.recorder.journal.line

    def _open(self) -> Journal:
        return Journal.open(
            self.disk,
            size=1 << 26,
            clock=self.clock,
            entropy=lambda: self.chance.getrandbits(64),
            dictionary=Dictionary([f"supply_voltage.p{n}.instant.0.instrument.-" for n in range(self.values)]),
            opened=lambda line, last, ms, closed: Opened(1, "b", 1, 1, line, last, ms, 1000, closed, "0", "s"),
        )

    def reading(self, second: int) -> Readings:
        values: list[float | None] = [round(self.chance.uniform(10, 15), 2) for _ in range(self.values)]
        return Readings(WALL_MS + second * 1000, 5, list(range(self.values)), values)

    def start(self) -> None:
        self._tasks = [asyncio.ensure_future(work) for work in (self.recorder.commit(), self.forwarder.run())]
        self.recorder.hurry(urgent=True)

    async def measure(self, seconds: int, *, alarm_every: int = 0) -> None:
        """One reading a second, an alarm now and then."""
        for second in range(seconds):
            self.record(self.reading(round(now_s())))
            if alarm_every and second % alarm_every == alarm_every - 1:
                self.record(Event(WALL_MS, 5, "level_raised", 0, 12.0), urgent=True)
            await asyncio.sleep(1)

    def record(self, body: Any, *, urgent: bool = False) -> None:
        self.committed_s[self.recorder.record(body, urgent=urgent)] = now_s()

    async def stop(self) -> None:
        for task in self._tasks:
            if task.done():
                task.result()
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.centre.close()

    async def until_settled(self, most_s: float = 600) -> None:
        """Until a receipt covers everything."""
        async with asyncio.timeout(most_s):
            while self.forwarder.outbox.unsettled():  # noqa: ASYNC110 - virtual time
                await asyncio.sleep(0.1)


def now_s() -> float:
    return asyncio.get_running_loop().time()


def virtually(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it in virtual time."""
    in_virtual_time(work())
