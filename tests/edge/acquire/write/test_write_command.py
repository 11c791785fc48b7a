"""``haihe-edge write`` as a technician types it: through the running agent, and alone on the bus."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from haihe_edge.control import user_name

from tests.edge.acquire.write import gate
from tests.edge.acquire.write.agent import events, haihe, running
from tests.edge.acquire.write.gate import SETPOINT, GateLine
from tests.edge.site_text import STATION

LOOP = asyncio.SelectorEventLoop
"""Agents are processes of their own here, and live in our time."""


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


def set_to(value: str, *more: str) -> tuple[str, ...]:
    return ("write", "-i", "sick", "--point", "setpoint", "--value", value, *more)


async def test_a_point_is_set_through_the_running_agent(line: GateLine, tmp_path: Path) -> None:
    async with running(tmp_path):
        good = await haihe(tmp_path, *set_to("0.25", "--lang", "en"))
        assert good.returncode == 0, good.stderr
        assert good.stdout.strip() == "sick setpoint: 0 before, 0.25 now (read back)"
        assert line.gates[1].registers[SETPOINT] == 25
        refused = await haihe(tmp_path, *set_to("9", "--json"))
        assert refused.returncode == 1
        assert json.loads(refused.stdout)["what"] == "9 is out of range"
        assert line.overlaps == 0
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
