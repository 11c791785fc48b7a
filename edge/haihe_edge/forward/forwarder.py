"""One centre: connect, hear its receipts, send what the outbox chooses."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence

from haihe_contract import receipt as receipts
from haihe_contract import topic, wire
from haihe_contract.backoff import Backoff
from haihe_contract.clock import Clock
from haihe_contract.ed25519 import PublicKey
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import LANE_LIVE, LANE_NAMES, Record

from .batches import Batches
from .batching import BATCH_BYTES, DICTIONARY_NUMBER
from .budget import CONNECTION_BYTES, FREELY, MESSAGE_BYTES, Budget
from .flow import Grant
from .held import Held
from .outbox import HEARTBEAT_MS, Offer, Outbox
from .port import Link, LinkDown, PublishRefused, Source
from .volatile import EVERY_MS, VolatileLine

_log = logging.getLogger(__name__)


class _TooLarge(Exception):
    """The broker takes no such batch."""


class _Unreadable(Exception):
    """The disk refuses to be read now: nothing is known to be lost.

    Args:
        why: in words.
        numbers: what cannot be read.
    """

    def __init__(self, why: str, numbers: RangeSet) -> None:
        super().__init__(why)
        self.numbers = numbers


class Forwarder:
    """Sends to one centre until cancelled.

    It sleeps until something is committed, a receipt or an answer comes, the connection ends, or the outbox wants
    to look again.

    Args:
        station: our code.
        centre: name of the centre, as its receipts say.
        key: the centre's receipt key.
        journal: what to send.
        link: over which connection.
        held: what the centre holds, kept over restarts.
        clock: for pauses and patience.
        chance: for the jitter of pauses.
        retry_most_ms: cap of the pause between two attempts to connect.
        receipted: called after each receipt.
        heartbeat_ms: after so long without anything to send the station says that it is there.
        budget: of a metered link.
        heard: told each receipt that was accepted.
    """

    def __init__(
        self,
        *,
        station: str,
        centre: str,
        key: PublicKey,
        journal: Source,
        link: Link,
        held: Held,
        clock: Clock,
        chance: random.Random,
        retry_most_ms: int,
        receipted: Callable[[], None],
        heartbeat_ms: int = HEARTBEAT_MS,
        budget: Budget | None = None,
        heard: Callable[[receipts.Receipt], object] = lambda _receipt: None,
    ) -> None:
        self.centre = centre
        self.held = held
        self.budget = budget
        self.outbox = Outbox(journal.line, heartbeat_ms)
        self.batches = Batches(station)
        self.connected = False
        self.since_ms = clock.now_ms()
        self.last_receipt_ms = 0
        self.next_try_ms = 0
        self.refused = 0
        self._newest = 0
        self.bytes_sent = 0
        self._down = ""
        self._troubles: dict[str, str] = {}
        self._said = ""
        self._station, self._key, self._journal, self._link = station, key, journal, link
        self._clock, self._chance, self._receipted, self._heard = clock, chance, receipted, heard
        self._backoff = Backoff(retry_most_ms)
        self._volatile = VolatileLine(station, chance.getrandbits(64))
        self._volatile_from_ms = 0
        self._grant = Grant()
        self._wake = asyncio.Event()
        self._answers: set[asyncio.Future[None]] = set()
        self._got_receipt = False
        self._unheard = False  # receipts are overdue: perhaps the centre has lost the dictionary that it once held
        self._settle_lines()

    @property
    def trouble(self) -> str:
        """What is wrong now, in words; empty while nothing is."""
        aside = self.outbox.refusals.set_aside_count()
        left = f"{aside} records are not sent on this connection: the broker does not take them" if aside else ""
        return self._down or next(iter(self._troubles.values()), "") or left

    @property
    def volatile_sent(self) -> int:
        """Records that were sent from memory because the disk refused them."""
        return self._volatile.sent

    def _settle_lines(self) -> None:
        now = self._clock.monotonic_ms()
        lines: set[int] = set()
        for extent in self._journal.extents():
            lines.add(extent.line)
            self.outbox.extent(extent.line, extent.numbers, extent.urgent)
            self.outbox.settled(extent.line, self.held.of(extent.line), now)
        self._forget_all_but(lines)

    def committed(self, records: list[Record]) -> None:
        """Records of this line that have just become durable."""
        self.outbox.committed(records)
        self._newest = max([self._newest, *(record.number for record in records)])
        self._wake.set()

    def unkept(self, records: Sequence[Record]) -> None:
        """Records that wait in memory because the disk refuses them."""
        if self.connected and self._volatile.see(records):
            self._wake.set()

    def refresh(self) -> None:
        """The journal freed files: offer only what is still there."""
        lines: set[int] = set()
        for extent in self._journal.extents():
            lines.add(extent.line)
            self.outbox.extent(extent.line, extent.numbers, extent.urgent)
        self.outbox.keep_only(lines)
        self._forget_all_but(lines)

    def _forget_all_but(self, lines: set[int]) -> None:
        if self._journal.whole:  # else others may come back, and would all be sent again
            self.held.keep_only(lines)

    async def run(self) -> None:
        """Connect, send, and try again for ever."""
        while True:
            started = self._clock.monotonic_ms()
            self._got_receipt = False
            down = ""
            try:
                self._grant = await self._link.connect() or Grant()
                self._count(CONNECTION_BYTES)
                self.outbox.connected(self._clock.monotonic_ms(), self._grant)
                self._changed(connected=True, down="")
                down = await self._session()
            except LinkDown as error:
                self._count(MESSAGE_BYTES)  # mostly nobody answered
                down = str(error)
            finally:
                self.outbox.disconnected()
                self._troubles = {}
                self._changed(connected=False, down=down)
                await self._link.close()
            self._backoff.ended(self._clock.monotonic_ms() - started, useful=self._got_receipt)
            pause = self._backoff.next_ms(self._chance.random())
            self.next_try_ms = self._clock.now_ms() + pause
            await self._clock.sleep(pause / 1000)

    def _changed(self, *, connected: bool, down: str) -> None:
        if connected != self.connected:
            self.connected, self.since_ms = connected, self._clock.now_ms()
            if connected:
                _log.info("centre %s: connected", self.centre)
        if not connected and down != self._said:
            _log.warning("centre %s: not connected: %s", self.centre, down)
        self._said = self._down = "" if connected else down

    async def _session(self) -> str:
        """Send until the connection ends, and say why it did."""
        ended = asyncio.ensure_future(self._link.closed())
        hearing = asyncio.ensure_future(self._hear())
        sending: asyncio.Future[None] | None = None
        for each in (ended, hearing):
            each.add_done_callback(lambda _: self._wake.set())
        try:
            while not ended.done():
                self._wake.clear()
                now = self._clock.monotonic_ms()
                if silent_ms := self.outbox.frozen_ms(now):
                    return f"frozen: nothing heard for {silent_ms / 1000:.0f} s while batches waited for an answer"
                if self.outbox.overdue(now):
                    self._troubles["receipts"] = "receipts are overdue"
                    self._unheard = True
                if hearing.done():
                    hearing.result()
                self._send_volatile(now)
                if sending is None or sending.done():
                    if sending is not None:
                        sending.result()
                    sending = self._start_sending(now)
                await self._sleep(now)
            return ended.result()
        finally:
            tasks = [task for task in (ended, hearing, sending) if task is not None]
            for task in [*tasks, *self._answers]:  # an answer may never come: nobody may wait for it
                task.cancel()
            self._answers.clear()
            await asyncio.gather(*tasks, return_exceptions=True)  # if we are to end ourselves, that is not swallowed

    async def _sleep(self, now_ms: int) -> None:
        until_ms = self.outbox.look_again_ms(now_ms)
        if self._volatile.waits and self._volatile_from_ms > now_ms:
            until_ms = min(until_ms, self._volatile_from_ms)
        timer = asyncio.get_running_loop().call_later((until_ms - now_ms) / 1000, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    def _start_sending(self, now_ms: int) -> "asyncio.Future[None] | None":
        """Choose what leaves next; it is made beside the loop, so that a disk that hangs holds up nothing else."""
        self.outbox.pace = self.budget.pace(self._clock.now_ms()) if self.budget is not None else FREELY
        offer = self.outbox.choose(now_ms)
        if offer is None:
            return None
        task = asyncio.ensure_future(self._send(offer))
        task.add_done_callback(lambda _: self._wake.set())
        return task

    def _send_volatile(self, now_ms: int) -> None:
        """It waits for no receipt, and nothing waits for it."""
        if not self._volatile.waits or now_ms < self._volatile_from_ms or not self.outbox.room:
            return
        self._volatile_from_ms = now_ms + EVERY_MS
        lane, payload = self._volatile.next_batch(self._journal.dictionary(self.outbox.line))
        if len(payload) <= self._grant.payload_bytes_max:
            self._publish(Offer(lane, self.outbox.line, EMPTY), payload)

    async def _hear(self) -> None:
        while True:
            name, payload = await self._link.incoming.get()
            if name != topic.receipt(self._station, self.centre):
                continue
            self._count(len(payload) + MESSAGE_BYTES)
            try:
                receipt = self._verified(payload)
                self.held.must_be_current(receipt)
            except receipts.ReceiptRefused as error:
                self.refused += 1
                self._troubles["receipt"] = f"a receipt was not accepted: {error}"
                continue
            now = self._clock.monotonic_ms()
            self._got_receipt, self._unheard = True, False
            for kind in ("receipt", "receipts"):
                self._troubles.pop(kind, None)
            self.outbox.heard_receipt(now)
            try:
                self._take(receipt)
            except OSError as error:
                why = f"the centre's new epoch cannot be kept: {error.strerror} ({error.filename})"
                self._troubles["receipt"] = why
                continue
            if receipt.credit is not None:
                self.outbox.credit(receipt.credit.batches, now + 1000 * receipt.credit.seconds)
            self._wake.set()

    def bring(self, payload: bytes) -> None:
        """A receipt that was carried here by hand: it says what the centre holds, and nothing of the link.

        Raises:
            ReceiptRefused: with the reason.
            OSError: when it begins a new epoch that cannot be kept.
        """
        self._take(self._verified(payload))
        self._wake.set()

    def _verified(self, payload: bytes) -> receipts.Receipt:
        return receipts.verify(payload, self._key, centre=self.centre, station=self._station)

    def _take(self, receipt: receipts.Receipt) -> None:
        """What it covers needs no longer be sent.

        Raises:
            OSError: when it begins a new epoch that cannot be kept; nothing is held then.
        """
        self.last_receipt_ms = self._clock.now_ms()
        epoch = self.held.epoch
        try:
            voided = self.held.take(receipt, (self.outbox.line, self._newest_number()))
        except OSError:
            self.outbox.void()
            self._receipted()
            raise
        if voided or self.held.epoch != epoch:
            self.outbox.void()
        now = self._clock.monotonic_ms()
        for line, numbers in self.held.lines.items():
            self.outbox.settled(line, numbers, now)
        self._receipted()
        self._heard(receipt)

    def _newest_number(self) -> int:
        """Of this line: the highest that may ever have left, whatever files have gone since."""
        return max(self._newest, self.outbox.extremes(self.outbox.line)[0])

    async def _send(self, offer: Offer) -> None:
        """Read, encode and hand over; what the journal cannot give is not offered again."""
        if not offer.numbers:  # needs no journal: the station is there, even if its disk hangs
            head, tail = self.outbox.extremes(offer.line)
            self._publish(offer, wire.encode(wire.Batch(self._station, offer.line, LANE_LIVE, head, tail, [])))
            return
        try:
            made = await asyncio.to_thread(self._make, offer, self.outbox.extremes(offer.line))
        except _Unreadable as error:
            self._troubles["disk"] = f"the journal cannot be read: {error}"
            self.outbox.unreadable(offer.line, error.numbers, self._clock.monotonic_ms())
            return
        except _TooLarge:
            self.outbox.too_large(offer)
            return
        if not self.outbox.refusals.unread:
            self._troubles.pop("disk", None)
        if made is None:
            self.outbox.missing(offer.line, offer.numbers)
            return
        payload, carried = made
        if carried != offer.numbers:
            self.outbox.left_behind(offer, carried)
        self._publish(offer._replace(numbers=carried), payload)

    def _publish(self, offer: Offer, payload: bytes) -> None:
        self.outbox.sent(offer, self._clock.monotonic_ms(), len(payload))
        self.bytes_sent += len(payload)
        self._count(len(payload) + MESSAGE_BYTES)
        answer = self._link.publish(topic.up(self._station, offer.lane), payload)
        self._answers.add(answer)
        answer.add_done_callback(lambda done: self._answered(offer, done))

    def _count(self, size: int) -> None:
        if self.budget is not None:
            self.budget.count(size, self._clock.now_ms())

    def _answered(self, offer: Offer, done: "asyncio.Future[None]") -> None:
        """The broker's acknowledgement frees nothing; its refusal must be seen."""
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or done not in self._answers:
            return  # of an earlier connection
        self._answers.discard(done)
        now = self._clock.monotonic_ms()
        about = f"refused {offer.lane}"
        if error is None:
            self._troubles.pop(about, None)
            self.outbox.answered(offer, now)
        elif isinstance(error, PublishRefused):
            self.refused += 1
            self._troubles[about] = f"the broker refused a batch of lane {LANE_NAMES[offer.lane]}: {error}"
            if self.outbox.refused(offer, now, by_content=error.by_content):
                self._troubles.pop(about)
        else:
            self.outbox.failed(offer)
        self._wake.set()

    def _make(self, offer: Offer, extremes: tuple[int, int]) -> tuple[bytes, RangeSet] | None:
        """Bytes of the batch and the numbers that are really in it; runs beside the event loop.

        Raises:
            _TooLarge: when the broker takes no batch of that size.
            _Unreadable: when the disk refuses to be read.
        """
        try:
            records = self._journal.read(offer.line, offer.numbers, BATCH_BYTES)
        except OSError as error:
            numbers = self._journal.together(offer.line, offer.numbers)
            raise _Unreadable(error.strerror or str(error), numbers) from None
        if not records:
            return None
        carried = RangeSet.from_numbers(record.number for record in records)
        known = DICTIONARY_NUMBER in self.held.of(offer.line) and not self._unheard
        dictionary = None
        if not known and DICTIONARY_NUMBER not in carried:
            dictionary = self._journal.dictionary(offer.line)
        line, lane, most = offer.line, offer.lane, self._grant.payload_bytes_max
        data = self.batches.of(line, lane, extremes, records, carried, dictionary)
        if len(data) > most and dictionary is not None and len(records) == 1:
            data = self.batches.of(line, lane, extremes, records, carried, None)  # it comes by itself, as record 2
        if len(data) > most:
            raise _TooLarge
        return data, carried
