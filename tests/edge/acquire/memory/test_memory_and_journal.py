"""What was recalled lies in the journal once, with its own time, whenever the agent is killed."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from haihe_contract.quality import Flag, Grade, Reason, unmark
from haihe_contract.record import Readings
from haihe_edge import control
from haihe_edge.journal import Folder
from haihe_edge.journal.segment import SUFFIX, Segment

from tests.edge.acquire.memory.conftest import ROOT, Bench, level_of, now_ms

LOOP = asyncio.SelectorEventLoop
"""Agents are processes of their own here, and live in our time."""
CENTRE = """
control: s
centres:
  - {name: haihe, host: 127.0.0.1, port: 1, ca: x.pem, certificate: x.pem, key: x.key, receipt_key: receipt.pub}
"""


class Agent:
    """``haihe-edge run`` as a process of its own."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def start(self) -> None:
        folders = [str(ROOT / each) for each in ("contract", "edge")]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "haihe_edge", "run", str(self._bench.site.file),
            "--profiles", str(self._bench.directory / "profiles"),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)}, cwd=self._bench.directory,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip

    async def end(self, number: int) -> None:
        self._process.send_signal(number)
        await self._process.wait()

    async def recalled(self, entries: int, polls: int = 3) -> None:
        """Wait until it says that so many entries were read back, and so many polls answered."""
        async with asyncio.timeout(20):
            while True:
                try:
                    said = await asyncio.to_thread(control.ask, self._bench.directory / "s", {"do": "status"})
                except control.AgentAway:
                    said = {"buses": []}
                for bus in said["buses"]:
                    found = bus["instruments"][0]
                    log = found["memory"][0]
                    if found["answers"] >= polls and log["entries"] >= entries and not log["reading"]:
                        assert log["entries"] == entries
                        return
                await asyncio.sleep(0.1)


def recalled_in(journal: Path) -> list[tuple[int, float | None, Flag, Reason, int]]:
    """Levels from memory, in the order of the journal."""
    found = []
    for path in sorted(journal.glob(f"*{SUFFIX}")):
        segment = Segment(Folder(journal), path.name)
        level = segment.dictionary.series.index("water_level.main.instant.0.instrument.dagu")
        for record in segment.read(segment.numbers, 1 << 24):
            body = record.body
            if not isinstance(body, Readings) or level not in body.series or not body.marks:
                continue
            flag, reasons = unmark(body.marks[body.series.index(level)])
            if Reason.FROM_MEMORY in reasons:
                found.append((body.time_ms, body.values[body.series.index(level)], flag, reasons, body.grade))
    return found


@pytest.mark.parametrize("way", ["ring", "since"])
async def test_entries_of_every_outage_are_journaled_once_whenever_the_agent_is_killed(
    tmp_path: Path, way: str
) -> None:
    key = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "receipt.pub").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    bench = Bench(tmp_path, way, every="500ms", more=CENTRE)
    agent = Agent(bench)
    bench.line.plug()
    times: list[int] = []

    async def outage(entries: int) -> None:
        await asyncio.sleep(1.1)
        for _ in range(entries):
            times.append(now_ms() // 1000 * 1000)
            bench.record(times[-1])
            await asyncio.sleep(1.1)

    try:
        await agent.start()
        await agent.recalled(0)
        await asyncio.sleep(1.1)  # what was polled is committed
        await agent.end(signal.SIGKILL)
        await outage(3)
        await agent.start()
        await agent.recalled(3)
        await asyncio.sleep(1.1)
        await agent.end(signal.SIGKILL)  # before it has written down how far it is
        assert not (tmp_path / "journal" / "memories.json").exists()
        await outage(2)
        await agent.start()
        await agent.recalled(2)
        await agent.end(signal.SIGTERM)
        await outage(1)
        await agent.start()
        await agent.recalled(1)
        await agent.end(signal.SIGTERM)
    finally:
        await bench.line.close()
    expected = [(each, pytest.approx(level_of(each)), Flag.PASS, Reason.FROM_MEMORY, Grade.SYSTEM) for each in times]
    assert recalled_in(tmp_path / "journal") == expected


async def test_a_memory_whose_clock_is_ahead_is_a_trouble_of_the_station(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "receipt.pub").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    bench = Bench(tmp_path, "ring", every="500ms", more=CENTRE)
    agent = Agent(bench)
    bench.line.plug()
    try:
        await agent.start()
        await agent.recalled(0)
        await agent.end(signal.SIGTERM)
        await asyncio.sleep(1.1)
        bench.record(now_ms() // 1000 * 1000)
        bench.record(now_ms() + 86_400_000)
        await asyncio.sleep(1.1)
        await agent.start()
        await agent.recalled(1)
        said = await asyncio.to_thread(control.ask, tmp_path / "s", {"do": "status"})
        await agent.end(signal.SIGTERM)
    finally:
        await bench.line.close()
    assert not said["ok"]
    (trouble,) = [each for each in said["troubles"] if each["kind"] == "memory"]
    assert trouble["where"] == "gauge"
    assert trouble["words"]["text"] == "its clock is ahead: 1 entries lie in the future and were refused"
