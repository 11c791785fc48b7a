"""The closed files of the journal: found at the start, read from, thinned and freed."""

from bisect import insort
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from haihe_contract.errors import must
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import Body, Dictionary, Record

from . import space
from .disk import Disk
from .reserve import RESERVE_BYTES
from .segment import SUFFIX, Segment, SegmentDamaged, age
from .space import Way
from .thin import gaps, thin
from .writing import THIN_SUFFIX, replace_thinned, seal_later

DAMAGED = ".damaged"
DAMAGED_SHARE = 16
"""Damaged files that were set aside may take one part in so many of the journal's size."""
SEAL_FREE_BYTES = 2 * RESERVE_BYTES
"""With less than this left on the disk, what is left is for records."""
_INDEXES_KEPT = 2


class Fault(NamedTuple):
    """A file that cannot be used, and what was done about it.

    Args:
        name: of the file.
        why: in words.
        kind: event kind: ``journal_damaged`` (set aside), ``journal_unreadable`` (left where it is),
            ``journal_salvaged`` (used as far as it verifies).
    """

    name: str
    why: str
    kind: str


class Change(NamedTuple):
    """Something that gains space; its ``bodies`` must be durable before it is carried out."""

    segment: Segment
    way: Way
    bodies: list[Body]
    kept: list[Record]


def attributed(disk: Disk, name: str) -> Segment:
    """A file whose records can be told apart from all others.

    Raises:
        SegmentDamaged: when nothing in it can be attributed.
        OSError: when it cannot be read.
    """
    segment = Segment(disk, name)
    if not segment.whole_header and not segment.numbers:
        raise SegmentDamaged("neither its header nor any commit in it verifies")
    return segment


class Archive:
    """Closed files, oldest first.

    Args:
        disk: where they lie.
        size: byte limit of the whole journal.
    """

    def __init__(self, disk: Disk, size: int) -> None:
        self.segments: list[Segment] = []
        self.files_freed = 0
        self.files_thinned = 0
        self._disk = disk
        self._size = size
        self._indexed: deque[Segment] = deque()
        self._unsealed: list[tuple[Segment, RangeSet]] = []
        """Files that were read whole at the start, and what they had; the newest last."""

    def survey(self) -> tuple[list[Fault], int]:
        """Find what is there; what cannot be attributed is set aside. Returns the faults and the highest serial.

        Raises:
            OSError: when the folder itself cannot be read.
        """
        faults: list[Fault] = []
        serial = 0
        unsealed = False
        for name in sorted(self._disk.names(), key=age):
            if name.endswith(THIN_SUFFIX):
                with suppress(OSError):  # read-only: the start must not fail for it
                    self._disk.unlink(name)  # a copy that was never finished
            if not name.endswith(SUFFIX):
                continue
            serial = max(serial, age(name)[0])
            try:
                segment = attributed(self._disk, name)
            except SegmentDamaged as error:
                faults.append(self._set_aside(name, str(error)))
                continue
            except OSError as error:
                faults.append(Fault(name, error.strerror or str(error), "journal_unreadable"))
                continue
            if not segment.whole_header:
                faults.append(Fault(name, "its header does not verify; line by its name", "journal_salvaged"))
            if not segment.sealed:  # its last agent may have ended between writing and syncing: nothing of it
                unsealed = True  # may be counted, or leave, before a power cut can no longer take it
                with suppress(OSError):
                    self._disk.settle(name)
                    self._unsealed.append((segment, segment.numbers))
            self.add(segment)
        if unsealed:
            with suppress(OSError):
                self._disk.sync()
        self._shed_damaged()
        return faults, serial

    def seal_one(self) -> None:
        """Close the newest file that was left without a seal; where the disk refuses, the next start tries again."""
        with suppress(OSError):
            while self._unsealed and self._disk.free_bytes() >= SEAL_FREE_BYTES:
                segment, found = self._unsealed.pop()
                # one that has given way needs no seal, one that shows less than at the start is to be read again
                if segment in self.segments and segment.numbers == found:
                    seal_later(self._disk, segment)
                    return

    def _set_aside(self, name: str, why: str) -> Fault:
        with suppress(OSError):  # read-only: it stays where it is, and is passed over again next time
            self._disk.rename(name, name.removesuffix(SUFFIX) + DAMAGED)
        return Fault(name, why, "journal_damaged")

    def _shed_damaged(self) -> None:
        """Damaged files are kept for whoever wants to look: the newest of them, within their share of the size."""
        used = 0
        try:
            for name in [name for name in reversed(self._disk.names()) if name.endswith(DAMAGED)]:
                used += self._disk.size(name)
                if used > self._size // DAMAGED_SHARE:
                    self._disk.unlink(name)
        except OSError:
            return  # read-only

    def add(self, segment: Segment) -> None:
        """A closed file, mostly the newest. Files mostly repeat one dictionary: it is kept in memory once."""
        segment.forget_frames()
        alike = (each.dictionary for each in reversed(self.segments) if each.dictionary == segment.dictionary)
        segment.dictionary = next(alike, segment.dictionary)
        insort(self.segments, segment, key=lambda each: age(each.name))

    def bytes_used(self) -> int:
        """Bytes of all closed files."""
        return sum(segment.size for segment in self.segments)

    def holes(self) -> dict[int, RangeSet]:
        """Numbers that lie between others of their line, are not here, and that no record here names."""
        named: dict[int, RangeSet] = {}
        numbers: dict[int, RangeSet] = {}
        for segment in self.segments:
            numbers[segment.line] = numbers.get(segment.line, EMPTY) | segment.numbers
            for line, ranges in segment.named.items():
                named[line] = named.get(line, EMPTY) | ranges
        found = {line: here.holes(1, here.last) - named.get(line, EMPTY) for line, here in numbers.items() if here}
        return {line: missing for line, missing in found.items() if missing}

    def dictionary(self, line: int) -> Dictionary | None:
        """The dictionary of a line; every file of it has a copy, and one is enough."""
        found = (segment.dictionary for segment in self.segments if segment.line == line)
        return next((each for each in found if each is not None), None)

    def read(self, segment: Segment, wanted: RangeSet, most_bytes: int) -> tuple[list[Record], RangeSet]:
        """Records of a file, and numbers that it turned out not to have any more.

        Raises:
            OSError: when the disk refuses now.
        """
        before = segment.numbers
        records = segment.read(wanted, most_bytes)
        if segment not in self._indexed:
            self._indexed.append(segment)
            while len(self._indexed) > _INDEXES_KEPT:
                self._indexed.popleft().forget_frames()
        return records, before - segment.numbers

    def next_change(
        self, settled: Mapping[int, RangeSet], now_ms: int, *, can_thin: bool = True, besides: Segment | None = None
    ) -> Change | None:
        """The mildest way to gain space, prepared; nothing is changed yet. ``besides``: a file to leave alone."""
        unread: set[str] = set()
        while True:
            held = [
                space.Held(
                    each.name,
                    each.line,
                    each.numbers,
                    each.readings if each.name not in unread else EMPTY,
                    each.urgent,
                    each.flood,
                    each.size,
                )
                for each in self.segments
                if each is not besides
            ]
            step = space.next_step(held, settled, can_thin=can_thin)
            if step is None:
                return None
            segment = next(each for each in self.segments if each.name == step.name)
            here = settled.get(segment.line, EMPTY)
            if step.way is Way.FREE:
                return Change(segment, step.way, [], [])
            if step.way is Way.DROP:
                return Change(segment, step.way, self._gaps(segment, here, now_ms), [])
            try:
                records = segment.read(segment.numbers, segment.size)
                break
            except OSError:  # perhaps it can be read again later: nothing of it may go for that before milder ways
                unread.add(step.name)
        if not records:  # nothing of it verifies any more
            return Change(segment, Way.DROP, self._gaps(segment, here, now_ms), [])
        dictionary = self.dictionary(segment.line)
        divided = thin(
            segment.line,
            records,
            dictionary.series if dictionary is not None else [],
            settled=here,
            flood=segment.flood,
            even_flood=step.way is Way.THIN_FLOOD,
            now_ms=now_ms,
        )
        return Change(segment, step.way, divided.summaries, divided.kept)

    def _gaps(self, segment: Segment, settled: RangeSet, now_ms: int) -> list[Body]:
        """Gap records for a file that goes: its own numbers, and what its gap and summary records name."""
        going = dict(segment.named)
        going[segment.line] = going.get(segment.line, EMPTY) | (segment.numbers - settled)
        return [gap for line, numbers in going.items() for gap in gaps(line, numbers, "no_space", now_ms)]

    def carry_out(self, change: Change) -> int:
        """Do it; how many bytes were gained.

        Raises:
            OSError: when the disk refuses; the file is as it was then.
        """
        segment = change.segment
        at = self.segments.index(segment)
        if change.way in (Way.FREE, Way.DROP):
            self._disk.unlink(segment.name)
            self._disk.sync()
            self.files_freed += 1
            del self.segments[at]
            return segment.size
        if change.kept:
            new = replace_thinned(self._disk, segment, change.kept)
            must(new.numbers.covers(RangeSet.from_numbers(each.number for each in change.kept)), "a whole copy")
            new.dictionary = segment.dictionary
            self.segments[at] = new
        else:
            self._disk.unlink(segment.name)
            self._disk.sync()
            del self.segments[at]
        self.files_thinned += 1
        return segment.size - (new.size if change.kept else 0)
