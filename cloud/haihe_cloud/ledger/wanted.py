"""What a receipt asks a station to send again: numbers it still has, and that have not come for a while. Pure."""

from collections.abc import Sequence

from haihe_contract.ranges import RangeSet
from haihe_contract.receipt import LineWanted

from haihe_cloud.limits import CONNECTED_GAP_MS, WANTED_AFTER_MS, WANTED_LINES, WANTED_RANGES

from .arrival import LineState


class Patience:
    """How long each station's missing numbers have been awaited, in time that the station was connected.

    Two generations are kept of each line, so a number is asked for after one to two times
    :data:`haihe_cloud.limits.WANTED_AFTER_MS`. It is forgotten with the process: then the wait begins anew.
    """

    def __init__(self) -> None:
        self._stations: dict[str, _Awaited] = {}

    def wanted(self, station: str, lines: Sequence[LineState], now_ms: int) -> list[LineWanted]:
        """Note that the station is heard, and what to ask it for.

        Args:
            station: which.
            lines: what is known of its lines, the one heard last first.
            now_ms: monotonic time.
        """
        awaited = {line.line: line.awaited for line in lines if line.tail and line.awaited}
        known = self._stations.get(station)
        if known is None:
            self._stations[station] = _Awaited(now_ms, awaited)
            return []
        overdue = known.note(now_ms, awaited)
        asked = [LineWanted(line, list(numbers.ranges[:WANTED_RANGES])) for line, numbers in overdue.items()]
        return asked[:WANTED_LINES]


class _Awaited:
    """Of one station."""

    def __init__(self, now_ms: int, awaited: dict[int, RangeSet]) -> None:
        self._heard_ms = now_ms
        self._connected_ms = 0
        self._young = awaited
        self._old: dict[int, RangeSet] = {}

    def note(self, now_ms: int, awaited: dict[int, RangeSet]) -> dict[int, RangeSet]:
        """What has been awaited for long enough."""
        since_ms = now_ms - self._heard_ms
        self._heard_ms = now_ms
        self._connected_ms += since_ms if since_ms <= CONNECTED_GAP_MS else 0
        if self._connected_ms >= WANTED_AFTER_MS:
            self._connected_ms = 0
            self._old, self._young = _common(self._young, awaited), awaited
        return _common(self._old, awaited)


def _common(before: dict[int, RangeSet], now: dict[int, RangeSet]) -> dict[int, RangeSet]:
    both = {line: numbers & before[line] for line, numbers in now.items() if line in before}
    return {line: numbers for line, numbers in both.items() if numbers}
