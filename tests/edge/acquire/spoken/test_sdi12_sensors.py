"""Sensors on SDI-12, end to end over pseudo-terminals, with everything that goes wrong there."""

import json
from typing import Any

import pytest
import yaml
from haihe_contract.quality import Reason
from haihe_edge.acquire.spoken.runners import open_sdi12
from haihe_edge.site import Sdi12Bus
from haihe_simulators.fault import Fault

from tests.edge.acquire.spoken.conftest import PROFILES, Bench, by_point
from tests.edge.patient_loop import LoopClock

TRUTH = {
    "stage": 3.512, "distance": 4.838, "depth": 1.283, "water_temperature": 14.6, "conductivity": 412.0,
    "intensity": 12.5, "total": 103.4, "electronics_temperature": 23.4, "supply_voltage": 12.6, "turbidity": 23.7,
    "soil_temperature": 19.8, "reliability": 38.0, "level": 2.5, "warmth": 11.5,
}  # fmt: skip
TOGETHER: dict[str, Any] = {
    "profile": "together",
    "maker": "test",
    "model": "a sensor that can measure while others are asked",
    "grade": "simulated",
    "sources": ["test"],
    "transport": "sdi12",
    "crc": True,
    "concurrent": True,
    "measurements": [{"name": "all", "values": 2}],
    "points": [
        {"name": "level", "value": 0, "element": "water_level"},
        {"name": "warmth", "value": 1, "element": "water_temperature"},
    ],
}


@pytest.mark.parametrize(
    "profile",
    [
        "vega-vegapuls-c21-sdi12",
        "meter-hydros21",
        "ott-pluvio2-s-sdi12",
        "insitu-level-troll-sdi12",
        "campbell-clarivue10",
        "meter-teros11",
    ],
)
async def test_every_shipped_sdi12_profile_is_read_end_to_end(bench: Bench, profile: str) -> None:
    bench.values = dict(TRUTH)
    bench.sdi12(bench.sensor(profile, "0", "gauge", measure_s=0.1))
    async with bench.measuring(bench.one(profile, "500ms", latency="100ms")) as (acquirer, heard):
        group = await heard.value()
        found = by_point(acquirer, group)
        state = acquirer.state()[0]
    assert found == {name: pytest.approx(TRUTH[name], abs=0.002) for name in found}
    assert state.kind == "sdi12"
    said = [json.loads(line)["says"] for line in bench.logs["gauge"].path.read_text().splitlines()]
    assert any(says.get(name) == pytest.approx(value) for says in said for name, value in found.items())


@pytest.mark.parametrize(
    ("wakes", "parity", "echo"), [("zero", "even", False), ("break", "even", True), ("adapter", "none", False)]
)
async def test_every_kind_of_adapter_is_understood(bench: Bench, wakes: str, parity: str, echo: bool) -> None:
    bench.values = dict(TRUTH)
    sensor = bench.sensor("meter-hydros21", "0", "gauge", measure_s=0.1)
    bench.sdi12(sensor, wakes=wakes, parity=parity == "even", echo=echo)
    path = bench.one("meter-hydros21", "500ms", latency="100ms", wakes=wakes, parity=parity)
    async with bench.measuring(path) as (acquirer, heard):
        assert by_point(acquirer, await heard.value())["depth"] == pytest.approx(1.283)


async def test_sensors_that_were_not_woken_do_not_answer(bench: Bench) -> None:
    bench.values = dict(TRUTH)
    bench.sdi12(bench.sensor("meter-hydros21", "0", "gauge", measure_s=0.1), wakes="zero")
    path = bench.one("meter-hydros21", "500ms", latency="20ms", wakes="break")  # a pseudo-terminal passes no break on
    async with bench.measuring(path) as (_, heard):
        await heard.missing(Reason.TIMEOUT)


async def test_a_dead_sensor_is_asked_three_times_three_and_is_missing(bench: Bench) -> None:
    line = bench.sdi12(bench.sensor("meter-hydros21", "0", "gauge"))
    line.faults[0] = Fault.SILENT
    async with bench.measuring(bench.one("meter-hydros21", "2s", latency="20ms")) as (_, heard):
        await heard.missing(Reason.TIMEOUT)
    assert line.commands[:9] == ["0M"] * 9
    assert len(line.commands) == 9


async def test_a_lost_service_request_costs_time_and_no_value(bench: Bench) -> None:
    bench.values = dict(TRUTH)
    sensor = bench.sensor("meter-hydros21", "0", "gauge", measure_s=0.1)
    sensor.asks_for_service = False
    line = bench.sdi12(sensor)
    async with bench.measuring(bench.one("meter-hydros21", "2s", latency="50ms")) as (acquirer, heard):
        assert by_point(acquirer, await heard.value())["depth"] == pytest.approx(1.283)
    assert line.commands.count("0M") == 1


async def test_a_wrong_crc_is_asked_for_again_and_never_believed(bench: Bench) -> None:
    bench.values = dict(TRUTH)
    line = bench.sdi12(bench.sensor("ott-pluvio2-s-sdi12", "0", "gauge", measure_s=0.1))
    line.faults[0] = Fault.CRC
    async with bench.measuring(bench.one("ott-pluvio2-s-sdi12", "500ms", latency="50ms")) as (_, heard):
        await heard.missing(Reason.CHECKSUM)
        first = [command for command in line.commands if command == "0D0"]
        assert len(first) == 3
        line.faults[0] = Fault.NONE
        await heard.value()


@pytest.mark.parametrize("fault", [Fault.HALF, Fault.NOISE])
async def test_half_an_answer_and_noise_are_damage(bench: Bench, fault: Fault) -> None:
    bench.values = dict(TRUTH)
    line = bench.sdi12(bench.sensor("meter-hydros21", "0", "gauge", measure_s=0.1))
    line.faults[0] = fault
    async with bench.measuring(bench.one("meter-hydros21", "500ms", latency="50ms")) as (_, heard):
        damage = (Reason.CHECKSUM, Reason.DAMAGED)
        await heard.until(lambda group: all(value is None and why in damage for _, value, why in group.samples))
        line.faults[0] = Fault.NONE
        await heard.value()


async def test_an_aborted_measurement_is_begun_again_and_is_no_zero(bench: Bench) -> None:
    bench.values = dict(TRUTH)
    sensor = bench.sensor("meter-hydros21", "0", "gauge", measure_s=0.05)
    sensor.aborts = True
    line = bench.sdi12(sensor)
    async with bench.measuring(bench.one("meter-hydros21", "1s", latency="50ms")) as (acquirer, heard):
        await heard.missing(Reason.SENTINEL)
        assert line.commands.count("0M") == 3
        assert acquirer.state()[0].instruments[0].failures == 0  # it lives
        sensor.aborts = False
        await heard.value()


async def test_another_number_of_values_is_not_believed(bench: Bench) -> None:
    bench.values = dict(TRUTH)
    document = {**yaml.safe_load((PROFILES / "meter-hydros21.yaml").read_text())}
    document["measurements"] = [{"name": "all", "command": "M", "values": 4}]
    bench.sdi12(bench.sensor(document, "0", "gauge", measure_s=0.05))
    async with bench.measuring(bench.one("meter-hydros21", "500ms", latency="50ms")) as (acquirer, heard):
        await heard.missing(Reason.MISMATCH)
        sentence, facts = acquirer.state()[0].instruments[0].error
        assert sentence.format(**facts) == "it announces 4 values, its profile says 3"


async def test_nobody_at_the_address_is_silence_whoever_else_is_there(bench: Bench) -> None:
    bench.sdi12(bench.sensor("meter-hydros21", "7", "gauge"))
    async with bench.measuring(bench.one("meter-hydros21", "500ms", latency="20ms")) as (_, heard):
        await heard.missing(Reason.TIMEOUT)


async def test_sensors_that_can_measure_at_the_same_time(bench: Bench) -> None:
    profiles = bench.folder / "profiles"
    profiles.mkdir()
    (profiles / "together.yaml").write_text(yaml.safe_dump(TOGETHER))
    bench.values = dict(TRUTH)
    sensors = [bench.sensor(TOGETHER, address, f"s{address.lower()}", measure_s=0.9) for address in "1bC"]
    line = bench.sdi12(*sensors)
    instruments = "".join(
        f"  - {{name: s{address.lower()}, profile: together, bus: line, unit: {address}, every: 2s,"
        f" series: [{{point: level, at: s{address.lower()}}}]}}\n"
        for address in "1bC"
    )
    path = bench.site(f"buses: [{{kind: sdi12, name: line, port: TTY, latency: 50ms}}]\ninstruments:\n{instruments}")
    async with bench.measuring(path, profiles) as (_, heard):
        await heard.value("s1")
        begun = list(line.commands)
        await heard.until(lambda group: len({each.instrument for each in heard.groups}) == 3)
    assert sorted(begun[:3]) == ["1CC", "CCC", "bCC"]
    assert len({(group.samples[0][1]) for group in heard.groups if group.samples[0][1] is not None}) == 1


async def test_a_sensor_says_who_it_is(bench: Bench) -> None:
    bench.sdi12(bench.sensor("meter-hydros21", "4", "gauge"))
    bus = Sdi12Bus("line", str(bench.folder / "tty"), latency="100ms")
    conversation = open_sdi12(bus, LoopClock())
    await conversation.line.open()
    try:
        found = await conversation.identify()
    finally:
        conversation.line.close()
    assert (found.address, found.version, found.vendor) == ("4", "13", "HAIHESIM")
