"""The bytes of a batch: the same for a link and for a bundle."""

import threading
from collections import deque
from collections.abc import Sequence

from haihe_contract import wire
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Dictionary, Record

DICTIONARY_NUMBER = 2
BATCH_BYTES = 512 * 1024
"""Of the journal, for one batch: less than that goes over the wire."""
BACKLOG_RECORDS_MAX = 2000
_BATCHES_KEPT = 2


def batch_of(
    station: str,
    line: int,
    lane: int,
    extremes: tuple[int, int],
    records: Sequence[Record],
    dictionary: Dictionary | None,
) -> bytes:
    """These records as a batch.

    Args:
        station: whose.
        line: of their numbers.
        lane: that they take.
        extremes: head and tail of the line.
        records: in order of number.
        dictionary: to go with them, if the centre may not have it and they do not hold it.
    """
    together = list(records)
    if dictionary is not None:
        together.append(Record(DICTIONARY_NUMBER, False, dictionary))
        together.sort(key=lambda each: each.number)
    head, tail = extremes
    return wire.encode(wire.Batch(station, line, lane, head, tail, together))


class Batches:
    """The newest batches of a station as bytes: what goes to several centres alike is encoded once.

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
