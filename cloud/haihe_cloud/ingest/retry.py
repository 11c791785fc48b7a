"""Messages in quarantine on their way back in: as they came, where they came in, and no word of the station.

What a follower of the arrival log set aside was stored and booked when it came: it only goes into the log once more.
"""

from collections.abc import Container, Iterable
from typing import Protocol

from haihe_contract.wire import WireError

from haihe_cloud.admit.registry import Registry
from haihe_cloud.ledger.arrival import ArrivalEntry, Quarantined, Refusal
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


def again(quarantine: Asked, ledger: Ledger, registry: Registry, now_ms: int) -> list[Message] | None:
    """The next of those that somebody wants admitted again, a bounded number.

    Entries of the arrival log go back into it here.

    Returns:
        What stations had sent; None when nothing is asked for.
    """
    asked = quarantine.asked(RETRY_ROUND)
    entries = [each for each in asked if was_set_aside(each[0])]
    if entries:
        known = registry.known({kept.station for kept, _ in entries})
        _log_again(entries, ledger, known, now_ms)
    messages = [Message(kept.topic, data, now_ms, _nothing, kept.id) for kept, data in asked if not was_set_aside(kept)]
    return messages if asked else None


def _log_again(asked: Iterable[tuple[Quarantined, bytes]], ledger: Ledger, known: Container[str], now_ms: int) -> None:
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
    ledger.log_again(entries, refusals)


def for_kept(verdict: Verdict) -> Verdict:
    """The verdict on a message that is in quarantine already: what a station would send again stays there."""
    if isinstance(verdict, UnknownStation):
        return Refuse(verdict.station, NOT_REGISTERED)
    if isinstance(verdict, WaitingForDictionary):
        return Refuse(verdict.station, NO_DICTIONARY)
    return verdict


def _nothing() -> None:
    """Nobody waits for an acknowledgement."""
