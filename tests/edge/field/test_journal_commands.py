"""``haihe-edge journal``: what people see of a journal that somebody else is writing."""

import contextlib
import csv
import io
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from haihe_contract.clock import beijing_ms
from haihe_contract.quality import Flag, Reason, mark
from haihe_contract.ranges import RangeSet
from haihe_contract.receipt import LineHeld, Receipt
from haihe_contract.record import Dictionary, Event, Gap, Opened, Readings, State, TimeFix, Unread
from haihe_edge.cli import main
from haihe_edge.forward.held import Held
from haihe_edge.journal import Folder, Journal, Look
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clocks import HandClock

ROOT = Path(__file__).parents[3]
T0 = 1_790_000_000_000
LEVEL, RAIN = "water_level.main.instant.0.derived.dagu", "period_rain.main.total.300.derived.-"
SITE = """
station: {code: "31005650", name: {zh: 三岔口, en: Sanchakou}, latitude: 39.1, longitude: 117.2}
buses: [{kind: tcp, name: net, host: 127.0.0.1, port: 9}]
instruments: [{name: radar, profile: geolux-lx-80, bus: net, unit: 1, every: 5min}]
journal: {directory: journal, size: 1MiB}
centres:
  - {name: haihe, host: h, ca: x, certificate: x, key: x, receipt_key: x}
  - {name: river, host: h, ca: x, certificate: x, key: x, receipt_key: x, required: false}
"""


def start(directory: Path, clock: HandClock, *, seed: int, grade: int = 5, size: int = 1 << 20) -> Journal:
    chance = random.Random(seed)
    return Journal.open(
        Folder(directory),
        size=size,
        clock=clock,
        entropy=lambda: chance.getrandbits(64),
        dictionary=Dictionary([LEVEL, RAIN]),
        opened=lambda line, last, ms, closed: Opened(
            clock.ms, f"boot-{seed}", 9_000, grade, line, last, ms, 1000, closed, "0.1", "site"
        ),
    )


def filled(directory: Path) -> Journal:
    """Two lines: one with a centre's receipts and a gap, and one that is still being written."""
    clock = HandClock(T0)
    first = start(directory, clock, seed=1)
    for n in range(100):
        clock.ms += 300_000
        first.append(Readings(clock.ms, 5, [0, 1], [n / 1000, None], [1, mark(Flag.MISSING, Reason.TIMEOUT)]))
        first.commit()
    first.append(Gap(first.line, [(1000, 1009)], "memory_full", clock.ms))
    first.close()
    for name, last in (("haihe", 50), ("river", 20)):
        held = Held(directory / f"receipts-{name}")
        held.take(Receipt(1, name, 1, "31005650", T0, [LineHeld(first.line, [(1, last)])]))
        held.save()
    second = start(directory, clock, seed=2)
    second.append(Event(clock.ms, 5, "level_raised", 0, 4.6, {"level": "warning"}), urgent=True)
    second.append(TimeFix("boot-0", T0, 1500, 4, clock.ms))
    second.append(State("counter rain", {"value": 1.0}, clock.ms, 5))
    second.append(Readings(77_000, 0, [0], [9.5]))
    second.commit()
    return second


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.yaml"
    file.write_text(SITE, "utf-8")
    return file


def run(capsys: pytest.CaptureFixture[str], *words: str, lang: str = "en") -> tuple[int, str, str]:
    code = main(["journal", *words, "--lang", lang, "--profiles", str(ROOT / "firmware_profiles")])
    said = capsys.readouterr()
    return code, said.out, said.err


def answered(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code, out, _ = run(capsys, *words, "--json")
    return code, json.loads(out)


def test_stats_say_what_is_here_what_each_centre_holds_and_what_is_gone_and_why(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = filled(site.parent / "journal")
    code, said = answered(capsys, "stats", str(site))
    assert code == 1  # ten records went because memory was full
    first, second = said["lines"]
    assert (first["records"], first["held"]) == (103, {"haihe": 50, "river": 20})
    assert first["gone"] == {"memory_full": 10, "unnamed": 896}  # 104..999 were never written
    assert (second["line"], second["records"], second["gone"]) == (f"{journal.line:016x}", 6, {})
    assert said["records"] == 109
    assert said["oldest_ms"] == T0
    assert said["newest_ms"] == T0 + 100 * 300_000
    assert said["bytes"] == sum(path.stat().st_size for path in site.parent.glob("journal/*.journal"))
    assert said["measured"]
    day = 86_400_000
    first_bytes = next(line["bytes"] for line in said["lines"])
    assert said["bytes_per_day"] == pytest.approx(first_bytes * day / (100 * 300_000), rel=0.1)
    assert said["lasts_days"] == pytest.approx((1 << 20) / said["bytes_per_day"], rel=0.01)


@pytest.mark.parametrize("words", [("stats",), ("stats", "--json"), ("show",), ("export",)])
def test_a_file_whose_name_is_no_text_is_said_and_starts_and_shows_all_the_same(
    site: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    directory = site.parent / "journal"
    directory.mkdir()
    Path(os.fsdecode(os.fsencode(directory) + b"/00000001-\xff.journal")).touch()
    journal = start(directory, HandClock(T0), seed=1)
    journal.close()
    _, out, err = run(capsys, words[0], str(site), *words[1:])
    assert "00000001-\\" in out + err
    told = [r.body for r in journal.read(journal.line, RangeSet.of((1, 9))) if isinstance(r.body, Event)]
    assert [(each.kind, each.detail["file"]) for each in told] == [("journal_damaged", "00000001-\\udcff.journal")]


def test_what_was_freed_after_its_receipt_is_not_called_lost(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = site.parent / "journal"
    clock = HandClock(T0)
    journal = start(directory, clock, seed=1, size=200_000)
    held = Held(directory / "receipts-haihe")
    while journal.files_freed < 3:
        clock.ms += 1000
        journal.append(Readings(clock.ms, 5, [0, 1], [1.0, 2.0]))
        journal.commit()
        held.take(Receipt(1, "haihe", 1, "31005650", T0, [LineHeld(journal.line, [(1, journal.head)])]))
        journal.settle(held.lines)
    held.save()
    code, said = answered(capsys, "stats", str(site))
    assert code == 0
    here = next(each for each in journal.extents()).numbers
    assert said["gone"] == {"receipted": here.first - 1}
    assert said["gone"]["receipted"] > 100


def test_what_gave_way_for_space_is_told_as_thinned_and_is_no_fault(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = HandClock(T0)
    journal = start(site.parent / "journal", clock, seed=1, size=200_000)
    while not journal._archive.files_thinned:
        clock.ms += 1000
        journal.append(Readings(clock.ms, 5, [0, 1], [1.0, 2.0]))
        journal.commit()
    code, said = answered(capsys, "stats", str(site))
    assert (code, list(said["gone"])) == (0, ["thinned"])
    assert said["gone"]["thinned"] > 100
    assert run(capsys, "stats", str(site), lang="zh")[1].count("抽稀") == 1


def test_looking_changes_nothing_and_needs_no_lock(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = site.parent / "journal"
    journal = filled(directory)
    (directory / "00000099-00000000000000aa-1.journal").write_bytes(b"")
    (directory / "00000098-00000000000000aa-1.journal.thinned").write_bytes(b"half a copy")
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()}
    for words in (["stats"], ["show"], ["export"]):
        run(capsys, *words, str(site))
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()} == before
    journal.append(Readings(T0, 5, [0], [1.0]))
    assert journal.commit()  # the writer was not disturbed


def test_export_gives_every_reading_once_as_it_was_recorded(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(site.parent / "journal")
    _, out, err = run(capsys, "export", str(site))
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 201
    assert "201 readings" in err
    third = [row for row in rows if row["number"] == "5"]
    when = T0 + 3 * 300_000
    assert [(row["series"], row["value"], row["flag"], row["reasons"]) for row in third] == [
        (LEVEL, "0.002", "1", ""),
        (RAIN, "", "9", "TIMEOUT"),
    ]
    assert beijing_ms(third[0]["time_beijing"][:19]) == when
    assert third[0]["time_beijing"].endswith("+08:00")
    assert third[0]["time_utc"].endswith("Z")
    untimed = rows[-1]
    assert (untimed["time_utc"], untimed["boot_ms"], untimed["grade"]) == ("", "77000", "0")
    _, lines, _ = run(capsys, "export", str(site), "--json")
    assert [str(json.loads(line)["value"]) for line in lines.splitlines()] == [row["value"] for row in rows]


def test_export_to_a_file_never_overwrites_one(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(site.parent / "journal")
    file = site.parent / "out.csv"
    assert run(capsys, "export", str(site), "-o", str(file))[0] == 0
    assert len(file.read_text().splitlines()) == 202
    code, _, err = run(capsys, "export", str(site), "-o", str(file), lang="zh")
    assert code == 1
    assert "文件已存在" in err


def test_filters_choose_by_time_series_line_and_kind(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = filled(site.parent / "journal")
    begin = "2026-09-21 23:00"
    end = "2026-09-22 00:00"
    _, said = answered(capsys, "show", str(site), "--from", begin, "--to", end, "--series", "water_level")
    times = [each["time_ms"] for each in said["records"]]
    assert len(times) == 12
    assert all(beijing_ms(begin) <= each < beijing_ms(end) for each in times)
    assert all([row["series"] for row in each["readings"]] == [LEVEL] for each in said["records"])
    _, said = answered(capsys, "show", str(site), "--kind", "time_fix")
    assert [each["body"]["error_ms"] for each in said["records"]] == [1500]
    _, said = answered(capsys, "show", str(site), "--line", f"{journal.line:016x}"[:6])
    assert [each["number"] for each in said["records"]] == [1, 2, 3, 4, 5, 6]
    assert run(capsys, "show", str(site), "--from", "yesterday")[0] == 2
    assert run(capsys, "show", str(site), "--last", "0")[0] == 2


@pytest.mark.parametrize("last", [1, 7, 100, 108, 109, 110])
def test_show_gives_the_newest_in_their_order_and_says_whether_there_are_more(
    site: Path, capsys: pytest.CaptureFixture[str], last: int
) -> None:
    directory = site.parent / "journal"
    filled(directory)
    look = Look(Folder(directory))
    everything = [(f"{s.line:016x}", r.number) for s in look.segments for _, records in s.groups() for r in records]
    _, said = answered(capsys, "show", str(site), "-n", str(last))
    assert [(each["line"], each["number"]) for each in said["records"]] == everything[-last:]
    assert said["more"] is (last < len(everything))


def test_people_read_every_kind_of_record_in_their_language(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(site.parent / "journal")
    _, english, _ = run(capsys, "show", str(site), "-n", "200")
    _, chinese, _ = run(capsys, "show", str(site), "-n", "200", lang="zh")
    for word in ("opened", "dictionary", "gap", "event", "time_fix", "state", "9.500 m", "77 s of this boot"):
        assert word in english
    for word in ("启动", "测项表", "缺号", "事件", "校时", "状态", "开机后 77 秒", "内存已满", "水位 (dagu)"):
        assert word in chinese


def test_a_card_that_was_taken_out_is_read_without_a_site_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(tmp_path / "card")
    _, said = answered(capsys, "stats", "--journal", str(tmp_path / "card"))
    assert said["held"] == {"haihe": 50, "river": 20}
    assert said["lasts_days"] is None
    code, out, err = run(capsys, "stats", "--journal", str(tmp_path / "nothing"), lang="zh")
    assert (code, out) == (1, "")
    assert "没有这个文件或目录" in err


@pytest.mark.parametrize("command", ["stats", "show", "export"])
def test_a_folder_without_a_journal_is_never_called_a_whole_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    (tmp_path / "notes.txt").write_text("x", "utf-8")
    code, out, err = run(capsys, command, "--journal", str(tmp_path), lang="zh")
    assert (code, out) == (1, "")
    assert "此目录中没有日志" in err


def read_to_the_end(master: int) -> str:
    """What was written to a terminal whose other end is closed: a single reading may give a part of it."""
    said = b""
    with os.fdopen(master, "rb", buffering=0) as end, contextlib.suppress(OSError):
        while part := end.read(65536):
            said += part
    return said.decode()


def test_a_long_export_says_on_a_terminal_how_far_it_is_and_leaves_only_its_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path / "card")
    master, slave = os.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        code, _, _ = run(
            capsys, "export", "--journal", str(tmp_path / "card"), "--output", str(tmp_path / "a.csv"), lang="zh"
        )
    said = read_to_the_end(master)
    assert code == 0
    assert "第 1 个文件，共 2 个" in said
    assert said.rpartition("\r\033[K")[2].endswith(" 个测值\r\n")


@settings(max_examples=25)
@given(data=st.data())
def test_damage_anywhere_never_stops_the_look_and_costs_only_what_it_touched(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    filled(directory).close()
    whole = _everything(directory)
    path = data.draw(st.sampled_from(sorted(directory.glob("*.journal"))))
    path.chmod(0o640)
    raw = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        raw[at] ^= data.draw(st.integers(1, 255))
    else:
        del raw[at:]
    path.write_bytes(raw)
    left = _everything(directory)
    assert left <= whole
    for words in (["stats"], ["show", "-n", "10000"], ["export"], ["export", "--json"]):
        assert main(["journal", *words, "--journal", str(directory), "--lang", "en"]) in (0, 1)


def _everything(directory: Path) -> set[tuple[int, int, str]]:
    look = Look(Folder(directory))
    return {
        (segment.line, record.number, repr(record.body))
        for segment in look.segments
        for _, records in look.groups(segment)
        for record in records
    }


def test_a_file_that_is_freed_while_it_is_read_is_passed_over(tmp_path: Path) -> None:
    filled(tmp_path)
    look = Look(Folder(tmp_path))
    for path in tmp_path.glob("*.journal"):
        path.unlink()
    assert [list(look.groups(segment)) for segment in look.segments] == [[], []]
    assert look.passed == []


def test_a_record_that_only_a_newer_version_knows_is_shown_as_bytes_and_hides_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = start(tmp_path, HandClock(T0), seed=1)
    journal.append(Unread(b"\x93\x63\x01\x02"))
    journal.append(Readings(T0, 5, [0], [1.5]))
    journal.close()
    code, said = answered(capsys, "show", "--journal", str(tmp_path))
    assert code == 0
    assert said["records"][-2]["body"] == {"hex": "93630102"}
    assert [each["kind"] for each in said["records"]] == ["opened", "dictionary", "unread", "readings"]
    assert "4 字节" in run(capsys, "show", "--journal", str(tmp_path), lang="zh")[1]


def test_the_id_of_an_older_line_is_told_to_programs_with_all_its_digits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = HandClock(T0)
    first = start(tmp_path, clock, seed=1)
    first.close()
    journal = Journal.open(
        Folder(tmp_path), size=1 << 20, clock=clock, entropy=lambda: 7, dictionary=Dictionary([]),
        opened=lambda line, last, ms, closed: Opened(
            T0, "b", 1, 5, line, last, ms, 1000, closed, "0", "s", [(line, 1, last)]
        ),
    )  # fmt: skip
    journal.close()
    said = answered(capsys, "show", "--journal", str(tmp_path), "--kind", "opened")[1]
    opened = said["records"][-1]["body"]
    assert opened["lines"] == [[opened["previous"], 1, opened["previous_last"]]]
    assert opened["previous"] == f"{first.line:016x}"


@pytest.mark.parametrize("words", [("stats",), ("show",), ("show", "--json"), ("export",), ("export", "--json")])
def test_what_is_shown_or_exported_without_a_file_that_cannot_be_read_is_never_called_well(
    site: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    directory = site.parent / "journal"
    journal = start(directory, HandClock(T0), seed=1)
    journal.append(Readings(T0, 5, [0], [1.5]))
    journal.close()
    assert run(capsys, words[0], str(site), *words[1:])[0] == 0
    os.mkfifo(directory / "00000009-00000000000000aa-1.journal")
    code, out, err = run(capsys, words[0], str(site), *words[1:], lang="zh")
    assert code == 1
    assert "00000009-00000000000000aa-1.journal: 这是管道或设备，不是文件" in out + err
