"""Thousands of light stations on one real broker with one real centre, and what a restart of the broker is to them."""

import asyncio
import os
import random
import resource
import shutil
import ssl
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from haihe_cloud.admit.broker import write_broker_files
from haihe_cloud.admit.pki import Pki
from haihe_cloud.admit.registry import Registry, Station
from haihe_cloud.sql.sqlite import SqliteDatabase
from haihe_contract.clock import Clock
from haihe_contract.ed25519 import PublicKey
from haihe_contract.errors import FieldError

from . import scenery
from .centre_view import CentreView
from .ensemble import CENTRE, free_port, mosquitto
from .light_station import LightStation, Shore
from .processes import Child

FILES_BESIDE = 200
"""Open files that a process needs besides its connections."""
PATIENCE_S = 300.0
TURN_S = 5.0
"""How often each station looks at what is overdue, and says that it is there."""
_LOOK_S = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")


class Wish(NamedTuple):
    """What is wanted.

    Args:
        stations: how many.
        every_s: how often each measures.
        steady_s: how long the quiet course is watched.
        outage_s: how long the broker is away.
        retry_most_ms: cap of the pauses between two tries to connect.
        seed: of all chance.
        kill: whether the broker ends by SIGKILL: what it had not written down is gone.
    """

    stations: int
    every_s: float
    steady_s: float
    outage_s: float
    retry_most_ms: int
    seed: int
    kill: bool


def permit_files(needed: int) -> None:
    """Let this process and its children open so many files.

    Raises:
        FieldError: when the machine does not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise FieldError(
            f"one process may open {hard} files here, and so many stations need {needed}",
            where="ulimit -Hn",
            do=f"ulimit -n {needed} as root, or LimitNOFILE= of the service; or fewer stations",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


class Fleet:
    """Keys, broker, centre and stations in one folder."""

    def __init__(self, folder: Path, wish: Wish, clock: Clock, say: Callable[..., None]) -> None:
        self.wish, self.clock, self._say = wish, clock, say
        self.counted: Counter[str] = Counter()
        self._chance = random.Random(wish.seed)
        self.port = free_port(self._chance)
        self._pki = Pki(folder / "pki", clock)
        for make in (self._pki.init, self._pki.make_receipt_key):
            make()
        self._pki.broker(["127.0.0.1", "localhost"])
        self._pki.centre(CENTRE)
        codes = [f"{31_000_001 + at}" for at in range(wish.stations)]
        for at, code in enumerate(codes):
            self._pki.station(code)
            if at % 1000 == 999:
                say("{n} certificates are made", n=at + 1)
        self.broker, self.centre = self._processes(folder, codes)
        self.view = CentreView("", folder / "centre" / "data" / "series.db")
        key = load_pem_public_key(self._pki.receipt_public.read_bytes())
        if not isinstance(key, Ed25519PublicKey):
            raise FieldError("this is no receipt key", where=str(self._pki.receipt_public), do="run again")
        raw = PublicKey(key.public_bytes_raw())
        shore = Shore("127.0.0.1", self.port, CENTRE, raw, wish.retry_most_ms)
        self.stations = [
            LightStation(
                code, shore, lambda code=code: self._tls(code), clock,  # type: ignore[misc]
                random.Random(self._chance.getrandbits(64)), self.counted,
            )
            for code in codes
        ]  # fmt: skip
        self._tasks: list[asyncio.Task[None]] = []

    def _processes(self, folder: Path, codes: list[str]) -> tuple[Child, Child]:
        home = folder / "centre"
        settings = scenery.centre_document(self._pki.directory, self.port, free_port(self._chance), "en")
        settings["stations"] = ""
        scenery.write_yaml(home / "rules.yaml", scenery.rules_document())
        config = scenery.write_yaml(home / "centre.yaml", settings)
        (home / "data").mkdir()
        database = SqliteDatabase(home / "data" / "haihe.db")
        registry = Registry(database)
        for code in codes:
            registry.add(Station(code))
        database.close()
        conf = write_broker_files(folder / "broker", self._pki, CENTRE, port=self.port, host="127.0.0.1")
        run = [sys.executable, "-m", "haihe_cloud", "run", "--config", str(config)]
        return (
            Child("broker", [mosquitto(), "-c", str(conf)], folder / "broker.log", {}),
            Child("centre", run, folder / "centre.log", {}),
        )

    def _tls(self, code: str) -> ssl.SSLContext:
        own = self._pki.directory / "stations" / code
        context = ssl.create_default_context(cafile=str(self._pki.ca))
        context.load_cert_chain(f"{own}.pem", f"{own}.key")
        return context

    async def start(self) -> None:
        """Broker, centre, and every station at a moment of its own within its first pauses."""
        await self.broker.start()
        await self.centre.start()
        await asyncio.sleep(2)
        self._tasks = [asyncio.ensure_future(self._measuring())]
        gap_s = min(self.wish.every_s, self.wish.retry_most_ms / 1000) / max(1, len(self.stations))
        for station in self.stations:
            self._tasks.append(asyncio.ensure_future(station.run()))
            await asyncio.sleep(gap_s)

    async def _measuring(self) -> None:
        """Each station measures once in its period, and does what else is due every few seconds; all of them evenly."""
        loop = asyncio.get_running_loop()
        began, count = loop.time(), len(self.stations)
        measured = turned = 0
        while True:
            passed = loop.time() - began
            for at in range(measured, measured := int(passed / self.wish.every_s * count)):
                self.stations[at % count].measure()
            for at in range(turned, turned := int(passed / TURN_S * count)):
                self.stations[at % count].turn()
            await asyncio.sleep(_LOOK_S / 5)

    @property
    def connected(self) -> int:
        """Stations with a connection."""
        return sum(1 for station in self.stations if station.connected_ms)

    @property
    def current(self) -> int:
        """Stations that know on this connection that the centre holds what was their newest before it."""
        return sum(1 for station in self.stations if station.current_ms)

    @property
    def live(self) -> int:
        """Stations of which something measured since this connection was begun has its receipt."""
        return sum(1 for station in self.stations if station.live_ms)

    async def until(self, what: str, count: Callable[[], int]) -> float:
        """Seconds until that is so of all stations.

        Raises:
            FieldError: when it takes too long, or a process ended.
        """
        loop = asyncio.get_running_loop()
        began = said = loop.time()
        while (n := count()) < len(self.stations):
            for child in (self.broker, self.centre):
                child.check()
            for task in self._tasks:
                if task.done():
                    task.result()  # a station never ends by itself
            if loop.time() - said > 5:
                said = loop.time()
                self._say("{n} of {all} stations are {what}", n=n, all=len(self.stations), what=what)
            if loop.time() - began > PATIENCE_S:
                raise FieldError(
                    f"after {PATIENCE_S:.0f} s {n} of {len(self.stations)} stations are {what}",
                    where=f"127.0.0.1:{self.port}", do="fewer stations, a longer --every, or a faster machine",
                )  # fmt: skip
            await asyncio.sleep(_LOOK_S)
        return loop.time() - began

    def spent_s(self) -> dict[str, float]:
        """CPU seconds so far: stations, broker, centre."""
        own = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "stations": own.ru_utime + own.ru_stime,
            "broker": _cpu_s(self.broker.pid),
            "centre": _cpu_s(self.centre.pid),
        }

    async def end(self) -> None:
        """Leave nothing behind."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.centre.kill()
        await self.broker.kill()


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except OSError:
        return 0.0
    return pages * resource.getpagesize() / 1e6


async def fleet(wish: Wish, clock: Clock, say: Callable[..., None]) -> dict[str, Any]:
    """Play it all; the figures.

    Raises:
        FieldError: when something of this machine is missing, or something does not come up.
    """
    permit_files(wish.stations + FILES_BESIDE)
    folder = Path(tempfile.mkdtemp(prefix="haihe-fleet-"))
    made: Fleet | None = None
    loop = asyncio.get_running_loop()
    try:
        say("{n} stations get their keys", n=wish.stations)
        made = Fleet(folder, wish, clock, say)
        began = loop.time()
        await made.start()
        await made.until("connected", lambda: made.connected)
        await made.until("live", lambda: made.live)
        first_s = loop.time() - began
        say("all are live after {seconds} s", seconds=f"{first_s:.1f}")
        steady, counts = made.spent_s(), Counter(made.counted)
        await asyncio.sleep(wish.steady_s)
        steady = {who: (after - steady[who]) / wish.steady_s for who, after in made.spent_s().items()}
        batches = (made.counted["batches"] - counts["batches"]) / wish.steady_s
        memory = {child.name: _resident_mb(child.pid) for child in (made.broker, made.centre)}
        before = Counter(made.counted)
        if wish.kill:
            say("the broker is killed, for {seconds} s", seconds=f"{wish.outage_s:g}")
            await made.broker.kill()
        else:
            say("the broker is stopped, for {seconds} s", seconds=f"{wish.outage_s:g}")
            await made.broker.stop()
        await asyncio.sleep(wish.outage_s)
        away, spent = Counter(made.counted), made.spent_s()
        returned_ms = clock.now_ms()
        await made.broker.start()
        began = loop.time()
        connected_s = await made.until("connected", lambda: made.connected)
        await made.until("current", lambda: made.current)
        current_s = loop.time() - began
        await made.until("live", lambda: made.live)
        live_s = loop.time() - began
        receipts = sorted(station.receipt_after_ms for station in made.stations)
        again = made.spent_s()
        stored = await made.view.stations_since(returned_ms)
        return {
            "stations": wish.stations,
            "every_s": wish.every_s,
            "outage_s": wish.outage_s,
            "killed": wish.kill,
            "retry_most_s": wish.retry_most_ms / 1000,
            "first_live_s": round(first_s, 2),
            "batches_per_s": round(batches, 1),
            "connected_again_s": round(connected_s, 2),
            "current_again_s": round(current_s, 2),
            "live_again_s": round(live_s, 2),
            "stored_again": stored,
            "receipt_after_s": {
                "median": receipts[len(receipts) // 2] / 1000,
                "99_percent": receipts[len(receipts) * 99 // 100] / 1000,
                "most": receipts[-1] / 1000,
            },
            "refused": made.counted["refused"],
            "receipts_refused": made.counted["receipts_refused"],
            "attempts_while_away": away["attempts"] - before["attempts"],
            "attempts_after": made.counted["attempts"] - away["attempts"],
            "given_up_after": made.counted["given_up"] - away["given_up"],
            "unanswered_after": made.counted["unanswered"] - away["unanswered"],
            "broken_after": made.counted["broken"] - away["broken"],
            "dropped": made.counted["dropped"],
            "cpu_share_steady": {who: round(share, 3) for who, share in steady.items()},
            "cpu_s_reconnect": {who: round(again[who] - (spent[who] if who != "broker" else 0.0), 2) for who in again},
            "rss_mb": {name: round(mb, 1) for name, mb in memory.items()}
            | {"stations": round(_resident_mb(os.getpid()), 1)},
            "load": [round(each, 1) for each in os.getloadavg()],
            "ok": not made.counted["refused"] and not made.counted["receipts_refused"] and stored == wish.stations,
        }
    finally:
        if made is not None:
            await made.end()
        shutil.rmtree(folder, ignore_errors=True)
