"""What to do with a message: a pure decision, the same for MQTT and for bundles carried by hand."""

import math
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
from haihe_contract.quality import Flag, Grade
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.reading import Reading
from haihe_contract.record import (
    Body,
    Dictionary,
    Duty,
    Event,
    Gap,
    Opened,
    Record,
    SeriesSummary,
    State,
    Summary,
    TimeFix,
    Unread,
)
from haihe_contract.series import parse_series
from haihe_contract.topic import station_of
from haihe_contract.unfold import UnknownSeries, unfold
from haihe_contract.wire import Batch, Envelope, WireError, open_batch, read_envelope

from haihe_cloud.limits import (
    BOOT_CHARACTERS,
    DICTIONARY_SERIES,
    EVENT_DETAIL_BYTES,
    EVENT_KIND_CHARACTERS,
    GAP_RANGES,
    NUMBER_MAX,
    REASON_BITS,
    SERIES_KEY_CHARACTERS,
)


class Admitted(NamedTuple):
    """To be stored and booked.

    Args:
        envelope: as read.
        batch: opened; without records when its body cannot be understood.
        readings: what goes to the store.
        refused: numbers of which something goes to quarantine instead.
        reason: why, when anything is refused.
        dictionary: of the line, as it is known with this batch.
    """

    envelope: Envelope
    batch: Batch
    readings: list[Reading]
    refused: RangeSet
    reason: str
    dictionary: Sequence[str] = ()


class Heartbeat(NamedTuple):
    """A batch without records: it only tells that the station is there, and its head and tail."""

    envelope: Envelope


class Quarantine(NamedTuple):
    """Not to be taken and no number of it to be booked; the bytes are kept with the reason."""

    station: str
    reason: str


class UnknownStation(NamedTuple):
    """Authenticated, but not registered: shown, not trusted, nothing kept."""

    station: str


class WaitingForDictionary(NamedTuple):
    """Its series numbers mean nothing yet. Without receipt the station sends it again, with the dictionary."""

    station: str
    line: int


Verdict = Admitted | Heartbeat | Quarantine | UnknownStation | WaitingForDictionary
KnownDictionary = Callable[[str, int], Sequence[str] | None]


def admit(topic: str, payload: bytes, known: Container[str], dictionary: KnownDictionary) -> Verdict:
    """Judge one message.

    Args:
        topic: where it came in; the broker has tied its station to the sender's certificate.
        payload: as it came.
        known: codes of registered stations.
        dictionary: the series keys of (station, line) as far as known.
    """
    speaker = station_of(topic)
    if speaker is None:
        return Quarantine("", "no topic on which stations send batches")
    if speaker not in known:
        return UnknownStation(speaker)
    try:
        envelope = read_envelope(payload)
    except WireError as error:
        return Quarantine(speaker, str(error))  # its numbers may be anybody's guess: none is settled
    if envelope.station != speaker:
        return Quarantine(speaker, f"names station {envelope.station[:8]!r}, but {speaker} has sent it")
    highest = max(envelope.head, envelope.tail, envelope.numbers.last if envelope.numbers else 0)
    if highest > NUMBER_MAX:
        return Quarantine(speaker, f"number {highest} is beyond any journal")
    series = None if envelope.volatile else dictionary(speaker, envelope.line)
    if envelope.needs_dictionary and series is None:
        if envelope.volatile:  # it has no receipt to ask for it with, and does not come again
            return Quarantine(speaker, "a volatile batch without the dictionary of its line")
        return WaitingForDictionary(speaker, envelope.line)
    try:
        batch = open_batch(envelope)
        _check(batch)
    except (WireError, NotUnderstood) as error:
        return _refuse(envelope, str(error))
    if not batch.records:
        return Heartbeat(envelope)
    return _unfold(envelope, batch, series or ())


class NotUnderstood(Exception):
    """A record says something that cannot be; the text says what."""


def _refuse(envelope: Envelope, reason: str) -> Admitted:
    empty = Batch(envelope.station, envelope.line, envelope.lane, envelope.head, envelope.tail, [])
    return Admitted(envelope, empty, [], envelope.numbers, reason)


def _unfold(envelope: Envelope, batch: Batch, known: Sequence[str]) -> Admitted:
    try:
        dictionary = _dictionary(batch, known)
        readings = unfold(batch, dictionary)
    except (NotUnderstood, UnknownSeries, ValueError) as error:
        return _refuse(envelope, str(error))
    good: list[Reading] = []
    unread = [(record.number, record.body.data) for record in batch.records if isinstance(record.body, Unread)]
    bad = {number for number, _ in unread}
    reason = _why_unread(*unread[0]) if unread else ""
    faulty_series = {key: fault for key in dictionary if (fault := _series_fault(key))}
    for reading in readings:
        fault = faulty_series.get(reading.series) or _fault(reading)
        if fault:
            bad.add(reading.number)
            reason = reason or f"record {reading.number}: {fault}"
        else:
            good.append(reading)
    return Admitted(envelope, batch, good, RangeSet.from_numbers(bad) if bad else EMPTY, reason, dictionary)


def _dictionary(batch: Batch, known: Sequence[str]) -> Sequence[str]:
    """The dictionary that holds for the batch: the longer one, as long as they agree."""
    for record in batch.records:
        if isinstance(record.body, Dictionary):
            brought = record.body.series
            shorter, longer = sorted((known, brought), key=len)
            if list(longer[: len(shorter)]) != list(shorter):
                raise NotUnderstood(f"record {record.number}: dictionary contradicts the one of the same line")
            known = longer
    return known


def _why_unread(number: int, data: bytes) -> str:
    """What a person should know of a record that this version cannot read."""
    with suppress(msgspec.DecodeError, ValueError, RecursionError):
        said = msgspec.msgpack.decode(data)
        if isinstance(said, list) and said and isinstance(said[0], int):
            return f"record {number}: of kind {said[0]}, in a form that this version does not know"
    return f"record {number}: cannot be read"


def _check(batch: Batch) -> None:
    """Whether what the records say about themselves can be.

    Raises:
        NotUnderstood: when it cannot.
    """
    for record in batch.records:
        fault = _record_fault(record)
        if fault:
            raise NotUnderstood(f"record {record.number}: {fault}")


def _record_fault(record: Record) -> str:
    """Why what the record says cannot be, or nothing."""
    body = record.body
    check = _CHECKS.get(type(body))
    if check is None:  # readings, of which each is checked, and what this version cannot read
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
        fault = _series_fault(each.series) or _extremes_fault(each)
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
    if not (0 <= body.previous < 2**64 and 0 <= body.previous_last <= NUMBER_MAX):
        return "names a previous line or number that does not exist"
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
    if len(body.kind) > EVENT_KIND_CHARACTERS or _too_long(body.detail):
        return "an event that says too much"
    return ""


def _state_fault(body: State) -> str:
    if len(body.name) > EVENT_KIND_CHARACTERS or _too_long(body.value):
        return "a state that says too much"
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


def _too_long(detail: Mapping[str, object]) -> bool:
    try:
        return len(msgspec.json.encode(detail)) > EVENT_DETAIL_BYTES
    except (TypeError, ValueError, RecursionError):
        return True


def _series_fault(key: str) -> str:
    if len(key) > SERIES_KEY_CHARACTERS:
        return f"series key of {len(key)} characters"
    try:
        parse_series(key)
    except ValueError as error:
        return str(error)
    return ""


def _fault(reading: Reading) -> str:
    """Why no store could keep the reading, or nothing."""
    if reading.reasons >= 1 << REASON_BITS:
        return f"reasons {int(reading.reasons)} do not exist"
    if not 0 <= reading.time_ms <= NUMBER_MAX:
        return f"time {reading.time_ms} does not exist"
    if reading.value is None:
        return "" if reading.flag is Flag.MISSING else "no value, and not marked as missing"
    if reading.flag is Flag.MISSING:
        return "marked as missing, and with a value"
    return "" if math.isfinite(reading.value) else f"value {reading.value} is no number"
