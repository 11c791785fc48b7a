"""``haihe-edge command`` and groups of ``haihe-edge write`` as a technician types them, with an agent and without."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest
from haihe_edge import control
from haihe_edge.control import user_name

from tests.edge.acquire.write import wired
from tests.edge.acquire.write.agent import events, haihe, running
from tests.edge.acquire.write.conftest import Wired

LOOP = asyncio.SelectorEventLoop
"""Agents are processes of their own here, and live in our time."""


@pytest.fixture
def station(serial: Wired) -> Wired:
    text = wired.whole_site(serial.bus, every="1s", commands="[clear_rain, calibrate, sleep]")
    (serial.folder / "site.yaml").write_text(text)
    return serial


def done(folder: Path) -> list[tuple[str, dict[str, object]]]:
    """What people had done, as the journal holds it."""
    kinds = ("written", "write_", "command_")
    return [(each.kind, each.detail) for each in events(folder) if any(kind in each.kind for kind in kinds)]


async def test_with_an_agent_all_goes_through_it_and_is_in_the_journal(station: Wired) -> None:
    folder = station.folder
    async with running(folder):
        good = await haihe(folder, "command", "-i", "sick", "--name", "calibrate", "--lang", "en")
        assert good.returncode == 0, good.stderr
        assert good.stdout.splitlines() == [
            "  function 6 at 0x001f: 0x0001  confirmed",
            "  function 16 at 0x0020: 0x0001 0x0002  confirmed",
            "  function 6 at 0x0022: 0x0009  confirmed",
            "sick: calibrate was sent (finds both ends of the gate)",
            "it is obeyed only after the instrument has been started again",
        ]
        group = await haihe(folder, "write", "-i", "sick", "--set", "low=0.25", "high=0.5", "--json")
        assert group.returncode == 0, group.stderr
        assert json.loads(group.stdout) == {
            "instrument": "sick",
            "points": [
                {"point": "low", "value": 0.25, "before": 0, "after": 0.25},
                {"point": "high", "value": 0.5, "before": 0, "after": 0.5},
            ],
            "effective": "now",
        }
        refused = await haihe(folder, "command", "-i", "sick", "--name", "brush", "--lang", "zh")
        assert refused.returncode == 1
        assert "本站未启用命令 brush" in refused.stderr
        assert "`commands: [brush]`" in refused.stderr
        assert isinstance(station.line, wired.Watched)
        assert station.line.overlaps == 0
    assert station.first.places == [(6, 31), (16, 32), (6, 34), (16, 10)]
    found = done(folder)
    assert [kind for kind, _ in found] == ["command_sent", "point_written", "command_refused"]
    me = user_name(os.getuid())
    assert {detail["by"] for _, detail in found} == {me}
    assert found[1][1]["after"] == {"low": 0.25, "high": 0.5}


async def test_without_an_agent_the_same_is_done_on_the_bus_and_recorded(station: Wired) -> None:
    folder = station.folder
    good = await haihe(folder, "command", "-i", "sick", "--name", "sleep", "--json")
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout) == {
        "instrument": "sick",
        "command": "sleep",
        "does": "sends it to sleep",
        "effective": "after_reply",
        "steps": [{"sent": "function 6 at 0x0023: 0x0001", "answer": "unanswered"}],
    }
    station.first.refuses(16, 32)
    half = await haihe(folder, "command", "-i", "sick", "--name", "calibrate", "--lang", "zh")
    assert half.returncode == 1
    assert "第 2 步（共 3 步）被拒绝：" in half.stderr
    assert "已发送：1 (function 6 at 0x001f: 0x0001)；未发送：3 (function 6 at 0x0022: 0x0009)" in half.stderr
    group = await haihe(folder, "write", "-i", "sick", "--set", "delay=-5", "--set", "low=1", "--lang", "zh")
    assert group.returncode == 0, group.stderr
    assert group.stdout.splitlines() == [
        "sick low：原为 0，现为 1（已回读核对）",
        "sick delay：原为 0，现为 -5（已回读核对）",
    ]
    restart = await haihe(folder, "write", "-i", "sick", "--point", "alone", "--value", "3", "--lang", "zh")
    assert "仪器重新启动后才生效" in restart.stdout
    assert station.first.places == [(6, 35), (6, 31), (16, 32), (16, 10), (6, 20)]
    assert [kind for kind, _ in done(folder)] == ["command_sent", "command_failed", "point_written", "point_written"]


async def test_an_agent_that_stops_half_way_is_never_followed_by_a_second_sending(station: Wired) -> None:
    folder = station.folder
    async with running(folder) as agent:
        command = asyncio.create_task(haihe(folder, "command", "-i", "sick", "--name", "calibrate", "--lang", "en"))
        async with asyncio.timeout(20):
            await station.first.told.wait()
        agent.send_signal(signal.SIGTERM)
        said = await command
    assert said.returncode == 1, said.stdout
    assert "may have been done or not" in said.stderr
    assert station.first.places[0] == (6, 31)
    assert len(station.first.places) < 3
    ((kind, detail),) = done(folder)
    assert kind == "command_failed"
    assert detail["why"] == "the agent stopped while it was being done"


async def test_a_control_socket_that_swallows_a_request_is_no_reason_to_send_it_again(station: Wired) -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    server = await asyncio.start_unix_server(swallow, station.folder / "control.sock")
    async with server:
        for words in (("command", "-i", "sick", "--name", "sleep"), ("write", "-i", "sick", "--set", "low=1")):
            said = await haihe(station.folder, *words, "--lang", "en")
            assert said.returncode == 1
            assert "it may have been done or not" in said.stderr
    assert station.first.heard == []


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--set", "low"), "low is no POINT=VALUE"),
        (("--set", "low=high"), "low=high is no POINT=VALUE"),
        (("--set", "low=1", "low=2"), "low is given twice"),
        (("--point", "low"), "give either --point and --value, or --set POINT=VALUE"),
        ((), "give either"),
        (("--set", "low=1", "--point", "low", "--value", "1"), "give either"),
    ],
)
async def test_what_is_asked_wrongly_is_told_and_touches_nothing(
    station: Wired, words: tuple[str, ...], what: str
) -> None:
    said = await haihe(station.folder, "write", "-i", "sick", *words, "--lang", "en")
    assert said.returncode == 2
    assert what in said.stderr
    assert station.first.heard == []
    assert not (station.folder / "journal").exists()


async def test_without_a_name_the_commands_and_who_may_send_them_are_listed(station: Wired) -> None:
    listed = await haihe(station.folder, "command", "-i", "sick", "--lang", "en")
    assert listed.returncode == 0
    rows = [line.split() for line in listed.stdout.splitlines()]
    assert rows[1] == ["clear_rain", "enabled", "sets", "the", "rain", "to", "0"]
    assert rows[4][:7] == ["brush", "not", "enabled", "in", "the", "site", "file"]
    rows = json.loads((await haihe(station.folder, "command", "-i", "sick", "--json")).stdout)["commands"]
    assert [(row["command"], row["enabled"]) for row in rows] == [
        ("clear_rain", True),
        ("calibrate", True),
        ("sleep", True),
        ("brush", False),
    ]


async def test_a_counter_cleared_without_an_agent_is_a_reset_for_the_next_one(station: Wired) -> None:
    folder = station.folder
    text = wired.whole_site(
        station.bus, every="1s", commands="[clear_rain]", derive=", derive: {element: period_rain, every: 1min}"
    )
    (folder / "site.yaml").write_text(text)
    station.first.measures["rain"] = 12.5
    async with running(folder):
        kept = folder / "journal" / "counters.json"
        rows = control.listen(folder / "control.sock", {"do": "watch"}, timeout_s=20)
        rains = (row for row in rows if [each["value"] for each in row["readings"]][1:] == [12.5])
        await asyncio.to_thread(next, rains)
    (state,) = json.loads(kept.read_text()).values()
    assert (state["value"], state["commanded"]) == (12.5, None)
    good = await haihe(folder, "command", "-i", "sick", "--name", "clear_rain")
    assert good.returncode == 0, good.stderr
    (state,) = json.loads(kept.read_text()).values()
    assert state["commanded"]["clears"] is True
