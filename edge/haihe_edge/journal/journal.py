"""The journal: numbered records on a new line at every opening, durable by group commit.

A decision of this module (docs/decisions): plain append-only files instead of SQLite, because every opening
starts a new line and never touches older files, so there is nothing that a database would have to repair.
"""

import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from haihe_contract.clock import Clock
from haihe_contract.errors import FieldError, must
from haihe_contract.quality import PASS_MARK, Flag, Reason, mark, unmark
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import Body, Dictionary, Event, Gap, Opened, Readings, Record

from . import folder, space
from .recent import Recent
from .segment import SUFFIX, OpenSegment, Segment, SegmentDamaged, sync_directory

DICTIONARY_NUMBER = 2
SEGMENT_BYTES_MAX = 4 * 1024 * 1024
SEGMENT_BYTES_MIN = 32 * 1024
SEGMENTS_PER_JOURNAL = 64
PENDING_RECORDS_MAX = 50_000
DAMAGED_SHARE = 16
"""Damaged files that were set aside may take one part in so many of the journal's size."""
_DICTIONARY_ONLY = RangeSet.of((DICTIONARY_NUMBER, DICTIONARY_NUMBER))  # every file of a line repeats it
_INDEXES_KEPT = 4


class Extent(NamedTuple):
    """What the journal still has of one line."""

    line: int
    numbers: RangeSet
    urgent: RangeSet

    @property
    def first(self) -> int:
        """Tail: the lowest number."""
        return self.numbers.first if self.numbers else 0

    @property
    def last(self) -> int:
        """Head: the highest number."""
        return self.numbers.last if self.numbers else 0


class Journal:
    """One opening of the journal: one line.

    ``append`` gives a number and never waits for the disk; ``commit`` makes everything appended durable. Both,
    and ``read``, may be called from different threads. When the disk refuses, records wait in memory (bounded) and
    ``trouble`` says so; numbers that had to be given up are recorded as a gap.
    """

    def __init__(self, directory: Path, *, size: int, clock: Clock) -> None:
        self.directory = directory
        self.size = size
        self.segment_bytes = max(SEGMENT_BYTES_MIN, min(SEGMENT_BYTES_MAX, size // SEGMENTS_PER_JOURNAL))
        self.clock = clock
        self.line = 0
        self.trouble = ""
        self.dropped = 0
        self.files_freed = 0
        self._lock = threading.RLock()  # over the files
        self._numbering = threading.RLock()  # over what waits; never held while the disk works
        self._closed: list[Segment] = []
        self._open: OpenSegment | None = None
        self._serial = 0
        self._next = 1
        self._pending: list[Record] = []
        self._writing: list[Record] = []
        self._settled: dict[int, RangeSet] = {}
        self._last_time: dict[int, int] = {}
        self._recent = Recent()
        self._indexed: deque[Segment] = deque()
        self._dictionary = Dictionary([])
        self._lost: dict[int, RangeSet] = {}
        self._lost_unsaid: set[int] = set()
        self._disk_full = False
        self._lock_fd = -1

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        size: int,
        clock: Clock,
        entropy: Callable[[], int],
        dictionary: Dictionary,
        opened: Callable[[int, int, int, bool], Opened],
        newest: Callable[[int], object] = lambda _time_ms: None,
    ) -> "Journal":
        """Start a new line. What older files hold stays as it is; what does not verify is set aside.

        Args:
            directory: where the files lie; made if it is not there.
            size: byte limit over all files.
            clock: for the times of commits.
            entropy: gives 64 random bits.
            dictionary: the series of this line.
            opened: makes the first record from (previous line, its last number, its last commit's time,
                whether it was closed in order).
            newest: told, before that, the newest commit time that any file names: no clock may stand before it.

        Raises:
            FieldError: when the directory cannot be used at all.
        """
        journal = cls(directory, size=size, clock=clock)
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o750)
            journal._lock_fd = folder.lock(directory)
            damaged = journal._survey()
            # a start that was itself cut short left a line without numbers: the one before it is meant
            previous = next((each for each in reversed(journal._closed) if each.numbers), None)
            while journal.line == 0 or any(journal.line == old.line for old in journal._closed):
                journal.line = entropy()
            journal._dictionary = dictionary
            newest(max((segment.time_ms for segment in journal._closed), default=0))
            in_order = previous is not None and previous.final
            first = opened(
                previous.line if previous else 0,
                previous.last if previous else 0,
                previous.time_ms if previous else 0,
                in_order,
            )
            must(journal.append(first) == 1, "the first record of a line is its opening")
            must(journal.append(dictionary) == DICTIONARY_NUMBER, "the second is its dictionary")
            for name, why in damaged:
                detail = {"file": name, "why": why}
                journal.append(Event(first.time_ms, first.grade, "journal_damaged", detail=detail))
            for line, holes in journal._holes().items():
                journal._lose(line, holes)
        except OSError as error:
            raise FieldError(
                f"the journal cannot be used: {error.strerror or error}",
                where=str(error.filename or directory),
                do=f"check that the disk is mounted and writable: ls -ld {directory}; df -h {directory}",
            ) from None
        journal.commit()
        return journal

    def _survey(self) -> list[tuple[str, str]]:
        damaged: list[tuple[str, str]] = []
        for path in sorted(self.directory.glob(f"*{SUFFIX}")):
            self._serial = max(self._serial, int(path.name.split("-")[0]) if path.name[:8].isdecimal() else 0)
            try:
                segment = Segment(path)
            except (SegmentDamaged, OSError) as error:
                damaged.append((path.name, str(error)))
                try:
                    path.rename(path.with_suffix(".damaged"))
                except OSError:
                    continue  # read-only: it stays where it is, and is passed over again next time
                continue
            segment.forget_frames()
            self._closed.append(segment)
        folder.shed_damaged(self.directory, self.size // DAMAGED_SHARE)
        return damaged

    def _holes(self) -> dict[int, RangeSet]:
        """Numbers of older lines that lie between others and are not here."""
        found: dict[int, RangeSet] = {}
        for extent in self.extents():
            if holes := extent.numbers.holes(1, extent.last) - _DICTIONARY_ONLY:
                found[extent.line] = holes
        return found

    @property
    def head(self) -> int:
        """Highest durable number of this line."""
        return self._open.last if self._open else max((s.last for s in self._closed if s.line == self.line), default=0)

    @property
    def appended(self) -> int:
        """Highest number given so far, durable or not."""
        return self._next - 1

    @property
    def waiting(self) -> int:
        """Records that are not durable yet."""
        return len(self._pending) + len(self._writing)

    def append(self, body: Body, *, urgent: bool = False) -> int:
        """Number a record. It is durable, and may leave, only after the next :meth:`commit`."""
        with self._numbering:
            if type(body) is Readings:
                body = self._apart(body)
            number = self._next
            self._next += 1
            self._pending.append(Record(number, urgent, body))
            if len(self._pending) > PENDING_RECORDS_MAX:
                self._give_up()
            return number

    def _apart(self, body: Readings) -> Readings:
        """Move a reading group by 1 ms if one of its series already has a reading at that very time."""
        last = self._last_time
        time_ms = body.time_ms
        while any(last.get(series) == time_ms for series in body.series):
            time_ms += 1
        for series in body.series:
            last[series] = time_ms
        if time_ms == body.time_ms:
            return body
        marks = body.marks or [PASS_MARK] * len(body.series)
        shifted = []
        for packed in marks:
            flag, reasons = unmark(packed)
            shifted.append(mark(Flag(flag), reasons | Reason.SHIFTED_1MS))
        return Readings(time_ms, body.grade, body.series, body.values, shifted)

    def _give_up(self) -> None:
        """Memory has a limit too: let the oldest routine record go and remember its number for the gap record."""
        at = next((i for i, record in enumerate(self._pending) if not record.urgent and record.number > 2), 0)
        lost = self._pending.pop(at)
        self._lose(self.line, RangeSet.of((lost.number, lost.number)))
        self.dropped += 1

    def _lose(self, line: int, numbers: RangeSet) -> None:
        """Remember numbers that are gone; the next commit carries a gap record for all that are known by then."""
        if numbers:
            self._lost[line] = self._lost.get(line, EMPTY) | numbers
            self._lost_unsaid.add(line)

    def commit(self) -> list[Record]:
        """Make everything appended durable and return it; empty when the disk refuses or nothing waits."""
        with self._lock:
            try:
                self._make_room()
                with self._numbering:
                    records = self._writing = self._pending
                    self._pending = []
                if not records:
                    return []
                if self._open is None:
                    self._open = self._new_segment(records[0].number)
                self._open.append(records, self.clock.now_ms())
            except OSError as error:
                self.trouble = f"{error.strerror or error} ({error.filename or self.directory})"
                self._disk_full = error.errno == errno.ENOSPC
                with self._numbering:
                    self._pending, self._writing = self._writing + self._pending, []
                self._abandon()
                return []
            self._writing = []
            self.trouble = ""
            self._disk_full = False
            self._recent.add(records)
            if self._open.size >= self.segment_bytes:
                self._seal(final=False)
            return records

    def _new_segment(self, first: int) -> OpenSegment:
        self._serial += 1
        name = f"{self._serial:08d}-{self.line:016x}-{first}{SUFFIX}"
        return OpenSegment(self.directory / name, self.line, first, self.clock.now_ms(), self._dictionary)

    def _seal(self, *, final: bool) -> None:
        being_sealed = self._open
        if being_sealed is None:
            return
        try:
            self._closed.append(being_sealed.seal(final=final))
            self._open = None
        except OSError as error:
            self.trouble = f"{error.strerror or error} ({being_sealed.path})"
            self._abandon()

    def _abandon(self) -> None:
        """Leave the file as it is: after a failed write or sync nobody knows what it holds until it is read."""
        if self._open is None:
            return
        self._open.abandon()
        try:
            left = Segment(self._open.path)
            if left.numbers:
                self._closed.append(left)
            else:
                left.path.unlink(missing_ok=True)
        except (SegmentDamaged, OSError):
            pass
        self._open = None

    def _make_room(self) -> None:
        """Free old files so that the byte limit holds, and name what is lost by it."""
        pending_bytes = 512 + 64 * len(self._pending)
        excess = self.bytes_used() + pending_bytes - self.size
        if self._disk_full:  # others filled the disk: the limit is now what we hold less one file
            excess = max(excess, self.segment_bytes)
        if excess > 0 and self._closed:
            held = [space.Held(s.path.name, s.line, s.numbers, s.urgent, s.size) for s in self._closed]
            gone = {freed.name: freed for freed in space.choose(held, self._settled, excess)}
            for segment in [s for s in self._closed if s.path.name in gone]:
                self._keep_gaps(segment)
                segment.path.unlink(missing_ok=True)
                self.files_freed += 1
                self._closed.remove(segment)
                self._lose(segment.line, gone[segment.path.name].lost - _DICTIONARY_ONLY)
            sync_directory(self.directory)
        while self._lost_unsaid:  # said again with every growth, since an older gap record may have been freed too
            line = self._lost_unsaid.pop()
            self.append(Gap(line, list(self._lost[line].ranges), "no_space_or_damaged", self.clock.now_ms()))

    def _keep_gaps(self, segment: Segment) -> None:
        """What a file's gap records name must stay named when the file goes."""
        settled = self._settled.get(segment.line, EMPTY)
        try:
            records = segment.read(segment.numbers - settled, segment.size)
        except OSError:
            return
        for record in records:
            if type(record.body) is Gap:
                self._lose(record.body.line, RangeSet(record.body.ranges))

    def bytes_used(self) -> int:
        """Bytes of all files of the journal."""
        return sum(segment.size for segment in self._closed) + (self._open.size if self._open else 0)

    def extents(self) -> list[Extent]:
        """What is still here of every line, oldest line first."""
        with self._lock:
            lines: dict[int, tuple[RangeSet, RangeSet]] = {}
            for segment in [*self._closed, *([self._open] if self._open else [])]:
                numbers, urgent = lines.get(segment.line, (EMPTY, EMPTY))
                lines[segment.line] = (numbers | segment.numbers, urgent | segment.urgent)
            return [Extent(line, numbers, urgent) for line, (numbers, urgent) in lines.items() if numbers]

    def dictionary(self, line: int) -> Dictionary | None:
        """The dictionary of a line that is still here."""
        with self._lock:
            for segment in [*self._closed, *([self._open] if self._open else [])]:
                if segment.line == line:
                    return segment.dictionary
        return None

    def read(self, line: int, wanted: RangeSet, most_bytes: int = 1 << 20) -> list[Record]:
        """The wanted records that are here, in order, about so many bytes at most.

        Fewer than wanted means: the rest comes with the next call, or is not readable any more.

        Raises:
            OSError: when the disk refuses now; nothing is known of the records then.
        """
        with self._lock:
            if line == self.line and wanted:
                recent = self._recent.read(wanted)
                if recent is not None:
                    return recent
            for segment in [*self._closed, *([self._open] if self._open else [])]:
                if segment.line != line or not (segment.numbers & wanted):
                    continue
                before = segment.numbers
                records = segment.read(wanted, most_bytes)
                self._lose(line, before - segment.numbers)
                self._keep_index(segment)
                if records:
                    return records
            return []

    def _keep_index(self, segment: Segment) -> None:
        if segment in self._indexed:
            return
        self._indexed.append(segment)
        while len(self._indexed) > _INDEXES_KEPT:
            self._indexed.popleft().forget_frames()

    def settle(self, settled: Mapping[int, RangeSet]) -> None:
        """Tell what the required centres hold: these numbers may go when their space is needed."""
        self._settled = dict(settled)  # without the lock: the event loop must not wait for the disk

    def unsettled(self, settled: Mapping[int, RangeSet]) -> int:
        """How many records are here that these receipts do not cover."""
        return sum((extent.numbers - settled.get(extent.line, EMPTY)).count() for extent in self.extents())

    def close(self) -> None:
        """Commit and seal: the next opening then knows that nothing is missing."""
        with self._lock:
            self.commit()
            if self.waiting:
                self._abandon()
            else:
                try:
                    self._open = self._open or self._new_segment(self._next)
                except OSError as error:
                    self.trouble = f"{error.strerror or error} ({error.filename or self.directory})"
                self._seal(final=True)
            if self._lock_fd >= 0:
                os.close(self._lock_fd)
                self._lock_fd = -1
