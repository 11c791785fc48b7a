"""What to do with a message: a pure decision, the same for MQTT and for bundles carried by hand."""

import math
from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec
from haihe_contract.quality import Flag
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.reading import Reading
from haihe_contract.record import Dictionary, Unread
from haihe_contract.record_fault import NUMBER_MAX, REASON_BITS, record_fault, series_fault
from haihe_contract.restore import QUESTION_BYTES
from haihe_contract.topic import is_state_asked, station_of
from haihe_contract.unfold import UnknownSeries, unfold
from haihe_contract.wire import Batch, Envelope, WireError, open_batch, read_envelope
from msgspec.structs import replace

from haihe_cloud.ledger.arrival import without

_REASONS_END = 1 << REASON_BITS
_MISSING = Flag.MISSING


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


class Later(NamedTuple):
    """Its station has sent more than its rate. Without receipt it sends it again."""

    station: str


class StateAsked(NamedTuple):
    """Not a batch: a station with a new card asks what it had told of itself.

    Args:
        station: which.
        question: to stand in the answer.
        registered: whether it may be told.
    """

    station: str
    question: bytes
    registered: bool


Verdict = Admitted | Heartbeat | Quarantine | UnknownStation | WaitingForDictionary | Later | StateAsked
KnownDictionary = Callable[[str, int], Sequence[str] | None]


def admit(topic: str, payload: bytes, known: Container[str], dictionary: KnownDictionary) -> Verdict:
    """Judge one message: its :func:`address`, then its :func:`contents`.

    Args:
        topic: where it came in; the broker has tied its station to the sender's certificate.
        payload: as it came.
        known: codes of registered stations.
        dictionary: the series keys of (station, line) as far as known.
    """
    envelope = address(topic, payload, known)
    if not isinstance(envelope, Envelope):
        return envelope
    return contents(envelope, dictionary(envelope.station, envelope.line))


def address(topic: str, payload: bytes, known: Container[str]) -> Envelope | Quarantine | UnknownStation | StateAsked:
    """The envelope of a message that its sender may send."""
    speaker = station_of(topic)
    if speaker is None:
        return Quarantine("", "no topic on which stations send batches")
    if is_state_asked(topic):
        if len(payload) != QUESTION_BYTES:
            return Quarantine(speaker, f"asks for its states with {len(payload)} bytes, not with {QUESTION_BYTES}")
        return StateAsked(speaker, payload, speaker in known)
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
    return envelope


def contents(envelope: Envelope, series: Sequence[str] | None) -> Verdict:
    """What is in an envelope, by the series keys of its line as far as known."""
    if envelope.volatile:
        series = None  # its line is nobody else's
    if envelope.needs_dictionary and series is None:
        if envelope.volatile:  # it has no receipt to ask for it with, and does not come again
            return Quarantine(envelope.station, "a volatile batch without the dictionary of its line")
        return WaitingForDictionary(envelope.station, envelope.line)
    try:
        batch = open_batch(envelope)
    except WireError as error:
        return refuse(envelope, str(error))
    if not batch.records:
        return Heartbeat(envelope)
    return _unfold(envelope, batch, series or ())


class NotUnderstood(Exception):
    """A batch cannot be understood; the text says why."""


def refuse(envelope: Envelope, reason: str) -> Admitted:
    """All numbers of it refused, its bytes for quarantine."""
    empty = Batch(envelope.station, envelope.line, envelope.lane, envelope.head, envelope.tail, [])
    return Admitted(envelope, empty, [], envelope.numbers, reason)


def _unfold(envelope: Envelope, batch: Batch, known: Sequence[str]) -> Admitted:
    """Take what can be taken: a record that says what cannot be harms no other."""
    try:
        dictionary = _dictionary(batch, known)
    except NotUnderstood as error:  # what its readings are of is anybody's guess
        return refuse(envelope, str(error))
    faults = _faults(batch)
    batch = without(batch, faults)
    try:
        readings = unfold(batch, dictionary)
    except (UnknownSeries, ValueError):
        faults |= _folded(batch, dictionary)
        batch = without(batch, faults)
        readings = unfold(batch, dictionary)
    good: list[Reading] = []
    faulty_series = {key: fault for key in dictionary if (fault := series_fault(key))}
    for reading in readings:
        fault = faulty_series.get(reading.series) or _fault(reading)
        if fault:
            faults.setdefault(reading.number, fault)
        else:
            good.append(reading)
    first = min(faults, default=0)
    reason = f"record {first}: {faults[first]}" if faults else ""
    return Admitted(envelope, batch, good, RangeSet.from_numbers(faults) if faults else EMPTY, reason, dictionary)


def _dictionary(batch: Batch, known: Sequence[str]) -> Sequence[str]:
    """The dictionary that holds for the batch: the longer one, as long as they agree.

    Raises:
        NotUnderstood: when they do not, or the one that it brings is none.
    """
    for record in batch.records:
        if isinstance(record.body, Dictionary):
            fault, brought = record_fault(record.body), record.body.series
            shorter, longer = sorted((known, brought), key=len)
            if not fault and list(longer[: len(shorter)]) != list(shorter):
                fault = "dictionary contradicts the one of the same line"
            if fault:
                raise NotUnderstood(f"record {record.number}: {fault}")
            known = longer
    return known


def _faults(batch: Batch) -> dict[int, str]:
    """Why records cannot be taken for what they say, by number."""
    faults = {}
    for record in batch.records:
        body = record.body
        fault = _why_unread(body.data) if isinstance(body, Unread) else record_fault(body)
        if fault:
            faults[record.number] = fault
    return faults


def _folded(batch: Batch, dictionary: Sequence[str]) -> dict[int, str]:
    """Why records cannot be unfolded, by number."""
    faults = {}
    for record in batch.records:
        try:
            unfold(replace(batch, records=[record]), dictionary)
        except (UnknownSeries, ValueError) as error:
            faults[record.number] = str(error)
    return faults


def _why_unread(data: bytes) -> str:
    """What a person should know of a record that this version cannot read."""
    with suppress(msgspec.DecodeError, ValueError, RecursionError):
        said = msgspec.msgpack.decode(data)
        if isinstance(said, list) and said and isinstance(said[0], int):
            return f"of kind {said[0]}, in a form that this version does not know"
    return "cannot be read"


def _fault(reading: Reading) -> str:
    """Why no store could keep the reading, or nothing."""
    if reading.reasons >= _REASONS_END:
        return f"reasons {int(reading.reasons)} do not exist"
    if not 0 <= reading.time_ms <= NUMBER_MAX:
        return f"time {reading.time_ms} does not exist"
    if reading.value is None:
        return "" if reading.flag is _MISSING else "no value, and not marked as missing"
    if reading.flag is _MISSING:
        return "marked as missing, and with a value"
    return "" if math.isfinite(reading.value) else f"value {reading.value} is no number"
