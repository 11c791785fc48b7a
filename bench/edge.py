"""What a whole station costs: 20 elements a second through acquire, journal, MQTT over TLS and receipts.

    python bench/edge.py [--quick] [--json]

Real processes: the agent, Mosquitto, the centre; the instrument is a simulated one over Modbus TCP. CPU and memory
are the agent's own, as the kernel counts them after the first ten seconds. Without --quick once more at one reading
a minute. The reference for CPU is pymodbus alone polling the same registers at the same pace and storing nothing.
"""

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from centre_box import centre_files
from haihe_contract.clock import SystemClock
from haihe_edge.control import AgentAway, ask
from haihe_simulators import scenery
from haihe_simulators.ensemble import free_port, mosquitto
from haihe_simulators.nature import Nature
from haihe_simulators.processes import Child
from haihe_simulators.river import RiverClock
from haihe_simulators.station import SimulatedStation
from process import PROFILES, cpu_s, installed, memory_mb
from report import Figure, run

SETTLE_S = 10
POLLER = """
import asyncio, sys
from pymodbus.client import AsyncModbusTcpClient
async def main():
    client = AsyncModbusTcpClient("127.0.0.1", port=int(sys.argv[1]))
    await client.connect()
    while True:
        await client.read_holding_registers(0, count=20, device_id=1)
        await asyncio.sleep(1)
asyncio.run(main())
"""


async def station(folder: Path, seconds: float, every: str) -> dict[str, float]:
    """Run everything for so long, with such a period."""
    clock, chance = SystemClock(), random.Random()
    actor = scenery.make_cast(river := scenery.make_river(1, random.Random(3)))[0]
    broker_port, page_port, modbus_port = (free_port(chance) for _ in range(3))
    conf, centre_file = centre_files(folder, actor, broker_port, page_port)
    site = scenery.site_document(
        actor, "haihe", broker_port, modbus_port, folder / "pki", folder=folder, window="1000ms"
    )
    site["buses"] = [{"kind": "tcp", "name": "net", "host": "127.0.0.1", "port": modbus_port}]
    site["instruments"] = [{"name": "multi", "profile": "demo-multi-20", "bus": "net", "unit": 1, "every": every}]
    site["levels"] = []
    site_file = scenery.write_yaml(folder / "site.yaml", site)
    nature = Nature(river, 0, RiverClock(clock, 60.0), actor.place, random.Random(4))
    instruments = SimulatedStation(site_file, PROFILES, folder / "log", nature, clock, random.Random(5))
    environment = installed(folder)
    broker = Child("broker", [mosquitto(), "-c", str(conf)], folder / "broker.log", {})
    centre = Child(
        "centre", [sys.executable, "-m", "haihe_cloud", "run", "--config", str(centre_file)], folder / "centre.log", {}
    )
    agent = Child("agent", [sys.executable, "-m", "haihe_edge", "run", str(site_file)], folder / "a.log", environment)
    try:
        await instruments.start()
        await broker.start()
        await centre.start()
        await asyncio.sleep(3)
        began = time.monotonic()
        await agent.start()
        while not instruments.answered:  # noqa: ASYNC110 - it is the instrument's own log that counts
            await asyncio.sleep(0.01)
        first_s = time.monotonic() - began
        await asyncio.sleep(SETTLE_S)
        pid = agent._process.pid  # type: ignore[union-attr]  # noqa: SLF001 - the bench measures from outside
        before, sent, answered = cpu_s(pid), await sent_bytes(folder), instruments.answered
        await asyncio.sleep(seconds)
        spent = cpu_s(pid) - before
        readings = 20 * (instruments.answered - answered)
        return {
            "first_s": first_s,
            "cpu_share": spent / seconds,
            "cpu_per_10k": spent / max(1, readings) * 10_000,
            "rss_mb": memory_mb(pid, "VmRSS"),
            "live_bytes": (await sent_bytes(folder) - sent) / max(1, readings),
            "reference_cpu_share": await poller(modbus_port, min(seconds, 8)),
        }
    finally:
        for child in (agent, centre, broker):
            await child.stop()
        await instruments.close()


async def sent_bytes(folder: Path) -> int:
    """Payload bytes the agent has published."""
    try:
        said = await asyncio.to_thread(ask, folder / "control", {"do": "status"})
    except AgentAway:
        return 0
    return int(said["centres"][0]["bytes_sent"])


async def poller(port: int, seconds: float) -> float:
    """CPU share of pymodbus alone."""
    process = subprocess.Popen([sys.executable, "-c", POLLER, str(port)])  # noqa: ASYNC220
    try:
        await asyncio.sleep(2)
        before = cpu_s(process.pid)
        await asyncio.sleep(seconds)
        return (cpu_s(process.pid) - before) / seconds
    finally:
        process.kill()
        process.wait()


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - told by report.run
    """All figures."""
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(station(Path(folder), 6 if quick else 60, "1s"))
    reference = found["reference_cpu_share"] * 100 or None
    yield Figure("cpu_percent_of_a_core", found["cpu_share"] * 100, "%", reference, "pymodbus polling alone")
    yield Figure("cpu_s_per_10k", found["cpu_per_10k"], "CPU s per 10,000 readings")
    yield Figure("rss_mb", found["rss_mb"], "MB")
    yield Figure("start_to_first_answer_s", found["first_s"], "s")
    yield Figure("live_payload_bytes_per_reading", found["live_bytes"], "bytes")
    if quick:
        return
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(station(Path(folder), 120, "1min"))
    yield Figure("minute_cpu_percent_of_a_core", found["cpu_share"] * 100, "% at one reading a minute (at most 0.5)")
    yield Figure("minute_rss_mb", found["rss_mb"], "MB at one reading a minute (at most 45)")
    yield Figure("minute_start_to_first_answer_s", found["first_s"], "s at one reading a minute (at most 3)")


if __name__ == "__main__":
    run("what a whole station costs at 20 elements a second", measure)
