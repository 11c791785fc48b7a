"""Every shipped profile is proved by frames: the request that leaves, the answer that comes, the values they mean."""

from pathlib import Path

import pytest
from haihe_edge.field.golden import read_case, replay
from haihe_edge.profile import ModbusProfile, load_profile, problems_of

ROOT = Path(__file__).parents[4]
PROFILES = sorted((ROOT / "firmware_profiles").glob("*.yaml"))
CASES = sorted((ROOT / "tests" / "golden" / "profiles").glob("*/*.yaml"))


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_profile_is_sound_and_has_frames_that_prove_it(path: Path) -> None:
    assert problems_of(path) == []
    profile = load_profile(path)
    cases = [read_case(case) for case in CASES if case.parent.name == path.stem]
    proved = {name for case in cases for name in case["values"]}
    kept = [point for log in getattr(profile, "memory", ()) for point in log.keeps]
    missing = [each.name for each in profile.points if each.name not in proved and each.element]
    missing += [each.name for each in kept if each.name not in proved]
    assert cases, f"no folder tests/golden/profiles/{path.stem}"
    assert not missing, f"no frames for {missing}"


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_variant_is_proved_too(path: Path) -> None:
    profile = load_profile(path)
    if not isinstance(profile, ModbusProfile):
        return
    played = {read_case(case).get("variant") for case in CASES if case.parent.name == path.stem}
    for variant in profile.variants:
        assert variant.name in played, f"no frames for variant {variant.name}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.stem}")
def test_a_golden_exchange_gives_its_values(case: Path) -> None:
    profile = load_profile(ROOT / "firmware_profiles" / f"{case.parent.name}.yaml")
    assert replay(profile, read_case(case)) == []


def test_a_case_that_does_not_fit_says_what_differs() -> None:
    profile = load_profile(ROOT / "firmware_profiles" / "geolux-lx-80.yaml")
    case = read_case(ROOT / "tests" / "golden" / "profiles" / "geolux-lx-80" / "the_farthest_it_can_say.yaml")
    wrong = replay(profile, {**case, "values": {"distance": 65.534}})
    assert wrong == ["distance: 65.535 instead of 65.534"]
    wrong = replay(profile, {**case, "exchanges": [{**case["exchanges"][0], "request": "01 03 00 02 00 01 25 CA"}]})
    assert wrong == ["asked 01 03 00 01 00 01 D5 CA instead of 01 03 00 02 00 01 25 CA"]
