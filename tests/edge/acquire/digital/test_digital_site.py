"""Gpio buses in a site file: what they become, and every mistake with its place."""

from collections.abc import Callable
from pathlib import Path

import pytest
from haihe_contract.document import DocumentError
from haihe_edge import limits
from haihe_edge.site import Site, load_site

from tests.edge.site_text import modbus_profile

SiteFile = Callable[..., Path]

PROFILE = """
answer_ms: {{typical: 5, most: 60}}
{power}
blocks: [{{table: holding, start: 0, count: 8}}]
points:
  - {{name: rain, at: 0, as: u16, element: accumulated_rain, times: 0.2}}
  - {{name: wide, at: 1, as: u16, element: accumulated_rain, times: 0.1, counter: {{width: 14}}}}
  - {{name: level, at: 2, as: u16, element: distance, times: 0.001}}
"""


@pytest.fixture
def load(site_file: SiteFile) -> Callable[[str], Site]:
    def load(rest: str) -> Site:
        path = site_file(rest)
        profiles = path.parent / "profiles"
        profiles.mkdir(exist_ok=True)
        (profiles / "gauge.yaml").write_text(modbus_profile(PROFILE.format(power="")))
        power = "power: {warm_up_ms: 300, settle_ms: 200}"
        (profiles / "powered.yaml").write_text(modbus_profile(PROFILE.format(power=power), "powered"))
        return load_site(path, [profiles])

    return load


def bus(*lines: str, name: str = "board") -> str:
    return f"buses:\n  - {{kind: gpio, name: {name}, chip: /dev/{name}, lines: [{', '.join(lines)}]}}\n"


RAIN = "{kind: rain, name: rain, line: 17, tip_mm: 0.2}"


def test_a_rain_gauge_has_a_series_for_the_total_and_for_each_interval(load: Callable[[str], Site]) -> None:
    site = load(bus(RAIN))
    assert [(each.key, each.period_ms, each.instrument) for each in site.series] == [
        ("accumulated_rain.main.instant.0.instrument.-", 60_000, "rain"),
        ("period_rain.main.total.300.instrument.-", 300_000, "rain"),
        ("period_rain.main.total.3600.instrument.-", 3_600_000, "rain"),
        ("period_rain.main.total.86400.instrument.-", 86_400_000, "rain"),
    ]
    assert site.series[1].local == (0.0, pytest.approx(limits.rain_record_mm(300_000)))
    assert site.bus_of_line("rain") == "board"


def test_the_records_of_the_world_bound_what_is_believable() -> None:
    assert limits.rain_record_mm(3_600_000) == 422.0
    assert 50 < limits.rain_record_mm(1) == limits.rain_record_mm(60_000) < 70
    assert 1850 < limits.rain_record_mm(86_400_000) < 2000


def test_a_contact_with_alarm_has_a_level_of_its_own(load: Callable[[str], Site]) -> None:
    site = load(bus("{kind: contact, name: door, line: 3, alarm: true}", "{kind: contact, name: hatch, line: 4}"))
    assert [(each.key, each.warning, each.hysteresis) for each in site.levels] == [
        ("contact.door.instant.0.instrument.-", 1.0, 0.5)
    ]


def test_a_switched_supply_waits_as_long_as_the_profile_says_unless_the_site_knows_better(
    load: Callable[[str], Site],
) -> None:
    instruments = """
  - {kind: serial, name: line, port: /dev/ttyUSB0}
instruments:
  - {name: a, profile: powered, bus: line, unit: 1, every: 1min, series: [{point: level, at: a}]}
  - {name: b, profile: gauge, bus: line, unit: 2, every: 1min, series: [{point: level, at: b}]}
"""
    output = "{kind: output, name: supply, line: 9, follows: power, instruments: [a, b]}"
    only_a = output.replace("[a, b]", "[a]")
    assert load(bus(only_a) + instruments).wirings["board"].outputs[0].warm_up_ms == {"a": 500}
    with pytest.raises(DocumentError, match="the profile of 'b' says no warm-up"):
        load(bus(output) + instruments)
    output = output.replace("instruments:", "warm_up: 8s, instruments:")
    site = load(bus(output) + instruments)
    assert site.wirings["board"].outputs[0].warm_up_ms == {"a": 8000, "b": 8000}
    assert set(site.only("a").buses) == {"board", "line"}
    assert set(site.only("b").buses) == {"board", "line"}


@pytest.mark.parametrize(
    ("lines", "faults"),
    [
        ([RAIN.replace("0.2", "0")], ["4:"]),
        ([RAIN.replace("tip_mm", "tip_m")], ['unknown key; did you mean "tip_mm"']),
        ([RAIN.replace("}", ", periods: [7min]}")], ["intervals of 7min do not make a day"]),
        ([RAIN.replace("}", ", periods: [5min, 5min]}")], ["is already written in line"]),
        ([RAIN.replace("}", ", every: 1s}")], ["every: 1s is not between 10s and 24h"]),
        ([RAIN.replace("}", ", debounce: 1min}")], ["debounce: 1min is not between 0h and 10s"]),
        ([RAIN, RAIN.replace("rain,", "rain,", 1)], ["'rain' is already the name of", "line: 17 already belongs"]),
        ([RAIN, "{kind: contact, name: door, line: 17}"], ["line: 17 already belongs to 'rain'"]),
        (["{kind: contact, name: door, line: 3, normally: shut}"], ["normally: 'shut' is not one of"]),
        (["{kind: switch, name: door, line: 3}"], ["'switch' is not known"]),
        ([RAIN, "{kind: output, name: p, line: 3, follows: power}"], ["power and instruments belong together"]),
        (
            [RAIN, "{kind: output, name: p, line: 3, follows: power, instruments: [radar]}"],
            ["'radar' is not one of instruments"],
        ),
        (["{kind: output, name: lamp, line: 3, follows: running}"], ["the station measures nothing"]),
    ],
)
def test_mistakes_in_digital_lines_are_all_told_with_their_place(
    load: Callable[[str], Site], lines: list[str], faults: list[str]
) -> None:
    with pytest.raises(DocumentError) as error:
        load(bus(*lines))
    said = [str(problem) for problem in error.value.problems]
    for fault in faults:
        assert any(fault in each for each in said), said
    assert all(".yaml:" in each for each in said)


def test_no_instrument_can_be_on_a_bus_of_digital_lines(load: Callable[[str], Site]) -> None:
    with pytest.raises(DocumentError, match="has digital lines"):
        load(bus(RAIN) + "instruments: [{name: a, profile: gauge, bus: board, unit: 1, every: 1min}]")


def counter(series: str, every: str = "1min") -> str:
    return f"""
buses: [{{kind: serial, name: line, port: /dev/ttyUSB0}}]
instruments:
  - {{name: gauge, profile: gauge, bus: line, unit: 1, every: {every}, series: [{series}]}}
"""


def test_rain_of_intervals_is_derived_from_a_counter_and_not_asked_of_the_instrument(
    load: Callable[[str], Site],
) -> None:
    site = load(counter("{point: rain, derive: {element: period_rain, every: 5min}}"))
    assert site.dictionary() == [
        "accumulated_rain.main.instant.0.instrument.-",
        "period_rain.main.total.300.derived.-",
    ]
    assert site.instruments[0].series == (0,)
    rule = site.counters[0]
    assert (rule.counter, rule.number, rule.period_ms, rule.poll_ms, rule.from_zero) == (0, 1, 300_000, 60_000, False)
    assert rule.wraps_at == pytest.approx(13107.2)


def test_several_intervals_of_one_counter_and_its_width_from_the_profile(load: Callable[[str], Site]) -> None:
    derive = "[{every: 5min}, {every: 1d, wraps_at: 1000, after_reset: zero}]"
    site = load(counter(f"{{point: wide, derive: {derive}}}"))
    assert [(each.period_ms, each.wraps_at, each.from_zero) for each in site.counters] == [
        (300_000, pytest.approx(1638.4), False),
        (86_400_000, 1000.0, True),
    ]


@pytest.mark.parametrize(
    ("series", "fault"),
    [
        ("{point: level, derive: {every: 5min}}", "rain can be made of an accumulated_rain only"),
        ("{point: rain, derive: {every: 1min}}", "shorter than the pause between two readings"),
        ("{point: rain, derive: {every: 7min}}", "do not make a day"),
        ("{point: rain, derive: {every: 5min, element: flow}}", "'flow' is not one of period_rain"),
    ],
)
def test_mistakes_in_derived_rain_are_told(load: Callable[[str], Site], series: str, fault: str) -> None:
    with pytest.raises(DocumentError) as error:
        load(counter(series, "2min"))
    assert any(fault in str(problem) for problem in error.value.problems), error.value
