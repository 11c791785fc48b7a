"""A centre in one thread: worker, ledger, store and the follower that places readings, on real databases."""

import random
import threading
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from haihe_cloud.admit.registry import Registry, Station
from haihe_cloud.database import Database
from haihe_cloud.ingest.beside import Beside
from haihe_cloud.ingest.inbox import Inbox, Message
from haihe_cloud.ingest.place import Placing
from haihe_cloud.ingest.worker import Worker
from haihe_cloud.ledger.arrival import ArrivalEntry
from haihe_cloud.ledger.book import Book
from haihe_cloud.ledger.carried import Carried
from haihe_cloud.ledger.follow import Follower, ReadFirst
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.ledger.quarantine import Quarantine
from haihe_cloud.store.port import Store
from haihe_contract import receipt as receipts
from haihe_contract import topic, wire
from haihe_contract.ed25519 import PublicKey
from haihe_contract.receipt import Receipt
from haihe_contract.wire import Batch

from tests.cloud.samples import STATION, T0, StillClock


class Whole:
    """Takes batches, and works the arrival log off when it is told to."""

    def __init__(self, database: Database, store: Store, *, station: str = STATION) -> None:
        self.database, self.store, self.station = database, store, station
        self.clock = StillClock()
        self.ledger = Ledger(database, centre="haihe", clock=self.clock)
        self.book = Book(database, self.ledger)
        self.registry = Registry(database)
        self.registry.add(Station(station))
        self.placing = Placing(store, self.ledger, self.clock)
        self.key = Ed25519PrivateKey.generate()
        self.published: list[bytes] = []
        self.inbox = Inbox(64)
        self.carried = Carried(database)
        self.worker = Worker(
            self.inbox,
            store,
            self.ledger,
            self.registry,
            lambda name, payload: self.published.append(payload) is None,
            self.key,
            clock=self.clock,
            chance=random.Random(1),
            stop=threading.Event(),
            beside=Beside(Quarantine(database), self.ledger, self.registry, self.carried).messages,
        )

    def send(self, *batches: wire.Batch, received_ms: int = T0) -> None:
        """All of them in one round."""
        messages = [Message(topic.up(self.station, 1), wire.encode(b), received_ms, lambda: None) for b in batches]
        assert self.worker.round(messages) == len(messages)

    def carry(self, *batches: wire.Batch) -> None:
        """All of them in a bundle."""
        self.carried.put(self.station, [wire.encode(each) for each in batches])
        self.worker._asked_ms = 0  # the clock stands
        while self.carried.waiting().batches:
            self.worker.housekeep()

    def receipt(self) -> Receipt:
        """The newest one."""
        key = PublicKey(self.key.public_key().public_bytes_raw())
        return receipts.verify(self.published[-1], key, centre="haihe", station=self.station)

    def settle(self, others: Sequence[Follower] = ()) -> None:
        """Let the followers work off everything that is in the log, and what they add to it."""
        moved = True
        while moved:
            moved = False
            for follower in (self.placing, *others):
                after = self.ledger.position(follower.name)
                for entry in self.ledger.arrivals(after, 10_000):
                    moved = True
                    self._handle(follower, entry, wire.decode(entry.data))

    def _handle(self, follower: Follower, entry: ArrivalEntry, batch: Batch) -> None:
        while True:
            try:
                with self.database.transaction(follower.name) as connection:
                    follower.handle(entry, batch, connection)
                    self.ledger.advance(connection, follower.name, self.ledger.position(follower.name), entry.position)
            except ReadFirst as need:
                need.fetch()
            else:
                return
