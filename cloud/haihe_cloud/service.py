"""The centre as one process: the only place where its stages meet."""

import asyncio
import logging
import random
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from fastapi import FastAPI
from haihe_contract.clock import Clock
from haihe_contract.ed25519 import PublicKey
from haihe_contract.errors import FieldError
from haihe_contract.record import LANE_ALARM, LANE_BACKLOG, LANE_LIVE, LANE_NAMES
from haihe_contract.service_manager import notify
from haihe_contract.topic import ROOT, STATE_FILTER

from .admit.pki import centre_user, load_receipt_key
from .admit.registry import Registry
from .admit.station_file import load_stations
from .alarm.book import AlarmBook
from .alarm.engine import AlarmEngine
from .database import DatabaseAway
from .ingest.beside import Beside
from .ingest.inbox import Inbox
from .ingest.latest import LatestValues
from .ingest.place import Placing
from .ingest.recall import Recall
from .ingest.restoring import Restoring
from .ingest.subscriber import Subscriber
from .ingest.worker import Worker
from .ledger.carried import Carried
from .ledger.follow import Follower, follow
from .ledger.ledger import Ledger
from .ledger.quarantine import Quarantine
from .limits import ROOM_MESSAGES
from .opening import open_database, open_rules, open_store
from .settings import InfluxStore, Settings, read_secret
from .show.app import create_app
from .show.feed import LiveFeed
from .store.port import StoreAway

_log = logging.getLogger(__name__)
_TICK_S = 1.0
_LOAD_AGAIN_S = 2.0
_JOIN_S = 4.0


class Service:
    """All parts of one centre, made but not started.

    Args:
        settings: what it is told.
        clock: wall and monotonic time.
        chance: for pauses between tries.

    Raises:
        FieldError: when a file, key or port cannot be used; nothing has been started then.
        DocumentError: when the stations or rules file is wrong.
    """

    def __init__(self, settings: Settings, clock: Clock, chance: random.Random) -> None:
        self.settings = settings
        self._clock = clock
        self._started_ms = clock.now_ms()
        self._stop = threading.Event()
        self._failed: list[str] = []
        self._threads: list[threading.Thread] = []
        receipt_key = load_receipt_key(Path(settings.receipt_key))
        token_file = settings.http.write_token_file
        token = read_secret(token_file, "the write token") if token_file else None
        rules = open_rules(settings)
        stations = load_stations(Path(settings.stations)) if settings.stations else []
        self._inbox = Inbox(ROOM_MESSAGES)
        urgent = [f"{ROOT}/+/+/up/{LANE_NAMES[lane]}" for lane in (LANE_ALARM, LANE_LIVE)]
        self.live = self._subscriber("live", [*urgent, STATE_FILTER], urgent=True, chance=chance)
        backlog = [f"{ROOT}/+/+/up/{LANE_NAMES[LANE_BACKLOG]}"]
        self.backlog = self._subscriber("backlog", backlog, urgent=False, chance=chance)
        self.socket = _listen(settings.http.host, settings.http.port)
        self.database = open_database(settings)
        self.registry = Registry(self.database)
        for station in stations:
            if self.registry.get(station.code) != station:
                self.registry.add(station)
        self.store = open_store(settings)
        self.ledger = Ledger(self.database, centre=settings.centre, clock=clock)
        self._recall = Recall(
            settings.broker,
            f"{centre_user(settings.centre)}-recall",
            PublicKey(receipt_key.public_key().public_bytes_raw()),
            self.ledger,
            self._stop,
        )
        self.alarms = AlarmBook(self.database)
        self._alarms_told = self.alarms.sequence()
        self.engine = AlarmEngine(self.database, self.ledger, self.store, self.registry, rules, clock)
        self.feed = LiveFeed(store=self.store, ledger=self.ledger, registry=self.registry, clock=clock)
        self._latest = LatestValues(self.store, self.live.publish, clock, self._stop)
        self.placing = Placing(self.store, self.ledger, clock, self._latest.touched)
        self.worker = Worker(
            self._inbox,
            self.store,
            self.ledger,
            self.registry,
            self.live.publish,
            receipt_key,
            clock=clock,
            chance=chance,
            stop=self._stop,
            touched=self._latest.touched,
            beside=Beside(Quarantine(self.database), self.ledger, self.registry, Carried(self.database)).messages,
            answer=Restoring(self.ledger, self.live.tell, receipt_key, clock).answer,
        )
        self.app: FastAPI = create_app(
            store=self.store,
            ledger=self.ledger,
            registry=self.registry,
            alarms=self.alarms,
            status=self.status,
            clock=clock,
            feed=self.feed,
            problems=self.engine.problems,
            write_token=token,
        )

    @property
    def address(self) -> str:
        """Where the page is."""
        host, port = self.socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def run(self) -> bool:
        """Serve until SIGTERM or SIGINT; False when a part of the centre failed."""
        server = _Server(uvicorn.Config(self.app, log_config=None, access_log=False, timeout_graceful_shutdown=2))
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked.set)
        self._start()
        serving = asyncio.create_task(server.serve(sockets=[self.socket]))
        _log.info("the page is at %s", self.address)
        notify("READY=1")
        while not asked.is_set() and not self._failed and not serving.done():
            with suppress(TimeoutError):
                await asyncio.wait_for(asked.wait(), _TICK_S)
            notify("WATCHDOG=1")
        notify("STOPPING=1")
        self.feed.close()
        server.should_exit = True
        await serving
        await asyncio.to_thread(self._end)
        return not self._failed

    def status(self) -> dict[str, Any]:
        """A snapshot for people, for Prometheus and for ``/healthz``."""
        now_ms = self._clock.now_ms()
        urgent, backlog = self._inbox.waiting()
        links = {"live": self.live.link, "backlog": self.backlog.link}
        faults = [f"broker ({name}): {link.reason}" for name, link in links.items() if not link.connected]
        faults += [trouble for trouble in (self._recall.trouble, self.worker.trouble) if trouble]
        faults += [f"part {name} has failed" for name in self._failed]
        try:
            from_database = self._database_status()
        except DatabaseAway as error:
            faults.append(f"database: {error}")
            from_database = {}
        return {
            "centre": self.settings.centre,
            "started_ms": self._started_ms,
            "running_s": (now_ms - self._started_ms) // 1000,
            "faults": faults,
            "broker": {name: msgspec.to_builtins(link) for name, link in links.items()},
            "ingest": {
                **msgspec.to_builtins(self.worker.counts),
                "urgent_in_room": urgent,
                "backlog_in_room": backlog,
                "dropped_without_acknowledgement": self._inbox.dropped,
            },
            **from_database,
        }

    def _database_status(self) -> dict[str, Any]:
        return {
            "epoch": str(self.ledger.epoch),
            "epochs": [{**each._asdict(), "epoch": str(each.epoch)} for each in self.ledger.epochs()],
            "follower_behind": self.ledger.behind(),
            "quarantine_dropped": self.ledger.quarantine_dropped(),
            "alarm": {"not_judged": len(self.engine.problems()), "unreadable": self.engine.unreadable},
        }

    def _subscriber(self, name: str, filters: list[str], *, urgent: bool, chance: random.Random) -> Subscriber:
        return Subscriber(
            self.settings.broker,
            f"{centre_user(self.settings.centre)}-{name}",
            filters,
            self._inbox,
            urgent=urgent,
            clock=self._clock,
            chance=random.Random(chance.random()),  # noqa: S311 - pauses, not secrets
            forgotten=lambda: self.worker.owe_receipts(),
        )

    def _start(self) -> None:
        self._thread("ingest", self._ingest)
        self._thread("follow-alarm", lambda: self._follow(self.engine))
        self._thread("follow-page", lambda: self._follow(self.feed))
        self._thread("follow-centre", lambda: self._follow(self.placing))
        self._thread("page-load", self._load_feed)
        self._thread("alarm-tick", self._tick)
        self._thread("latest", self._latest.run)
        if isinstance(self.settings.store, InfluxStore):
            from .station_map import station_map

            write = station_map(self.store, self.registry, self.feed, self._clock, self._stop)
            self._thread("map", write.run)
        self._thread("broker-live", self.live.run)
        self._thread("broker-backlog", self.backlog.run)

    def _thread(self, name: str, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception:  # noqa: BLE001 - every fault of a part is a fault of the whole
                # Nothing may go on with a part missing: the supervisor starts the whole process again.
                _log.exception("part %s of the centre has failed", name)
                self._failed.append(name)

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _ingest(self) -> None:
        """Nothing is taken in and no receipt leaves before it is known what earlier receipts have said."""
        if self._recall.run():
            self.worker.owe_receipts()
        self.worker.run()

    def _follow(self, follower: Follower) -> None:
        follow(self.ledger, self.database, follower, self._stop, away=(StoreAway,))

    def _load_feed(self) -> None:
        while not self._stop.is_set():
            try:
                self.feed.load()
            except (StoreAway, DatabaseAway):
                self._stop.wait(_LOAD_AGAIN_S)
            else:
                return

    def _tick(self) -> None:
        """Judge silence, and tell the page of alarms, once a second."""
        told = self._alarms_told
        while not self._stop.wait(_TICK_S):
            try:
                self.engine.tick(self._clock.now_ms(), self._listening_since_ms())
                newest = self.alarms.sequence()
            except DatabaseAway as error:
                _log.warning("silence is not judged now: %s", error)
                continue
            if newest != told:
                told = newest
                self.feed.changed("alarms")

    def _listening_since_ms(self) -> int | None:
        """Since when everything that stations say has reached the ledger; None while it does not."""
        link = self.live.link
        if not link.connected or self._recall.trouble or self.worker.trouble:
            return None
        return max(link.since_ms, self.worker.working_since_ms)

    def _end(self) -> None:
        """Let the worker finish its round, then leave the broker; what is not acknowledged comes again."""
        self._stop.set()
        deadline = self._clock.monotonic_ms() + int(_JOIN_S * 1000)
        for subscribers in (False, True):
            if subscribers:
                self.live.stop()
                self.backlog.stop()
            for thread in self._threads:
                if thread.name.startswith("broker-") is subscribers:
                    thread.join(max(0.0, (deadline - self._clock.monotonic_ms()) / 1000))
        if not any(thread.is_alive() for thread in self._threads):
            self.store.close()
            self.database.close()


class _Server(uvicorn.Server):
    """A server whose signals are ours."""

    def capture_signals(self) -> Any:
        """Nothing is captured."""
        return nullcontext()


def _listen(host: str, port: int) -> socket.socket:
    """The page's socket.

    Raises:
        FieldError: when the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise FieldError(
            f"the page cannot listen on {host} port {port}: {why}",
            where="http.port of the settings",
            do=f"ss -ltnp 'sport = :{port}' shows who has it; or choose another port",
        ) from None
