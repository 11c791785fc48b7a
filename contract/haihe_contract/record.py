"""What a record of the journal can say. A record is named by (station, line, number) and never changes."""

from typing import Any

import msgspec

from .ranges import Range

LANE_ALARM, LANE_LIVE, LANE_BACKLOG = 0, 1, 2
"""Lanes in the order of sending. A lane is never part of an identity."""
LANE_NAMES = ("alarm", "live", "backlog")


class Opened(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """First record of every line: who opened the journal, and what came before.

    Args:
        time_ms: wall time of the opening, by whatever clock the machine had.
        boot: id of this boot of the machine; a line belongs to exactly one boot.
        monotonic_ms: milliseconds since that boot.
        grade: how good the clock was.
        previous: the line before, 0 if this journal is new.
        previous_last: highest durable number of that line.
        previous_time_ms: time of the last durable commit of that line. What was read after it and before the
            machine stopped is lost: at most the commit window of routine readings.
        window_ms: that commit window.
        closed: whether the line before was closed in order, so that nothing at all is missing.
        version: of the agent.
        site: fingerprint of the site file.
        lines: older lines that are still in the station, newest first, each with its lowest and highest number.
        more_lines: how many older ones there are beside these.
    """

    time_ms: int
    boot: str
    monotonic_ms: int
    grade: int
    previous: int
    previous_last: int
    previous_time_ms: int
    window_ms: int
    closed: bool
    version: str
    site: str
    lines: list[tuple[int, int, int]] = []
    more_lines: int = 0


class Dictionary(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Small numbers for the series of this line: position in the list = series number."""

    series: list[str]


class Duty(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """What the station means to measure: period in milliseconds per series number, 0 for none expected."""

    period_ms: list[int]


class Readings(msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False):
    """A reading group: values of several series at one time.

    Args:
        time_ms: see :class:`haihe_contract.reading.Reading`.
        grade: how good the clock was.
        series: series numbers of the line's dictionary.
        values: one value a series, None where it is missing.
        marks: one packed mark (:func:`haihe_contract.quality.mark`) a series; empty when all plainly pass.
    """

    time_ms: int
    grade: int
    series: list[int]
    values: list[float | None]
    marks: list[int] = []


class Event(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Something that happened: a level crossed, the agent stopped, the supply failing.

    Args:
        time_ms: when.
        grade: how good the clock was.
        kind: for example ``level_raised``, ``level_cleared``, ``stopped``.
        series: series number it is about, -1 for none.
        value: the value that decided, or None.
        detail: further facts by name.
    """

    time_ms: int
    grade: int
    kind: str
    series: int = -1
    value: float | None = None
    detail: dict[str, Any] = {}


class Gap(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Numbers that are known to be missing, with the cause.

    Args:
        line: whose numbers.
        ranges: which numbers.
        cause: ``no_space``, ``unreadable`` (damaged, or not written yet when the power failed),
            ``memory_full``, ``thinned``.
        time_ms: when it was found out.
    """

    line: int
    ranges: list[Range]
    cause: str
    time_ms: int


class SeriesSummary(msgspec.Struct, frozen=True, array_like=True):
    """What is left of one series in a block that was thinned: extremes are real readings, with their own times.

    Args:
        series: its key, since the summarised line's dictionary may never have reached the centre.
        count: readings with a value that quality control did not fail.
        missing: the others.
        mean: of those values.
        lowest: (time_ms, value, mark, clock grade) of the smallest, the earliest of equals.
        highest: the same of the largest.
        first_ms: time of the first reading.
        last_ms: time of the last reading.
    """

    series: str
    count: int
    missing: int
    mean: float
    lowest: tuple[int, float, int, int]
    highest: tuple[int, float, int, int]
    first_ms: int
    last_ms: int


class Summary(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """A contiguous block of numbers that was replaced by this to save space; the numbers themselves are gone.

    Args:
        line: whose numbers.
        ranges: which numbers.
        series: one entry for each series and kind of time (known, or milliseconds of the boot) with a value there.
        flood: whether the block was of flood stage.
        time_ms: when it was thinned.
    """

    line: int
    ranges: list[Range]
    series: list[SeriesSummary]
    flood: bool
    time_ms: int


class TimeFix(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """The true time of a boot: UTC = milliseconds of that boot + ``offset_ms``.

    Args:
        boot: id of the boot, as in :class:`Opened`.
        offset_ms: what is added to the milliseconds of that boot.
        error_ms: by how much it may be wrong, to either side.
        grade: how good the source was; BOUNDED for a boot that is over, whose offset lies between two fixes.
        time_ms: when it was found out.
    """

    boot: str
    offset_ms: int
    error_ms: int
    grade: int
    time_ms: int


class State(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """Something the station would have to be told again after its card has died: the latest of a name holds.

    Args:
        name: what, for example ``counter rain.main``.
        value: the state, as its owner writes it.
        time_ms: since when.
        grade: how good the clock was.
    """

    name: str
    value: dict[str, Any]
    time_ms: int
    grade: int


class Unread(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """A record that this version cannot read, as it came: of a kind that only a newer version knows, or wrong.

    Args:
        data: the bytes of the record, as the station wrote them.
    """

    data: bytes


Body = Opened | Dictionary | Duty | Readings | Event | Gap | Summary | TimeFix | State | Unread


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One numbered entry: number, whether it goes by the alarm lane, and what it says."""

    number: int
    urgent: bool
    body: Body
