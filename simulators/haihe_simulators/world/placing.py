"""Readings that got their time later: each is in one place of a centre, by one and the same time-fix for ever."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from haihe_contract.quality import PASS_MARK
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Readings, Record, Summary

from .cards import Line
from .rows import Row, placed_rows
from .times import Fix, Times
from .watched import Centre

STORED_UNTIL_MS = (1 << 63) // 1_000_000
"""No engine stores a later time than this, in the year 2262: what a clock centuries ahead dates stays without one."""


class Told(NamedTuple):
    """What a centre holds of one line, and what that should mean.

    Args:
        held: its numbers.
        names: its series.
        untimed: readings of the line that no trusted clock stamped, by number.
        summaries: of the line, by number.
    """

    held: RangeSet
    names: Sequence[str]
    untimed: Mapping[int, Readings]
    summaries: Mapping[int, Summary]


def apart_of(records: Mapping[int, Record]) -> tuple[dict[int, Readings], dict[int, Summary]]:
    """What is to be placed of the records of a line: readings that no trusted clock stamped, and summaries."""
    untimed: dict[int, Readings] = {}
    summaries: dict[int, Summary] = {}
    for number in sorted(records):
        body = records[number].body
        if isinstance(body, Readings):
            if not body.grade:
                untimed[number] = body
        elif isinstance(body, Summary):
            summaries[number] = body
    return untimed, summaries


def fixes_at(times: Times, lines: Mapping[Line, Told], key: Line) -> list[Fix]:
    """Fixes by which a centre can place what it holds of a line: it knows of which boot that is, and has them."""
    if key not in lines or 1 not in lines[key].held:
        return []
    return [
        fix for fix in times.of_line(*key) if (key[0], fix.line) in lines and fix.number in lines[key[0], fix.line].held
    ]


def misplaced(
    centre: Centre, lines: Mapping[Line, Told], stored: set[Row], times: Times, hit: Callable[[str], None]
) -> str:
    """What is wrong with the places of readings that were taken without a clock; empty when nothing is.

    Args:
        centre: which.
        lines: what it holds.
        stored: its rows.
        times: what the stations said of their boots.
        hit: told what was met.
    """
    untimed: dict[Line, dict[int, Readings]] = {}
    for key, told in lines.items():
        if found := {number: body for number, body in told.untimed.items() if number in told.held}:
            untimed[key] = found
    rows = placed_rows(centre, {key[1] for key in untimed})
    used: dict[tuple[str, str], set[tuple[int, int]]] = defaultdict(set)
    for key, readings in untimed.items():
        station, line = key
        fixes, surely = times.of_line(*key), fixes_at(times, lines, key)
        for number, body in readings.items():
            marks = body.marks or [PASS_MARK] * len(body.series)
            for series, value, mark in zip(body.series, body.values, marks, strict=True):
                name = lines[key].names[series]
                about = f"number {number} of line {line:016x} of {station}, {name} = {value} at {body.time_ms} ms"
                waits = (station, name, line, body.time_ms, value, number, mark) in stored
                places = rows.get((station, name, line, number), [])
                if len(places) + waits > 1:
                    return (
                        f"{about} of its boot is in {len(places)} places, and {'waits' if waits else 'does not wait'}"
                    )
                if waits:
                    if any(body.time_ms + fix.offset_ms <= STORED_UNTIL_MS for fix in surely):
                        return f"{about} of its boot still waits for its time, and {surely} say it"
                    hit("reading without a time for ever")
                    continue
                if places:
                    time_ms, its_value, its_mark, grade = places[0]
                    fix = (time_ms - body.time_ms, grade)
                    if (its_value, its_mark) != (value, mark) or fix not in {(f.offset_ms, f.grade) for f in fixes}:
                        return f"{about} of its boot is at {time_ms} with grade {grade}, and {fixes} say its time"
                    used[times.boot_of(*key)].add(fix)
                    hit("reading placed")
                elif not any((station, name, 0, body.time_ms + f.offset_ms, value, 0, 0) in stored for f in fixes):
                    return f"{about} of its boot is nowhere"
    two = next((boot for boot, by in used.items() if len(by) > 1), None)
    return f"boot {two} was placed by {sorted(used[two])}, and by one fix all of it must be" if two else ""


def extremes_missing(lines: Mapping[Line, Told], stored: set[Row], times: Times) -> str:
    """Which extreme of a summary did not get its time with the readings of its boot; empty when none is missing."""
    for (station, line), told in lines.items():
        for number, body in told.summaries.items():
            if number not in told.held:
                continue
            about = (station, body.line)
            if not fixes_at(times, lines, about):
                continue
            offsets = [fix.offset_ms for fix in times.of_line(*about)]
            for each in body.series:
                for time_ms, value, _, grade in (each.lowest, each.highest):
                    places = {(station, each.series, 0, time_ms + offset, value, 0, 0) for offset in offsets}
                    if not grade and not places & stored and time_ms + max(offsets) <= STORED_UNTIL_MS:
                        return f"number {number} of line {line:016x} of {station}: {each} has no place in the store"
    return ""
