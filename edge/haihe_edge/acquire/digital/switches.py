"""When each output is on. Pure: the station says what is going on, and this says how the lines should be."""

from collections.abc import Iterable, Mapping

from haihe_edge.site import Output


class Switches:
    """The outputs of one gpio bus.

    Args:
        outputs: of the bus.
    """

    def __init__(self, outputs: Iterable[Output]) -> None:
        self._outputs = {each.line.name: each for each in outputs}
        self._reached: dict[str, int] = {}
        self._needed: dict[str, set[str]] = {name: set() for name in self._outputs}
        self._since_ms: dict[str, int] = {}
        self._running = False

    def run(self) -> None:
        """The agent measures from now on."""
        self._running = True

    def levels(self, reached: Iterable[str], now_ms: int) -> None:
        """These levels of the station are reached; each new one begins anew."""
        names = set(reached)
        self._reached = {name: self._reached.get(name, now_ms) for name in names}

    def need(self, output: str, instrument: str, now_ms: int | None) -> None:
        """The instrument wants its supply; without a chip there is no moment since when it has it."""
        if now_ms is not None:
            self._since_ms.setdefault(output, now_ms)
        self._needed[output].add(instrument)

    def release(self, output: str, instrument: str) -> None:
        """The instrument has been read."""
        self._needed[output].discard(instrument)
        if not self._needed[output]:
            self._since_ms.pop(output, None)

    def lost(self) -> None:
        """The chip is gone and every supply with it: who wants one has to warm up again."""
        self._since_ms.clear()

    def back(self, now_ms: int) -> None:
        """The chip is there again, and so are the supplies that are wanted."""
        self._since_ms = {name: now_ms for name, needed in self._needed.items() if needed}

    def fed_since(self, output: str) -> int | None:
        """Since when the supply has been on, None while it is off."""
        return self._since_ms.get(output)

    def wanted(self, now_ms: int) -> Mapping[str, bool]:
        """Which outputs should be on now."""
        return {name: self._is_on(each, now_ms) for name, each in self._outputs.items()}

    def _is_on(self, output: Output, now_ms: int) -> bool:
        follows = output.line.follows
        if follows == "power":
            return bool(self._needed[output.line.name])
        if follows == "running":
            return self._running
        since = self._reached.get(follows)
        return since is not None and now_ms - since < output.longest_ms

    def due_ms(self, now_ms: int) -> int | None:
        """When an output will go off by itself, None if none will."""
        ends = [
            self._reached[each.line.follows] + each.longest_ms
            for each in self._outputs.values()
            if each.line.follows in self._reached
        ]
        return min((end for end in ends if end > now_ms), default=None)
