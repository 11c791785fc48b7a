"""Moving readings into their series once the true time of their boot is known: follower of the centre's own book.

A reading that no trusted clock stamped waits in the untimed table. When opening (which boot) and time-fix (which
offset) of its line are known, whichever came last, the reading is written into its series, an entry of the arrival
log tells the other followers (to alarms it is a late reading), and when that entry is worked off it leaves the
untimed table. A crash between any two only causes a repetition.

The first fix of a boot that arrives is the one for all of its readings, for ever: rows are never keyed again. A
later one is kept and shown.

A month without a clock is moved page by page, each in a commit of its own: the receipts of all other stations wait for
one page and not for the month.
"""

from collections.abc import Callable

from haihe_contract.clock import Clock
from haihe_contract.quality import Grade
from haihe_contract.ranges import RangeSet
from haihe_contract.reading import Reading
from haihe_contract.record import Opened, Readings, Summary, TimeFix
from haihe_contract.record_fault import NUMBER_MAX
from haihe_contract.unfold import unfold
from haihe_contract.wire import Batch

from haihe_cloud.database import CENTRE, Connection
from haihe_cloud.ledger import told
from haihe_cloud.ledger.arrival import TIMED, ArrivalEntry
from haihe_cloud.ledger.follow import ReadFirst
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.ledger.timing import batch_of_readings, batch_of_summaries, timed, timed_summary
from haihe_cloud.store.port import Store

_PAGE = 5000
_UNTIMED = int(Grade.NONE)


class Placing:
    """Follower ``centre``: what it logs is of the centre's own book, so it writes in that book's turn.

    Args:
        store: where readings wait, and where they go.
        ledger: openings, fixes, dictionaries and the log.
        clock: for when a reading got its time.
        touched: told of every station that has new readings.
    """

    name = CENTRE

    def __init__(
        self, store: Store, ledger: Ledger, clock: Clock, touched: Callable[[str], None] = lambda station: None
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._touched = touched
        self._position = -1
        self._moved: dict[int, int] = {}  # for the entry at that position: up to which number of each line

    def handle(self, entry: ArrivalEntry, batch: Batch, connection: Connection) -> None:
        """Move what this batch lets be moved.

        Raises:
            ReadFirst: when it is more than a page; what it holds moves the next page.
            StoreAway: when the store is away; nothing is logged then.
        """
        if entry.position != self._position:
            self._position, self._moved = entry.position, {}
        if entry.lane == TIMED:
            moved = RangeSet.from_numbers(r.number for r in batch.records if isinstance(r.body, Readings))
            if moved:
                self._store.forget_untimed(entry.station, entry.line, moved)
            return
        waiting = []
        for record in batch.records:
            body = record.body
            if type(body) is Readings:  # nearly all
                if body.grade == _UNTIMED:
                    waiting.append(record.number)
            elif isinstance(body, Opened):
                self._place_line(connection, entry.station, entry.line)
            elif isinstance(body, TimeFix):
                self._place_boot(connection, entry, record.number, body.boot)
            elif isinstance(body, Summary):
                self._place_summaries_of(connection, entry, record.number, body.line)
        if waiting:
            fix = told.fix_of_line(connection, entry.station, entry.line)
            if fix is not None:
                self._place_rows(connection, entry.station, entry.line, fix, (waiting[0], waiting[-1]))

    def _place_boot(self, connection: Connection, entry: ArrivalEntry, number: int, boot: str) -> None:
        if told.is_used(connection, entry.station, entry.line, number, boot):  # one of all that a boot may have
            for line in told.lines_of_boot(connection, entry.station, boot):
                self._place_line(connection, entry.station, line)

    def _place_summaries_of(self, connection: Connection, entry: ArrivalEntry, number: int, about: int) -> None:
        fix = told.fix_of_line(connection, entry.station, about)
        if fix is not None:
            kept = told.summaries_of_record(connection, entry.station, entry.line, number)
            self._place_summary(connection, entry.station, [each for each in kept if each.boot_time], fix)

    def _place_line(self, connection: Connection, station: str, line: int) -> None:
        fix = told.fix_of_line(connection, station, line)
        if fix is None:
            return
        self._place_rows(connection, station, line, fix, (1, NUMBER_MAX))
        records: dict[tuple[int, int], list[told.KeptSummary]] = {}
        for kept in told.untimed_summaries(connection, station, line):
            records.setdefault((kept.line, kept.number), []).append(kept)
        for of_record in records.values():
            self._place_summary(connection, station, of_record, fix)

    def _place_rows(
        self, connection: Connection, station: str, line: int, fix: told.Fix, numbers: tuple[int, int]
    ) -> None:
        first, last = numbers
        after = self._moved.get(line, first - 1)
        rows = self._store.untimed(station, _PAGE, line=line, after=after)
        is_whole = len(rows) < _PAGE
        if not is_whole and rows[0].number != rows[-1].number:  # the last record may be cut
            rows = [row for row in rows if row.number != rows[-1].number]
        rows = [row for row in rows if row.number <= last]
        if rows and not is_whole:
            raise ReadFirst(lambda: self._move_page(station, line, fix, rows))
        batch = self._written(station, line, [timed(row, fix) for row in rows])
        if batch is not None:
            self._ledger.log_timed(connection, batch, self._clock.now_ms())
            self._touched(station)

    def _move_page(self, station: str, line: int, fix: told.Fix, rows: list[Reading]) -> None:
        batch = self._written(station, line, [timed(row, fix) for row in rows])
        if batch is not None:
            self._ledger.log_timed_alone(batch, self._clock.now_ms())
            self._touched(station)
        self._moved[line] = rows[-1].number

    def _written(self, station: str, line: int, rows: list[Reading]) -> Batch | None:
        """Write rows into their series; those that the store has taken, None without any."""
        if not rows:
            return None
        refused = {each.reading.number for each in self._store.write({station: rows})}
        good = [row for row in rows if row.number not in refused]  # what no engine takes stays where it is
        return batch_of_readings(station, line, good, self._ledger.dictionary(station, line) or []) if good else None

    def _place_summary(self, connection: Connection, station: str, kept: list[told.KeptSummary], fix: told.Fix) -> None:
        if not kept:
            return
        line, number = kept[0].line, kept[0].number
        placed = [each._replace(summary=timed_summary(each.summary, fix)) for each in kept]
        told.put_placed(connection, station, placed)
        batch = batch_of_summaries(station, line, number, placed, fix.time_ms)
        self._store.write({station: unfold(batch, [])})
        self._ledger.log_timed(connection, batch, self._clock.now_ms())
        self._touched(station)
