"""The page as files: both languages everywhere, nothing from elsewhere, vendored files as they came."""

import hashlib
import json
import re
from pathlib import Path

import haihe_cloud.show
from haihe_cloud.show.state import Condition

PAGE = Path(haihe_cloud.show.__file__).parent / "page"
OURS = sorted(path for path in PAGE.iterdir() if path.suffix in (".js", ".css", ".html", ".json", ".svg"))
SOURCE = {path.name: path.read_text("utf-8") for path in OURS}
_FOUND = re.findall(r'^  (\w+): \["(.*?)", "(.*?)"\],$', SOURCE["words.js"], re.MULTILINE)
WORDS = {key: (zh, en) for key, zh, en in _FOUND}


def test_every_word_of_the_page_has_chinese_and_english() -> None:
    assert len(WORDS) > 100
    assert len(WORDS) == len(re.findall(r"^  \w+: \[", SOURCE["words.js"], re.MULTILINE))
    for key, (zh, en) in WORDS.items():
        assert bool(zh) == bool(en), key
        assert sorted(re.findall(r"\{\w+\}", zh)) == sorted(re.findall(r"\{\w+\}", en)), key


def test_every_word_that_is_asked_for_exists() -> None:
    asked = {key for text in SOURCE.values() for key in re.findall(r'\bt\("(\w+)"', text)}
    assert asked - set(WORDS) == set()


def test_no_sentence_is_hidden_in_the_code() -> None:
    for name, text in SOURCE.items():
        if name.endswith(".js") and name != "words.js":
            code = re.sub(r"//.*|/\*.*?\*/", "", text)
            assert not re.search("[\u4e00-\u9fff]", code), name


def test_every_state_has_its_own_sign_and_place() -> None:
    assert set(re.findall(r"^  (\w+): \(\) =>", SOURCE["marks.js"], re.MULTILINE)) == set(Condition)
    order = re.search(r"ORDER = (\[.*?\])", SOURCE["marks.js"])
    assert order
    assert json.loads(order[1]) == [str(each) for each in Condition]


def test_nothing_is_loaded_from_elsewhere() -> None:
    for name, text in SOURCE.items():
        found = set(re.findall(r"https?://[^\s\"'`)]+", text)) - {"http://www.w3.org/2000/svg"}
        assert not found, f"{name}: {found}"


def test_markup_is_never_made_from_text() -> None:
    for name, text in SOURCE.items():
        assert not re.search(r"innerHTML\s*=[^=]|insertAdjacentHTML|document\.write|eval\(", text), name


def test_vendored_files_are_as_they_came() -> None:
    told = dict(
        reversed(line.split())
        for line in (PAGE / "vendor/README.md").read_text().splitlines()
        if line.startswith("    ")
    )
    there = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (PAGE / "vendor").iterdir()
        if path.suffix in (".js", ".css")
    }
    assert told == there


def test_the_rivers_are_ours_and_named_in_both_languages() -> None:
    rivers = json.loads(SOURCE["rivers.json"])["features"]
    names = {each["properties"]["zh"] for each in rivers}
    assert {
        "海河",
        "永定河",
        "永定新河",
        "潮白新河",
        "独流减河",
        "子牙新河",
        "大清河",
        "北运河",
        "南运河",
        "蓟运河",
        "渤海",
    } <= names
    assert all(each["properties"]["en"] for each in rivers)
