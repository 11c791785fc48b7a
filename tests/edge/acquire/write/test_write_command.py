"""``haihe-edge write`` as a technician types it: through the running agent, and alone on the bus."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from haihe_contract.clock import SystemClock
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Dictionary, Event, Opened
from haihe_edge.control import user_name
from haihe_edge.journal import Folder, Journal

from tests.edge.acquire.write import gate
from tests.edge.acquire.write.gate import SETPOINT, GateLine
from tests.edge.site_text import STATION


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[GateLine]:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "gate.yaml").write_text(gate.PROFILE)
    line = GateLine(tmp_path / "tty")
    site = gate.site(f"kind: serial, port: {line.port}", every="1s")
    text = STATION + "journal: {directory: journal, size: 16MiB, window: 50ms}\ncontrol: control.sock\n" + site
    (tmp_path / "site.yaml").write_text(text)
    yield line
    line.close()


async def haihe(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "haihe_edge", words[0], str(folder / "site.yaml"), *words[1:]]
    environment = {**os.environ, "HAIHE_PROFILES": str(folder / "profiles")}

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)

    return await asyncio.to_thread(run)


def set_to(value: str, *more: str) -> tuple[str, ...]:
    return ("write", "-i", "sick", "--point", "setpoint", "--value", value, *more)


def events(folder: Path) -> list[Event]:
    journal = Journal.open(
        Folder(folder / "journal"),
        size=1 << 24,
        clock=SystemClock(),
        entropy=lambda: int.from_bytes(os.urandom(8), "big"),
        dictionary=Dictionary([]),
        opened=lambda line, last, ms, closed: Opened(1, "b", 1, 1, line, last, ms, 1000, closed, "0", "s"),
    )
    try:
        everything = RangeSet.of((1, 10_000))
        bodies = [record.body for each in journal.extents() for record in journal.read(each.line, everything)]
    finally:
        journal.close()
    return [body for body in bodies if isinstance(body, Event)]


async def test_a_point_is_set_through_the_running_agent(line: GateLine, tmp_path: Path) -> None:
    agent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "haihe_edge", "run", str(tmp_path / "site.yaml"), "--lang", "en",
        stderr=subprocess.PIPE, env={**os.environ, "HAIHE_PROFILES": str(tmp_path / "profiles")},
    )  # fmt: skip
    assert agent.stderr is not None
    try:
        async with asyncio.timeout(20):
            while b"is measuring" not in (said := await agent.stderr.readline()):
                assert said, "the agent ended at once"
        good = await haihe(tmp_path, *set_to("0.25", "--lang", "en"))
        assert good.returncode == 0, good.stderr
        assert good.stdout.strip() == "sick setpoint: 0 before, 0.25 now (read back)"
        assert line.gates[1].registers[SETPOINT] == 25
        refused = await haihe(tmp_path, *set_to("9", "--json"))
        assert refused.returncode == 1
        assert json.loads(refused.stdout)["what"] == "9 is out of range"
        assert line.overlaps == 0
    finally:
        agent.send_signal(signal.SIGTERM)
        await agent.wait()
    kinds = [(each.kind, each.detail.get("value")) for each in events(tmp_path) if "writ" in each.kind]
    assert kinds == [("point_written", 0.25), ("write_refused", 9)]


async def test_a_point_is_set_without_an_agent_and_recorded_all_the_same(line: GateLine, tmp_path: Path) -> None:
    good = await haihe(tmp_path, *set_to("0.5", "--json"))
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout) == {
        "instrument": "sick", "point": "setpoint", "value": 0.5, "before": 0, "after": 0.5, "effective": "now"
    }  # fmt: skip
    fast = await haihe(tmp_path, *set_to("0.6", "--lang", "zh"))
    assert fast.returncode == 1
    assert "每分钟最多改变 0.5" in fast.stderr
    assert "本分钟还可改变 0" in fast.stderr
    assert line.gates[1].registers[SETPOINT] == 50
    assert {each[1] for each in line.requests} == {3, 6}
    found = [each for each in events(tmp_path) if "writ" in each.kind]
    assert [each.kind for each in found] == ["point_written", "write_refused"]
    assert found[0].detail == {
        "instrument": "sick", "point": "setpoint", "value": 0.5, "before": 0, "after": 0.5, "bus": "line",
        "by": user_name(os.getuid()),
    }  # fmt: skip
