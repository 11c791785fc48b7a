"""``haihe-edge init --restore``: a new card gets back what the old one had told its centres, by link or by file."""

import argparse
import difflib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from haihe_contract.clock import beijing
from haihe_contract.document import DocumentError
from haihe_contract.errors import FieldError
from haihe_contract.language import Words
from haihe_contract.quality import Grade
from haihe_contract.restore import SITE, StationState, StationStates

from haihe_edge.journal import Folder
from haihe_edge.kept import take_place
from haihe_edge.remember.site_states import unpacked
from haihe_edge.site import Site, load_site
from haihe_edge.talk import OK, Talk

from .beside import FileBeside, files_beside, possible

FILE_BYTES_MAX = 16 * 1024 * 1024
CHANGES_MAX = 20
"""Lines of a site file that are shown before it is overwritten."""
WAIT_S = 30.0
WAIT_S_MAX = 3600.0
_GET_IT = "haihe-cloud station state CODE --json > state.json"


class _Source(NamedTuple):
    """What is known of the station, and who said it.

    Args:
        known: the states.
        name: a file, or the centres.
        centres: for ``--json``; empty when it came from a file.
    """

    known: StationStates
    name: str
    centres: list[dict[str, Any]]


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
        nargs="?",
        const="",
        required=True,
        help=say(
            "what `haihe-cloud station state CODE --json` printed, - for the standard input;"
            " without it the centres of the site file are asked over the link"
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
    source = _read(arguments) if arguments.restore else _ask(talk, arguments)
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


def _read(arguments: argparse.Namespace) -> _Source:
    """The file.

    Raises:
        FieldError: when it cannot be used, or is that of another station than the site file here.
    """
    source = arguments.restore
    do = _GET_IT
    if Path(source).suffix in (".yaml", ".yml"):
        do = "write the site file before the option: haihe-edge init SITE.yaml --restore"
    try:
        if source == "-":
            data = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise ValueError("it is too long")  # noqa: TRY301 - all that is wrong with the file is said in one place
        found = msgspec.json.decode(data, type=StationStates)
    except OSError as error:
        raise FieldError(
            f"the state of the station cannot be read: {error.strerror or error}", where=source, do=do
        ) from None
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise FieldError(f"the state of the station cannot be read: {error}", where=source, do=do) from None
    here = _code_here(arguments)
    if here not in ("", found.station) and not arguments.force:
        raise FieldError(
            f"this is the state of station {found.station}, and the site file here is that of {here}",
            where=source,
            do="name the file of this one; --force makes it the other one",
        )
    return _Source(StationStates(found.station, [each for each in found.states if possible(each)]), source, [])


def _code_here(arguments: argparse.Namespace) -> str:
    """The station of the site file that is here, empty where there is none that can be read."""
    try:
        return load_site(arguments.site, arguments.profiles).station.code
    except DocumentError:
        return ""


def _ask(talk: Talk, arguments: argparse.Namespace) -> _Source:
    """The centres of the site file.

    Raises:
        FieldError: when there is no site file, or none of them gives anything.
        DocumentError: when the site file cannot be used.
    """
    if not arguments.site.exists():
        raise FieldError(
            "there is no site file, and so no centre to ask",
            where=str(arguments.site),
            do="copy the one that this station was installed with; or bring the state as a file:"
            " haihe-edge init --restore FILE",
        )
    site = load_site(arguments.site, arguments.profiles)
    import asyncio

    from . import asking  # late: with it comes everything that an agent is made of

    if not talk.json:
        names = ", ".join(centre.name for centre in site.centres)
        talk.line(talk.say("asking {names}, for up to {n} s", names=names, n=f"{arguments.wait:g}"))
    told = asyncio.run(asking.ask(site, arguments.wait))
    faults = [each.fault for each in told if each.fault is not None]
    if len(faults) == len(told):
        for fault in faults[1:]:
            talk.worry(talk.told(fault.what))
        raise faults[0]
    for each in told:
        if each.fault is not None:
            talk.worry(talk.told(each.fault.what))
        elif not talk.json:
            times = [state.time_ms for state in each.states if state.grade != Grade.NONE]
            newest = beijing(max(times)) if times else talk.say("time unknown")
            words = "centre {name}: {count} states, the latest of {when}"
            talk.line(talk.say(words, name=each.centre.name, count=len(each.states), when=newest))
        if each.left_out:
            words = "centre {name}: {count} more had no room in its answer; a file has all: {how}"
            talk.worry(talk.say(words, name=each.centre.name, count=each.left_out, how=_GET_IT))
    centres = [
        {"name": each.centre.name, "states": len(each.states), "left_out": each.left_out}
        | ({"what": each.fault.what} if each.fault else {})
        for each in told
    ]
    names = ", ".join(each.centre.name for each in told if each.fault is None)
    return _Source(StationStates(site.station.code, asking.latest(told)), names, centres)


def _plan(source: _Source, arguments: argparse.Namespace, beside: Path) -> _Planned:
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


def _site_text(rows: Mapping[str, StationState], source: _Source, here: bytes | None) -> bytes:
    """The site file to restore; where its station could not tell it, the one that is here.

    Raises:
        FieldError: when there is none.
    """
    try:
        if SITE in rows:
            return unpacked(rows[SITE].value)
    except ValueError as error:
        if here is None or "why" not in rows[SITE].value:
            raise FieldError(f"its site file cannot be used: {error}", where=source.name, do=_GET_IT) from None
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
