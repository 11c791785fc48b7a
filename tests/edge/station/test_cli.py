"""``haihe-edge`` as technicians use it: real processes, a real Modbus TCP server, no centre in reach."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Event, Opened, Readings

from tests.conftest import free_port, wait_for
from tests.edge.journals import journal_in
from tests.edge.radar import Radar, radar_site

ROOT = Path(__file__).parents[3]
SITE = """\
levels:
  - {series: water_level, datum: dagu, warning: 4.5}
journal: {directory: journal, size: 16MiB}
control: control.sock
centres:
  - {name: haihe, host: 127.0.0.1, port: 1, ca: x.pem, certificate: x.pem, key: x.key, receipt_key: receipt.pub}
"""


@pytest.fixture(scope="module")
def instrument() -> Iterator[Radar]:
    made = Radar()
    yield made
    made.close()


@pytest.fixture
def site(tmp_path: Path, instrument: Radar) -> Path:
    key = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "receipt.pub").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    path = tmp_path / "site.yaml"
    path.write_text(radar_site(instrument.port) + SITE, "utf-8")
    return path


def environment() -> dict[str, str]:
    return {**os.environ, "HAIHE_PROFILES": str(ROOT / "firmware_profiles"), "PYTHONUNBUFFERED": "1"}


def start(site: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "haihe_edge", "run", str(site), "--lang", "en"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment())
    assert process.stderr is not None
    for line in process.stderr:
        if "is measuring" in line:
            return process
    pytest.fail("the agent ended at once")


def haihe(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "haihe_edge", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment(), check=False)


def status(site: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(haihe("status", str(site), "--json").stdout)
    return found


def test_a_killed_agent_loses_at_most_its_window_and_says_so_at_the_next_start(site: Path) -> None:
    process = start(site)
    wait_for(lambda: status(site)["journal"]["head"] > 10, "ten records are written", 20)
    durable = status(site)["journal"]
    process.kill()
    process.communicate(timeout=10)
    process = start(site)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    journal = journal_in(site.parent / "journal")
    first, second = (extent for extent in journal.extents() if extent.line != journal.line)
    assert f"{first.line:016x}" == durable["line"]
    assert first.numbers.last >= durable["head"]
    assert not first.numbers.holes(1, first.numbers.last)
    opened = journal.read(second.line, RangeSet.of((1, 1)))[0].body
    assert isinstance(opened, Opened)
    assert (opened.previous, opened.previous_last, opened.closed) == (first.line, first.numbers.last, False)
    assert opened.window_ms == 1000
    assert opened.time_ms - opened.previous_time_ms < 20_000
    journal.close()


def test_ctrl_c_stops_in_order_and_loses_nothing(site: Path) -> None:
    process = start(site)
    wait_for(lambda: status(site)["journal"]["head"] > 5, "five records are written", 20)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "stopped in order" in errors
    assert "Traceback" not in errors
    journal = journal_in(site.parent / "journal")
    opened = journal.read(journal.line, RangeSet.of((1, 1)))[0].body
    assert isinstance(opened, Opened)
    assert opened.closed
    old = next(extent for extent in journal.extents() if extent.line != journal.line)
    last = journal.read(old.line, RangeSet.of((old.last, old.last)))[0].body
    assert isinstance(last, Event)
    assert last.kind == "stopped"
    journal.close()


def test_a_crossing_of_the_stations_own_level_takes_the_alarm_lane_without_any_link(site: Path) -> None:
    process = start(site)
    found = wait_for(lambda: status(site)["levels_reached"], "a level is reached", 20)
    process.terminate()
    process.communicate(timeout=10)
    assert found == [{"series": "water_level.main.instant.0.derived.dagu", "level": "warning"}]
    journal = journal_in(site.parent / "journal")
    extent = next(e for e in journal.extents() if e.line != journal.line)
    bodies = [record.body for record in journal.read(extent.line, extent.urgent)]
    assert [type(body) for body in bodies] == [Readings, Event]
    event = bodies[1]
    assert isinstance(event, Event)
    assert (event.kind, event.detail["level"], event.detail["datum"]) == ("level_raised", "warning", "dagu")
    journal.close()


def test_status_names_what_is_wrong_and_exits_with_one(site: Path) -> None:
    process = start(site)
    try:
        said = wait_for(lambda: (s := status(site))["centres"][0]["trouble"] and s, "the centre is said to be away", 20)
        assert said["ok"] is False
        assert {trouble["kind"] for trouble in said["troubles"]} == {"link"}
        shown = haihe("status", str(site), "--lang", "zh")
        assert shown.returncode == 1
        assert "未连接" in shown.stdout
        assert "3.001 m" in shown.stdout
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_read_says_why_there_is_no_value(site: Path) -> None:
    port = free_port()
    site.write_text(radar_site(port) + SITE, "utf-8")
    alone = json.loads(haihe("read", str(site), "-i", "radar", "--json").stdout)
    (trouble,) = alone["troubles"]
    assert (trouble["kind"], trouble["where"]) == ("bus", "net")
    assert str(port) in trouble["words"]["text"]
    process = start(site)
    try:
        shown = haihe("read", str(site), "-i", "radar", "--lang", "zh")
        assert shown.returncode == 1
        assert f"! net: 总线故障 127.0.0.1:{port}：对方拒绝连接" in shown.stdout
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_read_asks_through_the_running_agent_and_without_one_on_the_bus_itself(site: Path) -> None:
    alone = haihe("read", str(site), "-i", "radar", "--json")
    assert [each["value"] for each in json.loads(alone.stdout)["readings"]] == [3.001, 5.349]
    process = start(site)
    try:
        through = haihe("read", str(site), "-i", "radar", "--json")
        assert [each["value"] for each in json.loads(through.stdout)["readings"]] == [3.001, 5.349]
        watched = haihe("watch", str(site), "--count", "3", "--json")
        assert len([json.loads(line) for line in watched.stdout.splitlines()]) == 3
        unknown = haihe("read", str(site), "-i", "rader", "--lang", "en")
        assert unknown.returncode == 1
        assert "rader" in unknown.stderr
        assert "Traceback" not in unknown.stderr
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_a_wrong_site_file_shows_all_faults_at_once_and_starts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        "station: {code: abc, name: {zh: 甲}, latitude: 99, longitude: 117}\n"
        "busses: []\n"
        "instruments:\n  - {name: radar, profile: geolux-lx-8, bus: b, unit: 300, every: soon}\n",
        "utf-8",
    )
    for command in ("check", "run", "status"):
        done = haihe(command, str(path), "--lang", "en")
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        lines = [line for line in done.stderr.splitlines() if line.startswith(str(path))]
        assert len(lines) >= 5
        assert any('did you mean "buses"' in line for line in lines)
        assert all(line.split(":")[1].isdecimal() and line.split(":")[2].isdecimal() for line in lines)
    assert list(tmp_path.iterdir()) == [path]


def test_every_fault_of_a_file_is_told_in_chinese_too(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        "station: {code: abc, name: {zh: 甲}, latitude: 99, longitude: east}\n"
        "buses:\n  - {kind: serial, name: a, port: /dev/x, boud: 1}\n  - {kind: tpc}\n"
        "  - {kind: tcp, name: a, host: h}\n"
        "instruments:\n  - {name: r, profile: geolux-lx-8, bus: b, unit: 300, every: soon}\n"
        "  - {name: r, profile: geolux-lx-80, bus: a, unit: 1, every: 1ms, series: [{point: nix}, {point: firmware}]}\n"
        "levels:\n  - {series: water_level, warning: 5, guarantee: 4}\n  - {series: x}\n  - 7\n"
        "journal: {directory: [j], size: 10, size: 11}\n",
        "utf-8",
    )
    said = haihe("check", str(path), "--lang", "zh").stderr.splitlines()
    english = haihe("check", str(path), "--lang", "en").stderr.splitlines()
    faults = [line for line in said if line.startswith(str(path))]
    assert len(faults) == len([line for line in english if line.startswith(str(path))]) >= 18
    untold = [line for line in faults if not any("\u4e00" <= letter <= "\u9fff" for letter in line.split(": ", 1)[-1])]
    assert not untold


def test_a_stopped_agent_is_said_so_in_both_languages(site: Path) -> None:
    english = haihe("status", str(site), "--lang", "en")
    chinese = haihe("status", str(site), "--lang", "zh")
    assert (english.returncode, chinese.returncode) == (1, 1)
    assert "not running" in english.stdout
    assert "没有运行" in chinese.stdout


def test_the_journal_of_a_running_agent_is_told_without_disturbing_it(site: Path) -> None:
    process = start(site)
    try:
        wait_for(lambda: status(site)["journal"]["head"] > 10, "ten records are written", 20)
        said = json.loads(haihe("journal", "stats", str(site), "--json").stdout)
        assert said["records"] > 10
        assert said["ok"]
        assert not said["measured"]  # too young: its plan is told
        assert said["lasts_days"] > 0
        assert said["card"]["written_bytes"] is not None
        assert "distance to water" in haihe("journal", "show", str(site), "--lang", "en").stdout
        rows = haihe("journal", "export", str(site)).stdout.splitlines()
        assert len(rows) > 10
        before = status(site)["journal"]["head"]
        wait_for(lambda: status(site)["journal"]["head"] > before, "the agent writes on", 20)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
