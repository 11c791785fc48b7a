"""The journal: numbered records on a new line at every opening, durable by group commit.

A decision of this module (docs/decisions): plain append-only files instead of SQLite, because every opening
starts a new line and never touches older files, so there is nothing that a database would have to repair.
"""

import errno
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from haihe_contract.clock import Clock
from haihe_contract.errors import FieldError, must
from haihe_contract.quality import PASS_MARK, Flag, Reason, mark, unmark
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import Body, Dictionary, Event, Gap, Opened, Readings, Record
from haihe_contract.record_fault import OPENING_LINES
from msgspec import structs

from .archive import Archive, Fault
from .disk import Disk, shown
from .extent import Extent, extents_of
from .recent import Recent
from .reserve import Reserve
from .room import FULL, Room
from .sayable import sayable
from .segment import Segment
from .tail import Tail
from .thin import gaps

DICTIONARY_NUMBER = 2
PENDING_RECORDS_MAX = 50_000
BLIND_SERIAL = 1_000_000_000
"""Files of an opening that could not see the older ones are named after all of them."""
_DICTIONARY_ONLY = RangeSet.of((DICTIONARY_NUMBER, DICTIONARY_NUMBER))  # every file of a line repeats it
_MISTAKES = {errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOENT}
"""Errors of whoever wrote the site file; with any other the station measures on and waits for its disk."""


class Journal:
    """One opening of the journal: one line.

    ``append`` gives a number and never waits for the disk; ``commit`` makes everything appended durable. Both,
    and ``read``, may be called from different threads. When the disk refuses, records wait in memory (bounded) and
    ``trouble`` says so; numbers that had to be given up are recorded as a gap.
    """

    def __init__(self, disk: Disk, *, size: int, clock: Clock) -> None:
        self.size = size
        self.clock = clock
        self.trouble = ""
        self.dropped = 0
        self.flood = False
        """Whether the station is at flood stage: what is recorded then is thinned last."""
        self.whole = True
        """Whether all older files could be read at the start; else :meth:`extents` may not name every line."""
        self._disk = disk
        self._lock = threading.RLock()  # over the files
        self._numbering = threading.RLock()  # over what waits; never held while the disk works
        self._archive = Archive(disk, size)
        self._tail = Tail(disk, size, self._archive, clock)
        self._reserve = Reserve(disk)
        self._room = Room(self._archive, self._tail, self._reserve, clock)
        self._next = 1
        self._pending: list[Record] = []
        self._writing: list[Record] = []
        self._settled: dict[int, RangeSet] = {}
        self._last_time: dict[int, int] = {}
        self._recent = Recent()
        self._lost: dict[tuple[int, str], RangeSet] = {}
        self._surveyed = False
        self._is_open = False
        self._disk_full = False

    @classmethod
    def open(
        cls,
        disk: Disk,
        *,
        size: int,
        clock: Clock,
        entropy: Callable[[], int],
        dictionary: Dictionary,
        opened: Callable[[int, int, int, bool], Opened],
        newest: Callable[[int], object] = lambda _time_ms: None,
    ) -> "Journal":
        """Start a new line. What older files hold stays as it is; what does not verify is set aside.

        A disk that refuses does not keep the station from measuring: records then wait in memory.

        Args:
            disk: where the files lie.
            size: byte limit over all files.
            clock: for the times of commits.
            entropy: gives 64 random bits.
            dictionary: the series of this line.
            opened: makes the first record from (previous line, its last number, its last commit's time,
                whether it was closed in order).
            newest: told, before that, the newest commit time that any file names: no clock may stand before it.

        Raises:
            FieldError: when there is no folder to be had there, or another agent has it.
        """
        journal = cls(disk, size=size, clock=clock)
        faults: list[Fault] = []
        try:
            disk.take()
            faults, journal._tail.serial = journal._archive.survey()
        except OSError as error:
            if error.errno in _MISTAKES:
                raise FieldError(
                    f"the journal cannot be used: {error.strerror or error}",
                    where=str(error.filename or disk.where()),
                    do=f"check that the disk is mounted and writable: ls -ld {disk.where()}; df -h {disk.where()}",
                ) from None
            journal._refused(error)
            faults = [Fault(disk.where(), error.strerror or str(error), "journal_unreadable")]
            journal._tail.serial = max(BLIND_SERIAL, clock.now_ms() // 1000)
        journal.whole = all(fault.kind != "journal_unreadable" for fault in faults)
        segments = journal._archive.segments
        # a start that was itself cut short left a line without numbers: the one before it is meant
        previous = next((each for each in reversed(segments) if each.numbers), None)
        while journal._tail.line == 0 or any(journal.line == old.line for old in segments):
            journal._tail.line = entropy()
        journal._tail.dictionary = dictionary
        newest(max((segment.time_ms for segment in segments), default=0))
        first = opened(
            previous.line if previous else 0,
            previous.last if previous else 0,
            previous.time_ms if previous else 0,
            previous is not None and any(each.line == previous.line and each.final for each in segments),
        )
        first = structs.replace(first, **journal._still_here())
        must(journal.append(first) == 1, "the first record of a line is its opening")
        must(journal.append(dictionary) == DICTIONARY_NUMBER, "the second is its dictionary")
        for fault in faults:
            detail = {"file": shown(fault.name), "why": fault.why}
            journal.append(Event(first.time_ms, first.grade, fault.kind, detail=detail))
        journal.commit()
        journal._is_open = True
        return journal

    def _still_here(self) -> dict[str, Any]:
        """What the opening says of older lines: a line that it does not name is not waited for any more."""
        older = [(each.line, each.first, each.last) for each in reversed(self.extents())]
        return {"lines": older[:OPENING_LINES], "more_lines": max(0, len(older) - OPENING_LINES)}

    @property
    def line(self) -> int:
        """Id of the line of this opening."""
        return self._tail.line

    @property
    def head(self) -> int:
        """Highest durable number of this line."""
        return max((each.last for each in self._segments() if each.line == self.line), default=0)

    def _segments(self) -> list[Segment]:
        return [*self._archive.segments, *([self._tail.open] if self._tail.open is not None else [])]

    @property
    def files_freed(self) -> int:
        """How often a file was freed or thinned, or could be read again: what is here has changed."""
        return self._archive.files_freed + self._archive.files_thinned + self._tail.found_again

    @property
    def appended(self) -> int:
        """Highest number given so far, durable or not."""
        return self._next - 1

    @property
    def durable(self) -> int:
        """Number up to which none waits for the disk any more; what gives room is written ahead of others."""
        with self._numbering:
            waiting = [each[0].number for each in (self._pending, self._writing, self._room.ahead) if each]
            return min(waiting, default=self._next) - 1

    @property
    def waiting(self) -> int:
        """Records that are not durable yet."""
        return len(self._pending) + len(self._writing) + len(self._room.ahead)

    def append(self, body: Body, *, urgent: bool = False) -> int:
        """Number a record. It is durable, and may leave, only after the next :meth:`commit`."""
        with self._numbering:
            body = self._apart(body) if type(body) is Readings else sayable(body)
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
        self._lose(self.line, RangeSet.of((lost.number, lost.number)), "memory_full")
        if isinstance(lost.body, Gap):  # what it names is still gone
            self._lose(lost.body.line, RangeSet(lost.body.ranges), lost.body.cause)
        self.dropped += 1

    def _lose(self, line: int, numbers: RangeSet, cause: str) -> None:
        """Remember numbers that are gone; the next commit carries a gap record for all that are known by then."""
        if numbers:
            self._lost[line, cause] = self._lost.get((line, cause), EMPTY) | numbers

    def commit(self) -> list[Record]:
        """Make everything appended durable and return it; empty when the disk refuses or nothing waits."""
        done: list[Record] = []
        with self._lock:
            try:
                self._lose(self.line, self._tail.take_up() - self._settled.get(self.line, EMPTY), "unreadable")
                self._name_losses()
                self._make_room(done)
                self._write_pending(done)
                self._reserve.keep()
            except OSError as error:
                self._refused(error)
                self._tail.abandon()
                return done
            self.trouble = ""
            self._disk_full = False
            if self._tail.is_full:
                try:
                    self._tail.seal()
                except OSError as error:
                    self._refused(error)
            self._archive.seal_one()  # each commit one: what older agents left makes no start wait
            return done

    def _refused(self, error: OSError) -> None:
        self.trouble = f"{error.strerror or error} ({error.filename or self._disk.where()})"
        self._disk_full = error.errno in FULL

    def _write_pending(self, done: list[Record]) -> None:
        """Write what waits as one commit group.

        Raises:
            OSError: when the disk refuses; it waits again then.
        """
        with self._numbering:
            records = self._writing = self._pending
            self._pending = []
        try:
            if records:
                self._write(records)
        except OSError:
            with self._numbering:
                self._pending = self._writing + self._pending
            raise
        finally:
            self._writing = []
        done += records

    def _write(self, records: list[Record]) -> None:
        self._tail.write(records, flood=self.flood)
        self._recent.add(records)

    def _name_losses(self) -> None:
        """Append gap records for what is known to be gone and not named yet."""
        if not self._surveyed and self._tail.open is not None:  # at the second commit: by then the receipts are known
            self._surveyed = True
            for line, holes in self._archive.holes().items():
                if line != self.line:
                    self._lose(line, holes - _DICTIONARY_ONLY - self._settled.get(line, EMPTY), "unreadable")
        with self._numbering:
            lost, self._lost = self._lost, {}
        for (line, cause), numbers in lost.items():
            for gap in gaps(line, numbers, cause, self.clock.now_ms()):
                self.append(gap)

    def _make_room(self, done: list[Record]) -> None:
        """Thin and free old files so that the byte limit holds.

        Not for the opening's own records: what the centres hold is told only after it, and goes first.

        Raises:
            OSError: when the disk refuses.
        """
        if not self._is_open:
            return
        excess = self.bytes_used() + 512 + 64 * len(self._pending) - self.size

        def say(records: list[Record]) -> None:
            self._write(records)
            done.extend(records)

        self._room.make(excess, self._settled, disk_full=self._disk_full, number=self._number_ahead, say=say)

    def _number_ahead(self, bodies: Sequence[Body]) -> list[Record]:
        """Number records that are written before what waits."""
        with self._numbering:
            waiting, self._pending = self._pending, []
            for body in bodies:
                self.append(body)
            ahead, self._pending = self._pending, waiting
        return ahead

    def bytes_used(self) -> int:
        """Bytes of all files of the journal."""
        return self._archive.bytes_used() + (self._tail.open.size if self._tail.open else 0) + self._reserve.bytes_used

    def extents(self) -> list[Extent]:
        """What is still here of every line, oldest line first."""
        with self._lock:
            return extents_of(self._segments())

    def dictionary(self, line: int) -> Dictionary | None:
        """The dictionary of a line that is still here."""
        if line == self.line:
            return self._tail.dictionary  # without the lock: it is needed while the disk hangs, too
        with self._lock:
            return self._archive.dictionary(line)

    def unkept(self) -> list[Record]:
        """What waits in memory for a disk that refuses or hangs, in order of number."""
        with self._numbering:
            return [*self._room.ahead, *self._writing, *self._pending]

    def read(self, line: int, wanted: RangeSet, most_bytes: int = 1 << 20) -> list[Record]:
        """The wanted records that are here, in order, about so many bytes at most.

        Fewer than wanted means: the rest comes with the next call, or is not readable any more.

        Raises:
            OSError: when the disk refuses now every file that has any of them; nothing is known of the records then.
        """
        refused: OSError | None = None
        with self._lock:
            if line == self.line and wanted:
                recent = self._recent.read(wanted)
                if recent is not None:
                    return recent
            for segment in self._segments():
                if segment.line != line or not (segment.numbers & wanted):
                    continue
                try:
                    records, gone = self._archive.read(segment, wanted, most_bytes)
                except OSError as error:  # one bad sector holds up none of the other files
                    refused = error
                    continue
                self._lose(line, gone, "unreadable")
                if records:
                    return records
            if refused is not None:
                raise refused
            return []

    def together(self, line: int, wanted: RangeSet) -> RangeSet:
        """The wanted numbers and all others of the files that have them: files can be read or not as a whole."""
        found = wanted
        with self._lock:
            for segment in self._segments():
                if segment.line == line and segment.numbers & wanted:
                    found |= segment.numbers
        return found

    def settle(self, settled: Mapping[int, RangeSet]) -> None:
        """Tell what the required centres hold: these numbers may go when their space is needed."""
        self._settled = dict(settled)  # without the lock: the event loop must not wait for the disk

    def close(self) -> None:
        """Commit and seal: the next opening then knows that nothing is missing."""
        with self._lock:
            self.commit()
            if self.waiting:
                self._tail.abandon()
            else:
                try:
                    self._tail.finish(self._next)
                except OSError as error:
                    self._refused(error)
            self._disk.leave()
