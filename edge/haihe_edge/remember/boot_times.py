"""The true time of this boot and of earlier ones, recorded once it is known: :mod:`haihe_edge.clock.boots` decides."""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from operator import itemgetter
from pathlib import Path

from haihe_contract.quality import Grade
from haihe_contract.receipt import Receipt
from haihe_contract.record import Record, TimeFix
from msgspec.structs import replace

from haihe_edge.clock.boots import Boot, Boots
from haihe_edge.clock.stamping import StationClock
from haihe_edge.clock.trust import BUILT_MS
from haihe_edge.kept import Kept

FILE = "boots.json"
LOOK_S = 10.0
SAVE_MS = 900_000
"""Only to remember how long a boot has lasted is not worth a block of the card more often."""
_COMMITS_KEPT = 4096


class BootTimes:
    """Remembers over restarts when boots were, and records what becomes known.

    Args:
        directory: of the journal.
        boot: id of this boot.
        clock: that readings are stamped with.
    """

    def __init__(self, directory: Path, boot: str, clock: StationClock) -> None:
        self._kept = Kept(directory / FILE, list[Boot])
        known: list[Boot] = []
        self.trouble = ""
        try:
            known = self._kept.load() or []
        except (OSError, ValueError) as error:
            self.trouble = str(error)  # earlier boots keep their milliseconds, that is all
        self._boots = Boots(known, boot)
        self._clock = clock
        self._commits: deque[tuple[int, int]] = deque(maxlen=_COMMITS_KEPT)
        self._saved_ms: int | None = None
        self._unsure: dict[str, int] = {}
        """By boot: number of its newest fix, as long as that is not durable."""

    def ended(self, line: int, last_ms: int) -> None:
        """The journal's last commit in an earlier line: milliseconds of its boot, if its clock was not trusted."""
        if last_ms < BUILT_MS:
            self._boots.ended(line, last_ms)

    def began(self, line: int, head: int) -> None:
        """This boot writes that line, and what is durable of it up to that number can leave from now on."""
        monotonic = self._clock.monotonic_ms()
        self._boots.this.line = line
        self._commits.append((head, monotonic))
        self.saw(self._clock.grade(), monotonic)

    def saw(self, grade: Grade, monotonic_ms: int) -> None:
        """Something was recorded; nearly free where the clock is trusted."""
        if grade is Grade.NONE:
            self._boots.untimed(monotonic_ms)

    def committed(self, records: Sequence[Record]) -> None:
        """These records can leave from now on, and could not before."""
        self._commits.append((max(record.number for record in records), self._clock.monotonic_ms()))
        if self._unsure:
            durable = {record.number for record in records}
            unsure = {boot: number for boot, number in self._unsure.items() if number not in durable}
            if len(unsure) < len(self._unsure):
                self._unsure, self._saved_ms = unsure, None

    def heard(self, receipt: Receipt) -> None:
        """A receipt bounds the time: it was signed after what it covers had become durable, and before it came."""
        now = self._clock.monotonic_ms()
        numbers = receipt.settled().get(self._boots.this.line)
        if not numbers:
            return
        at = bisect_left(self._commits, numbers.last, key=itemgetter(0))
        remembered = at > 0 or len(self._commits) < _COMMITS_KEPT
        if at < len(self._commits) and remembered:
            self._clock.trust.saw_centre(receipt.issued_ms, self._commits[at][1], now)

    def look(self, record: Callable[[TimeFix], int]) -> None:
        """Record what has become known; ``record`` tells the number that it gave."""
        monotonic, known = self._clock.moment()
        self._boots.passed(monotonic)
        if known is not None:
            self._boots.fixed(monotonic, known.utc_ms, known.error_ms, known.grade)
        for fix in self._boots.due(self._clock.now_ms()):
            self._unsure[fix.boot] = record(fix)

    def save(self) -> None:
        """Keep what is known: at once when a fix has become durable, else now and then.

        Raises:
            OSError: when the disk refuses.
        """
        now = self._clock.monotonic_ms()
        if self._saved_ms is None or now - self._saved_ms >= SAVE_MS:
            self.save_now()

    def save_now(self) -> None:
        """Keep what is known; a fix that a power cut may still take does not count as said, and is said again.

        Raises:
            OSError: when the disk refuses.
        """
        self._kept.save([replace(each, said=None) if each.boot in self._unsure else each for each in self._boots.all])
        self._saved_ms = self._clock.monotonic_ms()
