"""When boots of the stations really were, and what the stations have said of them, by the world's own clock."""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import NamedTuple

from haihe_contract.quality import Grade
from haihe_contract.record import Body, Opened, Readings, TimeFix

Boot = tuple[str, str]
"""Station and id of the boot."""
REMEMBERED_MS = 1_800_000
"""A boot that has gone without a clock for so long has written down that it had none."""


class Fix(NamedTuple):
    """A time-fix record.

    Args:
        line: of the record.
        number: of the record.
        offset_ms: what is added to the milliseconds of its boot.
        grade: of the readings that get their time by it.
    """

    line: int
    number: int
    offset_ms: int
    grade: int


class Times:
    """The true time of everything.

    Args:
        truth_ms: what it is now.
    """

    def __init__(self, truth_ms: Callable[[], int]) -> None:
        self.fixes: dict[Boot, list[Fix]] = defaultdict(list)
        self.hits: Counter[str] = Counter()
        self._truth_ms = truth_ms
        self._began_ms: dict[Boot, int] = {}
        self._boots: dict[tuple[str, int], str] = {}
        self._untimed: dict[Boot, tuple[int, int]] = {}
        """First and last of its milliseconds at which something was measured without a clock."""
        self._trusting: set[Boot] = set()
        """Boots in which a clock counted as right."""
        self._disturbed: set[str] = set()
        """Stations that have had another card: what it remembers of boots is of another time."""
        self._durable: set[Boot] = set()
        """Boots of which it is durable when they were."""
        self._misled: set[Boot] = set()
        """Boots in which a clock that counted as right was wrong."""

    def begins(self, boot: Boot) -> None:
        """A machine starts."""
        self._began_ms[boot] = self._truth_ms()

    def clock_read(self, boot: Boot, now_ms: int) -> None:
        """An agent looks at a clock that counts as right."""
        self._trusting.add(boot)
        if now_ms != self._truth_ms():
            self._misled.add(boot)

    def disturbed(self, station: str) -> None:
        """A card was copied or put in."""
        self._disturbed.add(station)

    def appended(self, boot: Boot, line: int, number: int, body: Body) -> str:
        """A record is made in a boot; what it says wrongly of the time, empty if nothing."""
        station = boot[0]
        if isinstance(body, Readings):
            if body.grade == Grade.NONE:
                first, _ = self._untimed.get(boot, (body.time_ms, 0))
                self._untimed[boot] = (first, body.time_ms)
                if body.time_ms != self._truth_ms() - self._began_ms[boot]:
                    return f"number {number} is stamped with {body.time_ms} ms of boot {boot[1]}"
        elif isinstance(body, Opened):
            self._boots[station, line] = body.boot
        elif isinstance(body, TimeFix):
            boot = (station, body.boot)
            self.fixes[boot].append(Fix(line, number, body.offset_ms, body.grade))
            if boot not in self._began_ms:
                return f"a time is said of boot {body.boot}, which never was"
            off_ms = body.offset_ms - self._began_ms[boot]
            self.hits["time of a boot before" if body.grade == Grade.BOUNDED else "time of this boot"] += 1
            if abs(off_ms) > body.error_ms and not self._was_misled(boot, body.grade):
                return f"boot {body.boot} is said to be off by {body.error_ms} ms at most, and is by {off_ms}"
        return ""

    def _was_misled(self, boot: Boot, grade: int) -> bool:
        if grade == Grade.BOUNDED:  # it rests on the clocks of boots before and after
            return any(station == boot[0] for station, _ in self._misled)
        return boot in self._misled

    def committed(self, station: str, body: Body) -> None:
        """A record is durable."""
        if isinstance(body, TimeFix):
            self._durable.add((station, body.boot))

    def boot_of(self, station: str, line: int) -> Boot:
        """In which a line was written."""
        return station, self._boots.get((station, line), "")

    def of_line(self, station: str, line: int) -> list[Fix]:
        """What was said of the boot in which a line was written."""
        return self.fixes.get(self.boot_of(station, line), [])

    def unsaid(self, boot: Boot) -> bool:
        """Whether a boot has readings without a time, and nothing durable says when it was."""
        return boot in self._untimed and boot not in self._durable

    def unbounded(self, station: str) -> str:
        """A boot of which nothing is said though the clocks of boots before and after it were right; empty for none."""
        if station in self._disturbed or any(misled[0] == station for misled in self._misled):
            return ""
        boots = [boot for boot in self._began_ms if boot[0] == station]
        for at, boot in enumerate(boots):
            first, last = self._untimed.get(boot, (0, 0))
            between = not self._trusting.isdisjoint(boots[:at]) and not self._trusting.isdisjoint(boots[at + 1 :])
            if between and last - first >= REMEMBERED_MS and boot not in self._durable:
                return boot[1]
        return ""
