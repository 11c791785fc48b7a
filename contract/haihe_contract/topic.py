"""The MQTT topics: ``haihe/1/<shard>/<station>/up/<lane>`` and their way back."""

import hashlib
import re
import string
from functools import lru_cache

from .record import LANE_NAMES

STATION_PATTERN = r"^[0-9A-Z]{8}$"
"""Station codes are eight digits or capital letters (SL 502-2010); they are text, leading zeros are real.

In Python ``$`` lets a line end follow: check with ``fullmatch``.
"""
_STATION = re.compile(STATION_PATTERN)
_DIGITS = string.digits + string.ascii_uppercase
_CODE_LENGTH = 8
ROOT = "haihe/1"
UP_FILTER = f"{ROOT}/+/+/up/#"
"""What a centre subscribes to."""
STATE_FILTER = f"{ROOT}/+/+/up/state"
"""The questions among it."""


def station_number(station: str) -> int:
    """The code as a number of base 36: how it travels in six bytes."""
    return int(station, 36)


@lru_cache(maxsize=4096)
def station_of_number(number: int) -> str:
    """Undo :func:`station_number`.

    Raises:
        ValueError: when the number is of no station.
    """
    code = ""
    for _ in range(_CODE_LENGTH):
        number, digit = divmod(number, 36)
        code = _DIGITS[digit] + code
    if number:
        raise ValueError("a station code has eight digits or capital letters")
    return code


def is_station(code: str) -> bool:
    """Whether the text is a station code."""
    return bool(_STATION.fullmatch(code))


@lru_cache(maxsize=4096)
def shard(station: str) -> str:
    """Two hex digits that spread stations over workers where the broker has no shared subscriptions."""
    return hashlib.sha256(station.encode()).hexdigest()[:2]


def up(station: str, lane: int) -> str:
    """Where a station publishes its batches."""
    return f"{ROOT}/{shard(station)}/{station}/up/{LANE_NAMES[lane]}"


def receipt(station: str, centre: str) -> str:
    """Where a centre keeps its receipt for a station (retained)."""
    return f"{ROOT}/{shard(station)}/{station}/down/receipt/{centre}"


def receipts_of(centre: str) -> str:
    """The filter for all receipts of one centre."""
    return f"{ROOT}/+/+/down/receipt/{centre}"


def station_of_receipt(topic: str) -> str | None:
    """The station that a receipt's topic is for, or None if it is no such topic."""
    parts = topic.split("/")
    if len(parts) == 7 and topic.startswith(ROOT + "/") and parts[4:6] == ["down", "receipt"] and is_station(parts[3]):
        return parts[3]
    return None


def state_asked(station: str) -> str:
    """Where a station with a new card asks what it had told of itself."""
    return f"{ROOT}/{shard(station)}/{station}/up/state"


def is_state_asked(topic: str) -> bool:
    """Whether it is such a topic."""
    return station_of(topic) is not None and topic.endswith("/up/state")


def state(station: str, centre: str) -> str:
    """Where a centre answers."""
    return f"{ROOT}/{shard(station)}/{station}/down/state/{centre}"


def latest(station: str) -> str:
    """Where the centre keeps the readable latest values of a station (retained JSON)."""
    return f"{ROOT}/{shard(station)}/{station}/latest"


@lru_cache(maxsize=4096)
def station_of(topic: str) -> str | None:
    """The station whose rights the broker checked for this upward topic, or None if it is no such topic."""
    parts = topic.split("/")
    if len(parts) == 6 and topic.startswith(ROOT + "/") and parts[4] == "up" and is_station(parts[3]):
        return parts[3]
    return None
