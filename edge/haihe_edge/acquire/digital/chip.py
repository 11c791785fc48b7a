"""The port of digital lines: what a chip must be able to do, whoever made it."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol


class Wanted(NamedTuple):
    """How one line is to be used.

    Args:
        name: ours.
        line: its number on the chip, or its name there.
        edges: which edges are reported; ``none`` for an output.
        pull: the resistor of an input.
        debounce_ms: the kernel passes on only what has been still for so long; 0 for everything.
        rest: for an output: the level of "off", which it has from the first moment to the last.
    """

    name: str
    line: str
    edges: Literal["rising", "falling", "both", "none"]
    pull: Literal["up", "down", "none"] = "none"
    debounce_ms: int = 0
    rest: bool = False

    @property
    def is_output(self) -> bool:
        """Whether the station drives it."""
        return self.edges == "none"


class Edge(NamedTuple):
    """A line changed.

    Args:
        name: which one.
        high: what it changed to.
        at_ms: when, in monotonic milliseconds, as the kernel noticed it.
        lost: so many edges of this line before this one were not kept, for they came too fast.
    """

    name: str
    high: bool
    at_ms: int
    lost: int = 0


class DigitalChip(Protocol):
    """A chip of digital lines. Levels are physical: True is high.

    One suite tests every implementation: tests/edge/acquire/digital/test_chip_port.py.
    """

    name: str

    @property
    def is_open(self) -> bool:
        """Whether the lines are ours now."""
        ...

    async def open(self) -> None:
        """Take the lines; outputs go to rest.

        Raises:
            BusDown: when the chip is not there, or a line cannot be had.
        """
        ...

    def close(self) -> None:
        """Bring the outputs to rest and give the lines back; may be called twice."""
        ...

    async def edges(self) -> Sequence[Edge]:
        """The next edges, waiting for the first one; in the order of their times.

        Raises:
            BusDown: when the chip is gone; it is closed then.
        """
        ...

    def levels(self) -> dict[str, bool]:
        """How every line is now, by name.

        Raises:
            BusDown: when the chip is gone; it is closed then.
        """
        ...

    def drive(self, name: str, high: bool) -> None:  # noqa: FBT001 - the level is the argument
        """Set an output.

        Raises:
            BusDown: when the chip is gone; it is closed then.
        """
        ...
