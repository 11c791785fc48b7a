"""Is it the instrument that is dead, or the bus? Pure."""

from collections.abc import Iterable

from haihe_edge import limits

Told = tuple[str, dict[str, object]]
"""Kind and detail of a happening."""


class Outages:
    """Decides, for one bus, which outage is told.

    When nobody on a bus answers, something that they share is broken (cable, supply, adapter), and people hear of
    one bus and not of n instruments. So an instrument that falls silent is told at once when another one has
    answered meanwhile; otherwise it is held back until it is known which of the two it is, or for a minute.

    Args:
        names: the instruments of the bus.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._heard_ms: dict[str, int] = dict.fromkeys(names, -1)
        self._failing_ms: dict[str, int] = {}
        self._silent: dict[str, str] = {}
        self._held: dict[str, int] = {}
        self.bus_silent = False

    @property
    def all_silent(self) -> bool:
        """Whether there is nobody left whom a probe could disturb."""
        return len(self._silent) == len(self._heard_ms)

    @property
    def silent(self) -> int:
        """How many instruments are silent."""
        return len(self._silent)

    def answered(self, name: str, now_ms: int) -> list[Told]:
        """It answered; returns what is to be told."""
        told: list[Told] = []
        self._heard_ms[name] = now_ms
        self._failing_ms.pop(name, None)
        was_silent = self._silent.pop(name, None) is not None
        was_held = self._held.pop(name, None) is not None
        if self.bus_silent:
            self.bus_silent = False
            self._held = dict.fromkeys(self._silent, now_ms)
            told.append(("bus_heard", {}))
        elif was_silent and not was_held:
            told.append(("instrument_back", {"instrument": name}))
        return told

    def failed(self, name: str, why: str, now_ms: int, *, silent: bool) -> list[Told]:
        """It did not answer, and has now failed often enough to count as ``silent`` or not."""
        since = self._failing_ms.setdefault(name, now_ms)
        if not silent or name in self._silent:
            return []
        self._silent[name] = why
        if len(self._heard_ms) > 1 and len(self._silent) == len(self._heard_ms):
            self.bus_silent = True
            self._held.clear()
            return [("bus_silent", {"instruments": len(self._heard_ms), "why": why})]
        others = (heard for other, heard in self._heard_ms.items() if other != name)
        if len(self._heard_ms) == 1 or max(others) >= since:
            return [self._told(name)]
        self._held[name] = now_ms
        return []

    def overdue(self, now_ms: int) -> list[Told]:
        """What has been held back for long enough."""
        due = [name for name, held_ms in self._held.items() if now_ms - held_ms >= limits.SILENCE_HELD_MS]
        for name in due:
            del self._held[name]
        return [self._told(name) for name in due]

    def _told(self, name: str) -> Told:
        return ("instrument_silent", {"instrument": name, "why": self._silent[name]})
