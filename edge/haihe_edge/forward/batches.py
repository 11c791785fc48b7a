"""What goes to several centres alike is encoded once: the newest batches of a station as bytes."""

import threading
from collections import deque
from collections.abc import Sequence

from haihe_contract.ranges import RangeSet
from haihe_contract.record import Dictionary, Record

from .batching import batch_of

_BATCHES_KEPT = 2


class Batches:
    """The newest batches of a station.

    A record is named by its number and never changes, so the same numbers make the same bytes.

    Args:
        station: whose.
    """

    def __init__(self, station: str) -> None:
        self._station = station
        self._newest: deque[tuple[tuple[object, ...], bytes]] = deque(maxlen=_BATCHES_KEPT)
        self._encoding = threading.Lock()  # forwarders come in threads, and the second is to find what the first made

    def of(
        self,
        line: int,
        lane: int,
        extremes: tuple[int, int],
        records: Sequence[Record],
        numbers: RangeSet,
        dictionary: Dictionary | None,
    ) -> bytes:
        """See :func:`batch_of`; ``numbers`` are those of the records."""
        asked = (line, lane, extremes, numbers, dictionary is None)
        with self._encoding:
            for known, data in self._newest:
                if known == asked:
                    return data
            data = batch_of(self._station, line, lane, extremes, records, dictionary)
            self._newest.append((asked, data))
            return data
