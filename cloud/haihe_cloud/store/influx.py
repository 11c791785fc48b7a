"""The series store on InfluxDB 1.8 and later or 2.x: v2 write API, InfluxQL for reading.

InfluxDB knows no conflicts: the last write of a place wins. So whoever may find a place taken looks first.
The newest time of each series is remembered, and only a row that is not newer is looked up: live flow costs no
reads. This needs one writer per station; a second process writing the same station could overwrite unseen.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from haihe_contract.quality import Grade
from haihe_contract.ranges import RangeSet
from haihe_contract.reading import Reading

from .choose import (
    NUMBER_MAX,
    SERIES_MAX,
    TIME_MS_MAX,
    better,
    conflicts_in_order,
    refusal,
    settle,
    too_many,
    within_bound,
)
from .influx_writer import InfluxWriter
from .influxql import FIELDS, Influxql, quoted, reading_of
from .line_protocol import CONFLICT, READING, UNTIMED, conflict_line, reading_line, untimed_line
from .port import READ_ROWS_MAX, TIME_END_MS, Conflict, Refused

_TIMEOUT_S = 10.0
_SPAN_HOLE_MS = 3_600_000
_SPAN_HOLE_NUMBERS = 10_000
_ROWS_A_POSITION, _ROWS_A_SPAN = 4, 100
"""Rows that a stretch may answer with; a few old readings far apart may lie among millions."""
_REMEMBERED_MAX = 500_000


class _Shelf(NamedTuple):
    """A series (and for untimed readings its line) of a station; within it a reading has one position."""

    series: str
    line: int | None


class _Line(NamedTuple):
    text: str
    station: str
    reading: Reading


class InfluxStore:
    """Series in one bucket. Give the bucket no retention limit: what is older would be refused.

    Args:
        url: for example ``http://127.0.0.1:8086``.
        token: of InfluxDB 2, or ``user:password`` of 1.8 and later (empty without authentication).
        org: organisation of InfluxDB 2; 1.x takes any.
        bucket: ``name``, or ``database/retention-policy`` for 1.x.
        timeout_s: the longest wait for any answer.
    """

    def __init__(self, url: str, token: str, org: str, bucket: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._writer = InfluxWriter(url, token, org, bucket, timeout_s=timeout_s)
        self._ask = Influxql(url, token, bucket, timeout_s=timeout_s)
        self._turn = threading.Lock()
        self._newest: dict[str, dict[_Shelf, int]] = {}

    def write(self, readings: Mapping[str, Sequence[Reading]]) -> list[Refused]:
        """See :meth:`haihe_cloud.store.port.Store.write`."""
        refused: list[Refused] = []
        with self._turn:
            if sum(map(len, self._newest.values())) > _REMEMBERED_MAX:
                self._newest.clear()
            try:
                self._write(readings, refused)
            except BaseException:
                for station in readings:  # what was written of it is not known: look again next time
                    self._newest.pop(station, None)
                raise
        return refused

    def write_lines(self, lines: Sequence[str]) -> dict[int, str]:
        """Write lines of other measurements (millisecond times), see :meth:`InfluxWriter.write`."""
        return self._writer.write(lines)

    @property
    def ask(self) -> Influxql:
        """Questions in InfluxQL to the same bucket."""
        return self._ask

    def read(self, station: str, series: str, start_ms: int, end_ms: int, most: int = READ_ROWS_MAX) -> list[Reading]:
        """See :meth:`haihe_cloud.store.port.Store.read`."""
        start, end, rows = max(start_ms, 0), min(end_ms, TIME_MS_MAX + 1), min(most, READ_ROWS_MAX)
        if start >= end or rows < 1:
            return []
        tables = self._ask.ask(
            f"SELECT {FIELDS} FROM {READING} WHERE {_of(station, series)} "  # noqa: S608 - quoted
            f"AND time >= {start}ms AND time <= {end - 1}ms ORDER BY time ASC LIMIT {rows}"
        )
        return [reading_of(series, row) for table in tables for row in table.rows]

    def latest(self, station: str) -> dict[str, Reading]:
        """See :meth:`haihe_cloud.store.port.Store.latest`."""
        tables = self._ask.ask(
            f"SELECT {FIELDS} FROM {READING} WHERE {_of(station)} AND time <= {TIME_MS_MAX}ms "  # noqa: S608
            'GROUP BY "series" ORDER BY time DESC LIMIT 1'
        )
        return {t.tags["series"]: reading_of(t.tags["series"], t.rows[0]) for t in tables}

    def series(self, station: str) -> list[str]:
        """See :meth:`haihe_cloud.store.port.Store.series`; in the order of the alphabet."""
        tables = self._ask.ask(f'SHOW TAG VALUES FROM {READING} WITH KEY = "series" WHERE {_of(station)}')
        return sorted(row[1] for table in tables for row in table.rows)

    def conflicts(
        self, station: str, most: int = 1000, *, start_ms: int = 0, end_ms: int = TIME_END_MS
    ) -> list[Conflict]:
        """See :meth:`haihe_cloud.store.port.Store.conflicts`."""
        start, end = max(start_ms, 0), min(end_ms, TIME_MS_MAX + 1)
        tables = self._ask.ask(
            f'SELECT {FIELDS}, "series" FROM {CONFLICT} WHERE {_of(station)} AND "shown" = false '  # noqa: S608
            f"AND time >= {start}ms AND time <= {end - 1}ms ORDER BY time DESC LIMIT {most}"
        )
        found = (reading_of(row[-1], row[:-1]) for table in tables for row in table.rows)
        return [Conflict(station, reading) for reading in conflicts_in_order(found)]

    def untimed(self, station: str, most: int = 1000, *, line: int | None = None, after: int = 0) -> list[Reading]:
        """See :meth:`haihe_cloud.store.port.Store.untimed`; by number, line and series."""
        of_line = f" AND \"line\" = '{line:016x}'" if line is not None else ""
        tables = self._ask.ask(
            f'SELECT {FIELDS}, "boot_ms", "series" FROM {UNTIMED} WHERE {_of(station)}{of_line} '  # noqa: S608 - quoted
            f"AND time > {after}ns AND time <= {NUMBER_MAX - 1}ns ORDER BY time ASC LIMIT {most}",
            epoch="ns",
        )
        found = [_untimed_of(row) for table in tables for row in table.rows]
        return sorted(found, key=lambda reading: (reading.number, reading.line, reading.series))

    def forget_untimed(self, station: str, line: int, numbers: RangeSet) -> None:
        """See :meth:`haihe_cloud.store.port.Store.forget_untimed`."""
        where = f"{_of(station)} AND \"line\"::tag = '{line:016x}'"
        self._ask.ask_all(
            f"DELETE FROM {UNTIMED} WHERE {where} AND time >= {first}ns AND time <= {last}ns"  # noqa: S608 - quoted
            for first, last in numbers.ranges
        )

    def close(self) -> None:
        """Close the connections."""
        self._writer.close()
        self._ask.close()

    def _write(self, readings: Mapping[str, Sequence[Reading]], refused: list[Refused]) -> None:
        timed: list[_Line] = []
        untimed: list[_Line] = []
        seen: list[tuple[dict[_Shelf, int], _Shelf, int]] = []
        for station, of_station in readings.items():
            newest = self._newest_of(station)
            shelves = self._sort(station, of_station, newest, refused)
            there = self._there(station, shelves, newest)
            for shelf, places in shelves.items():
                seen.append((newest, shelf, max(places)))
                taken = there.get(shelf, {})
                if shelf.line is None:
                    timed += self._timed_lines(station, places, taken, refused)
                else:
                    untimed += _untimed_lines(station, places, taken)
        for lines, precision in ((timed, "ms"), (untimed, "ns")):
            blamed = self._writer.write([line.text for line in lines], precision)
            refused += [Refused(lines[at].station, lines[at].reading, why) for at, why in blamed.items()]
        for newest, shelf, position in seen:
            newest[shelf] = max(position, newest.get(shelf, -1))

    def _sort(
        self, station: str, readings: Iterable[Reading], newest: dict[_Shelf, int], refused: list[Refused]
    ) -> dict[_Shelf, dict[int, list[Reading]]]:
        """Readings by shelf and position; what no engine can take goes to the refused."""
        shelves: dict[_Shelf, dict[int, list[Reading]]] = {}
        known = {shelf.series for shelf in newest}
        for reading in readings:
            why = refusal(reading)
            if why is None and reading.series not in known:
                if len(known) >= SERIES_MAX:
                    why = f"the station has {SERIES_MAX} series already"
                else:
                    known.add(reading.series)
            if why is not None:
                refused.append(Refused(station, reading, why))
                continue
            if reading.grade == Grade.NONE:
                shelf, position = _Shelf(reading.series, reading.line), reading.number
            else:
                shelf, position = _Shelf(reading.series, None), reading.time_ms
            shelves.setdefault(shelf, {}).setdefault(position, []).append(reading)
        return shelves

    def _newest_of(self, station: str) -> dict[_Shelf, int]:
        """The newest position of each shelf of the station; asked once, then remembered."""
        newest = self._newest.get(station)
        if newest is None:
            newest = {}
            of_station = _of(station)
            for table in self._ask.ask(
                f'SELECT "flag" FROM {READING} WHERE {of_station} AND time <= {TIME_MS_MAX}ms '  # noqa: S608
                'GROUP BY "series" ORDER BY time DESC LIMIT 1'
            ):
                newest[_Shelf(table.tags["series"], None)] = table.rows[0][0]
            for table in self._ask.ask(
                f'SELECT "flag" FROM {UNTIMED} WHERE {of_station} AND time <= {NUMBER_MAX - 1}ns '  # noqa: S608
                'GROUP BY "series", "line" ORDER BY time DESC LIMIT 1',
                epoch="ns",
            ):
                shelf = _Shelf(table.tags["series"], int(table.tags["line"], 16))
                newest[shelf] = table.rows[0][0]
            self._newest[station] = newest
        return newest

    def _there(
        self, station: str, shelves: dict[_Shelf, dict[int, list[Reading]]], newest: dict[_Shelf, int]
    ) -> dict[_Shelf, dict[int, Reading]]:
        """What the engine holds at the positions that are not newer than all it has."""
        there: dict[_Shelf, dict[int, Reading]] = defaultdict(dict)
        timed: list[tuple[_Shelf, list[int]]] = []
        untimed: list[tuple[_Shelf, list[int]]] = []
        for shelf, places in shelves.items():
            limit = newest.get(shelf, -1)
            old = sorted(position for position in places if position <= limit)
            (timed if shelf.line is None else untimed).append((shelf, old))
        self._look_up(station, timed, _SPAN_HOLE_MS, there)
        self._look_up(station, untimed, _SPAN_HOLE_NUMBERS, there)
        return there

    def _look_up(
        self,
        station: str,
        asked: list[tuple[_Shelf, list[int]]],
        hole: int,
        there: dict[_Shelf, dict[int, Reading]],
    ) -> None:
        """Ask in few stretches; one that holds far more than the wanted positions is asked again in smaller ones."""
        epoch = "ms" if hole == _SPAN_HOLE_MS else "ns"
        while asked:
            spans = [(shelf, part) for shelf, old in asked for part in _spans(old, hole)]
            limits = [_ROWS_A_SPAN + _ROWS_A_POSITION * len(part) for _, part in spans]
            statements = [_rows_of(station, *span, most) for span, most in zip(spans, limits, strict=True)]
            answers = self._ask.ask_all(statements, epoch=epoch)
            asked, hole = [], hole // 8
            for (shelf, part), most, tables in zip(spans, limits, answers, strict=True):
                rows = [row for table in tables for row in table.rows]
                if len(rows) >= most and len(part) > 1:
                    asked.append((shelf, part))
                elif shelf.line is None:
                    there[shelf] |= {row[0]: reading_of(shelf.series, row) for row in rows}
                else:
                    there[shelf] |= {row[0]: _untimed_of(row) for row in rows}

    def _timed_lines(
        self,
        station: str,
        places: dict[int, list[Reading]],
        taken: dict[int, Reading],
        refused: list[Refused],
    ) -> list[_Line]:
        """Lines for the places of one series; rivals go before the row that is shown."""
        lines: list[_Line] = []
        disputed: dict[int, list[Reading]] = {}
        for position, offered in places.items():
            stored = taken.get(position)
            if stored is None and len(offered) == 1:
                lines.append(_Line(reading_line(station, offered[0]), station, offered[0]))
            elif any(reading != stored for reading in offered):
                disputed[position] = offered
        statements = [
            f"SELECT {FIELDS} FROM {CONFLICT} WHERE {_of(station, offered[0].series)} AND time = {position}ms"  # noqa: S608
            for position, offered in disputed.items()
        ]
        for (position, offered), tables in zip(disputed.items(), self._ask.ask_all(statements), strict=True):
            series = offered[0].series
            there = [reading_of(series, row) for table in tables for row in table.rows]
            there += [taken[position]] if position in taken else []
            kept, beyond = within_bound(there, offered)
            refused += [Refused(station, reading, too_many(reading)) for reading in beyond]
            shown, others = settle([*there, *kept])
            if others:
                for reading in (shown, *others):
                    rival_line = conflict_line(station, reading, shown=reading is shown)
                    lines.append(_Line(rival_line, station, reading))
            lines.append(_Line(reading_line(station, shown), station, shown))
        return lines


def _untimed_lines(station: str, places: dict[int, list[Reading]], taken: dict[int, Reading]) -> Iterator[_Line]:
    for position, offered in places.items():
        best = taken.get(position, offered[0])
        for reading in offered:
            best = better(best, reading)
        if best != taken.get(position):
            yield _Line(untimed_line(station, best), station, best)


def _untimed_of(row: Sequence[object]) -> Reading:
    """A row ``time, fields of every row, boot_ms, series`` of the untimed measurement."""
    *fields, boot_ms, series = row
    return reading_of(str(series), [boot_ms, *fields[1:]])


def _of(station: str, series: str | None = None) -> str:
    where = f'"station" = {quoted(station)}'
    return where if series is None else f'{where} AND "series" = {quoted(series)}'


def _rows_of(station: str, shelf: _Shelf, part: Sequence[int], most: int) -> str:
    """The statement for what lies on the shelf from the first of these positions to the last."""
    of_series, (first, last) = _of(station, shelf.series), (part[0], part[-1])
    if shelf.line is None:
        where = f"{of_series} AND time >= {first}ms AND time <= {last}ms LIMIT {most}"
        return f"SELECT {FIELDS} FROM {READING} WHERE {where}"  # noqa: S608 - quoted
    where = f"{of_series} AND \"line\" = '{shelf.line:016x}' AND time >= {first}ns AND time <= {last}ns LIMIT {most}"
    return f'SELECT {FIELDS}, "boot_ms", "series" FROM {UNTIMED} WHERE {where}'  # noqa: S608 - quoted


def _spans(positions: list[int], hole: int) -> Iterator[list[int]]:
    """Sorted positions in few parts without long holes."""
    start = 0
    for at in range(1, len(positions) + 1):
        if at == len(positions) or positions[at] - positions[at - 1] > hole:
            yield positions[start:at]
            start = at
