"""A long day of one station: exchanges, cut links, pulled plugs, and what it does to the agent's memory.

    python bench/soak.py [--quick | --minutes N] [--json]

Real processes: the agent, Mosquitto, the centre. The instruments answer in this process, on pseudo-terminals whose
plugs are pulled and come back under another name, and on sockets whose connections are reset; the link to the centre
goes through a proxy that is cut. Exchanges are counted by the instruments. Run by hand: without ``--quick`` it goes
on until two million exchanges, a thousand cuts of the link and a hundred pulled plugs, which takes about an hour.
Memory is given for each tenth of the time. Growth is judged by the agent's own (anonymous) memory: pages of files
count as resident too, but the kernel takes them back when it likes, which would hide a growth.
"""

import asyncio
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import farm
from centre_box import centre_files
from haihe_edge.acquire.modbus.frames import crc16
from haihe_edge.control import AgentAway, ask
from haihe_simulators import scenery
from haihe_simulators.ensemble import free_port, mosquitto
from haihe_simulators.link import Link
from haihe_simulators.processes import Child
from haihe_simulators.pty_port import PtyPort
from process import PROFILES, memory_mb
from report import Figure, run

SOCKETS, LINES, UNITS = 60, 2, 2
"""Instruments on sockets of their own; serial lines; instruments on each line."""
EXCHANGES, CUTS, UNPLUGS = 2_000_000, 1_000, 100
QUICK_S = 20
TENTHS = 10


class Port:
    """A serial line: answers every read at once, and can be pulled out."""

    def __init__(self, path: Path) -> None:
        self.port = PtyPort(path)
        self.answered = 0
        self._heard = b""

    def plug(self) -> None:
        """Put it in; the device has another name than before if the machine gives it one."""
        self.port.plug()
        self._heard = b""
        asyncio.get_running_loop().add_reader(self.port.master, self._read)

    def unplug(self) -> None:
        """Pull it out."""
        if self.port.plugged:
            asyncio.get_running_loop().remove_reader(self.port.master)
            self.port.unplug()

    def _read(self) -> None:
        self._heard += self.port.read()
        while len(self._heard) >= 8:
            request, self._heard = self._heard[:8], self._heard[8:]
            body = request[:2] + bytes([2 * request[5]]) + bytes([1, 44]) * request[5]
            self.port.write(body + crc16(body).to_bytes(2, "little"))
            self.answered += 1


class Counted(farm.Instrument):
    """An instrument on a socket whose connection can be reset."""

    connections: ClassVar[set[asyncio.BaseTransport]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self.transport)


class Soak:
    """Everything around the agent."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder, self.seconds = folder, seconds
        self.chance = random.Random(5)
        self.ports = [Port(folder / f"line{at}") for at in range(LINES)]
        self.link: Link | None = None
        self.cuts = self.cut_connections = self.resets = self.unplugs = 0
        self.memory: list[tuple[float, float, float]] = []
        """Seconds since the start, resident and own memory in MB."""

    @property
    def exchanges(self) -> int:
        """By the count of the instruments."""
        return farm.answered + sum(port.answered for port in self.ports)

    async def trouble(self) -> None:
        """Cut, reset and pull, evenly over the whole time and at odds with each other."""
        while True:
            share = 0.4 if self.seconds <= QUICK_S else 1.0
            await asyncio.sleep(self.chance.uniform(1.5, 4.5) * share)
            assert self.link is not None
            self.cut_connections += (await self.link.order({"do": "status"}))["connections"]
            await self.link.cut()
            self.cuts += 1
            if Counted.connections:
                self.chance.choice(list(Counted.connections)).abort()  # type: ignore[attr-defined]
                self.resets += 1
            if self.chance.random() < 0.15 + 0.35 * (self.seconds <= QUICK_S):
                port = self.chance.choice(self.ports)
                port.unplug()
                self.unplugs += 1
                await asyncio.sleep(self.chance.uniform(0.2, 1.5))
                port.plug()
            await asyncio.sleep(self.chance.uniform(0.1, 0.6))
            await self.link.mend()

    def enough(self, now_s: float) -> bool:
        """Whether the time is over, or, without one, everything has happened as often as it should."""
        if self.seconds:
            return now_s >= self.seconds
        return self.exchanges >= EXCHANGES and self.cuts >= CUTS and self.unplugs >= UNPLUGS

    def site(self, document: dict[str, object], tcp: list[int]) -> dict[str, object]:
        """The site file with all instruments, each read as often as a site may ask for."""

        def instrument(name: str, bus: str, unit: int) -> dict[str, object]:
            series = [{"point": point, "at": name} for point in ("distance", "accumulated_rain")]
            every = "100ms"
            return {
                "name": name, "profile": "demo-multi-20", "bus": bus, "unit": unit, "every": every, "series": series,
            }  # fmt: skip

        sockets = [{"kind": "tcp", "name": f"t{at}", "host": "127.0.0.1", "port": port} for at, port in enumerate(tcp)]
        lines = [
            {"kind": "serial", "name": f"s{at}", "port": str(port.port.path), "baud": 115200}
            for at, port in enumerate(self.ports)
        ]
        instruments = [instrument(f"t{at}", f"t{at}", 1) for at in range(len(tcp))]
        instruments += [instrument(f"s{at}u{u}", f"s{at}", u + 1) for at in range(LINES) for u in range(UNITS)]
        journal = {"directory": "journal", "size": "32MiB", "window": "1s"}
        # so that nearly every cut ends a connection
        centres = [{**each, "retry_most": "1s"} for each in document["centres"]]  # type: ignore[attr-defined]
        ours = {"buses": sockets + lines, "instruments": instruments, "levels": [], "journal": journal}
        return {**document, **ours, "centres": centres}


async def soak(folder: Path, seconds: float) -> dict[str, float]:
    """Run everything; ``seconds`` 0 means until enough has happened."""
    day = Soak(folder, seconds)
    actor = scenery.make_cast(scenery.make_river(1, random.Random(3)))[0]
    broker_port, page_port = (free_port(random.Random()) for _ in range(2))
    conf, centre_file = centre_files(folder, actor, broker_port, page_port)
    day.link = Link(("127.0.0.1", broker_port))
    await day.link.start()
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(partial(Counted, at), "127.0.0.1", 0) for at in range(SOCKETS)]
    for port in day.ports:
        port.plug()
    tcp = [server.sockets[0].getsockname()[1] for server in servers]
    document = scenery.site_document(
        actor, "haihe", day.link.port, tcp[0], folder / "pki", folder=folder, window="1000ms"
    )
    site_file = scenery.write_yaml(folder / "site.yaml", day.site(document, tcp))
    run_centre = [sys.executable, "-m", "haihe_cloud", "run", "--config", str(centre_file)]
    run_agent = [sys.executable, "-m", "haihe_edge", "run", str(site_file)]
    broker = Child("broker", [mosquitto(), "-c", str(conf)], folder / "broker.log", {})
    centre = Child("centre", run_centre, folder / "centre.log", {})
    agent = Child("agent", run_agent, folder / "agent.log", {"HAIHE_PROFILES": str(PROFILES)})
    trouble: asyncio.Task[None] | None = None
    try:
        await broker.start()
        await centre.start()
        await agent.start()
        while not day.exchanges:  # noqa: ASYNC110 - the instruments' own count
            agent.check()
            await asyncio.sleep(0.05)
        trouble = asyncio.ensure_future(day.trouble())
        began = loop.time()
        pid = agent._process.pid  # type: ignore[union-attr]  # noqa: SLF001 - the bench measures from outside
        while not day.enough(loop.time() - began):
            await asyncio.sleep(1)
            agent.check()
            if trouble.done():
                trouble.result()
            day.memory.append((loop.time() - began, memory_mb(pid), memory_mb(pid, "RssAnon")))
        trouble.cancel()
        await day.link.mend()
        for port in day.ports:
            port.plug() if not port.port.plugged else None
        return await verdict(day, folder, loop.time() - began)
    finally:
        if trouble is not None:
            trouble.cancel()
        for child in (agent, centre, broker):
            await child.stop()
        await day.link.close()
        for port in day.ports:
            port.unplug()


async def verdict(day: Soak, folder: Path, took_s: float) -> dict[str, float]:
    """The figures, with who still measures half a minute after the last trouble at the latest."""
    living = 0
    for _ in range(60):
        try:
            said = await asyncio.to_thread(ask, folder / "control", {"do": "status"})
        except AgentAway:
            break
        states = [each for bus in said["buses"] for each in bus["instruments"]]
        living = sum(each["answered_ago_ms"] is not None and each["answered_ago_ms"] < 1500 for each in states)
        if living == len(states) and said["centres"][0]["connected"]:
            break
        await asyncio.sleep(0.5)
    resident, own = _by_tenths(day.memory, took_s)
    return {
        "exchanges": day.exchanges,
        "cuts": day.cuts,
        "cut_connections": day.cut_connections,
        "resets": day.resets,
        "unplugs": day.unplugs,
        "growth_mb": own[-1] - own[1],
        "late_mb": own[-1] - own[TENTHS // 2],
        **{f"rss_{n}": mb for n, mb in enumerate(resident, 1)},
        **{f"own_{n}": mb for n, mb in enumerate(own, 1)},
        "living": living,
        "minutes": took_s / 60,
    }


def _by_tenths(memory: list[tuple[float, float, float]], took_s: float) -> tuple[list[float], list[float]]:
    """Medians of resident and own memory in each tenth of the time."""
    tenths: list[list[tuple[float, float]]] = [[] for _ in range(TENTHS)]
    for at_s, resident, own in memory:
        tenths[min(TENTHS - 1, int(at_s / took_s * TENTHS))].append((resident, own))
    return (
        [statistics.median(resident for resident, _ in each) for each in tenths],
        [statistics.median(own for _, own in each) for each in tenths],
    )


def measure(quick: bool, minutes: float | None) -> Iterator[Figure]:  # noqa: FBT001 - told by report.run
    """All figures."""
    seconds = QUICK_S if quick else 60 * (minutes or 0)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(soak(Path(folder), seconds))
    yield Figure("minutes", found["minutes"], "minutes")
    yield Figure("exchanges", found["exchanges"], "answers that instruments gave", EXCHANGES, "wanted of a whole soak")
    yield Figure("link_cuts", found["cuts"], "cuts of the link to the centre", CUTS, "wanted of a whole soak")
    yield Figure("cut_connections", found["cut_connections"], "connections to the centre that these cuts ended")
    yield Figure("connection_resets", found["resets"], "reset connections to instruments")
    yield Figure("unplugs", found["unplugs"], "pulled plugs", UNPLUGS, "wanted of a whole soak")
    for n in range(1, TENTHS + 1):
        yield Figure(f"rss_mb_{n}", found[f"rss_{n}"], f"MB resident, tenth {n} of the time")
        yield Figure(f"own_mb_{n}", found[f"own_{n}"], f"MB of its own, tenth {n} of the time")
    yield Figure("growth_mb", found["growth_mb"], "MB of its own more than after the first tenth (2 at most)")
    yield Figure("late_growth_mb", found["late_mb"], "MB of that in the second half")
    yield Figure("living", found["living"], "instruments read at the end", SOCKETS + LINES * UNITS, "all of them")


if __name__ == "__main__":
    os.environ.setdefault("HAIHE_PROFILES", str(PROFILES))
    run("a long day of one station", measure, minutes=(float, "how long, instead of until enough has happened"))
