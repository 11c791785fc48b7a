"""When the boots of this station were, as far as trusted moments before, in and after them tell. Pure.

A boot is known by its id; inside it only its milliseconds count. A trusted moment fixes it: UTC = milliseconds of the
boot + offset. One without any lies between its neighbours, because boots follow each other: it began after the last
trusted moment before it, and was over when the next fixed boot began. Crystals drift, so every bound gives way by
``DRIFT`` of the time it is carried over.
"""

from collections.abc import Sequence

import msgspec
from haihe_contract.quality import Grade
from haihe_contract.record import TimeFix

DRIFT = 1e-4
"""100 parts in a million: more than the crystals of small computers are off, hot or cold."""
AGAIN_MS = 600_000
"""A boot that goes on losing its clock is fixed again no more often than this."""
BOOTS_MAX = 200
_SHARE = 2
"""A fix is worth another record when its error is so many times smaller."""


class Boot(msgspec.Struct):
    """What is known of one boot.

    Args:
        boot: its id.
        line: the newest line of the journal that was written in it.
        last_ms: the newest of its milliseconds that is known of.
        untimed: first and last of its milliseconds that something was recorded at without a trusted clock.
        began_by: UTC by which it had surely begun, None while nothing trusted was met in it.
        alive_at: UTC at which it was surely still running, at ``last_ms`` or before.
        fix: the best moment met in it for its untimed readings: its millisecond, offset, error and grade.
        said: error of the fix that was recorded, and the millisecond up to which it was meant.
    """

    boot: str
    line: int = 0
    last_ms: int = 0
    untimed: tuple[int, int] | None = None
    began_by: int | None = None
    alive_at: int | None = None
    fix: tuple[int, int, int, int] | None = None
    said: tuple[int, int] | None = None


class Boots:
    """The boots of a station up to this one.

    Args:
        known: earlier ones, oldest first, perhaps this one too.
        boot: id of this one.
    """

    def __init__(self, known: Sequence[Boot], boot: str) -> None:
        earlier = [each for each in known if each.boot != boot]
        self.all = earlier[_anchor(earlier) :][-BOOTS_MAX:]
        self.this = next((each for each in known if each.boot == boot), Boot(boot))
        self.all.append(self.this)

    def ended(self, line: int, boot_ms: int) -> None:
        """The journal was committed to at that millisecond of the boot that wrote this line; the clock had no time."""
        for each in self.all:
            if each.line == line and line:
                first, last = each.untimed or (0, boot_ms)  # since when is not known: the worst is taken
                each.untimed = (first, max(last, boot_ms))
                each.last_ms = max(each.last_ms, boot_ms)

    def passed(self, boot_ms: int) -> None:
        """This boot has come so far."""
        self.this.last_ms = max(self.this.last_ms, boot_ms)

    def untimed(self, boot_ms: int) -> None:
        """Something was recorded at that millisecond without a trusted clock."""
        first, last = self.this.untimed or (boot_ms, boot_ms)
        self.this.untimed = (min(first, boot_ms), max(last, boot_ms))
        self.passed(boot_ms)

    def fixed(self, boot_ms: int, utc_ms: int, error_ms: int, grade: Grade) -> None:
        """A moment of this boot is known.

        Args:
            boot_ms: its millisecond.
            utc_ms: its true time.
            error_ms: by how much that may be wrong.
            grade: of the source. What nobody checked says nothing of other boots.
        """
        this = self.this
        self.passed(boot_ms)
        if grade > Grade.SYSTEM:
            began_by = utc_ms + error_ms - int(boot_ms * (1 - DRIFT))
            this.began_by = began_by if this.began_by is None else min(this.began_by, began_by)
            this.alive_at = max(this.alive_at or 0, utc_ms - error_ms)
        if this.untimed is None:
            return
        moment = (boot_ms, utc_ms - boot_ms, error_ms, int(grade))
        if this.fix is None or _carried(moment, this.untimed) < _carried(this.fix, this.untimed):
            this.fix = moment

    def due(self, time_ms: int) -> list[TimeFix]:
        """Fixes that are worth a record now; they count as said.

        Args:
            time_ms: for the records.
        """
        bounds = self.bounds()
        found = []
        for at, boot in enumerate(self.all):
            if boot.untimed is None:
                continue
            fix = None
            if boot.fix is not None:
                fix = (boot.fix[1], _carried(boot.fix, boot.untimed), boot.fix[3])
            if at in bounds:  # only a clock that nobody checked may speak against that
                low, high = bounds[at]
                bounded = ((low + high) // 2, (high - low + 1) // 2, int(Grade.BOUNDED))
                fix = bounded if fix is None or bounded[1] < fix[1] else fix
            if fix is not None and self._worth(boot, fix[1]):
                boot.said = (fix[1], boot.last_ms)
                found.append(TimeFix(boot.boot, fix[0], fix[1], fix[2], time_ms))
        return found

    def _worth(self, boot: Boot, error_ms: int) -> bool:
        if boot.said is None or error_ms * _SHARE <= boot.said[0]:
            return True
        missed = boot.untimed is not None and boot.untimed[1] > boot.said[1]
        return missed and boot.last_ms - boot.said[1] >= AGAIN_MS

    def bounds(self) -> dict[int, tuple[int, int]]:
        """Least and greatest offset of each boot without a trusted moment of its own, by its place in the list."""
        lowest: dict[int, int] = {}
        low: int | None = None
        for at, boot in enumerate(self.all):
            if boot.alive_at is not None:
                low = boot.alive_at
            elif low is not None:
                lowest[at] = low - int(boot.last_ms * DRIFT) - 1
                low += int(boot.last_ms * (1 - DRIFT))
        found: dict[int, tuple[int, int]] = {}
        high: int | None = None
        for at in range(len(self.all) - 1, -1, -1):
            boot = self.all[at]
            if boot.began_by is not None:
                high = boot.began_by
            elif high is not None:
                highest = high - boot.last_ms + int(boot.last_ms * DRIFT) + 1
                if at in lowest and lowest[at] <= highest:  # else one of the clocks that were trusted was wrong
                    found[at] = (lowest[at], highest)
                high -= int(boot.last_ms * (1 - DRIFT))
        return found


def _anchor(boots: Sequence[Boot]) -> int:
    """The boot from which on they must be remembered: a fixed one.

    What lies before it was said when it was fixed, and can never become better: unless the power went before that
    was durable.
    """
    anchor, is_fixed = 0, False
    for at, boot in enumerate(boots):
        if boot.alive_at is not None:
            anchor, is_fixed = at, True
        if is_fixed and boot.untimed is not None and boot.said is None:
            break
    return anchor


def _carried(moment: tuple[int, int, int, int], untimed: tuple[int, int]) -> int:
    """By how much a moment's offset may be wrong anywhere in that stretch of its boot."""
    boot_ms, _, error_ms, _ = moment
    return error_ms + int(max(abs(boot_ms - each) for each in untimed) * DRIFT) + 1
