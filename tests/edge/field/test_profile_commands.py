"""``haihe-edge profile``: what a person meets who adds a model."""

import asyncio
import json
import random
import threading
from pathlib import Path

import pytest
from haihe_contract.clock import SystemClock
from haihe_edge.cli import main
from haihe_simulators.answer_log import AnswerLog
from haihe_simulators.instrument import Instrument
from haihe_simulators.modbus_server import ModbusServer
from haihe_simulators.profile_sheet import read_sheet

from tests.edge.site_text import write_site

ROOT = Path(__file__).parents[3]
PROFILES = ROOT / "firmware_profiles"


@pytest.mark.parametrize("transport", ["modbus", "ascii", "sdi12"])
def test_a_new_profile_passes_its_check_and_its_test_at_once(
    transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["profile", "new", "acme-1", "--transport", transport]) == 0
    assert main(["profile", "check", "acme-1"]) == 0
    assert main(["profile", "test", "acme-1"]) == 0


def test_nothing_that_exists_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["profile", "new", "acme-1"]) == 0
    file = tmp_path / "firmware_profiles" / "acme-1.yaml"
    file.write_text("mine")
    assert main(["profile", "new", "acme-1"]) == 1
    assert file.read_text() == "mine"


def test_a_name_that_cannot_be_one_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["profile", "new", "Acme 1"]) == 2
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_every_shipped_profile_is_checked_and_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["profile", "check"]) == 0
    capsys.readouterr()
    assert main(["profile", "list", "--json"]) == 0
    listed = {each["profile"]: each for each in json.loads(capsys.readouterr().out)["profiles"]}
    assert listed["keller-series30"]["transport"] == "modbus"
    assert set(listed) >= {path.stem for path in PROFILES.glob("*.yaml")}


def test_what_is_not_sure_is_shown_to_whoever_looks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["profile", "show", "vega-vegapuls-6x-modbus", "--lang", "en"]) == 0
    assert "? whether addresses count from 0 is not said" in capsys.readouterr().out


def test_a_case_that_differs_is_said_with_both_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["profile", "new", "acme-1"])
    case = tmp_path / "tests" / "golden" / "profiles" / "acme-1" / "a_first_case.yaml"
    case.write_text(case.read_text().replace("distance: 1.235", "distance: 1.236"))
    assert main(["profile", "test", "acme-1", "--lang", "en"]) == 1
    assert "distance: 1.235 instead of 1.236" in capsys.readouterr().out


def test_a_profile_is_proved_on_the_instrument_itself_point_by_point(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = read_sheet(PROFILES / "lambrecht-rain-e.yaml")._replace(answer_ms=1)
    log = AnswerLog(tmp_path / "log.jsonl", SystemClock())
    gauge = Instrument(
        "rain", 3, sheet, lambda point: point.usual if point.form == "text" else 1.5, log, random.Random(1)
    )
    started, stop = threading.Event(), threading.Event()
    server = ModbusServer([gauge])

    async def serve() -> None:
        await server.start()
        started.set()
        await asyncio.to_thread(stop.wait)
        await server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(5)
        site = write_site(
            tmp_path,
            f"buses: [{{kind: tcp, name: net, host: 127.0.0.1, port: {server.port}}}]\n"
            "instruments: [{name: rain, profile: lambrecht-rain-e, bus: net, unit: 3, every: 1h}]\n",
        )
        code = main(["profile", "test", "--site", str(site), "-i", "rain", "--profiles", str(PROFILES), "--json"])
    finally:
        stop.set()
        thread.join()
    said = json.loads(capsys.readouterr().out)
    rows = {each["point"]: each for each in said["points"]}
    assert code == 0
    assert rows["total_fine"] == {"point": "total_fine", "registers": "00 00 05 DC", "value": 1.5, "reasons": 0}
    assert rows["device"]["value"] == "rain[e]"
    assert "since_last_read" not in rows, "reading it would have cleared it"
