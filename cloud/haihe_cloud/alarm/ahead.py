"""The store as the engine reads it inside a transaction: only what was fetched before it.

A store may take seconds, and a transaction keeps others from the database (SQLite has one writer): a receipt must not
wait for the past to be judged again. So a page that is not here ends the transaction; it is fetched outside, and the
same entry is judged once more.
"""

from collections.abc import Sequence
from typing import Protocol

from haihe_contract.reading import Reading

from haihe_cloud.ledger.follow import ReadFirst

PAGES_AHEAD = 8
"""Pages fetched together: a long way back is judged in few attempts."""
ROWS_MAX = 500_000
"""Readings kept for one entry, about 100 MB; what lies beyond is read inside the transaction, however slow."""

_Place = tuple[str, str, int, int, int]


class Readable(Protocol):
    """The part of a store that judgement needs."""

    def read(self, station: str, series: str, start_ms: int, end_ms: int, most: int = ...) -> list[Reading]:
        """Readings of one series with start <= time < end, ascending, at most so many from the start."""
        ...


class Ahead:
    """Reads of one entry of the arrival log, kept until the next one.

    Args:
        store: where readings are.
    """

    def __init__(self, store: Readable) -> None:
        self._store = store
        self._position = -1
        self._pages: dict[_Place, list[Reading]] = {}
        self._rows = 0

    def begin(self, position: int) -> None:
        """An entry is judged; what was fetched for another is let go."""
        if position != self._position:
            self._position, self._pages, self._rows = position, {}, 0

    def read(self, station: str, series: str, start_ms: int, end_ms: int, most: int) -> Sequence[Reading]:
        """A page that was fetched.

        Raises:
            ReadFirst: when it was not yet.
            StoreAway: when there is too much to be kept, and the store cannot be read.
        """
        place = (station, series, start_ms, end_ms, most)
        page = self._pages.get(place)
        if page is not None:
            return page
        if self._rows >= ROWS_MAX:
            return self._store.read(*place)
        raise ReadFirst(lambda: self._fetch(place))

    def _fetch(self, place: _Place) -> None:
        """This page and the next ones, each beginning behind the last reading of the one before."""
        station, series, start_ms, end_ms, most = place
        for _ in range(PAGES_AHEAD):
            page = self._store.read(station, series, start_ms, end_ms, most)
            self._pages[(station, series, start_ms, end_ms, most)] = page
            self._rows += len(page)
            if len(page) < most or self._rows >= ROWS_MAX:
                return
            start_ms = page[-1].time_ms + 1
            if start_ms >= end_ms:
                return
