"""What leaves next: alarms before live, live before backlog. Pure; time is an argument.

A number is in at most one offer at a time. It is done when a receipt covers it, free again when its offer
timed out or its connection ended. Which lane a number takes is decided here and is no part of its identity.
"""

from typing import NamedTuple

from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import LANE_ALARM, LANE_BACKLOG, LANE_LIVE, Readings, Record

LIVE_RECORDS_MAX = 64
LIVE_OFFERS_MAX = 4
ALARM_RECORDS_MAX = 64
ALARM_OFFERS_MAX = 4
BACKLOG_RECORDS_MAX = 2000
WINDOW_FIRST = 2
WINDOW_MAX = 16
HEARTBEAT_MS = 30_000
PATIENCE_MIN_MS = 5_000
PATIENCE_MAX_MS = 60_000


class Offer(NamedTuple):
    """What should leave now: numbers of one line, on one lane. Live without numbers is a heartbeat."""

    lane: int
    line: int
    numbers: RangeSet


class _Flight(NamedTuple):
    offer: Offer
    sent_ms: int


class Outbox:
    """Decides for one centre.

    Args:
        line: the line of this opening of the journal.
    """

    def __init__(self, line: int) -> None:
        self.line = line
        self.window = WINDOW_FIRST
        self.round_trip_ms = 0
        self._here: dict[int, RangeSet] = {}
        self._urgent: dict[int, RangeSet] = {}
        self._settled: dict[int, RangeSet] = {}
        self._flying: list[_Flight] = []
        self._live_from = 1
        self._newest: dict[int, int] = {}
        self._last_sent_ms = 0
        self._started = False

    def extent(self, line: int, numbers: RangeSet, urgent: RangeSet) -> None:
        """What the journal holds of a line, said at start and again when files were freed."""
        self._here[line] = numbers
        self._urgent[line] = urgent

    def forget(self, line: int) -> None:
        """The journal has nothing left of this line."""
        self._here.pop(line, None)
        self._urgent.pop(line, None)

    def committed(self, records: list[Record]) -> None:
        """Records of this line that have just become durable."""
        numbers = RangeSet.from_numbers(record.number for record in records)
        self._here[self.line] = self._here.get(self.line, EMPTY) | numbers
        urgent = RangeSet.from_numbers(record.number for record in records if record.urgent)
        self._urgent[self.line] = self._urgent.get(self.line, EMPTY) | urgent
        for record in records:
            if type(record.body) is Readings:
                for series in record.body.series:
                    self._newest[series] = record.number

    def settled(self, line: int, numbers: RangeSet, now_ms: int) -> None:
        """A receipt covers these numbers."""
        self._settled[line] = numbers
        for flight in [f for f in self._flying if f.offer.line == line and numbers.covers(f.offer.numbers)]:
            self._flying.remove(flight)
            took = now_ms - flight.sent_ms
            self.round_trip_ms = (7 * self.round_trip_ms + took) // 8 if self.round_trip_ms else took
            if flight.offer.lane == LANE_BACKLOG:
                self.window = min(WINDOW_MAX, self.window + 1)

    def void(self) -> None:
        """The centre's epoch changed: nothing is settled any more."""
        self._settled = {}
        self._flying = []

    def sent(self, offer: Offer, now_ms: int) -> None:
        """The offer is on its way."""
        self._last_sent_ms = now_ms
        self._started = True
        if offer.numbers:
            self._flying.append(_Flight(offer, now_ms))

    def missing(self, line: int, numbers: RangeSet) -> None:
        """The journal could not read these: they are not offered again; the ledger shows them as missing."""
        self._here[line] = self._here.get(line, EMPTY) - numbers

    def failed(self, offer: Offer) -> None:
        """The broker refused the offer, or it could not be handed over: it may be offered again."""
        self._flying = [flight for flight in self._flying if flight.offer is not offer]

    def disconnected(self) -> None:
        """The connection ended: whatever was on its way may be offered again."""
        self._flying = []
        self.window = WINDOW_FIRST
        self._started = False
        self._live_from = 1  # the newest of each series goes first on the next connection

    def patience_ms(self) -> int:
        """How long to wait for a receipt."""
        return max(PATIENCE_MIN_MS, min(PATIENCE_MAX_MS, 3 * self.round_trip_ms))

    def overdue(self, now_ms: int) -> int:
        """Give up waiting where a receipt is overdue; returns how many offers that were."""
        late = [flight for flight in self._flying if now_ms - flight.sent_ms > self.patience_ms()]
        for flight in late:
            self._flying.remove(flight)
            self.round_trip_ms = min(PATIENCE_MAX_MS, 2 * max(self.round_trip_ms, 1000))
        if any(flight.offer.lane == LANE_BACKLOG for flight in late):
            self.window = max(1, self.window // 2)
        return len(late)

    def flying(self, lane: int) -> int:
        """Offers of a lane that wait for their receipt."""
        return sum(1 for flight in self._flying if flight.offer.lane == lane)

    def pending(self, line: int) -> RangeSet:
        """Numbers of a line that no receipt covers and no offer carries now."""
        left = self._here.get(line, EMPTY) - self._settled.get(line, EMPTY)
        for flight in self._flying:
            if flight.offer.line == line:
                left = left - flight.offer.numbers
        return left

    def unsettled(self) -> int:
        """How many records here wait for a receipt of this centre."""
        return sum((here - self._settled.get(line, EMPTY)).count() for line, here in self._here.items())

    def choose(self, now_ms: int, *, backlog: bool = True) -> Offer | None:
        """The next offer, or None when nothing should leave now."""
        return self._alarm() or self._live(now_ms) or (self._backlog() if backlog else None)

    def _alarm(self) -> Offer | None:
        if self.flying(LANE_ALARM) >= ALARM_OFFERS_MAX:
            return None
        for line in reversed(self._here):  # the newest alarm is the one to act on
            numbers = self._urgent.get(line, EMPTY)
            if numbers:
                numbers = (numbers & self.pending(line)).head(ALARM_RECORDS_MAX)
            if numbers:
                return Offer(LANE_ALARM, line, numbers)
        return None

    def _live(self, now_ms: int) -> Offer | None:
        if self.flying(LANE_LIVE) >= LIVE_OFFERS_MAX:
            return None
        here = self._here.get(self.line, EMPTY)
        if here and here.last >= self._live_from:
            fresh = RangeSet.of((self._live_from, here.last)) & self.pending(self.line)
            if fresh.count() > LIVE_RECORDS_MAX:
                fresh = fresh & RangeSet.from_numbers(self._newest.values())
            self._live_from = here.last + 1
            if fresh:
                return Offer(LANE_LIVE, self.line, fresh.head(LIVE_RECORDS_MAX))
        if not self._started or now_ms - self._last_sent_ms >= HEARTBEAT_MS:
            return Offer(LANE_LIVE, self.line, EMPTY)
        return None

    def _backlog(self) -> Offer | None:
        if self.flying(LANE_BACKLOG) >= self.window:
            return None
        for line in self._here:  # oldest line first
            left = self.pending(line)
            if line == self.line and left:
                left = left - RangeSet.of((self._live_from, max(self._live_from, left.last)))
            if left:
                return Offer(LANE_BACKLOG, line, left.head(BACKLOG_RECORDS_MAX))
        return None
