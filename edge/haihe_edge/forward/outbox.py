"""What leaves next: alarms before live, live before backlog. Pure; time is an argument.

A number is in at most one offer at a time. It is done when a receipt covers it, free again when the broker took its
offer and no receipt came, when the broker refused it, or when its connection ended. While the broker has not answered,
an offer still lies in the same stream of bytes: to send it again would only make that longer. Which lane a number
takes is decided here and is no part of its identity.
"""

from typing import NamedTuple

from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import LANE_ALARM, LANE_BACKLOG, LANE_LIVE, Readings, Record

from .batching import BACKLOG_RECORDS_MAX
from .budget import FREELY
from .flow import Flow, Grant, Ticket
from .refusals import Piece, Refusals

LIVE_RECORDS_MAX = 64
LIVE_OFFERS_MAX = 4
ALARM_RECORDS_MAX = 64
ALARM_OFFERS_MAX = 4
BACKLOG_OFFERS_MAX = 32
HEARTBEAT_MS = 30_000
PATIENCE_MIN_MS = 5_000
PATIENCE_MAX_MS = 60_000
BACKLOG_PATIENCE_MAX_MS = 900_000
"""A centre that stays away for hours is asked by alarms and live; what lies behind them need not go every minute."""
SILENCE_MIN_MS = 15_000
"""Nothing heard for so long, with several publishes unanswered: the link is frozen."""
SETTLE_MS = 2_000
"""After connecting, how long backlog waits for the retained receipt, so that nothing covered is sent again."""
KEPT_FOR_URGENT = 2
"""Of what the broker lets be unanswered, so many places are not for backlog."""
_RECORD_BYTES_GUESS = 64.0


class Offer(NamedTuple):
    """What should leave now: numbers of one line, on one lane. Live without numbers is a heartbeat."""

    lane: int
    line: int
    numbers: RangeSet


class _Flight:
    """An offer on its way."""

    __slots__ = ("offer", "since_ms", "taken", "ticket")

    def __init__(self, offer: Offer, ticket: Ticket) -> None:
        self.offer, self.ticket = offer, ticket
        self.since_ms = ticket.sent_ms
        self.taken = False


class Outbox:
    """Decides for one centre.

    Args:
        line: the line of this opening of the journal.
        heartbeat_ms: after so long without anything else the station says that it is there.
    """

    def __init__(self, line: int, heartbeat_ms: int = HEARTBEAT_MS) -> None:
        self.line = line
        self.heartbeat_ms = heartbeat_ms
        self.pace = FREELY
        self.passed_over = 0
        self.flow = Flow()
        self.refusals = Refusals()
        self._grant = Grant()
        self._here: dict[int, RangeSet] = {}
        self._urgent: dict[int, RangeSet] = {}
        self._settled: dict[int, RangeSet] = {}
        self._flying: list[_Flight] = []
        self._unanswered: dict[int, tuple[Offer, int]] = {}
        self._live_from = 1
        self._newest: dict[int, int] = {}
        self._record_bytes = _RECORD_BYTES_GUESS
        self._last_sent_ms: int | None = None
        self._last_live_ms: int | None = None
        self._heard_ms = 0
        self._settle_until_ms = 0
        self._doubt = 0
        self._credit: tuple[int, int] | None = None

    # what is here

    def extent(self, line: int, numbers: RangeSet, urgent: RangeSet) -> None:
        """What the journal holds of a line, said at start and again when files were freed."""
        self._here[line] = numbers
        self._urgent[line] = urgent

    def keep_only(self, lines: set[int]) -> None:
        """The journal has nothing left of other lines."""
        for line in self._here.keys() - lines:
            self._here.pop(line)
            self._urgent.pop(line, None)
            self._settled.pop(line, None)

    def committed(self, records: list[Record]) -> None:
        """Records of this line that have just become durable."""
        numbers = RangeSet.from_numbers(record.number for record in records)
        self._here[self.line] = self._here.get(self.line, EMPTY) | numbers
        urgent = RangeSet.from_numbers(record.number for record in records if record.urgent)
        if urgent:
            self._urgent[self.line] = self._urgent.get(self.line, EMPTY) | urgent
        for record in records:
            if type(record.body) is Readings:
                for series in record.body.series:
                    self._newest[series] = record.number

    def extremes(self, line: int) -> tuple[int, int]:
        """Head and tail of a line: highest and lowest number here, 0 for none."""
        here = self._here.get(line, EMPTY)
        return (here.last, here.first) if here else (0, 0)

    def missing(self, line: int, numbers: RangeSet) -> None:
        """The journal could not read these: they are not offered again; the ledger shows them as missing."""
        self._here[line] = self._here.get(line, EMPTY) - numbers

    # what the link does

    def connected(self, now_ms: int, grant: Grant) -> None:
        """A connection stands.

        Args:
            now_ms: monotonic.
            grant: what its broker takes.
        """
        self.disconnected()
        self._grant = grant
        self._heard_ms = now_ms
        self._settle_until_ms = now_ms + SETTLE_MS

    def disconnected(self) -> None:
        """The connection ended: whatever was on its way may be offered again."""
        self._flying = []
        self._unanswered = {}
        self.refusals = Refusals()
        self.flow.restart()
        self._credit = None
        self._doubt = 0
        self._last_sent_ms = self._last_live_ms = None
        self._live_from = 1  # the newest of each series goes first on the next connection

    def sent(self, offer: Offer, now_ms: int, size: int = 0) -> None:
        """The offer is on its way with so many bytes."""
        self._last_sent_ms = now_ms
        if offer.lane == LANE_LIVE:
            self._last_live_ms = now_ms
        self._unanswered[id(offer)] = (offer, now_ms)
        if not offer.numbers:
            return
        backlog = offer.lane == LANE_BACKLOG
        ticket = self.flow.sent(
            size, now_ms, backlog=backlog, flying=len(self._flying), flying_backlog=self.flying(LANE_BACKLOG)
        )
        self._flying.append(_Flight(offer, ticket))
        if backlog:
            self._record_bytes += (size / offer.numbers.count() - self._record_bytes) / 4

    def left_behind(self, offer: Offer, carried: RangeSet) -> None:
        """The journal gave only what one of its files has of the offer: the rest of live stays live."""
        if offer.lane == LANE_LIVE:
            self._live_from = min(self._live_from, (offer.numbers - carried).first)

    def answered(self, offer: Offer, now_ms: int) -> None:
        """The broker took the offer. That frees nothing: from now on its receipt is waited for."""
        self._heard_ms = now_ms
        self._unanswered.pop(id(offer), None)
        self.refusals.accepted(offer.lane)
        for flight in self._flying:
            if flight.offer is offer:
                flight.since_ms, flight.taken = now_ms, True

    def refused(self, offer: Offer, now_ms: int, *, by_content: bool) -> bool:
        """The broker said no: its lane pauses, and where that may help the batch is halved.

        Returns whether a record was set aside for it.
        """
        self._heard_ms = now_ms
        self.failed(offer)
        before = self.refusals.set_aside_count()
        self.refusals.refused(Piece(*offer), now_ms, by_content=by_content)
        aside = self.refusals.set_aside_count() - before
        self.passed_over += aside
        return aside > 0

    def too_large(self, offer: Offer) -> None:
        """The batch is larger than the broker takes: halves of it may not be; one record alone is passed over."""
        self.refusals.halve(Piece(*offer))
        self.passed_over += offer.numbers.count() == 1

    def unreadable(self, line: int, numbers: RangeSet, now_ms: int) -> None:
        """The disk refuses to give these numbers now: what it can give goes before them."""
        self.refusals.unreadable(line, numbers, now_ms)

    def failed(self, offer: Offer) -> None:
        """The offer could not be handed over: it may be offered again."""
        self._unanswered.pop(id(offer), None)
        self._flying = [flight for flight in self._flying if flight.offer is not offer]

    # what the centre says

    def heard_receipt(self, now_ms: int) -> None:
        """A receipt came: the retained one need not be waited for any longer."""
        self._heard_ms = now_ms
        self._settle_until_ms = now_ms

    def settled(self, line: int, numbers: RangeSet, now_ms: int) -> None:
        """A receipt covers these numbers."""
        self._settled[line] = numbers
        done = [f for f in self._flying if f.offer.line == line and numbers.covers(f.offer.numbers)]
        if not done:
            return
        self._flying = [f for f in self._flying if f not in done]
        self.flow.delivered([flight.ticket for flight in done], now_ms)
        self._doubt = 0

    def credit(self, batches: int, until_ms: int) -> None:
        """The centre caps the batches of backlog under way, for a time."""
        self._credit = (batches, until_ms)

    def void(self) -> None:
        """The centre's epoch changed: nothing is settled any more, and it may have lost the present, too."""
        self._settled = {}
        self._flying = []
        self._live_from = 1

    # what that means

    def patience_ms(self, lane: int = LANE_LIVE) -> int:
        """How long to wait for a receipt once the broker has taken the batch."""
        most = BACKLOG_PATIENCE_MAX_MS if lane == LANE_BACKLOG else PATIENCE_MAX_MS
        return min(most, max(PATIENCE_MIN_MS, self.flow.slack_ms) << min(self._doubt, 8))

    def overdue(self, now_ms: int) -> int:
        """Give up waiting where a receipt is overdue; returns how many offers that were."""
        late = [f for f in self._flying if f.taken and now_ms >= self._late_ms(f)]
        if late:
            self._flying = [f for f in self._flying if f not in late]
            self._doubt += 1
            self.flow.restart()
        return len(late)

    def _late_ms(self, flight: _Flight) -> int:
        return flight.since_ms + self.patience_ms(flight.offer.lane)

    def frozen_ms(self, now_ms: int) -> int:
        """How long nothing was heard although several publishes wait for an answer; 0 while all is well.

        A slow link answers one after the other: every answer counts, and what is under way is bounded.
        """
        if len(self._unanswered) < min(2, self._grant.unanswered_max):
            return 0
        silent_ms = now_ms - self._listening_since_ms()
        return silent_ms if silent_ms >= self._silence_ms() else 0

    def _listening_since_ms(self) -> int:
        return max(self._heard_ms, min((at for _, at in self._unanswered.values()), default=0))

    def _silence_ms(self) -> int:
        return max(SILENCE_MIN_MS, 2 * self.flow.slack_ms)

    def flying(self, lane: int) -> int:
        """Offers of a lane that wait for their receipt."""
        return sum(1 for flight in self._flying if flight.offer.lane == lane)

    def flying_bytes(self) -> int:
        """Bytes that wait for their receipt."""
        return sum(flight.ticket.size for flight in self._flying)

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

    @property
    def room(self) -> int:
        """How many more publishes the broker lets be unanswered."""
        return max(0, self._grant.unanswered_max - len(self._unanswered))

    def choose(self, now_ms: int) -> Offer | None:
        """The next offer, or None when nothing should leave now."""
        if not self.room:
            return None
        self.refusals.look_at_time(now_ms)
        found = self._alarm(now_ms) or self._live(now_ms)
        if found is None and self.room > min(KEPT_FOR_URGENT, self._grant.unanswered_max - 1):
            found = self._backlog(now_ms)
        return found

    def look_again_ms(self, now_ms: int) -> int:
        """When time alone may change what :meth:`choose`, :meth:`overdue` or :meth:`frozen_ms` say."""
        last = self._last_sent_ms
        times = [now_ms if last is None else last + self._heartbeat_every_ms()]
        times += [self._late_ms(flight) for flight in self._flying if flight.taken]
        if self._unanswered:
            since = self._listening_since_ms()
            times += [since + self._silence_ms(), self._in_doubt_from_ms()]
        times += [self._settle_until_ms, *self.refusals.look_again_ms()]
        if self._credit is not None:
            times.append(self._credit[1])
        if self._last_live_ms is not None:
            times.append(self._last_live_ms + self.pace.live_every_ms)
        return min((time for time in times if time > now_ms), default=now_ms + self.heartbeat_ms)

    def _heartbeat_every_ms(self) -> int:
        return max(self.heartbeat_ms, self.pace.live_every_ms)

    def _offered(self, line: int) -> RangeSet:
        left = self.pending(line)
        return left - self.refusals.withheld(line) if left else left

    def _piece(self, lane: int) -> Offer | None:
        """Part of a batch that the broker has refused as a whole, without what a receipt covers by now."""
        while (piece := self.refusals.next_piece(lane)) is not None:
            numbers = piece.numbers & self.pending(piece.line)
            if numbers:
                return Offer(lane, piece.line, numbers)
        return None

    def _may_try(self, lane: int, most: int, now_ms: int) -> bool:
        """After a refusal one batch at a time asks whether the broker takes this lane again."""
        if self.refusals.is_wary(lane):
            most = min(most, 1)
        return now_ms >= self.refusals.until_ms(lane) and self.flying(lane) < most

    def _alarm(self, now_ms: int) -> Offer | None:
        if not self._may_try(LANE_ALARM, ALARM_OFFERS_MAX, now_ms):
            return None
        for line in reversed(self._here):  # the newest alarm is the one to act on
            if line != self.line and now_ms < self._settle_until_ms:
                continue  # of an earlier run: the retained receipt may well cover it
            numbers = self._urgent.get(line, EMPTY) - self._settled.get(line, EMPTY)
            if numbers:
                numbers = (numbers & self._offered(line)).head(ALARM_RECORDS_MAX)
            if numbers:
                return Offer(LANE_ALARM, line, numbers)
        return self._piece(LANE_ALARM)

    def _live(self, now_ms: int) -> Offer | None:
        if not self._may_try(LANE_LIVE, LIVE_OFFERS_MAX, now_ms):
            return None
        here = self._here.get(self.line, EMPTY)
        last_live = self._last_live_ms
        is_due = last_live is None or now_ms - last_live >= self.pace.live_every_ms
        if here and here.last >= self._live_from and is_due:
            fresh = RangeSet.of((self._live_from, here.last)) & self._offered(self.line)
            if self.pace.live_every_ms or fresh.count() > LIVE_RECORDS_MAX:
                fresh = fresh & RangeSet.from_numbers(self._newest.values())
            self._live_from = here.last + 1
            if fresh:
                return Offer(LANE_LIVE, self.line, fresh.head(BACKLOG_RECORDS_MAX))
        last = self._last_sent_ms
        if last is None or now_ms - last >= self._heartbeat_every_ms() or self._is_in_doubt(now_ms):
            return Offer(LANE_LIVE, self.line, EMPTY)
        return self._piece(LANE_LIVE)

    def _is_in_doubt(self, now_ms: int) -> bool:
        """One publish is unanswered for long: a heartbeat asks whether the link still lives."""
        return len(self._unanswered) == 1 and now_ms >= self._in_doubt_from_ms()

    def _in_doubt_from_ms(self) -> int:
        """A link that has answered since is asked after twice the time: that publish may never be answered."""
        since = self._listening_since_ms()
        return since + max(self.patience_ms(), since - min(at for _, at in self._unanswered.values()))

    def _backlog(self, now_ms: int) -> Offer | None:
        if now_ms < self._settle_until_ms or not self.pace.backlog:
            return None
        if not self._may_try(LANE_BACKLOG, self._backlog_cap(now_ms), now_ms):
            return None
        if not self.flow.has_room(self.flying_bytes(), self.flying(LANE_BACKLOG), now_ms):
            return None
        if (piece := self._piece(LANE_BACKLOG)) is not None:
            return piece
        wanted = self.flow.batch_bytes(now_ms) / max(1.0, self._record_bytes)
        records = max(1, min(BACKLOG_RECORDS_MAX, int(wanted)))
        for line in self._here:  # oldest line first
            left = self._offered(line)
            if line == self.line and left:
                left = left - RangeSet.of((self._live_from, max(self._live_from, left.last)))
            if left:
                return Offer(LANE_BACKLOG, line, left.head(records))
        return None

    def _backlog_cap(self, now_ms: int) -> int:
        if self._credit is not None and now_ms < self._credit[1]:
            return min(BACKLOG_OFFERS_MAX, self._credit[0])
        return BACKLOG_OFFERS_MAX
