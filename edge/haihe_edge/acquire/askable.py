"""What the loop of a bus needs of those whom it asks, whatever they speak."""

from typing import Protocol

from haihe_contract.quality import Reason

from .exchange import ExchangeError
from .group import BusState, InstrumentState, Said, Sample
from .line import Line
from .outage import Told
from .schedule import Breaker


class Askable(Protocol):
    """An instrument that answers when it is asked."""

    name: str
    period_ms: int
    due_ms: int
    has_alarms: bool
    breaker: Breaker
    failure: ExchangeError | None
    state: InstrumentState

    def told(self) -> list[Told]:
        """What the last poll showed and people should hear of."""
        ...

    def none(self, reason: Reason) -> list[Sample]:
        """No value for any series, with the reason."""
        ...

    async def poll(self, probe: tuple[int, int] | None = None) -> list[Sample]:
        """Ask for everything; afterwards ``failure`` says why it counts as silent, or None.

        Raises:
            BusDown: when the bus cannot be used.
        """
        ...

    def shown(self, pause_most_ms: int) -> InstrumentState:
        """How it is doing."""
        ...


class Listened(Protocol):
    """An instrument that speaks by itself on a line of its own."""

    name: str
    line: Line
    error: Said | None

    def hear(self) -> None:
        """Take in what has arrived on the line."""
        ...

    def has_spoken(self) -> bool:
        """Whether it has said something of use since the agent started."""
        ...

    def samples(self) -> list[Sample]:
        """What to write down at a due time."""
        ...

    def shown(self) -> BusState:
        """How it is doing."""
        ...
