"""``haihe-edge bundle``: what a crew carries out of a station that has no link, and the receipts it brings back."""

import argparse
from collections.abc import Callable
from pathlib import Path

from haihe_contract.language import Words

from haihe_edge.talk import Talk

Run = Callable[[Talk, argparse.Namespace], int]


def add_bundle_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    common: argparse.ArgumentParser,
    say: Words,
    site: Path,
) -> None:
    """Hang ``bundle`` with its own commands into the command line."""
    text = say("carry records out by hand: write, receipts, show")
    under = commands.add_parser("bundle", help=text, description=text)
    inner = under.add_subparsers(required=True, dest="bundle_command")

    def add(name: str, run: Run, what: str) -> argparse.ArgumentParser:
        made = inner.add_parser(name, parents=[common], help=say(what), description=say(what))
        made.set_defaults(command=run)
        return made

    default = say("site file (default: {file})", file=str(site))
    made = add("write", _write, "write what a centre does not have yet into signed files on a stick")
    made.add_argument("site", type=Path, nargs="?", default=site, help=default).metavar = "SITE.yaml"
    made.add_argument("--to", type=Path, required=True, metavar="DIR", help=say("folder to write into: the stick"))
    made.add_argument("--centre", metavar="NAME", help=say("for this centre only (default: every required one)"))
    made.add_argument("--all", action="store_true", help=say("also what the centre has given a receipt for"))
    made.add_argument(
        "--from", dest="begin", metavar="TIME", help=say("recorded not before, Beijing time: 2026-08-01 08:00")
    )
    made.add_argument("--until", dest="end", metavar="TIME", help=say("recorded before, Beijing time"))
    made.add_argument(
        "--journal", type=Path, metavar="DIR", help=say("folder of a journal, instead of the site file's")
    )
    made = add("receipts", _receipts, "bring a centre's receipts back to the station")
    made.add_argument("files", type=Path, nargs="+", metavar="FILE", help=say("file of receipts"))
    made.add_argument("--site", type=Path, default=site, metavar="SITE.yaml", help=default)
    made = add("show", _show, "whose files these are, how much they hold, and whether that can be believed")
    made.add_argument("files", type=Path, nargs="+", metavar="FILE", help=say("bundle, or file of receipts"))
    made.add_argument("--site", type=Path, default=site, metavar="SITE.yaml", help=default)


def _write(talk: Talk, arguments: argparse.Namespace) -> int:
    from . import bundle_out  # late, like the others: signatures are not loaded by a station that measures

    return bundle_out.write(talk, arguments)


def _receipts(talk: Talk, arguments: argparse.Namespace) -> int:
    from . import bundle_back

    return bundle_back.receipts(talk, arguments)


def _show(talk: Talk, arguments: argparse.Namespace) -> int:
    from . import bundle_show

    return bundle_show.show(talk, arguments)
