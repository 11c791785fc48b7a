"""The ledger: which numbers the centre holds of each line, and the log of what arrived in which order.

One :meth:`Ledger.take` is one commit: ranges, gaps, dictionaries, events, quarantine and arrival log stand or
fall together, so a receipt can never name what the followers will not see.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec
from haihe_contract.clock import Clock
from haihe_contract.ranges import RangeSet
from haihe_contract.receipt import VERSION, Credit, LineWanted, Receipt
from haihe_contract.restore import StationState
from haihe_contract.wire import CODECS, Batch, encode

from haihe_cloud.database import Connection, Database, select_among
from haihe_cloud.limits import (
    ARRIVALS_KEPT_MS,
    LINES_SHOWN,
    OPENINGS_READ,
    PRUNE_ROWS,
    RECEIPT_LINES,
    RECEIPT_LINES_IN_TURN,
)

from . import events, line_rows, missing, quarantine, states, tally, told, troubles
from .arrival import TIMED, Arrival, ArrivalEntry, LineState, Quarantined, Refusal, StationEvent
from .booking import Booking
from .epoch import ASKED, MADE, Epoch, begin_epoch, epoch_history, not_booked
from .packed import line_of, line_text
from .sheet import Sheet
from .stating import Cursor, in_turn, recent, whole

Wanted = Callable[[str, Sequence[LineState]], list[LineWanted]]
"""What to ask a station for, told what is known of its lines, the one heard last first."""


class Ledger:
    """The centre's book. Any order and any repetition of the same batches leaves the same ranges.

    Args:
        database: where it lives.
        centre: name of this centre; it stands in receipts.
        clock: for the time of issue and the epoch.
    """

    def __init__(self, database: Database, *, centre: str, clock: Clock) -> None:
        self.centre = centre
        self._database = database
        self._clock = clock
        self._arrived = threading.Condition()
        with database.transaction() as connection:
            begin_epoch(connection, clock.now_ms(), MADE)
        self._newest = self._last_position()

    @property
    def epoch(self) -> int:
        """Minted when the ledger was made or restored from a backup; a higher one voids older receipts."""
        return self._one("SELECT value FROM meta WHERE name='epoch'")

    def renew(self, cause: str = ASKED, *, above: int = 0) -> int:
        """Mint a new epoch, after a restore from a backup: stations send again what they still have.

        Args:
            cause: why, one of the words of :mod:`haihe_cloud.ledger.epoch`.
            above: the highest epoch that was seen elsewhere.
        """
        with self._database.transaction() as connection:
            return begin_epoch(connection, self._clock.now_ms(), cause, above=above).epoch

    def epochs(self) -> list[Epoch]:
        """The latest epochs with their causes, newest first."""
        return epoch_history(self._database.connection())

    def not_booked(self, stated: Receipt) -> dict[int, RangeSet]:
        """Numbers per line that a receipt of this epoch names and the ledger does not have."""
        return not_booked(self._database.connection(), stated)

    def take(self, arrivals: Sequence[Arrival], refusals: Sequence[Refusal] = ()) -> int:
        """Book what has been stored, and what went to quarantine, in one commit; wake the followers.

        A batch whose numbers are all held already leaves no entry in the arrival log. One that would tear a
        line into more separate ranges than the limit is not booked: without receipt the station sends it
        again when older numbers have filled the holes.

        Returns:
            How many batches were not booked for that reason.
        """
        deferred = 0
        with self._database.transaction() as connection:
            quarantine.put(connection, refusals, self._clock.now_ms())
            booking = Booking(connection, arrivals)
            for arrival in arrivals:
                booked = booking.book(arrival)
                deferred += not booked
                if arrival.kept:
                    quarantine.tried(connection, arrival, self._clock.now_ms(), booked=booked)
            last = booking.save()
        self._know(last)
        return deferred

    def lines(self, station: str, most: int = LINES_SHOWN) -> list[LineState]:
        """The lines of a station, most recently heard first: the one it writes now stands on top."""
        return self._lines([station], most)[station]

    def stations(self) -> list[str]:
        """Every station of which something was ever taken."""
        rows = self._database.connection().execute("SELECT DISTINCT station FROM line ORDER BY station")
        return [station for (station,) in rows]

    def dictionary(self, station: str, line: int) -> list[str] | None:
        """The series keys of a line by series number, or None when its dictionary has not arrived."""
        row = (
            self._database.connection()
            .execute(
                "SELECT body FROM line JOIN dictionary ON dictionary.id=line.dictionary WHERE station=? AND line=?",
                (station, line_text(line)),
            )
            .fetchone()
        )
        return msgspec.msgpack.decode(row[0], type=list[str]) if row else None

    def dictionaries(self, lines: Iterable[tuple[str, int]]) -> dict[tuple[str, int], list[str]]:
        """The same of many lines, those of which it has arrived."""
        rows = select_among(
            self._database.connection(),
            "SELECT station, line, body FROM line JOIN dictionary ON dictionary.id=line.dictionary"
            " WHERE (station, line) IN (VALUES {})",
            [(station, line_text(line)) for station, line in lines],
        )
        return {(station, line_of(line)): msgspec.msgpack.decode(body, type=list[str]) for station, line, body in rows}

    def heard_of(self, lines: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
        """Those of these lines of which anything is known, volatile ones too."""
        keys = [(station, line_text(line)) for station, line in lines]
        connection = self._database.connection()
        return {
            (station, line_of(line))
            for table in ("line", "volatile_line")
            for station, line in select_among(
                connection,
                f"SELECT station, line FROM {table} WHERE (station, line) IN (VALUES {{}})",  # noqa: S608
                keys,
            )
        }

    def arrivals(self, after: int, most: int = 256) -> list[ArrivalEntry]:
        """Entries of the arrival log behind a position, in order."""
        rows = self._database.connection().execute(
            "SELECT position, station, line, lane, received_ms, data FROM arrival"
            " WHERE position>? ORDER BY position LIMIT ?",
            (after, most),
        )
        return [ArrivalEntry(row[0], row[1], line_of(row[2]), *row[3:]) for row in rows]

    def position(self, follower: str) -> int:
        """How far a follower has come. Asking makes it known, and the log is kept for it from then on."""
        connection = self._database.connection()
        find = "SELECT position FROM follower WHERE name=?"
        row = connection.execute(find, (follower,)).fetchone()
        if row is None:
            with self._database.transaction() as connection:
                connection.execute("INSERT INTO follower VALUES(?, 0) ON CONFLICT DO NOTHING", (follower,))
            row = connection.execute(find, (follower,)).fetchone()
        return int(row[0])

    def advance(self, connection: Connection, follower: str, before: int, after: int) -> bool:
        """Move a follower's cursor, inside the follower's own transaction; False when it is not where it was left."""
        moved = connection.execute(
            "UPDATE follower SET position=? WHERE name=? AND position=?", (after, follower, before)
        )
        return moved.rowcount == 1

    def behind(self) -> dict[str, int]:
        """How many positions each follower has still before it."""
        newest = self._last_position()
        rows = self._database.connection().execute("SELECT name, position FROM follower ORDER BY name")
        return {name: max(0, newest - position) for name, position in rows}

    def receipt(self, station: str) -> Receipt:
        """What the centre can state about a station now: a true subset where it would be too long."""
        return next(self.receipts({station: None}))[0]

    def receipts(
        self,
        turns: Mapping[str, Cursor | None],
        wanted: Wanted = lambda station, lines: [],
        credit: Credit | None = None,
    ) -> Iterator[tuple[Receipt, Cursor | None]]:
        """What the centre can state about some stations now, one after the other.

        Args:
            turns: how far each station has been told of its older lines; None where it need not be.
            wanted: what to ask a station for.
            credit: cap on backlog, if any.

        Yields:
            A receipt, and where the station's turn goes on: with as many older lines as fit, beginning behind those
            that earlier receipts have stated; None when every line was stated.
        """
        epoch, now_ms = self.epoch, self._clock.now_ms()
        known = self._lines([each for each, turn in turns.items() if turn is None], RECEIPT_LINES)
        known |= self._lines([each for each, turn in turns.items() if turn is not None], RECEIPT_LINES_IN_TURN)
        for station, after in turns.items():
            of_station = known[station]
            stated, then = (recent(of_station), None) if after is None else in_turn(of_station, after)
            asked = wanted(station, of_station)
            yield Receipt(VERSION, self.centre, epoch, station, now_ms, stated, credit, asked, list(CODECS)), then

    def receipts_of_all(self, station: str) -> Iterator[Receipt]:
        """Receipts that together state every number of a station that is held or refused, for a way without a link."""
        epoch, now_ms = self.epoch, self._clock.now_ms()  # before the lines: what a restore forgets is not stated
        for stated in whole(self.lines(station, told.ALL_LINES)):
            yield Receipt(VERSION, self.centre, epoch, station, now_ms, stated, codecs=list(CODECS))

    def _lines(self, stations: Sequence[str], most: int) -> dict[str, list[LineState]]:
        if not stations:
            return {}
        connection = self._database.connection()
        lines, previous = line_rows.of_stations(connection, stations, most)
        # A station that restarts every few seconds has openings without end: nearly always these lines tell enough.
        unsure = [each for each in stations if not missing.are_one_journal(lines[each], previous[each])]
        openings = told.openings_of(connection, unsure, max(most, OPENINGS_READ))
        return lines | {each: missing.with_gone(lines[each], openings[each]) for each in unsure}

    def last_heard(self) -> dict[str, int]:
        """When the newest batch or heartbeat of each station came, by the centre's clock."""
        return dict(self._database.connection().execute("SELECT station, received_ms FROM heard").fetchall())

    def heard(self, station: str) -> int | None:
        """When one station was last heard, None for never."""
        row = (
            self._database.connection().execute("SELECT received_ms FROM heard WHERE station=?", (station,)).fetchone()
        )
        return int(row[0]) if row else None

    def events(self, station: str | None, most: int = 200) -> list[StationEvent]:
        """Events, openings, gaps and troubles of one station or of all, latest received first."""
        connection = self._database.connection()
        found = events.recent(connection, station, most)
        found += [troubles.as_event(each) for each in troubles.found(connection, station, most)[:most]]
        return sorted(found, key=lambda event: -event.received_ms)[:most]

    def summaries(self, station: str, series: str, start_ms: int, end_ms: int) -> list[told.KeptSummary]:
        """What is left of blocks that were thinned and touch start <= time < end, in the order of time."""
        return told.summaries(self._database.connection(), station, series, start_ms, end_ms)

    def states(self, station: str) -> list[StationState]:
        """What a new card of that station would have to be told."""
        return states.of_station(self._database.connection(), station)

    def quarantine(self, refusals: Sequence[Refusal]) -> None:
        """Keep messages that were not taken, with the reason. The same bytes again are only counted."""
        with self._database.transaction() as connection:
            quarantine.put(connection, refusals, self._clock.now_ms())

    def quarantined(self, most: int = 200) -> list[Quarantined]:
        """What is in quarantine, latest first."""
        return quarantine.recent(self._database.connection(), most)

    def quarantined_bytes(self, id: int) -> bytes | None:  # noqa: A002
        """The original bytes of one message in quarantine."""
        row = self._database.connection().execute("SELECT data FROM quarantine WHERE id=?", (id,)).fetchone()
        return bytes(row[0]) if row else None

    def quarantine_dropped(self) -> int:
        """How many messages left the quarantine because it was full."""
        return quarantine.dropped(self._database.connection())

    def wait(self, after: int, seconds: float) -> bool:
        """Wait until the log has an entry behind a position; whether it has.

        What this process books is known at once; what others book, when the time is up.
        """
        with self._arrived:
            if self._newest > after or (seconds and self._arrived.wait_for(lambda: self._newest > after, seconds)):
                return True
        newest = self._last_position()
        self._know(newest)
        return newest > after

    def prune(self) -> int:
        """Remove a bounded number of arrivals that all followers have passed and that are old; how many."""
        old = self._database.connection().execute(
            "SELECT position FROM arrival WHERE received_ms<? AND"
            " position<=(SELECT COALESCE(MIN(position), 0) FROM follower) ORDER BY received_ms LIMIT ?",
            (self._clock.now_ms() - ARRIVALS_KEPT_MS, PRUNE_ROWS),
        )
        positions = old.fetchall()
        if positions:
            with self._database.transaction() as connection:
                connection.executemany("DELETE FROM arrival WHERE position=?", positions)
        return len(positions)

    def held(self, station: str, line: int) -> RangeSet:
        """The numbers of a line that are durably in the store."""
        return line_rows.find(self._database.connection(), station, line, 0).held

    def fix_of_line(self, station: str, line: int) -> told.Fix | None:
        """The fix by which the rows of a line get their time, once it is known."""
        return told.fix_of_line(self._database.connection(), station, line)

    def log_timed(self, connection: Connection, batch: Batch, received_ms: int) -> None:
        """Log readings that have got their true time, inside a transaction of the centre's book."""
        hours = Sheet(connection, tally.TALLY)
        tally.put(hours, batch, received_ms)
        hours.save()
        _log_entry(connection, ArrivalEntry(0, batch.station, batch.line, TIMED, received_ms, encode(batch)))

    def log_timed_alone(self, batch: Batch, received_ms: int) -> None:
        """The same in a commit of its own."""
        with self._database.transaction() as connection:
            self.log_timed(connection, batch, received_ms)

    def log_again(self, entries: Mapping[int, ArrivalEntry], refusals: Sequence[Refusal] = ()) -> None:
        """Log entries once more that a follower had set aside, by their number in quarantine, and nothing else.

        They were booked when they came. They leave the quarantine with the commit, and every follower meets them again.

        Args:
            entries: to be logged; their positions are of no account.
            refusals: those that cannot be, and stay.
        """
        with self._database.transaction() as connection:
            quarantine.put(connection, refusals, self._clock.now_ms())
            for number, entry in entries.items():
                _log_entry(connection, entry)
                quarantine.leave(connection, number)

    def _know(self, position: int) -> None:
        with self._arrived:
            if position > self._newest:
                self._newest = position
                self._arrived.notify_all()

    def _last_position(self) -> int:
        return self._one("SELECT value FROM meta WHERE name='arrival'")

    def _one(self, sql: str) -> int:
        return int(self._database.connection().execute(sql).fetchone()[0])


def _log_entry(connection: Connection, entry: ArrivalEntry) -> None:
    """Put one behind the last, inside a transaction of the centre's book."""
    connection.execute("UPDATE meta SET value=value+1 WHERE name='arrival'")
    connection.execute(
        "INSERT INTO arrival(position, station, line, lane, received_ms, data)"
        " VALUES((SELECT value FROM meta WHERE name='arrival'), ?, ?, ?, ?, ?)",
        (entry.station, line_text(entry.line), entry.lane, entry.received_ms, entry.data),
    )
