"""Write the reference pages that can be read off the code; ``--check`` says which are stale and changes nothing."""

import argparse
import inspect
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

REFERENCE = Path(__file__).parent / "reference"
SCHEMA = Path(__file__).parents[1] / "firmware_profiles" / "profile.schema.json"
_NOTE = "<!-- Written by `make docs` from the code. Change it there. -->\n\n"


def elements() -> str:
    """The element register."""
    from haihe_contract.element import ELEMENTS

    rows = [
        "| code | 中文 | English | unit | digits | SL 651 | SL 323 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in ELEMENTS.values():
        codes = [f"{each.sl651:02X}H"] if each.sl651 is not None else []
        codes += [f"{code:02X}H at {_interval(s)}" for s, code in each.sl651_by_interval.items()]
        codes += [f"{code:02X}H at {point}" for point, code in each.sl651_by_point.items()]
        known = ", ".join(codes) or "–"
        row = (f"`{each.code}`", each.zh, each.en, each.unit or "–", str(each.decimals), known, each.sl323 or "–")
        rows.append("| " + " | ".join(row) + " |")
    return (
        "# Elements\n\nWhat can be measured, in which unit. A dash: the standard has no word for it.\n\n"
        + "\n".join(rows)
        + "\n"
    )


def _interval(seconds: int) -> str:
    return f"{seconds // 3600} h" if seconds % 3600 == 0 else f"{seconds // 60} min"


def quality() -> str:
    """Flags, reasons and clock grades."""
    from haihe_contract.quality import FLAG_NAMES, GRADE_NAMES, REASON_NAMES

    out = ["# Quality", "", "## Flags (QARTOD)", "", "| number | 中文 | English |", "| --- | --- | --- |"]
    out += [f"| {int(flag)} | {zh} | {en} |" for flag, (zh, en) in FLAG_NAMES.items()]
    out += ["", "## Reasons", "", "Several may hold at once; the number is their sum.", ""]
    out += ["| number | name | 中文 | English |", "| --- | --- | --- | --- |"]
    out += [f"| {int(reason)} | `{reason.name}` | {zh} | {en} |" for reason, (zh, en) in REASON_NAMES.items()]
    out += ["", "## Clock grades, worst first", "", "| number | 中文 | English |", "| --- | --- | --- |"]
    out += [f"| {int(grade)} | {zh} | {en} |" for grade, (zh, en) in GRADE_NAMES.items()]
    return "\n".join(out) + "\n"


def commands() -> str:
    """Every command of the three command lines."""
    from haihe_cloud import cli as cloud
    from haihe_cloud.commands.words import Sentences
    from haihe_edge import cli as edge
    from haihe_simulators import cli as simulators

    out = [
        "# Commands",
        "",
        "Exit codes: 0 all is well, 1 something is wrong, 2 you asked wrongly.",
        "What each prints with `--json`: [output of --json](json.md).",
        "",
    ]
    for parser in (edge.parser(), cloud.parser(Sentences("en")), simulators.parser()):
        out += _command(parser, 2)
    return "\n".join(out) + "\n"


def _command(parser: argparse.ArgumentParser, level: int, what: str = "") -> list[str]:
    out = ["#" * level + f" `{parser.prog}`", "", parser.description or what, ""]
    rows = []
    subs: dict[argparse.ArgumentParser, str] = {}
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to list them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            said = {each.dest: each.help or "" for each in action._choices_actions}  # noqa: SLF001
            subs = {sub: said.get(name, "") for name, sub in action.choices.items()}
        elif not isinstance(action, argparse._HelpAction) and action.help != argparse.SUPPRESS:  # noqa: SLF001
            name = ", ".join(action.option_strings) or str(action.metavar or action.dest)
            if action.choices:
                name += " " + "\\|".join(str(choice) for choice in action.choices)
            text = (action.help or "").replace("%(default)s", str(action.default)).replace("|", "\\|")
            rows.append(f"| `{name}` | {text} |")
    if rows and not subs:
        out += ["| argument | meaning |", "| --- | --- |", *rows, ""]
    for sub, text in subs.items():
        out += _command(sub, min(level + 1, 4), text)
    return out


def documents(title: str, intro: str, *models: Any) -> str:
    """The keys of a YAML document, from its models' docstrings."""
    out = [f"# {title}", "", intro, ""]
    seen: set[Any] = set()
    queue = list(models)
    while queue:
        model = queue.pop(0)
        if model in seen:
            continue
        seen.add(model)
        head, keys = _docstring(model)
        info = msgspec.structs.fields(model)
        config = model.__struct_config__
        out += [f"## {model.__name__.removeprefix('Written')}", "", head, ""]
        out += ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
        if config.tag is not None:
            out.append(f"| `{config.tag_field}` | `{config.tag}` | required | this kind |")
        hints = get_type_hints(model, include_extras=True)
        for field in info:
            kind, inner = _kind(hints[field.name])
            queue += inner
            if field.default is not msgspec.NODEFAULT:
                default = f"`{field.default}`" if field.default not in (None, (), "") else "–"
            else:
                default = "–" if field.default_factory is not msgspec.NODEFAULT else "required"
            meaning = keys.get(field.name, "").replace("|", "\\|")
            out.append(f"| `{field.encode_name}` | {kind} | {default} | {meaning} |")
        out.append("")
    return "\n".join(out)


def _docstring(model: Any) -> tuple[str, dict[str, str]]:
    head, keys = "", {}
    for each in reversed(model.__mro__):  # what a model inherits is explained where it stands
        if not hasattr(each, "__struct_fields__") or "__doc__" not in vars(each):
            continue
        head, _, arguments = inspect.cleandoc(each.__doc__ or "").partition("Args:")
        last = ""
        for line in arguments.splitlines():
            if match := re.match(r"^    (\w+): (.*)$", line):
                last = match[1]
                keys[last] = match[2]
            elif last and line.strip():
                keys[last] += " " + line.strip()
    return " ".join(head.split()), keys


def _kind(hint: Any) -> tuple[str, list[Any]]:
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *metas = get_args(hint)
        text, models = _kind(inner)
        bounds = []
        for meta in metas:
            low = meta.ge if meta.ge is not None else meta.gt
            high = meta.le if meta.le is not None else meta.lt
            if low is not None or high is not None:
                bounds.append(f"{'' if low is None else low}…{'' if high is None else high}")
        return text + (f" {', '.join(bounds)}" if bounds else ""), models
    if origin in (Union, UnionType):
        parts = [_kind(each) for each in get_args(hint) if each is not NoneType]
        return " or ".join(text for text, _ in parts), [model for _, models in parts for model in models]
    if origin in (tuple, list):
        text, models = _kind(get_args(hint)[0])
        return f"list of {text}", models
    if origin is dict:
        text, models = _kind(get_args(hint)[1])
        return f"keys with {text}", models
    if hasattr(hint, "__struct_fields__"):
        return f"[{hint.__name__.removeprefix('Written')}](#{hint.__name__.removeprefix('Written').lower()})", [hint]
    if origin is not None and get_args(hint):  # Literal
        return ", ".join(f"`{each}`" for each in get_args(hint)), []
    names = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    if isinstance(hint, type) and issubclass(hint, str) and hasattr(hint, "__members__"):
        return ", ".join(f"`{each.value}`" for each in hint), []
    return names.get(hint, getattr(hint, "__name__", str(hint))), []


def site_file() -> str:
    """The site file."""
    from haihe_edge.site.written import WrittenSite

    return documents(
        "Site file",
        "One YAML file per station; `haihe-edge check` reads it without touching anything. "
        "Durations are written `500ms`, `5s`, `15min`, `1h`; sizes `64MiB`; paths are relative to the file.",
        WrittenSite,
    )


def profile() -> str:
    """The instrument profile."""
    from haihe_edge.profile import Profile

    intro = (
        "One YAML file per model of instrument, in `firmware_profiles/`. The key `transport` says which kind it is. "
        "Editors that know JSON Schema can use `firmware_profiles/profile.schema.json`."
    )
    return documents("Instrument profile", intro, *get_args(Profile))


def profile_schema() -> str:
    """The instrument profile as JSON Schema, for editors."""
    from haihe_edge.profile import Profile

    return json.dumps(msgspec.json.schema(Profile), ensure_ascii=False, indent=1, sort_keys=True)


def settings() -> str:
    """The centre's settings."""
    from haihe_cloud.settings import Settings

    return documents("Settings of the centre", "What `haihe-cloud run --config` reads.", Settings)


def rules() -> str:
    """The alarm rules."""
    from haihe_cloud.alarm.rule import Rules

    return documents("Alarm rules", "What `rules:` in the settings points to.", Rules)


PAGES: dict[str, Callable[[], str]] = {
    "elements.md": elements,
    "quality.md": quality,
    "commands.md": commands,
    "site-file.md": site_file,
    "profile.md": profile,
    "settings.md": settings,
    "rules.md": rules,
}


def stale() -> Iterator[tuple[Path, str]]:
    """Pages that differ from what the code says."""
    for name, make in PAGES.items():
        path = REFERENCE / name
        text = _NOTE + make().rstrip() + "\n"
        if not path.exists() or path.read_text("utf-8") != text:
            yield path, text
    if not SCHEMA.exists() or SCHEMA.read_text("utf-8") != profile_schema() + "\n":
        yield SCHEMA, profile_schema() + "\n"


def main() -> int:
    """Write, or check."""
    os.environ["LC_ALL"] = "en_GB.UTF-8"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    sys.argv = sys.argv[:1]
    old = list(stale())
    for path, text in old:
        if arguments.check:
            print(f"{path.name} is stale: run make docs", file=sys.stderr)
        else:
            path.write_text(text, "utf-8")
            print(f"wrote {path.name}")
    return int(bool(old) and arguments.check)


if __name__ == "__main__":
    sys.exit(main())
