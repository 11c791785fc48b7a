"""The balance: what the instruments said against what the centre stores, value by value.

    answer logs + profile + site file -> expected readings ┐
    rows of the store, readings still in the station       ┴-> pairs, lost, doubles

It trusts nothing of the agent and nothing of the centre's program: registers are decoded here, the site file is
read as plain YAML, and rows are read from the store's file by SQL.

A row is stamped when its answer arrived, so a row and its answer lie close together in time; how the two lists
are laid beside each other is decided by :func:`align`. Lost = an answer without a row. Double = a row beyond the
answers, whatever its time: two rows from one answer leave one of them without an answer of its own.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

LATE_SHARE, EARLY_SHARE = 0.9, 0.25
"""A row may be stamped so much of the series' period after or before its answer, and no more: a whole period
would let a lost reading take the row of its neighbour. Before, because two processes read one clock."""
LATE_MS_MAX, EARLY_MS_MAX = 5_000.0, 500.0
TOLERANCE = 1e-8
"""Values agree within this share of their size (of 1, where they are smaller): both sides scale in float64, in
their own order, and the agent rounds to nine decimals."""
TOLERANCE_F32 = 2e-7
"""The same for registers that hold 32-bit floats, which have 24 bits: the agent writes their shortest decimal."""
POLL_MS = 500.0
"""Beside the commit window: an answer waits for the rest of its poll, and the commit itself takes its time."""
ON_THE_LINE_MS = 50.0
"""A question that was on the line when the agent died is heard after that: its bytes take time, the instrument too."""


class Said(NamedTuple):
    """One expected reading: what an answer means for one series.

    Args:
        time_ms: when the last byte of the answer was on the line.
        value: decoded and scaled.
        optional: whether the agent may leave it: it came later than the profile allows.
        asked_ms: when it was asked; 0 for an instrument that speaks unasked.
    """

    time_ms: float
    value: float
    optional: bool = False
    asked_ms: float = 0.0


class Row(NamedTuple):
    """One reading with a value in the store or, if ``waiting``, in the station's journal."""

    time_ms: int
    value: float
    line: int
    number: int
    waiting: bool = False


class Kill(NamedTuple):
    """An agent that was killed: readings of the commit window before it may be gone, and those being asked for."""

    station: str
    time_ms: float
    window_ms: float


class Named(msgspec.Struct):
    """A reading named so that a person can look it up."""

    station: str
    series: str
    time_ms: int
    value: float
    why: str = ""


class Sheet(msgspec.Struct):
    """The balance sheet. The counts are of readings, not of answers or records.

    Args:
        readings_answered: expected by the answers of instruments that are asked.
        readings_in_store: rows with a value in the store, those of free-running receivers included.
        readings_lost: answered, and neither stored, nor in the station, nor explained by anything below.
        timed_out: of the lost ones, those that the station wrote down as missing when it had waited long enough: late,
            or late to its eyes, and not lost silently.
        duplicates_in_store: rows beyond the answers, whatever their time.
        in_loss_window: answered within the commit window before a kill that the station wrote down.
        in_gap_records: answered, and their numbers are named as missing.
        still_in_station: in the journal, and not claimed by the centre's ledger.
        too_late: answered later than the profile allows, and left.
        readings_unexplained: rows with a value that no instrument ever said.
        free_running: rows that are fixes of a receiver.
        gaps: ranges of numbers in gap records.
        lost: the lost ones by name, at most NAMED_MAX.
        doubles: the doubles by name, likewise.
        unexplained: likewise.
    """

    readings_answered: int = 0
    readings_in_store: int = 0
    readings_lost: int = 0
    timed_out: int = 0
    duplicates_in_store: int = 0
    in_loss_window: int = 0
    in_gap_records: int = 0
    still_in_station: int = 0
    too_late: int = 0
    readings_unexplained: int = 0
    free_running: int = 0
    gaps: int = 0
    lost: list[Named] = []
    doubles: list[Named] = []
    unexplained: list[Named] = []

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing double, nothing that no instrument ever said."""
        return not (self.readings_lost or self.duplicates_in_store or self.readings_unexplained)

    @property
    def lost_silently(self) -> int:
        """Lost, and not even written down as missing."""
        return self.readings_lost - self.timed_out

    @property
    def closes(self) -> bool:
        """As :attr:`clean`, on processors that agent and instruments share with a load: a few answers came too late."""
        few = self.timed_out <= TIMED_OUT_SHARE_MAX * self.readings_answered
        return few and not (self.lost_silently or self.duplicates_in_store or self.readings_unexplained)


TIMED_OUT_SHARE_MAX = 0.01
"""Of the readings that were answered, at ten times more work than processors; more would be a fault of the agent."""
NAMED_MAX = 1000
"""So many readings of a kind are named; all are counted."""


class SeriesBook(NamedTuple):
    """Everything about one series that a balance needs.

    Args:
        station: code.
        key: of the series.
        said: in order of time.
        rows: readings with a value, in any order.
        period_ms: how often the instrument speaks.
        free: a free-running source (GNSS): what it says need not be written down, but rows must be its words.
        missing_ms: times at which the station wrote down that a value is missing.
        tolerance: see TOLERANCE.
    """

    station: str
    key: str
    said: Sequence[Said]
    rows: Sequence[Row]
    period_ms: float
    free: bool = False
    missing_ms: Sequence[int] = ()
    tolerance: float = TOLERANCE


def same(left: float, right: float, tolerance: float) -> bool:
    """Whether two values are one value that went through two scalings."""
    return abs(left - right) <= tolerance * max(1.0, abs(left), abs(right))


def align(
    said: Sequence[Said], rows: Sequence[Row], period_ms: float, tolerance: float = TOLERANCE
) -> list[tuple[int, int]]:
    """Pairs (answer, row), both in order of time, that explain most with the least shift in time.

    Only equal values within reach of each other can pair (see LATE_SHARE); pairs never cross. Among all such
    layings the one with the greatest sum of (reach - distance) is taken. That keeps runs of equal values honest:
    moving a whole run by one place to cover a lost reading with a double costs more than naming both.

    Args:
        said: sorted by time.
        rows: sorted by time.
        period_ms: how often the instrument speaks.
        tolerance: see TOLERANCE.
    """
    reach = min(LATE_MS_MAX, LATE_SHARE * period_ms)
    early = min(EARLY_MS_MAX, EARLY_SHARE * period_ms)
    times = [row.time_ms for row in rows]
    tree: list[tuple[float, int]] = [(0.0, -1)] * (len(rows) + 1)
    links: list[tuple[int, int, int]] = []

    def best_before(place: int) -> tuple[float, int]:
        found = (0.0, -1)
        while place > 0:
            found = max(found, tree[place])
            place -= place & -place
        return found

    def raise_to(place: int, entry: tuple[float, int]) -> None:
        while place < len(tree):
            tree[place] = max(tree[place], entry)
            place += place & -place

    top = (0.0, -1)
    for at, answer in enumerate(said):
        low = bisect_right(times, answer.time_ms - early)
        high = bisect_left(times, answer.time_ms + reach)
        # From the right, so that no answer builds on itself.
        for row in range(high - 1, low - 1, -1):
            if not same(answer.value, rows[row].value, tolerance):
                continue
            weight, link = best_before(row)
            entry = (weight + reach - abs(times[row] - answer.time_ms), len(links))
            links.append((at, row, link))
            raise_to(row + 1, entry)
            top = max(top, entry)
    pairs: list[tuple[int, int]] = []
    link = top[1]
    while link >= 0:
        at, row, link = links[link]
        pairs.append((at, row))
    return pairs[::-1]


def draw(
    books: Iterable[SeriesBook],
    *,
    kills: Sequence[Kill] = (),
    gaps: Mapping[str, Sequence[tuple[int, int, int]]] | None = None,
) -> Sheet:
    """Draw the balance.

    Args:
        books: one per series.
        kills: when agents were killed.
        gaps: gap records per station as (line, first number, last number).
    """
    sheet = Sheet()
    books = list(books)
    covers = {
        station: _Gaps(ranges, [row for book in books if book.station == station for row in book.rows])
        for station, ranges in (gaps or {}).items()
    }
    sheet.gaps = sum(len(ranges) for ranges in (gaps or {}).values())
    for book in books:
        said = sorted(book.said)
        rows = sorted(_distinct(book.rows))
        pairs = align(said, rows, book.period_ms, book.tolerance)
        answered, taken = {at for at, _ in pairs}, {row for _, row in pairs}
        sheet.readings_in_store += sum(1 for row in rows if not row.waiting)
        sheet.still_in_station += sum(1 for row in rows if row.waiting)
        if book.free:
            sheet.free_running += len(pairs)
        else:
            sheet.readings_answered += len(said)
            for at, answer in enumerate(said):
                if at not in answered:
                    _miss(sheet, book, answer, kills, covers.get(book.station))
        for at, row in enumerate(rows):
            if at not in taken:
                _surplus(sheet, book, row, said)
    return sheet


def _distinct(rows: Iterable[Row]) -> list[Row]:
    """A record that is in the store and still in the station counts once, as stored."""
    found: dict[tuple[int, int, int, float], Row] = {}
    stored: list[Row] = []
    records = set()
    for row in rows:
        if not row.waiting:
            stored.append(row)
            records.add((row.line, row.number))
    for row in rows:
        if row.waiting and (row.line, row.number) not in records:
            found[row.line, row.number, row.time_ms, row.value] = row
    return stored + list(found.values())


def _miss(sheet: Sheet, book: SeriesBook, answer: Said, kills: Sequence[Kill], cover: "_Gaps | None") -> None:
    if any(
        kill.station == book.station
        and kill.time_ms - kill.window_ms - POLL_MS <= answer.time_ms
        and (answer.asked_ms or answer.time_ms) <= kill.time_ms + ON_THE_LINE_MS
        for kill in kills
    ):
        sheet.in_loss_window += 1
    elif cover is not None and cover.has(answer.time_ms):
        sheet.in_gap_records += 1
    elif answer.optional:
        sheet.too_late += 1
    else:
        sheet.readings_lost += 1
        near = any(abs(time - answer.time_ms) < book.period_ms / 2 for time in book.missing_ms)
        sheet.timed_out += near
        why = (
            "the station wrote down that the value is missing" if near else "no row, no gap record, not in the station"
        )
        if len(sheet.lost) < NAMED_MAX:
            sheet.lost.append(Named(book.station, book.key, round(answer.time_ms), answer.value, why))


def _surplus(sheet: Sheet, book: SeriesBook, row: Row, said: Sequence[Said]) -> None:
    alike = [answer for answer in said if same(answer.value, row.value, book.tolerance)]
    if alike:
        nearest = min(alike, key=lambda answer: abs(answer.time_ms - row.time_ms))
        sheet.duplicates_in_store += 1
        named, why = sheet.doubles, f"one more row than answers; the nearest such answer was at {nearest.time_ms:.0f}"
    else:
        sheet.readings_unexplained += 1
        named, why = sheet.unexplained, "no instrument ever said this"
    if len(named) < NAMED_MAX:
        named.append(Named(book.station, book.key, row.time_ms, row.value, why))


class _Gaps:
    """Which moments of a station lie inside its gap records, judged by the nearest rows before and after."""

    def __init__(self, ranges: Sequence[tuple[int, int, int]], rows: Iterable[Row]) -> None:
        self._ranges = ranges
        self._known = sorted((row.time_ms, row.line, row.number) for row in rows)

    def has(self, time_ms: float) -> bool:
        """Whether numbers between the neighbours of this moment are known to be missing."""
        at = bisect_left(self._known, (time_ms, -1, 0))
        _, line_before, before = self._known[at - 1] if at else (0, -1, 0)
        _, line_after, after = self._known[at] if at < len(self._known) else (0, -1, 0)
        return any(
            line in (line_before, line_after)
            and (line != line_before or last > before)
            and (line != line_after or first < after)
            for line, first, last in self._ranges
        )
