"""A real station, broker and centre: a machine without a clock learns the time from receipts, and its card dies."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from haihe_contract.clock import SystemClock
from haihe_contract.quality import Grade
from haihe_contract.record import Opened, Readings, TimeFix
from haihe_edge import cli, control
from haihe_edge.journal import Folder, Look
from haihe_edge.site import load_site
from haihe_edge.station import run

from tests.cloud.service.test_service import Centre
from tests.conftest import CENTRE, Broker, Pki, free_port, wait_for

ROOT = Path(__file__).parents[3]
PROFILES = ROOT / "firmware_profiles"
CODE = "31005650"
SITE = """
station: {{code: "31005650", name: {{zh: 三岔口, en: Sanchakou}}, latitude: 39.1, longitude: 117.2}}
buses: [{{kind: tcp, name: gateway, host: 127.0.0.1, port: {nobody}}}]
instruments: [{{name: radar, profile: geolux-lx-80, bus: gateway, unit: 1, every: 500ms}}]
journal: {{directory: journal, size: 16MiB, window: 50ms}}
control: s
centres:
  - {{name: {centre}, host: localhost, port: {port}, ca: {pki}/ca.pem, certificate: {pki}/stations/31005650.pem,
     key: {pki}/stations/31005650.key, receipt_key: {pki}/receipt.pub}}
"""


class SinceBoot(SystemClock):
    """A machine without a battery-backed clock: it has just started, and its calendar says 1970."""

    def __init__(self) -> None:
        self.began_ms = time.monotonic_ns() // 1_000_000

    def now_ms(self) -> int:
        return self.monotonic_ms()

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000 - self.began_ms


@pytest.fixture
def centre(tmp_path: Path, broker: Broker, pki: Pki) -> Iterator[Centre]:
    folder = tmp_path / "centre"
    folder.mkdir()
    made = Centre(folder, broker.port, pki)
    assert made.command("station", "add", CODE).returncode == 0
    made.start()
    wait_for(made.healthy, "the centre is well")
    yield made
    made.end()


async def until(file: Path, holds: Any) -> dict[str, Any]:
    site = load_site(file, [PROFILES])
    async with asyncio.timeout(40):
        while True:
            try:
                said = await asyncio.to_thread(control.ask, site.control, {"do": "status"})
                if holds(said):
                    return said
            except control.AgentAway:
                pass
            await asyncio.sleep(0.1)


@pytest.mark.broker
async def test_receipts_give_a_machine_without_a_clock_its_time_and_the_centre_gives_a_new_card_its_site_file(
    tmp_path: Path, centre: Centre, broker: Broker, pki: Pki, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "old" / "site.yaml"
    file.parent.mkdir()
    file.write_text(SITE.format(nobody=free_port(), centre=CENTRE, port=broker.port, pki=pki.directory), "utf-8")
    broker.stop()  # it measures for a while before anybody can tell it the time
    clock = SinceBoot()
    began = SystemClock().now_ms()
    agent = asyncio.ensure_future(run(load_site(file, [PROFILES]), clock=clock))
    try:
        await until(file, lambda said: said["journal"]["head"] > 8)
        await asyncio.to_thread(broker.start)
        await until(file, lambda said: said["clock"]["grade"] == Grade.CENTRE)
        await asyncio.sleep(11)  # the next look has recorded it
        await until(file, lambda said: said["centres"][0]["waiting_records"] == 0)
    finally:
        agent.cancel()
        await agent
    look = Look(Folder(file.parent / "journal"))
    bodies = [record.body for each in look.segments for _, records in look.groups(each) for record in records]
    (opened,) = [body for body in bodies if isinstance(body, Opened)]
    grades = [Grade(body.grade) for body in bodies if isinstance(body, Readings)]
    assert grades[0] is Grade.NONE
    assert grades[-1] is Grade.CENTRE
    fixes = [body for body in bodies if isinstance(body, TimeFix)]
    assert 1 <= len(fixes) <= 3
    for fix in fixes:
        assert (fix.boot, fix.grade) == (opened.boot, Grade.CENTRE)
        assert abs(fix.offset_ms - began) <= fix.error_ms + 50
    assert fixes[-1].error_ms < 2000

    printed = await asyncio.to_thread(centre.command, "station", "state", CODE, "--json")
    state = tmp_path / "state.json"
    state.write_text(printed.stdout, "utf-8")
    place = tmp_path / "new" / "site.yaml"
    words = ["init", str(place), "--restore", str(state), "--yes", "--profiles", str(PROFILES)]
    assert cli.main(words) == 0
    assert place.read_bytes() == file.read_bytes()
