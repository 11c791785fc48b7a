"""Contents of held records in the database: kept with the first holding, compared at every repetition.

Only detection happens here. What further contents say is kept in every table beside what is known, or chosen by that
table's own fixed order, as if it were another record.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

import msgspec
from haihe_contract.ranges import RangeSet
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
    """One of several contents of a number, other than the one with the smallest digest.

    Args:
        station: whose.
        line: of the number.
        number: which.
        digest: of this content (:func:`haihe_cloud.ledger.content.content`).
        record: its bytes, as MessagePack; empty where it came before the others, and lies in the arrival log.
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


CONTENT: Table[list[int]] = Table(
    "content",
    ("station", "line", "block"),
    ("digests",),
    lambda row: content.unpack(row[3]),
    lambda digests: (content.pack(digests),),
)


class Blocks:
    """The digests of one line by number, on a sheet of :data:`CONTENT`."""

    def __init__(self, sheet: Sheet[list[int]], station: str, line: int) -> None:
        self._sheet = sheet
        self._place = (station, line_text(line))

    def __getitem__(self, number: int) -> int:
        if len(self._sheet) > _BLOCKS_KEPT:
            self._sheet.forget()
        block, at = divmod(number, content.BLOCK)
        digests = self._sheet.get((*self._place, block)) or []
        return digests[at] if at < len(digests) else 0


def keys(batch: Batch) -> set[Key]:
    """Of the rows in which the digests of a batch's records, which ascend, lie."""
    line, records = line_text(batch.line), batch.records
    if not records:
        return set()
    blocks = {_block(records[0]), _block(records[-1])}
    if max(blocks) - min(blocks) > 1:
        blocks = {_block(record) for record in records}
    return {(batch.station, line, at) for at in blocks}


def book(connection: Connection, sheet: Sheet[list[int]], batch: Batch, received_ms: int) -> RangeSet:
    """Keep the digests of a batch; the numbers that came with a further content, never seen before.

    Of several contents of one number the smallest digest stands in the block, and every other one in the table of
    conflicts. So both are the same for every order of arrival.
    """
    line = line_text(batch.line)
    further = []
    for block, records in groupby(batch.records, key=_block):
        if len(sheet) > _BLOCKS_KEPT:
            sheet.forget()
        key = (batch.station, line, block)
        digests, changed = sheet.get(key) or [], False
        for record in records:
            at, digest = record.number - block * content.BLOCK, content.content(record.body)
            if at >= len(digests):  # the block grows to its highest number
                digests += [0] * (at + 1 - len(digests))
            known = digests[at]
            if digest == known:
                continue
            if known and _keep(connection, batch, record, digest, known, received_ms):
                further.append(record.number)
            if not known or digest < known:  # 0: held from now on, or since before contents were kept
                digests[at], changed = digest, True
        if changed:
            sheet.put(key, digests)
    return RangeSet.from_numbers(further)


def _block(record: Record) -> int:
    return record.number // content.BLOCK


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


def places(connection: Connection, station: str, most: int) -> list[tuple[int, int, int, int, int]]:
    """Line, number, digest, times and first time of the conflicts of one station, without their bytes; latest first."""
    rows = connection.execute(
        "SELECT line, number, digest, times, first_ms FROM content_conflict WHERE station=?"
        " ORDER BY last_ms DESC, line, number, digest LIMIT ?",
        (station, most),
    )
    return [(line_of(row[0]), *row[1:]) for row in rows]


def contested(connection: Connection, station: str, line: int) -> RangeSet:
    """Numbers of a line that have come with several contents."""
    rows = connection.execute(
        "SELECT DISTINCT number FROM content_conflict WHERE station=? AND line=?", (station, line_text(line))
    )
    return RangeSet.from_numbers(number for (number,) in rows)


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


def _keep(connection: Connection, batch: Batch, record: Record, digest: int, known: int, received_ms: int) -> bool:
    """Keep what is not the smallest of two contents; whether this one was not known yet."""
    place = (batch.station, line_text(batch.line), record.number)
    rows = connection.execute(
        "SELECT digest FROM content_conflict WHERE station=? AND line=? AND number=?", place
    ).fetchall()
    new = (digest,) not in rows
    # What is held had its bytes in the arrival log alone; they come back here if it is ever repeated.
    other, said = (digest, _encoder.encode(record)) if digest > known else (known, b"")
    if (other,) not in rows and not _room(connection, place, other, [each for (each,) in rows]):
        return new
    connection.execute(
        "INSERT INTO content_conflict VALUES(?, ?, ?, ?, ?, 1, ?, ?) ON CONFLICT(station, line, number, digest)"
        " DO UPDATE SET times=content_conflict.times+1, last_ms=excluded.last_ms, record=excluded.record",
        (*place, other, said, received_ms, received_ms),
    )
    return new


def _room(connection: Connection, place: tuple[str, str, int], digest: int, known: list[int]) -> bool:
    """Whether there is room for one more; of one number the smallest digests stay, whichever came first."""
    if len(known) >= CONFLICTS_PER_NUMBER:
        if digest > max(known):
            return False
        connection.execute(
            "DELETE FROM content_conflict WHERE station=? AND line=? AND number=? AND digest=?", (*place, max(known))
        )
        return True
    (kept,) = connection.execute("SELECT count(*) FROM content_conflict WHERE station=?", (place[0],)).fetchone()
    return int(kept) < CONFLICTS_PER_STATION
