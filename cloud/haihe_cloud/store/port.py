"""The port of the series store: what every engine must promise."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from haihe_contract.ranges import RangeSet
from haihe_contract.reading import Reading

READ_ROWS_MAX = 200_000
TIME_END_MS = 9_223_372_036_854
"""Behind the last moment that an engine counting nanoseconds in 63 bits can hold (year 2262)."""


class StoreAway(Exception):
    """The store cannot be reached or cannot write now; nothing is known to be written. Try again."""


class Refused(NamedTuple):
    """A reading that the engine will never take, and why."""

    station: str
    reading: Reading
    why: str


class Conflict(NamedTuple):
    """A reading that lost its place to another of the same series and time; both are kept."""

    station: str
    reading: Reading


class Store(Protocol):
    """One engine. Any order and repetition of the same writes leaves the same tables."""

    def write(self, readings: Mapping[str, Sequence[Reading]]) -> list[Refused]:
        """Write readings per station; when this returns they are durable.

        The key is (station, series, time). Where another record already holds the key with another value,
        :func:`haihe_cloud.store.choose.rank` decides which is shown and the other goes to the conflicts.
        Readings with clock grade NONE go to the untimed table instead, keyed (station, series, line, number).

        Returns:
            Readings that can never be stored; all others are.

        Raises:
            StoreAway: when the engine is away; the caller tries the whole again.
        """
        ...

    def read(self, station: str, series: str, start_ms: int, end_ms: int, most: int = READ_ROWS_MAX) -> list[Reading]:
        """Readings of one series with start <= time < end, ascending, at most so many from the start."""
        ...

    def latest(self, station: str) -> dict[str, Reading]:
        """The newest reading of each series, by measurement time."""
        ...

    def series(self, station: str) -> list[str]:
        """Keys of the series that have readings."""
        ...

    def conflicts(
        self, station: str, most: int = 1000, *, start_ms: int = 0, end_ms: int = TIME_END_MS
    ) -> list[Conflict]:
        """Readings with start <= time < end that lost their place, newest first."""
        ...

    def untimed(self, station: str, most: int = 1000, *, line: int | None = None, after: int = 0) -> list[Reading]:
        """Readings whose time is not known yet, of one line or of all, by number, from behind a number."""
        ...

    def forget_untimed(self, station: str, line: int, numbers: RangeSet) -> None:
        """Remove readings of these records from the untimed table: they are in their series now.

        Raises:
            StoreAway: when the engine is away; some may be removed.
        """
        ...

    def close(self) -> None:
        """Let go of the engine."""
        ...
