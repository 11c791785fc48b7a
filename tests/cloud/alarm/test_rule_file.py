"""A rules file is checked before it acts."""

from pathlib import Path

import pytest
from haihe_cloud.alarm.rule import Severity, load_rules, read_rules
from haihe_contract.document import DocumentError

DEFAULT = Path(__file__).parents[3] / "cloud" / "rules" / "default.yaml"


def faults(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        read_rules(text, "r.yaml")
    return [str(problem) for problem in caught.value.problems]


def rule(more: str) -> str:
    return f"rules:\n  - name: high\n    severity: red\n{more}"


def test_the_default_rules_cover_warning_guarantee_supply_and_silence():
    rules = load_rules(DEFAULT)
    assert [(each.name, each.level) for each in rules.rules] == [
        ("warning", "warning"),
        ("guarantee", "guarantee"),
        ("supply_low", "low"),
    ]
    assert rules.silent.after_ms == 600_000


def test_every_fault_is_told_at_once_with_its_place():
    found = faults(
        "rules:\n"
        "  - name: high\n"
        "    series: {element: water_levl}\n"
        "    raise_at: warnign\n"
        "    clear_margin: 0.1\n"
        "    hold_clear: 5 minutes\n"
        "    severity: red\n"
        "    stations: [31005650, lower]\n"
        "silent: {after: 0s}\n"
    )
    assert [text.split(" ")[0] for text in found] == [
        "r.yaml:3:23:",
        "r.yaml:4:15:",
        "r.yaml:6:17:",
        "r.yaml:8:26:",
        "r.yaml:9:17:",
    ]
    assert 'did you mean "water_level"?' in found[0]
    assert 'did you mean "warning"?' in found[1]


def test_a_clear_level_above_the_raise_level_is_refused():
    found = faults(rule("    series: {element: flow}\n    raise_at: 100\n    clear_below: 120\n"))
    assert found == ["r.yaml:6:18: clear_below: 120 must lie below raise_at 100"]


def test_a_rule_without_hysteresis_is_refused_because_it_would_flap():
    assert "cannot flap" in faults(rule("    series: {element: flow}\n    raise_at: 100\n"))[0]


def test_a_falling_rule_ends_above_its_level_not_below():
    text = "    series: {element: supply_voltage}\n    raise_at: 11\n    below: true\n"
    assert "ends by clear_above" in faults(rule(text + "    clear_below: 10\n"))[0]
    threshold = read_rules(rule(text + "    clear_above: 12\n")).rules[0].at(11)
    assert threshold.beyond(11)
    assert not threshold.clear(12)
    assert threshold.clear(12.1)


def test_a_water_level_without_its_datum_is_refused():
    found = faults(rule("    series: {element: water_level}\n    raise_at: 5\n    clear_margin: 0.1\n"))
    assert len(found) == 1
    assert "datum" in found[0]


def test_an_absolute_clear_level_does_not_fit_levels_that_differ_per_station():
    text = "    series: {element: water_level}\n    raise_at: warning\n    clear_below: 4\n"
    assert "use clear_margin" in faults(rule(text))[0]


def test_one_rule_name_cannot_stand_for_two_rules():
    one = "  - {name: a, series: {element: flow}, raise_at: 5, clear_margin: 1, severity: red}\n"
    two = one.replace("name: a", "name: silent")
    assert len(faults(f"rules:\n{one}{one}{two}")) == 2


def test_a_level_that_can_never_be_measured_is_refused():
    found = faults(rule("    series: {element: ph}\n    raise_at: 74\n    clear_margin: 0.1\n"))
    assert "can never be measured" in found[0]


def test_red_has_no_colour_above_it_and_yellow_goes_to_orange():
    assert (Severity.YELLOW.up, Severity.RED.up) == (Severity.ORANGE, Severity.RED)
