"""Promises of the demo, on real processes: agent, broker, centre. One run serves most of these tests."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from haihe_contract.errors import FieldError
from haihe_simulators.account import account
from haihe_simulators.cli import main
from haihe_simulators.ensemble import mosquitto
from haihe_simulators.scenery import LEVEL

from tests.docs.json_page import holds

STATION = "31000001"

try:
    mosquitto()
except FieldError:
    pytest.skip("Mosquitto is not installed: apt-get install mosquitto", allow_module_level=True)

pytestmark = pytest.mark.broker


class Ran(NamedTuple):
    code: int
    facts: dict[str, Any]
    told: str
    folder: Path


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "haihe_simulators", "demo", "--headless", "--lang", "en", "--port", "0", *options]


@pytest.fixture(scope="module")
def ran() -> Iterator[Ran]:
    options = ["--for", "15s", "--outage", "7s", "--kill", "edge,centre,broker", "--stations", "1", "--seed", "5"]
    options += ["--json", "--keep"]
    done = subprocess.run(command(*options), capture_output=True, text=True, timeout=120)
    told = done.stderr
    folder = Path(told.split("kept in ")[1].split()[0]) if "kept in " in told else Path("/nonexistent")
    yield Ran(done.returncode, json.loads(done.stdout), told, folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def kept(ran: Ran, tmp_path: Path) -> Path:
    folder = tmp_path / "kept"
    shutil.copytree(ran.folder, folder, ignore=shutil.ignore_patterns("rs485*", "gnss", "control"))
    return folder


def test_nothing_is_lost_or_double_when_agent_centre_and_broker_are_killed_in_an_outage(ran: Ran) -> None:
    assert (ran.code, ran.facts["ok"]) == (0, True), ran.told
    assert ran.facts["readings_answered"] > 40
    assert ran.facts["readings_lost"] == 0
    assert ran.facts["duplicates_in_store"] == 0
    assert ran.facts["kills"] == ["edge", "centre", "broker"]


def test_the_one_object_has_every_figure_that_was_promised(ran: Ran) -> None:
    holds("haihe-sim demo", ran.facts, shown_elsewhere=("lost[]", "doubles[]", "unexplained[]"))
    promised = ["readings_answered", "readings_in_store", "readings_lost", "duplicates_in_store", "in_loss_window"]
    promised += ["gaps", "outage_s", "live_after_reconnect_s", "backlog_drain_s", "alarms_raised", "lost", "doubles"]
    assert set(promised) <= set(ran.facts)
    assert ran.facts["outage_s"] >= 7
    assert 0 < ran.facts["live_after_reconnect_s"] <= ran.facts["backlog_drain_s"]
    assert ran.facts["alarms_raised"] >= 1


def test_the_story_is_told_in_order_while_it_happens(ran: Ran) -> None:
    sentences = ["a storm arrives", "is cut", "is killed", "is back", "live values", "has drained", "ALARM", "balance"]
    assert all(sentence in ran.told for sentence in sentences)
    places = [ran.told.index(sentence) for sentence in sentences[:6]]
    assert places == sorted(places)


def test_the_balance_of_a_kept_demo_can_be_drawn_again(
    ran: Ran, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["balance", str(kept), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    holds("haihe-sim balance", again, shown_elsewhere=("lost[]", "doubles[]", "unexplained[]"))
    assert again["readings_answered"] == ran.facts["readings_answered"]
    assert again["readings_in_store"] == ran.facts["readings_in_store"]


def test_a_loss_and_a_double_planted_in_the_store_are_both_named(kept: Path) -> None:
    with closing(sqlite3.connect(kept / "centre" / "data" / "series.db")) as store, store:
        (series,) = store.execute("SELECT id FROM series WHERE station = ? AND key = ?", (STATION, LEVEL)).fetchone()
        rows = store.execute(
            "SELECT time_ms, value, mark, grade, line_id, number FROM reading WHERE series_id = ? "
            "AND value IS NOT NULL ORDER BY time_ms",
            (series,),
        ).fetchall()
        lost, doubled = rows[3], rows[-4]
        store.execute("DELETE FROM reading WHERE series_id = ? AND time_ms = ?", (series, lost[0]))
        shifted = (series, doubled[0] + 2_345, *doubled[1:5], doubled[5] + 100_000)
        store.execute("INSERT INTO reading VALUES (?,?,?,?,?,?,?)", shifted)
    sheet = account(kept)
    assert (sheet.readings_lost, sheet.duplicates_in_store, sheet.clean) == (1, 1, False)
    assert (sheet.lost[0].station, sheet.lost[0].series) == (STATION, LEVEL)
    assert sheet.lost[0].value == pytest.approx(lost[1])
    assert abs(sheet.lost[0].time_ms - lost[0]) < 500
    assert (sheet.doubles[0].time_ms, sheet.doubles[0].value) == (shifted[1], doubled[1])


def test_a_kill_that_the_station_did_not_write_down_excuses_nothing(ran: Ran, kept: Path) -> None:
    with closing(sqlite3.connect(kept / "centre" / "data" / "haihe.db")) as ledger, ledger:
        ledger.execute("DELETE FROM event WHERE kind = 'opened'")
    sheet = account(kept)
    assert sheet.in_loss_window == 0
    assert sheet.readings_lost == ran.facts["in_loss_window"]


def commands_running() -> list[str]:
    """Command lines of every process of this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has just ended
            found.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
    return found


def test_control_c_ends_a_running_demo_cleanly_with_its_balance_and_leaves_nothing() -> None:
    running = subprocess.Popen(
        command("--for", "60s", "--outage", "0s", "--stations", "1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert running.stdout is not None
    heard = []
    for line in running.stdout:
        heard.append(line)
        if "storm arrives" in line:
            break
    running.send_signal(signal.SIGINT)
    rest, wrong = running.communicate(timeout=40)
    assert running.returncode == 0, "".join(heard) + rest + wrong
    assert "nothing is lost and nothing is double" in rest
    assert "Traceback" not in rest + wrong
    folder = heard[0].split()[-1]
    assert not Path(folder).exists()
    assert not [args for args in commands_running() if folder in args]
