"""The ledger: which numbers the centre holds of each line, and the log of what arrived in which order.

One :meth:`Ledger.take` is one commit: ranges, gaps, dictionaries, events, quarantine and arrival log stand or
fall together, so a receipt can never name what the followers will not see.
"""

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
from haihe_contract.clock import Clock
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.receipt import VERSION, Credit, LineHeld, LineWanted, Receipt
from haihe_contract.record import Dictionary, Event, Gap, Opened, Readings, Record, Summary
from haihe_contract.wire import CODECS, Batch, encode

from haihe_cloud.database import Connection, Database
from haihe_cloud.limits import (
    ARRIVALS_KEPT_MS,
    LINE_RANGES,
    LINES_SHOWN,
    PRUNE_ROWS,
    RECEIPT_LINES,
    RECEIPT_LINES_IN_TURN,
)

from . import contents, events, line_rows, missing, quarantine, states, tally, told, troubles
from .arrival import TIMED, Arrival, ArrivalEntry, LineState, Quarantined, Refusal, StationEvent
from .epoch import ASKED, MADE, Epoch, begin_epoch, epoch_history, not_booked
from .lines import CLOCK_WAS_WRONG_MS, Addition, add, pieces
from .packed import line_of, line_text
from .states import StationState
from .stating import Cursor, in_turn, recent

Wanted = Callable[[Sequence[LineState]], list[LineWanted]]
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
        newest = deferred = 0
        eventful: set[str] = set()
        with self._database.transaction() as connection:
            quarantine.put(connection, refusals, self._clock.now_ms())
            last = self._last_position()
            for arrival in arrivals:
                position = self._book(connection, arrival, eventful, max(last, newest) + 1)
                if position is None:
                    deferred += 1
                else:
                    newest = max(newest, position)
                if arrival.kept:
                    quarantine.tried(connection, arrival, self._clock.now_ms(), booked=position is not None)
            events.trim(connection, eventful)
            if newest:
                connection.execute("UPDATE meta SET value=? WHERE name='arrival'", (newest,))
        self._know(newest)
        return deferred

    def lines(self, station: str, most: int = LINES_SHOWN) -> list[LineState]:
        """The lines of a station, most recently heard first: the one it writes now stands on top."""
        connection = self._database.connection()
        lines = line_rows.of_station(connection, station, most)
        return missing.with_gone(lines, told.openings(connection, station))

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

    def advance(self, connection: Connection, follower: str, position: int) -> None:
        """Move a follower's cursor, inside the follower's own transaction."""
        connection.execute(
            "INSERT INTO follower VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET position=excluded.position",
            (follower, position),
        )

    def behind(self) -> dict[str, int]:
        """How many positions each follower has still before it."""
        newest = self._last_position()
        rows = self._database.connection().execute("SELECT name, position FROM follower ORDER BY name")
        return {name: max(0, newest - position) for name, position in rows}

    def receipt(self, station: str, wanted: Wanted = lambda lines: [], credit: Credit | None = None) -> Receipt:
        """What the centre can state about a station now: a true subset where it would be too long.

        Args:
            station: whose.
            wanted: what to ask the station for, told what is known of its lines, the one heard last first.
            credit: cap on backlog, if any.
        """
        known = self.lines(station, RECEIPT_LINES)
        return self._receipt(station, recent(known), wanted(known), credit)

    def receipt_in_turn(
        self, station: str, after: Cursor, wanted: Wanted = lambda lines: [], credit: Credit | None = None
    ) -> tuple[Receipt, Cursor | None]:
        """The same with as many older lines as fit, beginning behind those that earlier receipts have stated.

        Returns:
            The receipt, and where to go on; None when every line was stated.
        """
        known = self.lines(station, RECEIPT_LINES_IN_TURN)
        lines, then = in_turn(known, after)
        return self._receipt(station, lines, wanted(known), credit), then

    def _receipt(self, station: str, lines: list[LineHeld], wanted: list[LineWanted], credit: Credit | None) -> Receipt:
        now_ms = self._clock.now_ms()
        return Receipt(VERSION, self.centre, self.epoch, station, now_ms, lines, credit, wanted, list(CODECS))

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
        found += [troubles.as_event(each) for each in troubles.found(connection, station)[:most]]
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
            if self._arrived.wait_for(lambda: self._newest > after, seconds):
                return True
        newest = self._last_position()
        self._know(newest)
        return newest > after

    def prune(self) -> int:
        """Remove a bounded number of arrivals that all followers have passed and that are old; how many."""
        with self._database.transaction() as connection:
            return connection.execute(
                "DELETE FROM arrival WHERE position IN (SELECT position FROM arrival WHERE received_ms<? AND"
                " position<=(SELECT COALESCE(MIN(position), 0) FROM follower) ORDER BY position LIMIT ?)",
                (self._clock.now_ms() - ARRIVALS_KEPT_MS, PRUNE_ROWS),
            ).rowcount

    def contradicted(self, batch: Batch, earlier: Mapping[int, Record]) -> RangeSet:
        """Numbers of a batch that are held, or have come earlier in the round (by number), with another content."""
        connection = self._database.connection()
        held = line_rows.find(connection, batch.station, batch.line, 0).held
        return contents.contradicted(connection, batch, held, earlier)

    def held(self, station: str, line: int) -> RangeSet:
        """The numbers of a line that are durably in the store."""
        return line_rows.find(self._database.connection(), station, line, 0).held

    def fix_of_line(self, station: str, line: int) -> told.Fix | None:
        """The fix by which the rows of a line get their time, once it is known."""
        return told.fix_of_line(self._database.connection(), station, line)

    def log_timed(self, connection: Connection, batch: Batch, received_ms: int) -> None:
        """Log readings that have got their true time, inside a transaction of the centre's book."""
        tally.put(connection, batch, RangeSet.from_numbers(record.number for record in batch.records), received_ms)
        connection.execute("UPDATE meta SET value=value+1 WHERE name='arrival'")
        connection.execute(
            "INSERT INTO arrival(position, station, line, lane, received_ms, data)"
            " VALUES((SELECT value FROM meta WHERE name='arrival'), ?, ?, ?, ?, ?)",
            (batch.station, line_text(batch.line), TIMED, received_ms, encode(batch)),
        )

    def without_conflicts(self, batch: Batch) -> Batch:
        """The batch without records whose number is held with another content."""
        return contents.without_conflicts(self._database.connection(), batch)

    def _book(self, connection: Connection, arrival: Arrival, eventful: set[str], position: int) -> int | None:
        """Book one arrival; the position when it has taken it, 0 when it needs none, None when it must wait."""
        envelope, batch, now_ms = arrival.envelope, arrival.batch, arrival.received_ms
        station, line = envelope.station, envelope.line
        held = envelope.numbers - arrival.refused
        before = line_rows.find(connection, station, line, now_ms)
        heard_ms = _heard_ms(before, arrival)
        after = add(before, Addition(station, line, heard_ms, envelope.head, envelope.tail, held, arrival.refused))
        too_many = pieces(after) > LINE_RANGES and pieces(after) > pieces(before)
        if too_many:
            after = add(before, Addition(station, line, heard_ms, envelope.head, envelope.tail))
        if not envelope.volatile:  # nobody keeps a ledger of what was never durable at the station
            line_rows.save(connection, after)
        if not arrival.kept:
            connection.execute(
                "INSERT INTO heard VALUES(?, ?) ON CONFLICT(station) DO UPDATE SET"
                " received_ms=excluded.received_ms WHERE excluded.received_ms>heard.received_ms"
                " OR heard.received_ms-excluded.received_ms>?",
                (station, now_ms, CLOCK_WAS_WRONG_MS),
            )
        if too_many:
            return None
        series = self._learn(connection, arrival)
        if envelope.volatile:
            told.note_volatile(connection, station, line, now_ms)
            stated = EMPTY  # it explains nothing of the journal
        else:
            stated = held - contents.book(connection, batch, held - before.held, held & before.held, now_ms)
        told.put(connection, batch, stated, now_ms)
        tally.put(connection, batch, stated, now_ms)
        # A record that is refused for a value in it still says rightly which numbers are gone.
        for more in _told(batch, EMPTY if envelope.volatile else envelope.numbers, now_ms):
            other = line_rows.find(connection, station, more.line, now_ms)
            state = add(other, more._replace(received_ms=_heard_ms(other, arrival)))
            if pieces(state) <= LINE_RANGES:  # else the numbers stay missing, and the event still names them
                line_rows.save(connection, state)
        if events.put(connection, arrival, series):
            eventful.add(station)
        states.put(connection, arrival, held - before.held)
        if not batch.records or (before.held.covers(held) and not arrival.kept):
            return 0
        connection.execute(
            "INSERT INTO arrival(position, station, line, lane, received_ms, data) VALUES(?, ?, ?, ?, ?, ?)",
            (position, station, line_text(line), envelope.lane, now_ms, arrival.data),
        )
        return position

    def _learn(self, connection: Connection, arrival: Arrival) -> list[str]:
        """Keep the dictionary that the batch brings; the one that holds for its line now, where the batch needs it."""
        station, line = arrival.envelope.station, arrival.envelope.line
        if not any(isinstance(record.body, Dictionary | Event) for record in arrival.batch.records):
            return []  # nobody asks for it
        known = self.dictionary(station, line) or []
        for record in arrival.batch.records:
            if isinstance(record.body, Dictionary) and len(record.body.series) > len(known):
                known = record.body.series
                body = msgspec.msgpack.encode(known)
                digest = hashlib.sha256(body).digest()
                connection.execute(
                    "INSERT INTO dictionary(digest, body) VALUES(?, ?) ON CONFLICT DO NOTHING", (digest, body)
                )
                connection.execute(
                    "UPDATE line SET dictionary=(SELECT id FROM dictionary WHERE digest=?) WHERE station=? AND line=?",
                    (digest, station, line_text(line)),
                )
        return known

    def _know(self, position: int) -> None:
        with self._arrived:
            if position > self._newest:
                self._newest = position
                self._arrived.notify_all()

    def _last_position(self) -> int:
        return self._one("SELECT value FROM meta WHERE name='arrival'")

    def _one(self, sql: str) -> int:
        return int(self._database.connection().execute(sql).fetchone()[0])


def _told(batch: Batch, numbers: RangeSet, now_ms: int) -> Iterable[Addition]:
    """What these records of a batch say about other lines, or about missing numbers of their own."""
    for record in batch.records:
        body = record.body
        if type(body) is Readings:  # nearly all
            continue
        if isinstance(body, Gap | Summary) and record.number in numbers:
            yield Addition(batch.station, body.line, now_ms, gaps=RangeSet(body.ranges))
        elif isinstance(body, Opened) and body.previous and body.previous_last and record.number in numbers:
            yield Addition(batch.station, body.previous, now_ms, head=body.previous_last)


def _heard_ms(line: LineState, arrival: Arrival) -> int:
    """When the line is heard of with this arrival: what is admitted again says nothing of now."""
    return line.last_ms if arrival.kept else arrival.received_ms
