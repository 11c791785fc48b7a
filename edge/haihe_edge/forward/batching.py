"""The bytes of a batch: the same for a link and for a bundle."""

from collections.abc import Sequence

from haihe_contract import wire
from haihe_contract.record import Dictionary, Record

DICTIONARY_NUMBER = 2
BATCH_BYTES = 512 * 1024
"""Of the journal, for one batch: less than that goes over the wire."""
BACKLOG_RECORDS_MAX = 2000


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
