"""A site file is right the first time, or all that is wrong is said at once with its place."""

from pathlib import Path

import pytest
from haihe_contract.document import DocumentError
from haihe_edge.profile import known_profiles, load_profile, profile_directories
from haihe_edge.site import Site, load_site

ROOT = Path(__file__).parents[3]
PROFILES = ROOT / "firmware_profiles"

GOOD = """\
station:
  code: "31005650"
  name: {zh: 三岔口, en: Sanchakou}
  latitude: 39.1458
  longitude: 117.1897
buses:
  - {kind: serial, name: line, port: /dev/ttyS9, parity: even}
  - {kind: gnss, name: beidou, port: /dev/ttyS8}
instruments:
  - name: radar
    profile: geolux-lx-80
    bus: line
    unit: 1
    every: 5s
    series:
      - {point: distance, as: water_level, times: -1, plus: 8.35, datum: dagu, low: -2, high: 7.5}
  - {name: rain, profile: generic-rs485-tipping-bucket-cn, bus: line, unit: 2, every: 1min}
levels:
  - {series: water_level, datum: dagu, warning: 4.5, guarantee: 5.2}
journal: {directory: journal}
centres:
  - {name: bureau, host: centre.example.cn, ca: ca.pem, certificate: c.pem, key: k.pem, receipt_key: r.pem}
"""


def site(tmp_path: Path, text: str) -> Site:
    path = tmp_path / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return load_site(path, [PROFILES])


def faults(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(DocumentError) as error:
        site(tmp_path, text)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in error.value.problems]


def test_a_good_file_becomes_a_series_table(tmp_path: Path) -> None:
    found = site(tmp_path, GOOD)
    assert found.dictionary() == [
        "distance.main.instant.0.instrument.-",
        "water_level.main.instant.0.derived.dagu",
        "accumulated_rain.main.instant.0.instrument.-",
        "latitude.main.instant.0.instrument.-",
        "longitude.main.instant.0.instrument.-",
        "satellites.main.instant.0.instrument.-",
    ]
    assert found.duty() == [5000, 5000, 60_000, 60_000, 60_000, 60_000]
    assert [each.number for each in found.series] == list(range(6))
    assert found.levels[0].number == 1
    assert found.levels[0].hysteresis == 0.05
    assert found.journal[:5] == (tmp_path / "journal", 512 * 1024**2, 1000, None, 500 * 1024**2)
    assert found.centres[0].ca == tmp_path / "ca.pem"
    assert found.centres[0].port == 8883
    assert found.control == tmp_path / "journal" / "control.sock"


def test_the_raw_distance_is_added_beside_the_level_made_of_it(tmp_path: Path) -> None:
    radar = site(tmp_path, GOOD).instrument("radar")
    assert radar is not None
    assert radar.series == (0, 1)


def test_the_shipped_example_is_a_good_file() -> None:
    found = load_site(ROOT / "site_configs" / "example.yaml", [PROFILES])
    assert {problem.what.split(":")[0] for problem in found.warnings} == {"ca", "certificate", "key", "receipt_key"}


def test_all_faults_are_said_at_once_with_place_and_hint(tmp_path: Path) -> None:
    text = (
        GOOD.replace("31005650", "3100565")
        .replace("bus: line\n    unit: 1", "bus: lin\n    unit: 300")
        .replace("profile: generic-rs485-tipping-bucket-cn", "profile: generic-rs485-tiping-bucket-cn")
        .replace("every: 5s", "evry: 5s")
        .replace("parity: even", "parity: evn")
        .replace("host: ", "hots: ")
    )
    assert faults(tmp_path, text) == [
        "site.yaml:2:9: code: '3100565' is no station code: eight digits or capital letters",
        'site.yaml:7:58: parity: \'evn\' is not one of even, none, odd; did you mean "even"?',
        'site.yaml:12:10: bus: \'lin\' is not one of buses; did you mean "line"?',
        "site.yaml:13:11: unit: wanted a whole number <= 255, got '300'",
        'site.yaml:14:5: evry: unknown key; did you mean "every"?',
        ('site.yaml:17:27: profile: \'generic-rs485-tiping-bucket-cn\' is not known; did you mean '
        '"generic-rs485-tipping-bucket-cn"?'),
        'site.yaml:22:20: hots: unknown key; did you mean "host"?',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("bus: line\n", "bus: lime\n", 'bus: \'lime\' is not one of buses; did you mean "line"?'),
        ("point: distance", "point: distanse", 'point: geolux-lx-80 has no \'distanse\'; did you mean "distance"?'),
        ("as: water_level", "as: water_levle", 'did you mean "water_level"?'),
        ("unit: 2", "unit: 1", "unit: 1 on bus 'line' is already instrument 'radar'"),
        ("name: rain,", "name: radar,", "name: 'radar' is already the name of entry 1 of instruments"),
        ("bus: line, unit: 2", "bus: beidou, unit: 2", "'beidou' is a positioning receiver"),
        ("/dev/ttyS8", "/dev/ttyS9", "port: /dev/ttyS9 already belongs to bus 'line'"),
        ("every: 5s", "every: 5 sec", "every: '5 sec' is no duration"),
        ("every: 5s", "every: 1ms", "every: 1ms is not between 100ms and 24h"),
        ("unit: 2", "unit: 255", "unit: generic-rs485-tipping-bucket-cn can have 1 to 247"),
        ("datum: dagu, warning", "datum: cgvd1985, warning", "is measured from dagu, not from cgvd1985"),
        ("series: water_level,", "series: water_levl,", 'did you mean "water_level"?'),
        ("guarantee: 5.2", "guarantee: 4.2", "guarantee: must be more than warning"),
        ("warning: 4.5, guarantee: 5.2", "hysteresis: 0.1", "write at least one of warning and guarantee"),
        ("low: -2, high: 7.5", "low: 2, high: 1", "high: must be more than low"),
        ("directory: journal", "directory: journal, size: 3MB", "size: '3MB' is no size"),
        ("name: bureau", "name: bureau, budget: 200MB", "budget: '200MB' is no budget"),
        ("name: bureau", "name: bureau, budget: 1kB/day", "is no budget of 100kB or more"),
        ("name: bureau", "name: bureau, heartbeat: 1s", "heartbeat: 1s is not between 5s and 1h"),
        ("h: 7.5}", "h: 7.5}\n      - {point: distance, as: water_level, plus: 1, datum: dagu}", "in line 16"),
        ("times: -1", "times: 0", "times: 0 would make every value the same"),
        ("times: -1", "times: .inf", "times: wanted a finite number"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_in_words(tmp_path: Path, old: str, new: str, fault: str) -> None:
    assert old in GOOD
    found = faults(tmp_path, GOOD.replace(old, new))
    assert len(found) == 1, found
    assert fault in found[0]


def test_a_fault_in_a_profile_is_said_with_the_profiles_own_place(tmp_path: Path) -> None:
    text = (PROFILES / "geolux-lx-80.yaml").read_text().replace("at: 0x0001", "at: 0x0010", 1)
    own = tmp_path / "own"
    own.mkdir()
    (own / "geolux-lx-80.yaml").write_text(text)
    (tmp_path / "site.yaml").write_text(GOOD)
    with pytest.raises(DocumentError) as error:
        load_site(tmp_path / "site.yaml", [own, PROFILES])
    [problem] = error.value.problems
    assert problem.file.endswith("own/geolux-lx-80.yaml")
    assert "0x0010 (length 1) lies in no declared holding block" in problem.what


def test_settings_that_differ_from_the_makers_are_a_warning(tmp_path: Path) -> None:
    [warning] = [each for each in site(tmp_path, GOOD.replace(", parity: even", "")).warnings if "bus" in each.what]
    assert warning.what == "bus: line is set to 9600 8N1; a new geolux-lx-80 has 9600 8E1"
    assert (warning.line, warning.column) == (12, 10)


def test_a_point_that_is_not_sure_is_a_warning(tmp_path: Path) -> None:
    found = site(tmp_path, GOOD.replace("high: 7.5}", "high: 7.5}\n      - {point: sensor_height, as: gate_opening}"))
    assert any("sensor_height of geolux-lx-80 is not sure" in each.what for each in found.warnings)


def test_two_levels_of_a_gate_are_told_apart_by_point(tmp_path: Path) -> None:
    text = GOOD.replace(
        "high: 7.5}",
        "high: 7.5}\n      - {point: distance, as: water_level, at: upstream, times: -1, plus: 9, datum: dagu}",
    ).replace("series: water_level,", "series: water_level.upstream,")
    found = site(tmp_path, text)
    assert found.levels[0].key == "water_level.upstream.instant.0.derived.dagu"
    assert "distance.upstream.instant.0.instrument.-" in found.dictionary()


def test_the_fingerprint_follows_the_file_and_its_profiles(tmp_path: Path) -> None:
    first = site(tmp_path, GOOD).fingerprint
    assert first == site(tmp_path, GOOD).fingerprint
    assert first != site(tmp_path, GOOD + "# changed\n").fingerprint


def test_a_station_that_measures_nothing_is_refused(tmp_path: Path) -> None:
    head = GOOD[: GOOD.index("buses:")]
    assert (
        "the station measures nothing"
        in faults(tmp_path, head + "buses: [{kind: serial, name: a, port: /dev/x}]\njournal: {directory: j}\n")[0]
    )


@pytest.mark.parametrize(
    "text", ["", "- a", "a", "{", "\x00", "station: &a [*a]", "? [a]\n: b", "buses: [{kind: [x]}]"]
)
def test_nonsense_is_refused_and_never_crashes(tmp_path: Path, text: str) -> None:
    assert faults(tmp_path, text)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="cannot be read"):
        load_site(tmp_path / "none.yaml")


def test_profiles_asked_for_come_before_those_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAIHE_PROFILES", f"{tmp_path / 'env'}")
    for place in ("asked", "env"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "same.yaml").write_text("")
    directories = profile_directories([tmp_path / "asked"])
    assert known_profiles(directories)["same"] == tmp_path / "asked" / "same.yaml"
    assert known_profiles(profile_directories())["same"] == tmp_path / "env" / "same.yaml"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("profile: ott-svr-100", "profile: other", "they must agree"),
        ("as: u16, element: velocity", "as: u8, element: velocity", "'u8' is not one of"),
        ("element: velocity", "element: velocitie", 'did you mean "velocity"?'),
        ("name: tilt", "name: velocity", "'velocity' is taken by point 1"),
        ("start: 0x0003, count: 9", "start: 0x0003, count: 200", "count: wanted a whole number <= 125"),
        ("note: degrees", "nite: degrees", 'unknown key; did you mean "note"?'),
        ("low: 0, high: 2048", "low: 1, high: 1", "must be more than low"),
        ("low: 0, high: 2048", "sentinels: [{raw: -1, why: x}]", "-1 can never be read as u16"),
        ("most: 500", "most: 5", "most: less than typical"),
        ("unit: 1", "unit: 0", "lies outside units"),
    ],
)
def test_a_mistake_in_a_profile_is_named_in_words(tmp_path: Path, old: str, new: str, fault: str) -> None:
    text = (PROFILES / "ott-svr-100.yaml").read_text()
    assert old in text
    path = tmp_path / "ott-svr-100.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DocumentError, match=r"ott-svr-100\.yaml:") as error:
        load_profile(path)
    assert any(fault in problem.what for problem in error.value.problems), error.value


def test_the_address_at_which_any_of_them_answers_is_for_one_that_is_alone_on_its_line(tmp_path: Path) -> None:
    own = GOOD.replace("  - {kind: gnss,", "  - {kind: serial, name: other, port: /dev/ttyS7}\n  - {kind: gnss,")
    found = site(tmp_path, own.replace("bus: line, unit: 2", "bus: other, unit: 0"))
    assert [each.unit for each in found.instruments] == [1, 0]
    (fault,) = faults(tmp_path, GOOD.replace("bus: line, unit: 2", "bus: line, unit: 0"))
    assert fault.startswith("site.yaml:17:")
    assert "asked at 0, generic-rs485-tipping-bucket-cn must be alone on its line; 'line' has 'radar' too" in fault
    (fault,) = faults(tmp_path, GOOD.replace("unit: 1\n", "unit: 0\n"))
    assert "geolux-lx-80 can have 1 to" in fault  # it has no such address


def test_a_metered_link_has_its_budget_and_its_heartbeat(tmp_path: Path) -> None:
    metered = site(tmp_path, GOOD.replace("name: bureau", "name: bureau, budget: 0.2GB/month, heartbeat: 5min"))
    assert metered.centres[0].allowance == (200_000_000, True)
    assert metered.centres[0].heartbeat_ms == 300_000
    plain = site(tmp_path, GOOD)
    assert (plain.centres[0].allowance, plain.centres[0].heartbeat_ms) == (None, 30_000)
