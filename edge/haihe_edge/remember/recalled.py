"""What is missed of the series that instruments remember; :mod:`haihe_edge.acquire.memory.missed` decides."""

from haihe_contract.quality import Grade, Reason, unmark
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Readings

from haihe_edge.acquire import Known, Missed, Watched
from haihe_edge.journal import Journal
from haihe_edge.kept import Kept
from haihe_edge.site import Site

FILE = "memories.json"
TAIL_RECORDS_MAX = 2000
"""Records at the end of the journal that are looked through at the start. The file is written again before half as
many have come: each writing wears the card."""


class Recalled:
    """What is missed, from file and journal.

    Args:
        site: the station.
        journal: opened; what it ends with is newer than the file.
    """

    def __init__(self, site: Site, journal: Journal) -> None:
        watched = watched_series(site)
        self._keys = {number: site.series[number].key for number in watched}
        self._kept = Kept(site.journal.directory / FILE, dict[str, Known])
        self._journal = journal
        self._due: tuple[int, dict[str, Known]] | None = None
        self._saved: int | None = None
        self.trouble = ""
        known: dict[str, Known] = {}
        if watched:
            try:
                known = self._kept.load() or {}
            except (OSError, ValueError) as error:
                self.trouble = str(error)
        self.missed = Missed(watched, {number: known[key] for number, key in self._keys.items() if key in known})
        if watched:
            self._replay()

    def _replay(self) -> None:
        """What was journaled after the file was last written is not missed, and not to be read again."""
        left = TAIL_RECORDS_MAX
        tails: list[tuple[int, RangeSet]] = []
        for extent in reversed(self._journal.extents()):
            if extent.line != self._journal.line and left > 0:
                tail = extent.numbers & RangeSet.of((max(1, extent.last - left + 1), extent.last))
                tails.append((extent.line, tail))
                left -= tail.count()
        try:
            for line, numbers in reversed(tails):
                self._replay_line(line, numbers)
        except OSError as error:
            self.trouble = str(error)

    def _replay_line(self, line: int, wanted: RangeSet) -> None:
        dictionary = self._journal.dictionary(line)
        if dictionary is None:
            return
        numbers = {key: number for number, key in self._keys.items()}
        ours = {place: numbers[key] for place, key in enumerate(dictionary.series) if key in numbers}
        while records := self._journal.read(line, wanted):
            for record in records:
                if isinstance(record.body, Readings) and record.body.grade != Grade.NONE:
                    self._see(record.body, ours)
            wanted -= RangeSet.from_numbers(record.number for record in records)

    def _see(self, body: Readings, ours: dict[int, int]) -> None:
        for place, series in enumerate(body.series):
            if series not in ours:
                continue
            _, reasons = unmark(body.marks[place]) if body.marks else (0, Reason.NONE)
            if Reason.FROM_MEMORY in reasons:
                self.missed.take(ours[series], body.time_ms)
            elif body.values[place] is not None:
                self.missed.see(ours[series], body.time_ms)

    def note(self) -> None:
        """Remember what is known now, for :meth:`save`, when it is time to. Called on the event loop."""
        if not self._keys or self._due is not None:
            return
        appended = self._journal.appended
        if self._saved is None or appended - self._saved >= TAIL_RECORDS_MAX // 2:
            self._due = appended, self._known()

    def save(self) -> None:
        """Write what was noted, once the journal holds all of it.

        The file never says more than the journal: after a power cut something may be looked for again, and
        nothing is taken for known that is lost.

        Raises:
            OSError: when the disk refuses.
        """
        if self._due is not None and self._journal.durable >= self._due[0]:
            self._kept.save(self._due[1])
            self._saved, self._due = self._due[0], None

    def close(self) -> None:
        """Write all, after the journal was closed in order.

        Raises:
            OSError: when the disk refuses.
        """
        if self._keys and not self._journal.waiting:
            self._kept.save(self._known())

    def _known(self) -> dict[str, Known]:
        return {self._keys[number]: known for number, known in self.missed.known().items()}


def watched_series(site: Site) -> dict[int, Watched]:
    """The series that instruments of the site remember, by number."""
    return {
        number: Watched(site.series[number].period_ms, number in recall.own)
        for instrument in site.instruments
        for recall in instrument.recalls
        for number in recall.numbers
    }
