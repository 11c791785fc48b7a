"""What a record may say: bounds that hold on both sides, so that no station keeps what no centre takes."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from .quality import Flag, Grade
from .record import (
    Body,
    Dictionary,
    Duty,
    Event,
    Gap,
    Opened,
    SeriesSummary,
    State,
    Summary,
    TimeFix,
)
from .restore import SITE
from .series import parse_series
from .wire import RANGES_MAX

NUMBER_MAX = 2**53 - 1
"""Highest record number, head or time that is believed: what JSON and SQLite both hold exactly."""

DICTIONARY_SERIES = 4096
"""Series that one line's dictionary may have."""

SERIES_KEY_CHARACTERS = 200
"""Length of a series key: four times the longest that the contract can make."""

REASON_BITS = 32
"""Reasons that a newer station may name; more do not fit into what engines keep of them."""

EVENT_KIND_CHARACTERS = 64
EVENT_DETAIL_BYTES = 4096
"""What one event may say, as JSON; a station's events are kept by number, so each has its bound."""

STATE_NAME_CHARACTERS = 20 + SERIES_KEY_CHARACTERS
STATE_BYTES = 4096
SITE_BYTES = 48 * 1024
"""What one state may say, as JSON; the one that holds the site file may say more."""

GAP_RANGES = RANGES_MAX
"""Ranges one gap record may name: as many as the envelope of a batch."""

BOOT_CHARACTERS = 64
"""Length of the id of a boot: the kernel's has 36."""

OPENING_LINES = 64
"""Older lines one opening may name; of the rest it tells how many they are."""


def record_fault(body: Body) -> str:
    """Why what the record says cannot be, or nothing. A reading group is judged reading by reading, elsewhere."""
    check = _CHECKS.get(type(body))
    if check is None:
        return ""
    if fault := check(body):
        return fault
    if isinstance(body, Gap | Opened | Event | Summary | TimeFix | State) and not 0 <= body.time_ms <= NUMBER_MAX:
        return f"time {body.time_ms} does not exist"
    if isinstance(body, Opened | Event | TimeFix | State) and not 0 <= body.grade <= 255:
        return f"clock grade {body.grade} does not exist"
    return ""


def _dictionary_fault(body: Dictionary) -> str:
    if len(body.series) > DICTIONARY_SERIES:
        return f"dictionary of {len(body.series)} series, more than {DICTIONARY_SERIES}"
    return ""


def _duty_fault(body: Duty) -> str:
    if len(body.period_ms) > DICTIONARY_SERIES:
        return f"duty of {len(body.period_ms)} series, more than {DICTIONARY_SERIES}"
    if any(not 0 <= period <= NUMBER_MAX for period in body.period_ms):
        return "duty with a period that does not exist"
    return ""


def _gap_fault(body: Gap | Summary) -> str:
    if len(body.ranges) > GAP_RANGES:
        return f"gap of {len(body.ranges)} ranges, more than {GAP_RANGES}"
    if any(not 1 <= first <= last <= NUMBER_MAX for first, last in body.ranges):
        return "gap with a range that does not exist"
    if not 0 <= body.line < 2**64:
        return "gap in a line that does not exist"
    if isinstance(body, Gap) and len(body.cause) > EVENT_KIND_CHARACTERS:
        return "a gap that says too much"
    return ""


def _summary_fault(body: Summary) -> str:
    if len(body.series) > 2 * DICTIONARY_SERIES:
        return f"summary of {len(body.series)} series, more than {2 * DICTIONARY_SERIES}"
    seen = set()
    for each in body.series:
        fault = series_fault(each.series) or _extremes_fault(each)
        kind = (each.series, each.lowest[3] == Grade.NONE)
        if fault or kind in seen:
            return f"summary of {each.series[:60]!r}: {fault or 'twice'}"
        seen.add(kind)
    return _gap_fault(body)


def _extremes_fault(told: SeriesSummary) -> str:
    extremes = (told.lowest, told.highest)
    times = [told.first_ms, told.last_ms, *(time_ms for time_ms, _, _, _ in extremes)]
    if not all(0 <= number <= NUMBER_MAX for number in (told.count, told.missing, *times)):
        return "a count or time that does not exist"
    if not all(math.isfinite(value) for value in (told.mean, *(value for _, value, _, _ in extremes))):
        return "a value that is no number"
    if not all(_is_mark(packed) and 0 <= grade <= max(Grade) for _, _, packed, grade in extremes):
        return "a mark or clock grade that does not exist"
    if (told.lowest[3] == Grade.NONE) != (told.highest[3] == Grade.NONE):
        return "two kinds of time"
    return ""


def _is_mark(packed: int) -> bool:
    """Whether it is the mark of a value."""
    return 0 <= packed < 16 << REASON_BITS and packed & 0xF in (Flag.PASS, Flag.NOT_EVALUATED, Flag.SUSPECT)


def _opened_fault(body: Opened) -> str:
    if len(body.lines) > OPENING_LINES:
        return f"opening that names {len(body.lines)} older lines, more than {OPENING_LINES}"
    named = [(body.previous, 0, body.previous_last), *body.lines]
    if not all(0 <= line < 2**64 and 0 <= low <= NUMBER_MAX and 0 <= high <= NUMBER_MAX for line, low, high in named):
        return "names a previous line or number that does not exist"
    told = (body.monotonic_ms, body.previous_time_ms, body.window_ms, body.more_lines)
    if not all(0 <= number <= NUMBER_MAX for number in told):
        return "a count or time that does not exist"
    return _boot_fault(body.boot)


def _fix_fault(body: TimeFix) -> str:
    if not (-NUMBER_MAX <= body.offset_ms <= NUMBER_MAX and 0 <= body.error_ms <= NUMBER_MAX):
        return "a time-fix with an offset or error that does not exist"
    if body.grade > max(Grade):
        return f"clock grade {body.grade} does not exist"
    return _boot_fault(body.boot)


def _boot_fault(boot: str) -> str:
    return f"id of a boot of {len(boot)} characters" if len(boot) > BOOT_CHARACTERS else ""


def _event_fault(body: Event) -> str:
    if len(body.kind) > EVENT_KIND_CHARACTERS or _too_long(body.detail, EVENT_DETAIL_BYTES):
        return "an event that says too much"
    return ""


def _state_fault(body: State) -> str:
    most = SITE_BYTES if body.name == SITE else STATE_BYTES
    if not 0 < len(body.name) <= STATE_NAME_CHARACTERS or _too_long(body.value, most):
        return "a state without a name, or that says too much"
    return ""


_CHECKS: dict[type[Body], Callable[[Any], str]] = {
    Dictionary: _dictionary_fault,
    Duty: _duty_fault,
    Event: _event_fault,
    Gap: _gap_fault,
    Opened: _opened_fault,
    State: _state_fault,
    Summary: _summary_fault,
    TimeFix: _fix_fault,
}


def _too_long(said: Mapping[str, object], most: int) -> bool:
    try:
        return len(msgspec.json.encode(said)) > most
    except (TypeError, ValueError, RecursionError):
        return True


def series_fault(key: str) -> str:
    """Why this is no key of a series, or nothing."""
    if len(key) > SERIES_KEY_CHARACTERS:
        return f"series key of {len(key)} characters"
    try:
        parse_series(key)
    except ValueError as error:
        return str(error)
    return ""
