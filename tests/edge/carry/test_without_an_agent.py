"""``haihe-edge bundle`` on a card whose agent is dead."""

import json
import os
from pathlib import Path

import msgspec
import pytest
from haihe_cloud.admit.pki import Pki
from haihe_contract.bundle import write_receipts
from haihe_contract.clock import beijing
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import Readings, Record, State
from haihe_contract.restore import SITE
from haihe_edge.cli import main
from haihe_edge.forward.held import Held
from haihe_edge.remember.site_states import BUDGET
from haihe_edge.remember.site_states import packed as packed_site
from haihe_edge.site import load_site
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.clocks import HandClock
from tests.edge.carry.carried import (
    CODE,
    MINUTE,
    T0,
    Bundle,
    bundles_in,
    fill,
    in_bundles,
    in_journal,
    numbers_of,
    receipts_file,
    site_in,
)
from tests.edge.field.test_journal_commands import start


def test_a_card_whose_agent_is_dead_gives_up_every_number_and_receipts_go_into_what_lies_beside_it(
    site: Path, stick: Path, tmp_path: Path, pki: Pki, bundle: Bundle
) -> None:
    directory = site.parent / "journal"
    fill(directory, groups=30).close()
    died = fill(directory, groups=30, seed=2)
    died.commit()
    died._disk.leave()  # the power was cut
    code, said = bundle("write", site, "--to", stick)
    assert (code, said["running"], said["ok"]) == (0, False, True)
    assert in_bundles(stick.iterdir()) == in_journal(directory)
    assert (said["bundles"][0]["from_ms"], said["bundles"][0]["to_ms"]) == (T0, T0 + 30 * MINUTE)
    lines = numbers_of(in_journal(directory))
    part = {line: RangeSet.of((1, 400)) for line in lines}
    file = receipts_file(tmp_path / "back.receipts", pki, part)
    code, said = bundle("receipts", file, "--site", site)
    here = sum(numbers.count() for numbers in lines.values())
    assert code == 0
    assert said["centres"] == [{"name": "haihe", "receipts": 2, "new": 800, "here": here, "waiting": here - 800}]
    assert Held(directory / "receipts-haihe").lines == part
    again = tmp_path / "again"
    again.mkdir()
    code, said = bundle("write", site, "--to", again)
    assert (said["bundles"][0]["held"], said["bundles"][0]["records"]) == (800, here - 800)
    rest = numbers_of(in_bundles(again.iterdir()))
    assert {line: numbers - RangeSet.of((2, 2)) for line, numbers in rest.items()} == {
        line: numbers - part[line] for line, numbers in lines.items()
    }
    code, said = bundle("receipts", file, "--site", site)
    assert said["centres"][0]["new"] == 0
    every = receipts_file(tmp_path / "all.receipts", pki, lines)
    bundle("receipts", every, "--site", site)
    code, said = bundle("write", site, "--to", again)
    assert (code, said["bundles"][0]["files"]) == (0, [])
    code, said = bundle("write", site, "--to", again, "--all")
    assert said["bundles"][0]["records"] == here


def test_two_bundles_that_overlap_say_the_same_of_every_number(site: Path, stick: Path, bundle: Bundle) -> None:
    directory = site.parent / "journal"
    journal = fill(directory, groups=40)
    journal.commit()
    bundle("write", site, "--to", stick)
    journal.close()
    code, _ = bundle("write", site, "--to", stick)
    assert code == 0
    assert len(list(stick.iterdir())) == 2, "none takes the place of another"
    heads = [each.head.bundle for each in bundles_in(stick.iterdir())]
    assert len(set(heads)) == 2
    assert in_bundles(stick.iterdir()) == in_journal(directory)


def test_what_was_recorded_from_then_on_is_all_that_is_carried_and_what_has_no_time_goes_with_it(
    site: Path, stick: Path, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = site.parent / "journal"
    clockless = start(directory, HandClock(5_000), seed=9, grade=0)
    clockless.append(Readings(77_000, 0, [0], [9.5]))
    clockless.close()
    fill(directory, groups=60, each=5).close()
    begin, end = T0 + 20 * MINUTE, T0 + 40 * MINUTE
    code, _ = bundle("write", site, "--to", stick, "--from", beijing(begin), "--until", beijing(end))
    assert code == 0
    carried = in_bundles(stick.iterdir())
    records = [msgspec.msgpack.decode(each, type=Record) for each in carried.values()]
    times = [each.body.time_ms for each in records if isinstance(each.body, Readings) and each.body.grade]
    assert (min(times), max(times), len(times)) == (begin, end - MINUTE + 4, 20 * 5)
    assert numbers_of(carried)[clockless.line] == numbers_of(in_journal(directory))[clockless.line]
    assert main(["bundle", "write", str(site), "--to", str(stick), "--from", "soon", "--lang", "zh"]) == 2
    assert "'soon' 不是时刻" in capsys.readouterr().err


def test_a_damaged_file_of_the_journal_takes_only_its_own_records_and_is_said(
    site: Path, stick: Path, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = site.parent / "journal"
    fill(directory, groups=800).close()
    files = sorted(directory.glob("*.journal"))
    assert len(files) > 2
    whole = in_journal(directory)
    data = bytearray(files[1].read_bytes())
    data[len(data) // 2] ^= 0xFF
    files[1].chmod(0o640)
    files[1].write_bytes(data)
    files[2].chmod(0o640)
    files[2].write_bytes(b"")
    code, said = bundle("write", site, "--to", stick)
    carried, verifies = in_bundles(stick.iterdir()), in_journal(directory)
    assert code == 1
    assert carried == verifies
    assert len(verifies) < len(whole)
    assert [each["name"] for each in said["unusable"]] == [files[2].name]
    assert said["bundles"][0]["unread"] == 20, "one commit of the file whose seal says more than verifies"
    assert main(["bundle", "write", str(site), "--to", str(stick), "--lang", "zh"]) == 1
    shown = capsys.readouterr()
    assert f"{files[2].name}: 空文件" in shown.err
    assert "20 条记录已无法从日志文件中读出" in shown.err
    assert "没有全部写入 U 盘，见上" in shown.out


def test_a_new_card_is_told_by_files_beside_the_journal_and_where_they_are_lost_by_its_records(
    site: Path, stick: Path, bundle: Bundle
) -> None:
    directory = site.parent / "journal"
    journal = fill(directory, groups=30)
    for n, used in enumerate((1_000, 2_000, 3_000)):
        journal.append(State(BUDGET + "haihe", {"from_ms": T0, "bytes": used}, T0 + n, 5))
    journal.close()
    bundle("write", site, "--to", stick)
    told = {state.name: state for each in bundles_in(stick.iterdir()) for state in each.states}
    assert told.keys() == {SITE, BUDGET + "haihe"}
    assert (told[BUDGET + "haihe"].value["bytes"], told[BUDGET + "haihe"].time_ms) == (3_000, T0 + 2)
    (directory / "budget-haihe.json").write_bytes(msgspec.json.encode({"from_ms": T0, "bytes": 4_000}))
    for path in stick.iterdir():
        path.unlink()
    bundle("write", site, "--to", stick)
    told = {state.name: state for each in bundles_in(stick.iterdir()) for state in each.states}
    assert told[BUDGET + "haihe"].value["bytes"] == 4_000


def test_what_keeps_a_bundle_from_being_written_is_said_before_anything_is_written(
    site: Path, stick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*words: object, lang: str = "zh") -> str:
        assert main(["bundle", "write", *map(str, words), "--lang", lang]) == 1
        return capsys.readouterr().err

    assert "没有这个目录" in refused(site, "--to", tmp_path / "none")
    assert "没有这个目录" in refused(site, "--to", site)
    assert "无法读取日志：没有这个文件或目录" in refused(site, "--to", stick)
    (site.parent / "journal").mkdir()
    assert "there is no journal in this folder" in refused(site, "--to", stick, lang="en")
    fill(site.parent / "journal", groups=3).close()
    assert "配置文件中没有中心 river" in refused(site, "--to", stick, "--centre", "river")
    text = site.read_text("utf-8")
    site.write_text(text.replace("receipt_key:", "required: false, receipt_key:"), "utf-8")
    assert "请用 --centre 指定：haihe" in refused(site, "--to", stick)
    key = next(part for part in text.split("key: ") if part.startswith("/")).split(",")[0]
    site.write_text(text.replace(f" key: {key}", f" key: {tmp_path}/none.key"), "utf-8")
    assert "无法读取测站密钥：没有这个文件或目录" in refused(site, "--to", stick)
    site.write_text(text.replace(f"{CODE}.key", "31005651.key"), "utf-8")
    assert "测站密钥无法使用：证书与密钥不配对" in refused(site, "--to", stick)
    site.write_text(text.replace(f"{CODE}.key", "31005651.key").replace(f"{CODE}.pem", "31005651.pem"), "utf-8")
    assert main(["bundle", "write", str(site), "--to", str(stick), "--lang", "zh"]) == 0
    assert "可能拒绝此密钥的签名：其证书属于 31005651，不是测站 31005650" in capsys.readouterr().err


def test_receipts_without_an_agent_are_believed_only_from_the_centre_and_an_agent_that_starts_just_now_is_left_alone(
    site: Path, tmp_path: Path, pki: Pki, bundle: Bundle
) -> None:
    directory = site.parent / "journal"
    journal = fill(directory, groups=3)
    journal.commit()
    lines = {journal.line: RangeSet.of((1, 10))}
    good = receipts_file(tmp_path / "good", pki, lines)
    code = main(["bundle", "receipts", str(good), "--site", str(site)])
    assert code == 1, "the lock of the journal is taken"
    assert not (directory / "receipts-haihe").exists()
    journal.close()
    forged = bytearray(good.read_bytes())
    forged[12] ^= 1
    (tmp_path / "forged").write_bytes(forged)
    os.mkfifo(tmp_path / "pipe")
    code, said = bundle("receipts", tmp_path / "forged", tmp_path / "none", tmp_path / "pipe", "--site", site)
    assert code == 1
    assert [each["what"] for each in said["refused"]] == [
        "the file cannot be read: No such file or directory",
        "it is a pipe or a device, and no file",
        "a receipt was not accepted: the signature is not of the centre's receipt key",
    ]
    assert Held(directory / "receipts-haihe").of(journal.line) == EMPTY
    code, said = bundle("receipts", tmp_path / "forged", good, "--site", site)
    assert (code, said["centres"][0]["new"]) == (1, 10), "the good one counts"
    code, said = bundle("write", site, "--to", tmp_path)
    assert said["bundles"][0]["held"] == 10


def test_what_a_bundle_and_receipts_are_is_shown_and_whether_anybody_vouches_for_them(
    site: Path, stick: Path, tmp_path: Path, pki: Pki, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = site.parent / "journal"
    journal = fill(directory, groups=3)
    journal.close()
    bundle("write", site, "--to", stick)
    (file,) = stick.iterdir()
    lines = numbers_of(in_journal(directory))
    told = receipts_file(tmp_path / "told", pki, lines)
    assert main(["bundle", "show", str(file), str(told), "--site", str(site), "--lang", "en"]) == 0
    shown = capsys.readouterr().out
    count = lines[journal.line].count()
    assert f"bundle of station {CODE} for haihe, made " in shown
    assert "file 1, the last" in shown
    assert f"line {journal.line:016x}: {count} records, 1 to {count}" in shown
    assert "the signature holds, and its key is the station's" in shown
    assert f"receipt of haihe for station {CODE}, " in shown
    code, said = bundle("show", file, told, "--site", tmp_path / "none.yaml")
    assert code == 0
    assert said["files"][0]["bundle"]["vouched"] is False
    assert said["files"][1]["receipts"][0]["signed"] is None
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    forged = bytearray(told.read_bytes())
    forged[12] ^= 1
    told.write_bytes(forged)
    assert main(["bundle", "show", str(file), str(told), str(site), "--site", str(site), "--lang", "zh"]) == 1
    shown = capsys.readouterr().out
    assert "签名不符：途中损坏或被改动" in shown
    assert "签名无效" in shown
    assert "这不是数据包" in shown


def test_a_card_that_was_taken_out_is_carried_by_the_site_file_and_keys_that_are_here(
    site: Path, stick: Path, tmp_path: Path, bundle: Bundle
) -> None:
    directory = site.parent / "journal"
    fill(directory, groups=10).close()
    (directory / "budget-haihe.json").write_bytes(msgspec.json.encode({"from_ms": T0, "bytes": 4_000}))
    card = tmp_path / "card"
    directory.rename(card)
    for path in card.iterdir():
        path.chmod(0o440)
    before = {path.name: path.read_bytes() for path in card.iterdir()}
    code, said = bundle("write", site, "--to", stick, "--journal", card)
    assert (code, said["running"]) == (0, False)
    assert in_bundles(stick.iterdir()) == in_journal(card)
    told = {state.name for each in bundles_in(stick.iterdir()) for state in each.states}
    assert told == {SITE, BUDGET + "haihe"}
    assert {path.name: path.read_bytes() for path in card.iterdir()} == before
    assert not directory.exists()


def test_a_card_of_another_station_is_not_carried_as_this_one(
    site: Path, stick: Path, tmp_path: Path, pki: Pki, bundle: Bundle
) -> None:
    other = load_site(site_in(tmp_path / "other", pki, code="31005651"))
    card = tmp_path / "card"
    journal = fill(card, groups=3)
    journal.append(State(SITE, packed_site(other), T0, 1))
    journal.commit()
    journal.close()
    code, said = bundle("write", site, "--to", stick, "--journal", card)
    assert code == 1
    assert said["what"] == f"this is the journal of station 31005651, and the site file is that of {CODE}"
    assert not list(stick.iterdir())
    code, said = bundle("write", other.file, "--to", stick, "--journal", card)
    assert (code, said["station"]) == (0, "31005651")


@given(
    data=st.binary(max_size=200),
    what=st.sampled_from(["as it is", "a bundle", "receipts", "a receipt"]),
    at=st.integers(0, 400),
    change=st.integers(1, 255),
)
@example(data=b"", what="receipts", at=79, change=1)  # the name of its centre
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_on_a_stick_crash_what_reads_them_and_none_is_believed(
    site: Path,
    pki: Pki,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    data: bytes,
    what: str,
    at: int,
    change: int,
) -> None:
    path = tmp_path / "file"
    if what == "as it is":
        path.write_bytes(data)
    elif what == "a receipt":
        path.write_bytes(write_receipts([data]))
    else:
        receipts_file(path, pki, {1: RangeSet.of((1, 9))})
        changed = bytearray(path.read_bytes() if what == "receipts" else b"HAIHEB" + path.read_bytes()[6:])
        changed[at % len(changed)] ^= change
        path.write_bytes(changed)
    capsys.readouterr()
    code = main(["bundle", "show", str(path), "--site", str(site), "--json"])
    (said,) = json.loads(capsys.readouterr().out)["files"]
    # What was changed may be the centre's name: of one that is not known here nothing is held against it.
    assert code == 1 or {each["signed"] for each in said["receipts"]} == {None}
    assert main(["bundle", "receipts", str(path), "--site", str(site)]) == 1
    assert not (site.parent / "journal" / "receipts-haihe").exists()
    assert main(["init", str(tmp_path / "new.yaml"), "--restore", str(path), "--yes"]) == 1
