"""The book on the command line: figures, gaps, audit, imports; in both languages, with the exit code that fits."""

import json
import re
import sqlite3
from pathlib import Path

import pytest
from haihe_cloud.limits import LINES_SHOWN
from haihe_cloud.settings import load_settings
from haihe_cloud.sql.sqlite import SqliteDatabase
from haihe_cloud.store.sqlite import SqliteStore

from tests.cloud.samples import LEVEL, LINE, STATION, T0, arrival, batch, gap, opened
from tests.cloud.service.test_commands import Run, box, run
from tests.cloud.whole import Whole

__all__ = ["box", "run"]


@pytest.fixture
def whole(box: Path) -> Whole:
    settings = load_settings(box)
    made = Whole(SqliteDatabase(Path(settings.data) / "haihe.db"), SqliteStore(Path(settings.data) / "series.db"))
    made.send(batch([1, 2, 3, 4, 5, 6, 12], head=30, bodies={12: gap(LINE, (7, 9), cause="no_space")}))
    return made


def test_show_tells_the_day_its_rates_and_the_lines(run: Run, box: Path, whole: Whole) -> None:
    day = "2026-09-21"  # of the samples
    said = run("ledger", "show", STATION, "--day", day, "--config", box, "--lang", "zh")
    assert said.code == 0
    assert "到报率" in said.out
    assert LEVEL in said.out
    found = json.loads(run("ledger", "show", STATION, "--day", day, "--config", box, "--json").out)
    (figures,) = found["days"]
    level = figures["series"][LEVEL]
    assert (level["arrived"], level["in_time"], level["valid"]) == (3, 3, 3)
    assert level["expected"] == level["arrived"] + sum(each["count"] for each in level["missing"])
    assert figures["known"]
    all_stations = run("ledger", "show", "--day", day, "--config", box, "--lang", "en")
    assert (all_stations.code, STATION in all_stations.out) == (0, True)


def test_a_station_that_never_spoke_is_shown_with_nought_percent(run: Run, box: Path) -> None:
    run("station", "add", "31005699", "--config", box)
    said = run("ledger", "show", "--config", box, "--lang", "en")
    assert "0.0 %" in said.out
    assert json.loads(run("ledger", "show", "--config", box, "--json").out)["days"][0]["arrival_rate"] == 0.0
    assert "0 %" in run("ledger", "show", "31005699", "--config", box, "--lang", "zh").out


def test_readings_without_a_duty_are_not_called_nothing(run: Run, box: Path, whole: Whole) -> None:
    code = "31005698"
    run("station", "add", code, "--config", box)
    Whole(whole.database, whole.store, station=code).send(batch([2, 4, 5], station=code))
    said = run("ledger", "show", code, "--day", "2026-09-21", "--config", box, "--lang", "en").out
    assert "nothing can be counted" in said
    assert "nothing has arrived" not in said


def test_a_day_that_is_none_and_a_station_that_is_none_are_said(run: Run, box: Path) -> None:
    said = run("ledger", "show", "--day", "yesterday", "--config", box, "--lang", "zh")
    assert (said.code, said.err.splitlines()[0]) == (2, "'yesterday' 不是日期")
    assert said.err.splitlines()[2].startswith("  处理  例如")
    for what in ("show", "gaps", "audit"):
        assert run("ledger", what, "31005699", "--config", box).code == 1, what
    assert run("ledger", "audit", "31005699", "--config", box, "--lang", "zh").err.startswith("台账中没有测站 31005699")


def test_figures_of_a_day_that_is_not_over_say_until_when_they_are(run: Run, box: Path) -> None:
    said = run("ledger", "show", "--config", box, "--lang", "en").out.splitlines()[0]
    assert re.fullmatch(r"day \S+, from 08:00 Beijing time( until \d\d:\d\d, ten minutes ago)?", said)
    over = run("ledger", "show", "--day", "2026-05-01", "--config", box, "--lang", "en").out.splitlines()[0]
    assert over == "day 2026-05-01, from 08:00 Beijing time"


def test_a_store_that_is_no_database_is_said_without_a_trace(run: Run, box: Path, whole: Whole) -> None:
    path = Path(load_settings(box).data) / "series.db"
    whole.store.close()
    whole.database.close()
    for beside in path.parent.glob("series.db*"):
        beside.unlink()
    path.write_bytes(b"no database" * 1000)
    for command in (("ledger", "audit"), ("run",)):
        said = run(*command, "--config", box, "--lang", "zh")
        assert said.code == 1
        assert said.err.splitlines()[0].endswith("series.db:不是数据库文件")


def test_what_is_lost_on_a_line_that_is_listed_no_more_is_said_all_the_same(run: Run, box: Path, whole: Whole) -> None:
    whole.send(batch([], head=30, tail=31))
    assert run("ledger", "show", STATION, "--config", box).code == 1
    whole.ledger.take([arrival([1], line=n + 100, received_ms=T0 + n) for n in range(1, LINES_SHOWN + 1)])
    said = run("ledger", "show", STATION, "--config", box, "--json")
    assert said.code == 1
    assert json.loads(said.out)["lost"] == 20


def test_gaps_names_ranges_state_and_cause(run: Run, box: Path, whole: Whole) -> None:
    said = run("ledger", "gaps", "--config", box, "--lang", "zh")
    assert said.code == 0
    for word in ("7-9", "站报缺口", "空间不足", "13-30", "待收"):
        assert word in said.out
    found = json.loads(run("ledger", "gaps", STATION, "--config", box, "--json").out)
    assert [(each["first"], each["last"], each["state"]) for each in found["gaps"]] == [
        (7, 9, "gap"), (10, 11, "awaited"), (13, 30, "awaited"),
    ]  # fmt: skip
    whole.send(batch([], head=30, tail=20))
    assert run("ledger", "gaps", "--config", box).code == 1, "some are lost"


def test_audit_agrees_or_names_the_disagreement(run: Run, box: Path, whole: Whole) -> None:
    said = run("ledger", "audit", "--config", box, "--lang", "en")
    assert (said.code, said.out.endswith("store and ledger agree\n")) == (0, True)
    with sqlite3.connect(Path(load_settings(box).data) / "series.db") as raw:
        raw.execute("DELETE FROM reading WHERE number=5")
    raw.close()
    said = run("ledger", "audit", STATION, "--config", box, "--lang", "zh")
    assert (said.code, "库中缺读数" in said.out) == (1, True)
    found = json.loads(run("ledger", "audit", "--config", box, "--json").out)
    assert found["stations"][0]["disagreements"] == [
        {"line": f"{LINE:016x}", "first": 5, "last": 5, "kind": "missing", "time_ms": None}
    ]


def test_a_rolled_back_card_is_shown_and_the_exit_code_says_so(run: Run, box: Path, whole: Whole) -> None:
    whole.send(batch([1, 2], line=99, bodies={1: opened(LINE, 6)}, head=2), received_ms=T0 + 1)
    said = run("ledger", "show", "--config", box, "--lang", "zh")
    assert (said.code, "编号回退" in said.out) == (1, True)


def test_what_somebody_has_taken_note_of_stays_visible_and_ends_with_0_until_there_is_something_new(
    run: Run, box: Path, whole: Whole
) -> None:
    whole.send(batch([1, 2], line=99, bodies={1: opened(LINE, 6)}, head=2), received_ms=T0 + 1)
    whole.send(batch([], head=30, tail=21))
    assert run("ledger", "show", STATION, "--config", box).code == 1
    by = ("--who", "王工", "--why", "the card was set back")
    said = run("ledger", "acknowledge", STATION, *by, "--config", box, "--lang", "en")
    assert said.code == 0
    assert "王工 has taken note of 1 troubles and 10 lost records" in said.out
    shown = run("ledger", "show", STATION, "--config", box, "--lang", "zh")
    assert (shown.code, "编号回退" in shown.out, "王工" in shown.out) == (0, True, True)
    assert "已确认：问题 1 处，丢失记录 10 条" in shown.out
    assert run("ledger", "gaps", "--config", box).code == 0
    found = json.loads(run("ledger", "show", "--config", box, "--json").out)
    (note,) = found["acknowledgements"]
    assert (note["who"], note["why"], note["station"]) == ("王工", "the card was set back", STATION)
    assert [each["acknowledgement"] for each in found["troubles"]] == [note["id"]]
    assert (found["lost"], found["lost_acknowledged"]) == (10, 10)
    again = json.loads(run("ledger", "acknowledge", STATION, *by, "--config", box, "--json").out)
    assert (again["acknowledgement"], again["troubles"], again["lost"]) == (None, [], [])
    whole.send(batch([], head=30, tail=23))
    assert run("ledger", "show", "--config", box).code == 1, "two more are lost"
    assert run("ledger", "gaps", "--config", box).code == 1


def test_taking_note_needs_a_name_and_a_station_that_is_one(run: Run, box: Path, whole: Whole) -> None:
    for code, who in ((STATION, " "), (STATION, "x" * 101), ("31009999", "Wang")):
        said = run("ledger", "acknowledge", code, "--who", who, "--config", box, "--lang", "zh")
        assert said.code == 1
        assert "Traceback" not in said.err
        assert "nobody" not in said.err


def test_a_table_of_stations_is_tried_then_imported_then_nothing_new(run: Run, box: Path, tmp_path: Path) -> None:
    table = tmp_path / "stations.csv"
    table.write_text("站码,站名,启用日期\n31005650,三岔口,2026-05-01\n31005651,中洲,\n", "utf-8")
    tried = run("station", "import", table, "--dry-run", "--config", box, "--lang", "zh")
    assert (tried.code, tried.out.splitlines()[-1]) == (0, "未作改动：将新增 2 站，变更 0 站，0 站不变")
    assert json.loads(run("station", "list", "--config", box, "--json").out)["stations"] == []
    assert json.loads(run("station", "import", table, "--config", box, "--json").out)["new"] == ["31005650", "31005651"]
    again = json.loads(run("station", "import", table, "--config", box, "--json").out)
    assert (again["new"], again["changed"], again["unchanged"]) == ([], [], ["31005650", "31005651"])
    shown = run("station", "show", "31005650", "--config", box, "--lang", "en")
    assert (shown.code, "2026-05-01" in shown.out) == (0, True)
    assert run("station", "show", "31005659", "--config", box).code == 1


def test_faults_of_a_table_are_told_in_chinese_with_their_places(run: Run, box: Path, tmp_path: Path) -> None:
    table = tmp_path / "stations.csv"
    table.write_text("code,latitude,since,level_series\nx,north,soon,level\n", "utf-8")
    said = run("station", "import", table, "--config", box, "--lang", "zh")
    assert said.code == 2
    assert "序列键 'level' 有 1 段" in said.err
    levels = tmp_path / "levels.csv"
    levels.write_text(f"code,level_series,warning,guarantee\n31005651,{LEVEL},9,8\n", "utf-8")
    assert "请对调" in run("station", "import", levels, "--config", box, "--lang", "zh").err
    lines = said.err.splitlines()
    assert lines[0].startswith(f"{table}:2:1: code：'x' 不是站码")
    assert lines[1] == f"{table}:2:2: latitude：应为数，写的是 'north'"
    assert lines[2].startswith(f"{table}:2:3: since：'soon' 不是日期")
