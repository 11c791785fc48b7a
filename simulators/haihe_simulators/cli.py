"""``haihe-sim``: rivers, instruments and whole demos for people who learn, test and show."""

import argparse
import asyncio
import json
import os
import random
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from haihe_contract.clock import SystemClock
from haihe_contract.command_line import asked_language, printing, speak, streams
from haihe_contract.errors import FieldError
from haihe_contract.language import Words, choose
from haihe_contract.quantity import duration_ms

from . import bench_top, scenery
from .account import account
from .demo import demo, print_outcome, print_sheet
from .fleet import Wish, fleet
from .story import KILLABLE, Plan
from .voice import Voice
from .words import CHINESE

OK, WRONG = 0, 1
STAY_OUTAGE_SHARE = 0.8
FLEET_MAX = 50_000
HOURS_MAX = 240


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; no stack trace ever reaches a user.

    Returns:
        0 all is well, 1 something is wrong, 2 asked wrongly.
    """
    streams()
    speak(choose(asked_language(sys.argv[1:] if argv is None else argv)))
    root = parser()
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(root)
    asked = root.parse_args(argv)
    words = Words(CHINESE, choose(asked.lang))
    try:
        with printing():
            result: int = asked.run(asked, words)
            return result
    except FieldError as error:
        return _tell(error, words, as_json=getattr(asked, "json", False))
    except (KeyboardInterrupt, BrokenPipeError):
        return WRONG


def _tell(error: FieldError, words: Words, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"what": error.what, "where": error.where, "do": error.do}, ensure_ascii=False))
    else:
        print(error.what, file=sys.stderr)
        for name, text in (("where", error.where), ("do", error.do)):
            if text:
                print(f"  {words(name)}  {text}", file=sys.stderr)
    return WRONG


def _demo(asked: argparse.Namespace, words: Words) -> int:
    seconds, outage = asked.seconds, asked.outage
    if outage is None:
        outage = min(30.0, seconds / 3)
    if outage > STAY_OUTAGE_SHARE * seconds:
        raise FieldError(
            f"an outage of {outage:g} s does not fit into a story of {seconds:g} s",
            where="--outage",
            do=f"give --for at least {outage / STAY_OUTAGE_SHARE:.0f}s",
        )
    plan = Plan(seconds, outage, asked.kill, asked.stay)
    out = sys.stderr if asked.json else sys.stdout
    voice = Voice(words, out=out, moving=out.isatty() and not asked.headless)
    outcome = asyncio.run(
        demo(
            plan,
            stations=asked.stations,
            seed=asked.seed,
            language=words.language,
            clock=SystemClock(),
            page_port=asked.port,
            voice=voice,
            keep=asked.keep,
        )
    )
    if asked.json:
        print(json.dumps(outcome.facts(), ensure_ascii=False))
    else:
        print_outcome(outcome, words)
    return OK if outcome.sheet.clean else WRONG


def _balance(asked: argparse.Namespace, words: Words) -> int:
    sheet = account(asked.folder)
    if asked.json:
        print(json.dumps({**msgspec.to_builtins(sheet), "ok": sheet.clean}, ensure_ascii=False))
    else:
        print_sheet(sheet, words)
    return OK if sheet.clean else WRONG


def _river(asked: argparse.Namespace, words: Words) -> int:
    river = scenery.make_river(asked.stations, random.Random(asked.seed))
    rows: list[dict[str, Any]] = []
    for step in range(int(asked.hours * 3600 / asked.every) + 1):
        time_s = step * asked.every
        waters = [river.at(station, time_s) for station in range(asked.stations)]
        rows.append(
            {
                "hour": round(time_s / 3600, 3),
                "rain_mm": round(waters[0].fallen_mm, 1),
                "flow_m3s": [round(water.flow_m3s, 1) for water in waters],
                "stage_m": [round(water.stage_m, 2) for water in waters],
            }
        )
    if asked.json:
        print(json.dumps({"stations": [reach.code for reach in river.reaches], "rows": rows}, ensure_ascii=False))
        return OK
    print(f"{words('hour'):>8} {words('rain mm'):>8}  {words('flow m³/s')} · {words('stage m')}")
    highest = max(max(row["flow_m3s"]) for row in rows)
    for row in rows:
        columns = "  ".join(f"{q:8.1f} {z:6.2f}" for q, z in zip(row["flow_m3s"], row["stage_m"], strict=True))
        print(f"{row['hour']:8.2f} {row['rain_mm']:8.1f}  {columns}  {'▇' * round(30 * row['flow_m3s'][-1] / highest)}")
    return OK


def _instrument(asked: argparse.Namespace, words: Words) -> int:
    with suppress(KeyboardInterrupt):
        asyncio.run(bench_top.instrument(asked, words, SystemClock()))
    return OK


def _station(asked: argparse.Namespace, words: Words) -> int:
    with suppress(KeyboardInterrupt):
        asyncio.run(bench_top.station(asked, words, SystemClock()))
    return OK


def _link(asked: argparse.Namespace, words: Words) -> int:
    with suppress(KeyboardInterrupt):
        asyncio.run(bench_top.link(asked, words))
    return OK


def _fleet(asked: argparse.Namespace, words: Words) -> int:
    retry_most_ms = round(asked.retry_most * 1000)
    wish = Wish(asked.stations, asked.every, asked.watch, asked.outage, retry_most_ms, asked.seed, asked.kill)
    out = sys.stderr if asked.json else sys.stdout

    def say(sentence: str, **facts: object) -> None:
        print(words(sentence, **facts), file=out, flush=True)

    facts = asyncio.run(fleet(wish, SystemClock(), say))
    if asked.json:
        print(json.dumps(facts, ensure_ascii=False))
    else:
        for name, value in facts.items():
            shown = ", ".join(f"{who} {n}" for who, n in value.items()) if isinstance(value, dict) else value
            print(f"  {name:22} {shown}")
    return OK if facts["ok"] else WRONG


def _world(asked: argparse.Namespace, words: Words) -> int:
    from .world.tell import world

    return world(asked, words)


def _seconds(text: str) -> float:
    try:
        return duration_ms(text if not text.replace(".", "", 1).isdigit() else text + "s") / 1000
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _kills(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in KILLABLE:
            raise argparse.ArgumentTypeError(f"{name!r} cannot be killed; choose from {','.join(KILLABLE)}")
    return tuple(dict.fromkeys(names))


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= scenery.STATIONS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {scenery.STATIONS_MAX}")
    return int(text)


def _fleet_size(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= FLEET_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {FLEET_MAX}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 1000000")
    return int(text)


def _hours(text: str) -> float:
    if not text.replace(".", "", 1).isdecimal() or not 0 < float(text) <= HOURS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of hours to {HOURS_MAX}")
    return float(text)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


def parser() -> argparse.ArgumentParser:
    """All commands with their help."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--lang", choices=("zh", "en"), help="language of the output; default: the locale's")
    seeded = argparse.ArgumentParser(add_help=False)
    seeded.add_argument("--seed", type=int, default=1, help="seed of all chance (default 1)")
    root = argparse.ArgumentParser(prog="haihe-sim", description="Simulated rivers, instruments, links and demos.")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    play = commands.add_parser(
        "demo", parents=[shared, seeded], help="a whole flood with real processes, and its balance"
    )
    play.add_argument(
        "--for", dest="seconds", type=_seconds, default=120.0, metavar="TIME", help="length, e.g. 90s (default 120s)"
    )
    play.add_argument(
        "--outage",
        type=_seconds,
        metavar="TIME",
        help="how long the first station's link is cut (default 30s; 0s for none)",
    )
    play.add_argument(
        "--kill", type=_kills, default=(), metavar="LIST", help="kill -9 during the cut: edge,centre,broker"
    )
    play.add_argument("--stations", type=_count, default=3, help="how many (default 3)")
    play.add_argument("--port", type=int, help="port of the page (default 8080, or a free one)")
    play.add_argument("--stay", action="store_true", help="go on until Ctrl-C")
    play.add_argument("--headless", action="store_true", help="no moving progress line")
    play.add_argument("--json", action="store_true", help="print one JSON object; the story goes to standard error")
    play.add_argument("--keep", action="store_true", help="keep the folder with all files")
    play.set_defaults(run=_demo)

    again = commands.add_parser("balance", parents=[shared], help="draw the balance of a demo that was kept once more")
    again.add_argument("folder", type=Path, help="folder that demo --keep named")
    again.add_argument("--json", action="store_true", help="print one JSON object")
    again.set_defaults(run=_balance)

    flow = commands.add_parser("river", parents=[shared, seeded], help="print the hydrograph")
    flow.add_argument("--stations", type=_count, default=3, help="how many (default 3)")
    flow.add_argument("--hours", type=_hours, default=16.0, help="how long (default 16)")
    flow.add_argument("--every", type=_positive, default=1800, metavar="SECONDS", help="step (default 1800)")
    flow.add_argument("--json", action="store_true", help="print one JSON object")
    flow.set_defaults(run=_river)

    one = commands.add_parser("instrument", parents=[shared, seeded], help="one instrument on a serial port or TCP")
    one.add_argument("profile", help="id of a profile, or path of its file")
    one.add_argument("--unit", type=int, default=None, help="its address (default: the profile's)")
    one.add_argument("--pty", type=Path, metavar="PATH", help="name of the serial port to make (default ./PROFILE)")
    one.add_argument("--tcp", type=_address, metavar="HOST:PORT", help="Modbus TCP instead")
    one.add_argument("--baud", type=int, help="speed of the line (default: the profile's)")
    one.add_argument(
        "--fault",
        choices=("none", "silent", "noise", "crc", "late", "half", "exception"),
        default="none",
        help="what is wrong with its answers (default none)",
    )
    one.add_argument("--log", type=Path, metavar="FILE", help="answer log (default: none kept)")
    one.set_defaults(run=_instrument)

    site = commands.add_parser("station", parents=[shared, seeded], help="all instruments of a site file, on its ports")
    site.add_argument("site", type=Path, help="the site file")
    site.add_argument("--logs", type=Path, default=Path("answers"), help="directory of the answer logs")
    site.add_argument("--factor", type=float, default=60.0, help="seconds of the river in one second (default 60)")
    site.set_defaults(run=_station)

    many = commands.add_parser(
        "fleet", parents=[shared, seeded], help="many light stations on a real broker and centre, and its restart"
    )
    many.add_argument("--stations", type=_fleet_size, default=100, help=f"how many, to {FLEET_MAX} (default 100)")
    many.add_argument("--every", type=_seconds, default=60.0, metavar="TIME", help="period of each (default 60s)")
    many.add_argument("--watch", type=_seconds, default=20.0, metavar="TIME", help="quiet course (default 20s)")
    many.add_argument("--outage", type=_seconds, default=20.0, metavar="TIME", help="broker away (default 20s)")
    many.add_argument(
        "--retry-most", type=_seconds, default=30.0, metavar="TIME", help="cap of pauses between tries (default 30s)"
    )
    many.add_argument("--kill", action="store_true", help="kill -9 the broker rather than stop it in order")
    many.add_argument("--json", action="store_true", help="print one JSON object; the course goes to standard error")
    many.set_defaults(run=_fleet)

    days = commands.add_parser(
        "world", parents=[shared], help="the proof of the number line: days of all faults in virtual time, by seeds"
    )
    days.add_argument("--seeds", type=_positive, default=100, metavar="N", help="how many worlds (default 100)")
    days.add_argument("--start", type=int, default=1, metavar="N", help="first seed (default 1)")
    days.add_argument("--jobs", type=_positive, default=2, metavar="N", help="processes at a time (default 2)")
    days.add_argument("--mutate", action="store_true", help="break the code on purpose, and see whether it is noticed")
    days.add_argument("--only", default="", metavar="TEXT", help="with --mutate: those whose name has this")
    days.add_argument("--json", action="store_true", help="print one JSON object")
    days.set_defaults(run=_world)

    way = commands.add_parser(
        "link", parents=[shared], help="a TCP link that can be cut; orders are JSON lines on standard input"
    )
    way.add_argument(
        "--listen",
        type=_address,
        default=("127.0.0.1", 0),
        metavar="HOST:PORT",
        help="where it listens (default: a free port of this machine)",
    )
    way.add_argument("--to", type=_address, required=True, metavar="HOST:PORT", help="where it leads")
    way.set_defaults(run=_link)
    return root
