"""The nouns of the ledger: an arrival, an entry of the arrival log, the state of a line, what is kept for people."""

from collections.abc import Container
from typing import Any, NamedTuple

from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.wire import Batch, Envelope
from msgspec.structs import replace


def without(batch: Batch, numbers: Container[int] | RangeSet) -> Batch:
    """The batch without the records of these numbers; itself when there are none."""
    if not numbers:
        return batch
    return replace(batch, records=[record for record in batch.records if record.number not in numbers])


class Arrival(NamedTuple):
    """One admitted batch on its way into the ledger.

    Args:
        envelope: as it was read.
        batch: its opened contents, less the records that cannot be understood.
        data: for the arrival log: the bytes as they came, or a batch without the records that are refused.
        received_ms: when the centre took it from the broker or file.
        refused: numbers of the envelope that are in quarantine instead of the store.
        kept: its number in quarantine, when it is admitted again; else 0.
        carried: whether it came in a bundle.
    """

    envelope: Envelope
    batch: Batch
    data: bytes
    received_ms: int
    refused: RangeSet
    kept: int = 0
    carried: bool = False

    @property
    def is_word(self) -> bool:
        """Whether the station itself speaks now: what is admitted again or carried by hand says nothing of that."""
        return not (self.kept or self.carried)


TIMED = 3
"""In place of a lane: an entry with readings that have just got their true time, made by the centre itself."""


class ArrivalEntry(NamedTuple):
    """One row of the arrival log: a batch with its place in the order of arrival."""

    position: int
    station: str
    line: int
    lane: int
    received_ms: int
    data: bytes


class LineState(NamedTuple):
    """What the centre knows of one line.

    Args:
        station: whose.
        line: which.
        head: highest number the station has said it committed.
        tail: lowest number it has said is still there, the highest such word; 0 when it never said.
        held: numbers durably in the store.
        refused: numbers whose original bytes are in quarantine, less what is held.
        gaps: numbers the station has declared missing, less what is held or refused.
        first_ms: when the line was first heard of.
        last_ms: when it was last heard of.
        gone: whether the journal that had it is no longer in the station.
    """

    station: str
    line: int
    head: int
    tail: int
    held: RangeSet
    refused: RangeSet
    gaps: RangeSet
    first_ms: int
    last_ms: int
    gone: bool = False

    @property
    def missing(self) -> RangeSet:
        """Numbers the station has committed that are neither held, nor refused, nor a declared gap."""
        return self.held.holes(1, self.head) - self.refused - self.gaps

    @property
    def awaited(self) -> RangeSet:
        """Missing numbers that the station still has, as far as it has said."""
        if self.gone:
            return EMPTY
        return self.missing & RangeSet.of((max(1, self.tail), max(1, self.tail, self.head)))

    @property
    def lost(self) -> RangeSet:
        """Missing numbers that the station no longer has and has not explained."""
        return self.missing - self.awaited


class StationEvent(NamedTuple):
    """An event, an opening or a gap of a station's journal, for people.

    Args:
        station: whose.
        line: of the record.
        number: of the record.
        time_ms: when it happened, by the station.
        grade: how good the station's clock was.
        kind: of the event; ``opened`` and ``gap`` for those records.
        series: key of the series it is about, or empty.
        value: that decided, or None.
        detail: further facts by name.
        received_ms: when the centre learned of it.
    """

    station: str
    line: int
    number: int
    time_ms: int
    grade: int
    kind: str
    series: str
    value: float | None
    detail: dict[str, Any]
    received_ms: int


class Refusal(NamedTuple):
    """A message for the quarantine: its bytes, where they came from, and why they were not taken.

    One that is there already and was tried again has its number there as ``kept``.
    """

    topic: str
    station: str
    reason: str
    data: bytes
    received_ms: int
    kept: int = 0


class Quarantined(NamedTuple):
    """A message in quarantine.

    Args:
        id: to ask for it.
        topic: where it came in.
        station: the authenticated station, or empty.
        reason: why it was not taken.
        times: how often the same bytes came.
        first_ms: when they came first.
        last_ms: when they came last.
        size: in bytes.
        asked_ms: when somebody asked that it be admitted again, None when it was tried since.
        tried_ms: when it was last tried again in vain.
    """

    id: int
    topic: str
    station: str
    reason: str
    times: int
    first_ms: int
    last_ms: int
    size: int
    asked_ms: int | None = None
    tried_ms: int | None = None


class Gone(NamedTuple):
    """A message that left the quarantine without being taken; its bytes are gone.

    Args:
        id: as it had been.
        topic: where it came in.
        station: the authenticated station, or empty.
        reason: why it was not taken.
        size: in bytes.
        first_ms: when it came first.
        gone_ms: when it went.
        why: ``full``, or the reason that somebody gave.
    """

    id: int
    topic: str
    station: str
    reason: str
    size: int
    first_ms: int
    gone_ms: int
    why: str
