"""Messages in quarantine on their way back in: as they came, where they came in, and no word of the station."""

from typing import Protocol

from haihe_contract import topic
from haihe_contract.record import LANE_BACKLOG

from haihe_cloud.ledger.arrival import Quarantined
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


def again(quarantine: Asked, now_ms: int) -> list[Message]:
    """The next messages that somebody wants admitted again, a bounded number."""
    return [Message(_topic(kept), data, now_ms, _nothing, kept.id) for kept, data in quarantine.asked(RETRY_ROUND)]


def for_kept(verdict: Verdict) -> Verdict:
    """The verdict on a message that is in quarantine already: what a station would send again stays there."""
    if isinstance(verdict, UnknownStation):
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
