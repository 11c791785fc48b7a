"""The rows of a centre's store, read without the store's own questions."""

from collections.abc import Iterable
from typing import Any

import msgspec
from haihe_contract.ranges import RangeSet

from .cards import Line
from .watched import Centre

Row = tuple[str, str, int, int, float | None, int, int]
"""Station, series, line, time, value, number, mark; line, number and mark are 0 where the time is known."""


def all_stored(centre: "Centre") -> set[Row]:
    """The whole store."""
    found: set[Row] = set()
    for table in ("reading", "conflict"):
        sql = f"SELECT station, key, time_ms, value FROM {table} JOIN series ON series.id = series_id"  # noqa: S608
        for station, series, time_ms, value in _select(centre, sql):
            found.add((station, series, 0, time_ms, value, 0, 0))
    sql = (
        "SELECT station, key, line.line, boot_ms, value, number, mark FROM untimed"
        " JOIN series ON series.id = series_id JOIN line ON line.id = line_id"
    )
    for station, series, line, boot_ms, value, number, mark in _select(centre, sql):
        found.add((station, series, int(line, 16), boot_ms, value, number, mark))
    return found


def stored_of(centre: "Centre", key: Line, numbers: RangeSet, times: Iterable[int]) -> set[Row]:
    """What the store has of a station at some times, and of numbers of a line without a time."""
    found: set[Row] = set()
    asked = msgspec.json.encode(list(times)).decode()
    for table in ("reading", "conflict"):
        sql = (
            f"SELECT key, time_ms, value FROM series CROSS JOIN {table} ON series_id = series.id"  # noqa: S608
            " WHERE station = ? AND time_ms IN (SELECT value FROM json_each(?))"
        )
        for series, time_ms, value in _select(centre, sql, key[0], asked):
            found.add((key[0], series, 0, time_ms, value, 0, 0))
    sql = (
        "SELECT key, boot_ms, value, number, mark FROM series CROSS JOIN untimed ON series_id = series.id"
        " WHERE station = ? AND line_id = (SELECT id FROM line WHERE line = ?) AND number BETWEEN ? AND ?"
    )
    for series, boot_ms, value, number, mark in _select(
        centre, sql, key[0], f"{key[1]:016x}", numbers.first, numbers.last
    ):
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
