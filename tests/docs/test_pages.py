"""The pages are honest: links lead somewhere, commands, messages and tests that they name exist."""

import re
from functools import cache
from pathlib import Path

import haihe_cloud.cli
import haihe_edge.cli
import haihe_simulators.cli
import pytest
import yaml
from haihe_contract import document
from haihe_edge.profile import problems_of
from haihe_edge.site import load_site

from tests.docs.pages import GENERATED, READMES, ROOT, Command, anchors, blocks, commands, headings, links, pages

PROGRAMS = {
    "haihe-edge": haihe_edge.cli.main,
    "haihe-cloud": haihe_cloud.cli.main,
    "haihe-sim": haihe_simulators.cli.main,
}
MINE = re.compile(r"(?<![\w.])/(work|tmp|root|home)/")
PAGES = pages()
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def text_of(page: Path) -> str:
    return page.read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_of_a_page_leads_to_something(page: Path) -> None:
    for link in links(text_of(page)):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if target.parent == ROOT / "docs" / "reference" and target.name in GENERATED:
            continue  # written from the code; `make check` says when one is stale
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(text_of(target)), f"{link}: no such heading"


@cache
def help_of(program: str, *words: str) -> tuple[int | str | None, str]:
    """What the program says to ``--help`` behind these words, and its exit code."""
    import contextlib
    import io

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code: int | str | None = PROGRAMS[program]([*words, "--help"])
        except SystemExit as stop:
            code = stop.code
    return code or 0, said.getvalue()


def complaint(command: Command) -> str:
    """What is wrong with a command that a page names, or nothing."""
    words = [word for word in command.words if re.fullmatch(r"[a-z][a-z-]*", word)]
    first = [word for word in command.words[:1] if word in words]
    code, said = help_of(command.program, *first)
    if code != 0 or (command.words and not first and not command.words[0].startswith("-")):
        return f"{command.program} has no command {command.words[0]!r}"
    known = re.search(r"^\s*\{([a-z,-]+)\}", said, re.MULTILINE)
    if known:  # a group of commands
        if len(command.words) < 2:
            return ""
        if command.words[1] not in known[1].split(","):
            return f"{command.program} {first[0]} has no {command.words[1]!r}"
        code, said = help_of(command.program, first[0], command.words[1])
    for word in command.words:
        option = word.split("=")[0]
        if re.fullmatch(r"--?[a-z][a-z-]*", option) and not re.search(rf"(?<![\w-]){option}\b", said):
            return f"{command.program} {' '.join(first)} has no option {option}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_of_a_page_exists_with_its_options(page: Path) -> None:
    wrong = {complaint(command) for command in commands(text_of(page))} - {""}
    assert not wrong


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    assert complaint(Command("haihe-edge", ("fly",)))
    assert complaint(Command("haihe-cloud", ("station", "fly")))
    assert complaint(Command("haihe-cloud", ("station", "add", "31005650", "--fly")))
    assert not complaint(Command("haihe-cloud", ("station", "add", "31005650", "--level", "x")))


PAIRS = [(page.with_name(page.name.replace(".zh-CN", "")), page) for page in PAGES if ".zh-CN" in page.name]


@pytest.mark.parametrize(("english_page", "chinese_page"), PAIRS, ids=[page.name for page, _ in PAIRS])
def test_a_page_in_two_languages_has_one_shape(english_page: Path, chinese_page: Path) -> None:
    english, chinese = text_of(english_page), text_of(chinese_page)
    assert headings(english) == headings(chinese)
    assert [each.program for each in commands(english)] == [each.program for each in commands(chinese)]
    assert [len(blocks(english, kind)) for kind in ("", "yaml")] == [
        len(blocks(chinese, kind)) for kind in ("", "yaml")
    ]
    for line in (r"^\d+\. ", r"^- ", r"^\| ", r"^make .*$"):
        assert len(re.findall(line, english, re.MULTILINE)) == len(re.findall(line, chinese, re.MULTILINE)), line


def test_both_readmes_lead_to_the_same_places_by_the_same_commands() -> None:
    english, chinese = (text_of(readme) for readme in READMES)
    assert commands(english) == commands(chinese)
    assert re.findall(r"^make .*$", english, re.MULTILINE) == re.findall(r"^make .*$", chinese, re.MULTILINE)
    theirs = [link.replace(".zh-CN", "") for link in links(chinese)]
    assert links(english)[1:] == theirs[1:], "after the link to each other"


def test_both_pages_of_faults_name_the_same_messages() -> None:
    english, chinese = (text_of(ROOT / "docs" / "operate" / f"faults{end}.md") for end in ("", ".zh-CN"))
    first = r"^\| (`[^|]*`) \|"
    assert re.findall(first, english, re.MULTILINE) == re.findall(first, chinese, re.MULTILINE)


def test_the_chinese_page_of_faults_says_what_the_commands_show_in_chinese() -> None:
    page = text_of(ROOT / "docs" / "operate" / "faults.zh-CN.md")
    shown = re.findall(r"显示为“(.*?)”。", page)
    assert len(shown) >= 20
    unknown = [message for message in shown if not all(piece.strip() in program_text() for piece in message.split("…"))]
    assert not unknown


def test_every_target_of_make_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    for page in PAGES:
        snippets = [line for body in blocks(text_of(page), "") for line in body.splitlines()]
        snippets += re.findall(r"`([^`\n]+)`", text_of(page))
        for snippet in snippets:
            found = re.match(r"make ([a-z]+)\b", snippet)
            assert not found or found[1] in targets, f"{page.name}: make {found[1]}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_no_page_names_a_place_of_the_machine_it_was_written_on(page: Path) -> None:
    assert not MINE.search(text_of(page))


@cache
def program_text() -> str:
    """All of the programs' text, with the pieces of adjacent literals joined and facts as dots."""
    files = [file for part in ("contract", "edge", "cloud") for file in sorted((ROOT / part).rglob("*.py"))]
    text = "\n".join(file.read_text("utf-8") for file in files)
    text = re.sub(r'"\s*\n\s*f?"', "", text)
    return re.sub(r"\s+", " ", re.sub(r"\{[^{}\n]*\}", "…", text))


SYSTEM_WORDS = {"Connection refused"}
"""What the operating system says, and we pass on."""


def test_every_message_of_the_page_of_faults_is_one_that_the_programs_say() -> None:
    page = text_of(ROOT / "docs" / "operate" / "faults.md")
    rows = re.findall(r"^\| (`[^|]*`) \|", page, re.MULTILINE)
    messages = [message for row in rows for message in re.findall(r"`([^`]+)`", row)]
    assert len(messages) > 40
    unknown = []
    for message in messages:
        pieces = [piece.strip(" .,:;()") for piece in message.split("…")]
        if message not in SYSTEM_WORDS and not all(piece in program_text() for piece in pieces):
            unknown.append(message)
    assert not unknown


def test_every_test_that_a_page_names_exists() -> None:
    tests = "\n".join(file.read_text("utf-8") for file in sorted((ROOT / "tests").rglob("test_*.py")))
    for page in PAGES:
        for name in re.findall(r"`(test_\w+)`", text_of(page)):
            assert f"def {name}(" in tests, f"{page.name} names {name}"


def test_every_room_of_station_and_centre_stands_on_the_map_of_the_tree() -> None:
    page = text_of(ROOT / "docs" / "understand" / "the-data-way.md")
    for package in (ROOT / "edge" / "haihe_edge", ROOT / "cloud" / "haihe_cloud"):
        chapter = page.partition(f"`{package.relative_to(ROOT)}/`:")[2].partition("\n\n`")[0]
        rooms = {str(file.parent.relative_to(package)) for file in package.rglob("*.py")} - {"."}
        assert {room.rpartition("/")[2] for room in rooms} == set(re.findall(r"`(\w+)/`", chapter))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_module_that_a_page_names_exists(page: Path) -> None:
    for name in re.findall(r"`((?:edge|cloud|contract|simulators|tests)/[\w/.-]+\.py)`", text_of(page)):
        assert (ROOT / name).is_file(), name


def test_the_site_file_of_the_first_station_passes_the_check(tmp_path: Path) -> None:
    (written,) = blocks(text_of(ROOT / "docs" / "start" / "first-station.md"), "yaml")
    file = tmp_path / "site.yaml"
    file.write_text(written, "utf-8")
    site = load_site(file, [ROOT / "firmware_profiles"])
    assert [each.key for each in site.series][1] == "water_level.main.instant.0.derived.dagu"


def test_the_ten_minutes_of_the_page_on_instruments_end_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from haihe_edge.cli import main

    monkeypatch.chdir(tmp_path)
    profile, case, *_ = blocks(text_of(ROOT / "docs" / "extend" / "instrument.md"), "yaml")
    assert main(["profile", "new", "acme-level-3"]) == 0
    assert main(["profile", "test", "acme-level-3"]) == 0
    folder = tmp_path / "tests" / "golden" / "profiles" / "acme-level-3"
    (tmp_path / "firmware_profiles" / "acme-level-3.yaml").write_text(profile, "utf-8")
    (folder / "a_first_case.yaml").unlink()
    (folder / "a_river_in_flood.yaml").write_text(case, "utf-8")
    assert main(["profile", "check", "acme-level-3"]) == 0
    assert main(["profile", "test", "acme-level-3"]) == 0


def test_every_way_to_say_something_on_the_page_on_instruments_is_a_good_profile(tmp_path: Path) -> None:
    profile, _, *parts = blocks(text_of(ROOT / "docs" / "extend" / "instrument.md"), "yaml")
    assert len(parts) >= 7
    for part in parts:
        file = tmp_path / "acme-level-3.yaml"
        file.write_text(yaml.safe_dump(yaml.safe_load(profile) | yaml.safe_load(part)), "utf-8")
        assert problems_of(file) == [], part


def test_a_yaml_block_of_any_page_is_yaml() -> None:
    for page in PAGES:
        for block in blocks(text_of(page), "yaml"):
            assert document.parse(block, page.name).root is not None
