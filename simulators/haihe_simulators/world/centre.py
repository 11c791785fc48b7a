"""A centre: the real worker, ledger, registry and store on files, fed by a simulated broker, killed anywhere.

What would be its threads are steps on the world's loop. One follower, a witness, writes down what passed it.
"""

import asyncio
import random
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from haihe_cloud.admit.registry import Registry, Station
from haihe_cloud.database import CENTRE, Connection
from haihe_cloud.ingest.beside import Beside
from haihe_cloud.ingest.inbox import Inbox, Message
from haihe_cloud.ingest.place import Placing
from haihe_cloud.ingest.recall import Said
from haihe_cloud.ingest.worker import Stopped, Worker
from haihe_cloud.ledger.arrival import ArrivalEntry
from haihe_cloud.ledger.carried import Carried
from haihe_cloud.ledger.epoch import CONTRADICTED, RESTORED
from haihe_cloud.ledger.follow import Follower, Following
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.ledger.quarantine import Quarantine
from haihe_cloud.limits import RECEIVE_MAXIMUM, ROUND_MESSAGES
from haihe_cloud.sql.sqlite import SqliteDatabase
from haihe_cloud.store.port import Refused, StoreAway
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract import topic as topics
from haihe_contract.ed25519 import KEY_BYTES
from haihe_contract.reading import Reading
from haihe_contract.receipt import verify
from haihe_contract.wire import Batch

from .account import Account
from .broker import Broker, Waiting, Weather
from .seal import receipt_keys

POINTS = [
    "centre: before the store",
    "centre: after the store",
    "centre: within the ledger's commit",
    "centre: after the ledger's commit",
    "centre: before a receipt",
    "centre: after a receipt",
    "centre: before an acknowledgement",
    "centre: after an acknowledgement",
    "centre: within the follower's commit",
    "centre: after the follower's commit",
]
_AWAY_S = 900.0
"""A worker whose engine is away tries its round again after so long."""
_templates: dict[str, bytes] = {}


class Killed(BaseException):
    """The centre's process ended here. No code of ours may catch it."""


def _alone(connection: Connection | sqlite3.Connection) -> None:
    """Nobody else opens the file, and no centre of a world loses its power: no locks, no log on disk, no syncs."""
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("PRAGMA journal_mode=MEMORY")
    connection.execute("PRAGMA synchronous=OFF")


class _Database(SqliteDatabase):
    def __init__(self, path: Path, reached: Callable[[str], None]) -> None:
        self._reached = reached
        super().__init__(path)
        _alone(self.connection())

    @contextmanager
    def transaction(self, book: str = CENTRE) -> Iterator[Connection]:
        with super().transaction(book) as connection:
            yield connection
            self._reached("within")
        self._reached("after")


class _Store(SqliteStore):
    def __init__(self, path: Path, centre: "Centre") -> None:
        super().__init__(path)
        self._centre = centre
        _alone(self._file._connections.mine())  # noqa: SLF001 - as only a world can be sure of

    def write(self, readings: Mapping[str, Sequence[Reading]]) -> list[Refused]:
        if self._centre.store_away:
            self._centre.account.hit("store away")
            raise StoreAway("the simulated engine is away")
        self._centre.reached("centre: before the store")
        refused = super().write(readings)
        self._centre.reached("centre: after the store")
        return refused


class _NoWaiting(threading.Event):
    """Tells a worker whose engine is away to give its round up; the world asks again later."""

    def wait(self, timeout: float | None = None) -> bool:
        return True


class Witness:
    """A follower that writes down what passed it, in the commit that moves its cursor."""

    name = "witness"

    def __init__(self, connection: Connection) -> None:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS"
            " witness (position INTEGER, station TEXT, line TEXT, first INTEGER, last INTEGER)"
        )

    def handle(self, entry: ArrivalEntry, batch: Batch, connection: Connection) -> None:
        """One admitted batch."""
        numbers = [record.number for record in batch.records]
        runs = [at for at in range(len(numbers)) if at == 0 or numbers[at] != numbers[at - 1] + 1]
        for start, end in zip(runs, [*runs[1:], len(numbers)], strict=True):
            connection.execute(
                "INSERT INTO witness VALUES(?, ?, ?, ?, ?)",
                (entry.position, batch.station, f"{batch.line:016x}", numbers[start], numbers[end - 1]),
            )


class Centre:
    """One centre with its broker.

    Args:
        name: as its receipts say.
        folder: for its databases.
        weather: of its broker.
        account: told of everything.
        chance: for all of it.
        truth_ms: its clock is right.
        stations: whom it knows.
        signs: whether its receipts have real signatures.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        weather: Weather,
        account: Account,
        chance: random.Random,
        truth_ms: Callable[[], int],
        stations: Sequence[str],
        *,
        signs: bool,
    ) -> None:
        self.name, self.folder, self.account = name, folder, account
        self.key, self.public_key = receipt_keys(chance.randbytes(KEY_BYTES), signs=signs)
        self.up = False
        self.store_away = False
        self.stop_at: str | None = None
        self.broker = Broker(weather, random.Random(chance.random()), account.hit, self._deliver)
        self.broker.forgotten = self._forgotten
        self.now_ms = self.monotonic_ms = truth_ms
        self._chance = chance
        self._phase = ""
        self._coming: asyncio.TimerHandle | None = None
        self._backups = 0
        folder.mkdir()
        for name_, data in _made().items():
            (folder / name_).write_bytes(data)
        self.start()
        for code in stations:
            self.registry.add(Station(code))

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def start(self) -> None:
        """Start the process; the broker sends again what it has not acknowledged."""
        self._open()
        self._recall()
        self.account.centre_starts(self)
        self._connect()

    def _open(self) -> None:
        self._phase = ""
        self.database = _Database(self.folder / "centre.db", self._in_database)
        self.store = _Store(self.folder / "series.db", self)
        self.registry = Registry(self.database)
        self.ledger = Ledger(self.database, centre=self.name, clock=self)
        self._carried = Carried(self.database)
        self._brought = True
        self._inbox = Inbox(RECEIVE_MAXIMUM)
        self._taken: list[Message] = []
        self.worker = Worker(
            self._inbox,
            self.store,
            self.ledger,
            self.registry,
            self._publish,
            self.key,
            clock=self,
            chance=self._chance,
            stop=_NoWaiting(),
            beside=Beside(Quarantine(self.database), self.ledger, self.registry, self._carried).messages,
        )
        followers: list[Follower] = [Placing(self.store, self.ledger, self), Witness(self.database.connection())]
        self._followings = [Following(self.ledger, self.database, each, (StoreAway,)) for each in followers]
        self.up = True

    def _recall(self) -> bool:
        """Compare the ledger with what the broker still has of this centre's receipts; whether an epoch was begun."""
        said, epoch = Said(), self.ledger.epoch
        for name, payload in self.broker.retained():
            station = topics.station_of_receipt(name) or ""
            said.take(verify(payload, self.public_key, centre=self.name, station=station), self.ledger, epoch)
        if said.what:
            self.ledger.renew(CONTRADICTED, above=said.highest)
        return bool(said.what)

    def _connect(self) -> None:
        if self._coming is not None:
            self._coming.cancel()
            self._coming = None
        self.broker.redeliver()

    def kill(self, why: str) -> None:
        """End the process; it is started again after a while."""
        self.account.hit(why)
        self.account.say(f"{self.name} is killed ({why})")
        self._down()
        asyncio.get_running_loop().call_later(self._chance.uniform(1, 600), self._start_again)

    def _start_again(self) -> None:
        if not self.up:
            self.start()

    def _down(self) -> None:
        self.up, self.stop_at = False, None
        self.store.close()
        self.database.close()

    def backup(self) -> Path:
        """Copy the databases; where the copy is."""
        self._backups += 1
        to = self.folder / f"backup-{self._backups}"
        to.mkdir()
        for name in ("centre.db", "series.db"):  # nothing is under way in them between two steps of the loop
            shutil.copy(self.folder / name, to / name)
        return to

    def restore(self, backup: Path) -> None:
        """The machine died; another one goes on from a copy of its databases, under a new epoch."""
        if self.up:
            self._down()
        for name in ("centre.db", "series.db"):
            for path in self.folder.glob(f"{name}*"):
                path.unlink()
            shutil.copy(backup / name, self.folder / name)
        self._open()
        if not self._recall():  # put back by hand, and its own receipts have told it; or else by the command
            self.ledger.renew(RESTORED)
        self.account.restored(self)
        self._connect()
        self.worker.owe_receipts()
        self._soon()

    def reached(self, point: str) -> None:
        """A point is reached; may end the process.

        Raises:
            Killed: when it does.
        """
        if self.stop_at == point:
            raise Killed(point)

    def _in_database(self, when: str) -> None:
        if self._phase:
            self.reached(f"centre: {when} the {self._phase}'s commit")

    def _forgotten(self) -> None:
        if self.up:
            for urgent in (True, False):
                self._inbox.forget(urgent=urgent)
            self.worker.owe_receipts()
            self._soon()

    def _deliver(self, waiting: Waiting) -> bool:
        if not self.up:
            return False

        def acknowledge() -> None:
            self.reached("centre: before an acknowledgement")
            self.account.acknowledged(self, waiting.topic, waiting.payload)
            self.broker.acknowledged(waiting.id)
            self.reached("centre: after an acknowledgement")

        message = Message(waiting.topic, waiting.payload, self.now_ms(), acknowledge)
        self._soon()
        return self._inbox.put(message, urgent=waiting.urgent)

    def carried(self, station: str, batches: Sequence[bytes]) -> None:
        """Batches that were carried by hand: they wait in the queue of the real import until the worker takes them."""
        if self.up:
            self._carried.put(station, batches)
            self._brought = True
            self._soon()

    def _publish(self, topic: str, payload: bytes) -> bool:
        self.reached("centre: before a receipt")
        self.account.receipt(self, payload)
        self.broker.receipt(topic, payload)
        self.reached("centre: after a receipt")
        return True

    def _soon(self) -> None:
        """Work once the messages of the next seconds have come, too."""
        if self._coming is None:
            self._coming = asyncio.get_running_loop().call_later(self._chance.uniform(1, 3), self._round)

    def _round(self) -> None:
        self._coming = None
        if not self.up:
            return
        try:
            self._taken = self._taken or self._inbox.take(ROUND_MESSAGES, 0)
            while self._taken:
                self._taken = self._taken[self._work(self._taken) :]
            self.worker.housekeep()
            self.follow()
        except Killed as point:
            self.kill(str(point))
        except Stopped:
            self._coming = asyncio.get_running_loop().call_later(_AWAY_S, self._round)
            return
        if self.up:
            self.broker.more()
            self._brought = self._brought and self._carried.waiting().batches > 0
            if self._brought:
                self._soon()

    def _work(self, messages: Sequence[Message]) -> int:
        self._phase = "ledger"
        self.account.round_begins(self, [message.payload for message in messages])
        try:
            done = self.worker.round(messages)
        finally:
            self._phase = ""
        return done

    def follow(self) -> None:
        """Let the followers work off what has come; one whose store is away goes on later."""
        self._phase = "follower"
        try:
            for following in self._chance.sample(self._followings, len(self._followings)):  # each is killed, too
                while (pause := following.step(0)) == 0:
                    pass
                if pause is not None and self._coming is None:
                    self._coming = asyncio.get_running_loop().call_later(_AWAY_S, self._round)
        finally:
            self._phase = ""


def _made() -> dict[str, bytes]:
    """Empty databases, made once a process."""
    if not _templates:
        import tempfile

        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            SqliteDatabase(folder / "centre.db").close()
            SqliteStore(folder / "series.db").close()
            for each in ("centre.db", "series.db"):
                connection = sqlite3.connect(folder / each)
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.close()
                _templates[each] = (folder / each).read_bytes()
    return _templates
