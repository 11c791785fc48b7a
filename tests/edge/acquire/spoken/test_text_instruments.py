"""Instruments that speak text, end to end over pseudo-terminals: asked, listened to, and with faults."""

import asyncio
import json

import pytest
from haihe_contract.quality import Reason
from haihe_simulators.fault import Fault

from tests.edge.acquire.spoken.conftest import Bench, by_point

QUICK = ("{typical: 1000, most: 2500}", "{typical: 20, most: 150}")
TRUTH = {
    "distance": 3.214, "total": 54.8, "intensity": 2.9, "wind_direction": 283.0, "wind_speed": 1.0,
    "air_temperature": 22.7, "relative_humidity": 55.5, "air_pressure": 1004.7, "rain": 12.3, "rain_intensity": 4.5,
    "supply_voltage": 12.1, "battery_voltage": 12.91, "battery_current": 0.64, "panel_voltage": 18.32,
    "quality": 168.0, "temperature": 12.5, "diagnostics": 11111.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("profile", "baud"),
    [
        ("maxbotix-hrxl", 9600),
        ("maxbotix-hrxl-10m", 9600),
        ("dfrobot-a02yyuw", 9600),
        ("campbell-sr50a-serial", 9600),
        ("hydreon-rg-15", 9600),
        ("vaisala-wxt530-ascii", 19200),
        ("victron-ve-direct", 19200),
    ],
)
async def test_every_shipped_text_profile_is_read_end_to_end(bench: Bench, profile: str, baud: int) -> None:
    bench.values = dict(TRUTH)
    bench.text(profile, baud=baud)
    async with bench.measuring(bench.one(profile, "300ms", baud=baud)) as (acquirer, heard):
        group = await heard.value()
        found = by_point(acquirer, group)
        state = acquirer.state()[0]
    assert found == {name: pytest.approx(TRUTH[name]) for name in found}
    assert all(reason is Reason.NONE for _, _, reason in group.samples)
    assert state.kind == "ascii"
    assert state.instruments[0].error is None
    said = [json.loads(line)["says"] for line in bench.logs["gauge"].path.read_text().splitlines()]
    assert any(says.get(name) == pytest.approx(value) for says in said for name, value in found.items())


async def test_a_silent_instrument_is_missing_and_never_its_last_value_again(bench: Bench) -> None:
    bench.values = dict(TRUTH)
    quick = bench.adapted("campbell-sr50a-serial", *QUICK)
    line = bench.text("campbell-sr50a-serial")
    async with bench.measuring(bench.one("campbell-sr50a-serial", "300ms"), quick) as (_, heard):
        await heard.value()
        line.faults[33] = Fault.SILENT
        await heard.missing(Reason.TIMEOUT)
        line.faults[33] = Fault.NONE
        await heard.value()


async def test_a_gauge_that_stops_speaking_is_missing_after_its_time_and_told(bench: Bench) -> None:
    quick = bench.adapted("maxbotix-hrxl", "silent_after: 5s", "silent_after: 400ms")
    bench.values = dict(TRUTH)
    line = bench.text("maxbotix-hrxl", every_s=0.1)
    async with bench.measuring(bench.one("maxbotix-hrxl", "200ms"), quick) as (_, heard):
        await heard.value()
        line.faults[0] = Fault.SILENT
        await heard.missing(Reason.TIMEOUT)
        while "instrument_silent" not in [each.kind for each in heard.happenings]:
            await heard.missing(Reason.TIMEOUT)
        line.faults[0] = Fault.NONE
        await heard.value()
    assert [each.kind for each in heard.happenings] == ["instrument_silent", "instrument_back"]


@pytest.mark.parametrize(("fault", "reason"), [(Fault.CRC, Reason.CHECKSUM), (Fault.HALF, Reason.DAMAGED)])
async def test_a_damaged_answer_gives_no_value(bench: Bench, fault: Fault, reason: Reason) -> None:
    bench.values = dict(TRUTH)
    quick = bench.adapted("campbell-sr50a-serial", *QUICK)
    line = bench.text("campbell-sr50a-serial")
    line.faults[33] = fault
    async with bench.measuring(bench.one("campbell-sr50a-serial", "300ms"), quick) as (_, heard):
        group = await heard.until(lambda group: group.samples[0][2] is not Reason.NONE)
        assert all(value is None for _, value, _ in group.samples)
        # A flipped bit may hit the end of the frame: then it is a frame that never ends.
        assert all(why in (reason, Reason.DAMAGED) for _, _, why in group.samples)
        line.faults[33] = Fault.NONE
        await heard.value()


async def test_no_target_is_missing_and_not_five_metres_of_air(bench: Bench) -> None:
    bench.values = {"distance": 4.999}
    bench.text("maxbotix-hrxl", every_s=0.1)
    async with bench.measuring(bench.one("maxbotix-hrxl", "300ms")) as (_, heard):
        await heard.missing(Reason.SENTINEL)


async def test_garbage_without_a_line_end_keeps_memory_bounded_and_is_told(bench: Bench) -> None:
    line = bench.text("maxbotix-hrxl", every_s=3600)
    async with bench.measuring(bench.one("maxbotix-hrxl", "200ms")) as (acquirer, heard):
        await heard.missing(Reason.TIMEOUT)
        listener = acquirer._runners["line"]._receiver
        for _ in range(300):
            line.port.write(b"\xaa" * 500)
            await asyncio.sleep(0)
        await heard.missing(Reason.DAMAGED)
        assert listener._framer.held <= 4096
        assert len(listener.line.buffer) <= 4096
        assert listener._framer.refused["oversize"] > 0
        bench.values = dict(TRUTH)
        line.port.write(b"\r")
        for _ in range(3):
            line.port.write(b"R3214\r")
        group = await heard.value()
        assert group.samples[0][1] == pytest.approx(3.214)
        assert acquirer.state()[0].detail["refused"]["oversize"] > 0


async def test_a_pulled_adapter_is_the_bus_and_comes_back(bench: Bench) -> None:
    bench.values = dict(TRUTH)
    line = bench.text("hydreon-rg-15")
    async with bench.measuring(bench.one("hydreon-rg-15", "300ms")) as (_, heard):
        await heard.value()
        line.unplug()
        await heard.missing(Reason.BUS_DOWN)
        line.plug()
        await heard.value()
    assert [each.kind for each in heard.happenings] == ["bus_down", "bus_up"]


async def test_an_instrument_can_be_read_at_once(bench: Bench) -> None:
    bench.values = dict(TRUTH)
    bench.text("hydreon-rg-15")
    async with bench.measuring(bench.one("hydreon-rg-15", "1h")) as (acquirer, _):
        await asyncio.sleep(0)
        group = await acquirer.read_now("gauge")
    assert by_point(acquirer, group) == {"total": pytest.approx(54.8), "intensity": pytest.approx(2.9)}


async def test_the_own_word_of_doubt_travels_with_the_value(bench: Bench) -> None:
    bench.values = TRUTH | {"diagnostics": 11111.0, "quality": 700.0}
    bench.text("campbell-sr50a-serial")
    documents = bench.lines[0].units[33]
    documents._speech._doubts = ()
    async with bench.measuring(bench.one("campbell-sr50a-serial", "300ms")) as (acquirer, heard):
        group = await heard.value()
    reasons = {acquirer._site.series[number].point: reason for number, _, reason in group.samples}
    assert reasons["distance"] is Reason.DOUBTFUL
    assert reasons["quality"] is Reason.NONE
