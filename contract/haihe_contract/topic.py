"""The MQTT topics: ``haihe/0/<shard>/<station>/up/<lane>`` and their way back."""

import hashlib
import re

from .record import LANE_NAMES

STATION_PATTERN = r"^[0-9A-Z]{8}$"
"""Station codes are eight digits or capital letters (SL 502-2010); they are text, leading zeros are real.

In Python ``$`` lets a line end follow: check with ``fullmatch``.
"""
_STATION = re.compile(STATION_PATTERN)
ROOT = "haihe/0"
UP_FILTER = f"{ROOT}/+/+/up/#"
"""What a centre subscribes to."""


def is_station(code: str) -> bool:
    """Whether the text is a station code."""
    return bool(_STATION.fullmatch(code))


def shard(station: str) -> str:
    """Two hex digits that spread stations over workers where the broker has no shared subscriptions."""
    return hashlib.sha256(station.encode()).hexdigest()[:2]


def up(station: str, lane: int) -> str:
    """Where a station publishes its batches."""
    return f"{ROOT}/{shard(station)}/{station}/up/{LANE_NAMES[lane]}"


def receipt(station: str, centre: str) -> str:
    """Where a centre keeps its receipt for a station (retained)."""
    return f"{ROOT}/{shard(station)}/{station}/down/receipt/{centre}"


def latest(station: str) -> str:
    """Where the centre keeps the readable latest values of a station (retained JSON)."""
    return f"{ROOT}/{shard(station)}/{station}/latest"


def station_of(topic: str) -> str | None:
    """The station whose rights the broker checked for this upward topic, or None if it is no such topic."""
    parts = topic.split("/")
    if len(parts) == 6 and topic.startswith(ROOT + "/") and parts[4] == "up" and is_station(parts[3]):
        return parts[3]
    return None
