"""``haihe-edge profile``: new, check, list, show, test. For people who add a model of instrument or doubt one."""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haihe_contract.clock import SystemClock
from haihe_contract.document import DocumentError, Problem
from haihe_contract.element import element
from haihe_contract.errors import FieldError
from haihe_contract.language import Words
from haihe_contract.quality import Reason, reasons_text

from haihe_edge.profile import (
    ModbusProfile,
    PointBase,
    Profile,
    known_profiles,
    load_profile,
    problems_of,
    profile_directories,
)
from haihe_edge.site import load_site
from haihe_edge.talk import ASKED_WRONGLY, OK, WRONG, Talk

if TYPE_CHECKING:
    from .live import Seen

_TRANSPORTS = ("modbus", "ascii", "sdi12")
Run = Callable[[Talk, argparse.Namespace], int]


def add_profile_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser, say: Words
) -> None:
    """Hang ``profile`` with its own commands into the command line."""
    text = say("instrument profiles: new, check, list, show, test")
    under = commands.add_parser("profile", help=text, description=text)
    inner = under.add_subparsers(required=True, dest="profile_command")

    def add(name: str, run: Run, what: str) -> argparse.ArgumentParser:
        made = inner.add_parser(name, parents=[common], help=say(what), description=say(what))
        made.set_defaults(command=run)
        return made

    add("list", show_list, "every profile that can be named")
    shown = add("show", show, "what one model of instrument can say")
    shown.add_argument("name", help=say("name of a profile, or its file"))
    checked = add("check", check, "every fault of profiles at once, with file, line and column")
    checked.add_argument("names", nargs="*", help=say("names or files (default: all)"))
    begun = add("new", new, "begin a profile and its golden case")
    begun.add_argument("name", help=say("small letters, digits, '-' and '_'; also the name of the file"))
    begun.add_argument("--transport", choices=_TRANSPORTS, default="modbus", help=say("how the instrument speaks"))
    begun.add_argument("--into", type=Path, metavar="DIR", default=Path("firmware_profiles"), help=say("folder for it"))
    _golden(begun, say)
    tested = add("test", test, "prove a profile on its golden cases, or on the instrument itself")
    tested.add_argument("name", nargs="?", help=say("name of a profile, or its file"))
    _golden(tested, say)
    tested.add_argument(
        "--site", type=Path, metavar="SITE.yaml", help=say("ask the instrument of this site, point by point")
    )
    tested.add_argument("--instrument", "-i", help=say("name of the instrument in the site file"))


def _golden(parser: argparse.ArgumentParser, say: Words) -> None:
    parser.add_argument(
        "--golden", type=Path, metavar="DIR", default=Path("tests/golden/profiles"), help=say("folder of golden cases")
    )


def _file(arguments: argparse.Namespace, name: str) -> Path:
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    known = known_profiles(profile_directories(arguments.profiles))
    if name not in known:
        raise FieldError(f"there is no profile {name!r}", do="haihe-edge profile list")
    return known[name]


def show_list(talk: Talk, arguments: argparse.Namespace) -> int:
    """All profiles, good or not."""
    found = []
    for name, path in sorted(known_profiles(profile_directories(arguments.profiles)).items()):
        try:
            profile = load_profile(path)
        except DocumentError as error:
            found.append({"profile": name, "file": str(path), "faults": len(error.problems)})
            continue
        found.append(
            {
                "profile": name,
                "file": str(path),
                "maker": profile.maker,
                "model": profile.model,
                "transport": profile.transport,
                "grade": profile.grade,
                "points": len(profile.points),
            }
        )
    if talk.json:
        talk.line(json.dumps({"profiles": found}, ensure_ascii=False))
        return OK
    keys = ("profile", "transport", "grade", "points", "maker", "model")
    talk.table(keys, [[str(each.get(key, talk.say("not usable"))) for key in keys] for each in found])
    return OK


def show(talk: Talk, arguments: argparse.Namespace) -> int:
    """One profile."""
    profile = load_profile(_file(arguments, arguments.name))
    if talk.json:
        import msgspec

        talk.line(msgspec.json.encode(profile).decode())
        return OK
    talk.line(f"{profile.profile}: {profile.maker}, {profile.model}")
    talk.line(f"{profile.transport}, {talk.say(profile.grade)}")
    talk.table(
        ("point", "element", "unit", "range", "what is not sure, and notes"),
        [_row(talk, each) for each in profile.points],
    )
    for log in profile.memory if isinstance(profile, ModbusProfile) else ():
        kept = ", ".join(f"{point.name} → {point.of or point.element}" for point in log.keeps)
        talk.line(f"{talk.say('memory')}: {log.name}: {talk.say('{n} entries at most', n=log.entries)}: {kept}")
        for line in (log.unsure and f"? {log.unsure}", *(f"? {p.name}: {p.unsure}" for p in log.keeps if p.unsure)):
            if line:
                talk.line(f"  {line}")
    for head, lines in (
        ("sources", profile.sources),
        ("must be set first", profile.preconditions),
        ("notes", profile.notes),
    ):
        for line in lines:
            talk.line(f"{talk.say(head)}: {line}")
    return OK


def _row(talk: Talk, point: PointBase) -> Sequence[str]:
    known = element(point.element) if point.element else None
    name = "" if known is None else known.zh if talk.language == "zh" else known.en
    low, high = ("" if each is None else f"{each:g}" for each in (point.low, point.high))
    notes = "; ".join(each for each in (point.unsure and f"? {point.unsure}", point.note) if each)
    return point.name, name, known.unit if known else "", f"{low} … {high}" if low or high else "", notes


def check(talk: Talk, arguments: argparse.Namespace) -> int:
    """Every fault of every file that was asked for."""
    files = [_file(arguments, name) for name in arguments.names]
    if not files:
        files = list(known_profiles(profile_directories(arguments.profiles)).values())
    problems: list[Problem] = [problem for file in files for problem in problems_of(file)]
    if talk.json:
        rows = [{"file": p.file, "line": p.line, "column": p.column, "what": p.what} for p in problems]
        talk.line(json.dumps({"ok": not problems, "files": len(files), "problems": rows}, ensure_ascii=False))
        return ASKED_WRONGLY if problems else OK
    for problem in problems:
        sys.stderr.write(f"{talk.problem(problem)}\n")
    if problems:
        talk.verdict(talk.say("{n} faults in {files} profiles", n=len(problems), files=len(files)), good=False)
        return ASKED_WRONGLY
    return talk.verdict(talk.say("{files} profiles are usable", files=len(files)), good=True)


def new(talk: Talk, arguments: argparse.Namespace) -> int:
    """Write a profile and a case that fit each other. Nothing that exists is overwritten."""
    from .starting import case_text, profile_text

    file = arguments.into / f"{arguments.name}.yaml"
    case = arguments.golden / arguments.name / "a_first_case.yaml"
    for path in (file, case):
        if path.exists():
            raise FieldError(f"{path} exists already", where=str(path), do="choose another name, or change that file")
    try:
        for path, text in (
            (file, profile_text(arguments.name, arguments.transport)),
            (case, case_text(arguments.transport)),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    except OSError as error:
        raise FieldError(
            f"cannot be written: {error.strerror}", where=str(file), do="choose a folder of yours"
        ) from None
    problems = problems_of(file)
    if problems:  # only the name can be wrong
        file.unlink()
        case.unlink()
        raise DocumentError(problems)
    if talk.json:
        talk.line(json.dumps({"profile": str(file), "golden": str(case)}))
        return OK
    talk.line(str(file))
    talk.line(str(case))
    return talk.verdict(talk.say("change both, then: haihe-edge profile check {file}", file=file), good=True)


def test(talk: Talk, arguments: argparse.Namespace) -> int:
    """Golden cases, or with --site the instrument itself."""
    from .golden import read_case, replay

    if arguments.site is not None:
        return _test_live(talk, arguments)
    if arguments.name is None:
        raise FieldError("no profile is named", do="haihe-edge profile test NAME, or --site SITE.yaml -i NAME")
    file = _file(arguments, arguments.name)
    profile = load_profile(file)
    cases = sorted((arguments.golden / profile.profile).glob("*.yaml"))
    if not cases:
        raise FieldError(
            f"{profile.profile} has no golden cases",
            where=str(arguments.golden / profile.profile),
            do="write one from the maker's document: docs/extend/instrument.md",
        )
    read = {case.stem: read_case(case) for case in cases}
    results = {name: replay(profile, case) for name, case in read.items()}
    unproved = _unproved(profile, list(read.values()))
    good = not any(results.values()) and not unproved
    if talk.json:
        talk.line(json.dumps({"ok": good, "cases": results, "without_case": unproved}, ensure_ascii=False))
        return OK if good else WRONG
    for name, wrong in results.items():
        talk.line(f"{talk.paint('✓' if not wrong else '✗', good=not wrong)} {name}")
        for line in wrong:
            talk.line(f"    {line}")
    if unproved:
        talk.line(talk.say("in no case: {points}", points=", ".join(unproved)))
    return talk.verdict(talk.say("{n} cases fit" if good else "not proved, see above", n=len(cases)), good=good)


def _unproved(profile: Profile, cases: Sequence[Mapping[str, Any]]) -> list[str]:
    proved = {name for case in cases for name in case["values"]}
    logs = profile.memory if isinstance(profile, ModbusProfile) else ()
    wanted = [point.name for point in profile.points if point.element]
    wanted += [point.name for log in logs for point in log.keeps]
    return [name for name in wanted if name not in proved]


def _test_live(talk: Talk, arguments: argparse.Namespace) -> int:
    from .live import look

    site = load_site(arguments.site, arguments.profiles)
    instrument = site.instrument(arguments.instrument or "")
    if instrument is None:
        names = ", ".join(each.name for each in site.instruments)
        raise FieldError(
            f"no instrument {arguments.instrument!r}", where=str(site.file), do=f"add -i with one of: {names}"
        )

    async def all_of_it() -> "list[Seen]":
        return [seen async for seen in look(site, instrument, SystemClock())]

    found = asyncio.run(all_of_it())
    good = all(seen.value is not None or Reason.SENTINEL in seen.reason for seen in found)
    if talk.json:
        rows = [
            {"point": each.point, "registers": each.registers, "value": each.value, "reasons": int(each.reason)}
            for each in found
        ]
        talk.line(json.dumps({"ok": good, "points": rows}, ensure_ascii=False))
        return OK if good else WRONG
    talk.table(("point", "registers", "value", "why, and other byte orders"), [_seen_row(talk, each) for each in found])
    if not good:
        for line in instrument.profile.preconditions:
            talk.line(f"{talk.say('must be set first')}: {line}")
    return talk.verdict(talk.say("every point was answered" if good else "not every point was answered"), good=good)


def _seen_row(talk: Talk, seen: "Seen") -> Sequence[str]:
    value = "—" if seen.value is None else str(seen.value)
    if seen.said:
        why = talk.say(seen.said, **dict(seen.facts))
    else:
        why = reasons_text(seen.reason, talk.language) if seen.reason else ""
    orders = ", ".join(f"{order} {value}" for order, value in seen.otherwise)
    return seen.point, seen.registers, value, "; ".join(each for each in (why, orders) if each)
