"""The rows of a centre's store, read without the store's own questions."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from haihe_contract.quality import PASS_MARK
from haihe_contract.record import Readings, Record, Summary

from .cards import Line
from .watched import Centre

Row = tuple[str, str, int, int, float | None, int, int]
"""Station, series, line, time, value, number, mark; line, number and mark are 0 where the time is known."""


def all_stored(centre: "Centre") -> set[Row]:
    """The whole store."""
    found: set[Row] = set()
    for table in ("reading", "conflict"):
        sql = f"SELECT station, key, 0, time_ms, value, 0, 0 FROM {table} JOIN series ON series.id = series_id"  # noqa: S608
        found.update(_select(centre, sql))
    sql = (
        "SELECT station, key, line.line, boot_ms, value, number, mark FROM untimed"
        " JOIN series ON series.id = series_id JOIN line ON line.id = line_id"
    )
    for station, series, line, boot_ms, value, number, mark in _select(centre, sql):
        found.add((station, series, int(line, 16), boot_ms, value, number, mark))
    return found


def rows_of(key: Line, records: Iterable[Record], names: Sequence[str]) -> list[tuple[int, Row]]:
    """What a store must have of these records, each row with its record's number."""
    station, line = key
    rows: list[tuple[int, Row]] = []
    for record in records:
        body = record.body
        if isinstance(body, Readings):
            if body.grade:
                for series, value in zip(body.series, body.values, strict=True):
                    rows.append((record.number, (station, names[series], 0, body.time_ms, value, 0, 0)))
                continue
            marks = body.marks or [PASS_MARK] * len(body.series)
            for series, value, mark in zip(body.series, body.values, marks, strict=True):
                row = (station, names[series], line, body.time_ms, value, record.number, mark)
                rows.append((record.number, row))
        elif isinstance(body, Summary):
            for told in body.series:
                for time_ms, value, _, grade in (told.lowest, told.highest):
                    if grade:  # the others wait until the time of their boot is known
                        rows.append((record.number, (station, told.series, 0, time_ms, value, 0, 0)))
    return rows


def stored_of(centre: "Centre", key: Line, rows: Sequence[Row]) -> set[Row]:
    """What the store has at the places of these rows, which are of one line."""
    found: set[Row] = set()
    for table in ("reading", "conflict"):
        times = sorted({row[3] for row in rows if not row[5] and row not in found})
        if not times:
            break
        sql = (
            f"SELECT station, key, 0, time_ms, value, 0, 0 FROM series CROSS JOIN {table} ON series_id = series.id"  # noqa: S608
            " WHERE station = ? AND time_ms IN (SELECT value FROM json_each(?))"
        )
        found.update(_select(centre, sql, key[0], json.dumps(times)))
    numbers = [row[5] for row in rows if row[5]]
    if numbers:
        sql = (
            "SELECT key, boot_ms, value, number, mark FROM series CROSS JOIN untimed ON series_id = series.id"
            " WHERE station = ? AND line_id = (SELECT id FROM line WHERE line = ?) AND number BETWEEN ? AND ?"
        )
        facts = (key[0], f"{key[1]:016x}", min(numbers), max(numbers))
        for series, boot_ms, value, number, mark in _select(centre, sql, *facts):
            found.add((key[0], series, key[1], boot_ms, value, number, mark))
    return found


def placed_rows(centre: "Centre", lines: set[int]) -> dict[tuple[str, str, int, int], list[tuple[Any, ...]]]:
    """Rows of some lines: time, value, mark and grade by station, series, line and number."""
    found: dict[tuple[str, str, int, int], list[tuple[Any, ...]]] = {}
    texts = ", ".join(f"'{line:016x}'" for line in lines)
    for table in ("reading", "conflict") if lines else ():
        sql = (
            f"SELECT station, key, line.line, number, time_ms, value, mark, grade FROM {table}"  # noqa: S608
            f" JOIN series ON series.id = series_id JOIN line ON line.id = line_id WHERE line.line IN ({texts})"
        )
        for station, key, line, number, *row in _select(centre, sql):
            found.setdefault((station, key, int(line, 16), number), []).append(tuple(row))
    return found


def _select(centre: "Centre", sql: str, *facts: str | int) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = centre.store._file.select(sql, facts)  # noqa: SLF001 - not by its own questions
    return rows
