"""The pages that people write, and what can be taken out of them."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
GENERATED = {"elements.md", "quality.md", "commands.md", "site-file.md", "profile.md", "settings.md", "rules.md"}
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"\b(haihe-(?:edge|cloud|sim)) +(.*)")


class Command(NamedTuple):
    """A command as a page names it: the program, its further words."""

    program: str
    words: tuple[str, ...]


def pages() -> list[Path]:
    """Every page of the project that is written by hand."""
    found = sorted((ROOT / "docs").rglob("*.md"))
    kept = [page for page in found if not (page.parent.name == "reference" and page.name in GENERATED)]
    return [*READMES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *kept]


def prose(text: str) -> str:
    """The page without its blocks of code."""
    return _FENCE.sub("", text)


def links(text: str) -> list[str]:
    """Where the links and pictures of a page lead."""
    return _LINK.findall(_CODE.sub("", prose(text)))


def blocks(text: str, kind: str) -> list[str]:
    """The blocks of code of one kind."""
    return [body for found, body in _FENCE.findall(text) if found == kind]


def commands(text: str) -> list[Command]:
    """Every command of ours that a page names, in a block or between backticks."""
    snippets = [line.removeprefix("$ ") for body in blocks(text, "") for line in _joined(body)]
    snippets += _CODE.findall(prose(text))
    found = []
    for snippet in snippets:
        match = _COMMAND.match(snippet.strip())
        if match:
            found.append(Command(match[1], tuple(match[2].split("#")[0].split())))
    return found


def _joined(body: str) -> list[str]:
    return body.replace("\\\n", " ").splitlines()


def headings(text: str) -> list[int]:
    """The levels of the headings of a page, in order."""
    return [len(marks) for marks in re.findall(r"^(#+) ", prose(text), re.MULTILINE)]


def anchors(text: str) -> set[str]:
    """What a link to a heading of the page may end with."""
    titles = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}
