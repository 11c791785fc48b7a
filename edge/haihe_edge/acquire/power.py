"""Supplies that are switched on for a poll: who is fed by what, and how long it takes to warm up."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from haihe_contract.clock import Clock

from haihe_edge.site import Site

AGAIN_MS = 500
"""A supply that would be wanted again so soon stays on."""


class Switchboard(Protocol):
    """Who has the outputs of a gpio bus in hand."""

    def need(self, output: str, instrument: str) -> int | None:
        """Switch a supply on; since when (monotonic) it has been on, None while it cannot be switched."""
        ...

    def release(self, output: str, instrument: str) -> None:
        """The instrument does not need it any more."""
        ...


class _Feed(NamedTuple):
    output: str
    warm_up_ms: int
    board: Switchboard


class Supplies:
    """The switched supplies of a station.

    Args:
        clock: for the warm-up.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._feeds: dict[str, _Feed] = {}
        self._held: set[str] = set()

    def connect(self, site: Site, boards: Mapping[str, Switchboard]) -> None:
        """Take over the supplies of a site; ``boards`` by name of the gpio bus."""
        for bus, wiring in site.wirings.items():
            for output in wiring.outputs:
                for instrument, warm_up_ms in output.warm_up_ms.items():
                    if bus in boards:
                        self._feeds[instrument] = _Feed(output.line.name, warm_up_ms, boards[bus])

    def feeds(self, instrument: str) -> bool:
        """Whether the instrument has a switched supply."""
        return instrument in self._feeds

    def lead_ms(self, instrument: str) -> int:
        """How long before a poll its supply must be switched on; 0 for an instrument that is always fed."""
        feed = self._feeds.get(instrument)
        return 0 if feed is None else feed.warm_up_ms

    def wait_ms(self, instrument: str) -> int:
        """Switch its supply on, and say how long it still has to warm up.

        An output that cannot be switched keeps nobody waiting: whoever is asked without supply does not answer.
        """
        feed = self._feeds.get(instrument)
        if feed is None:
            return 0
        since = feed.board.need(feed.output, instrument)
        return 0 if since is None else max(0, since + feed.warm_up_ms - self._clock.monotonic_ms())

    async def warm(self, instrument: str) -> None:
        """Return when it can be asked."""
        while wait := self.wait_ms(instrument):
            await self._clock.sleep(wait / 1000)

    def hold(self, instrument: str) -> None:
        """It is always fed."""
        if instrument in self._feeds:
            self._held.add(instrument)
            self.wait_ms(instrument)

    def release(self, instrument: str, next_ms: int | None = None) -> None:
        """It has been read, and is due again at that monotonic moment."""
        feed = self._feeds.get(instrument)
        if feed is None or instrument in self._held:
            return
        if next_ms is None or next_ms - feed.warm_up_ms - self._clock.monotonic_ms() > AGAIN_MS:
            feed.board.release(feed.output, instrument)
