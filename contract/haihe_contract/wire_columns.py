"""Reading groups as columns per series, so that what changes little stands together (docs/reference/wire.md).

Integers at the coarsest decimal scale that is exact, as differences; float64 where no scale is.
"""

import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

from .errors import must
from .quality import PASS_MARK, Flag
from .record import Readings
from .varint import Malformed, Reader, put, put_column, put_signed

READINGS_MAX = 200_000
SHAPE_MAX = 65536
"""Series that one reading group may have."""
_OTHER_SCALE = 3  # in the two lowest bits of a column's first number, where zero stands above them
_SCALE_FLOAT = 255
_DECIMALS_MAX = 9
_INTEGER_MAX = 2**53
_FLAG_BITS = 0xF

_Deviation = tuple[int, int]  # place of an entry in its column, mark that is not a plain pass


def put_runs(out: bytearray, numbers: Sequence[int]) -> None:
    """Append numbers whose count is known from elsewhere as (number, how many more of it)."""
    told: list[int] = []
    at, count = 0, len(numbers)
    while at < count:
        number, end = numbers[at], at + 1
        while end < count and numbers[end] == number:
            end += 1
        told.append(number)
        if count - at > 1:
            told.append(end - at - 1)
        at = end
    put_column(out, told)


def runs(reader: Reader, count: int) -> list[int]:
    """Undo :func:`put_runs`.

    Raises:
        Malformed: when they cover more than ``count``.
    """
    numbers: list[int] = []
    left, varint = count, reader.varint
    while left > 0:
        number = varint()
        more = varint(left - 1) if left > 1 else 0
        if more:
            numbers += [number] * (1 + more)
        else:
            numbers.append(number)
        left -= 1 + more
    return numbers


def put_groups(out: bytearray, groups: Sequence[Readings]) -> None:
    """Append reading groups without their clock grades."""
    if not groups:
        return
    times = [group.time_ms for group in groups]
    put_signed(out, (times[0], *_differences(after - before for before, after in pairwise(times))))
    shapes: dict[tuple[int, ...], int] = {}
    used = [shapes.setdefault(tuple(group.series), len(shapes)) for group in groups]
    put_runs(out, used[1:])
    for shape in shapes:
        _put_shape(out, shape)
    columns: dict[int, list[float | None]] = {series: [] for series in sorted({s for shape in shapes for s in shape})}
    deviations: dict[int, list[_Deviation]] = {}
    picked = [[columns[series].append for series in shape] for shape in shapes]
    for group, shape_number in zip(groups, used, strict=True):
        for add, value in zip(picked[shape_number], group.values, strict=True):
            add(value)
        if group.marks:
            for series, mark in zip(group.series, group.marks, strict=True):
                if mark != PASS_MARK:
                    deviations.setdefault(series, []).append((len(columns[series]) - 1, mark))
    _put_marks(out, columns, deviations)
    for series, column in columns.items():
        _put_values(out, column, deviations.get(series, ()))


def groups_of(reader: Reader, grades: Sequence[int]) -> list[Readings]:
    """Undo :func:`put_groups`; a grade for every group is known from elsewhere.

    Raises:
        Malformed: when the bytes are no such groups.
    """
    count = len(grades)
    if not count:
        return []
    first, *seconds = reader.signed(count)
    times = list(accumulate(accumulate(seconds), initial=first))
    used = [0, *runs(reader, count - 1)]
    last = max(used)
    if last >= count:
        raise Malformed(f"shape {last} among {count} reading groups")
    shapes = _shapes(reader, last + 1)
    lengths = _column_lengths(shapes, used)
    deviations = _marks(reader, lengths)
    values = {s: iter(_values(reader, length, deviations.get(s, ()))) for s, length in lengths.items()}
    # A shape that no group has is allowed, and its series have no column.
    of_shape = {shape: [values[series] for series in shapes[shape]] for shape in set(used)}
    rows = [list(map(next, of_shape[shape])) for shape in used]
    marks: list[list[int]] = [[]] * count
    if deviations:
        marked = {s: iter(_mark_column(length, deviations.get(s, ()))) for s, length in lengths.items()}
        marks_of_shape = {shape: [marked[series] for series in shapes[shape]] for shape in of_shape}
        marks = [list(map(next, marks_of_shape[shape])) for shape in used]
        marks = [[] if row.count(PASS_MARK) == len(row) else row for row in marks]
    return list(map(Readings, times, grades, map(shapes.__getitem__, used), rows, marks))


def _put_shape(out: bytearray, shape: Sequence[int]) -> None:
    """Twice the count; one more when the numbers simply follow one another, and then only the first of them."""
    if shape and all(after == before + 1 for before, after in pairwise(shape)):
        put(out, 2 * len(shape) + 1)
        put(out, shape[0])
    else:
        put(out, 2 * len(shape))
        put_signed(out, _differences(shape))


def _shapes(reader: Reader, count: int) -> list[list[int]]:
    """So many shapes. Few bytes can name many series, so all of them together have the limit of the columns."""
    shapes: list[list[int]] = []
    total = 0
    for _ in range(count):
        shapes.append(_shape(reader))
        total += len(shapes[-1])
        if total > READINGS_MAX:
            raise Malformed(f"more than {READINGS_MAX} readings in one batch")
    return shapes


def _shape(reader: Reader) -> list[int]:
    head = reader.varint(2 * SHAPE_MAX + 1)
    count = head >> 1
    if head & 1:
        first = reader.varint()
        return list(range(first, first + count))
    shape = list(accumulate(reader.signed(count)))
    if len(set(shape)) != count or any(series < 0 for series in shape):
        raise Malformed("a reading group names a series twice")
    return shape


def _column_lengths(shapes: Sequence[Sequence[int]], used: Sequence[int]) -> dict[int, int]:
    """How many readings each series has, in the order of the columns; checked before memory is asked for."""
    lengths: dict[int, int] = {}
    total = 0
    for shape, times in Counter(used).items():
        total += times * len(shapes[shape])
        if total > READINGS_MAX:
            raise Malformed(f"more than {READINGS_MAX} readings in one batch")
        for series in shapes[shape]:
            lengths[series] = lengths.get(series, 0) + times
    return dict(sorted(lengths.items()))


def _put_marks(out: bytearray, columns: dict[int, list[float | None]], of: dict[int, list[_Deviation]]) -> None:
    """Stretches of what does not plainly pass, counted through all columns: where, how long, which mark."""
    stretches: list[list[int]] = []  # first entry, behind the last entry, mark
    start = 0
    for series, column in columns.items():
        for at, mark in of.get(series, ()):
            if stretches and stretches[-1][1] == start + at and stretches[-1][2] == mark:
                stretches[-1][1] += 1
            else:
                stretches.append([start + at, start + at + 1, mark])
        start += len(column)
    put(out, len(stretches))
    if not stretches:
        return
    ends = [0, *(end for _, end, _ in stretches)]
    gaps = (first - before for (first, _, _), before in zip(stretches, ends, strict=False))
    more = [end - first - 1 for first, end, _ in stretches]
    put_column(out, [2 * gap + (others > 0) for gap, others in zip(gaps, more, strict=True)])
    put_column(out, [others - 1 for others in more if others])
    put_column(out, [mark for _, _, mark in stretches])


def _marks(reader: Reader, lengths: dict[int, int]) -> dict[int, list[_Deviation]]:
    total = sum(lengths.values())
    count = reader.varint(total)
    if not count:
        return {}
    heads = reader.column(count)
    gaps = [head >> 1 for head in heads]
    longer = iter(reader.column(sum(head & 1 for head in heads)))
    more = [next(longer) + 1 if head & 1 else 0 for head in heads]
    marks = reader.column(count)
    if sum(gaps) + sum(more) + count > total:
        raise Malformed(f"marks for more than {total} readings")
    places: Iterator[_Deviation] = _places(gaps, more, marks)
    of: dict[int, list[_Deviation]] = {}
    start = 0
    place = next(places, None)
    for series, length in lengths.items():
        while place is not None and place[0] < start + length:
            of.setdefault(series, []).append((place[0] - start, place[1]))
            place = next(places, None)
        start += length
    return of


def _places(gaps: Sequence[int], more: Sequence[int], marks: Sequence[int]) -> Iterator[_Deviation]:
    at = 0
    for gap, others, mark in zip(gaps, more, marks, strict=True):
        at += gap
        for _ in range(others + 1):
            yield at, mark
            at += 1


def _mark_column(length: int, deviations: Iterable[_Deviation]) -> list[int]:
    marks = [PASS_MARK] * length
    for at, mark in deviations:
        marks[at] = mark
    return marks


def _missing(deviations: Iterable[_Deviation]) -> list[int]:
    return [at for at, mark in deviations if mark & _FLAG_BITS == Flag.MISSING]


def _differences(numbers: Iterable[int]) -> list[int]:
    last, out = 0, []
    for number in numbers:
        out.append(number - last)
        last = number
    return out


def _put_values(out: bytearray, column: Sequence[float | None], deviations: Sequence[_Deviation]) -> None:
    missing = _missing(deviations)
    present = [value for value in column if value is not None]
    fits = len(present) + len(missing) == len(column) and all(column[at] is None for at in missing)
    must(fits, "a value is None exactly when its flag is MISSING")
    if not present:
        return
    scaled = _scaled(present)
    if scaled is None:
        put(out, _OTHER_SCALE)
        out.append(_SCALE_FLOAT)
        out += struct.pack(f"<{len(present)}d", *present)
        return
    decimals, integers = scaled
    first = integers[0]
    if first >= 0 and decimals <= _OTHER_SCALE and (first or decimals < _OTHER_SCALE):
        put(out, first << 2 | decimals)
    else:
        put(out, _OTHER_SCALE)
        out.append(decimals)
        put_signed(out, (first,))
    put_signed(out, [after - before for before, after in pairwise(integers)])


def _scaled(values: Sequence[float]) -> tuple[int, list[int]] | None:
    """The fewest decimals at which all values are exact, and the whole numbers there; None where none is."""
    try:
        for decimals in range(_DECIMALS_MAX + 1):
            scale = 10**decimals
            if round(values[0] * scale) / scale != values[0] or round(values[-1] * scale) / scale != values[-1]:
                continue
            integers = [round(value * scale) for value in values]
            if [n / scale for n in integers] == values:
                whole = -_INTEGER_MAX < min(integers) <= max(integers) < _INTEGER_MAX
                return (decimals, integers) if whole else None
    except (OverflowError, ValueError):  # infinite, or no number
        pass
    return None


def _values(reader: Reader, length: int, deviations: Sequence[_Deviation]) -> Sequence[float | None]:
    missing = _missing(deviations)
    values = _present(reader, length - len(missing))
    if not missing:
        return values
    column: list[float | None] = []
    taken = 0
    for done, at in enumerate(missing):
        column += values[taken : at - done]
        column.append(None)
        taken = at - done
    column += values[taken:]
    return column


def _present(reader: Reader, count: int) -> Sequence[float]:
    if not count:
        return ()
    head = reader.varint()
    decimals, first = head & 3, head >> 2
    if head == _OTHER_SCALE:
        decimals = reader.take(1)[0]
        if decimals == _SCALE_FLOAT:
            return struct.unpack(f"<{count}d", reader.take(8 * count))
        if decimals > _DECIMALS_MAX:
            raise Malformed(f"scale {decimals} does not exist")
        first = reader.signed(1)[0]
    scale = 10**decimals
    return [n / scale for n in accumulate(reader.signed(count - 1), initial=first)]
