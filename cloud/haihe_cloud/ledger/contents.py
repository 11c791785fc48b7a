"""Contents of held records in the database: kept with the first holding, compared at every repetition."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import Record
from haihe_contract.wire import Batch

from haihe_cloud.database import Connection
from haihe_cloud.limits import CONFLICTS_PER_NUMBER, CONFLICTS_PER_STATION

from . import content
from .packed import line_of, line_text
from .sheet import Key, Sheet, Table

_encoder = msgspec.msgpack.Encoder()
_BLOCKS_KEPT = 4096


class ContentConflict(NamedTuple):
    """A further content of a number that is held with another one.

    Args:
        station: whose.
        line: of the number.
        number: which.
        digest: of this content (:func:`haihe_cloud.ledger.content.content`).
        record: its bytes, as MessagePack.
        times: how often it came.
        first_ms: when it came first.
        last_ms: when it came last.
    """

    station: str
    line: int
    number: int
    digest: int
    record: bytes
    times: int
    first_ms: int
    last_ms: int


CONTENT: Table[bytearray] = Table(
    "content",
    ("station", "line", "block"),
    ("digests",),
    lambda row: bytearray(row[3]),
    lambda digests: (bytes(digests),),
)


class Blocks:
    """The digests of one line by number, on a sheet of :data:`CONTENT`."""

    def __init__(self, sheet: Sheet[bytearray], station: str, line: int) -> None:
        self._sheet = sheet
        self._place = (station, line_text(line))

    def __getitem__(self, number: int) -> int:
        if len(self._sheet) > _BLOCKS_KEPT:
            self._sheet.forget()
        return content.get(self._sheet.get((*self._place, number // content.BLOCK)) or b"", number)

    def __setitem__(self, number: int, digest: int) -> None:
        key = (*self._place, number // content.BLOCK)
        digests = self._sheet.get(key) or bytearray()
        content.put(digests, number, digest)
        self._sheet.put(key, digests)


def keys(batch: Batch) -> set[Key]:
    """Of the rows in which the digests of a batch's records lie."""
    line = line_text(batch.line)
    return {(batch.station, line, at) for at in {record.number // content.BLOCK for record in batch.records}}


def book(
    connection: Connection, sheet: Sheet[bytearray], batch: Batch, fresh: RangeSet, again: RangeSet, received_ms: int
) -> RangeSet:
    """Keep the digests of fresh numbers, compare those that are held already; the numbers with another content."""
    blocks = Blocks(sheet, batch.station, batch.line)
    other: list[Record] = []
    for record in batch.records:
        if record.number in fresh:
            blocks[record.number] = content.content(record.body)
        elif record.number in again:
            digest, known = content.content(record.body), blocks[record.number]
            if not known:  # held since before contents were kept
                blocks[record.number] = digest
            elif digest != known:
                other.append(record)
    for record in other:
        _keep(connection, batch.station, batch.line, record, received_ms)
    return RangeSet.from_numbers(record.number for record in other)


def contradicted(connection: Connection, batch: Batch, held: RangeSet, earlier: Mapping[int, Record]) -> RangeSet:
    """Numbers of the batch whose content is not the one they are held with, or have among earlier records by number."""
    again = RangeSet.from_numbers(record.number for record in batch.records) & held
    if not again and not earlier:
        return EMPTY
    blocks = Blocks(Sheet(connection, CONTENT), batch.station, batch.line)
    found = []
    for record in batch.records:
        if record.number in again:
            known = blocks[record.number]
        else:
            before = earlier.get(record.number)
            known = content.content(before.body) if before is not None and before.body != record.body else 0
        if known and content.content(record.body) != known:
            found.append(record.number)
    return RangeSet.from_numbers(found)


def without_conflicts(connection: Connection, batch: Batch) -> Batch:
    """The batch without the records that are in conflict: followers learn only of what is held."""
    rows = connection.execute(
        "SELECT number, digest FROM content_conflict WHERE station=? AND line=?",
        (batch.station, line_text(batch.line)),
    ).fetchall()
    if not rows:
        return batch
    wrong = {(number, digest) for number, digest in rows}
    numbers = {number for number, _ in wrong}
    kept = [
        record
        for record in batch.records
        if record.number not in numbers or (record.number, content.content(record.body)) not in wrong
    ]
    return msgspec.structs.replace(batch, records=kept)


def conflicts(connection: Connection, station: str | None, most: int) -> list[ContentConflict]:
    """Of one station or of all, the latest first."""
    where, facts = ("WHERE station=? ", [station]) if station is not None else ("", [])
    rows = connection.execute(
        "SELECT station, line, number, digest, record, times, first_ms, last_ms FROM content_conflict "  # noqa: S608
        + where
        + "ORDER BY last_ms DESC, station, line, number, digest LIMIT ?",
        (*facts, most),
    )
    return [ContentConflict(row[0], line_of(row[1]), row[2], row[3], bytes(row[4]), *row[5:]) for row in rows]


def blocks(connection: Connection, station: str, line: int) -> Iterable[tuple[int, bytes]]:
    """Every block of a line, ascending, a bounded number of them at a time."""
    after = -1
    while True:
        rows = connection.execute(
            "SELECT block, digests FROM content WHERE station=? AND line=? AND block>? ORDER BY block LIMIT 64",
            (station, line_text(line), after),
        ).fetchall()
        if not rows:
            return
        yield from rows
        after = rows[-1][0]


def _keep(connection: Connection, station: str, line: int, record: Record, received_ms: int) -> None:
    place = (station, line_text(line), record.number)
    digest = content.content(record.body)
    known = connection.execute(
        "SELECT digest FROM content_conflict WHERE station=? AND line=? AND number=?", place
    ).fetchall()
    if (digest,) not in known:
        (kept,) = connection.execute("SELECT count(*) FROM content_conflict WHERE station=?", (station,)).fetchone()
        if len(known) >= CONFLICTS_PER_NUMBER or kept >= CONFLICTS_PER_STATION:
            return
    connection.execute(
        "INSERT INTO content_conflict VALUES(?, ?, ?, ?, ?, 1, ?, ?) ON CONFLICT(station, line, number, digest)"
        " DO UPDATE SET times=content_conflict.times+1, last_ms=excluded.last_ms",
        (*place, digest, _encoder.encode(record), received_ms, received_ms),
    )
