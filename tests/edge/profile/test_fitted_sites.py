"""What a site file says of one instrument: its variant, and numbers that only the station knows."""

from pathlib import Path

import pytest
from haihe_contract.document import DocumentError
from haihe_edge.profile import ModbusProfile
from haihe_edge.site import Site, load_site

from tests.edge.site_text import write_site

PROFILES = Path(__file__).parents[3] / "firmware_profiles"


def site(tmp_path: Path, instrument: str) -> Site:
    path = write_site(
        tmp_path,
        f"buses: [{{kind: tcp, name: net, host: h}}]\ninstruments: [{{name: it, bus: net, unit: 7, {instrument}}}]\n",
    )
    return load_site(path, [PROFILES])


def fault(tmp_path: Path, instrument: str) -> str:
    with pytest.raises(DocumentError) as told:
        site(tmp_path, instrument)
    return "\n".join(problem.what for problem in told.value.problems)


def test_points_that_come_again_are_told_apart_by_their_places(tmp_path: Path) -> None:
    found = site(tmp_path, "profile: gropoint-gplp-8, every: 10min")
    keys = [series.key for series in found.series]
    assert len(keys) == 21
    assert keys[0] == "soil_moisture.segment-1.instant.0.instrument.-"
    assert keys[-1] == "soil_temperature.sensor-13.instant.0.instrument.-"


def test_a_variant_brings_its_own_elements(tmp_path: Path) -> None:
    found = site(tmp_path, "profile: aqualabo-digisens, variant: pheht, every: 10min")
    assert [series.series.element for series in found.series] == ["water_temperature", "ph", "redox_potential"]


def test_a_parameter_without_default_must_be_said_and_is_put_in(tmp_path: Path) -> None:
    assert "needs 'metres_per_unit'" in fault(tmp_path, "profile: qdy30a-level, every: 1min")
    found = site(tmp_path, "profile: qdy30a-level, every: 1min, parameters: {metres_per_unit: 0.01}")
    profile = found.instruments[0].profile
    assert isinstance(profile, ModbusProfile)
    level = profile.point("level")
    assert level is not None
    assert level.times == 0.01


@pytest.mark.parametrize(
    ("instrument", "what"),
    [
        ("profile: aqualabo-digisens, variant: phehd, every: 1min", 'did you mean "pheht"'),
        ("profile: qdy30a-level, every: 1min, parameters: {metres_per_unit: 5000}", "is out of range"),
        ("profile: qdy30a-level, every: 1min, parameters: {metre_per_unit: 1}", 'did you mean "metres_per_unit"'),
        ("profile: eh-micropilot-fmr20, every: 200ms", "has nothing new within 0.5s"),
        ("profile: lambrecht-rain-e, every: 1min, series: [{point: device, as: velocity}]", "is text, no measurement"),
    ],
)
def test_what_does_not_fit_the_profile_is_named(tmp_path: Path, instrument: str, what: str) -> None:
    assert what in fault(tmp_path, instrument)
