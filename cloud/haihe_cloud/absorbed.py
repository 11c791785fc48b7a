"""Records whose readings another record holds: the store keeps one row of (station, series, time, value).

Which of two equal rows stays follows :func:`haihe_cloud.store.choose.rank`, so the other record has no row of its own
there. What it said is put together again from the rows of others at a moment that the ledger has counted for its line,
and must have the very digest that the ledger holds of it. Nothing less will do: a row that is lost is found.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice, product
from typing import NamedTuple

from haihe_contract.quality import Flag, Grade, Reason
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.reading import Reading

from .ledger.book import Book
from .ledger.tally import HOUR_MS, Hour
from .store.choose import rank
from .store.port import READ_ROWS_MAX, Store

_FORMS_MAX = 1000
"""Ways in which one moment's rows are put together at most; a poll of two values and its repetition make some fifty."""
_SERIES_AN_HOUR = 50
_MINUTE_MS = 60_000
"""Of more series no whole hour is held in memory."""


class Asked(NamedTuple):
    """What is looked for of one line.

    Args:
        line: which.
        absent: numbers without a row of their own.
        partial: all rows of numbers with some, that do not say what the record said; those of one number share a time.
        series: keys by series number.
        digest_of: of the record with that number.
        digests_of: that readings of one moment may have as a record of this line.
    """

    line: int
    absent: RangeSet
    partial: Mapping[int, list[Reading]]
    series: Mapping[int, str]
    digest_of: Callable[[int], int]
    digests_of: Callable[[list[Reading]], Iterable[int]]


def absorbed(book: Book, store: Store, station: str, asked: Asked) -> RangeSet:
    """Those of the numbers whose readings are all in the store, by a row of their own or by that of another record.

    Raises:
        StoreAway: when the store is away.
        DatabaseAway: when the ledger is.
    """
    left, found = asked.absent | RangeSet.from_numbers(asked.partial), EMPTY
    for hour in book.hours_of_line(station, asked.line):
        wanted = left & RangeSet.of((hour.lowest, hour.highest))
        if not wanted:
            continue
        here = RangeSet.from_numbers(_of_hour(store, station, asked, hour, wanted))
        left, found = left - here, found | here
        if not left:
            break
    return found


def _of_hour(store: Store, station: str, asked: Asked, hour: Hour, wanted: RangeSet) -> set[int]:
    """The numbers of one hour that are all there."""
    digests: dict[int, list[int]] = {}
    owners: dict[int, list[int]] = {}
    for number in wanted.numbers():
        digests.setdefault(asked.digest_of(number), []).append(number)
        if number in asked.partial:
            owners.setdefault(asked.partial[number][0].time_ms, []).append(number)
    found: set[int] = set()
    begin = hour.hour * HOUR_MS
    step = HOUR_MS if len(hour.seen) <= _SERIES_AN_HOUR else _MINUTE_MS
    for start_ms in range(begin, begin + HOUR_MS, step):
        for time_ms, rows in _moments(store, station, asked, hour, (start_ms, start_ms + step)).items():
            second = time_ms // 1000 % 3600
            counted = {asked.series.get(number) for number, seen in hour.seen.items() if seen.arrived >> second & 1}
            counted_rows = [row for row in rows if row.series in counted]
            found.update(_of_moment(counted_rows, owners.get(time_ms, ()), asked, digests))
            if len(found) == wanted.count():
                return found
    return found


def _moments(store: Store, station: str, asked: Asked, hour: Hour, span: tuple[int, int]) -> dict[int, list[Reading]]:
    """The rows of a stretch of time, shown or not, by their time."""
    rivals = store.conflicts(station, READ_ROWS_MAX, start_ms=span[0], end_ms=span[1])
    rows = [each.reading for each in rivals]
    for number in hour.seen:
        if number in asked.series:
            rows += store.read(station, asked.series[number], *span)
    moments: dict[int, list[Reading]] = {}
    for row in rows:
        moments.setdefault(row.time_ms, []).append(row)
    return moments


def _of_moment(
    rows: list[Reading], owners: Iterable[int], asked: Asked, digests: Mapping[int, list[int]]
) -> Iterator[int]:
    for owner in (*owners, 0):  # 0 for the numbers that have no rows of their own
        base = asked.partial[owner] if owner else []
        others: dict[str, list[Reading]] = {}
        for row in rows:
            if (row.line, row.number) != (asked.line, owner):
                others.setdefault(row.series, []).append(row)
        for held, said in islice(_forms(asked.line, base, others), _FORMS_MAX):
            for digest in asked.digests_of([*base, *said]):
                for number in digests.get(digest, ()):
                    if number == owner or (not owner and number in asked.absent):
                        as_said = [each._replace(line=asked.line, number=number) for each in said]
                        if all(rank(row) > rank(each) for row, each in zip(held, as_said, strict=True)):
                            yield number


def _forms(
    line: int, base: list[Reading], others: Mapping[str, list[Reading]]
) -> Iterator[tuple[list[Reading], list[Reading]]]:
    """Rows of others, and what the record may have said where they are now: the same values, with marks of its own."""
    for series in _choices(others, {row.series for row in base}):
        for held in product(*(others[key] for key in series)):
            if all(row.line == line for row in held):  # a line says nothing twice, but by mistake and word by word
                yield list(held), list(held)
                continue
            grades = [base[0].grade] if base else [grade for grade in Grade if grade is not Grade.NONE]
            for said, grade in product(product(*map(_marked, held)), grades):
                yield list(held), [row._replace(grade=grade) for row in said]


def _choices(others: Mapping[str, list[Reading]], taken: set[str]) -> list[tuple[str, ...]]:
    """Which series the record may have besides its own: all that are left, those of one other record, or one."""
    records: dict[tuple[int, int], set[str]] = {}
    for rows in others.values():
        for row in rows:
            records.setdefault((row.line, row.number), set()).add(row.series)
    sets = [set(others), *records.values(), *({key} for key in others)]
    return list(dict.fromkeys(tuple(sorted(each - taken)) for each in sets if each - taken))


def _marked(row: Reading) -> Iterable[Reading]:
    """The row with the marks that another record of the value may have had."""
    other = row._replace(reasons=row.reasons ^ Reason.FROM_MEMORY)  # told by a poll and again from a memory
    plain = row if row.value is None else row._replace(flag=Flag.PASS, reasons=Reason.NONE)
    return dict.fromkeys((row, other, plain))
