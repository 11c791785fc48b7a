"""``haihe-edge``: what technicians and installers type. Reads arguments, asks, prints; decides nothing."""

import argparse
import asyncio
import gc
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from haihe_contract import command_line, language
from haihe_contract.clock import beijing
from haihe_contract.command_line import printing, streams
from haihe_contract.document import DocumentError
from haihe_contract.errors import FieldError
from haihe_contract.quality import GRADE_NAMES, Flag, Grade

from . import control
from .field.bundles import add_bundle_commands
from .field.journals import add_journal_commands
from .field.profiles import add_profile_commands
from .field.restore import add_init_command
from .site import Site, load_site
from .talk import ASKED_WRONGLY, OK, WRONG, Talk
from .talk.words import CHINESE

SITE_FILE = "/etc/haihe/site.yaml"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. No stack trace ever reaches the person who typed it."""
    streams()
    root = parser(argv)
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(root)
    arguments = root.parse_args(argv)
    talk = Talk(arguments)
    try:
        command: Callable[[Talk, argparse.Namespace], int] = arguments.command
        with printing():
            return command(talk, arguments)
    except DocumentError as error:
        return _fail_document(talk, error)
    except FieldError as error:
        if talk.json:
            print(json.dumps({"what": error.what, "where": error.where, "do": error.do}, ensure_ascii=False))
        else:
            print(talk.paint(talk.told(error.what), good=False), file=sys.stderr)
            for head, text in ((talk.say("where"), error.where), (talk.say("do"), talk.told(error.do))):
                if text:
                    print(f"  {head}  {text}", file=sys.stderr)
        return WRONG
    except (KeyboardInterrupt, BrokenPipeError):
        return OK


def _fail_document(talk: Talk, error: DocumentError) -> int:
    if talk.json:
        problems = [
            {"file": p.file, "line": p.line, "column": p.column, "what": p.what, "level": "error"}
            for p in error.problems
        ]
        print(json.dumps({"ok": False, "problems": problems}, ensure_ascii=False))
    else:
        for problem in error.problems:
            print(talk.problem(problem), file=sys.stderr)
        print(
            talk.paint(talk.say("{n} faults; nothing was started", n=len(error.problems)), good=False), file=sys.stderr
        )
    return ASKED_WRONGLY


def parser(argv: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """All commands with their help in the language that was asked for."""
    spoken = language.choose(command_line.asked_language(sys.argv[1:] if argv is None else argv))
    command_line.speak(spoken)
    say = language.Words(CHINESE, spoken)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--lang", choices=("zh", "en"), help=say("language of the output (default: from the locale)"))
    common.add_argument("--json", action="store_true", help=say("print one JSON object instead of words"))
    common.add_argument(
        "--profiles",
        type=Path,
        metavar="DIR",
        action="append",
        default=[],
        help=say("folder of instrument profiles, looked in first"),
    )
    root = argparse.ArgumentParser(prog="haihe-edge", description=say("The station's side of Haihe."))
    commands = root.add_subparsers(required=True, metavar=say("COMMAND"))

    def add(name: str, command: Callable[[Talk, argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, parents=[common], help=say(text), description=say(text))
        sub.set_defaults(command=command)
        site = sub.add_argument(
            "site",
            type=Path,
            nargs="?",
            default=Path(SITE_FILE),
            help=say("site file (default: {file})", file=SITE_FILE),
        )
        site.metavar = "SITE.yaml"
        return sub

    add_init_command(commands, common, say, Path(SITE_FILE))
    add("check", check, "check a site file and its profiles without touching anything")
    add("plan", plan, "what each bus has to do, and which periods it cannot meet")
    add("run", run, "measure, keep and send until stopped")
    add("status", status, "how the running station is doing")
    read_parser = add("read", read, "ask one instrument now")
    read_parser.add_argument("--instrument", "-i", required=True, help=say("name of the instrument in the site file"))
    write_parser = add("write", write, "set a point of an instrument, where profile and site file allow it")
    write_parser.add_argument("--instrument", "-i", required=True, help=say("name of the instrument in the site file"))
    write_parser.add_argument("--point", help=say("name of the point in the profile"))
    write_parser.add_argument("--value", type=float, help=say("value in the point's unit"))
    write_parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="POINT=VALUE",
        help=say("instead of both; points of one group are written in one request"),
    )
    command_parser = add("command", command, "send an instrument a command, where profile and site file allow it")
    command_parser.add_argument(
        "--instrument", "-i", required=True, help=say("name of the instrument in the site file")
    )
    command_parser.add_argument("--name", help=say("name of the command in the profile (left out: which there are)"))
    watch_parser = add("watch", watch, "show every reading of the running station as it comes")
    watch_parser.add_argument("--instrument", "-i", help=say("only this instrument"))
    watch_parser.add_argument("--count", "-n", type=int, default=0, help=say("stop after so many (0: never)"))
    add_profile_commands(commands, common, say)
    add_journal_commands(commands, common, say, Path(SITE_FILE))
    add_bundle_commands(commands, common, say, Path(SITE_FILE))
    return root


def _load(arguments: argparse.Namespace) -> Site:
    """The site, with every fault that keeps it from being used, periods that its buses cannot meet included."""
    from .acquire.budget import fitting

    return fitting(load_site(arguments.site, arguments.profiles))


def plan(talk: Talk, arguments: argparse.Namespace) -> int:
    """Also for a site whose periods cannot be met: that is what it shows."""
    from .field.bus_plan import show

    return show(talk, load_site(arguments.site, arguments.profiles))


def check(talk: Talk, arguments: argparse.Namespace) -> int:
    """Offline: every fault at once, exit 2; what is only worth a look, exit 0."""
    from .field import lasting

    site = lasting.doubted(_load(arguments))
    taken = lasting.of(site)
    if talk.json:
        warnings = [
            {"file": p.file, "line": p.line, "column": p.column, "what": p.what, "level": "warning"}
            for p in site.warnings
        ]
        print(
            json.dumps(
                {
                    "ok": True,
                    "station": site.station.code,
                    "fingerprint": site.fingerprint,
                    "instruments": len(site.instruments),
                    "series": site.dictionary(),
                    "journal": {"bytes_limit": site.journal.size_bytes, **taken._asdict()},
                    "problems": warnings,
                },
                ensure_ascii=False,
            )
        )
        return OK
    name = site.station.name.zh if talk.language == "zh" else site.station.name.en
    print(talk.say("station {code} {name}", code=site.station.code, name=name))
    rows = [
        (each.bus, each.instrument, talk.name(each.key), _period(talk, each.period_ms), talk.say(each.series.source))
        for each in site.series
    ]
    talk.table(("bus", "instrument", "series", "every", "source"), rows)
    days, card = lasting.said_days(taken.lasts_ms), f"{taken.card_bytes_per_day / 2**20:.1f}"
    sentence = "without a link the journal lasts {days} days; at most {card} MiB a day are written to the card"
    print(talk.say(sentence, days=days, card=card))
    for warning in site.warnings:
        print(f"{talk.problem(warning)}  [{talk.say('worth a look')}]")
    return talk.verdict(talk.say("the site file is usable (fingerprint {print})", print=site.fingerprint), good=True)


def _period(talk: Talk, period_ms: int) -> str:
    seconds = period_ms / 1000
    if seconds < 60:
        return talk.say("{n} s", n=f"{seconds:g}")
    return talk.say("{n} min", n=f"{seconds / 60:g}")


def run(talk: Talk, arguments: argparse.Namespace) -> int:
    """In the foreground; the service manager keeps it running."""
    from . import heap, station

    heap.keep_small()
    site = _load(arguments)
    gc.collect()  # what the files were read into; the agent grows into its place
    for warning in site.warnings:
        print(talk.problem(warning), file=sys.stderr)

    def ready() -> None:
        words = talk.say("station {code} is measuring; stop with Ctrl-C", code=site.station.code)
        print(words, file=sys.stderr, flush=True)

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(message)s")
    asyncio.run(station.run(site, ready=ready))
    print(talk.say("stopped in order"), file=sys.stderr)
    return OK


def status(talk: Talk, arguments: argparse.Namespace) -> int:
    """Ask the running agent."""
    site = _load(arguments)
    try:
        said = control.ask(site.control, {"do": "status"})
    except control.AnswerLost:
        raise FieldError(
            "the agent is there and does not answer",
            where=str(site.control),
            do="look what it says: journalctl -u haihe-edge; then systemctl restart haihe-edge",
        ) from None
    except control.AgentAway:
        if talk.json:
            print(json.dumps({"station": site.station.code, "running": False, "ok": False}))
            return WRONG
        return talk.verdict(
            talk.say("The agent is not running. Start it: systemctl start haihe-edge, or haihe-edge run"), good=False
        )
    if talk.json:
        print(json.dumps(said, ensure_ascii=False))
        return OK if said["ok"] else WRONG
    return _show_status(talk, said)


def _show_status(talk: Talk, said: dict[str, Any]) -> int:
    now = said["now_ms"]
    print(f"{said['station']} {said['name'][talk.language]}  {beijing(now)}  haihe {said['version']}")
    talk.table(
        ("series", "instrument", "value", "age", "quality"),
        [
            (
                talk.name(each["series"]),
                each["instrument"],
                talk.value(each["series"], each["value"]),
                talk.ago(each["time_ms"], now),
                talk.quality(each["flag"], each["reasons"]),
            )
            for each in said["series"]
        ],
    )
    for centre in said["centres"]:
        words = talk.say("connected" if centre["connected"] else "not connected")
        line = talk.say(
            "centre {name}: {words} {since}, {waiting} records wait for a receipt, last receipt {receipt}",
            name=centre["name"],
            words=words,
            since=talk.ago(centre["since_ms"], now),
            waiting=centre["waiting_records"],
            receipt=talk.ago(centre["last_receipt_ms"], now),
        )
        print(line)
        if centre["budget_bytes"] is not None:
            print(_budget_line(talk, centre))
    for bus in said["buses"]:
        for each in bus["instruments"]:
            _show_memory(talk, each)
    journal = said["journal"]
    print(
        talk.say(
            "journal: {used} of {limit} MiB, line {line}, number {head}; clock: {clock}",
            used=f"{journal['bytes'] / 2**20:.1f}",
            limit=f"{journal['bytes_limit'] / 2**20:.0f}",
            line=journal["line"],
            head=journal["head"],
            clock=GRADE_NAMES[Grade(said["clock"]["grade"])][talk.language == "en"],
        )
    )
    if said["card"]["bytes_per_day"] is not None:
        print(talk.say("{n} MB a day are written to the card", n=f"{said['card']['bytes_per_day'] / 1e6:.1f}"))
    _show_troubles(talk, said)
    return talk.verdict(talk.say("all is well" if said["ok"] else "something is wrong, see above"), good=said["ok"])


def _show_troubles(talk: Talk, said: dict[str, Any]) -> None:
    for trouble in said["troubles"]:
        words = talk.say(trouble["words"]["sentence"], **trouble["words"]["facts"])
        print(talk.paint(f"! {trouble['where']}: {talk.say(trouble['kind'] + ' trouble')} {words}", good=False))


def _budget_line(talk: Talk, centre: dict[str, Any]) -> str:
    """What a metered link has carried, and what waits for that reason."""
    if centre["live_every_ms"]:
        words = talk.say("backlog waits, live goes every {n} s", n=centre["live_every_ms"] // 1000)
    else:
        words = talk.say("backlog waits" if centre["backlog_waits"] else "everything goes")
    return talk.say(
        "  budget: {used} of {limit} MB until {end}: {words}",
        used=f"{centre['budget_used_bytes'] / 1e6:.1f}",
        limit=f"{centre['budget_bytes'] / 1e6:g}",
        end=beijing(centre["budget_ends_ms"], seconds=False),
        words=words,
    )


def _show_memory(talk: Talk, instrument: dict[str, Any]) -> None:
    for log in instrument["memory"]:
        line = talk.say(
            "memory of {instrument}, {log}: {n} entries read back, {damaged} damaged, {future} in the future",
            instrument=instrument["name"],
            log=log["log"],
            n=log["entries"],
            damaged=log["damaged"],
            future=log["future"],
        )
        notes = [talk.say(log["error"][0], **log["error"][1])] if log["error"] else []
        notes += [talk.say("being read")] if log["reading"] else []
        print("; ".join([line, *notes]))


def read(talk: Talk, arguments: argparse.Namespace) -> int:
    """Through the running agent when there is one, else on the bus directly."""
    site = _load(arguments)
    try:
        row = control.ask(site.control, {"do": "read", "instrument": arguments.instrument}, timeout_s=60.0)
    except control.AgentAway:
        from .field import alone

        row = asyncio.run(alone.read_alone(site, arguments.instrument))
    if talk.json:
        print(json.dumps(row, ensure_ascii=False))
    else:
        _show_row(talk, row)
        _show_troubles(talk, row)
    good = all(each["flag"] in (Flag.PASS, Flag.NOT_EVALUATED) for each in row["readings"])
    return OK if good else WRONG


def write(talk: Talk, arguments: argparse.Namespace) -> int:
    """Set what an instrument holds."""
    from .field import doing

    return doing.write(talk, arguments, _load(arguments))


def command(talk: Talk, arguments: argparse.Namespace) -> int:
    """Have an instrument do something."""
    from .field import doing

    return doing.command(talk, arguments, _load(arguments))


def _show_row(talk: Talk, row: dict[str, Any]) -> None:
    when = beijing(row["time_ms"]) if row["grade"] else talk.say("{n} s of this boot", n=row["time_ms"] // 1000)
    for each in row["readings"]:
        quality = talk.quality(each["flag"], each["reasons"])
        value = talk.value(each["series"], each["value"])
        print(f"{when}  {row['instrument']}  {talk.name(each['series'])}  {value}  {quality}", flush=True)


def watch(talk: Talk, arguments: argparse.Namespace) -> int:
    """Follow the running agent."""
    site = _load(arguments)
    left = arguments.count
    try:
        for row in control.listen(site.control, {"do": "watch"}):
            if arguments.instrument not in (None, row["instrument"]):
                continue
            if talk.json:
                print(json.dumps(row, ensure_ascii=False), flush=True)
            else:
                _show_row(talk, row)
            left -= 1
            if left == 0:
                return OK
    except control.AgentAway:
        raise FieldError(
            talk.say("the agent is not running, or has stopped"),
            where=str(site.control),
            do=talk.say("start it: systemctl start haihe-edge, or haihe-edge run"),
        ) from None
    return OK
