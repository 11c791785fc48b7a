"""How long a journal lasts is told before the station runs, and is what really happens."""

import json
from pathlib import Path

import pytest
from haihe_contract.quantity import size_bytes
from haihe_contract.record import Dictionary, Opened, Readings
from haihe_edge.cli import main
from haihe_edge.field import lasting
from haihe_edge.journal import Folder, Journal, Rhythm, appetite
from haihe_edge.site.written import WrittenJournal

from tests.clocks import HandClock

ROOT = Path(__file__).parents[3]
PROFILES = str(ROOT / "firmware_profiles")
T0 = 1_790_000_000_000
DAY_MS = lasting.DAY_MS
KEYS = [f"water_level.m{n}.instant.0.instrument.dagu" for n in range(20)]
SITE = """
station: {{code: "31005650", name: {{zh: 站, en: station}}, latitude: 39.1, longitude: 117.2}}
buses: [{{kind: tcp, name: net, host: 127.0.0.1, port: 9}}]
instruments: [{{name: radar, profile: geolux-lx-80, bus: net, unit: 1, every: {every}}}]
journal: {{directory: journal, {journal}}}
"""


def checked(folder: Path, capsys: pytest.CaptureFixture[str], *, every: str, journal: str, lang: str = "") -> str:
    file = folder / "site.yaml"
    file.write_text(SITE.format(every=every, journal=journal), "utf-8")
    how = ["--lang", lang] if lang else ["--json"]
    assert main(["check", str(file), "--profiles", PROFILES, *how]) == 0
    return capsys.readouterr().out


def test_the_default_size_holds_two_years_of_twenty_series_at_five_minutes_each_read_by_itself() -> None:
    size = size_bytes(WrittenJournal(directory="journal").size)
    taken = appetite([Rhythm(1, 300_000)] * 20, KEYS, size=size, wait_ms=750)
    assert taken.lasts_ms > 2 * 366 * DAY_MS


@pytest.mark.parametrize("together", [1, 20])
def test_what_is_told_is_what_a_real_journal_writes(tmp_path: Path, together: int) -> None:
    clock = HandClock(T0)
    size = 1 << 22
    journal = Journal.open(
        Folder(tmp_path),
        size=size,
        clock=clock,
        entropy=lambda: 7,
        dictionary=Dictionary(KEYS),
        opened=lambda line, last, ms, closed: Opened(T0, "b", 5, 5, line, last, ms, 1000, closed, "0", "s"),
    )
    while clock.ms < T0 + 4 * DAY_MS / together:
        clock.ms += 300_000
        for at in range(0, 20, 20 // together):
            numbers = list(range(at, at + 20 // together))
            journal.append(Readings(clock.ms + at, 5, numbers, [clock.ms % 9973 / 1000] * len(numbers)))
            journal.commit()
    real = sum(path.stat().st_size for path in tmp_path.glob("*.journal")) / ((clock.ms - T0) / DAY_MS)
    told = appetite([Rhythm(20 // together, 300_000)] * together, KEYS, size=size, wait_ms=750).bytes_per_day
    assert real == pytest.approx(told, rel=0.06)
    journal.close()


def test_check_tells_how_long_the_journal_lasts_and_what_the_card_has_to_bear(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = json.loads(checked(tmp_path, capsys, every="5min", journal="size: 64MiB"))["journal"]
    assert said["bytes_limit"] == 64 << 20
    assert said["lasts_ms"] == pytest.approx((64 << 20) / said["bytes_per_day"] * DAY_MS)
    assert said["commits_per_day"] == 288
    words = checked(tmp_path, capsys, every="5min", journal="size: 64MiB", lang="en")
    assert f"the journal lasts {lasting.said_days(said['lasts_ms'])} days" in words
    assert "天" in checked(tmp_path, capsys, every="5min", journal="size: 64MiB", lang="zh")


def test_a_wish_that_the_size_cannot_meet_is_worth_a_look_and_the_size_that_would_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = json.loads(checked(tmp_path, capsys, every="1s", journal="size: 64MiB, lasts: 30d"))
    (problem,) = said["problems"]
    assert problem["line"] == 5
    needed = problem["what"].split("size: ")[1].split()[0]
    assert json.loads(checked(tmp_path, capsys, every="1s", journal=f"size: {needed}, lasts: 30d"))["problems"] == []
    assert "日志" in checked(tmp_path, capsys, every="1s", journal="size: 64MiB, lasts: 30d", lang="zh")


def test_a_plan_that_wears_the_card_out_is_worth_a_look_and_the_window_that_spares_it_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = json.loads(checked(tmp_path, capsys, every="1s", journal="writes_most: 100MiB"))
    (problem,) = said["problems"]
    window = problem["what"].split("window: ")[1].split()[0]
    spared = checked(tmp_path, capsys, every="1s", journal=f"writes_most: 100MiB, window: {window}")
    assert json.loads(spared)["problems"] == []
    assert "measure less often" in checked(tmp_path, capsys, every="1s", journal="writes_most: 1MiB", lang="en")
