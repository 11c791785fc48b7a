"""``haihe-edge bundle show``: whose files these are, how much they hold, and whether that can be believed."""

import argparse
import json
from pathlib import Path
from typing import Any

from haihe_contract.bundle import (
    BundleFile,
    BundleRefused,
    Head,
    bytes_of,
    check_signer,
    is_receipts,
    read_bundle,
    read_receipts,
)
from haihe_contract.clock import SystemClock, beijing
from haihe_contract.document import DocumentError
from haihe_contract.errors import FieldError
from haihe_contract.quality import GRADE_NAMES, Grade
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.receipt import ReceiptRefused, verify
from haihe_contract.record_fault import NUMBER_MAX
from haihe_contract.wire import WireError, read_envelope

from haihe_edge.clock.trust import BUILT_MS
from haihe_edge.site import Centre, Site, load_site
from haihe_edge.talk import OK, WRONG, Talk

from .bundle_back import peek


def show(talk: Talk, arguments: argparse.Namespace) -> int:
    """Exit 1 when one of them is not what it should be; whether nobody here can vouch for a signer is only said."""
    try:
        site: Site | None = load_site(arguments.site, arguments.profiles)
    except DocumentError:
        site = None  # at a table far from the station
    shown = [_shown(path, site) for path in arguments.files]
    good = all(each["ok"] for each in shown)
    if talk.json:
        talk.line(json.dumps({"files": shown, "ok": good}, ensure_ascii=False))
        return OK if good else WRONG
    for each in shown:
        _tell(talk, each)
    return OK if good else WRONG


def read_file(path: Path) -> bytes:
    """The bytes of a file that may be a bundle.

    Raises:
        BundleRefused: when it cannot be read, or is too long.
    """
    try:
        return bytes_of(path)
    except OSError as error:
        raise BundleRefused(f"the file cannot be read: {error.strerror or error}") from None


def vouched(head: Head, site: Site | None) -> bool:
    """Whether an authority of the site file vouches for who has signed; False when there is none to ask.

    Raises:
        BundleRefused: when it does not.
    """
    centres = [] if site is None or head.station != site.station.code else list(site.centres)
    named = [centre for centre in centres if centre.name == head.centre] or centres
    authorities = [pem for pem in map(_authority, named) if pem]
    now = SystemClock().now_ms()
    if now < BUILT_MS:  # this computer has no clock: was it valid when it was signed?
        now = head.made_ms
    refused: BundleRefused | None = None
    for pem in authorities:
        try:
            check_signer(head, pem, now)
        except BundleRefused as error:
            refused = error
        except ValueError:
            continue  # no certificate in it
        else:
            return True
    if refused is not None:
        raise refused
    return False


def _authority(centre: Centre) -> bytes:
    try:
        return centre.ca.read_bytes()
    except OSError:
        return b""


def _shown(path: Path, site: Site | None) -> dict[str, Any]:
    said: dict[str, Any] = {"file": str(path), "kind": None, "bytes": None, "ok": False, "what": None}
    try:
        data = read_file(path)
        said["bytes"] = len(data)
        if is_receipts(data):
            said |= {"kind": "receipts", "receipts": _receipts(read_receipts(data), site)}
            said["ok"] = bool(said["receipts"]) and all(each["signed"] is not False for each in said["receipts"])
            said["what"] = None if said["ok"] else "not every receipt in it can be believed"
            return said
        found = read_bundle(data)
        said |= {"kind": "bundle", "bundle": _bundle(found)}
        said["bundle"]["vouched"] = vouched(found.head, site)
        said["ok"] = True
    except BundleRefused as error:
        said["what"] = str(error)
    return said


def _bundle(found: BundleFile) -> dict[str, Any]:
    head, lines = found.head, _lines(found)
    return {
        "station": head.station,
        "centre": head.centre,
        "id": head.bundle.hex(),
        "part": head.part,
        "last": found.end.last,
        "made_ms": _moment(head.made_ms) if head.grade else None,
        "grade": head.grade,
        "batches": found.end.batches,
        "records": sum(numbers.count() for numbers in lines.values()),
        "lines": [_line(line, numbers) for line, numbers in lines.items()],
        "states": [state.name for state in found.states],
        "vouched": False,
    }


def _lines(found: BundleFile) -> dict[int, RangeSet]:
    """Numbers by line.

    Raises:
        BundleRefused: when there is something in it that is no batch of its station.
    """
    lines: dict[int, RangeSet] = {}
    for batch in found.batches:
        try:
            envelope = read_envelope(batch)
        except WireError as error:
            raise BundleRefused(f"signed, but a batch in it cannot be read: {error}") from None
        if envelope.station != found.head.station:
            raise BundleRefused(f"signed, but a batch in it names station {envelope.station}")
        lines[envelope.line] = lines.get(envelope.line, EMPTY) | envelope.numbers
    return lines


def _line(line: int, numbers: RangeSet) -> dict[str, Any]:
    first, last = (numbers.first, numbers.last) if numbers else (None, None)
    return {"line": f"{line:016x}", "first": first, "last": last, "records": numbers.count()}


def _receipts(found: list[bytes], site: Site | None) -> list[dict[str, Any]]:
    return [_receipt(each, site) for each in found]


def _receipt(data: bytes, site: Site | None) -> dict[str, Any]:
    from haihe_edge.station import read_receipt_key  # late: with it comes everything that an agent is made of

    said = peek(data)
    if said is None:
        return {"station": "", "centre": "", "issued_ms": None, "lines": [], "signed": False}
    centre = next((each for each in site.centres if each.name == said.centre), None) if site else None
    signed: bool | None = None
    if centre is not None:
        try:
            verify(data, read_receipt_key(centre.receipt_key), centre=said.centre, station=said.station)
            signed = True
        except ReceiptRefused:
            signed = False
        except FieldError:
            signed = None
    try:
        lines = [_line(line, numbers) for line, numbers in said.settled().items()]
    except ValueError:
        return {"station": said.station, "centre": said.centre, "issued_ms": None, "lines": [], "signed": False}
    return {
        "station": said.station,
        "centre": said.centre,
        "issued_ms": _moment(said.issued_ms),
        "lines": lines,
        "signed": signed,
    }


def _moment(time_ms: int) -> int | None:
    return time_ms if 0 <= time_ms <= NUMBER_MAX else None


def _tell(talk: Talk, said: dict[str, Any]) -> None:
    talk.line(said["file"])
    if said["kind"] == "bundle":
        _tell_bundle(talk, said["bundle"], said["bytes"])
    for each in said["receipts"] if said["kind"] == "receipts" else ():
        _tell_receipt(talk, each)
    if said["what"] is not None:
        talk.line(talk.paint(f"  {talk.told(said['what'])}", good=False))
    elif said["kind"] == "bundle" and said["bundle"]["vouched"]:
        talk.line(talk.paint(talk.say("  the signature holds, and its key is the station's"), good=True))
    elif said["kind"] == "bundle":
        talk.line(talk.say("  the signature holds; whose key it is nobody here can say"))


def _tell_bundle(talk: Talk, bundle: dict[str, Any], size: int) -> None:
    grade = Grade(bundle["grade"]) if bundle["grade"] in list(Grade) else Grade.NONE
    talk.line(
        talk.say(
            "  bundle of station {station} for {centre}, made {made} ({grade}), file {part}, the last"
            if bundle["last"]
            else "  bundle of station {station} for {centre}, made {made} ({grade}), file {part}",
            station=bundle["station"],
            centre=bundle["centre"],
            made=_when(talk, bundle["made_ms"]),
            grade=GRADE_NAMES[grade][talk.language == "en"],
            part=bundle["part"],
        )
    )
    n, batches, mb = bundle["records"], bundle["batches"], f"{size / 1e6:.2f}"
    talk.line(talk.say("  {n} records in {batches} batches, {mb} MB", n=n, batches=batches, mb=mb))
    _tell_lines(talk, bundle["lines"])
    if bundle["states"]:
        talk.line(talk.say("  for a new card: {names}", names=", ".join(bundle["states"])))


def _tell_receipt(talk: Talk, receipt: dict[str, Any]) -> None:
    signed = {
        True: "the signature holds",
        False: "the signature does not hold",
        None: "its key is not here: not checked",
    }
    talk.line(
        talk.say(
            "  receipt of {centre} for station {station}, {when}: {why}",
            centre=receipt["centre"],
            station=receipt["station"],
            when=_when(talk, receipt["issued_ms"]),
            why=signed[receipt["signed"]],
        )
    )
    _tell_lines(talk, receipt["lines"])


def _when(talk: Talk, time_ms: int | None) -> str:
    return beijing(time_ms) if time_ms is not None else talk.say("time unknown")


def _tell_lines(talk: Talk, lines: list[dict[str, Any]]) -> None:
    for line in lines:
        name, n, first, last = line["line"], line["records"], line["first"], line["last"]
        talk.line(talk.say("  line {line}: {n} records, {first} to {last}", line=name, n=n, first=first, last=last))
