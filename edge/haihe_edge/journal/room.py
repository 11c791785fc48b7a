"""Making room on the disk: first it is said what goes, durably, and then it goes.

After a power cut in between the records are still there, and the centre takes what it gets over what was said.
"""

import errno
from collections.abc import Callable, Mapping, Sequence

from haihe_contract.clock import Clock
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Body, Record

from .archive import Archive, Change
from .reserve import Reserve
from .space import Way
from .tail import Tail

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What a disk says that has no space for us."""


class Room:
    """Carries out what :mod:`.space` decides, one change after the other; one that failed is gone on with.

    Args:
        archive: the closed files.
        tail: the open one.
        reserve: bytes kept back.
        clock: for the records that name what goes.
    """

    def __init__(self, archive: Archive, tail: Tail, reserve: Reserve, clock: Clock) -> None:
        self.ahead: list[Record] = []
        """Records that must be durable before the change that is due; they have their numbers already."""
        self._due: Change | None = None
        self._first: Change | None = None
        """What goes before its record is durable, because not even that fits; like the other it is gone on with."""
        self._can_thin = True
        self._archive, self._tail, self._reserve, self._clock = archive, tail, reserve, clock

    def make(
        self,
        excess: int,
        settled: Mapping[int, RangeSet],
        *,
        disk_full: bool,
        number: Callable[[Sequence[Body]], list[Record]],
        say: Callable[[list[Record]], None],
    ) -> None:
        """Gain so many bytes, or all that can be gained.

        Args:
            excess: bytes too many.
            settled: numbers per line that all required centres hold.
            disk_full: whether the disk has just said so.
            number: gives records their numbers.
            say: makes records durable.

        Raises:
            OSError: when the disk refuses.
        """
        if disk_full:
            excess = max(excess, self._owed(settled))
        else:
            self._can_thin = True
        while self._due is not None or excess > 0:
            change = self._due or self._archive.next_change(settled, self._clock.now_ms(), can_thin=self._can_thin)
            if change is None:
                return
            if self._due is None:
                self._due, self.ahead = change, number(change.bodies)
            if self.ahead:
                self._say(change, settled, number, say, disk_full=disk_full)
            self._let_first_go()
            excess -= self._carry_out(change)
            self._due = None

    def _owed(self, settled: Mapping[int, RangeSet]) -> int:
        """Bytes for a disk that others have filled: a file; of little only what the centres hold, or the reserve."""
        if self._archive.bytes_used() > self._tail.segment_bytes:
            return self._tail.segment_bytes
        change = self._archive.next_change(settled, self._clock.now_ms(), can_thin=False)
        if change is not None and change.way is Way.FREE:
            return change.segment.size
        self._reserve.use()
        return 0

    def _say(
        self,
        change: Change,
        settled: Mapping[int, RangeSet],
        number: Callable[[Sequence[Body]], list[Record]],
        say: Callable[[list[Record]], None],
        *,
        disk_full: bool,
    ) -> None:
        if disk_full:
            self._reserve.use()
        try:
            say(self.ahead)
        except OSError as error:
            self._tail.abandon()
            if error.errno not in FULL:
                raise
            if self._first is None:
                now_ms = self._clock.now_ms()
                first = self._archive.next_change(settled, now_ms, can_thin=False, besides=change.segment)
                if first is None:
                    raise
                self._first = first
                self.ahead += number(first.bodies)
            self._let_first_go()
            say(self.ahead)
        self.ahead = []

    def _let_first_go(self) -> None:
        if self._first is not None:
            self._archive.carry_out(self._first)
            self._first = None

    def _carry_out(self, change: Change) -> int:
        try:
            return self._archive.carry_out(change)
        except OSError as error:
            if change.way in (Way.DROP, Way.FREE) or error.errno not in FULL:
                raise
            self._can_thin = False  # no room for the copy: whole files must go
            return 0
