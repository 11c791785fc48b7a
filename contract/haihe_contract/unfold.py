"""From a batch and its line's dictionary to readings: what the numbers on the wire mean."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from .quality import PASS_MARK, Flag, Grade, Reason, unmark
from .reading import Reading
from .record import Dictionary, Readings, SeriesSummary, Summary
from .wire import Batch

_pass = (Flag.PASS, Reason.NONE)
_unmark = lru_cache(maxsize=4096)(unmark)


class UnknownSeries(Exception):
    """A reading group names a series number that the dictionary does not have."""


def unfold(batch: Batch, dictionary: Sequence[str] | Mapping[int, str]) -> list[Reading]:
    """Every reading of the batch in record order, and the extremes that summaries have kept.

    An extreme has the line and number of the summary. One that no trusted clock stamped is left out: it belongs to
    the boot of another line.

    A dictionary that the batch itself brings holds where it is the longer one.

    Raises:
        UnknownSeries: when the dictionary of the line does not cover the batch.
        ValueError: for a quality mark or grade that does not exist.
    """
    out: list[Reading] = []
    line = batch.line
    grades = {int(grade): grade for grade in Grade}
    for record in batch.records:
        body = record.body
        if type(body) is not Readings:
            if type(body) is Dictionary and len(body.series) > len(dictionary):
                dictionary = body.series
            elif type(body) is Summary:
                for told in body.series:
                    out += extremes(told, line, record.number)
            continue
        grade = grades.get(body.grade)
        if grade is None:
            raise ValueError(f"clock grade {body.grade} does not exist")
        time_ms, number, marks = body.time_ms, record.number, body.marks
        for at, series in enumerate(body.series):
            try:
                key = dictionary[series]
            except (IndexError, KeyError):
                raise UnknownSeries(f"series {series} is not in the dictionary of the line") from None
            packed = marks[at] if marks else PASS_MARK
            flag, reasons = _pass if packed == PASS_MARK else _unmark(packed)
            out.append(Reading(key, time_ms, body.values[at], flag, reasons, grade, line, number))
    return out


def extremes(told: SeriesSummary, line: int, number: int) -> list[Reading]:
    """The smallest and largest reading that a summary record kept of a series, if a trusted clock stamped them."""
    out: list[Reading] = []
    for time_ms, value, packed, grade in dict.fromkeys((told.lowest, told.highest)):
        if grade != Grade.NONE:
            flag, reasons = _unmark(packed)
            reasons |= Reason.THINNED
            out.append(Reading(told.series, time_ms, value, flag, reasons, Grade(grade), line, number))
    return out
