"""Lines with gaps for numbers: what a profile writes instead of a regular expression.

A template becomes a bounded expression: every gap takes a limited number of characters, nothing repeats
without end and nothing nests, so that no line, however it was made, can keep the reader busy.
"""

import re
from typing import NamedTuple

NUMBER = r"[+-]?(?:[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})(?:[eE][+-]?[0-9]{1,2})?"
"""A decimal number as instruments write it."""
_GAP = re.compile(r"\{([^{}]*)\}|\[|\]|\s+|[^{}\[\]\s]+|[{}]")
_NAMED = re.compile(r"([a-z0-9_-]{1,32})(?::(\d{1,2}|\.\d))?(?::([^:{}.0-9][^:{}]{0,15}))?$")
_UNIT = re.compile(r"unit(?::(\d))?$")
_ANYTHING = r"[^\r\n]{0,64}"


class TemplateError(ValueError):
    """A template that means nothing."""


class Template(NamedTuple):
    """A compiled template.

    Args:
        pattern: matches a whole line; group ``n`` is the number of ``names[n]``.
        names: point and unit (or "") of each gap.
    """

    pattern: re.Pattern[str]
    names: tuple[tuple[str, str], ...]


def fill_unit(text: str, unit: int) -> str:
    """The text with the instrument's address filled in."""
    return re.sub(r"\{unit(?::(\d))?\}", lambda match: str(unit).zfill(int(match[1] or 0)), text)


def compile_template(template: str, unit: int) -> Template:
    """Compile one line.

    Raises:
        TemplateError: when it is none.
    """
    out: list[str] = []
    names: list[tuple[str, str]] = []
    depth = 0
    for match in _GAP.finditer(template):
        part = match[0]
        if part == "[":
            depth += 1
            out.append("(?:")
        elif part == "]":
            depth -= 1
            out.append(")?")
        elif part.isspace():
            out.append(r"[ \t]+")
        elif match[1] is not None:
            out.append(_gap(match[1], unit, names))
        elif part in "{}":
            raise TemplateError(f"{part!r} stands alone")
        else:
            out.append(re.escape(part))
        if depth not in (0, 1):
            raise TemplateError("'[' and ']' must come in pairs and not inside each other")
    if depth:
        raise TemplateError("'[' without ']'")
    doubled = [name for name, _ in names if [each for each, _ in names].count(name) > 1]
    if doubled:
        raise TemplateError(f"{{{doubled[0]}}} stands twice")
    return Template(re.compile("".join(out)), tuple(names))


def widest(template: str, unit: int) -> int | None:
    """How many characters a line has at most that fits the template, or None where a gap has no width.

    A run of spaces counts as written, and a part in ``[…]`` as present.
    """
    found = 0
    for match in _GAP.finditer(template):
        gap = match[1]
        if gap is None:
            found += len(match[0]) * (match[0] not in "[]")
        elif _UNIT.match(gap):
            found += len(fill_unit(f"{{{gap}}}", unit))
        elif (named := _NAMED.match(gap)) and (named[2] or "").isdigit():
            found += int(named[2])
        else:
            return None
    return found


def _gap(text: str, unit: int, names: list[tuple[str, str]]) -> str:
    if text == "*":
        return _ANYTHING
    if _UNIT.match(text):
        return re.escape(fill_unit(f"{{{text}}}", unit))
    found = _NAMED.match(text)
    if found is None:
        raise TemplateError(f"{{{text}}} is no gap; write {{name}}, {{name:4}}, {{name:.3}} or {{name:4:mm}}")
    name, form, of = found.groups()
    names.append((name, of or ""))
    if not form:
        return f"({NUMBER})"
    if form.startswith("."):
        return rf"([+-]?[0-9]{{1,12}}\.[0-9]{{{int(form[1:])}}})"
    width = int(form)
    if width == 0:
        raise TemplateError(f"{{{text}}} has no width")
    signed = rf"|[+-][0-9]{{{width - 1}}}" if width > 1 else ""
    return rf"([0-9]{{{width}}}{signed})"
