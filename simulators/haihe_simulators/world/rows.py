"""The rows of a centre's store, read without the store's own questions."""

from collections.abc import Sequence
from typing import Any

from haihe_contract.record import Readings

from .cards import Line
from .times import Fix
from .watched import Centre

Row = tuple[str, str, int, int, float | None, int]
"""Station, series, line (0 where the time is known), time, value, number (0 where the time is known)."""
_AT = "(SELECT id FROM series WHERE station = ? AND key = ?)"


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


def in_store(centre: "Centre", key: Line, time_ms: int, series: str, value: float | None) -> bool:
    """Whether the store shows a reading there, or has it among the conflicts."""
    select: Any = centre.store._file.select  # noqa: SLF001 - read without the store's own questions
    rows = select(
        f"SELECT value FROM reading WHERE series_id = {_AT} AND time_ms = ? UNION ALL"  # noqa: S608
        f" SELECT value FROM conflict WHERE series_id = {_AT} AND time_ms = ?",
        (key[0], series, time_ms, key[0], series, time_ms),
    )
    return (value,) in rows


def waits(centre: "Centre", key: Line, number: int, time_ms: int, series: str, value: float | None, mark: int) -> bool:
    """Whether a reading lies among those without a time."""
    select: Any = centre.store._file.select  # noqa: SLF001
    rows = select(
        f"SELECT boot_ms, value, mark FROM untimed JOIN line ON line.id = line_id WHERE series_id = {_AT}"  # noqa: S608
        " AND line.line = ? AND number = ?",
        (key[0], series, f"{key[1]:016x}", number),
    )
    return bool(rows == [(time_ms, value, mark)])


def placed_by(
    centre: "Centre", key: Line, body: Readings, series: str, value: float | None, fixes: Sequence[Fix]
) -> Fix | None:
    """By which fix a reading has got its place."""
    return next((fix for fix in fixes if in_store(centre, key, body.time_ms + fix.offset_ms, series, value)), None)


def placed_rows(centre: "Centre", lines: set[int]) -> dict[tuple[str, str, int, int], list[tuple[Any, ...]]]:
    """Rows of some lines: time, value, mark and grade by station, series, line and number."""
    select: Any = centre.store._file.select  # noqa: SLF001
    found: dict[tuple[str, str, int, int], list[tuple[Any, ...]]] = {}
    texts = ", ".join(f"'{line:016x}'" for line in lines)
    for table in ("reading", "conflict") if lines else ():
        rows = select(
            f"SELECT station, key, line.line, number, time_ms, value, mark, grade FROM {table}"  # noqa: S608
            f" JOIN series ON series.id = series_id JOIN line ON line.id = line_id WHERE line.line IN ({texts})",
            (),
        )
        for station, key, line, number, *row in rows:
            found.setdefault((station, key, int(line, 16), number), []).append(tuple(row))
    return found
