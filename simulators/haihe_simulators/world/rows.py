"""The rows of a centre's store, read without the store's own questions."""

from typing import Any

from haihe_contract.record import Readings

from .cards import Line
from .watched import Centre

Row = tuple[str, str, int, int, float | None, int]
"""Station, series, line (0 where the time is known), time, value, number (0 where the time is known)."""


def all_stored(centre: "Centre") -> set[Row]:
    """The whole store."""
    select: Any = centre.store._file.select  # noqa: SLF001
    found: set[Row] = set()
    for table in ("reading", "conflict"):
        rows = select(f"SELECT station, key, time_ms, value FROM {table} JOIN series ON series.id = series_id", ())  # noqa: S608
        found |= {(station, series, 0, time_ms, value, 0) for station, series, time_ms, value in rows}
    rows = select(
        "SELECT station, key, line.line, boot_ms, value, number FROM untimed JOIN series ON series.id = series_id"
        " JOIN line ON line.id = line_id",
        (),
    )
    return found | {
        (station, key, int(line, 16), boot_ms, value, number) for station, key, line, boot_ms, value, number in rows
    }


def in_store(
    centre: "Centre", key: Line, number: int, body: Readings, series: str, value: float | None, mark: int
) -> bool:
    """Whether the store shows that reading, or has it among the conflicts or those without a time."""
    select: Any = centre.store._file.select  # noqa: SLF001 - read without the store's own questions
    at = "(SELECT id FROM series WHERE station = ? AND key = ?)"
    if body.grade == 0:
        rows = select(
            f"SELECT boot_ms, value, mark FROM untimed JOIN line ON line.id = line_id WHERE series_id = {at}"  # noqa: S608
            " AND line.line = ? AND number = ?",
            (key[0], series, f"{key[1]:016x}", number),
        )
        return bool(rows == [(body.time_ms, value, mark)])
    rows = select(
        f"SELECT value FROM reading WHERE series_id = {at} AND time_ms = ? UNION ALL"  # noqa: S608
        f" SELECT value FROM conflict WHERE series_id = {at} AND time_ms = ?",
        (key[0], series, body.time_ms, key[0], series, body.time_ms),
    )
    return (value,) in rows
