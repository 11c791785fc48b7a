"""Looking into a journal that somebody else may be writing: nothing is locked, made, renamed or removed."""

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from haihe_contract.record import Dictionary, Record

from .archive import DAMAGED, attributed
from .disk import Disk, shown
from .extent import Extent, extents_of
from .segment import SUFFIX, Frame, Segment, SegmentDamaged, age


class Passed(NamedTuple):
    """A file of the folder that could not be used, and why."""

    name: str
    why: str


class Look:
    """What the files of a journal hold at this moment, oldest first.

    Args:
        disk: where they lie; only read from.

    Raises:
        OSError: when the folder itself cannot be read.
    """

    def __init__(self, disk: Disk) -> None:
        self.segments: list[Segment] = []
        self.passed: list[Passed] = []
        self._disk = disk
        for name in sorted(disk.names(), key=age):
            if name.endswith(DAMAGED):
                self._pass(name, "it was set aside")
            if not name.endswith(SUFFIX):
                continue
            try:
                segment = attributed(disk, name)
            except FileNotFoundError:
                continue  # freed just now
            except (SegmentDamaged, ValueError) as error:
                self._pass(name, str(error))
            except OSError as error:
                self._pass(name, error.strerror or str(error))
            else:
                segment.forget_frames()
                self.segments.append(segment)

    def _pass(self, name: str, why: str) -> None:
        self.passed.append(Passed(shown(name), why))

    def groups(self, segment: Segment) -> Iterator[tuple[Frame, list[Record]]]:
        """The commit groups of a file, as far as they verify; none when it has gone since."""
        try:
            yield from segment.groups()
        except FileNotFoundError:
            return
        except OSError as error:
            self._pass(segment.name, error.strerror or str(error))

    def durable_groups(self, segment: Segment) -> Iterator[tuple[Frame, list[Record]]]:
        """The same; what an agent has written and not synced yet is durable before any of it is given."""
        groups = self.groups(segment)
        first = next(groups, None)  # with it the whole file was read
        if first is None:
            return
        if not segment.sealed:
            with suppress(OSError):  # a card that can only be read, or has gone: there is nothing else to be had of it
                self._disk.settle(segment.name)
        yield first
        yield from groups

    def has(self, segment: Segment) -> bool:
        """Whether the file is still there as a whole: an agent frees and thins files while others look."""
        try:
            return self._disk.size(segment.name) >= segment.size
        except OSError:
            return False

    def extents(self) -> list[Extent]:
        """What is here of every line, oldest line first."""
        return extents_of(self.segments)

    def dictionary(self, line: int) -> Dictionary | None:
        """The dictionary of a line; every file of it has a copy, and one is enough."""
        found = (segment.dictionary for segment in self.segments if segment.line == line)
        return next((each for each in found if each is not None), None)

    def series(self, line: int) -> list[str]:
        """Series keys of a line by number."""
        found = self.dictionary(line)
        return found.series if found is not None else []
