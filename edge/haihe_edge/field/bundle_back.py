"""``haihe-edge bundle receipts``: what a centre holds is known at the station again, agent or not."""

import argparse
import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from haihe_contract.bundle import RECEIPTS_MAX, BundleRefused, bytes_of, read_receipts
from haihe_contract.ed25519 import SIGNATURE_BYTES
from haihe_contract.errors import FieldError
from haihe_contract.receipt import RECEIPT_BYTES_MAX, Receipt, ReceiptRefused, verify
from haihe_contract.topic import is_station

from haihe_edge import control
from haihe_edge.forward.held import Held
from haihe_edge.handover import ASK_AGAIN
from haihe_edge.journal import Folder, Look
from haihe_edge.site import Site, load_site
from haihe_edge.talk import OK, WRONG, Talk

FILE_BYTES_MAX = RECEIPTS_MAX * (RECEIPT_BYTES_MAX + 16)


class Brought(NamedTuple):
    """A receipt of a file, not believed yet."""

    file: Path
    centre: str
    data: bytes


class Refused(NamedTuple):
    """What of a file is not believed."""

    file: Path
    what: str
    do: str = ASK_AGAIN


class Known(NamedTuple):
    """What one centre's receipts have changed.

    Args:
        receipts: that were accepted.
        new: records here that were not known to be there.
        here: records in the journal.
        waiting: of them, those that it has given no receipt for.
    """

    receipts: int
    new: int
    here: int
    waiting: int


def receipts(talk: Talk, arguments: argparse.Namespace) -> int:
    """Exit 1 when something in the files is refused; the rest counts all the same."""
    site = load_site(arguments.site, arguments.profiles)
    brought: list[Brought] = []
    refused: list[Refused] = []
    for path in arguments.files:
        _read(path, site, brought, refused)
    running = True
    try:
        known = _to_agent(site, brought, refused)
    except control.AnswerLost:
        raise FieldError(
            "the agent went away before it had heard everything",
            where=str(site.control),
            do="bring the same files again: a receipt that was heard twice does no harm",
        ) from None
    except control.AgentAway:
        running = False
        known = _to_file(site, brought, refused)
    return _tell(talk, site, known, refused, running=running)


def _read(path: Path, site: Site, brought: list[Brought], refused: list[Refused]) -> None:
    try:
        found = read_receipts(bytes_of(path, FILE_BYTES_MAX))
    except OSError as error:
        refused.append(Refused(path, f"the file cannot be read: {error.strerror or error}", ""))
        return
    except BundleRefused as error:
        refused.append(Refused(path, str(error)))
        return
    if not found:
        refused.append(Refused(path, "it holds no receipt"))
    names = {centre.name for centre in site.centres}
    for each in found:
        said = peek(each)
        if said is None:
            refused.append(Refused(path, "a receipt in it cannot be read"))
        elif said.station != site.station.code:
            refused.append(
                Refused(path, f"its receipts are for station {said.station}, and this is {site.station.code}")
            )
            return
        elif said.centre not in names:
            refused.append(Refused(path, f"the site file names no centre {said.centre}", f"one of: {', '.join(names)}"))
            return
        else:
            brought.append(Brought(path, said.centre, each))


def peek(data: bytes) -> Receipt | None:
    """What a receipt says, whoever has signed it."""
    try:
        said = msgspec.msgpack.decode(data[SIGNATURE_BYTES:], type=Receipt)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return said if is_station(said.station) and said.centre.isprintable() else None  # names go to a terminal


def _to_agent(site: Site, brought: list[Brought], refused: list[Refused]) -> dict[str, Known]:
    """Over the control socket.

    Raises:
        AgentAway: when no agent runs.
        AnswerLost: when it went away.
    """
    known: dict[str, Known] = {}
    if not brought:
        control.ask(site.control, {"do": "status"})  # whether one runs decides what is said in the end
    for at, each in enumerate(brought):
        request = {
            "do": "receipt",
            "centre": each.centre,
            "receipt": base64.b64encode(each.data).decode("ascii"),
            "save": at == len(brought) - 1,
        }
        try:
            said = control.ask(site.control, request)
        except FieldError as error:
            refused.append(Refused(each.file, error.what, error.do))
            continue
        before = known.get(each.centre, Known(0, 0, 0, 0))
        new = before.new + said["new"]
        known[each.centre] = Known(before.receipts + 1, new, said["here"], said["waiting"])
    return known


def _to_file(site: Site, brought: list[Brought], refused: list[Refused]) -> dict[str, Known]:
    """Into what lies beside the journal, as the next start of the agent reads it.

    Raises:
        FieldError: when an agent starts just now, or the disk refuses.
    """
    from haihe_edge.station import read_receipt_key  # late: with it comes everything that an agent is made of

    known: dict[str, Known] = {}
    if not brought:
        return known
    directory = site.journal.directory
    folder = Folder(directory)
    try:
        here = Look(folder).extents()
        folder.take()
        for centre in site.centres:
            of_it = [each for each in brought if each.centre == centre.name]
            if of_it:
                key = read_receipt_key(centre.receipt_key)
                held = Held(directory / f"receipts-{centre.name}")
                before = held.count(here)
                taken = 0
                for each in of_it:
                    try:
                        held.take(verify(each.data, key, centre=centre.name, station=site.station.code))
                        taken += 1
                    except ReceiptRefused as error:
                        refused.append(Refused(each.file, f"a receipt was not accepted: {error}"))
                held.save()
                count, now = sum(extent.numbers.count() for extent in here), held.count(here)
                known[centre.name] = Known(taken, max(0, now - before), count, count - now)
    except OSError as error:
        raise FieldError(
            f"the receipts cannot be kept: {error.strerror or error}",
            where=str(error.filename or directory),
            do="look at the disk: df -h; mount",
        ) from None
    finally:
        folder.leave()
    return known


def _tell(talk: Talk, site: Site, known: Mapping[str, Known], refused: list[Refused], *, running: bool) -> int:
    told = list(dict.fromkeys(refused))  # one sentence for all of a file that are alike
    if talk.json:
        said: dict[str, Any] = {
            "station": site.station.code,
            "running": running,
            "centres": [{"name": name, **each._asdict()} for name, each in known.items()],
            "refused": [{"file": str(each.file), "what": each.what, "do": each.do} for each in told],
            "ok": not refused,
        }
        talk.line(json.dumps(said, ensure_ascii=False))
        return WRONG if refused else OK
    for each in told:
        do = f"; {talk.told(each.do)}" if each.do else ""
        talk.worry(f"{each.file}: {talk.told(each.what)}{do}")
    for name, of_it in known.items():
        talk.line(
            talk.say(
                "centre {name}: {receipts} receipts; of {here} records here it holds {held}, {new} more than was known",
                name=name,
                receipts=of_it.receipts,
                here=of_it.here,
                held=of_it.here - of_it.waiting,
                new=of_it.new,
            )
        )
        if of_it.waiting:
            talk.line(talk.say("{n} records are only here", n=of_it.waiting))
    if refused:
        return talk.verdict(talk.say("not every receipt was accepted, see above"), good=False)
    return talk.verdict(
        talk.say("the running agent knows it" if running else "kept for the next start of the agent"), good=True
    )
