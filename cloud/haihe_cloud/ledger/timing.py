"""The true time of what a station measured without one: one rule, used wherever such a reading gets it. Pure."""

from collections.abc import Iterable, Sequence

import msgspec
from haihe_contract.quality import Grade, mark
from haihe_contract.reading import Reading
from haihe_contract.record import LANE_BACKLOG, Readings, Record, SeriesSummary, Summary
from haihe_contract.wire import Batch

from .told import Fix, KeptSummary


def timed(reading: Reading, fix: Fix) -> Reading:
    """The reading with the time of the fix: milliseconds of the boot + offset, and the grade of the fix."""
    return reading._replace(time_ms=reading.time_ms + fix.offset_ms, grade=Grade(fix.grade))


def untimed(reading: Reading, fix: Fix) -> Reading:
    """Undo :func:`timed`."""
    return reading._replace(time_ms=reading.time_ms - fix.offset_ms, grade=Grade.NONE)


def timed_summary(summary: SeriesSummary, fix: Fix) -> SeriesSummary:
    """A summary in milliseconds of a boot, with true times."""
    lowest, highest = (
        (extreme[0] + fix.offset_ms, extreme[1], extreme[2], fix.grade) for extreme in (summary.lowest, summary.highest)
    )
    return msgspec.structs.replace(
        summary,
        lowest=lowest,
        highest=highest,
        first_ms=summary.first_ms + fix.offset_ms,
        last_ms=summary.last_ms + fix.offset_ms,
    )


def batch_of_readings(station: str, line: int, readings: Sequence[Reading], dictionary: Sequence[str]) -> Batch:
    """Readings of one line, by number, as a batch again."""
    numbers = {key: at for at, key in enumerate(dictionary)}
    groups: dict[int, list[Reading]] = {}
    for reading in readings:
        groups.setdefault(reading.number, []).append(reading)
    records = [
        Record(
            number,
            False,
            Readings(
                rows[0].time_ms,
                int(rows[0].grade),
                [numbers[row.series] for row in rows],
                [row.value for row in rows],
                [mark(row.flag, row.reasons) for row in rows],
            ),
        )
        for number, rows in sorted(groups.items())
    ]
    return _batch(station, line, records)


def batch_of_summaries(station: str, line: int, number: int, kept: Iterable[KeptSummary], time_ms: int) -> Batch:
    """Summaries of one record, with true times, as a batch again: their extremes are readings."""
    found = list(kept)
    body = Summary(found[0].about, [], [each.summary for each in found], False, time_ms)
    return _batch(station, line, [Record(number, False, body)])


def _batch(station: str, line: int, records: list[Record]) -> Batch:
    last = records[-1].number
    return Batch(station, line, LANE_BACKLOG, last, last, records)
