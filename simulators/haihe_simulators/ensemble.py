"""All the processes of a demo, put together: keys, broker, centre, links, stations. No story here."""

import asyncio
import os
import random
import shutil
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from haihe_cloud.admit.broker import write_broker_files
from haihe_cloud.admit.pki import Pki
from haihe_contract.clock import Clock
from haihe_contract.errors import FieldError
from haihe_edge.control import AgentAway, ask
from haihe_edge.profile import known_profiles, profile_directories

from . import scenery
from .account import note_kill
from .balance import Kill
from .centre_view import CentreView
from .link import Link
from .nature import Nature
from .processes import Child
from .river import River, RiverClock
from .station import SimulatedStation

CENTRE = "haihe"
WINDOW_MS = 1000
PORTS = range(20_000, 32_000)
"""Below the ports that the kernel gives to outgoing connections, so that nothing takes them meanwhile."""
_START_S = 60.0
_LOOK_S = 0.2
Condition = Callable[[], Awaitable[bool]]
Fitting = Callable[[dict[str, Any]], dict[str, Any]]


class Part(NamedTuple):
    """One station with everything around it."""

    actor: scenery.Actor
    folder: Path
    instruments: SimulatedStation
    link: Link
    agent: Child


class Ensemble:
    """Everything of one demo in one folder.

    Args:
        folder: where all files go.
        stations: how many.
        chance: the one source of chance.
        clock: the machine's.
        language: of the centre's messages.
        page_port: port of the page, 0 for any free one.
        fit: makes another site file of a station's usual one.
        settings: of the centre, in place of the usual ones.

    Raises:
        FieldError: when a part of the machine is missing.
    """

    def __init__(
        self,
        folder: Path,
        stations: int,
        chance: random.Random,
        clock: Clock,
        language: str,
        page_port: int,
        *,
        fit: Fitting = lambda written: written,
        settings: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.folder = folder
        self.clock = clock
        self._fit, self._settings = fit, settings
        self.river: River = scenery.make_river(stations, random.Random(chance.getrandbits(64)))
        self.cast = scenery.make_cast(self.river)
        self.time = RiverClock(clock, 0.0, begin_s=scenery.STORM.begin_s)
        self.profiles = folder / "profiles"
        self.centre_folder = folder / "centre"
        self.parts: list[Part] = []
        self._chance = chance
        self._broker_port = free_port(chance)
        self._make_files(language, page_port or free_port(chance))
        self._make_parts()

    def _make_files(self, language: str, page_port: int) -> None:
        keys = self.folder / "pki"
        pki = Pki(keys, self.clock)
        pki.init()
        pki.broker(["127.0.0.1", "localhost"])
        pki.centre(CENTRE)
        pki.make_receipt_key()
        for actor in self.cast:
            pki.station(actor.code)
        conf = write_broker_files(self.folder / "broker", pki, CENTRE, port=self._broker_port, host="127.0.0.1")
        self.broker = Child("broker", [mosquitto(), "-c", str(conf)], self.folder / "broker.log", {})
        home = self.centre_folder
        settings = {**scenery.centre_document(keys, self._broker_port, page_port, language), **self._settings}
        scenery.write_yaml(home / "stations.yaml", scenery.stations_document(self.cast))
        scenery.write_yaml(home / "rules.yaml", scenery.rules_document())
        config = scenery.write_yaml(home / "centre.yaml", settings)
        command = [sys.executable, "-m", "haihe_cloud", "run", "--config", str(config)]
        self.centre = Child("centre", command, self.folder / "centre.log", {})
        self.view = CentreView(f"http://127.0.0.1:{page_port}", home / "data" / "series.db")

    def _make_parts(self) -> None:
        self.profiles.mkdir()
        beside = Path(__file__).parents[2] / "firmware_profiles"
        for name, path in known_profiles([*profile_directories(), beside]).items():
            shutil.copy(path, self.profiles / f"{name}.yaml")
        for at, actor in enumerate(self.cast):
            folder = self.folder / "stations" / actor.code
            link = Link(("127.0.0.1", self._broker_port), port=free_port(self._chance))
            written = scenery.site_document(
                actor,
                CENTRE,
                link.port,
                free_port(self._chance),
                self.folder / "pki",
                folder=folder,
                window=f"{WINDOW_MS}ms",
            )
            site_file = scenery.write_yaml(folder / "site.yaml", scenery.spread(self._fit(written), self.profiles))
            nature = Nature(self.river, at, self.time, actor.place, random.Random(self._chance.getrandbits(64)))
            instruments = SimulatedStation(
                site_file, self.profiles, folder / "log", nature, self.clock,
                random.Random(self._chance.getrandbits(64)), talker=("BD", "GB", "GN")[at % 3],
            )  # fmt: skip
            agent = Child(
                f"edge {actor.code}",
                [sys.executable, "-m", "haihe_edge", "run", str(site_file)],
                folder / "edge.log",
                {"HAIHE_PROFILES": str(self.profiles)},
            )
            self.parts.append(Part(actor, folder, instruments, link, agent))

    @property
    def children(self) -> list[Child]:
        """Every process, in the order in which they are started."""
        return [self.broker, self.centre, *(part.agent for part in self.parts)]

    def check(self) -> None:
        """Notice a process that ended by itself.

        Raises:
            FieldError: which, and its last words.
        """
        for child in self.children:
            child.check()

    async def start(self) -> None:
        """Start everything and wait until every station's readings are in the store.

        Raises:
            FieldError: when something does not come up.
        """
        await self.broker.start()
        await self._until("the broker", self._broker_is_up)
        await self.centre.start()
        await self._until("the centre", self._centre_is_up)
        for part in self.parts:
            await part.link.start()
            await part.instruments.start()
            await part.agent.start()
        await self._until("the stations", self._all_are_stored)

    async def _until(self, name: str, is_so: Condition) -> None:
        try:
            async with asyncio.timeout(_START_S):
                while not await is_so():
                    self.check()
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise FieldError(
                f"{name} did not come up within {_START_S:.0f} s",
                where=str(self.folder),
                do="run again with --keep and read the .log files there",
            ) from None

    async def _broker_is_up(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._broker_port)
        except OSError:
            return False
        writer.transport.abort()
        return True

    async def _centre_is_up(self) -> bool:
        health = await self.view.get("/healthz")
        return bool(health and health.get("healthy"))

    async def _all_are_stored(self) -> bool:
        for part in self.parts:
            code = part.actor.code
            if self._settings.get("store"):  # not in a file: the page knows
                said = await self.view.get(f"/api/v1/stations/{code}") or {"series": []}
                stored = any(each["value"] is not None for each in said["series"] if each["series"] == scenery.LEVEL)
            else:
                stored = await self.view.newest_ms(code, scenery.LEVEL) > 0
            if not stored:
                return False
        return True

    async def kill_agent(self, part: Part) -> None:
        """Kill an agent hard, and note when for the balance."""
        await part.agent.kill()
        note_kill(self.folder, Kill(part.actor.code, self.clock.now_ms(), WINDOW_MS))

    async def records_waiting(self, part: Part) -> int | None:
        """What the agent itself says waits for a receipt; None when it is away."""
        try:
            status = await asyncio.to_thread(ask, part.folder / "control", {"do": "status"}, timeout_s=2.0)
        except (AgentAway, FieldError):
            return None
        return sum(int(centre["waiting_records"] or 0) for centre in status["centres"])

    async def rest(self, patience_s: float) -> None:
        """End all measuring, give what is on its way time to arrive, stop every process in order."""
        for part in self.parts:
            part.instruments.mute()
        await asyncio.sleep((WINDOW_MS + 700) / 1000)
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        while loop.time() < until and any(part.agent.running for part in self.parts):
            waiting = await self.view.waiting()
            if waiting is not None and not any(waiting.values()):
                break
            await asyncio.sleep(_LOOK_S)
        await asyncio.gather(*(part.agent.stop() for part in self.parts))
        await self.centre.stop()
        await self.broker.stop()
        for part in self.parts:
            await part.link.close()
            await part.instruments.close()

    async def end(self) -> None:
        """Leave nothing behind, however far the demo came."""
        await asyncio.gather(*(child.kill() for child in self.children), return_exceptions=True)
        for part in self.parts:
            await part.link.close()
            await part.instruments.close()


def mosquitto() -> str:
    """Path of the broker's program.

    Raises:
        FieldError: when it is not installed.
    """
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"))
    found = shutil.which("mosquitto", path=path)
    if found is None:
        raise FieldError(
            "the MQTT broker Mosquitto is not installed",
            where="PATH, /usr/sbin, /usr/local/sbin",
            do="sudo apt-get install mosquitto",
        )
    return found


def free_port(chance: random.Random) -> int:
    """A TCP port of this machine that nobody uses now.

    Processes that begin with the same seed at the same moment (tests do) must not all find the same one free.

    Raises:
        FieldError: when there is none.
    """
    ours = random.Random(f"{chance.getrandbits(64)} {os.getpid()}")
    for _ in range(200):
        port = ours.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise FieldError("no free TCP port was found", where=f"{PORTS[0]}-{PORTS[-1]}", do="close other programs")
