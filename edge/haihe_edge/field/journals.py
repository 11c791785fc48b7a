"""``haihe-edge journal``: stats, show, export. Only reads, beside a running agent or from a card that was taken out."""

import argparse
import csv
import json
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import msgspec
from haihe_contract.clock import beijing, beijing_ms
from haihe_contract.command_line import progress
from haihe_contract.errors import FieldError
from haihe_contract.language import Words

from haihe_edge import control
from haihe_edge.clock.trust import BUILT_MS
from haihe_edge.journal import Folder, Look
from haihe_edge.site import Site, load_site
from haihe_edge.talk import OK, WRONG, Talk

from . import lasting
from .account import DAY_MS, UNNAMED, Account, LineAccount, account, receipts_in
from .telling import COLUMNS, KINDS, Told, Wanted, cells, people, plain, wanted_of

SHOWN_MAX = 10_000
_LINES_SHOWN = 20
_DAMAGE = {UNNAMED, "unreadable", "memory_full"}
"""What is gone by a fault; the rest gave way, as it should when there is no space."""
Run = Callable[[Talk, argparse.Namespace], int]


def add_journal_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    common: argparse.ArgumentParser,
    say: Words,
    site: Path,
) -> None:
    """Hang ``journal`` with its own commands into the command line."""
    text = say("what the journal holds: stats, show, export")
    under = commands.add_parser("journal", help=text, description=text)
    inner = under.add_subparsers(required=True, dest="journal_command")

    def add(name: str, run: Run, what: str) -> argparse.ArgumentParser:
        made = inner.add_parser(name, parents=[common], help=say(what), description=say(what))
        made.set_defaults(command=run)
        named = made.add_argument(
            "site", type=Path, nargs="?", default=site, help=say("site file (default: {file})", file=str(site))
        )
        named.metavar = "SITE.yaml"
        made.add_argument(
            "--journal", type=Path, metavar="DIR", help=say("folder of a journal, instead of the site file's")
        )
        return made

    add("stats", stats, "lines, bytes, receipts, what is missing and why, how long it lasts")
    shown = add("show", show, "records as people read them, the newest of those asked for")
    _filters(shown, say)
    shown.add_argument("--kind", choices=tuple(KINDS), help=say("only records of this kind"))
    shown.add_argument(
        "--last", "-n", type=int, default=50, metavar="N", help=say("at most so many records (default 50)")
    )
    exported = add("export", export, "readings as CSV, or as lines of JSON with --json")
    _filters(exported, say)
    exported.add_argument(
        "--output", "-o", type=Path, metavar="FILE", help=say("file to write (default: the terminal)")
    )


def _filters(parser: argparse.ArgumentParser, say: Words) -> None:
    parser.add_argument("--line", default="", metavar="ID", help=say("only this line (its first digits are enough)"))
    parser.add_argument("--from", dest="begin", metavar="TIME", help=say("not before, Beijing time: 2026-08-01 08:00"))
    parser.add_argument("--to", dest="end", metavar="TIME", help=say("before, Beijing time"))
    parser.add_argument(
        "--series", default="", metavar="SERIES", help=say("only this element, element.point or whole key")
    )


class _Opened(NamedTuple):
    site: Site | None
    directory: Path
    look: Look


def _open(arguments: argparse.Namespace) -> _Opened:
    """The files.

    Raises:
        FieldError: when the folder cannot be read, or is that of no journal.
        DocumentError: when the site file cannot be used.
    """
    site = load_site(arguments.site, arguments.profiles) if arguments.journal is None else None
    directory = arguments.journal if site is None else site.journal.directory
    try:
        look = Look(Folder(directory))
    except OSError as error:
        raise unreadable(directory, error) from None
    if not look.segments and not look.passed:
        raise no_journal(directory)
    return _Opened(site, directory, look)


def unreadable(directory: Path, error: OSError) -> FieldError:
    """What to say of a folder that cannot be read."""
    return FieldError(
        f"the journal cannot be read: {error.strerror or error}",
        where=str(directory),
        do=f"look whether it is there and may be read: ls -ld {directory}",
    )


def no_journal(directory: Path) -> FieldError:
    """What to say of a folder without a file of a journal."""
    return FieldError(
        "there is no journal in this folder",
        where=str(directory),
        do="name the folder in which its files lie: find / -name '*.journal'",
    )


def _wanted(arguments: argparse.Namespace) -> Wanted:
    """What the filters say.

    Raises:
        ValueError: when a time is none.
    """
    begin, end = (None if text is None else beijing_ms(text) for text in (arguments.begin, arguments.end))
    return Wanted(arguments.line.lower(), begin, end, arguments.series, getattr(arguments, "kind", None) or "")


def stats(talk: Talk, arguments: argparse.Namespace) -> int:
    """Exit 1 when something is gone by a fault, or a file cannot be used."""
    site, directory, look = _open(arguments)
    held = receipts_in(directory, site)
    required = [centre.name for centre in site.centres if centre.required] if site else list(held)
    found = account(look, held, required)
    measured, size = (site and lasting.of(site)), (site.journal.size_bytes if site else None)
    per_day = found.per_day or (measured.bytes_per_day if measured else None)
    agent = _asked(site) if site else None
    data: dict[str, Any] = {
        "directory": str(directory),
        "files": len(look.segments),
        "bytes": sum(each.size for each in look.segments),
        "bytes_limit": size,
        "records": sum(line.numbers.count() for line in found.lines),
        "oldest_ms": _edge(found, min),
        "newest_ms": _edge(found, max),
        "bytes_per_day": per_day and round(per_day),
        "measured": found.per_day is not None,
        "lasts_days": round(size / per_day, 2) if size and per_day else None,
        "card": agent and agent.get("card"),
        "held": found.held,
        "gone": found.gone,
        "unusable": [each._asdict() for each in look.passed],
        "lines": [_line(line) for line in found.lines],
        "ok": not look.passed and not _DAMAGE & found.gone.keys(),
    }
    if talk.json:
        talk.line(json.dumps(data, ensure_ascii=False))
        return OK if data["ok"] else WRONG
    return _tell_stats(talk, data, found)


def _asked(site: Site) -> dict[str, Any] | None:
    try:
        return control.ask(site.control, {"do": "status"})
    except (control.AgentAway, FieldError):
        return None


def _edge(found: Account, choose: Callable[..., int | None]) -> int | None:
    """The first opening or the last commit with a known time."""
    times = [line.last_ms for line in found.lines if line.last_ms >= BUILT_MS]
    times += [line.opened.time_ms for line in found.lines if line.opened and line.opened.time_ms >= BUILT_MS]
    return choose(times, default=None)


def _line(line: LineAccount) -> dict[str, Any]:
    opened = line.opened
    return {
        "line": f"{line.line:016x}",
        "opened_ms": opened.time_ms if opened and opened.grade else None,
        "boot": opened.boot if opened else None,
        "first": line.numbers.first if line.numbers else None,
        "last": line.numbers.last if line.numbers else None,
        "records": line.numbers.count(),
        "files": line.files,
        "bytes": line.size,
        "held": line.held,
        "gone": line.gone,
        "last_ms": line.last_ms if line.last_ms >= BUILT_MS else None,
    }


def _tell_stats(talk: Talk, data: dict[str, Any], found: Account) -> int:
    centres = list(found.held)
    rows = [
        (
            f"{line.line:016x}"[:8],
            _when(talk, line),
            str(line.numbers.count()),
            str(line.numbers.last if line.numbers else "—"),
            f"{line.size / 2**20:.2f}",
            *(str(line.held[name]) for name in centres),
            ", ".join(f"{talk.say(cause)} {count}" for cause, count in line.gone.items()),
        )
        for line in found.lines[-_LINES_SHOWN:]
    ]
    if len(found.lines) > _LINES_SHOWN:
        talk.line(talk.say("{n} older lines; --json gives all", n=len(found.lines) - _LINES_SHOWN))
    held_by = [talk.say("held by {name}", name=name) for name in centres]
    talk.table(("line", "opened", "records", "last number", "MiB", *held_by, "not here any more"), rows)
    limit = "" if data["bytes_limit"] is None else f" / {data['bytes_limit'] / 2**20:.0f}"
    talk.line(
        talk.say(
            "{records} records in {files} files, {used} MiB, {oldest} to {newest}",
            records=data["records"],
            files=data["files"],
            used=f"{data['bytes'] / 2**20:.1f}{limit}",
            oldest=beijing(data["oldest_ms"]) if data["oldest_ms"] else "—",
            newest=beijing(data["newest_ms"]) if data["newest_ms"] else "—",
        )
    )
    if data["bytes_per_day"]:
        source = talk.say("as measured" if data["measured"] else "by the site file")
        words = talk.say("{n} MiB a day ({source})", n=f"{data['bytes_per_day'] / 2**20:.2f}", source=source)
        if data["lasts_days"] is not None:
            days = lasting.said_days(data["lasts_days"] * DAY_MS)
            words += talk.say("; without a link it lasts {days} days", days=days)
        talk.line(words)
    if data["card"] and data["card"]["bytes_per_day"] is not None:
        talk.line(talk.say("{n} MB a day are written to the card", n=f"{data['card']['bytes_per_day'] / 1e6:.1f}"))
    for each in data["unusable"]:
        talk.line(talk.paint(f"! {each['name']}: {talk.told(each['why'])}", good=False))
    if data["ok"]:
        return talk.verdict(talk.say("everything recorded is here, at the centres, or gave way as planned"), good=True)
    return talk.verdict(talk.say("something was damaged or is missing, see above"), good=False)


def _when(talk: Talk, line: LineAccount) -> str:
    if line.opened is None:
        return "—"
    return beijing(line.opened.time_ms, seconds=False) if line.opened.grade else talk.say("time unknown")


def show(talk: Talk, arguments: argparse.Namespace) -> int:
    """The newest of what is asked for, in the order of the journal; memory stays flat."""
    try:
        wanted = _wanted(arguments)
    except ValueError as error:
        return talk.wrongly(talk.told(str(error)))
    if not 1 <= arguments.last <= SHOWN_MAX:
        return talk.wrongly(talk.say("--last can be 1 to {most}; haihe-edge journal export gives all", most=SHOWN_MAX))
    _, _, look = _open(arguments)
    found: deque[Told] = deque()
    more = False
    for segment in reversed(look.segments):
        if more or not wanted.file(segment):
            continue
        newest: deque[Told] = deque(maxlen=arguments.last - len(found) + 1)
        newest.extend(wanted_of(look, segment, wanted))
        found.extendleft(reversed(newest))
        more = len(found) > arguments.last
    while len(found) > arguments.last:
        found.popleft()
    if talk.json:
        talk.line(
            json.dumps({"records": [plain(told) for told in found], "more": more}, ensure_ascii=False, default=str)
        )
        return _tell_passed(talk, look)
    for told in found:
        for line in people(talk, told):
            talk.line(line)
    code = _tell_passed(talk, look)
    if not found:
        talk.line(talk.say("there is no such record here"))
    elif more:
        talk.line(talk.say("there are older ones; -n or --from and --to choose others"))
    return code


def export(talk: Talk, arguments: argparse.Namespace) -> int:
    """All readings that are asked for, file by file."""
    try:
        wanted = _wanted(arguments)._replace(kind="readings")
    except ValueError as error:
        return talk.wrongly(talk.told(str(error)))
    _, _, look = _open(arguments)
    rows = 0
    try:
        with _out(arguments.output) as out:
            write = csv.writer(out, lineterminator="\n")
            if not talk.json:
                write.writerow(COLUMNS)
            for told in _everything(look, wanted, talk if arguments.output else None):
                for row in cells(told):
                    rows += 1
                    if talk.json:
                        out.write(msgspec.json.encode(dict(zip(COLUMNS, row, strict=True))).decode() + "\n")
                    else:
                        write.writerow(row)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FieldError(
            f"the readings cannot be written: {error.strerror or error}",
            where=str(arguments.output or "-"),
            do="name a file that does not exist yet, on a disk with room",
        ) from None
    code = _tell_passed(talk, look)
    print(talk.say("{n} readings", n=rows), file=sys.stderr)  # noqa: T201 - beside what is exported
    return code


def _everything(look: Look, wanted: Wanted, talk: Talk | None) -> Iterator[Told]:
    """File by file; ``talk`` is told how many are done, where the terminal is free for it."""
    files = [segment for segment in look.segments if wanted.file(segment)]
    for done, segment in enumerate(files):
        if talk is not None:
            progress(talk.say("file {n} of {all}", n=done + 1, all=len(files)))
        yield from wanted_of(look, segment, wanted)
    if talk is not None:
        progress("")


@contextmanager
def _out(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    with path.open("x", encoding="utf-8", newline="") as file:
        yield file


def _tell_passed(talk: Talk, look: Look) -> int:
    """Name the files that could not be used; the exit code is 1 where there are any: something may be missing."""
    for each in look.passed:
        words = talk.paint(f"! {each.name}: {talk.told(each.why)}", good=False)
        print(words, file=sys.stderr)  # noqa: T201 - beside what is shown
    return WRONG if look.passed else OK
