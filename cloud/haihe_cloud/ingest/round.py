"""What the ingest worker gathers in one round, and what it has met since it started."""

from collections.abc import Sequence

import msgspec
from haihe_contract.reading import Reading

from haihe_cloud.ledger.arrival import Refusal

from .admit import Admitted, Heartbeat, StateAsked
from .inbox import Message


class Counts(msgspec.Struct):
    """What the worker has met since it started.

    Args:
        messages: taken from the waiting room.
        batches: stored and booked.
        readings: written to the store.
        heartbeats: without records.
        refused: batches of which something, or all, went to quarantine with its numbers booked as refused.
        quarantined: messages kept without booking any number.
        unknown: from stations that are not registered.
        waiting_for_dictionary: not taken because their series numbers meant nothing yet.
        deferred: not booked because their line had too many holes.
        receipts: published.
    """

    messages: int = 0
    batches: int = 0
    readings: int = 0
    heartbeats: int = 0
    refused: int = 0
    quarantined: int = 0
    unknown: int = 0
    waiting_for_dictionary: int = 0
    deferred: int = 0
    receipts: int = 0


class Round:
    """What is gathered from some messages before anything is written."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.admitted: list[tuple[Message, Admitted]] = []
        self.heartbeats: list[tuple[Message, Heartbeat]] = []
        self.refusals: list[Refusal] = []
        self.no_dictionary: set[str] = set()
        self.unknown: dict[str, tuple[Message, int]] = {}
        self.dictionaries: dict[tuple[str, int], Sequence[str]] = {}
        self.readings: dict[str, list[Reading]] = {}
        self.asked: dict[str, StateAsked] = {}
        self.size = 0

    def met_unknown(self, station: str, message: Message) -> None:
        """Count a message of a station that is not registered."""
        _, times = self.unknown.get(station, (message, 0))
        self.unknown[station] = (message, times + 1)
