"""docs/reference/json.md as something that objects can be held against: each table is a tree of fields."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "json.md"
_SECTION = re.compile(r"^### (.*?)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| `([^`|]+)` \| (.*?) \| .* \|$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\(#")
ITEM, ANY = "[]", "<>"


class Field:
    """A field, or the whole object: what it may be, and what stands in it.

    Args:
        name: as the page writes it; empty for the whole object.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.cell = ""
        self.sometimes = False
        self.inner: dict[str, Field] = {}

    def step(self, key: str) -> "Field":
        """The field in it that has this key."""
        if key not in self.inner:
            self.inner[key] = Field(self.name + ITEM if key == ITEM else f"{self.name}.{key}".lstrip("."))
        return self.inner[key]

    def find(self, name: str) -> "Field":
        """The field in it that the page calls so."""
        at = self
        for part in name.split(".") if name else ():
            key = part.removesuffix(ITEM)
            at = at.step(ANY if key.startswith("<") else key)
            if part.endswith(ITEM):
                at = at.step(ITEM)
        return at

    def takes(self, value: object) -> bool:
        """Whether its cell allows this value, which has no fields of its own."""
        if value is None:
            return "null" in self.cell
        if isinstance(value, bool):
            return str(value).lower() in self.cell
        if isinstance(value, int | float):
            return bool(re.search(r"\b(number|time)\b", self.cell))
        if isinstance(value, list):
            return "[" in self.cell or "list" in self.cell
        names = re.findall(r"`([^`]+)`", self.cell)
        return value in names if names else bool(re.search(r"\b(text|date)\b", self.cell))


@cache
def tables() -> dict[str, dict[str, str]]:
    """The value cell of every field, by the command or other title above the table."""
    found: dict[str, dict[str, str]] = {}
    for title, body in _SECTION.findall(PAGE.read_text("utf-8")):
        rows = _ROW.findall(body)
        fields = dict(rows)
        assert len(fields) == len(rows), f"{title}: a field stands there twice"
        for each in title.split("`, `"):
            found[each.replace("`", "")] = fields
    return found


def tree(title: str, root: Field | None = None) -> Field:
    """The object of one table, with those that it refers to."""
    root = root or Field()
    for row, cell in tables()[title].items():
        name = row.removesuffix("*").removesuffix(".")
        if row.endswith("*"):
            link = _LINK.search(cell)
            assert link, f"{title}: {row} names no table"
            tree(next(each for each in tables() if each.lower() == link[1].lower()), root.find(name))
        else:
            root.find(name).cell = cell
        root.find(name.removesuffix(ITEM)).sometimes |= "sometimes" in cell
    return root


def strictly(text: str) -> Any:
    """JSON as the standard has it: without NaN and infinities, and one value only."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def holds(title: str, *objects: Any, shown_elsewhere: tuple[str, ...] = ()) -> None:
    """Hold objects against their table: no field beside it, and each of its fields in at least one of them.

    Args:
        title: of the table.
        objects: what the command printed.
        shown_elsewhere: fields, with all that stands in them, that another test holds against the page.
    """
    root, met = tree(title), set[str]()
    for each in objects:
        assert isinstance(each, dict), f"{title}: no object"
        _hold(each, root, met, title)
    missing = [name for name in _names(root) if name not in met and not name.startswith(shown_elsewhere or ("\0",))]
    assert not missing, f"{title}: the page has fields that were not printed: {missing}"


def _hold(value: Any, field: Field, met: set[str], title: str) -> None:
    met.add(field.name)
    where = f"{title}: {field.name}"
    if "open" in field.cell and value is not None:
        return
    if isinstance(value, dict) and field.inner:
        free = field.inner.get(ANY)
        for key, inner in value.items():
            assert free or key in field.inner, f"{where} {key} is not on the page"
            _hold(inner, free or field.inner[key], met, title)
        lacking = [key for key, each in field.inner.items() if key not in (*value, ANY) and not each.sometimes]
        assert not lacking, f"{where} has no {lacking}; the page says always"
    elif isinstance(value, list) and ITEM in field.inner:
        if not field.inner[ITEM].inner:
            met.add(field.inner[ITEM].name)  # an empty list of plain values is met, too
        for each in value:
            _hold(each, field.inner[ITEM], met, title)
    else:
        assert field.takes(value), f"{where} is {value!r}; the page says {field.cell or 'fields'}"


def _names(field: Field) -> list[str]:
    """Of all fields that have a value of their own."""
    own = [field.name] if field.cell else []
    return own + [name for inner in field.inner.values() for name in _names(inner)]
