"""Site files and profiles of text and SDI-12 instruments: mistakes are named with their place and cure."""

from pathlib import Path

import pytest
from haihe_contract.document import DocumentError
from haihe_edge.profile import problems_of
from haihe_edge.site import AsciiBus, Sdi12Bus, load_site

from tests.edge.acquire.spoken.conftest import PROFILES
from tests.edge.site_text import HEAD

GOOD = (
    HEAD
    + """
buses:
  - {kind: ascii, name: rain, port: /dev/ttyUSB0}
  - {kind: ascii, name: eye, port: /dev/ttyUSB1}
  - {kind: sdi12, name: well, port: /dev/ttyUSB2, wakes: adapter, parity: none}
instruments:
  - {name: drops, profile: hydreon-rg-15, bus: rain, every: 1min}
  - {name: eye, profile: maxbotix-hrxl, bus: eye, every: 10s}
  - {name: depth, profile: meter-hydros21, bus: well, unit: a, every: 5min}
  - {name: radar, profile: vega-vegapuls-c21-sdi12, bus: well, unit: 3, every: 5min,
     series: [{point: distance, at: well}]}
"""
)


def site(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(text)
    return path


def test_text_and_sdi12_instruments_are_taken_with_their_addresses(tmp_path: Path) -> None:
    loaded = load_site(site(tmp_path, GOOD), [PROFILES])
    assert [(each.name, each.unit) for each in loaded.instruments] == [
        ("drops", 0), ("eye", 0), ("depth", ord("a")), ("radar", 3),
    ]  # fmt: skip
    assert isinstance(loaded.buses["rain"], AsciiBus)
    assert isinstance(loaded.buses["well"], Sdi12Bus)


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (
            "profile: hydreon-rg-15",
            "profile: geolux-lx-80",
            "geolux-lx-80 speaks Modbus; it needs a bus of kind serial",
        ),
        ("kind: sdi12", "kind: ascii", "wakes: unknown key"),
        ("unit: a", "unit: ab", "unit"),
        ("unit: a", "unit: 33", "33 is no address on SDI-12"),
        ("unit: 3", "unit: a", "is already instrument 'depth'"),
        ("bus: eye, every", "bus: rain, unit: 1, every", "must be alone on its line"),
        ("name: drops,", "name: drops, unit: x,", "wanted a whole number, got 'x'"),
        ("/dev/ttyUSB1", "/dev/ttyUSB2", "already belongs to bus"),
        ("wakes: adapter", "wakes: never", "'never' is not one of adapter, break, zero"),
        ("wakes: adapter", "latency: 2h", "latency: 2h is not between"),
    ],
)
def test_every_mistake_of_such_a_site_is_named(tmp_path: Path, before: str, after: str, what: str) -> None:
    assert before in GOOD
    with pytest.raises(DocumentError) as error:
        load_site(site(tmp_path, GOOD.replace(before, after)), [PROFILES])
    assert what in str(error.value)


def test_modbus_still_needs_its_address(tmp_path: Path) -> None:
    text = HEAD + (
        "buses: [{kind: serial, name: line, port: /dev/ttyUSB0}]\n"
        "instruments: [{name: radar, profile: geolux-lx-80, bus: line, every: 5s}]\n"
    )
    with pytest.raises(DocumentError, match="the key 'unit' is missing"):
        load_site(site(tmp_path, text), [PROFILES])


@pytest.mark.parametrize(
    ("profile", "before", "after", "what"),
    [
        ("maxbotix-hrxl", "{distance:4}", "{distanze:4}", "there is no point 'distanze'; did you mean"),
        ("maxbotix-hrxl", 'end: "\\r", ', "", "write one of end and length"),
        ("maxbotix-hrxl", "silent_after: 5s", "silent_after: soon", "no duration"),
        ("maxbotix-hrxl", "pace: 167ms", "pace: often", "pace: "),
        ("maxbotix-hrxl", "pace: 167ms", "pace: 6s", "pace: must be between 1ms and silent_after"),
        ("hydreon-rg-15", "opening:", "pace: 1s\nopening:", "only an instrument that speaks by itself has one"),
        ("campbell-sr50a-serial", ":mm}", ":km}", "has no unit 'km'"),
        ("campbell-sr50a-serial", "{distance:4:mm}", "{distance:4}", "say in which unit"),
        ("campbell-sr50a-serial", "point: quality, above", "point: qualety, above", "the profile has no 'qualety'"),
        ("campbell-sr50a-serial", "p{unit:2}", "p{address}", "only {unit} and {unit:2}"),
        ("hydreon-rg-15", "    key: TotalAcc\n", "", "needs a key"),
        ("dfrobot-a02yyuw", "at: 1, as: u16", "at: 3, as: u16", "ends beyond the frame"),
        ("vaisala-wxt530-ascii", "message: wind, key: Dm", "message: winds, key: Dm", "the profile has no 'winds'"),
        ("meter-hydros21", "value: 2", "value: 3", "brings 3 values, counted from 0"),
        ("meter-hydros21", "command: M, ", "command: X, ", "command"),
        ("ott-pluvio2-s-sdi12", "measurement: device, value: 0", "measurement: devise, value: 0", "did you mean"),
    ],
)
def test_every_mistake_of_such_a_profile_is_named(
    tmp_path: Path, profile: str, before: str, after: str, what: str
) -> None:
    text = (PROFILES / f"{profile}.yaml").read_text()
    assert before in text
    path = tmp_path / f"{profile}.yaml"
    path.write_text(text.replace(before, after, 1))
    assert what in "\n".join(str(problem) for problem in problems_of(path))
