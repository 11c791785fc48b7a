"""A large station: 50 Modbus TCP instruments of 20 registers, each read once a second.

    python bench/station.py [--quick] [--peers DIR] [--json]

The agent is the real process with quality control and durable journal: once with a centre that is configured and
away, so that everything stays in the journal, and, without --quick, once sending to a real centre over TLS and
freeing what has a receipt. CPU and memory are its own, as the kernel counts them. The references poll the same
instruments at the same pace in the same run and send JSON over MQTT: the program that a user would write, which
keeps nothing, and the ThingsBoard gateway with its file store where ``--peers`` names the folder that has it.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import other_gateways
from centre_box import centre_files
from farm import REGISTERS
from haihe_simulators import scenery
from haihe_simulators.ensemble import free_port, mosquitto
from process import PROFILES, cpu_s, installed, memory_mb, process
from report import Figure, run

INSTRUMENTS = 50
FARM = Path(__file__).with_name("farm.py")
NAIVE_S = 30


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


class Rig:
    """One station's files, and its centre, which may be there or away."""

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self.folder = folder
        actor = scenery.make_cast(scenery.make_river(1, random.Random(3)))[0]
        broker_port, page_port = free_port(random.Random()), free_port(random.Random())
        self._conf, self._settings = centre_files(folder, actor, broker_port, page_port)
        document = scenery.site_document(
            actor, "haihe", broker_port, ports[0], folder / "pki", folder=folder, window="1s"
        )
        self.site_file = scenery.write_yaml(folder / "site.yaml", {**document, **instruments(ports)})
        self._environment = installed(folder)

    @contextmanager
    def centre(self) -> Iterator[None]:
        """Broker and centre are there."""
        with ExitStack() as stack:
            log = stack.enter_context((self.folder / "centre.log").open("w"))
            broker = subprocess.Popen([mosquitto(), "-c", str(self._conf)], stdout=log, stderr=log)
            stack.callback(broker.wait)
            stack.callback(broker.terminate)
            command = ["-m", "haihe_cloud", "run", "--config", str(self._settings)]
            stack.enter_context(process(command, stdout=log, stderr=log))
            yield

    @contextmanager
    def agent(self) -> Iterator[int]:
        """The agent runs; its process id."""
        with (self.folder / "agent.log").open("w") as log:
            command = ["-m", "haihe_edge", "run", str(self.site_file)]
            with process(command, env=self._environment, stdout=log, stderr=log) as child:
                yield child.pid

    def journal_bytes(self) -> int:
        """Bytes of the journal's files."""
        return sum(path.stat().st_size for path in (self.folder / "journal").glob("*.journal"))


def instruments(ports: list[int]) -> dict[str, object]:
    """What stands in a site file that has all of them, each on a bus of its own."""
    names = [f"i{at:02}" for at in range(len(ports))]
    points = scenery.spread({"instruments": [{"name": "all", "profile": "demo-multi-20", "at": "main"}]}, PROFILES)[
        "instruments"
    ][0]["series"]
    buses = [
        {"kind": "tcp", "name": name, "host": "127.0.0.1", "port": port}
        for name, port in zip(names, ports, strict=True)
    ]
    instruments = [
        {
            "name": name,
            "profile": "demo-multi-20",
            "bus": name,
            "unit": 1,
            "every": "1s",
            "series": [{**point, "at": name} for point in points],
        }
        for name in names
    ]
    return {
        "buses": buses,
        "instruments": instruments,
        "levels": [],
        "journal": {"directory": "journal", "size": "64MiB"},
    }


def cost(pid: int, farm: Farm, settle_s: float, seconds: float) -> tuple[float, float]:
    """CPU seconds per 10,000 readings, and polls a second, over that time."""
    time.sleep(settle_s)
    spent, answered, began = cpu_s(pid), farm.answered(), time.monotonic()
    time.sleep(seconds)
    spent, answered, took = cpu_s(pid) - spent, farm.answered() - answered, time.monotonic() - began
    return spent / max(1, answered * REGISTERS) * 10_000, answered / took


def compared(folder: Path, ports: list[int], seconds: float, where: Path | None) -> dict[str, other_gateways.Cost]:
    """What the peers cost that are installed."""
    python = other_gateways.thingsboard_python(where) if where else None
    if python is None:
        why = f"it is not installed in {where}" if where else "no --peers"
        print(f"the ThingsBoard gateway is left out: {why}; bench/README.md says how to install it", file=sys.stderr)
    found = {}
    with other_gateways.broker(folder, free_port(random.Random())) as arrivals:
        found["naive"] = other_gateways.naive(arrivals, ports, 3, min(seconds, NAIVE_S))
        if python is not None:
            for name, block in (("thingsboard", False), ("thingsboard_block", True)):
                files = folder / name
                files.mkdir()
                found[name] = other_gateways.thingsboard(python, files, arrivals, ports, 15, seconds, block=block)
    return found


AGAINST = {
    "naive": "pymodbus and JSON over MQTT, nothing kept",
    "thingsboard": "ThingsBoard gateway, a request a register",
    "thingsboard_block": "ThingsBoard gateway, a request an instrument",
}


def measure(quick: bool, peers: Path | None) -> Iterator[Figure]:  # noqa: FBT001 - told by report.run
    """All figures."""
    settle_s, seconds = (4, 7) if quick else (20, 120)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with process([str(FARM), str(INSTRUMENTS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            farm = Farm(child)
            references = compared(folder, farm.ports, min(seconds, 60), peers)
            naive = references.pop("naive")
            rig = Rig(folder, farm.ports)
            with rig.agent() as pid:
                found, polls = cost(pid, farm, settle_s, seconds)
                rss = memory_mb(pid)
                kept, before = rig.journal_bytes(), farm.answered()
                time.sleep(2 if quick else 10)
                disk = (rig.journal_bytes() - kept) / max(1, (farm.answered() - before) * REGISTERS)
            yield Figure("cpu_s_per_10k", found, "CPU s per 10,000 readings", naive.cpu_s_per_10k, AGAINST["naive"])
            yield Figure("rss_mb", rss, "MB", naive.rss_mb, AGAINST["naive"])
            yield Figure("polls_per_s", polls, "polls a second (50 are due)")
            yield Figure("journal_bytes_per_reading", disk, "bytes to disk")
            if quick and not references:
                return
            with rig.centre(), rig.agent() as pid:
                found, _ = cost(pid, farm, settle_s, seconds)
                rss = memory_mb(pid)
    references = {"naive": naive, **references}
    for name, peer in references.items():
        yield Figure(f"sending_cpu_s_per_10k_by_{name}", found, "CPU s, sending too", peer.cpu_s_per_10k, AGAINST[name])
        yield Figure(f"sending_rss_mb_by_{name}", rss, "MB, sending too", peer.rss_mb, AGAINST[name])


if __name__ == "__main__":
    title = "50 Modbus TCP instruments of 20 registers, each once a second"
    run(title, measure, peers=(Path, "folder with other gateways, see bench/README.md"))
