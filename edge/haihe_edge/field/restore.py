"""``haihe-edge init --restore``: a new card gets back what the old one had told its centre."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from haihe_contract.clock import beijing
from haihe_contract.errors import FieldError
from haihe_contract.language import Words

from haihe_edge.journal import Folder
from haihe_edge.kept import Kept, take_place
from haihe_edge.qualify import CounterState
from haihe_edge.remember.counted import FILE
from haihe_edge.remember.site_states import COUNTER, SITE, unpacked
from haihe_edge.site import Site, load_site
from haihe_edge.talk import OK, Talk

FILE_BYTES_MAX = 16 * 1024 * 1024
_GET_IT = "haihe-cloud station state CODE --json > state.json"


class StateRow(msgspec.Struct):
    """The latest state of one name."""

    name: str
    time_ms: int
    grade: int
    value: dict[str, Any]


class RestoreFile(msgspec.Struct):
    """What ``haihe-cloud station state CODE --json`` prints."""

    station: str
    states: list[StateRow]


class _Planned(NamedTuple):
    """What would be written, and what stays because what is here is newer."""

    site: Site
    text: bytes
    new_site: bool
    counters: dict[str, CounterState]
    restored: list[str]
    newer: list[str]


def add_init_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    common: argparse.ArgumentParser,
    say: Words,
    site: Path,
) -> None:
    """Hang ``init`` into the command line."""
    text = say("begin on a new card: bring back site file and counters of a station from what its centre knows")
    made = commands.add_parser("init", parents=[common], help=text, description=text)
    made.set_defaults(command=init)
    named = made.add_argument(
        "site", type=Path, nargs="?", default=site, help=say("site file to write (default: {file})", file=str(site))
    )
    named.metavar = "SITE.yaml"
    made.add_argument("--restore", metavar="CODE", required=True, help=say("code of the station"))
    made.add_argument(
        "--from",
        dest="source",
        metavar="FILE",
        required=True,
        help=say("what `haihe-cloud station state CODE --json` printed; - reads it from the standard input"),
    )
    made.add_argument("--force", action="store_true", help=say("overwrite even what is newer here"))
    made.add_argument("--yes", action="store_true", help=say("do not ask"))


def init(talk: Talk, arguments: argparse.Namespace) -> int:
    """Check all of it, say what would be written, ask, write."""
    source = arguments.source
    states = _read(source, arguments.restore)
    beside = arguments.site.with_name(arguments.site.name + ".restored")
    try:
        planned = _plan(states, source, arguments, beside)
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
        "station": states.station,
        "site_file": str(arguments.site),
        "fingerprint": planned.site.fingerprint,
        "site_written": planned.new_site,
        "restored": planned.restored,
        "newer_here": planned.newer,
    }
    if talk.json:
        talk.line(json.dumps(said, ensure_ascii=False))
        return OK
    return talk.verdict(
        talk.say("restored; now the keys, then: haihe-edge check {file}", file=str(arguments.site)), good=True
    )


def _read(source: str, code: str) -> RestoreFile:
    """The file.

    Raises:
        FieldError: when it cannot be used, or is that of another station.
    """
    try:
        if source == "-":
            data = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise ValueError("it is too long")  # noqa: TRY301 - all that is wrong with the file is said in one place
        found = msgspec.json.decode(data, type=RestoreFile)
    except OSError as error:
        raise FieldError(
            f"the state of the station cannot be read: {error.strerror or error}", where=source, do=_GET_IT
        ) from None
    except (ValueError, msgspec.MsgspecError) as error:
        raise FieldError(f"the state of the station cannot be read: {error}", where=source, do=_GET_IT) from None
    if found.station != code:
        raise FieldError(
            f"this is the state of station {found.station}, not of {code}", where=source, do="name the file of this one"
        )
    return found


def _plan(states: RestoreFile, source: str, arguments: argparse.Namespace, beside: Path) -> _Planned:
    """What would be written; the site file already lies beside its place, checked.

    Raises:
        FieldError: when there is no site file in it, an agent is running, or what is here is newer.
        DocumentError: when its site file cannot be used here.
        OSError: when the disk refuses.
    """
    rows = {row.name: row for row in states.states}
    if SITE not in rows:
        raise FieldError("it holds no site file", where=source, do="write the site file anew: docs/start")
    try:
        text = unpacked(rows[SITE].value)
    except ValueError as error:
        raise FieldError(f"its site file cannot be used: {error}", where=source, do=_GET_IT) from None
    beside.parent.mkdir(parents=True, exist_ok=True)
    beside.write_bytes(text)
    site = load_site(beside, arguments.profiles)
    if site.station.code != states.station:
        raise FieldError(
            f"its site file is that of station {site.station.code}", where=source, do="name the file of this one"
        )
    new_site = not (arguments.site.exists() and arguments.site.read_bytes() == text)
    if new_site and arguments.site.exists() and not arguments.force:
        changed_ms = int(arguments.site.stat().st_mtime * 1000)
        if changed_ms > rows[SITE].time_ms:
            raise FieldError(
                f"the site file here is newer ({beijing(changed_ms)}) than the one to restore"
                f" ({beijing(rows[SITE].time_ms)})",
                where=str(arguments.site),
                do="compare them; --force overwrites it",
            )
    folder = Folder(site.journal.directory)
    folder.take()  # a running agent would write its own counters over them
    folder.leave()
    counters, restored, newer = _counters(site, rows, force=arguments.force)
    return _Planned(site, text, new_site, counters, restored, newer)


def _counters(
    site: Site, rows: dict[str, StateRow], *, force: bool
) -> tuple[dict[str, CounterState], list[str], list[str]]:
    try:
        here = Kept(site.journal.directory / FILE, dict[str, CounterState]).load() or {}
    except ValueError:
        here = {}  # damaged, and set aside
    restored: list[str] = []
    newer: list[str] = []
    for rule in site.counters:
        key = site.series[rule.number].key
        row = rows.get(COUNTER + key)
        if row is None:
            continue
        try:
            state = msgspec.convert(row.value, CounterState)
        except msgspec.ValidationError:
            continue  # it begins anew, as one that was never known
        if key in here and here[key].time_ms > state.time_ms and not force:
            newer.append(key)
        elif here.get(key) != state:
            here[key] = state
            restored.append(key)
    return here, restored, newer


def _agreed(talk: Talk, arguments: argparse.Namespace, planned: _Planned) -> bool:
    if not talk.json:
        if planned.new_site:
            words = "writes {file} (fingerprint {print})"
            if arguments.site.exists():
                words = "overwrites {file} (fingerprint {print})"
            talk.line(talk.say(words, file=str(arguments.site), print=planned.site.fingerprint))
        for key in planned.restored:
            value, when = planned.counters[key].value, beijing(planned.counters[key].time_ms)
            talk.line(talk.say("counter {name}: {value} at {when}", name=talk.name(key), value=f"{value:g}", when=when))
        for key in planned.newer:
            talk.line(talk.say("counter {name}: what is here is newer, and stays", name=talk.name(key)))
    if arguments.yes:
        return True
    if talk.json or not sys.stdin.isatty():
        return False
    return input(talk.say("Write this? [y/N] ")).strip().lower() in ("y", "yes", "是")


def _write(place: Path, beside: Path, planned: _Planned) -> None:
    """Counters first: without the site file nothing uses them.

    Raises:
        OSError: when the disk refuses.
    """
    if planned.restored:
        Kept(planned.site.journal.directory / FILE, dict[str, CounterState]).save(planned.counters)
    if not planned.new_site:
        return
    take_place(beside, place)
