"""What the records of a station say of its lines, its clock and its duty, as rows. Repetition changes nothing.

Of two contents of one number a fixed order of what they say decides which row stands, not their arrival. Openings and
time-fixes are the exception: rows in the store have their time by them, and are never keyed again
(docs/decisions/0020), so the first one stands.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from haihe_contract.quality import Grade
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Body, Duty, Gap, Opened, SeriesSummary, Summary, TimeFix
from haihe_contract.wire import Batch

from haihe_cloud.database import Connection, select_among

from .packed import line_of, line_text, pack, unpack

_encoder = msgspec.msgpack.Encoder()
_summaries = msgspec.msgpack.Decoder(SeriesSummary)
_periods = msgspec.msgpack.Decoder(list[int])
THINNED = "thinned"
ALL_LINES = 2**31
_OPENING = "opening.station, opening.line, time_ms, grade, boot, previous, previous_last, received_ms"
_OPENINGS = f"SELECT {_OPENING} FROM opening WHERE station IN (VALUES {{}})"  # noqa: S608 - our own names
_OPENINGS_LATEST = (
    f"WITH wanted(station) AS (VALUES {{}}) SELECT {_OPENING} FROM wanted"  # noqa: S608
    " JOIN line ON line.station=wanted.station AND line.last_ms>=COALESCE((SELECT last_ms FROM line AS each"
    " WHERE each.station=wanted.station ORDER BY last_ms DESC LIMIT 1 OFFSET %d), 0)"
    " JOIN opening ON opening.station=line.station AND opening.line=line.line"
)
_SUMMARY = "INSERT INTO summary VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SUMMARY_NEW = (
    "ON CONFLICT(station, line, number, series, boot_time) DO UPDATE SET"
    " about=excluded.about, first_ms=excluded.first_ms, last_ms=excluded.last_ms, body=excluded.body"
)


class Opening(NamedTuple):
    """Record 1 of a line, as far as the centre works with it.

    Args:
        line: which was opened.
        time_ms: when, by the station's clock.
        grade: how good that clock was.
        boot: of the machine; a line belongs to exactly one.
        previous: the line before, 0 when the journal was new.
        previous_last: highest durable number of that line.
        received_ms: when the centre learned of it.
    """

    line: int
    time_ms: int
    grade: int
    boot: str
    previous: int
    previous_last: int
    received_ms: int


class ToldGap(NamedTuple):
    """Numbers that a record calls missing.

    Args:
        line: whose numbers.
        ranges: which.
        cause: as the station wrote it; ``thinned`` for the numbers of a summary.
        time_ms: when the station found out.
    """

    line: int
    ranges: RangeSet
    cause: str
    time_ms: int


_KNOWN, _OF_BOOT, _PLACED = 0, 1, 2
"""Kinds of time in a kept summary; one that got its true time is there twice, as it came and as it is now."""


class KeptSummary(NamedTuple):
    """What is left of one series in a block of numbers that gave way.

    Args:
        line: of the summary record.
        number: of the summary record.
        about: the line whose numbers gave way.
        summary: count, mean and extremes; without a trusted clock its times are milliseconds of the boot.
        boot_time: whether they are.
    """

    line: int
    number: int
    about: int
    summary: SeriesSummary
    boot_time: bool


class Fix(NamedTuple):
    """The true time of a boot: UTC = milliseconds of the boot + ``offset_ms``.

    Args:
        boot: which.
        offset_ms: what is added.
        error_ms: by how much it may be wrong, to either side.
        grade: how good its source was.
        time_ms: when the station found out.
        line: of the record.
        number: of the record.
        used: whether it is the one by which the rows of the boot got their time.
    """

    boot: str
    offset_ms: int
    error_ms: int
    grade: int
    time_ms: int
    line: int
    number: int
    used: bool


def put(connection: Connection, batch: Batch, received_ms: int) -> None:
    """Keep what the records of a batch say."""
    for record in batch.records:
        keep = _KEEP.get(type(record.body))
        if keep is not None:
            keep(connection, batch.station, batch.line, record.number, record.body, received_ms)


def openings(connection: Connection, station: str) -> dict[int, Opening]:
    """Every opening that is known of a station, by its line."""
    return openings_of(connection, [station], ALL_LINES)[station]


def openings_of(connection: Connection, stations: Sequence[str], most: int) -> dict[str, dict[int, Opening]]:
    """The openings of the lines of each of some stations, of so many that were heard last."""
    found: dict[str, dict[int, Opening]] = {station: {} for station in stations}
    for station, text, time_ms, grade, boot, previous, previous_last, received_ms in select_among(
        connection,
        _OPENINGS if most >= ALL_LINES else _OPENINGS_LATEST % (most - 1),
        [(station,) for station in stations],
    ):
        line = line_of(text)
        found[station][line] = Opening(line, time_ms, grade, boot, line_of(previous), previous_last, received_ms)
    return found


def duties(connection: Connection, station: str) -> dict[int, list[int]]:
    """Periods in milliseconds by series number, for each line that has said so."""
    rows = connection.execute("SELECT line, periods FROM duty WHERE station=?", (station,))
    return {line_of(line): _periods.decode(packed) for line, packed in rows}


def gaps(connection: Connection, station: str) -> list[ToldGap]:
    """What the station's records call missing, in the order of time."""
    rows = connection.execute(
        "SELECT line, ranges, cause, time_ms FROM told_gap WHERE station=? ORDER BY time_ms, line, teller, number",
        (station,),
    )
    return [ToldGap(line_of(row[0]), unpack(row[1]), row[2], row[3]) for row in rows]


def summaries(
    connection: Connection, station: str, series: str | None, start_ms: int, end_ms: int, most: int = 1000
) -> list[KeptSummary]:
    """Summaries of known time that touch start <= time < end, in the order of time."""
    only, facts = (" AND series=?", [series]) if series is not None else ("", [])
    rows = connection.execute(
        "SELECT line, number, about, body, boot_time FROM summary WHERE station=? AND boot_time<>1"  # noqa: S608
        f"{only} AND last_ms>=? AND first_ms<? ORDER BY first_ms, series, line, number LIMIT ?",
        (station, *facts, start_ms, end_ms, most),
    )
    return [_kept(row) for row in rows]


def summaries_of_record(connection: Connection, station: str, line: int, number: int) -> list[KeptSummary]:
    """What one summary record says, series by series."""
    rows = connection.execute(
        "SELECT line, number, about, body, boot_time FROM summary WHERE station=? AND line=? AND number=?"
        " ORDER BY series, boot_time",
        (station, line_text(line), number),
    )
    return [_kept(row) for row in rows]


def untimed_summaries(connection: Connection, station: str, about: int) -> list[KeptSummary]:
    """Summaries of a line whose times are milliseconds of its boot."""
    rows = connection.execute(
        "SELECT line, number, about, body, boot_time FROM summary WHERE station=? AND about=? AND boot_time=1"
        " ORDER BY line, number, series",
        (station, line_text(about)),
    )
    return [_kept(row) for row in rows]


def put_placed(connection: Connection, station: str, placed: list[KeptSummary]) -> None:
    """Keep summaries that have got their true time, besides what they were."""
    connection.executemany(
        f"{_SUMMARY} {_SUMMARY_NEW}",
        [
            (
                station,
                line_text(each.line),
                each.number,
                line_text(each.about),
                each.summary.series,
                _PLACED,
                each.summary.first_ms,
                each.summary.last_ms,
                _encoder.encode(each.summary),
            )
            for each in placed
        ],
    )


def summary_numbers(connection: Connection, station: str, line: int) -> RangeSet:
    """Numbers of the line that are summary records with extremes."""
    rows = connection.execute(
        "SELECT DISTINCT number FROM summary WHERE station=? AND line=?", (station, line_text(line))
    )
    return RangeSet.from_numbers(number for (number,) in rows)


def fixes(connection: Connection, station: str) -> list[Fix]:
    """Every fix that the station has sent, the latest first."""
    rows = connection.execute(
        "SELECT f.boot, f.offset_ms, f.error_ms, f.grade, f.time_ms, f.line, f.number, b.boot IS NOT NULL"
        " FROM time_fix f LEFT JOIN boot_time b"
        " ON b.station=f.station AND b.boot=f.boot AND b.line=f.line AND b.number=f.number"
        " WHERE f.station=? ORDER BY f.time_ms DESC, f.line, f.number DESC",
        (station,),
    )
    return [_fix(row, used=bool(row[7])) for row in rows]


def fix_of_line(connection: Connection, station: str, line: int) -> Fix | None:
    """The fix by which the rows of this line get their time, once opening and fix are known."""
    row = connection.execute(
        "SELECT f.boot, f.offset_ms, f.error_ms, f.grade, f.time_ms, f.line, f.number FROM opening o"
        " JOIN boot_time b ON b.station=o.station AND b.boot=o.boot"
        " JOIN time_fix f ON f.station=b.station AND f.line=b.line AND f.number=b.number"
        " WHERE o.station=? AND o.line=?",
        (station, line_text(line)),
    ).fetchone()
    return _fix(row, used=True) if row else None


def is_used(connection: Connection, station: str, line: int, number: int, boot: str) -> bool:
    """Whether this record is the fix by which the rows of a boot get their time."""
    row = connection.execute(
        "SELECT 1 FROM boot_time WHERE station=? AND boot=? AND line=? AND number=?",
        (station, boot, line_text(line), number),
    ).fetchone()
    return row is not None


def lines_of_boot(connection: Connection, station: str, boot: str) -> list[int]:
    """Lines that were opened in that boot, as far as known."""
    rows = connection.execute("SELECT line FROM opening WHERE station=? AND boot=? ORDER BY line", (station, boot))
    return [line_of(line) for (line,) in rows]


def note_volatile(connection: Connection, station: str, line: int, received_ms: int) -> None:
    """Remember that a line was never durable, so that its rows in the store are explained."""
    connection.execute(
        "INSERT INTO volatile_line VALUES(?, ?, ?, ?) ON CONFLICT(station, line) DO UPDATE SET"
        " last_ms=excluded.last_ms",
        (station, line_text(line), received_ms, received_ms),
    )


def volatile_lines(connection: Connection, station: str) -> set[int]:
    """Lines of the station that were never durable."""
    rows = connection.execute("SELECT line FROM volatile_line WHERE station=?", (station,))
    return {line_of(line) for (line,) in rows}


def _opened(connection: Connection, station: str, line: int, number: int, body: Opened, received_ms: int) -> None:  # noqa: ARG001
    connection.execute(
        "INSERT INTO opening VALUES(?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            station,
            line_text(line),
            body.time_ms,
            body.grade,
            body.boot,
            line_text(body.previous),
            body.previous_last,
            received_ms,
        ),
    )


def _duty(connection: Connection, station: str, line: int, number: int, body: Duty, received_ms: int) -> None:  # noqa: ARG001
    connection.execute(
        "INSERT INTO duty VALUES(?, ?, ?, ?) ON CONFLICT(station, line) DO UPDATE SET"
        " number=excluded.number, periods=excluded.periods"
        " WHERE (excluded.number, excluded.periods)>(duty.number, duty.periods)",
        (station, line_text(line), number, _encoder.encode(body.period_ms)),
    )


def _gap(connection: Connection, station: str, line: int, number: int, body: Gap, received_ms: int) -> None:  # noqa: ARG001
    _tell_gap(connection, station, line, number, (body.line, RangeSet(body.ranges), body.cause, body.time_ms))


def _summary(connection: Connection, station: str, line: int, number: int, body: Summary, received_ms: int) -> None:  # noqa: ARG001
    _tell_gap(connection, station, line, number, (body.line, RangeSet(body.ranges), THINNED, body.time_ms))
    connection.executemany(
        f"{_SUMMARY} {_SUMMARY_NEW} WHERE (excluded.about, excluded.body)>(summary.about, summary.body)",
        [
            (
                station,
                line_text(line),
                number,
                line_text(body.line),
                each.series,
                _OF_BOOT if each.lowest[3] == Grade.NONE else _KNOWN,
                each.first_ms,
                each.last_ms,
                _encoder.encode(each),
            )
            for each in body.series
        ],
    )


def _tell_gap(
    connection: Connection, station: str, line: int, number: int, told: tuple[int, RangeSet, str, int]
) -> None:
    about, ranges, cause, time_ms = told
    connection.execute(
        "INSERT INTO told_gap VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT(station, line, teller, number) DO UPDATE SET"
        " cause=excluded.cause, time_ms=excluded.time_ms, ranges=excluded.ranges WHERE"
        " (excluded.cause, excluded.time_ms, excluded.ranges)>(told_gap.cause, told_gap.time_ms, told_gap.ranges)",
        (station, line_text(about), line_text(line), number, cause, time_ms, pack(ranges)),
    )


def _time_fix(connection: Connection, station: str, line: int, number: int, body: TimeFix, received_ms: int) -> None:
    connection.execute(
        "INSERT INTO time_fix VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            station,
            line_text(line),
            number,
            body.boot,
            body.offset_ms,
            body.error_ms,
            body.grade,
            body.time_ms,
            received_ms,
        ),
    )
    if body.grade != Grade.NONE:
        connection.execute(
            "INSERT INTO boot_time VALUES(?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (station, body.boot, line_text(line), number),
        )


def _fix(row: tuple[Any, ...], *, used: bool) -> Fix:
    boot, offset_ms, error_ms, grade, time_ms, line, number = row[:7]
    return Fix(boot, offset_ms, error_ms, grade, time_ms, line_of(line), number, used)


def _kept(row: tuple[Any, ...]) -> KeptSummary:
    line, number, about, body, boot_time = row
    return KeptSummary(line_of(line), number, line_of(about), _summaries.decode(body), boot_time == _OF_BOOT)


_KEEP: dict[type[Body], Callable[[Connection, str, int, int, Any, int], None]] = {
    Opened: _opened,
    Duty: _duty,
    Gap: _gap,
    Summary: _summary,
    TimeFix: _time_fix,
}
