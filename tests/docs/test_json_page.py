"""docs/reference/json.md names every field that a command prints with --json, and no other."""

import argparse
import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import haihe_cloud.cli
import haihe_edge.cli
import haihe_simulators.cli
import pytest
from haihe_cloud.admit.pki import Pki
from haihe_cloud.admit.registry import Registry
from haihe_cloud.alarm.rule import read_rules
from haihe_cloud.commands.words import Sentences
from haihe_cloud.ingest.inbox import Message
from haihe_cloud.ledger.arrival import Refusal
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.settings import load_settings
from haihe_cloud.sql.sqlite import SqliteDatabase
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract import topic
from haihe_contract.clock import SystemClock
from haihe_contract.record import Duty, Event, SeriesSummary, State, Summary, TimeFix, Unread
from haihe_edge.site import load_site
from haihe_edge.station import run
from haihe_simulators.balance import Named, Sheet
from haihe_simulators.demo import Outcome
from haihe_simulators.story import Measured
from haihe_simulators.world.day import Outcome as Day
from haihe_simulators.world.mutate import Hunt
from haihe_simulators.world.run import Report
from haihe_simulators.world.tell import facts, hunted

from tests.cloud.alarm.conftest import RULES, Centre
from tests.cloud.samples import LEVEL, LINE, STATION, T0, batch, data, gap, opened
from tests.cloud.whole import Whole
from tests.docs.json_page import holds, strictly, tables
from tests.edge.acquire.write import wired
from tests.edge.acquire.write.wired import Controller
from tests.edge.carry.carried import in_bundles, numbers_of, receipts_file, site_in
from tests.edge.field.test_journal_commands import SITE as JOURNAL_SITE
from tests.edge.field.test_journal_commands import filled
from tests.edge.field.test_restore import TEXT as RAIN_SITE
from tests.edge.field.test_restore import state_file
from tests.edge.journals import journal_in

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "firmware_profiles"
Printed = Callable[..., Any]
MAINS = {
    "haihe-edge": haihe_edge.cli.main,
    "haihe-cloud": haihe_cloud.cli.main,
    "haihe-sim": haihe_simulators.cli.main,
}
NO_OBJECT = {"haihe-edge run", "haihe-cloud run"}
HAVE_A_PAGE = {"haihe-edge status", "haihe-edge profile show"}
SHOWN_ELSEWHERE = {
    "haihe-sim demo": "simulators/test_demo.py",
    "haihe-sim balance": "simulators/test_demo.py",
    "haihe-sim fleet": "simulators/test_fleet.py",
    "haihe-cloud bundle import": "cloud/service/test_bundle_commands.py",
    "haihe-cloud bundle show": "cloud/service/test_bundle_commands.py",
}
"""What needs a whole demo, fleet or running centre is held against the page where one is played."""


@pytest.fixture(autouse=True)
def _profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAIHE_PROFILES", str(PROFILES))


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """The one object that a command prints, and nothing else on standard output."""

    def act(command: str, *words: object, code: int = 0) -> Any:
        program, *names = command.split()
        capsys.readouterr()
        found = MAINS[program]([*names, *map(str, words), "--json", "--lang", "en"])
        said = capsys.readouterr()
        assert found == code, said.out + said.err
        return strictly(said.out)

    return act


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    groups = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    for group in groups:
        for inner in dict.fromkeys(group.choices.values()):
            yield from leaves(inner)
    if not groups:
        yield parser


def test_every_command_that_takes_json_has_a_table_and_every_table_a_test() -> None:
    parsers = (haihe_edge.cli.parser(), haihe_cloud.cli.parser(Sentences("en")), haihe_simulators.cli.parser())
    commands = {
        leaf.prog
        for parser in parsers
        for leaf in leaves(parser)
        if any("--json" in action.option_strings for action in leaf._actions)
    }
    titles = {title for title in tables() if title.startswith("haihe-")}
    assert commands - titles == NO_OBJECT
    assert {title for title in titles if not any(title.startswith(command) for command in commands)} == set()
    here = Path(__file__).read_text("utf-8")
    for title in titles:
        text = (ROOT / "tests" / SHOWN_ELSEWHERE[title]).read_text("utf-8") if title in SHOWN_ELSEWHERE else here
        assert f'holds("{title}"' in text or title in HAVE_A_PAGE, title


def test_a_field_too_many_one_too_few_and_a_wrong_kind_of_value_would_be_noticed() -> None:
    good: dict[str, Any] = {"ok": True, "files": 1, "problems": []}
    problem = {"file": "f", "line": 1, "column": 1, "what": "w"}
    holds("haihe-edge profile check", good | {"problems": [problem]}, shown_elsewhere=("problems[].level",))
    for wrong in (
        good,  # no problem was printed at all
        good | {"problems": [problem], "more": 1},
        good | {"problems": [problem | {"level": "fatal"}]},
        good | {"problems": [{"file": "f"}]},
        {"ok": True, "problems": [problem]},
        good | {"problems": [problem], "files": None},
        good | {"problems": [problem], "files": "one"},
        good | {"problems": [problem], "ok": 1},
    ):
        with pytest.raises(AssertionError):
            holds("haihe-edge profile check", wrong, shown_elsewhere=("problems[].level",))
    with pytest.raises(AssertionError, match="no JSON"):
        strictly('{"a": NaN}')


def test_faults_are_one_object_of_the_page_whichever_program_tells_them(printed: Printed, tmp_path: Path) -> None:
    nothing = tmp_path / "none.yaml"
    holds(
        "What could not be done",
        printed("haihe-edge profile show", "nobody", code=1),
        printed("haihe-edge write", ROOT / "site_configs" / "example.yaml", "-i", "radar", code=2),
        printed("haihe-edge journal show", nothing, "--from", "soon", code=2),
        printed("haihe-cloud pki centre", "--pki", tmp_path, code=1),
        printed("haihe-sim balance", tmp_path, code=1),
    )
    holds(
        "Faults of a file",
        printed("haihe-edge check", nothing, code=2),
        printed("haihe-edge run", nothing, code=2),
        printed("haihe-edge profile test", nothing, code=2),
        printed("haihe-cloud check", "--config", nothing, code=2),
        printed("haihe-cloud run", "--config", nothing, code=2),
    )


def test_a_site_file_is_checked_planned_and_restored_as_the_page_says(printed: Printed, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(RAIN_SITE.replace("every: 60s", "every: 1s") + CENTRE, "utf-8")
    holds("haihe-edge check", printed("haihe-edge check", site))
    (tmp_path / "controller.yaml").write_text(wired.PROFILE, "utf-8")
    busy = tmp_path / "busy.yaml"
    busy.write_text(wired.whole_site("kind: serial, port: /dev/ttyX, baud: 1200", every="100ms"), "utf-8")
    example = printed("haihe-edge plan", ROOT / "site_configs" / "example.yaml")
    holds("haihe-edge plan", example, printed("haihe-edge plan", busy, "--profiles", tmp_path, code=1))
    old = tmp_path / "old.yaml"
    old.write_text(RAIN_SITE, "utf-8")
    place = tmp_path / "new" / "site.yaml"
    restore = ("haihe-edge init", place, "--restore", state_file(tmp_path, old, counter_ms=1000))
    holds("What could not be done", printed(*restore, code=2))
    told = printed(*restore, "--yes")
    assert told["restored"]
    holds("haihe-edge init", told, shown_elsewhere=("centres[]",))


def test_a_bundle_is_written_shown_and_answered_as_the_page_says(printed: Printed, tmp_path: Path, pki: Pki) -> None:
    site = site_in(tmp_path / "station", pki)
    directory = tmp_path / "station" / "journal"
    journal = journal_in(directory)
    journal.append(Event(T0, 5, "stopped"))
    journal.close()
    (directory / "00.journal").write_bytes(b"noise")
    stick, gone = tmp_path / "stick", tmp_path / "gone"
    stick.mkdir()
    gone.mkdir()
    written = printed("haihe-edge bundle write", site, "--to", stick, code=1)
    holds("haihe-edge bundle write", written)
    (file,) = stick.iterdir()
    told = receipts_file(tmp_path / "told", pki, numbers_of(in_bundles([file])))
    shown = printed("haihe-edge bundle show", file, told, gone, "--site", site, code=1)
    holds("haihe-edge bundle show", shown)
    heard = printed("haihe-edge bundle receipts", told, file, "--site", site, code=1)
    holds("haihe-edge bundle receipts", heard)
    place = tmp_path / "new" / "site.yaml"
    restored = printed("haihe-edge init", place, "--restore", file, "--yes")
    assert restored["vouched"] is False


CENTRE = """
centres:
  - {name: haihe, host: 127.0.0.1, port: 9, ca: none.pem, certificate: none.pem, key: none.key, receipt_key: none.pub}
"""


def test_profiles_are_listed_shown_begun_and_proved_as_the_page_says(
    printed: Printed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    begun = printed("haihe-edge profile new", "acme-1")
    holds("haihe-edge profile new", begun)
    (tmp_path / "firmware_profiles" / "broken.yaml").write_text("transport: modbus\n", "utf-8")
    listed = printed("haihe-edge profile list")
    holds("haihe-edge profile list", listed)
    checked = printed("haihe-edge profile check", code=2)
    holds("haihe-edge profile check", checked, shown_elsewhere=("problems[].level",))
    case = Path(begun["golden"])
    good = printed("haihe-edge profile test", "acme-1")
    case.write_text(case.read_text("utf-8").replace("distance: 1.235", "distance: 1.236"), "utf-8")
    holds("haihe-edge profile test", good, printed("haihe-edge profile test", "acme-1", code=1))


@pytest.mark.parametrize("name", ["tuf-2000m", "campbell-sr50a-serial", "campbell-clarivue10"])
def test_a_profile_is_shown_with_the_keys_of_its_own_page(printed: Printed, name: str) -> None:
    shown = printed("haihe-edge profile show", name)
    kinds = json.loads((PROFILES / "profile.schema.json").read_text("utf-8"))["$defs"].values()
    models = [each["properties"] for each in kinds if "properties" in each]
    (keys,) = (each for each in models if each.get("transport") == {"enum": [shown["transport"]]})
    assert set(shown) == set(keys)


async def test_what_is_asked_of_instruments_is_printed_as_the_page_says(printed: Printed, tmp_path: Path) -> None:
    """Without an agent, then through one."""
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "controller.yaml").write_text(wired.PROFILE, "utf-8")
    controllers = Controller(1, tmp_path), Controller(2, tmp_path)
    server = await wired.served(*controllers)
    site = tmp_path / "site.yaml"
    bus = f"kind: tcp, host: 127.0.0.1, port: {server.port}"
    site.write_text(wired.whole_site(bus, commands="[sleep, calibrate]"), "utf-8")
    own = ("--profiles", tmp_path / "profiles")

    async def asked(command: str, *words: object, code: int = 0) -> Any:
        return await asyncio.to_thread(printed, command, *words, *own, code=code)

    try:
        holds("haihe-edge read", await asked("haihe-edge read", site, "-i", "sick"))
        controllers[0].says[(3, 1)] = 4
        live = await asked("haihe-edge profile test", "--site", site, "-i", "sick", code=1)
        holds("haihe-edge profile test --site", live)
        controllers[0].says.clear()
        listed = await asked("haihe-edge command", site, "-i", "sick")
        holds("haihe-edge command without a name", listed)
        one = await asked("haihe-edge write", site, "-i", "sick", "--point", "alone", "--value", "3")
        holds("haihe-edge write", one)
        both = await asked("haihe-edge write", site, "-i", "sick", "--set", "low=0.25", "high=0.5")
        holds("haihe-edge write --set", both)
        send = ("haihe-edge command", site, "-i", "sick", "--name")
        holds("haihe-edge command", await asked(*send, "sleep"), await asked(*send, "calibrate"))
        agent = asyncio.ensure_future(run(load_site(site, [tmp_path / "profiles"])))
        try:
            async with asyncio.timeout(10):
                while not (tmp_path / "control.sock").exists():  # noqa: ASYNC110 - it has no event to wait for
                    await asyncio.sleep(0.02)
            holds("haihe-edge watch", await asked("haihe-edge watch", site, "--count", "1"))
            holds("haihe-edge read", await asked("haihe-edge read", site, "-i", "sick"))
            stats = await asked("haihe-edge journal stats", site)
            assert set(stats["card"]) == {"written_bytes", "bytes_per_day"}
        finally:
            agent.cancel()
            await agent
    finally:
        await server.close()
        for each in controllers:
            each.log.close()


def test_a_journal_is_counted_shown_and_exported_as_the_page_says(
    printed: Printed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(JOURNAL_SITE, "utf-8")
    journal = filled(tmp_path / "journal")
    journal.append(Duty([300_000, 0]))
    kept = SeriesSummary(LEVEL, 2, 0, 1.5, (T0, 1.0, 1, 5), (T0, 2.0, 1, 5), T0, T0)
    journal.append(Summary(journal.line, [(1, 2)], [kept], False, T0))
    journal.append(Event(T0, 5, "stopped"))
    journal.append(TimeFix("boot", T0, 1, 5, T0))
    journal.append(State("counter", {"value": 1.0}, T0, 5))
    journal.append(Unread(b"\x93\x63\x01\x02"))
    journal.commit()
    (tmp_path / "journal" / "00.journal").write_bytes(b"noise")
    by_site = printed("haihe-edge journal stats", site, code=1)
    by_folder = printed("haihe-edge journal stats", "--journal", tmp_path / "journal", code=1)
    assert by_site["card"] is None
    holds("haihe-edge journal stats", by_site, by_folder)
    holds("haihe-edge journal show", printed("haihe-edge journal show", site, "-n", "10000", code=1))
    capsys.readouterr()
    assert haihe_edge.cli.main(["journal", "export", str(site), "--json"]) == 1
    rows = [strictly(line) for line in capsys.readouterr().out.splitlines()]
    assert {type(row["boot_ms"]) for row in rows} == {str, int}
    holds("haihe-edge journal export", *rows)
    journal.close()


@pytest.fixture
def box(printed: Printed, tmp_path: Path) -> Path:
    """The settings of a freshly made centre."""
    holds("haihe-cloud init", printed("haihe-cloud init", tmp_path / "box"))
    return tmp_path / "box" / "haihe-cloud.yaml"


@pytest.fixture
def database(box: Path) -> Iterator[SqliteDatabase]:
    (box.parent / "data").mkdir()
    made = SqliteDatabase(Path(load_settings(box).data) / "haihe.db")
    yield made
    made.close()


def test_a_centre_is_made_checked_and_given_keys_as_the_page_says(printed: Printed, box: Path, tmp_path: Path) -> None:
    holds("haihe-cloud check", printed("haihe-cloud check", "--config", box))
    holds("haihe-cloud grafana", printed("haihe-cloud grafana", tmp_path / "grafana"))
    keys = ("--pki", tmp_path / "keys")
    holds("haihe-cloud pki init", printed("haihe-cloud pki init", *keys))
    holds("haihe-cloud pki broker", printed("haihe-cloud pki broker", "localhost", *keys))
    holds("haihe-cloud pki centre", printed("haihe-cloud pki centre", *keys))
    holds("haihe-cloud pki receipt-key", printed("haihe-cloud pki receipt-key", *keys))
    holds("haihe-cloud pki station", printed("haihe-cloud pki station", STATION, *keys))
    carried = printed("haihe-cloud pki station", STATION, "--out", tmp_path / "out", *keys)
    holds("haihe-cloud pki station --out", carried)


def test_stations_are_registered_listed_and_shown_as_the_page_says(
    printed: Printed, box: Path, database: SqliteDatabase, tmp_path: Path
) -> None:
    table, where = tmp_path / "stations.csv", ("--config", box)
    table.write_text(f"code,name_zh,since\n{STATION},三岔口,2026-05-01\n", "utf-8")
    holds("haihe-cloud station import", printed("haihe-cloud station import", table, *where))
    named = ("--name-zh", "三岔口", "--latitude", "39.1", "--longitude", "117.2", "--level", f"{LEVEL}:4.5:")
    holds("haihe-cloud station add", printed("haihe-cloud station add", STATION, *named, *where))
    registry = Registry(database)
    registry.saw_unknown("31005659", T0, topic.up("31005659", 1))
    states = [State("site", {"zlib_base85": "x"}, T0, 5)]
    ledger = Ledger(database, centre="haihe", clock=SystemClock())
    store = SqliteStore(box.parent / "data" / "series.db")
    Whole(database, store).send(batch([1, 2, 5], bodies={5: states[0]}))
    printed("haihe-cloud station import", table, *where)
    printed("haihe-cloud station add", STATION, *named, *where)
    assert ledger.states(STATION)
    holds("haihe-cloud station list", printed("haihe-cloud station list", *where))
    holds("haihe-cloud station state", printed("haihe-cloud station state", STATION, *where))
    shown = printed("haihe-cloud station show", STATION, *where)
    holds("haihe-cloud station remove", printed("haihe-cloud station remove", STATION, *where))
    holds("haihe-cloud station show", shown, printed("haihe-cloud station show", STATION, *where))
    store.close()


def test_the_ledger_is_shown_and_audited_as_the_page_says(
    printed: Printed, box: Path, database: SqliteDatabase
) -> None:
    where, series = ("--config", box), box.parent / "data" / "series.db"
    store = SqliteStore(series)
    whole = Whole(database, store)
    said = {12: gap(LINE, (7, 9), cause="no_space"), 13: TimeFix("boot", T0 - 1000, 5, 5, T0)}
    whole.send(batch([1, 2, 3, 4, 5, 6, 12, 13], head=30, tail=20, bodies=said))
    whole.send(batch([1, 2], line=99, bodies={1: opened(LINE, 6)}, head=2), received_ms=T0 + 1)
    refused = data([14, 16], head=30, bodies={16: Unread(b"\x93\x63\x01\x02")})
    whole.worker.round([Message(topic.up(STATION, 1), refused, T0, lambda: None)])
    whole.settle()
    day = ("--day", "2026-09-21")
    shown = printed("haihe-cloud ledger show", STATION, *day, *where, code=1)
    all_shown = printed("haihe-cloud ledger show", *day, *where, code=1)
    holds("haihe-cloud ledger gaps", printed("haihe-cloud ledger gaps", *where, code=1))
    note = ("haihe-cloud ledger acknowledge", STATION, "--who", "Wang", *where)
    holds("haihe-cloud ledger acknowledge", printed(*note), printed(*note))
    holds("haihe-cloud ledger show", shown, all_shown, printed("haihe-cloud ledger show", *day, *where))
    with sqlite3.connect(series) as raw:
        raw.execute("DELETE FROM reading WHERE number=5")
    raw.close()
    holds("haihe-cloud ledger audit", printed("haihe-cloud ledger audit", *where, code=1))
    holds("haihe-cloud ledger renew", printed("haihe-cloud ledger renew", *where))
    store.close()


def test_alarms_are_listed_and_answered_as_the_page_says(
    printed: Printed, box: Path, database: SqliteDatabase, tmp_path: Path
) -> None:
    centre = Centre(database, tmp_path, read_rules(RULES))
    centre.send((0, 5.5), (1, 5.6))
    centre.close()
    where = ("--config", box)
    holds("haihe-cloud alarm list", printed("haihe-cloud alarm list", *where, code=1))
    (alarm,) = printed("haihe-cloud alarm list", *where, code=1)["alarms"]
    holds("haihe-cloud alarm answer", printed("haihe-cloud alarm answer", alarm["id"], "--who", "Wang", *where))
    holds("haihe-cloud alarm list", printed("haihe-cloud alarm list", *where))


def test_a_quarantine_is_looked_at_and_emptied_as_the_page_says(
    printed: Printed, box: Path, database: SqliteDatabase
) -> None:
    where = ("--config", box)
    ledger = Ledger(database, centre="haihe", clock=SystemClock())
    newer = data([1, 2, 4, 5], bodies={5: Unread(b"\x93\x63\x01\x02")})
    name = topic.up(STATION, 1)
    ledger.quarantine([Refusal(name, STATION, "a test", each, T0) for each in (newer, b"noise")])
    listed = printed("haihe-cloud quarantine list", *where)
    holds("haihe-cloud quarantine list", listed)
    shown = [printed("haihe-cloud quarantine show", each["id"], *where) for each in listed["quarantine"]]
    holds("haihe-cloud quarantine show", *shown)
    tried = printed("haihe-cloud quarantine retry", "--all", "--wait", "0", *where, code=1)
    assert tried["waiting"]
    holds("haihe-cloud quarantine retry", tried, shown_elsewhere=("refused[]",))
    number = listed["quarantine"][0]["id"]
    dropped = printed("haihe-cloud quarantine drop", number, "--why", "a test", "--yes", *where)
    holds("haihe-cloud quarantine drop", dropped)
    holds("haihe-cloud quarantine list --gone", printed("haihe-cloud quarantine list", "--gone", *where))


def test_a_backup_and_its_restore_are_told_as_the_page_says(
    printed: Printed, box: Path, database: SqliteDatabase, tmp_path: Path
) -> None:
    where, copy = ("--config", box), tmp_path / "copy"
    Whole(database, store := SqliteStore(box.parent / "data" / "series.db")).send(batch([1, 2, 3]))
    store.close()
    holds("haihe-cloud backup", printed("haihe-cloud backup", copy, "--keys", *where))
    holds("haihe-cloud backup", printed("haihe-cloud restore", copy, "--check", *where))
    holds("haihe-cloud restore", printed("haihe-cloud restore", copy, "--force", "--keys", *where))


def test_a_river_a_balance_and_worlds_are_told_as_the_page_says(printed: Printed) -> None:
    holds("haihe-sim river", printed("haihe-sim river", "--hours", "1"))
    named = [Named(STATION, LEVEL, T0, 1.5)]
    played = Outcome(Sheet(lost=named, doubles=named, unexplained=named), Measured(kills=["edge"]), 1, 1)
    holds("haihe-sim demo", played.facts())
    broken = Day(1, "a promise", {"cut": 1}, 1, ["it rained"])
    holds("haihe-sim world", facts(Report(1, 1, 1.0, broken.hits, ["cut"], [broken])))
    hunts = [Hunt("a bug", True, seed, "why", 1, 1.0) for seed in (1, None)]
    holds("haihe-sim world --mutate", hunted(hunts))
