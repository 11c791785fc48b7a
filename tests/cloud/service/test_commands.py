"""Commands: what they make, say and refuse, in both languages, without a trace."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from haihe_cloud.cli import main
from haihe_cloud.commands.words import CHINESE, Sentences
from haihe_cloud.settings import Settings, load_settings
from haihe_contract.document import DocumentError
from haihe_contract.errors import FieldError
from haihe_contract.table import table, width

STATION = "31005650"


class Said(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def act(*words: object) -> Said:
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Said(code, said.out, said.err)

    return act


@pytest.fixture
def box(run: Run, tmp_path: Path) -> Path:
    """The settings file of a freshly made single box."""
    assert run("init", tmp_path / "box", "--lang", "en").code == 0
    return tmp_path / "box" / "haihe-cloud.yaml"


def test_init_makes_a_box_that_checks_well(run: Run, box: Path) -> None:
    said = run("check", "--config", box, "--lang", "en")
    assert said.code == 0
    assert said.out.endswith("the settings can be used\n")
    assert run("init", box.parent, "--lang", "en").code == 1, "a second time is refused"


def test_a_page_for_others_gets_a_token_at_init(run: Run, tmp_path: Path) -> None:
    assert run("init", tmp_path / "box", "--http-host", "0.0.0.0").code == 0
    settings = load_settings(tmp_path / "box" / "haihe-cloud.yaml")
    token = Path(settings.http.write_token_file)
    assert len(token.read_text().strip()) == 32
    assert token.stat().st_mode & 0o077 == 0


def test_words_from_a_terminal_that_is_not_set_to_utf8_are_refused_without_a_trace(run: Run, box: Path) -> None:
    name = os.fsdecode("王伟".encode("gbk"))
    for words in (
        ("station", "add", STATION, "--name-zh", name), ("station", "show", name), ("ledger", "gaps", name),
        ("alarm", "answer", 1, "--who", name), ("quarantine", "drop", 1, "--yes", "--why", name),
    ):  # fmt: skip
        said = run(*words, "--config", box, "--lang", "zh")
        assert said.code != 0, words
        said.err.encode()
    said = run("station", "add", STATION, "--name-zh", name, "--config", box, "--lang", "zh")
    assert (said.code, said.err.splitlines()[0][-11:]) == (2, "不是 UTF-8 文本")
    assert json.loads(run("station", "list", "--config", box, "--json").out)["stations"] == []


def test_stations_are_added_listed_and_removed(run: Run, box: Path) -> None:
    level = "water_level.main.instant.0.derived.dagu:4.5:5.2"
    added = run("station", "add", STATION, "--name-zh", "海河闸", "--level", level, "--config", box, "--lang", "zh")
    assert (added.code, added.out) == (0, "测站 31005650 已登记,其后来报即予接收\n")
    listed = run("station", "list", "--config", box, "--json")
    (station,) = json.loads(listed.out)["stations"]
    assert station["levels"] == [{"series": level.split(":")[0], "datum": "dagu", "warning": 4.5, "guarantee": 5.2}]
    run("station", "add", STATION, "--river", "海河", "--config", box)
    (changed,) = json.loads(run("--json", "station", "list", "--config", box).out)["stations"]
    assert changed == {**station, "river": "海河"}, "what is not said stays as it was"
    assert "海河闸" in run("station", "list", "--config", box, "--lang", "zh").out
    assert run("station", "remove", STATION, "--config", box).code == 0
    again = run("station", "remove", STATION, "--config", box, "--lang", "zh")
    assert again.code == 1
    assert again.err.startswith("测站 31005650 未登记")


def test_stations_of_a_file_are_registered_all_or_none(run: Run, box: Path, tmp_path: Path) -> None:
    stations = tmp_path / "stations.yaml"
    stations.write_text("stations:\n  - {code: 31005650}\n  - {code: bad}\n", "utf-8")
    refused = run("station", "import", stations, "--config", box, "--lang", "en")
    assert refused.code == 2
    assert f"{stations}:3:" in refused.err
    assert json.loads(run("station", "list", "--config", box, "--json").out)["stations"] == []
    stations.write_text("stations:\n  - {code: 31005650}\n  - {code: 31005651}\n", "utf-8")
    assert run("station", "import", stations, "--config", box).code == 0
    assert len(json.loads(run("station", "list", "--config", box, "--json").out)["stations"]) == 2


def test_a_backup_of_files_that_cannot_be_looked_at_is_refused_without_a_trace(
    run: Run, box: Path, tmp_path: Path
) -> None:
    box.write_text(box.read_text("utf-8").replace("data: data", f"data: {'x' * 300}"), "utf-8")
    said = run("backup", tmp_path / "b", "--config", box, "--lang", "zh")
    assert (said.code, said.err.splitlines()[0]) == (1, "文件无法读取:File name too long")
    assert not (tmp_path / "b" / "manifest.json").exists()


def test_what_a_station_needs_is_put_into_one_directory(run: Run, box: Path, tmp_path: Path) -> None:
    said = run("pki", "station", STATION, "--pki", box.parent / "pki", "--out", tmp_path / "carry", "--lang", "en")
    assert said.code == 0
    assert {path.name for path in (tmp_path / "carry").iterdir()} == {
        "ca.pem", "station.pem", "station.key", "receipt.pub",
    }  # fmt: skip
    assert (tmp_path / "carry" / "station.key").stat().st_mode & 0o077 == 0


def test_each_key_can_be_made_alone(run: Run, tmp_path: Path) -> None:
    keys = tmp_path / "pki"
    assert run("pki", "broker", "localhost", "--pki", keys).code == 1, "no authority yet"
    for words in (["init"], ["broker", "broker.example.org", "10.0.0.2", "--conf", tmp_path / "conf"], ["centre"],
                  ["station", STATION], ["receipt-key"]):  # fmt: skip
        assert run("pki", *words, "--pki", keys).code == 0, words
    assert (tmp_path / "conf" / "mosquitto.conf").is_file()


def test_an_empty_centre_has_nothing_lost_and_no_alarm(run: Run, box: Path) -> None:
    assert json.loads(run("ledger", "show", "--config", box, "--json").out)["lost"] == 0
    assert run("alarm", "list", "--config", box).code == 0
    assert run("quarantine", "list", "--config", box).code == 0
    assert run("quarantine", "show", 7, "--config", box, "--lang", "zh").err.startswith("隔离区没有编号 7")
    assert run("alarm", "answer", 7, "--who", "李", "--config", box).code == 1


def test_a_new_epoch_is_higher_than_the_old_one(run: Run, box: Path) -> None:
    before = int(json.loads(run("ledger", "show", "--config", box, "--json").out)["epoch"])
    assert int(json.loads(run("ledger", "renew", "--config", box, "--json").out)["epoch"]) > before


def test_all_faults_of_the_settings_are_named_at_once_and_nothing_starts(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "haihe-cloud.yaml"
    path.write_text("data: d\nbroker: {host: b, port: 99999, ca: a, certificate: c}\nreceit_key: r\ncentre: A B\n")
    said = run("run", "--config", path, "--lang", "en")
    assert said.code == 2
    for line in (":2:25:", "'key' is missing", 'did you mean "receipt_key"?', ":4:9: centre"):
        assert line in said.err, line


def test_a_page_open_to_others_without_a_token_is_refused_with_the_cure(run: Run, box: Path) -> None:
    box.write_text(box.read_text().replace("host: 127.0.0.1", "host: 0.0.0.0"))
    with pytest.raises(FieldError) as caught:
        load_settings(box)
    assert "write_token_file" in caught.value.do
    said = run("check", "--config", box, "--lang", "zh")
    assert said.code == 1
    assert "网页将监听 0.0.0.0" in said.err
    assert "令牌" in said.err


def test_a_settings_file_that_is_not_there_is_said(run: Run, tmp_path: Path) -> None:
    said = run("check", "--config", tmp_path / "none.yaml", "--lang", "en")
    assert said.code == 2
    assert "cannot be read" in said.err


def test_missing_keys_are_found_by_check(run: Run, box: Path) -> None:
    (box.parent / "pki" / "receipt.key").unlink()
    said = run("check", "--config", box, "--json")
    assert said.code == 1
    assert json.loads(said.out)["where"].endswith("receipt.key")


def test_wrong_questions_end_with_two_and_help_with_zero(run: Run) -> None:
    assert run("no-such-command").code == 2
    assert run().code == 2
    assert run("station", "add").code == 2
    said = run("--help", "--lang", "zh")
    assert said.code == 0
    assert "运行中心" in said.out


def test_every_settings_path_is_absolute_after_loading(box: Path) -> None:
    settings = load_settings(box)
    assert isinstance(settings, Settings)
    for path in (
        settings.data,
        settings.receipt_key,
        settings.broker.ca,
        settings.broker.certificate,
        settings.broker.key,
    ):
        assert Path(path).is_absolute()


def test_yaml_that_is_none_is_a_document_error(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: [\n")
    with pytest.raises(DocumentError, match="not YAML"):
        load_settings(path)


def test_faults_with_facts_are_retold_in_chinese_with_the_same_facts() -> None:
    zh, en = Sentences("zh"), Sentences("en")
    text = "the page cannot listen on 0.0.0.0 port 80: Permission denied"
    assert zh.retell(text) == "网页无法监听 0.0.0.0 端口 80:没有权限"
    assert zh.retell("the write token cannot be read: no") == "无法读取写入令牌:no"
    assert zh.retell("never heard of") == "never heard of"
    assert zh.retell("station: unknown key") == "station：没有这个键", "a key stays as it stands in the file"
    assert en.retell(text) == text


def test_both_languages_of_a_sentence_have_the_same_facts() -> None:
    for english, chinese in CHINESE.items():
        assert set(re.findall(r"\{(\w+)\}", english)) == set(re.findall(r"\{(\w+)\}", chinese)), english


def test_tables_stay_straight_with_chinese_in_them() -> None:
    lines = table(("测站", "count"), [("31005650", 3), ("海河闸", 12)], right=[1]).split("\n")
    assert len({width(line) for line in lines}) == 1
