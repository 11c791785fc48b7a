"""Every shipped profile is proved by frames: the request that leaves, the answer that comes, the values they mean."""

from pathlib import Path

import pytest
import yaml
from haihe_contract.quality import Reason
from haihe_edge.acquire.decode import decode
from haihe_edge.acquire.modbus import find_rtu_answer, rtu_request
from haihe_edge.acquire.plan import plan
from haihe_edge.profile import load_profile, problems_of

ROOT = Path(__file__).parents[3]
PROFILES = sorted((ROOT / "firmware_profiles").glob("*.yaml"))
CASES = sorted((ROOT / "tests" / "golden" / "profiles").glob("*/*.yaml"))


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_profile_is_sound_and_has_frames_that_prove_it(path: Path) -> None:
    assert problems_of(path) == []
    profile = load_profile(path)
    cases = [yaml.safe_load(case.read_text()) for case in CASES if case.parent.name == path.stem]
    proved = {name for case in cases for name in case["values"]}
    missing = [point.name for point in profile.points if point.name not in proved and point.element]
    assert cases, f"no folder tests/golden/profiles/{path.stem}"
    assert not missing, f"no frames for {missing}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.stem}")
def test_a_golden_exchange_gives_its_values(case: Path) -> None:
    golden = yaml.safe_load(case.read_text())
    profile = load_profile(ROOT / "firmware_profiles" / f"{case.parent.name}.yaml")
    reads = plan(profile, golden["unit"], golden["values"].keys())
    assert [rtu_request(read.request).hex(" ").upper() for read in reads] == [
        exchange["request"] for exchange in golden["exchanges"]
    ]
    found = {}
    for read, exchange in zip(reads, golden["exchanges"], strict=True):
        registers = find_rtu_answer(bytes.fromhex(exchange["response"]), read.request)
        assert registers is not None, "the answer does not fit the request or its checksum is wrong"
        for field, (value, reason) in zip(read.fields, decode(read.fields, registers), strict=True):
            found[field.name] = "sentinel" if reason is Reason.SENTINEL else value
    assert found == golden["values"]
