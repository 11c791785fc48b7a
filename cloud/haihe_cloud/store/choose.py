"""Which of two readings of one (station, series, time) is shown, whatever order they arrived in.

Settling is a join: it may be done in any order, in any portions and again, and ends the same. That holds
because of each value only the best reading is kept, and the best of all values is the one that is shown.
"""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import NamedTuple

from haihe_contract.quality import Flag, Reason
from haihe_contract.reading import Reading
from haihe_contract.record_fault import REASON_BITS
from haihe_contract.series import parse_series

TIME_MS_MAX = 9_223_372_036_853
"""Last millisecond (year 2262) that an engine counting nanoseconds in 63 bits can hold."""
NUMBER_MAX = 2**63 - 1
LINE_MAX = 2**64 - 1
SERIES_MAX = 4096
"""Series one station may have in a store: a station that makes up series without end harms only itself."""
VALUES_MAX = 64
"""Values kept of one station, series and time, the shown one included. A clone or a wrong clock makes a few; a station
that makes up one after the other harms only itself, because each costs the reading of all others."""

Rank = tuple[int, bool, int, int, int, int, int, int, float]


class Settled(NamedTuple):
    """All readings of one place after the choice: the one that is shown, and the best of each other value."""

    shown: Reading
    others: tuple[Reading, ...]


def rank(reading: Reading) -> Rank:
    """The larger rank is shown: a usable value, then the better clock, then the later line and number.

    An extreme that a summary has kept never takes the place of the reading itself, which may have come before.

    Source (manual, derived, instrument) and datum need no place here because they are part of the series key.
    What stands after the number only decides between two contents of one record, which must not happen and
    still must end the same everywhere (the time too: readings without a clock have their place by number).
    """
    if reading.flag == Flag.MISSING:
        standing = 0
    elif reading.flag == Flag.FAIL:
        standing = 1
    else:
        standing = 2
    value = reading.value
    return (
        standing,
        Reason.THINNED not in reading.reasons,
        reading.grade,
        reading.line,
        reading.number,
        -reading.flag,
        reading.reasons,
        reading.time_ms,
        float("-inf") if value is None else value,
    )


def settle(readings: Iterable[Reading]) -> Settled:
    """Choose among readings of one place; there must be at least one.

    Readings that agree on the value are no conflict, so only the best of them is kept.
    """
    best: dict[float | None, Reading] = {}
    for reading in readings:
        found = best.get(reading.value)
        if found is None or rank(reading) > rank(found):
            best[reading.value] = reading
    shown, *others = sorted(best.values(), key=rank, reverse=True)
    return Settled(shown, tuple(others))


def within_bound(there: Sequence[Reading], offered: Sequence[Reading]) -> tuple[list[Reading], list[Reading]]:
    """Of readings that are offered to one place: those that may be kept there, and those of too many other values."""
    known = {reading.value for reading in there}
    kept: list[Reading] = []
    beyond: list[Reading] = []
    for reading in offered:
        if reading.value in known or len(known) < VALUES_MAX:
            known.add(reading.value)
            kept.append(reading)
        else:
            beyond.append(reading)
    return kept, beyond


def too_many(reading: Reading) -> str:
    """Why a reading of one value more than :data:`VALUES_MAX` is refused."""
    return f"{VALUES_MAX} other values of {reading.series} at {reading.time_ms} ms are kept already"


def better(left: Reading, right: Reading) -> Reading:
    """The one of two that is shown, for tables that keep no rivals."""
    return left if rank(left) >= rank(right) else right


def conflicts_in_order(found: Iterable[Reading]) -> list[Reading]:
    """Readings that are not shown, as people read them: newest first, then by series, the better one before."""
    ranked = sorted(found, key=rank, reverse=True)
    return sorted(ranked, key=lambda reading: (-reading.time_ms, reading.series))


def refusal(reading: Reading) -> str | None:
    """Why no engine will ever take this reading, or None when it can be stored."""
    if not 0 <= reading.time_ms <= TIME_MS_MAX:
        return f"time {reading.time_ms} ms is outside 1970 to 2262"
    if not 1 <= reading.number <= NUMBER_MAX or not 0 <= reading.line <= LINE_MAX:
        return f"line {reading.line} or number {reading.number} does not exist"
    if (reading.value is None) != (reading.flag == Flag.MISSING):
        return f"value {reading.value} does not go with flag {int(reading.flag)}"
    if reading.value is not None and not isfinite(reading.value):
        return f"value {reading.value} is no finite number"
    if not 0 <= reading.reasons < 1 << REASON_BITS:
        return f"reasons {int(reading.reasons)} do not exist"
    try:
        parse_series(reading.series)
    except ValueError as error:
        return str(error)
    return None
