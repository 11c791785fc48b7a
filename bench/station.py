"""A large station: 50 Modbus TCP instruments of 20 registers, each read once a second.

    python bench/station.py [--quick] [--json]

The agent is the real process with quality control, durable journal and a centre that is configured and away, so
that everything stays in the journal. CPU and memory are its own, as the kernel counts them. The reference is what
a user would write: pymodbus polling the same instruments at the same pace, each answer made a line of JSON, nothing
kept.
"""

import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from haihe_cloud.admit.pki import Pki
from haihe_contract.clock import SystemClock
from haihe_simulators import scenery
from haihe_simulators.ensemble import free_port
from process import PROFILES, cpu_s, installed, memory_mb, process
from report import Figure, run

INSTRUMENTS = 50
REGISTERS = 20
FARM = Path(__file__).with_name("farm.py")
STATION = "31005650"
NAIVE = """
import asyncio, json, sys, time
from pymodbus.client import AsyncModbusTcpClient
async def one(name, port):
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    due = time.monotonic()
    while True:
        answer = await client.read_holding_registers(0, count=20, device_id=1)
        if not answer.isError():
            values = {f"r{at}": register for at, register in enumerate(answer.registers)}
            json.dumps({"ts": int(time.time() * 1000), "name": name, "values": values})
        due += 1
        await asyncio.sleep(max(0, due - time.monotonic()))
async def main():
    await asyncio.gather(*(one(f"i{at}", int(port)) for at, port in enumerate(sys.argv[1:])))
asyncio.run(main())
"""


class Farm:
    """The instruments, in a process of their own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.ports = [int(word) for word in self._said().split()]

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def answered(self) -> int:
        """How many requests they have answered."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._said())


def site_file(folder: Path, ports: list[int]) -> Path:
    """A site with all of them."""
    pki = Pki(folder / "pki", SystemClock())
    pki.init()
    pki.make_receipt_key()
    pki.station(STATION)
    names = [f"i{at:02}" for at in range(len(ports))]
    points = scenery.spread({"instruments": [{"name": "all", "profile": "demo-multi-20", "at": "main"}]}, PROFILES)[
        "instruments"
    ][0]["series"]
    return scenery.write_yaml(
        folder / "site.yaml",
        {
            "station": {
                "code": STATION,
                "name": {"zh": "站", "en": "station"},
                "latitude": 39.1458,
                "longitude": 117.1897,
            },
            "buses": [
                {"kind": "tcp", "name": name, "host": "127.0.0.1", "port": port}
                for name, port in zip(names, ports, strict=True)
            ],
            "instruments": [
                {
                    "name": name,
                    "profile": "demo-multi-20",
                    "bus": name,
                    "unit": 1,
                    "every": "1s",
                    "series": [{**point, "at": name} for point in points],
                }
                for name in names
            ],
            "journal": {"directory": "journal", "size": "64MiB"},
            "centres": [
                {
                    "name": "haihe",
                    "host": "127.0.0.1",
                    "port": free_port(random.Random()),
                    "ca": str(folder / "pki" / "ca.pem"),
                    "certificate": str(folder / "pki" / "stations" / f"{STATION}.pem"),
                    "key": str(folder / "pki" / "stations" / f"{STATION}.key"),
                    "receipt_key": str(folder / "pki" / "receipt.pub"),
                }
            ],
        },
    )


def cost(pid: int, farm: Farm, settle_s: float, seconds: float) -> tuple[float, float]:
    """CPU seconds per 10,000 readings, and polls a second, over that time."""
    time.sleep(settle_s)
    spent, answered, began = cpu_s(pid), farm.answered(), time.monotonic()
    time.sleep(seconds)
    spent, answered, took = cpu_s(pid) - spent, farm.answered() - answered, time.monotonic() - began
    return spent / max(1, answered * REGISTERS) * 10_000, answered / took


def journal_bytes(folder: Path) -> int:
    """Bytes of the journal's files."""
    return sum(path.stat().st_size for path in (folder / "journal").glob("*.journal"))


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - told by report.run
    """All figures."""
    settle_s, seconds = (4, 8) if quick else (20, 120)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with process([str(FARM), str(INSTRUMENTS)], **pipes) as child:
            farm = Farm(child)
            with process(["-c", NAIVE, *map(str, farm.ports)]) as naive:
                reference, _ = cost(naive.pid, farm, 3, min(seconds, 30))
                reference_mb = memory_mb(naive.pid)
            path = site_file(folder, farm.ports)
            environment = installed(folder)
            log = (folder / "agent.log").open("w")
            with process(["-m", "haihe_edge", "run", str(path)], env=environment, stdout=log, stderr=log) as agent:
                found, polls = cost(agent.pid, farm, settle_s, seconds)
                rss = memory_mb(agent.pid)
                kept, before = journal_bytes(folder), farm.answered()
                time.sleep(2 if quick else 10)
                disk = (journal_bytes(folder) - kept) / max(1, (farm.answered() - before) * REGISTERS)
    yield Figure("cpu_s_per_10k", found, "CPU s per 10,000 readings", reference, "pymodbus, nothing kept")
    yield Figure("rss_mb", rss, "MB", reference_mb, "pymodbus, nothing kept")
    yield Figure("polls_per_s", polls, "polls a second (50 are due)")
    yield Figure("journal_bytes_per_reading", disk, "bytes to disk")


if __name__ == "__main__":
    run("50 Modbus TCP instruments of 20 registers, each once a second", measure)
