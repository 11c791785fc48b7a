"""Whether store and ledger say the same: every held number's readings are in the store, and nothing else is.

The digest of a held record is made of its readings (:mod:`haihe_cloud.ledger.content`), so the readings that the
store gives back are put together again, record by record, and must have the same digest. The store is read in
stretches of time, because the readings of one record share their time: memory stays bounded whatever lies in it.
A record that shares its values with another has no rows of its own: :mod:`haihe_cloud.absorbed` looks for those.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from haihe_contract.quality import Grade, mark
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.reading import Reading

from .absorbed import Asked, absorbed
from .ledger.book import Book
from .ledger.content import BLOCK, get, has_readings, readings_content
from .ledger.contents import Blocks
from .ledger.timing import untimed
from .limits import DAY_MS
from .store.port import TIME_END_MS, Store

STRETCH_MS = 3_600_000
STRETCH_ROWS = 200_000
"""Readings of one stretch that are held in memory; a denser stretch is halved."""
NAMED_MAX = 1000
"""Disagreements that are named of one station; further ones are counted."""
_UNTIMED_PAGE = 5000

MISSING, CHANGED, STRAY, TWICE = "missing", "changed", "stray", "twice"
"""A held number whose readings are not in the store; one whose readings are others; readings of a number that is not
held, or holds none; readings of one record in two places."""


class Disagreement(NamedTuple):
    """Neighbouring numbers of one line on which store and ledger differ.

    Args:
        line: which.
        first: lowest number.
        last: highest number.
        kind: ``missing``, ``changed``, ``stray`` or ``twice``.
        time_ms: of a reading that shows it, None where there is none.
    """

    line: int
    first: int
    last: int
    kind: str
    time_ms: int | None


class LineAudit(NamedTuple):
    """What was compared of one line.

    Args:
        line: which.
        held: numbers that the ledger holds.
        records: of these, reading groups found in the store as they came, by rows of their own or of an equal record.
        unproven: of these, taken before the ledger kept their contents, or come with several contents; their rows
            are there and not compared.
        rows_by_day: readings in the store by day (its number since 1970; it begins at 08:00 Beijing).
    """

    line: int
    held: int
    records: int
    unproven: int
    rows_by_day: dict[int, int]


class StationAudit(NamedTuple):
    """What was compared of one station.

    Args:
        station: which.
        lines: one entry for each.
        volatile: readings of lines that no ledger is kept of.
        disagreements: where store and ledger differ, at most :data:`NAMED_MAX`.
        more: further disagreements.
    """

    station: str
    lines: list[LineAudit]
    volatile: int
    disagreements: list[Disagreement]
    more: int


def audit(book: Book, store: Store, station: str) -> StationAudit:
    """Compare everything of one station.

    Raises:
        StoreAway: when the store is away.
        DatabaseAway: when the ledger is.
    """
    compared = _Comparison(book, store, station)
    for records in _records(store, station):
        for (line, number), rows in records.items():
            compared.record(line, number, rows)
    for number_rows in _untimed(store, station):
        for (line, number), rows in number_rows.items():
            compared.record(line, number, rows)
    return compared.end()


class _Line:
    """One line while it is compared."""

    def __init__(self, book: Book, station: str, line: int, held: RangeSet, refused: RangeSet) -> None:
        self.held, self.refused = held, refused
        self.numbers = {key: at for at, key in enumerate(book.dictionary(station, line) or [])}
        self.fix = book.fix_of_line(station, line)
        self.digests: Blocks = book.contents(station, line)
        self.contested = book.contested(station, line)
        self.seen = EMPTY
        self.doubtful: dict[int, list[Reading]] = {}
        self.unproven = 0
        self.rows_by_day: dict[int, int] = {}
        self.extremes = book.summary_numbers(station, line)

    def count(self, rows: list[Reading]) -> None:
        for row in rows:
            if row.grade is not Grade.NONE:
                day = row.time_ms // DAY_MS
                self.rows_by_day[day] = self.rows_by_day.get(day, 0) + 1

    def see(self, number: int, *, proven: bool) -> None:
        if number not in self.seen:
            self.seen = self.seen | RangeSet.of((number, number))
            self.unproven += not proven

    def fits(self, digest: int, rows: list[Reading]) -> bool:
        """Whether these readings are what the record said."""
        return digest in self.digests_of(rows)

    def digests_of(self, rows: list[Reading]) -> Iterator[int]:
        """That these readings may have as a record of this line: as they stand, and before their time was known."""
        stamps = {(row.time_ms, row.grade) for row in rows}
        if len(stamps) != 1 or any(row.series not in self.numbers for row in rows):
            return
        yield self._digest(rows)
        if self.fix is not None:
            yield self._digest([untimed(row, self.fix) for row in rows])

    def _digest(self, rows: list[Reading]) -> int:
        return readings_content(
            rows[0].time_ms,
            int(rows[0].grade),
            [self.numbers[row.series] for row in rows],
            [row.value for row in rows],
            [mark(row.flag, row.reasons) for row in rows],
        )


class _Comparison:
    def __init__(self, book: Book, store: Store, station: str) -> None:
        self._book, self._store, self._station = book, store, station
        self._lines = {
            line.line: _Line(book, station, line.line, line.held, line.refused) for line in book.all_lines(station)
        }
        self._volatile_lines = book.volatile_lines(station)
        self._volatile = 0
        self._found: list[Disagreement] = []
        self._more = 0

    def record(self, line: int, number: int, rows: list[Reading]) -> None:
        """Compare the readings of one record."""
        known = self._lines.get(line)
        if known is None or number not in known.held:
            if line in self._volatile_lines:
                self._volatile += len(rows)
            elif known is None or number not in known.refused:
                self._differ(line, number, STRAY, rows)
            return
        known.count(rows)
        digest = known.digests[number]
        if number in known.contested:  # its rows are of several contents: that there are some is all that is known
            known.see(number, proven=False)
        elif number in known.extremes:
            if not set(rows) <= self._book.extremes(self._station, line, number):
                self._differ(line, number, CHANGED, rows)
        elif number in known.seen:
            if rows[0].grade is not Grade.NONE or known.fix is None:  # else it is just leaving the untimed table
                self._differ(line, number, TWICE, rows)
        elif digest and not has_readings(digest):
            self._differ(line, number, STRAY, rows)
        else:
            known.see(number, proven=bool(digest))
            if digest and not known.fits(digest, rows):
                self._doubt(known, line, number, rows)

    def end(self) -> StationAudit:
        """What is in the ledger and was not found; what was found and is in the ledger by now."""
        self._found = [each for each in self._found if not self._has_come(each)]
        lines = []
        for line, known in self._lines.items():
            for number in ((known.extremes & known.held) - known.contested).numbers():
                if not all(self._is_there(row) for row in self._book.extremes(self._station, line, number)):
                    self._add(Disagreement(line, number, number, MISSING, None))
            absent = EMPTY
            for numbers in self._absent(line, known):
                absent = absent | numbers
            held = self._held_by_others(line, known, absent)
            known.seen = known.seen | held
            for number, rows in known.doubtful.items():
                if number not in held:
                    self._differ(line, number, CHANGED, rows)
            for first, last in (absent - held).ranges:
                self._add(Disagreement(line, first, last, MISSING, None))
            lines.append(
                LineAudit(
                    line, known.held.count(), known.seen.count() - known.unproven, known.unproven, known.rows_by_day
                )
            )
        return StationAudit(self._station, lines, self._volatile, self._found, self._more)

    def _held_by_others(self, line: int, known: _Line, absent: RangeSet) -> RangeSet:
        """Those of what is absent or doubtful whose readings have rows, be they of other records."""
        if not absent and not known.doubtful:
            return EMPTY
        series = {number: key for key, number in known.numbers.items()}
        asked = Asked(line, absent, known.doubtful, series, known.digests.__getitem__, known.digests_of)
        return absorbed(self._book, self._store, self._station, asked)

    def _doubt(self, known: _Line, line: int, number: int, rows: list[Reading]) -> None:
        """They are not what the record said; the rest of it may be held by others, if they have one time."""
        stamps = {(row.time_ms, row.grade) for row in rows}
        if rows[0].grade is Grade.NONE or len(stamps) > 1 or len(known.doubtful) >= NAMED_MAX:
            self._differ(line, number, CHANGED, rows)
        else:
            known.doubtful[number] = rows

    def _absent(self, line: int, known: _Line) -> Iterator[RangeSet]:
        for block, packed in self._book.content_blocks(self._station, line):
            numbers = range(block * BLOCK, block * BLOCK + len(packed) // 4)
            expected = RangeSet.from_numbers(number for number in numbers if has_readings(get(packed, number)))
            yield (expected & known.held) - known.seen

    def _is_there(self, extreme: Reading) -> bool:
        """Whether the store has the value in its place, be it as the extreme or as the reading itself."""
        span = extreme.time_ms, extreme.time_ms + 1
        rows = self._store.read(self._station, extreme.series, *span)
        if all(row.value != extreme.value for row in rows):
            rivals = self._store.conflicts(self._station, start_ms=span[0], end_ms=span[1])
            rows = [each.reading for each in rivals if each.reading.series == extreme.series]
        return any(row.value == extreme.value for row in rows)

    def _has_come(self, found: Disagreement) -> bool:
        """A centre at work writes to the store first and books then: what looked stray may be held by now."""
        return found.kind == STRAY and (
            found.line not in self._lines or found.first not in self._lines[found.line].held
        ) and found.first in self._book.held(self._station, found.line)  # fmt: skip

    def _differ(self, line: int, number: int, kind: str, rows: list[Reading]) -> None:
        self._add(Disagreement(line, number, number, kind, None if rows[0].grade is Grade.NONE else rows[0].time_ms))

    def _add(self, found: Disagreement) -> None:
        if len(self._found) < NAMED_MAX:
            self._found.append(found)
        else:
            self._more += 1


_Records = dict[tuple[int, int], list[Reading]]


def _records(store: Store, station: str) -> Iterator[_Records]:
    """Everything with a time, shown or not, record by record, one stretch of time after the other."""
    series = store.series(station)
    start_ms, stretch_ms = 0, STRETCH_MS
    while True:
        rows = _stretch(store, station, series, start_ms, start_ms + stretch_ms)
        if rows is None:
            stretch_ms = max(1, stretch_ms // 2)
            continue
        yield _by_record(rows)
        start_ms += stretch_ms
        stretch_ms = STRETCH_MS if len(rows) < STRETCH_ROWS // 4 else stretch_ms
        if not rows:
            following = [row.time_ms for key in series for row in store.read(station, key, start_ms, TIME_END_MS, 1)]
            if not following:
                return
            start_ms = min(following)


def _stretch(store: Store, station: str, series: Iterable[str], start_ms: int, end_ms: int) -> list[Reading] | None:
    """The readings of a stretch; None when they are too many and the stretch can be halved."""
    rows = [each.reading for each in store.conflicts(station, STRETCH_ROWS, start_ms=start_ms, end_ms=end_ms)]
    for key in series:
        rows += store.read(station, key, start_ms, end_ms, STRETCH_ROWS)
        if len(rows) >= STRETCH_ROWS and end_ms - start_ms > 1:
            return None
    return rows


def _untimed(store: Store, station: str) -> Iterator[_Records]:
    """Everything without a time, some records at a time."""
    after = 0
    while True:
        rows = store.untimed(station, _UNTIMED_PAGE, after=after)
        if not rows:
            return
        if len(rows) == _UNTIMED_PAGE and rows[0].number != rows[-1].number:
            rows = [row for row in rows if row.number != rows[-1].number]
        after = rows[-1].number
        yield _by_record(rows)


def _by_record(rows: Iterable[Reading]) -> _Records:
    records: _Records = {}
    for row in rows:
        records.setdefault((row.line, row.number), []).append(row)
    return records
