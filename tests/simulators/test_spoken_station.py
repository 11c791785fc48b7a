"""A simulated station also plays text and SDI-12 instruments, and its logs say what the agent should have taken."""

import asyncio
import random
from pathlib import Path

import pytest
from haihe_contract.clock import SystemClock
from haihe_contract.quality import Grade
from haihe_edge.acquire import Acquirer, Group
from haihe_edge.site import load_site
from haihe_simulators import scenery
from haihe_simulators.evidence import expected, read_log, said
from haihe_simulators.nature import Nature, Place
from haihe_simulators.river import RiverClock
from haihe_simulators.station import SimulatedStation

from tests.edge.heard import running
from tests.edge.site_text import HEAD

ROOT = Path(__file__).parents[2]
SITE = (
    HEAD
    + """
buses:
  - {kind: ascii, name: rain, port: ttyRain}
  - {kind: ascii, name: eye, port: ttyEye}
  - {kind: sdi12, name: well, port: ttyWell, latency: 100ms}
instruments:
  - {name: drops, profile: hydreon-rg-15, bus: rain, every: 500ms}
  - {name: eye, profile: maxbotix-hrxl-10m, bus: eye, every: 500ms, series: [{point: distance, at: eye}]}
  - {name: depth, profile: meter-hydros21, bus: well, unit: a, every: 2s}
"""
)


async def test_what_text_and_sdi12_instruments_said_is_what_the_agent_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    site_file = tmp_path / "site.yaml"
    site_file.write_text(SITE)
    chance = random.Random(7)
    clock = SystemClock()
    river = RiverClock(clock, 60.0, begin_s=scenery.STORM.begin_s)
    nature = Nature(scenery.make_river(1, chance), 0, river, Place(radar_m=13.0), chance)
    station = SimulatedStation(site_file, ROOT / "firmware_profiles", tmp_path / "log", nature, clock, chance)
    await station.start()
    groups: list[Group] = []
    missing, all_came = {"drops", "eye", "depth"}, asyncio.Event()

    def sink(group: Group) -> None:
        groups.append(group)
        if group.samples[0][1] is not None:
            missing.discard(group.instrument)
        if not missing:
            all_came.set()

    site = load_site(site_file, [ROOT / "firmware_profiles"])
    acquirer = Acquirer(site, clock, lambda: Grade.NTP, sink)
    try:
        async with running(acquirer):
            await asyncio.wait_for(all_came.wait(), 20)
    finally:
        await station.close()
    assert station.answered > 0
    for what in expected(site_file, ROOT / "firmware_profiles"):
        spoken = [each.value for each in said(what, read_log(tmp_path / "log" / f"{what.instrument}.jsonl"))]
        number = next(each.number for each in site.series if each.key == what.key)
        taken = [
            value for group in groups for series, value, _ in group.samples if series == number and value is not None
        ]
        assert taken, what.key
        assert all(any(value == pytest.approx(one) for one in spoken) for value in taken), what.key
        assert what.free == (what.instrument == "eye")
