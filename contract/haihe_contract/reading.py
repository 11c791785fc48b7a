"""A reading: one value of one series, with its time, its quality and the grade of its clock."""

from typing import NamedTuple

from .quality import Flag, Grade, Reason


class Reading(NamedTuple):
    """One row as both sides mean it. A failed read is a reading without value, never a zero.

    Args:
        series: key of the series (:attr:`haihe_contract.series.Series.key`).
        time_ms: milliseconds UTC, the end of an interval; with grade NONE, milliseconds since that boot.
        value: in the element's unit; None exactly when the flag is MISSING.
        flag: primary quality flag.
        reasons: why it is not a plain pass.
        grade: how good the clock was.
        line: the line of the record that carried it.
        number: the number of that record.
    """

    series: str
    time_ms: int
    value: float | None
    flag: Flag
    reasons: Reason
    grade: Grade
    line: int
    number: int
