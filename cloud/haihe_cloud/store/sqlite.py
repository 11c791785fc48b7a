"""The embedded series store: one SQLite file beside the centre's own database.

The fast path inserts and lets the table's key and constraints skip whatever is not plainly new; only a station
whose rows were skipped is looked at row by row. A line is kept as a small number of its own table, which saves
eight bytes a row and keeps the full 64 bits.
"""

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from haihe_contract.quality import Grade, mark, unmark
from haihe_contract.ranges import RangeSet
from haihe_contract.reading import Reading

from .choose import SERIES_MAX, TIME_MS_MAX, better, conflicts_in_order, refusal, settle, too_many, within_bound
from .port import READ_ROWS_MAX, TIME_END_MS, Conflict, Refused
from .sqlite_file import SqliteFile

_PATIENCE_S = 10.0
_REMEMBERED_MAX = 500_000
_UNTIMED = int(Grade.NONE)
_INSERT = "INSERT OR IGNORE INTO reading VALUES (?,?,?,?,?,?,?)"
_REPLACE = "REPLACE INTO reading VALUES (?,?,?,?,?,?,?)"
_STORED = "SELECT * FROM reading WHERE series_id = ? AND time_ms = ?"
_COLUMNS = "time_ms, value, mark, grade, line.line, number"

_Row = tuple[int, int, float | None, int, int, int, int]


class SqliteStore:
    """Series in one file (WAL, ``synchronous=FULL``): when :meth:`write` returns, the rows are durable.

    Any thread may call; each has its own connection, and writes take turns.

    Args:
        path: of the file; made when it is not there.
        patience_s: how long to wait for a lock before the store counts as away.

    Raises:
        FieldError: when the file was written by a newer version, or is no store.
        StoreAway: when it cannot be opened now.
    """

    def __init__(self, path: Path, *, patience_s: float = _PATIENCE_S) -> None:
        self._file = SqliteFile(path, patience_s=patience_s)
        self._turn = threading.Lock()
        self._series: dict[str, dict[str, int]] = {}
        self._lines: dict[int, int] = {}
        self._remembered = 0

    def write(self, readings: Mapping[str, Sequence[Reading]]) -> list[Refused]:
        """See :meth:`haihe_cloud.store.port.Store.write`; all stations of the call are one commit."""
        refused: list[Refused] = []
        if not readings:
            return refused
        with self._turn:
            if self._remembered > _REMEMBERED_MAX:
                self._forget()
            try:
                with self._file.transaction() as connection:
                    for station, of_station in readings.items():
                        self._write_station(connection, station, of_station, refused)
            except BaseException:
                self._forget()  # ids of a commit that did not happen
                raise
        return refused

    def read(self, station: str, series: str, start_ms: int, end_ms: int, most: int = READ_ROWS_MAX) -> list[Reading]:
        """See :meth:`haihe_cloud.store.port.Store.read`."""
        rows = self._file.select(
            f"SELECT ?2, {_COLUMNS} FROM reading JOIN line ON line.id = line_id "  # noqa: S608 - constants only
            "WHERE series_id = (SELECT id FROM series WHERE station = ?1 AND key = ?2) "
            "AND time_ms >= ?3 AND time_ms < ?4 ORDER BY time_ms LIMIT ?5",
            (station, series, max(start_ms, 0), min(end_ms, TIME_MS_MAX + 1), min(most, READ_ROWS_MAX)),
        )
        return [_reading(row) for row in rows]

    def latest(self, station: str) -> dict[str, Reading]:
        """See :meth:`haihe_cloud.store.port.Store.latest`."""
        rows = self._file.select(
            f"SELECT series.key, {_COLUMNS} FROM series JOIN reading ON series_id = series.id "  # noqa: S608
            "AND time_ms = (SELECT max(time_ms) FROM reading WHERE series_id = series.id) "
            "JOIN line ON line.id = line_id WHERE station = ?",
            (station,),
        )
        return {row[0]: _reading(row) for row in rows}

    def series(self, station: str) -> list[str]:
        """See :meth:`haihe_cloud.store.port.Store.series`; in the order of the alphabet."""
        rows = self._file.select(
            "SELECT key FROM series WHERE station = ? "
            "AND EXISTS (SELECT 1 FROM reading WHERE series_id = series.id) ORDER BY key",
            (station,),
        )
        return [row[0] for row in rows]

    def conflicts(
        self, station: str, most: int = 1000, *, start_ms: int = 0, end_ms: int = TIME_END_MS
    ) -> list[Conflict]:
        """See :meth:`haihe_cloud.store.port.Store.conflicts`."""
        rows = self._file.select(
            f"SELECT series.key, {_COLUMNS} FROM conflict JOIN series ON series.id = series_id "  # noqa: S608
            "JOIN line ON line.id = line_id WHERE station = ? AND time_ms >= ? AND time_ms < ? "
            "ORDER BY time_ms DESC LIMIT ?",
            (station, max(start_ms, 0), min(end_ms, TIME_END_MS), most),
        )
        return [Conflict(station, reading) for reading in conflicts_in_order(_reading(row) for row in rows)]

    def untimed(self, station: str, most: int = 1000, *, line: int | None = None, after: int = 0) -> list[Reading]:
        """See :meth:`haihe_cloud.store.port.Store.untimed`; by number, line and series."""
        of_line, facts = ("AND line.line = ? ", (f"{line:016x}",)) if line is not None else ("", ())
        rows = self._file.select(
            "SELECT series.key, boot_ms, value, mark, 0, line.line, number FROM untimed "  # noqa: S608 - constants
            "JOIN series ON series.id = series_id JOIN line ON line.id = line_id "
            f"WHERE station = ? {of_line}AND number > ? ORDER BY number, line.line, series.key LIMIT ?",
            (station, *facts, after, most),
        )
        return [_reading(row) for row in rows]

    def forget_untimed(self, station: str, line: int, numbers: RangeSet) -> None:
        """See :meth:`haihe_cloud.store.port.Store.forget_untimed`."""
        with self._turn, self._file.transaction() as connection:
            for first, last in numbers.ranges:
                connection.execute(
                    "DELETE FROM untimed WHERE series_id IN (SELECT id FROM series WHERE station = ?) "
                    "AND line_id = (SELECT id FROM line WHERE line = ?) AND number BETWEEN ? AND ?",
                    (station, f"{line:016x}", first, last),
                )

    def close(self) -> None:
        """Close the connections of all threads."""
        self._file.close()

    def _write_station(
        self,
        connection: sqlite3.Connection,
        station: str,
        readings: Sequence[Reading],
        refused: list[Refused],
    ) -> None:
        """Insert what is new; leave what the table skipped to :meth:`_settle`."""
        ids = self._ids(connection, station)
        rows: list[_Row] = []
        offered: list[Reading] = []
        flag = reasons = grade = line = None
        packed = code = line_id = 0
        for reading in readings:
            key, time_ms, value, new_flag, new_reasons, new_grade, new_line, number = reading
            series_id = ids.get(key)
            if new_grade is not grade:
                grade, code = new_grade, int(new_grade)
            if series_id is None or code == _UNTIMED:
                self._write_one(connection, station, reading, refused)
                continue
            # Neighbours mostly share these three, and an enum is no int to SQLite: translate on change only.
            if new_flag is not flag or new_reasons is not reasons:
                flag, reasons, packed = new_flag, new_reasons, mark(new_flag, new_reasons)
            if new_line != line:
                line, line_id = new_line, self._line_id(connection, new_line)
            rows.append((series_id, time_ms, value, packed, code, line_id, number))
            offered.append(reading)
        before = connection.total_changes
        with suppress(OverflowError):  # a number beyond 64 bits: refused one by one below
            connection.executemany(_INSERT, rows)
        if connection.total_changes - before != len(rows):
            places: dict[tuple[int, int], list[int]] = {}
            for at, row in enumerate(rows):
                places.setdefault(row[:2], []).append(at)
            for place, ats in places.items():
                there = 0 <= place[1] <= TIME_MS_MAX and connection.execute(_STORED, place).fetchone()
                if any(rows[at] != there for at in ats):  # else it was new, or is repeated: nearly always
                    self._write_place(connection, station, [offered[at] for at in ats], refused)

    def _write_place(
        self, connection: sqlite3.Connection, station: str, readings: Sequence[Reading], refused: list[Refused]
    ) -> None:
        """Give readings of one known series and time their place together: each time, all that is there is read."""
        good = []
        for reading in readings:
            why = refusal(reading)
            if why is None:
                good.append(reading)
            else:
                refused.append(Refused(station, reading, why))
        if good:
            beyond = self._settle(connection, self._ids(connection, station)[good[0].series], good)
            refused += [Refused(station, reading, too_many(reading)) for reading in beyond]

    def _write_one(
        self, connection: sqlite3.Connection, station: str, reading: Reading, refused: list[Refused]
    ) -> None:
        why = refusal(reading)
        ids = self._ids(connection, station)
        if why is None and reading.series not in ids and len(ids) >= SERIES_MAX:
            why = f"the station has {SERIES_MAX} series already"
        if why is not None:
            refused.append(Refused(station, reading, why))
            return
        series_id = ids.get(reading.series)
        if series_id is None:
            connection.execute("INSERT INTO series (station, key) VALUES (?, ?)", (station, reading.series))
            series_id = ids[reading.series] = _last_id(connection)
            self._remembered += 1
        if reading.grade == Grade.NONE:
            self._write_untimed(connection, series_id, reading)
        else:
            self._settle(connection, series_id, [reading])

    def _settle(self, connection: sqlite3.Connection, series_id: int, offered: Sequence[Reading]) -> list[Reading]:
        """Give readings of one time their place among those that are there; those that are too many."""
        rows = [self._row(connection, series_id, reading) for reading in offered]
        place = rows[0][:2]
        stored = connection.execute(_STORED, place).fetchone()
        if all(row == stored for row in rows):
            return []
        if stored is None and len(rows) == 1:
            connection.execute(_INSERT, rows[0])
            return []
        there = [
            _reading((offered[0].series, *found))
            for table in ("reading", "conflict")
            for found in connection.execute(
                f"SELECT {_COLUMNS} FROM {table} JOIN line ON line.id = line_id "  # noqa: S608 - two constants
                "WHERE series_id = ? AND time_ms = ?",
                place,
            )
        ]
        kept, beyond = within_bound(there, offered)
        shown, others = settle([*there, *kept])
        connection.execute(_REPLACE, self._row(connection, series_id, shown))
        connection.execute("DELETE FROM conflict WHERE series_id = ? AND time_ms = ?", place)
        connection.executemany(
            "INSERT INTO conflict VALUES (?,?,?,?,?,?,?)",
            [self._row(connection, series_id, other) for other in others],
        )
        return beyond

    def _write_untimed(self, connection: sqlite3.Connection, series_id: int, reading: Reading) -> None:
        line_id = self._line_id(connection, reading.line)
        found = connection.execute(
            "SELECT ?4, boot_ms, value, mark, 0, line.line, number FROM untimed JOIN line ON line.id = line_id "
            "WHERE series_id = ?1 AND line_id = ?2 AND number = ?3",
            (series_id, line_id, reading.number, reading.series),
        ).fetchone()
        if found is not None:
            reading = better(_reading(found), reading)
        packed = mark(reading.flag, reading.reasons)
        connection.execute(
            "REPLACE INTO untimed VALUES (?,?,?,?,?,?)",
            (series_id, line_id, reading.number, reading.time_ms, reading.value, packed),
        )

    def _row(self, connection: sqlite3.Connection, series_id: int, reading: Reading) -> _Row:
        return (
            series_id,
            reading.time_ms,
            reading.value,
            mark(reading.flag, reading.reasons),
            int(reading.grade),
            self._line_id(connection, reading.line),
            reading.number,
        )

    def _ids(self, connection: sqlite3.Connection, station: str) -> dict[str, int]:
        ids = self._series.get(station)
        if ids is None:
            rows = connection.execute("SELECT key, id FROM series WHERE station = ?", (station,))
            ids = self._series[station] = dict(rows.fetchall())
            self._remembered += 1 + len(ids)
        return ids

    def _line_id(self, connection: sqlite3.Connection, line: int) -> int:
        line_id = self._lines.get(line)
        if line_id is None:
            text = f"{line:016x}"
            found = connection.execute("SELECT id FROM line WHERE line = ?", (text,)).fetchone()
            if found is None:
                connection.execute("INSERT INTO line (line) VALUES (?)", (text,))
            line_id = self._lines[line] = found[0] if found else _last_id(connection)
            self._remembered += 1
        return line_id

    def _forget(self) -> None:
        self._series.clear()
        self._lines.clear()
        self._remembered = 0


def _last_id(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT last_insert_rowid()").fetchone()[0])


def _reading(row: tuple[Any, ...]) -> Reading:
    """A selected row (series key, time, value, mark, grade, line, number) as the contract means it."""
    key, time_ms, value, packed, grade, line, number = row
    flag, reasons = unmark(packed)
    return Reading(key, time_ms, value, flag, reasons, Grade(grade), int(line, 16), number)
