"""What an installer writes to have a memory read, and what is said when it cannot be."""

from pathlib import Path

import pytest
from haihe_contract.document import DocumentError
from haihe_contract.series import Statistic
from haihe_edge.site import Site, load_site

from tests.edge.acquire.memory.conftest import ROOT, profile_text

HEAD = """station: {code: "31005650", name: {zh: 站, en: station}, latitude: 39.1458, longitude: 117.1897}
journal: {directory: journal}
buses: [{kind: serial, name: line, port: /dev/nowhere}]
instruments:
"""


def site(tmp_path: Path, instrument: str) -> Site:
    (tmp_path / "ring.yaml").write_text(profile_text("ring"))
    path = tmp_path / "site.yaml"
    path.write_text(HEAD + instrument)
    return load_site(path, [tmp_path, ROOT / "firmware_profiles"])


def test_a_memory_tells_the_series_that_are_made_of_its_points_raw_and_corrected(tmp_path: Path) -> None:
    made = site(
        tmp_path,
        "  - {name: g, profile: ring, bus: line, unit: 1, every: 1min, memory: true,\n"
        "     series: [{point: level, plus: 2.5, datum: dagu}]}\n",
    )
    recall = made.instruments[0].recalls[0]
    assert recall.series["e_level"] == (0, 1)  # the corrected one travels with its raw one
    assert recall.series["e_temperature"] == ()
    assert recall.own == frozenset()


def test_without_the_key_no_memory_is_read(tmp_path: Path) -> None:
    made = site(
        tmp_path,
        "  - {name: g, profile: ring, bus: line, unit: 1, every: 1min, series: [{point: level, datum: dagu}]}\n",
    )
    assert made.instruments[0].recalls == ()


def test_the_day_queue_of_a_flow_meter_makes_a_series_of_its_own_and_its_doubts_are_told(tmp_path: Path) -> None:
    made = site(tmp_path, "  - {name: m, profile: tuf-2000m, bus: line, unit: 1, every: 1min, memory: [days]}\n")
    recall = made.instruments[0].recalls[0]
    (number,) = recall.own
    series = made.series[number]
    assert series.key == "flow.main.mean.86400.instrument.-"
    assert series.series.statistic is Statistic.MEAN
    assert series.period_ms == 86_400_000
    assert number not in made.instruments[0].series  # no poll tells it
    assert any("memory days of tuf-2000m is not sure" in each.what for each in made.warnings)


@pytest.mark.parametrize(
    ("instrument", "what"),
    [
        (
            "  - {name: g, profile: ring, bus: line, unit: 1, every: 1min, memory: [lgo]}\n",
            "5:72: memory: ring has no log 'lgo'; did you mean \"log\"?",
        ),
        (
            "  - {name: g, profile: qdy30a-level, bus: line, unit: 1, every: 1min, memory: true}\n",
            "5:79: memory: qdy30a-level describes none that can be read back",
        ),
        (
            "- {name: g, profile: ring, bus: line, unit: 1, every: 5s, memory: true, series: [{point: count, as: ph}]}",
            "5:67: memory: log tells of level, temperature, and no series here is made of that",
        ),
    ],
)
def test_a_memory_that_tells_nothing_is_a_fault_with_its_place(tmp_path: Path, instrument: str, what: str) -> None:
    with pytest.raises(DocumentError) as raised:
        site(tmp_path, instrument)
    assert any(str(each).endswith(what) for each in raised.value.problems), raised.value.problems
