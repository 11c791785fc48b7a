"""What gives way on a card, judged when it is said: nothing goes while something milder could (design, promise 8).

The promise, as exactly as the journal gives it. One file after the other gives way, and only closed files do. First
go files of which the required centres hold everything, as far as the agent has heard. Then the routine readings of a
file become a summary, then its readings of flood stage, then files go whole: first those with nothing of flood stage
and no alarm that the centres have not, then with flood stage, then with alarms. Of equals the oldest file goes first.
A file below eight KiB is not thinned, and none is while the disk has no room for the copy.

The account reads the card itself when the summary or gap record gets its number: the file is still whole then, and
what went before is gone.
"""

from collections.abc import Iterable

from haihe_contract.quality import PASS_MARK, Flag
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import Gap, Readings, Record, Summary

from haihe_simulators.disk import SimulatedDisk

from .reading import File
from .watched import Card

THINNED_FROM_BYTES = 8 * 1024
COPY_BYTES = 1 << 20
"""With less room than this on the disk, a thinned copy may not find any."""
_RECEIPTED, _ROUTINE, _FLOOD, _WHOLE = 0, 1, 2, 3
_HARMS = (
    "a receipted file",
    "routine readings",
    "readings of flood stage",
    "a file",
    "a file with flood stage",
    "a file with alarms",
    "a file with flood stage and alarms",
)
Settled = dict[int, RangeSet]
"""Numbers by line."""


def is_short(card: Card) -> bool:
    """Whether its disk may have no room for a copy of a file."""
    disk = card.disk
    refuses = isinstance(disk, SimulatedDisk) and disk.refuses
    return bool(refuses) or disk.free_bytes() < COPY_BYTES


def may_repeat(body: Gap | Summary, files: Iterable[File]) -> bool:
    """Whether it may say no more than what one of these files says, which goes itself: what that names stays named.

    The numbers may well be there still: of a file of which the gap was durable, and then the power failed.
    """
    named = RangeSet(body.ranges)
    return isinstance(body, Gap) and any(file.named.get(body.line, EMPTY).covers(named) for file in files)


def victim(body: Gap | Summary, files: Iterable[File], settled: Settled) -> File | None:
    """The file that a record says gives way; None where it only repeats what an older record named.

    A file that goes takes along what it says of others, so of several that fit it is the one that can say all of it.

    Args:
        body: of the record.
        files: of the card, oldest first.
        settled: whatever the agent may know by receipts.
    """
    named = RangeSet(body.ranges)
    fits = [
        file
        for file in files
        if file.line == body.line
        and file.numbers & named
        and (isinstance(body, Summary) or named.covers(file.numbers - settled.get(file.line, EMPTY)))
    ]
    own = (file for file in fits if (file.numbers | file.named.get(body.line, EMPTY)).covers(named))
    return next(own, fits[0] if fits else None)


def objection(body: Gap | Summary, going: File, others: Iterable[File], known: Settled, *, thins: bool) -> str:
    """What could have gone instead; empty when nothing could.

    Args:
        body: of the record.
        going: the file that it is about.
        others: closed files, oldest first.
        known: what the agent surely knows by receipts.
        thins: whether a file could be thinned.
    """
    named = RangeSet(body.ranges)
    if isinstance(body, Summary):
        done = _FLOOD if body.flood else _ROUTINE
    else:
        done = _WHOLE + bool(going.flood & named) + 2 * bool(going.urgent & named)
    for file in others:
        could = _harm(file, known.get(file.line, EMPTY), thins=thins)
        if could < done or (could == done and file.name < going.name):
            return f"{_HARMS[done]} of {going.name} give way, and {_HARMS[could]} of {file.name} could"
    return ""


def freed_before_its_turn(gone: Iterable[File], left: Iterable[File], known: Settled) -> str:
    """Of receipted files the oldest goes first; empty when it did."""

    def receipted(file: File) -> bool:
        return known.get(file.line, EMPTY).covers(file.numbers)

    spared = next((file for file in left if receipted(file)), None)
    if spared is not None:
        for file in gone:
            if spared.name < file.name and receipted(file):
                return f"{file.name} was freed before {spared.name}, which is receipted and older"
    return ""


def _harm(file: File, known: RangeSet, *, thins: bool) -> int:
    """How bad the mildest is that can be done to a file."""
    left = file.numbers - known
    if not left:
        return _RECEIPTED
    if thins and file.quiet and file.size >= THINNED_FROM_BYTES:
        return _ROUTINE if file.quiet - file.flood else _FLOOD
    return _WHOLE + bool(file.flood & left) + 2 * bool(file.urgent & left)


def untrue(told: Summary, records: Iterable[Record], names: list[str]) -> str:
    """What a summary says wrongly of these records; empty when it is right."""
    values: dict[tuple[str, bool], list[tuple[int, float | None]]] = {}
    for record in records:
        body = record.body
        if isinstance(body, Readings):
            marks = body.marks or [PASS_MARK] * len(body.series)
            for series, value, mark in zip(body.series, body.values, marks, strict=True):
                good = None if mark & 0xF == Flag.FAIL else value
                values.setdefault((names[series], body.grade == 0), []).append((body.time_ms, good))
    said = {(each.series, each.lowest[3] == 0): each for each in told.series}
    for about, course in values.items():
        known = [(value, time_ms) for time_ms, value in course if value is not None]
        each = said.pop(about, None)
        if not known:
            continue
        if each is None:
            return f"nothing of {about[0]}"
        low, high = min(known), max(known, key=lambda at: (at[0], -at[1]))
        times = [time_ms for time_ms, _ in course]
        right = (
            (each.count, each.missing) == (len(known), len(course) - len(known))
            and abs(each.mean - sum(value for value, _ in known) / len(known)) < 1e-6
            and (each.lowest[1], each.lowest[0]) == low
            and (each.highest[1], each.highest[0]) == high
            and (each.first_ms, each.last_ms) == (min(times), max(times))
        )
        if not right:
            return f"{each} of {len(course)} values from {low} to {high}"
    return f"something of {next(iter(said))[0]}, which was not there" if said else ""
