"""Rain from counters, remembered over a restart: the counting itself is in :mod:`haihe_edge.qualify.counter`."""

from haihe_contract.quality import Grade

from haihe_edge.acquire import Group, Happening
from haihe_edge.kept import Kept
from haihe_edge.qualify import Counters, CounterState, Judged
from haihe_edge.site import Site

FILE = "counters.json"


class CountedRain:
    """The counters of a station that rain is made of.

    Args:
        site: the station.
    """

    def __init__(self, site: Site) -> None:
        self._series = {rule.counter: site.series[rule.counter] for rule in site.counters}
        self._keys = {rule.number: site.series[rule.number].key for rule in site.counters}
        self._kept = Kept(site.journal.directory / FILE, dict[str, CounterState])
        self._last: dict[str, tuple[object, ...]] = {}
        self.trouble = ""
        states: dict[str, CounterState] = {}
        if site.counters:
            try:
                states = self._kept.load() or {}
            except (OSError, ValueError) as error:
                self.trouble = str(error)
        numbers = {number: states[key] for number, key in self._keys.items() if key in states}
        self._counters = Counters(site.counters, numbers)

    def see(self, group: Group, judged: Judged) -> list[Group]:
        """The rain that a reading group makes known, as groups of their own."""
        if not self._keys:
            return []
        ended = self._counters.see(judged, group.time_ms, timed=group.grade is not Grade.NONE)
        return [
            Group(end_ms, group.grade, group.monotonic_ms - (group.time_ms - end_ms), group.instrument, samples)
            for end_ms, samples in ended
        ]

    def happened(self, happening: Happening) -> None:
        """Note a command, which may set counters to 0."""
        if happening.kind not in ("command_sent", "command_failed"):
            return
        clears = happening.detail.get("clears", ())
        counters = [
            (number, isinstance(clears, list) and series.point in clears)
            for number, series in self._series.items()
            if series.instrument == happening.detail["instrument"]
        ]
        self._counters.commanded(counters, happening.time_ms, sure=happening.kind == "command_sent")

    def states(self) -> dict[str, CounterState]:
        """What the counters stand at, by the key of their rain; nothing while there is no time of the day."""
        return {self._keys[number]: state for number, state in self._counters.states().items()}

    def save(self) -> None:
        """Keep the states, if a counter has moved or an interval has ended since the last time.

        Raises:
            OSError: when the disk refuses.
        """
        states = self.states()
        moved = {key: state.news for key, state in states.items()}
        if states and moved != self._last:
            self._kept.save(states)
            self._last = moved
