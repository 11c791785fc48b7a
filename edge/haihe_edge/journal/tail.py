"""The newest file of the journal: appended to, sealed when it is full, left as it is when the disk refused."""

from collections.abc import Sequence
from contextlib import suppress

from haihe_contract.clock import Clock
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import Dictionary, Record

from .archive import Archive
from .disk import Disk
from .segment import Segment, SegmentDamaged, segment_name
from .writing import OpenSegment

SEGMENT_BYTES_MAX = 4 * 1024 * 1024
SEGMENT_BYTES_MIN = 32 * 1024
SEGMENTS_PER_JOURNAL = 64


def segment_bytes(size: int) -> int:
    """When a file of a journal of that size counts as full."""
    return max(SEGMENT_BYTES_MIN, min(SEGMENT_BYTES_MAX, size // SEGMENTS_PER_JOURNAL))


class Tail:
    """Where commit groups of this line go; its closed files are the archive's.

    Args:
        disk: where they lie.
        size: byte limit of the whole journal.
        archive: of closed files.
        clock: for the times of commits.
    """

    def __init__(self, disk: Disk, size: int, archive: Archive, clock: Clock) -> None:
        self.segment_bytes = segment_bytes(size)
        self.line = 0
        self.serial = 0
        self.dictionary = Dictionary([])
        self.open: OpenSegment | None = None
        self.found_again = 0
        """How many files could be read only some time after they had been left, or were gone by then."""
        self._durable = EMPTY
        self._left: dict[str, RangeSet] = {}
        """Files that were left and could not be read since, with what is durable in them."""
        self._disk, self._archive, self._clock = disk, archive, clock

    def write(self, records: Sequence[Record], *, flood: bool) -> None:
        """Make a commit group durable.

        Raises:
            OSError: when the disk refuses; :meth:`abandon` must follow.
        """
        file = self._ready(records[0].number)
        file.append(records, self._clock.now_ms(), flood=flood)
        self._durable = file.numbers

    def _ready(self, first: int) -> OpenSegment:
        if self.open is None:
            self.serial += 1
            name = segment_name(self.serial, self.line, first)
            self.open = OpenSegment(self._disk, name, self.line, first, self._clock.now_ms(), self.dictionary)
            self._durable = EMPTY
        return self.open

    @property
    def is_full(self) -> bool:
        """Whether it is time for the next file."""
        return self.open is not None and self.open.size >= self.segment_bytes

    def seal(self) -> None:
        """Close a full file.

        Raises:
            OSError: when the disk refuses; the file has then been left as it is.
        """
        if self.open is not None:
            self._close(self.open, final=False)

    def finish(self, next_number: int) -> None:
        """Close the last file, and say in it that nothing was left in memory.

        Raises:
            OSError: when the disk refuses.
        """
        self._close(self._ready(next_number), final=True)

    def _close(self, file: OpenSegment, *, final: bool) -> None:
        try:
            self._archive.add(file.seal(final=final))
        except OSError:
            self.abandon()
            raise
        self.open = None

    def abandon(self) -> None:
        """Leave the file as it is: after a failed write or sync nobody knows what it holds until it is read.

        What it has of the group that failed was never durable: it counts nowhere, and is written again.
        """
        if self.open is None:
            return
        self.open.abandon()
        name, self.open = self.open.name, None
        self._left[name] = self._durable
        with suppress(FileNotFoundError):  # it is gone: the next commit says so
            if self._took_up(name, self._durable):
                del self._left[name]

    def take_up(self) -> RangeSet:
        """Count what was left while the disk could not be read, now that perhaps it can.

        Returns what was durable in files that somebody has removed.
        """
        gone = EMPTY
        for name, durable in list(self._left.items()):
            try:
                if not self._took_up(name, durable):
                    continue
            except FileNotFoundError:
                gone |= durable
            del self._left[name]
            self.found_again += 1
        return gone

    def _took_up(self, name: str, durable: RangeSet) -> bool:
        try:
            left = Segment(self._disk, name)
        except SegmentDamaged:
            return True  # nothing of it can be attributed
        except FileNotFoundError:
            raise
        except OSError:
            return False
        left.keep_only(durable)
        if left.numbers:
            self._archive.add(left)
        else:
            with suppress(OSError):
                self._disk.unlink(name)
        return True
