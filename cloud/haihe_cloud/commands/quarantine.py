"""``haihe-cloud quarantine``: look at messages that were not taken, have them admitted again, or drop them."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from haihe_contract.clock import Clock, beijing
from haihe_contract.errors import FieldError
from haihe_contract.record import LANE_NAMES, Record, Unread
from haihe_contract.table import table
from haihe_contract.wire import Envelope, WireError, open_batch, read_envelope

from haihe_cloud.ledger.arrival import Quarantined
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.ledger.packed import line_text
from haihe_cloud.ledger.quarantine import Quarantine
from haihe_cloud.limits import WHY_CHARACTERS

from .output import GOOD, WRONG, Answer, AskedWrongly
from .words import Sentences

_HEX_BYTES = 512
_RECORDS = 40
_RECORD_CHARACTERS = 160
_GONE_SHOWN = 200
_LOOK_EVERY_S = 0.2


def add_parser(
    top: "argparse._SubParsersAction[argparse.ArgumentParser]", of_centre: argparse.ArgumentParser, words: Sentences
) -> None:
    """The group of commands."""
    group = top.add_parser("quarantine", help=words("messages that were not taken"))
    kept = group.add_subparsers(dest="what", required=True)
    listing = kept.add_parser("list", parents=[of_centre], help=words("what is in quarantine, and what had to go"))
    listing.add_argument("--gone", action="store_true", help=words("those that were dropped, and why"))
    show = kept.add_parser(
        "show", parents=[of_centre], help=words("one message: what can be read of it, and its bytes")
    )
    show.add_argument("number", type=int, metavar="NUMBER", help=words("number of the message, as list shows it"))
    retry = kept.add_parser(
        "retry", parents=[of_centre], help=words("admit the original bytes again, after an upgrade or a registration")
    )
    retry.add_argument(
        "number", type=int, nargs="*", metavar="NUMBER", help=words("number of the message, as list shows it")
    )
    retry.add_argument("--all", action="store_true", help=words("every message in quarantine"))
    retry.add_argument(
        "--wait", type=float, default=10.0, metavar="SECONDS", help=words("how long to wait for the running centre")
    )
    drop = kept.add_parser("drop", parents=[of_centre], help=words("throw one message away for good"))
    drop.add_argument("number", type=int, metavar="NUMBER", help=words("number of the message, as list shows it"))
    drop.add_argument("--why", required=True, metavar="TEXT", help=words("the reason, which is kept"))
    drop.add_argument("--yes", action="store_true", help=words("do not ask"))


async def act(
    asked: argparse.Namespace, ledger: Ledger, quarantine: Quarantine, clock: Clock, words: Sentences
) -> Answer:
    """Run the command that was asked for.

    Raises:
        FieldError: when it cannot be done.
    """
    if asked.what == "list":
        return show_gone(quarantine, words) if asked.gone else show_list(ledger, words)
    if asked.what == "show":
        return show(quarantine, asked.number, words)
    if asked.what == "drop":
        return drop(quarantine, asked.number, asked.why, clock, words, sure=asked.yes)
    if asked.all == bool(asked.number):
        raise AskedWrongly("nothing is named to be admitted again", do="haihe-cloud quarantine retry NUMBER, or --all")
    numbers = quarantine.numbers() if asked.all else list(dict.fromkeys(asked.number))
    return await retry(quarantine, numbers, clock, words, wait_s=asked.wait)


def show_list(ledger: Ledger, words: Sentences) -> Answer:
    """Messages that were not taken."""
    kept, dropped = ledger.quarantined(), ledger.quarantine_dropped()
    rows = [(e.id, e.station or "-", e.times, f"{e.size} B", beijing(e.last_ms), words.retell(e.reason)) for e in kept]
    heads = [words(head) for head in ("number", "station", "times", "size", "last", "reason")]
    text = table(heads, rows, right=[0, 2, 3]) + "\n\n" if rows else ""
    verdict = words(
        "{count} messages in quarantine, {dropped} dropped because it was full", count=len(kept), dropped=dropped
    )
    return Answer({"quarantine": [each._asdict() for each in kept], "dropped": dropped}, text + verdict)


def show_gone(quarantine: Quarantine, words: Sentences) -> Answer:
    """Messages that left without being taken."""
    gone = quarantine.gone(_GONE_SHOWN)
    rows = [(e.id, e.station or "-", f"{e.size} B", beijing(e.gone_ms), e.why, words.retell(e.reason)) for e in gone]
    heads = [words(head) for head in ("number", "station", "size", "dropped", "why", "reason")]
    text = table(heads, rows, right=[0, 2]) + "\n\n" if rows else ""
    return Answer(
        {"gone": [each._asdict() for each in gone]}, text + words("{count} messages were dropped", count=len(gone))
    )


class _Opened(NamedTuple):
    """What can be read of a message."""

    envelope: Envelope | None
    records: Sequence[Record]
    unread: bytes
    why: str


def show(quarantine: Quarantine, number: int, words: Sentences) -> Answer:
    """One message: its reason, its envelope, the records that can be read, and the rest as bytes.

    Raises:
        FieldError: when there is no such one.
    """
    kept, data = _get(quarantine, number)
    opened = _open(data)
    facts = [(words("reason"), words.retell(kept.reason)), (words("topic"), kept.topic)]
    facts.append((words("station"), kept.station or "-"))
    facts.append((words("first"), beijing(kept.first_ms)))
    if kept.tried_ms is not None:
        facts.append((words("tried again"), beijing(kept.tried_ms)))
    said = _said(opened.envelope)
    facts += [(words(name), str(value)) for name, value in said.items()]
    lines = [table(("", ""), facts).lstrip("\n")]
    readable = [each for each in opened.records if not isinstance(each.body, Unread)]
    lines += _records(readable, words)
    if opened.unread:
        why = f" ({words.retell(opened.why)})" if opened.why else ""
        lines += ["", words("what cannot be read") + why, *_hex(opened.unread)]
    lines += ["", words("{size} bytes; --json gives all of them", size=len(data))]
    return Answer(
        {
            "number": number,
            **kept._asdict(),
            "envelope": said or None,
            "records": [_record(each) for each in readable],
            "unread": len(opened.unread),
            "hex": data.hex(),
        },
        "\n".join(lines),
    )


async def retry(
    quarantine: Quarantine, numbers: Sequence[int], clock: Clock, words: Sentences, *, wait_s: float
) -> Answer:
    """Hand messages to the running centre, which admits them like new ones, and say what became of them.

    Raises:
        FieldError: when one is not there.
    """
    for number in numbers:
        _get(quarantine, number)
    quarantine.ask(numbers, clock.now_ms())
    until_ms = clock.monotonic_ms() + int(wait_s * 1000)
    left = _still(quarantine, numbers)
    while any(each.asked_ms is not None for each in left) and clock.monotonic_ms() < until_ms:
        await clock.sleep(_LOOK_EVERY_S)
        left = _still(quarantine, numbers)
    waiting = [each for each in left if each.asked_ms is not None]
    refused = [each for each in left if each.asked_ms is None]
    taken = len(numbers) - len(left)
    rows = [(each.id, each.station or "-", words.retell(each.reason)) for each in refused]
    text = table([words(head) for head in ("number", "station", "reason")], rows, right=[0]) + "\n\n" if rows else ""
    lines = [words("{taken} messages were taken, {refused} stay in quarantine", taken=taken, refused=len(left))]
    if waiting:
        lines.append(words("{count} are taken when the centre runs", count=len(waiting)))
    data = {
        "taken": taken,
        "refused": [each._asdict() for each in refused],
        "waiting": [each.id for each in waiting],
    }
    return Answer(data, text + "\n".join(lines), WRONG if left else GOOD)


def drop(quarantine: Quarantine, number: int, why: str, clock: Clock, words: Sentences, *, sure: bool) -> Answer:
    """Throw a message away; its reason is kept, its numbers stay refused.

    Raises:
        AskedWrongly: when no reason is given.
        FieldError: when there is no such one, or nobody agreed.
    """
    why = why.strip()
    if not why or len(why) > WHY_CHARACTERS:
        raise AskedWrongly(f"the reason has 1 to {WHY_CHARACTERS} characters", where="--why", do="say it in a sentence")
    kept, _ = _get(quarantine, number)
    if not sure and not _agreed(kept, words):
        raise FieldError("nothing was dropped", where=f"number {number}", do="answer with y, or give --yes")
    quarantine.drop(number, why, clock.now_ms())
    return Answer(
        {"dropped": number, "why": why},
        words("number {number} is dropped; its bytes are gone, its numbers stay refused", number=number),
    )


def _agreed(kept: Quarantined, words: Sentences) -> bool:
    question = words(
        "throw {size} bytes of station {station} away for good? (y/n) ", size=kept.size, station=kept.station or "-"
    )
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _get(quarantine: Quarantine, number: int) -> tuple[Quarantined, bytes]:
    found = quarantine.get(number) if 0 < number < 2**63 else None
    if found is None:
        raise FieldError(f"number {number} is not in quarantine", do="haihe-cloud quarantine list")
    return found


def _still(quarantine: Quarantine, numbers: Iterable[int]) -> list[Quarantined]:
    return [found[0] for found in map(quarantine.get, numbers) if found is not None]


def _open(data: bytes) -> _Opened:
    try:
        envelope = read_envelope(data)
    except WireError as error:
        return _Opened(None, [], data, str(error))
    try:
        records = open_batch(envelope).records
    except WireError as error:
        return _Opened(envelope, [], envelope.body, str(error))
    return _Opened(envelope, records, b"".join(r.body.data for r in records if isinstance(r.body, Unread)), "")


def _said(envelope: Envelope | None) -> dict[str, object]:
    if envelope is None:
        return {}
    return {
        "line": line_text(envelope.line),
        "lane": LANE_NAMES[envelope.lane],
        "numbers": str(envelope.numbers) or "-",
        "head": envelope.head,
        "tail": envelope.tail,
    }


def _record(record: Record) -> dict[str, object]:
    body = msgspec.to_builtins(record.body)
    return {"number": record.number, "kind": type(record.body).__name__.lower(), "says": body[1:]}


def _records(records: Sequence[Record], words: Sentences) -> list[str]:
    if not records:
        return []
    lines = ["", words("{count} records can be read", count=len(records))]
    for each in records[:_RECORDS]:
        text = f"{each.number:>8}  {each.body}"
        lines.append(text if len(text) <= _RECORD_CHARACTERS else text[: _RECORD_CHARACTERS - 1] + "…")
    if len(records) > _RECORDS:
        lines.append(words("and {count} more", count=len(records) - _RECORDS))
    return lines


def _hex(data: bytes) -> list[str]:
    return [f"{at:06x}  {data[at : at + 16].hex(' ')}" for at in range(0, min(len(data), _HEX_BYTES), 16)]
