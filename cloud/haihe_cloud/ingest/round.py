"""What the ingest worker gathers in one round, and what it has met since it started."""

from collections.abc import Sequence

import msgspec
from haihe_contract.reading import Reading

from haihe_cloud.ledger.arrival import Refusal
from haihe_cloud.limits import ROUND_READINGS, WORK_OF_A_MESSAGE

from .admit import Admitted, Heartbeat, Later, Quarantine, StateAsked, UnknownStation, Verdict
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
        deferred: not taken for now: their line had too many holes, or their station sends more than its rate.
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
        self.opening: set[tuple[str, int]] = set()  # lines that nobody has heard of
        self.readings: dict[str, list[Reading]] = {}
        self.asked: dict[str, StateAsked] = {}
        self.size = 0
        self.carried_work = 0
        self.later = 0
        self.waiting = 0

    @property
    def is_full(self) -> bool:
        """Whether the next message is for another round: for the memory, and for what comes now."""
        return self.size >= ROUND_READINGS or self.carried_work >= WORK_OF_A_MESSAGE

    def put(self, message: Message, verdict: Verdict) -> None:
        """Gather one more message, by the verdict on it."""
        if isinstance(verdict, Admitted):
            self.admitted.append((message, verdict))
            self.size += len(verdict.readings)
            if verdict.dictionary:  # for what comes later in the same round
                self.dictionaries[verdict.envelope.station, verdict.envelope.line] = verdict.dictionary
        elif isinstance(verdict, Heartbeat):
            self.heartbeats.append((message, verdict))
        elif isinstance(verdict, Quarantine):
            self.refusals.append(refusal(message, verdict.station, verdict.reason))
        elif isinstance(verdict, StateAsked):
            self.asked[verdict.station] = verdict
            if not verdict.registered:
                self._met_unknown(verdict.station, message)
        elif isinstance(verdict, UnknownStation):
            self._met_unknown(verdict.station, message)
        elif isinstance(verdict, Later):
            self.later += 1
        else:
            # The station thinks that we know its dictionary. Our receipt tells it the epoch and what we hold.
            self.waiting += 1
            self.no_dictionary.add(verdict.station)

    def _met_unknown(self, station: str, message: Message) -> None:
        """Count a message of a station that is not registered."""
        _, times = self.unknown.get(station, (message, 0))
        self.unknown[station] = (message, times + 1)


def refusal(message: Message, station: str, reason: str) -> Refusal:
    """The message on its way to quarantine."""
    return Refusal(message.topic, station, reason, message.payload, message.received_ms, message.kept)
