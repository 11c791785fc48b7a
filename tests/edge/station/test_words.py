"""Chinese is the users' first language: no sentence of the station's commands is left in English."""

import ast
from collections.abc import Iterator
from pathlib import Path

from haihe_edge.talk.words import CHINESE

SOURCES = Path(__file__).parents[3] / "edge" / "haihe_edge"


def sentences() -> Iterator[tuple[str, str]]:
    """Every constant that a command says, and every help text of a command."""
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            said = node.args[:1] if name == "say" else node.args[2:3] if name == "add" else []
            for one in said:
                for part in (one.body, one.orelse) if isinstance(one, ast.IfExp) else (one,):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield f"{path.name}:{node.lineno}", part.value


def test_every_sentence_that_a_technician_reads_has_its_chinese_words() -> None:
    found = list(sentences())
    assert len(found) > 120
    assert [each for each in found if each[1] not in CHINESE] == []
