"""What comes in by no broker: messages in quarantine that are admitted again, and batches carried here in bundles.

They come as the station wrote them, go through the worker as messages of the broker do, and are no word of the station.
What a follower of the arrival log set aside was stored and booked when it came: it only goes into the log once more.
"""

from collections.abc import Container, Iterable, Sequence
from functools import partial
from typing import Protocol

from haihe_contract import topic
from haihe_contract.record import LANE_BACKLOG
from haihe_contract.wire import WireError

from haihe_cloud.admit.registry import Registry
from haihe_cloud.ledger.arrival import ArrivalEntry, Quarantined, Refusal
from haihe_cloud.ledger.carried import CarriedBatch
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.ledger.quarantine import entry_again, was_set_aside
from haihe_cloud.limits import RETRY_ROUND

from .admit import Quarantine as Refuse
from .admit import UnknownStation, Verdict, WaitingForDictionary
from .inbox import Message

NOT_REGISTERED = "its station is not registered"
NO_DICTIONARY = "the dictionary of its line is not here"


class Asked(Protocol):
    """The quarantine, as far as it is needed here."""

    def asked(self, most: int) -> list[tuple[Quarantined, bytes]]:
        """Those that somebody wants admitted again, the oldest first."""
        ...


class Queue(Protocol):
    """What was carried here, as far as it is needed here."""

    def next(self) -> list[CarriedBatch]:
        """The first batches, a bounded number."""
        ...

    def forget(self, places: Sequence[int]) -> None:
        """Take out what has become durable."""
        ...


class Beside:
    """Hands the worker the next messages of both.

    Args:
        quarantine: what people want admitted again.
        ledger: whose arrival log takes back what its followers had set aside.
        registry: who may speak.
        carried: what came in bundles.
    """

    def __init__(self, quarantine: Asked, ledger: Ledger, registry: Registry, carried: Queue) -> None:
        self._quarantine, self._ledger, self._registry = quarantine, ledger, registry
        self._carried = carried
        self._durable: list[int] = []

    def messages(self, now_ms: int) -> list[Message] | None:
        """The next ones, a bounded number; what was acknowledged of those before has left its queue.

        Returns:
            The messages; none where all of them were entries of the log; None when nothing is there.

        Raises:
            DatabaseAway: when they cannot be had now.
        """
        if self._durable:
            self._carried.forget(self._durable)
            self._durable = []
        asked = self._quarantine.asked(RETRY_ROUND)
        if asked:
            self._log_again([each for each in asked if was_set_aside(each[0])], now_ms)
            sent = [each for each in asked if not was_set_aside(each[0])]
            return [Message(kept.topic, data, now_ms, _nothing, kept.id) for kept, data in sent]
        carried = self._carried.next()
        if not carried:
            return None
        return [
            Message(
                topic.up(each.station, LANE_BACKLOG),
                each.data,
                now_ms,
                partial(self._durable.append, each.id),
                carried=True,
            )
            for each in carried
        ]

    def _log_again(self, asked: Sequence[tuple[Quarantined, bytes]], now_ms: int) -> None:
        if not asked:
            return
        known = self._registry.known({kept.station for kept, _ in asked})
        self._ledger.log_again(*_entries(asked, known, now_ms))


def _entries(
    asked: Iterable[tuple[Quarantined, bytes]], known: Container[str], now_ms: int
) -> tuple[dict[int, ArrivalEntry], list[Refusal]]:
    """For the log by their numbers in quarantine, and those that stay there."""
    entries: dict[int, ArrivalEntry] = {}
    refusals: list[Refusal] = []
    for kept, data in asked:
        try:
            entry = entry_again(kept, data, now_ms) if kept.station in known else NOT_REGISTERED
        except Exception as error:  # noqa: BLE001 - what broke a follower may break us, and the next ones matter
            entry = str(error) if isinstance(error, WireError) else f"cannot be read: {error!r}"
        if isinstance(entry, str):
            refusals.append(Refusal(kept.topic, kept.station, entry, data, now_ms, kept.id))
        else:
            entries[kept.id] = entry
    return entries, refusals


def no_other_way(now_ms: int) -> None:  # noqa: ARG001 - nobody is asked
    """Nothing comes beside the broker."""


def out_of_reach(verdict: Verdict, *, kept: bool) -> Verdict:
    """The verdict on a message that no station waits to send again: it stays in quarantine, or comes there.

    Args:
        verdict: as on a message of the broker.
        kept: whether it is in quarantine already. What was carried here by a station that is registered no more is
            not kept: nothing of it is wanted.
    """
    if isinstance(verdict, UnknownStation) and kept:
        return Refuse(verdict.station, NOT_REGISTERED)
    if isinstance(verdict, WaitingForDictionary):
        return Refuse(verdict.station, NO_DICTIONARY)
    return verdict


def _nothing() -> None:
    """Nobody waits for an acknowledgement."""
