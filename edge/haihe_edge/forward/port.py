"""What forwarding needs of its neighbours: a journal to read from and a link to hand over to."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from haihe_contract.ranges import RangeSet
from haihe_contract.record import Dictionary, Record

from .flow import Grant


class LinkDown(Exception):
    """The link cannot be used now; the text says why."""


class PublishRefused(Exception):
    """The broker answered, and said no.

    Args:
        text: why.
        by_content: whether another content or size might please it; rights and quotas ask for none.
    """

    def __init__(self, text: str, *, by_content: bool = False) -> None:
        super().__init__(text)
        self.by_content = by_content


class Link(Protocol):
    """One connection at a time to one centre: hand over bytes, hear whether they were refused."""

    incoming: "asyncio.Queue[tuple[str, bytes]]"

    async def connect(self) -> Grant | None:
        """Connect and subscribe. Returns what the broker takes, None where it names no limit.

        Raises:
            LinkDown: with the reason.
        """
        ...

    def publish(self, topic: str, payload: bytes) -> "asyncio.Future[None]":
        """Hand over; the future ends when the broker has answered.

        Raises (by the future):
            LinkDown: when the connection ended before.
            PublishRefused: when the broker refused.
        """
        ...

    async def closed(self) -> str:
        """Return, with the reason, when the connection has ended."""
        ...

    async def close(self) -> None:
        """End the connection in order."""
        ...


class Extent(Protocol):
    """What the journal still has of one line."""

    @property
    def line(self) -> int:
        """Which line."""
        ...

    @property
    def numbers(self) -> RangeSet:
        """Numbers that are here."""
        ...

    @property
    def urgent(self) -> RangeSet:
        """Those of them that go by the alarm lane."""
        ...


class Source(Protocol):
    """The journal as forwarding needs it."""

    @property
    def line(self) -> int:
        """The line of this opening."""
        ...

    @property
    def whole(self) -> bool:
        """Whether :meth:`extents` names every line that is here."""
        ...

    def extents(self) -> Sequence[Extent]:
        """All lines, oldest first."""
        ...

    def read(self, line: int, wanted: RangeSet, most_bytes: int) -> list[Record]:
        """Wanted records that are here, about so many bytes at most.

        Raises:
            OSError: when the disk refuses now everything that has any of them.
        """
        ...

    def together(self, line: int, wanted: RangeSet) -> RangeSet:
        """The wanted numbers, and all that can be read only if these can."""
        ...

    def dictionary(self, line: int) -> Dictionary | None:
        """The dictionary of a line."""
        ...
