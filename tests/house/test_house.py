"""The rules of the house, as tests: each failure says what to do."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("contract", "edge", "cloud", "simulators")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "__pycache__" not in path.parts
]
LINES_MAX = 400
LARGER: dict[str, int] = {}
"""Exceptions may only shrink."""
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "tools", "base", "core"}


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return listed.stdout.splitlines()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_can_be_read_in_one_sitting_and_its_name_says_what_it_is(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= LARGER.get(name, LINES_MAX), f"{name} has {lines} lines: give a part of it a module of its own"
    assert path.stem not in VAGUE, f"{name}: name it for what it does"


def test_tests_are_named_by_promises() -> None:
    short = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for name in re.findall(r"^(?:async )?def test_(\w+)", path.read_text("utf-8"), re.MULTILINE)
        if name.count("_") < 3
    ]
    assert not short, "write the promise as a sentence of at least four words: " + ", ".join(short)


def test_decisions_are_numbered_without_holes_and_say_is_is_not_because_price() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text("utf-8")
        assert all(f"**{word}:**" in text for word in ("Is", "Is not", "Because", "Price")), page.name


def test_ports_are_faked_and_our_own_code_is_never_mocked() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in [*SOURCES, *(ROOT / "tests").rglob("*.py")]
        if re.search(r"unittest\.mock|MagicMock|pytest_mock", path.read_text("utf-8")) and path != Path(__file__)
    ]
    assert not found, f"fake a port with an implementation of it instead: {found}"


def test_locks_carry_versions_and_hashes_and_no_address() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text("utf-8")
        assert "://" not in text, path.name
        assert text.count("--hash=sha256:") >= len(re.findall(r"^\S+==", text, re.MULTILINE)), path.name
    assert not [name for name in tracked() if name.endswith(("uv.lock", "poetry.lock", "package-lock.json"))]


def test_no_file_names_a_home_folder_or_holds_a_private_key() -> None:
    for name in tracked():
        path = ROOT / name
        if path.suffix in {".png", ".ico"} or not path.is_file():
            continue
        text = path.read_text("utf-8", "replace")
        assert "PRIVATE KEY-----\n" not in text, name
        assert not re.search(r"/(home|Users)/[a-z]+/", text), name
