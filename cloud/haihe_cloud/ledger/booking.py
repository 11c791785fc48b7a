"""What one commit books: rows that its arrivals touch are read together first and written together at the end."""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import Dictionary, Gap, Opened, Readings, Summary
from haihe_contract.wire import Batch

from haihe_cloud.database import Connection, insert_all
from haihe_cloud.limits import LINE_RANGES

from . import contents, events, states, tally, told
from .arrival import Arrival, LineState, without
from .line_rows import LINE
from .lines import CLOCK_WAS_WRONG_MS, Addition, add, latest, pieces, unheard
from .packed import line_text
from .sheet import Key, Sheet

_HEARD = (
    "INSERT INTO heard(station, received_ms) VALUES {} ON CONFLICT(station) DO UPDATE SET"  # noqa: S608 - our own number
    " received_ms=excluded.received_ms WHERE excluded.received_ms>heard.received_ms"
    f" OR heard.received_ms-excluded.received_ms>{CLOCK_WAS_WRONG_MS}"
)
_LOG = "INSERT INTO arrival(position, station, line, lane, received_ms, data) VALUES {}"
_NEXT = "UPDATE meta SET value=value+? WHERE name='arrival' RETURNING value"
_DICTIONARY = "SELECT body FROM line JOIN dictionary ON dictionary.id=line.dictionary WHERE station=? AND line=?"


class Booking:
    """One commit while it is made.

    Args:
        connection: inside the transaction.
        arrivals: what will be booked.
    """

    def __init__(self, connection: Connection, arrivals: Sequence[Arrival]) -> None:
        self._connection = connection
        self._lines = Sheet(connection, LINE)
        self._contents = Sheet(connection, contents.CONTENT)
        self._hours = Sheet(connection, tally.TALLY)
        self._heard: dict[str, int] = {}
        self._logged: list[tuple[object, ...]] = []
        self._series: dict[Key, list[str]] = {}
        self._learnt: dict[Key, bytes] = {}
        self._eventful: set[str] = set()
        durable = [arrival for arrival in arrivals if not arrival.envelope.volatile]
        self._lines.look_up(_line_key(arrival.envelope.station, arrival.envelope.line) for arrival in arrivals)
        self._contents.look_up(key for arrival in durable for key in contents.keys(arrival.batch))
        self._hours.look_up(key for arrival in durable for key in tally.keys(arrival.batch))

    def book(self, arrival: Arrival) -> bool:
        """Book one arrival; False when it must wait, because its line has too many holes."""
        envelope, batch, now_ms = arrival.envelope, arrival.batch, arrival.received_ms
        station, line = envelope.station, envelope.line
        held = envelope.numbers - arrival.refused
        before = self._line(station, line, now_ms)
        heard_ms = _heard_ms(before, arrival)
        after = add(before, Addition(station, line, heard_ms, envelope.head, envelope.tail, held, arrival.refused))
        too_many = pieces(after) > LINE_RANGES and pieces(after) > pieces(before)
        if too_many:
            after = add(before, Addition(station, line, heard_ms, envelope.head, envelope.tail))
        if not envelope.volatile:  # nobody keeps a ledger of what was never durable at the station
            self._lines.put(_line_key(station, line), after)
        if arrival.is_word:
            self._heard[station] = latest(self._heard.get(station, 0), now_ms)
        if too_many:
            return False
        taken, further = without(batch, arrival.refused), EMPTY
        if envelope.volatile:  # it explains nothing of the journal
            told.note_volatile(self._connection, station, line, now_ms)
        else:
            further = contents.book(self._connection, self._contents, taken, now_ms)
            tally.put(self._hours, taken, now_ms)
        new = (held - before.held) | further
        if any(type(record.body) is not Readings for record in batch.records):  # nearly never
            self._book_others(arrival, taken, new)
        if batch.records and (arrival.kept or new):
            self._logged.append((station, line_text(line), envelope.lane, now_ms, arrival.data))
        return True

    def _book_others(self, arrival: Arrival, taken: Batch, new: RangeSet) -> None:
        """Book what the records say that are no reading groups; of some numbers for the first time."""
        envelope, batch, now_ms = arrival.envelope, arrival.batch, arrival.received_ms
        if not envelope.volatile:
            told.put(self._connection, taken, now_ms)
            # A record that is refused for a value in it still says rightly which numbers are gone.
            for more in _told(batch, now_ms):
                other = self._line(batch.station, more.line, now_ms)
                state = add(other, more._replace(received_ms=_heard_ms(other, arrival)))
                if pieces(state) <= LINE_RANGES:  # else the numbers stay missing, and the event still names them
                    self._lines.put(_line_key(batch.station, more.line), state)
        if events.put(self._connection, arrival, self._learn(arrival)):
            self._eventful.add(batch.station)
        states.put(self._connection, arrival, new)

    def save(self) -> int:
        """Write what was booked; the position of its last entry in the arrival log, 0 where it has none."""
        self._lines.save()
        self._contents.save()
        self._hours.save()
        insert_all(self._connection, _HEARD, list(self._heard.items()))
        for (station, line), digest in self._learnt.items():
            self._connection.execute(
                "UPDATE line SET dictionary=(SELECT id FROM dictionary WHERE digest=?) WHERE station=? AND line=?",
                (digest, station, line),
            )
        events.trim(self._connection, self._eventful)
        if not self._logged:
            return 0
        last = int(self._connection.execute(_NEXT, (len(self._logged),)).fetchone()[0])
        first = last - len(self._logged) + 1
        insert_all(self._connection, _LOG, [(at, *entry) for at, entry in enumerate(self._logged, first)])
        return last

    def _line(self, station: str, line: int, now_ms: int) -> LineState:
        return self._lines.get(_line_key(station, line)) or unheard(station, line, now_ms)

    def _learn(self, arrival: Arrival) -> list[str]:
        """Keep the dictionary that the batch brings; the one that holds for its line now."""
        key = _line_key(arrival.envelope.station, arrival.envelope.line)
        known = self._series.get(key)
        if known is None:
            row = self._connection.execute(_DICTIONARY, key).fetchone()
            known = msgspec.msgpack.decode(row[0], type=list[str]) if row else []
        for record in arrival.batch.records:
            if isinstance(record.body, Dictionary) and len(record.body.series) > len(known):
                known = record.body.series
                body = msgspec.msgpack.encode(known)
                self._learnt[key] = hashlib.sha256(body).digest()
                self._connection.execute(
                    "INSERT INTO dictionary(digest, body) VALUES(?, ?) ON CONFLICT DO NOTHING",
                    (self._learnt[key], body),
                )
        self._series[key] = known
        return known


def _line_key(station: str, line: int) -> Key:
    return station, line_text(line)


def _told(batch: Batch, now_ms: int) -> Iterable[Addition]:
    """What these records of a batch say about other lines, or about missing numbers of their own."""
    for record in batch.records:
        body = record.body
        if type(body) is Readings:  # nearly all
            continue
        if isinstance(body, Gap | Summary):
            yield Addition(batch.station, body.line, now_ms, gaps=RangeSet(body.ranges))
        elif isinstance(body, Opened) and body.previous and body.previous_last:
            yield Addition(batch.station, body.previous, now_ms, head=body.previous_last)


def _heard_ms(line: LineState, arrival: Arrival) -> int:
    """When the line is heard of with this arrival: what is admitted again says nothing of now."""
    return line.last_ms if arrival.kept else arrival.received_ms
