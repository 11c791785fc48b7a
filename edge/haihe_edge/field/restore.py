"""``haihe-edge init --restore``: a new card gets back what the old one had told its centres, by link or by hand."""

import argparse
import difflib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from haihe_contract.clock import beijing
from haihe_contract.errors import FieldError
from haihe_contract.language import Words
from haihe_contract.restore import SITE, StationState

from haihe_edge.journal import Folder
from haihe_edge.kept import take_place
from haihe_edge.remember.site_states import unpacked
from haihe_edge.site import Site, load_site
from haihe_edge.talk import OK, Talk

from .beside import FileBeside, files_beside
from .restored_from import GET_IT, Source, from_centres, from_files

CHANGES_MAX = 20
"""Lines of a site file that are shown before it is overwritten."""
WAIT_S = 30.0
WAIT_S_MAX = 3600.0


class _Planned(NamedTuple):
    """What would be written.

    Args:
        site: the station as it will be.
        changes: lines of the site file that change, with + and -; empty where it is new or stays.
        new_site: whether the site file is written.
        fault: why it must not be.
        beside: the files beside the journal.
    """

    site: Site
    changes: list[str]
    new_site: bool
    fault: FieldError | None
    beside: list[FileBeside]


def add_init_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    common: argparse.ArgumentParser,
    say: Words,
    site: Path,
) -> None:
    """Hang ``init`` into the command line."""
    text = say(
        "begin on a new card: bring back site file, counters and budgets of a station from what its centre knows"
    )
    made = commands.add_parser("init", parents=[common], help=text, description=text)
    made.set_defaults(command=init)
    named = made.add_argument(
        "site", type=Path, nargs="?", default=site, help=say("site file to write (default: {file})", file=str(site))
    )
    named.metavar = "SITE.yaml"
    made.add_argument(
        "--restore",
        metavar="FILE",
        nargs="*",
        required=True,
        help=say(
            "bundles of the station, or what `haihe-cloud station state CODE --json` printed, - for the standard"
            " input; without it the centres of the site file are asked over the link"
        ),
    )
    made.add_argument(
        "--wait",
        metavar="SECONDS",
        type=float,
        default=WAIT_S,
        help=say("how long the centres have to answer (default {n})", n=f"{WAIT_S:g}"),
    )
    made.add_argument("--force", action="store_true", help=say("overwrite even what is newer here"))
    made.add_argument("--yes", action="store_true", help=say("do not ask"))


def init(talk: Talk, arguments: argparse.Namespace) -> int:
    """Check all of it, say what would be written, ask, write."""
    if not 0 < arguments.wait <= WAIT_S_MAX:
        return talk.wrongly(talk.say("--wait can be up to {most} seconds", most=f"{WAIT_S_MAX:g}"))
    source = from_files(talk, arguments) if arguments.restore else from_centres(talk, arguments)
    beside = arguments.site.with_name(arguments.site.name + ".restored")
    try:
        planned = _plan(source, arguments, beside)
        if not _agreed(talk, arguments, planned):
            return talk.wrongly(talk.say("nothing was written; --yes writes without asking"))
        _write(arguments.site, beside, planned)
    except OSError as error:
        raise FieldError(
            f"the site cannot be written: {error.strerror or error}",
            where=str(error.filename or arguments.site),
            do="make room, or give the right to write there",
        ) from None
    finally:
        beside.unlink(missing_ok=True)
    said = {
        "station": source.known.station,
        "centres": source.centres,
        "vouched": source.vouched,
        "site_file": str(arguments.site),
        "fingerprint": planned.site.fingerprint,
        "site_written": planned.new_site,
        "restored": [name for each in planned.beside for name in each.restored],
        "newer_here": [name for each in planned.beside for name in each.newer],
    }
    if talk.json:
        talk.line(json.dumps(said, ensure_ascii=False))
        return OK
    words = "restored; now the keys, then: haihe-edge check {file}"
    if source.centres:
        words = "restored; now: haihe-edge check {file}"
    return talk.verdict(talk.say(words, file=str(arguments.site)), good=True)


def _plan(source: Source, arguments: argparse.Namespace, beside: Path) -> _Planned:
    """What would be written; the site file already lies beside its place, checked.

    Raises:
        FieldError: when there is no site file in it, or an agent is running.
        DocumentError: when its site file cannot be used here.
        OSError: when the disk refuses.
    """
    rows = {row.name: row for row in source.known.states}
    here = arguments.site.read_bytes() if arguments.site.exists() else None
    text = _site_text(rows, source, here)
    beside.parent.mkdir(parents=True, exist_ok=True)
    beside.write_bytes(text)
    site = load_site(beside, arguments.profiles)
    if site.station.code != source.known.station:
        raise FieldError(
            f"its site file is that of station {site.station.code}", where=source.name, do="name the file of this one"
        )
    changes: list[str] = []
    fault = None
    if here is not None and here != text:
        changes = _changes(here, text)
        changed_ms = int(arguments.site.stat().st_mtime * 1000)
        if changed_ms > rows[SITE].time_ms and not arguments.force:
            fault = FieldError(
                f"the site file here is newer ({beijing(changed_ms)}) than the one to restore"
                f" ({beijing(rows[SITE].time_ms)})",
                where=str(arguments.site),
                do="compare them; --force overwrites it",
            )
    folder = Folder(site.journal.directory)
    folder.take()  # a running agent would write its own files over them
    folder.leave()
    return _Planned(site, changes, here != text, fault, files_beside(site, rows, force=arguments.force))


def _site_text(rows: Mapping[str, StationState], source: Source, here: bytes | None) -> bytes:
    """The site file to restore; where its station could not tell it, the one that is here.

    Raises:
        FieldError: when there is none.
    """
    try:
        if SITE in rows:
            return unpacked(rows[SITE].value)
    except ValueError as error:
        if here is None or "why" not in rows[SITE].value:
            raise FieldError(f"its site file cannot be used: {error}", where=source.name, do=GET_IT) from None
    if here is None:
        raise FieldError("it holds no site file", where=source.name, do="write the site file anew: docs/start")
    return here


def _changes(here: bytes, text: bytes) -> list[str]:
    """The first lines that differ, as ``diff`` shows them."""
    old, new = (each.decode("utf-8", "replace").splitlines() for each in (here, text))
    compared = list(difflib.unified_diff(old, new, lineterm="", n=0))[2:]
    changed = [line for line in compared if not line.startswith("@@")]
    return changed[:CHANGES_MAX] + (["..."] if len(changed) > CHANGES_MAX else [])


def _agreed(talk: Talk, arguments: argparse.Namespace, planned: _Planned) -> bool:
    """Show it and ask.

    Raises:
        FieldError: when the site file here is newer.
    """
    if not talk.json:
        if planned.new_site:
            words = "writes {file} (fingerprint {print})"
            if planned.changes:
                words = "overwrites {file} (fingerprint {print})"
            talk.line(talk.say(words, file=str(arguments.site), print=planned.site.fingerprint))
            for line in planned.changes:
                talk.line(f"  {line}")
        for each in planned.beside:
            each.say(talk)
    if planned.fault is not None:
        raise planned.fault
    if arguments.yes:
        return True
    if talk.json or not sys.stdin.isatty():
        return False
    try:
        said = input(talk.say("Write this? [y/N] "))
    except EOFError:  # Ctrl-D
        return False
    return said.strip().lower() in ("y", "yes", "是")


def _write(place: Path, beside: Path, planned: _Planned) -> None:
    """The site file last: without it nothing uses the others.

    Raises:
        OSError: when the disk refuses.
    """
    for each in planned.beside:
        each.write()
    if not planned.new_site:
        return
    take_place(beside, place)
