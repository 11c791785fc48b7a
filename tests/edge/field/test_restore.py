"""A card dies: a new one gets back site file and counters from what the station had told its centre."""

import asyncio
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from haihe_cloud import cli as cloud
from haihe_cloud.admit.pki import Pki
from haihe_cloud.admit.registry import Registry, Station
from haihe_cloud.ledger.arrival import Arrival
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.opening import open_database
from haihe_cloud.settings import load_settings
from haihe_cloud.sql.sqlite import SqliteDatabase
from haihe_contract import wire
from haihe_contract.clock import SystemClock
from haihe_contract.ranges import EMPTY
from haihe_contract.record import Record, State
from haihe_contract.record_fault import record_fault
from haihe_edge.cli import main
from haihe_edge.journal import Folder, Journal, Look
from haihe_edge.qualify import CounterState
from haihe_edge.remember.site_states import (
    BUDGET,
    COUNTER,
    EVERY_MS,
    PACKED_MAX,
    SITE,
    TIPS,
    SiteStates,
    Standing,
    packed,
    unpacked,
)
from haihe_edge.site import load_site
from haihe_edge.station import StationAgent

from tests.clocks import HandClock
from tests.edge import heard

ROOT = Path(__file__).parents[3]
PROFILES = ROOT / "firmware_profiles"
CODE = "31005650"
BAD = {"zlib_base85": "é", "sha256": "x"}
TEXT = """
station: {code: "31005650", name: {zh: 三岔口, en: Sanchakou}, latitude: 39.1, longitude: 117.2}
buses: [{kind: tcp, name: net, host: 127.0.0.1, port: 9}]
instruments:
  - name: rain
    profile: generic-rs485-tipping-bucket-cn
    bus: net
    unit: 2
    every: 60s
    series: [{point: rain_counter_1, derive: {element: period_rain, every: 5min}}]
journal: {directory: journal, size: 16MiB}   # 高程 8.35 m
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "old"
    folder.mkdir()
    file = folder / "site.yaml"
    file.write_text(TEXT, "utf-8")
    return file


def run(capsys: pytest.CaptureFixture[str], *words: str, lang: str = "en") -> tuple[int, str, str]:
    code = main(["init", *words, "--lang", lang, "--profiles", str(PROFILES)])
    said = capsys.readouterr()
    return code, said.out, said.err


def recorded(journal: Journal, directory: Path) -> list[Record]:
    journal.close()
    look = Look(Folder(directory))
    return [r for s in look.segments if s.line == journal.line for _, records in s.groups() for r in records]


def told_centre(folder: Path, line: int, records: Sequence[Record]) -> Path:
    """What a real ledger knows after these records have come in the bytes of the wire."""
    (folder / "data").mkdir(parents=True)
    database = SqliteDatabase(folder / "data" / "haihe.db")
    Registry(database).add(Station(CODE))
    ledger = Ledger(database, centre="haihe", clock=SystemClock())
    batch = wire.Batch(CODE, line, 1, records[-1].number, 1, list(records))
    payload = wire.encode(batch)
    envelope = wire.read_envelope(payload)
    ledger.take([Arrival(envelope, wire.decode(payload), payload, SystemClock().now_ms(), EMPTY)])
    states = ledger.states(CODE)
    database.close()
    file = folder / "state.json"
    file.write_bytes(msgspec.json.encode({"station": CODE, "states": states}))
    return file


def state_file(folder: Path, site: Path, *, counter_ms: int | None = None, time_ms: int = 2_000_000_000_000) -> Path:
    loaded = load_site(site, [PROFILES])
    states: list[dict[str, Any]] = [{"name": SITE, "time_ms": time_ms, "grade": 5, "value": packed(loaded)}]
    if counter_ms is not None:
        value = msgspec.to_builtins(CounterState(counter_ms, 12.5, 1.5, counter_ms + 1000, 1.0))
        key = loaded.series[loaded.counters[0].number].key
        states.append({"name": COUNTER + key, "time_ms": time_ms, "grade": 5, "value": value})
    file = folder / "state.json"
    file.write_text(json.dumps({"station": CODE, "states": states}), "utf-8")
    return file


async def test_a_real_agent_tells_its_site_file_and_counters_and_a_new_card_gets_them_back(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = load_site(old, [PROFILES])
    key = site.series[site.counters[0].number].key
    (old.parent / "journal").mkdir()
    now = SystemClock().now_ms()
    before = {key: CounterState(now - 60_000, 12.5, 1.5, now + 60_000, 1.0)}
    (old.parent / "journal" / "counters.json").write_bytes(msgspec.json.encode(before))
    agent = StationAgent(site, SystemClock(), random.Random(1))
    agent._record_states()
    agent._record_states()
    records = recorded(agent.recorder.journal, site.journal.directory)
    names = [record.body.name for record in records if isinstance(record.body, State)]
    assert names == [SITE, COUNTER + key]

    file = told_centre(tmp_path / "centre", agent.recorder.journal.line, records)
    place = tmp_path / "new" / "etc" / "site.yaml"
    code, out, _ = run(capsys, str(place), "--restore", str(file), "--yes")
    assert code == 0
    assert "restored" in out
    assert place.read_bytes() == old.read_bytes()
    again = load_site(place, [PROFILES])
    assert again.fingerprint == site.fingerprint
    kept = msgspec.json.decode((place.parent / "journal" / "counters.json").read_bytes(), type=dict[str, CounterState])
    assert kept == before
    assert not list(place.parent.glob("*.restored"))


def test_the_centre_prints_the_very_file_that_restores(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cloud.main(["init", str(tmp_path / "box"), "--host", "localhost", "--lang", "en"]) == 0
    config = next((tmp_path / "box").glob("*.yaml"))
    settings = load_settings(config)
    database = open_database(settings)
    ledger = Ledger(database, centre=settings.centre, clock=SystemClock())
    site = load_site(old, [PROFILES])
    payload = wire.encode(wire.Batch(CODE, 7, 1, 3, 1, [Record(3, False, State(SITE, packed(site), 1, 5))]))
    envelope = wire.read_envelope(payload)
    ledger.take([Arrival(envelope, wire.decode(payload), payload, SystemClock().now_ms(), EMPTY)])
    database.close()
    capsys.readouterr()
    assert cloud.main(["station", "state", CODE, "--json", "--config", str(config)]) == 0
    file = tmp_path / "state.json"
    file.write_text(capsys.readouterr().out, "utf-8")
    assert cloud.main(["station", "state", CODE, "--lang", "zh", "--config", str(config)]) == 0
    assert "共 1 项状态" in capsys.readouterr().out
    assert cloud.main(["station", "state", "31005651", "--lang", "zh", "--config", str(config)]) == 1
    assert "尚未上报状态" in capsys.readouterr().err
    place = tmp_path / "new" / "site.yaml"
    assert run(capsys, str(place), "--restore", str(file), "--yes")[0] == 0
    assert place.read_bytes() == old.read_bytes()


def test_nothing_is_written_without_being_asked_for(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = state_file(tmp_path, old)
    place = tmp_path / "new" / "site.yaml"
    code, out, err = run(capsys, str(place), "--restore", str(file))
    assert code == 2
    assert "writes" in out
    assert "--yes" in err
    assert [path.name for path in place.parent.iterdir() if path.is_file()] == []


@pytest.mark.parametrize(("typed", "written"), [(b"y\n", True), (b"n\n", False), (b"\x04", False)])
def test_only_a_yes_on_the_terminal_writes_and_ctrl_d_is_none(
    old: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    typed: bytes,
    written: bool,
) -> None:
    file = state_file(tmp_path, old)
    place = tmp_path / "new" / "site.yaml"
    master, slave = os.openpty()
    with os.fdopen(slave, encoding="utf-8") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        os.write(master, typed)
        code, out, _ = run(capsys, str(place), "--restore", str(file))
    os.close(master)
    assert "Write this? [y/N]" in out
    assert (code, place.exists()) == ((0, True) if written else (2, False))


def test_a_newer_site_file_is_overwritten_only_by_force(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = state_file(tmp_path, old, time_ms=1_790_000_000_000)
    place = tmp_path / "site.yaml"
    place.write_text("mine: newer", "utf-8")
    words = (str(place), "--restore", str(file), "--yes")
    code, _, err = run(capsys, *words, lang="zh")
    assert code == 1
    assert "更新" in err
    assert place.read_text("utf-8") == "mine: newer"
    os.utime(place, (1_780_000_000, 1_780_000_000))  # older than what the centre has
    assert run(capsys, *words)[0] == 0
    place.write_text("mine: newer", "utf-8")
    assert run(capsys, *words, "--force")[0] == 0
    assert place.read_bytes() == old.read_bytes()


def test_newer_counters_stay_unless_forced(old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = state_file(tmp_path, old, counter_ms=1000)
    loaded = load_site(old, [PROFILES])
    key = loaded.series[loaded.counters[0].number].key
    counters = old.parent / "journal" / "counters.json"
    counters.parent.mkdir()
    mine = {key: CounterState(2000, 99.0, 1.5, 3000, 1.0), "another.key": CounterState(1, 1.0, 1.0, 1, None)}
    counters.write_bytes(msgspec.json.encode(mine))
    code, out, _ = run(capsys, str(old), "--restore", str(file), "--yes")
    assert code == 0
    assert "newer, and stays" in out
    assert msgspec.json.decode(counters.read_bytes(), type=dict[str, CounterState]) == mine
    assert run(capsys, str(old), "--restore", str(file), "--yes", "--force")[0] == 0
    found = msgspec.json.decode(counters.read_bytes(), type=dict[str, CounterState])
    assert found[key].value == 12.5
    assert found["another.key"] == mine["another.key"]


def test_a_running_agent_is_never_restored_under_its_feet(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = StationAgent(load_site(old, [PROFILES]), SystemClock(), random.Random(1))
    file = state_file(tmp_path, old, counter_ms=1000)
    code, _, err = run(capsys, str(old), "--restore", str(file), "--yes", "--force")
    assert code == 1
    assert "already running" in err
    agent.recorder.journal.close()


DEEP = b'{"station": "31005650", "states": [{"name": "a", "time_ms": 1, "grade": 5, "value": {"a": %s%s}}]}'
LONG_AGO = b'{"station": "31005650", "states": [{"name": "site", "time_ms": -1%s, "grade": 5, "value": {}}]}' % (
    b"0" * 25
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[]", "cannot be read"),
        (DEEP % (b"[" * 100_000, b"]" * 100_000), "cannot be read"),
        (b'{"station": "31005650", "states": []}', "no site file"),
        (LONG_AGO, "no site file"),
        (b'{"station": "31005650", "states": [{"name": "site", "time_ms": 1, "grade": 5, "value": {}}]}', "damaged"),
        (
            json.dumps(
                {"station": CODE, "states": [{"name": "site", "time_ms": 1, "grade": 5, "value": BAD}]}
            ).encode(),
            "cannot be used",
        ),
    ],
)
def test_a_file_that_restores_nothing_says_why_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: bytes, says: str
) -> None:
    file = tmp_path / "state.json"
    file.write_bytes(text)
    code, _, err = run(capsys, str(tmp_path / "site.yaml"), "--restore", str(file), "--yes")
    assert code == 1
    assert says in err
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_the_file_of_another_station_is_not_restored_over_this_one(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = state_file(tmp_path, old)
    place = tmp_path / "site.yaml"
    place.write_text(TEXT.replace(CODE, "31005651"), "utf-8")
    os.utime(place, (1_780_000_000, 1_780_000_000))
    code, _, err = run(capsys, str(place), "--restore", str(file), "--yes")
    assert code == 1
    assert f"state of station {CODE}, and the site file here is that of 31005651" in err
    code, _, err = run(capsys, str(place), "--restore", str(file), "--yes", lang="zh")
    assert f"这是测站 {CODE} 的状态，而这里的配置文件属于测站 31005651" in err
    assert run(capsys, str(place), "--restore", str(file), "--yes", "--force")[0] == 0
    assert place.read_bytes() == old.read_bytes()


def test_who_writes_the_site_file_behind_the_option_is_told_where_it_goes(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "--restore", str(old))
    assert code == 1
    assert "haihe-edge init SITE.yaml --restore" in err


def test_a_site_file_too_long_to_be_told_stays_and_the_counters_come_back(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=200_000))
    old.write_text(old.read_text("utf-8") + f"# {noise}\n", "utf-8")
    text = old.read_bytes()
    file = state_file(tmp_path, old, counter_ms=1000)
    assert run(capsys, str(old), "--restore", str(file), "--yes")[0] == 0
    assert old.read_bytes() == text
    kept = msgspec.json.decode((old.parent / "journal" / "counters.json").read_bytes(), type=dict[str, CounterState])
    assert [state.value for state in kept.values()] == [12.5]
    code, _, err = run(capsys, str(tmp_path / "none.yaml"), "--restore", str(file), "--yes")
    assert code == 1
    assert "too long for a record" in err


def test_what_changes_in_a_site_file_is_shown_before_it_is_overwritten(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = state_file(tmp_path, old)
    place = tmp_path / "site.yaml"
    place.write_text(TEXT.replace("8.35", "8.10"), "utf-8")
    _, out, _ = run(capsys, str(place), "--restore", str(file))
    assert [line.strip()[0] for line in out.splitlines() if "高程" in line] == ["-", "+"]
    place.write_text("".join(f"{n}: x\n" for n in range(5000)), "utf-8")
    _, out, _ = run(capsys, str(place), "--restore", str(file))
    assert len(out.splitlines()) < 40


def test_a_packed_site_file_always_fits_into_a_record_and_comes_back_whole(old: Path) -> None:
    value = packed(load_site(old, [PROFILES]))
    assert unpacked(value) == old.read_bytes()
    example = load_site(ROOT / "site_configs" / "example.yaml", [PROFILES])
    assert len(msgspec.msgpack.encode(State(SITE, packed(example), 1, 5))) < 4000
    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=200_000))
    old.write_text(old.read_text("utf-8") + f"# {noise}\n", "utf-8")
    value = packed(load_site(old, [PROFILES]))
    assert not record_fault(State(SITE, value, 1, 5))
    with pytest.raises(ValueError, match="too long"):
        unpacked(value)
    old.write_text(old.read_text("utf-8")[:-160_000] + "\n", "utf-8")
    value = packed(load_site(old, [PROFILES]))
    assert unpacked(value) == old.read_bytes()
    assert PACKED_MAX * 0.7 < len(value["zlib_base85"]) <= PACKED_MAX
    assert not record_fault(State(SITE, value, 1, 5))


def test_counters_that_move_all_the_time_are_told_every_few_minutes_and_at_the_end(old: Path) -> None:
    clock = HandClock(1_790_000_000_000)
    state = CounterState(0, 0.0, 0.0, 300_000, 0.0)
    told = SiteStates(load_site(old, [PROFILES]), lambda: {"counter rain": Standing(state, state.news)}, clock)
    seen = []
    for _ in range(360):
        clock.ms += 10_000
        state.value += 0.2
        seen += [name for name, _ in told.due()]
    assert seen.count(SITE) == 1
    assert seen.count("counter rain") == 3_600_000 // EVERY_MS
    state.value += 0.2
    assert [name for name, _ in told.due(last=True)] == ["counter rain"]
    assert list(told.due(last=True)) == []


TIPPED = """
station: {{code: "31005650", name: {{zh: 三岔口, en: Sanchakou}}, latitude: 39.1, longitude: 117.2}}
buses:
  - kind: gpio
    name: board
    chip: /dev/gpiochip0
    lines: [{{kind: rain, name: bucket, line: 17, tip_mm: 0.2, every: 1min}}]
centres:
  - {{name: bureau, host: 127.0.0.1, port: 9, ca: ca.pem, certificate: a.pem, key: a.key, receipt_key: {key},
     budget: 200MB/month}}
journal: {{directory: journal, size: 16MiB}}
"""


@pytest.fixture
def tipped(tmp_path: Path, pki: Pki) -> Path:
    """A station with a tipping bucket on a line of its own, and a metered link."""
    file = tmp_path / "tipped" / "site.yaml"
    file.parent.mkdir()
    file.write_text(TIPPED.format(key=pki.directory / "receipt.pub"), "utf-8")
    return file


async def tips_are_kept(agent: StationAgent) -> None:
    for _ in range(1000):
        if agent.acquirer.tips():
            return
        await asyncio.sleep(0.01)
    pytest.fail("no gauge has kept its total")


def beside(site: Path, name: str) -> Any:
    return json.loads((site.parent / "journal" / name).read_text())


async def test_tips_and_what_a_metered_link_has_carried_come_back_as_a_real_agent_told_them(
    tipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = load_site(tipped, [PROFILES])
    now = SystemClock().now_ms()
    (tipped.parent / "journal").mkdir()
    stood = {"bucket": {"tips": 1234, "tip_mm": 0.2, "time_ms": now - 60_000, "closed": True}}
    (tipped.parent / "journal" / "rain-board.json").write_text(json.dumps(stood))
    agent = StationAgent(site, SystemClock(), random.Random(1))
    (budget,) = agent.budgets
    budget.budget.count(12_345_678, now)
    agent._record_states()
    assert agent.acquirer.tips() == {}, "what is not kept yet is not told"
    async with heard.running(agent.acquirer):
        await tips_are_kept(agent)
    agent._record_states(last=True)
    records = recorded(agent.recorder.journal, site.journal.directory)
    told = {record.body.name: record.body.value for record in records if isinstance(record.body, State)}
    assert list(told) == [SITE, BUDGET + "bureau", TIPS + "bucket"]
    assert told[TIPS + "bucket"]["tips"] == 1234

    file = told_centre(tmp_path / "centre", agent.recorder.journal.line, records)
    place = tmp_path / "new" / "site.yaml"
    code, out, err = run(capsys, str(place), "--restore", str(file), "--yes")
    assert code == 0, err
    assert "rain gauge bucket: 246.8 mm in all" in out
    assert "link to bureau: 12.3 MB used since" in out
    assert beside(place, "rain-board.json")["bucket"]["tips"] == 1234
    assert beside(place, "budget-bureau.json")["bytes"] == 12_345_678

    again = StationAgent(load_site(place, [PROFILES]), SystemClock(), random.Random(2))
    assert again.budgets[0].budget.used_bytes(now) == 12_345_678
    async with heard.running(again.acquirer):
        await tips_are_kept(again)
    assert again.acquirer.tips()["bucket"].tips == 1234
    again.recorder.journal.close()


def test_what_is_further_on_here_stays_unless_forced_and_says_so(
    tipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    count = {"tips": 100, "tip_mm": 0.2, "time_ms": 9, "closed": False}
    spent = {"from_ms": 1_788_192_000_000, "bytes": 5_000_000}
    rows = [(TIPS + "bucket", count), (BUDGET + "bureau", spent), (TIPS + "gone", count), (BUDGET + "other", spent)]
    states = [{"name": name, "time_ms": 9, "grade": 5, "value": value} for name, value in rows]
    states.append({"name": SITE, "time_ms": 9, "grade": 5, "value": packed(load_site(tipped, [PROFILES]))})
    file = tmp_path / "state.json"
    file.write_text(json.dumps({"station": CODE, "states": states}))
    (tipped.parent / "journal").mkdir()
    here = {"bucket": {**count, "tips": 101}, "another": count}
    (tipped.parent / "journal" / "rain-board.json").write_text(json.dumps(here))
    (tipped.parent / "journal" / "budget-bureau.json").write_text(json.dumps({**spent, "bytes": 5_000_001}))
    words = (str(tipped), "--restore", str(file), "--yes")
    code, out, _ = run(capsys, *words, lang="zh")
    assert code == 0
    assert "雨量计 bucket：本站的更新，保留不变" in out
    assert "到 bureau 的链路：本站的更新，保留不变" in out
    assert beside(tipped, "rain-board.json") == here
    code, out, _ = run(capsys, *words, "--force", "--json")
    assert code == 0
    said = json.loads(out)
    assert (said["restored"], said["newer_here"]) == ([TIPS + "bucket", BUDGET + "bureau"], [])
    assert beside(tipped, "rain-board.json") == {"bucket": count, "another": count}
    assert beside(tipped, "budget-bureau.json") == spent
    _, out, _ = run(capsys, *words, "--json")
    assert json.loads(out)["restored"] == []


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"tips": "many"},
        {"tips": None, "tip_mm": 0.2, "time_ms": 1, "closed": 1},
        {"tips": 10**400, "tip_mm": 0.2, "time_ms": 1, "closed": True, "bytes": 1, "from_ms": 10**25},
    ],
)
def test_a_state_that_cannot_be_read_restores_nothing_and_stops_nothing(
    tipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], value: dict[str, Any]
) -> None:
    site = {"name": SITE, "time_ms": 9, "grade": 5, "value": packed(load_site(tipped, [PROFILES]))}
    rows = [{"name": name, "time_ms": 9, "grade": 5, "value": value} for name in (TIPS + "bucket", BUDGET + "bureau")]
    file = tmp_path / "state.json"
    file.write_text(json.dumps({"station": CODE, "states": [site, *rows]}))
    assert run(capsys, str(tipped), "--restore", str(file), "--yes")[0] == 0
    assert list((tipped.parent / "journal").glob("*.json")) == []
