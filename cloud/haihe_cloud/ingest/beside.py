"""What comes in by no broker: messages in quarantine that are admitted again, and batches carried here in bundles.

They come as the station wrote them, go through the worker as messages of the broker do, and are no word of the station.
"""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from haihe_contract import topic
from haihe_contract.record import LANE_BACKLOG

from haihe_cloud.ledger.arrival import Quarantined
from haihe_cloud.ledger.carried import CarriedBatch
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
        carried: what came in bundles.
    """

    def __init__(self, quarantine: Asked, carried: Queue) -> None:
        self._quarantine = quarantine
        self._carried = carried
        self._durable: list[int] = []

    def messages(self, now_ms: int) -> list[Message]:
        """The next ones, a bounded number; what was acknowledged of those before has left its queue.

        Raises:
            DatabaseAway: when they cannot be had now.
        """
        if self._durable:
            self._carried.forget(self._durable)
            self._durable = []
        asked = self._quarantine.asked(RETRY_ROUND)
        if asked:
            return [Message(_topic(kept), data, now_ms, _nothing, kept.id) for kept, data in asked]
        return [
            Message(
                topic.up(each.station, LANE_BACKLOG),
                each.data,
                now_ms,
                partial(self._durable.append, each.id),
                carried=True,
            )
            for each in self._carried.next()
        ]


def no_other_way(now_ms: int) -> list[Message]:  # noqa: ARG001 - nobody is asked
    """Nothing comes beside the broker."""
    return []


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


def _topic(kept: Quarantined) -> str:
    """Where it came in; for what a follower of the arrival log set aside, where its station speaks."""
    if topic.station_of(kept.topic) is None and topic.is_station(kept.station):
        return topic.up(kept.station, LANE_BACKLOG)
    return kept.topic


def _nothing() -> None:
    """Nobody waits for an acknowledgement."""
