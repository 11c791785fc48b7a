"""Promises of the command line of the simulators."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import serial
from haihe_simulators.cli import main
from haihe_simulators.serial_line import crc16

from tests.conftest import PATIENCE_S


def start(*arguments: str, **more: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "haihe_simulators", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more,  # type: ignore[call-overload]
    )  # fmt: skip


def test_the_hydrograph_is_printed_for_people_and_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["river", "--lang", "zh"]) == 0
    assert "水位 m" in capsys.readouterr().out
    assert main(["river", "--stations", "2", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert len(facts["stations"]) == 2
    assert facts["rows"][-1]["rain_mm"] == pytest.approx(130, abs=0.1)


@pytest.mark.parametrize(
    "arguments",
    [["demo", "--kill", "moon"], ["demo", "--stations", "0"], ["nothing"], ["link"], ["demo", "--for", "x"]],
)
def test_a_wrong_question_ends_with_two_and_says_why(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--lang", "en"])
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_an_outage_that_does_not_fit_is_refused_before_anything_starts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--for", "20s", "--outage", "30s", "--lang", "en"]) == 1
    assert "--for at least" in capsys.readouterr().err


def test_an_unknown_profile_is_answered_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["instrument", "no-such-thing", "--lang", "en"]) == 1
    assert "geolux-lx-80" in capsys.readouterr().err


def test_an_instrument_can_be_played_with_on_a_port_of_its_own(tmp_path: Path) -> None:
    port = tmp_path / "port"
    with start("instrument", "generic-rs485-tipping-bucket-cn", "--pty", str(port), "--lang", "en") as running:
        assert running.stdout is not None
        assert "unit 2" in running.stdout.readline()
        request = bytes.fromhex("020300000001")
        try:
            with serial.Serial(str(port), 9600, timeout=PATIENCE_S) as client:
                client.write(request + crc16(request))
                answer = client.read(7)
            running.send_signal(signal.SIGINT)
            assert running.wait(PATIENCE_S) == 0
        finally:
            running.kill()
        assert running.stderr is not None
        assert running.stderr.read() == ""
    assert answer[:3] == b"\x02\x03\x02"
    assert not os.path.lexists(port)


def test_a_link_of_its_own_obeys_lines_of_json() -> None:
    with start("link", "--to", "127.0.0.1:9", "--lang", "en") as running:
        out, wrong = running.communicate('{"do": "cut"}\nnonsense\n{"do": "mend"}\n', timeout=20)
        assert running.returncode == 0
    answers = [json.loads(line) for line in out.splitlines()]
    assert [each.get("state") for each in answers] == ["cut", None, "open"]
    assert "what" in answers[1]
    assert "listens at" in wrong


@pytest.mark.parametrize(
    "wrong", [["--every", "0"], ["--every", "-5"], ["--hours", "nan"], ["--hours", "0"], ["--hours", "1e9"]]
)
def test_a_hydrograph_without_rows_is_asked_wrongly_and_shows_no_trace(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["river", *wrong])
    assert ended.value.code == 2
    assert "is not a number" in capsys.readouterr().err


def test_a_folder_with_a_database_that_is_none_is_answered_without_a_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stations" / "31000001").mkdir(parents=True)
    (tmp_path / "stations" / "31000001" / "site.yaml").write_text("buses: []\n")
    (tmp_path / "centre" / "data").mkdir(parents=True)
    (tmp_path / "centre" / "data" / "haihe.db").write_bytes(b"noise" * 1000)
    assert main(["balance", str(tmp_path), "--json"]) == 1
    assert "cannot be read" in json.loads(capsys.readouterr().out)["what"]


def test_a_world_on_a_terminal_leaves_its_result_without_the_moving_line() -> None:
    master, slave = os.openpty()
    words = ("world", "--seeds", "1", "--start", "300", "--jobs", "1", "--lang", "en")
    said = b""
    with subprocess.Popen([sys.executable, "-m", "haihe_simulators", *words], stdout=slave, stderr=slave) as running:
        os.close(slave)
        with contextlib.suppress(OSError):  # the other end is closed: all has been read
            while part := os.read(master, 65536):
                said += part
        assert running.wait(120) == 0
    os.close(master)
    shown, _, table = said.decode().partition("\r   \r")
    assert shown == "\r1/1"
    assert table.splitlines()[0].endswith("  loss")


def test_a_hunt_for_a_bug_that_is_none_is_asked_wrongly() -> None:
    with start("world", "--mutate", "--only", "no such bug", "--lang", "en") as running:
        _, wrong = running.communicate(timeout=60)
    assert running.returncode == 2
    assert "'no such bug'" in wrong
