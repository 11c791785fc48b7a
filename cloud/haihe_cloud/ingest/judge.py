"""The decisions of :mod:`haihe_cloud.ingest.admit`; a message that breaks them goes to quarantine.

Whatever a message does to our code, the next ones matter.
"""

import logging
from collections.abc import Container, Sequence

from haihe_contract import topic
from haihe_contract.wire import Envelope

from .admit import Quarantine, Verdict, address, contents
from .inbox import Message

_log = logging.getLogger(__name__)


def address_of(message: Message, known: Container[str]) -> Envelope | Verdict:
    """The envelope of a message that its sender may send, else the verdict."""
    try:
        return address(message.topic, message.payload, known)
    except Exception as error:  # noqa: BLE001 - see above
        return _not_judged(topic.station_of(message.topic) or "", error)


def contents_of(envelope: Envelope, series: Sequence[str] | None) -> Verdict:
    """The verdict on what is in an envelope, by the series keys of its line as far as known."""
    try:
        return contents(envelope, series)
    except Exception as error:  # noqa: BLE001 - see above
        return _not_judged(envelope.station, error)


def _not_judged(station: str, error: Exception) -> Quarantine:
    _log.exception("a message of %s cannot be judged", station or "an unknown station")
    return Quarantine(station, f"cannot be judged: {error!r}")
