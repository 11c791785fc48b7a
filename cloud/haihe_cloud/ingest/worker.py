"""The ingest worker: judge, store, book, state, acknowledge. A crash between any two only causes a repetition."""

import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from haihe_contract import topic
from haihe_contract.clock import Clock
from haihe_contract.quality import Grade
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.reading import Reading
from haihe_contract.receipt import Credit, LineWanted, Signer, sign
from haihe_contract.record import Opened
from haihe_contract.wire import Batch, Envelope, encode

from haihe_cloud.admit.registry import Registry
from haihe_cloud.database import DatabaseAway
from haihe_cloud.ledger.arrival import Arrival, LineState, Refusal, without
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.ledger.timing import timed
from haihe_cloud.ledger.wanted import Patience
from haihe_cloud.limits import (
    BACKOFF_CAP_S,
    CREDIT_BATCHES,
    CREDIT_S,
    RECEIPTS_ROUND,
    RECEIVE_MAXIMUM,
    ROUND_MESSAGES,
)
from haihe_cloud.store.port import Refused, Store, StoreAway

from .admit import Admitted, Heartbeat, StateAsked, Verdict
from .beside import no_other_way, out_of_reach
from .inbox import Inbox, Message
from .judge import address_of, contents_of
from .pace import Pace, too_early, too_much, work
from .round import Counts, Round, refusal
from .telling import Telling

_log = logging.getLogger(__name__)
_IDLE_S = 0.5
_PRUNE_EVERY_MS = 60_000
_FIRST_PAUSE_S = 0.2
_ASK_EVERY_MS = 500
_SLOW_MS = 15_000
"""An engine that has not answered for so long holds up everything that stations say."""
_T = TypeVar("_T")

Publish = Callable[[str, bytes], bool]
"""Publish retained; False when there is no connection now."""


class Stopped(Exception):
    """The worker was told to stop while it waited for a store; nothing of its round was acknowledged."""


class Worker:
    """Takes messages in rounds.

    Args:
        inbox: where messages wait.
        store: where readings go.
        ledger: where numbers are booked.
        registry: who may speak.
        publish: how receipts leave.
        receipt_key: what they are signed with.
        clock: wall and monotonic time.
        chance: for pauses between tries.
        stop: ends the worker; a round that waits for an engine is given up unacknowledged.
        touched: told of every station that has new readings.
        beside: asked, told the time, for what comes by no broker: the next messages; None where there is nothing.
        answer: told which stations ask for their states, after what came before them is booked.
    """

    def __init__(
        self,
        inbox: Inbox,
        store: Store,
        ledger: Ledger,
        registry: Registry,
        publish: Publish,
        receipt_key: Signer,
        *,
        clock: Clock,
        chance: random.Random,
        stop: threading.Event,
        touched: Callable[[str], None] = lambda station: None,
        beside: Callable[[int], Sequence[Message] | None] = no_other_way,
        answer: Callable[[Mapping[str, StateAsked]], None] = lambda asked: None,
    ) -> None:
        self.counts = Counts()
        self._trouble = ""
        self._asked: tuple[str, int] | None = None
        self.working_since_ms = clock.now_ms()
        self._inbox = inbox
        self._store = store
        self._ledger = ledger
        self._registry = registry
        self._publish = publish
        self._receipt_key = receipt_key
        self._clock = clock
        self._chance = chance
        self._stop = stop
        self._touched = touched
        self._beside = beside
        self._answer = answer
        self._asked_ms = 0
        self._patience = Patience()
        self._pace = Pace()
        self._owed: dict[str, None] = {}  # in the order in which they came to be owed
        self._more = False
        self._telling = Telling()
        self._owe_all = threading.Event()
        self._pruned_ms = 0

    @property
    def trouble(self) -> str:
        """What keeps the worker from its work now, or nothing: an engine that is away, or one that does not answer."""
        asked = self._asked
        if asked is not None and self._clock.monotonic_ms() - asked[1] > _SLOW_MS:
            return f"{asked[0]}: no answer for {(self._clock.monotonic_ms() - asked[1]) // 1000} s"
        return self._trouble

    def owe_receipts(self) -> None:
        """State the receipts of all stations again: the broker may have forgotten the retained ones."""
        self._owe_all.set()

    def run(self) -> None:
        """Work until told to stop."""
        self.working_since_ms = self._clock.now_ms()
        while not self._stop.is_set():
            messages = self._inbox.take(ROUND_MESSAGES, 0.0 if self._more else _IDLE_S)
            try:
                while messages:
                    done = self._round_whatever_comes(messages)
                    messages = messages[done:]
                self.housekeep()
            except Stopped:
                return

    def _round_whatever_comes(self, messages: Sequence[Message]) -> int:
        """A round, and where one of its messages breaks our own code, the others without it; how many.

        Raises:
            Stopped: when told to stop while an engine was away.
        """
        try:
            return self.round(messages)
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - whatever one message does to our code, the others matter
            _log.exception("a round of %d messages has failed", len(messages))
            if len(messages) == 1:
                station = topic.station_of(messages[0].topic) or ""
                refused = refusal(messages[0], station, f"cannot be taken: {error!r}")
                self._until_it_works("database", lambda: self._ledger.take([], [refused]))
                self.counts.quarantined += 1
                messages[0].acknowledge()
                return 1
        for message in messages:
            self._round_whatever_comes([message])
        return len(messages)

    def round(self, messages: Sequence[Message]) -> int:
        """Work off the first of the messages, as many as the limits allow; how many.

        Raises:
            Stopped: when told to stop while an engine was away.
        """
        taken = self._judge(messages)
        if taken.unknown:
            self._until_it_works("database", lambda: self._note_unknown(taken))
        self._until_it_works("database", lambda: self._gather(taken))
        readings: Mapping[str, Sequence[Reading]] = taken.readings
        refused_rows = self._until_it_works("store", lambda: self._store.write(readings))
        arrivals, refusals = self._arrivals(taken, refused_rows)
        deferred = self._until_it_works("database", lambda: self._ledger.take(arrivals, refusals))
        self._count(taken, arrivals, deferred)
        for arrival in arrivals:
            if not arrival.envelope.volatile:
                self._owe(arrival)
        self._owed |= dict.fromkeys(taken.no_dictionary)
        spoke = taken.no_dictionary | {arrival.envelope.station for arrival in arrivals}
        self._until_it_works("database", lambda: self._state_receipts(sorted(spoke & self._owed.keys())))
        if taken.asked:
            self._until_it_works("database", lambda: self._answer(taken.asked))
        for message in taken.messages:
            message.acknowledge()
        for station in taken.readings:
            self._touched(station)
        return len(taken.messages)

    def _judge(self, messages: Sequence[Message]) -> Round:
        taken = Round()
        addressed = self._until_it_works("database", lambda: self._address(messages, taken))
        for message, envelope in zip(messages, addressed, strict=True):
            if taken.messages and taken.is_full:
                break
            taken.messages.append(message)
            taken.put(message, self._verdict(message, envelope, taken))
        return taken

    def _address(self, messages: Sequence[Message], taken: Round) -> list[Envelope | Verdict]:
        """Each message's envelope or verdict; what is known of their lines goes to the round."""
        known = self._registry.known({topic.station_of(message.topic) or "" for message in messages})
        addressed = [address_of(message, known) for message in messages]
        lines = {(each.station, each.line) for each in addressed if isinstance(each, Envelope)}
        taken.dictionaries.update(self._ledger.dictionaries(lines))
        taken.opening = lines - taken.dictionaries.keys()
        if taken.opening:
            taken.opening -= self._ledger.heard_of(taken.opening)
        return addressed

    def _verdict(self, message: Message, envelope: Envelope | Verdict, taken: Round) -> Verdict:
        """What a station sends now waits where it sends more than its rate; what people bring or want back does not."""
        by_hand, kept = bool(message.kept or message.carried), bool(message.kept)
        if not isinstance(envelope, Envelope):
            return out_of_reach(envelope, kept=kept) if by_hand else envelope
        line = (envelope.station, envelope.line)
        now_ms, opens = self._clock.monotonic_ms(), line in taken.opening
        if not by_hand and self._pace.must_wait(envelope, now_ms, opens=opens):
            return too_early(envelope)
        verdict = contents_of(envelope, taken.dictionaries.get(line))
        if by_hand:
            verdict = out_of_reach(verdict, kept=kept)
        if isinstance(verdict, Admitted | Heartbeat):
            taken.opening.discard(line)
            rows = work(verdict.batch) if isinstance(verdict, Admitted) and not kept else 0
            if not by_hand:
                self._pace.charge(verdict, rows, now_ms, opens=opens)
            if isinstance(verdict, Admitted) and (worse := too_much(verdict, rows)):
                return worse
            if message.carried:
                taken.carried_work += rows
        return verdict

    def _gather(self, taken: Round) -> None:
        """What goes to the store."""
        taken.readings.clear()
        for _, verdict in taken.admitted:
            batch, readings = verdict.batch, verdict.readings
            if not batch.volatile:
                readings = self._known_times(batch, readings)
            if readings:
                taken.readings.setdefault(batch.station, []).extend(readings)

    def _known_times(self, batch: Batch, readings: list[Reading]) -> list[Reading]:
        """The readings; those that are repeated after they have left the untimed table do not go back into it."""
        if all(row.grade is not Grade.NONE for row in readings):
            return readings
        fix = self._ledger.fix_of_line(batch.station, batch.line)
        if fix is None:
            return readings
        held = self._ledger.held(batch.station, batch.line)
        return [timed(row, fix) if row.grade is Grade.NONE and row.number in held else row for row in readings]

    def _note_unknown(self, taken: Round) -> None:
        for station, (message, times) in taken.unknown.items():
            self._registry.saw_unknown(station, message.received_ms, message.topic, times)
            self.counts.unknown += times
        taken.unknown.clear()

    def _arrivals(self, taken: Round, refused_rows: Sequence[Refused]) -> tuple[list[Arrival], list[Refusal]]:
        rows: dict[tuple[str, int], dict[int, str]] = {}
        for row in refused_rows:
            rows.setdefault((row.station, row.reading.line), {})[row.reading.number] = row.why
        arrivals: list[Arrival] = []
        refusals = list(taken.refusals)
        for message, verdict in taken.admitted:
            envelope, refused, reason = verdict.envelope, verdict.refused, verdict.reason
            bad = rows.get((envelope.station, envelope.line), {})
            by_store = RangeSet.from_numbers(bad) & envelope.numbers if bad else EMPTY
            if by_store:
                refused = refused | by_store
                reason = reason or f"record {by_store.first}: {bad[by_store.first]}"
            if refused:
                refusals.append(refusal(message, envelope.station, reason))
            # Whoever follows the log meets nothing that was refused.
            data = encode(without(verdict.batch, refused)) if refused else message.payload
            arrivals.append(
                Arrival(envelope, verdict.batch, data, message.received_ms, refused, message.kept, message.carried)
            )
        for message, beat in taken.heartbeats:
            envelope = beat.envelope
            empty = Batch(envelope.station, envelope.line, envelope.lane, envelope.head, envelope.tail, [])
            arrivals.append(
                Arrival(envelope, empty, message.payload, message.received_ms, EMPTY, message.kept, message.carried)
            )
        return arrivals, refusals

    def _count(self, taken: Round, arrivals: Sequence[Arrival], deferred: int) -> None:
        counts = self.counts
        counts.messages += len(taken.messages)
        counts.batches += len(taken.admitted)
        counts.readings += taken.size
        counts.heartbeats += len(taken.heartbeats)
        counts.refused += sum(1 for arrival in arrivals if arrival.refused)
        counts.quarantined += len(taken.refusals)
        counts.deferred += deferred + taken.later
        counts.waiting_for_dictionary += taken.waiting

    def _owe(self, arrival: Arrival) -> None:
        station = arrival.envelope.station
        self._owed[station] = None
        if arrival.is_word:
            opened = any(isinstance(record.body, Opened) for record in arrival.batch.records)
            self._telling.heard(station, self._clock.monotonic_ms(), opened=opened)

    def _state_receipts(self, stations: Sequence[str]) -> bool:
        """State them; False when there is no connection, then they stay owed."""

        def wanted(station: str, lines: Sequence[LineState]) -> list[LineWanted]:
            return self._patience.wanted(station, lines, self._clock.monotonic_ms())

        for at in range(0, len(stations), ROUND_MESSAGES):
            turns = {station: self._telling.turn(station) for station in stations[at : at + ROUND_MESSAGES]}
            _, backlog = self._inbox.waiting()
            credit = Credit(CREDIT_BATCHES, CREDIT_S) if backlog > RECEIVE_MAXIMUM // 2 else None
            for receipt, after in self._ledger.receipts(turns, wanted, credit):
                station = receipt.station
                if not self._publish(topic.receipt(station, self._ledger.centre), sign(receipt, self._receipt_key)):
                    return False
                self._telling.told(station, after)
                self._owed.pop(station, None)
                self.counts.receipts += 1
        return True

    def housekeep(self) -> None:
        """Send receipts that are owed, prune the log from time to time."""
        if self._owe_all.is_set():
            self._owe_all.clear()
            self._owed |= dict.fromkeys(sorted(self._until_it_works("database", self._heard)))
        # A broker that forgot everything is told of all stations: by and by, what they say now comes between.
        first = list(islice(self._owed, RECEIPTS_ROUND))
        went = not first or self._until_it_works("database", lambda: self._state_receipts(first))
        self._more = self._take_beside() or (went and bool(self._owed))
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._pruned_ms >= _PRUNE_EVERY_MS:
            self._pruned_ms = now_ms
            self._until_it_works("database", self._ledger.prune)

    def _take_beside(self) -> bool:
        """A round of what comes by no broker, whether there was any; what comes now has its turn before the next."""
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._asked_ms < _ASK_EVERY_MS:
            return False
        messages = self._until_it_works("database", lambda: self._beside(self._clock.now_ms()))
        if messages is None:
            self._asked_ms = now_ms
        elif messages:
            self._round_whatever_comes(messages)
        return messages is not None

    def _heard(self) -> set[str]:
        return {station.code for station in self._registry.stations()} & set(self._ledger.last_heard())

    def _until_it_works(self, engine: str, act: Callable[[], _T]) -> _T:
        """Try until the engine answers; the pause grows to the cap and is drawn, so that many do not meet.

        Raises:
            Stopped: when told to stop meanwhile.
        """
        pause = _FIRST_PAUSE_S
        while True:
            began_ms = self._clock.monotonic_ms()
            self._asked = engine, began_ms
            try:
                result = act()
            except (StoreAway, DatabaseAway) as error:
                self._trouble = f"{engine}: {error}"
                _log.warning("%s, the round waits", self._trouble)
                if self._stop.wait(self._chance.uniform(0, pause)):
                    raise Stopped from None
                pause = min(BACKOFF_CAP_S, pause * 2)
            else:
                if self._trouble or self._clock.monotonic_ms() - began_ms > _SLOW_MS:
                    _log.warning("%s answers again", engine)
                    self._trouble, self.working_since_ms = "", self._clock.now_ms()
                return result
            finally:
                self._asked = None
