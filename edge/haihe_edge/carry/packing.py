"""Which records a bundle carries, and in which batches. Pure: the files are read by whoever hands them in."""

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import NamedTuple

from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import LANE_BACKLOG, Dictionary, Record
from haihe_contract.wire import BATCH_BYTES_MAX

from haihe_edge.forward.batching import BACKLOG_RECORDS_MAX, BATCH_BYTES, DICTIONARY_NUMBER, batch_of
from haihe_edge.journal import Look
from haihe_edge.journal.segment import Frame, Segment


class Packed(NamedTuple):
    """A batch.

    Args:
        line: whose numbers.
        numbers: of the records in it, without the dictionary that was added.
        data: its bytes.
        records: so many are in it, the dictionary too.
        first_ms: time of the first commit that something in it was of; milliseconds of a boot without a clock.
        last_ms: of the last.
    """

    line: int
    numbers: RangeSet
    data: bytes
    records: int
    first_ms: int
    last_ms: int


def packed(
    look: Look,
    station: str,
    left_out: Mapping[int, RangeSet],
    chosen: Callable[[Frame], bool] = lambda _frame: True,
    file_done: Callable[[Segment, RangeSet], object] = lambda _segment, _missed: None,
) -> Iterator[Packed]:
    """What is here in batches as the backlog of a link has them, oldest line first.

    Args:
        look: the journal's files.
        station: whose.
        left_out: numbers per line that need not be carried.
        chosen: whether a commit is wanted.
        file_done: told each file once it is done, and its numbers that were wanted and not found: they cannot be
            read, or the file has gone since the look was taken.
    """
    extremes = {extent.line: (extent.last, extent.first) for extent in look.extents()}
    for line, files in groupby(look.segments, key=lambda segment: segment.line):
        line_packed = _Line(station, line, extremes.get(line, (0, 0)), look.dictionary(line))
        out = left_out.get(line, EMPTY)
        for segment in files:
            unread = segment.numbers - out
            for frame, records in look.durable_groups(segment) if unread else ():
                unread = unread - RangeSet.from_numbers(record.number for record in records)
                if chosen(frame):
                    yield from line_packed.take(frame, [each for each in records if each.number not in out])
            file_done(segment, unread)
        yield from line_packed.rest()


class _Line:
    """Gathers the records of one line into batches."""

    def __init__(self, station: str, line: int, extremes: tuple[int, int], dictionary: Dictionary | None) -> None:
        self._station, self._line, self._extremes, self._dictionary = station, line, extremes, dictionary
        self._records: dict[int, Record] = {}
        self._bytes = 0
        self._first_ms = self._last_ms = 0

    def take(self, frame: Frame, records: list[Record]) -> Iterator[Packed]:
        """Records of one commit, and the batches that are full with them."""
        share = frame.length // max(1, frame.records)
        for record in records:
            if not self._records:
                self._first_ms = frame.time_ms
            self._last_ms = frame.time_ms
            self._records[record.number] = record
            self._bytes += share
            if len(self._records) >= BACKLOG_RECORDS_MAX or self._bytes >= BATCH_BYTES:
                yield from self.rest()

    def rest(self) -> Iterator[Packed]:
        """What has not filled a batch."""
        records, self._records, self._bytes = self._records, {}, 0
        yield from self._packed([records[number] for number in sorted(records)])

    def _packed(self, records: list[Record]) -> Iterator[Packed]:
        """One batch, or halves of it where it would be longer than any centre takes."""
        if not records:
            return
        numbers = RangeSet.from_numbers(record.number for record in records)
        dictionary = None if DICTIONARY_NUMBER in numbers else self._dictionary  # every batch can be read alone
        data = batch_of(self._station, self._line, LANE_BACKLOG, self._extremes, records, dictionary)
        if len(data) > BATCH_BYTES_MAX and len(records) > 1:
            half = len(records) // 2
            yield from self._packed(records[:half])
            yield from self._packed(records[half:])
            return
        count = len(records) + (dictionary is not None)
        yield Packed(self._line, numbers, data, count, self._first_ms, self._last_ms)
