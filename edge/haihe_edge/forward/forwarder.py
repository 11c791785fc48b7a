"""One centre: connect, hear its receipts, send what the outbox chooses."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from haihe_contract import receipt as receipts
from haihe_contract import topic, wire
from haihe_contract.backoff import Backoff
from haihe_contract.clock import Clock
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import LANE_LIVE, Record

from .held import Held
from .outbox import Offer, Outbox
from .port import Link, LinkDown, PublishRefused, Source

_log = logging.getLogger(__name__)

RECEIPT_WAIT_S = 2.0
"""After connecting, how long backlog waits for the retained receipt, so that nothing covered is sent again."""
TICK_S = 1.0
DICTIONARY_NUMBER = 2
BATCH_BYTES = 512 * 1024


class Forwarder:
    """Sends to one centre until cancelled.

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
        heard: told each receipt that was accepted.
    """

    def __init__(
        self,
        *,
        station: str,
        centre: str,
        key: Ed25519PublicKey,
        journal: Source,
        link: Link,
        held: Held,
        clock: Clock,
        chance: random.Random,
        retry_most_ms: int,
        receipted: Callable[[], None],
        heard: Callable[[receipts.Receipt], object] = lambda _receipt: None,
    ) -> None:
        self.centre = centre
        self.held = held
        self.outbox = Outbox(journal.line)
        self.connected = False
        self.since_ms = clock.now_ms()
        self.last_receipt_ms = 0
        self.next_try_ms = 0
        self.trouble = ""
        self._said = ""
        self.refused = 0
        self.bytes_sent = 0
        self._station, self._key, self._journal, self._link = station, key, journal, link
        self._clock, self._chance, self._receipted, self._heard = clock, chance, receipted, heard
        self._backoff = Backoff(retry_most_ms)
        self._wake = asyncio.Event()
        self._got_receipt = False
        self._unheard = False  # receipts are overdue: perhaps the centre has lost the dictionary that it once held
        self._settle_lines()

    def _settle_lines(self) -> None:
        now = self._clock.monotonic_ms()
        lines: set[int] = set()
        for extent in self._journal.extents():
            lines.add(extent.line)
            self.outbox.extent(extent.line, extent.numbers, extent.urgent)
            self.outbox.settled(extent.line, self.held.of(extent.line), now)
        self.held.keep_only(lines)

    def committed(self, records: list[Record]) -> None:
        """Records of this line that have just become durable."""
        self.outbox.committed(records)
        self._wake.set()

    async def run(self) -> None:
        """Connect, send, and try again for ever."""
        while True:
            started = self._clock.monotonic_ms()
            self._got_receipt = False
            try:
                await self._link.connect()
                self._changed(connected=True, trouble="")
                self.trouble = await self._session()
            except LinkDown as error:
                self.trouble = str(error)
            finally:
                self.outbox.disconnected()
                self._changed(connected=False, trouble=self.trouble)
                await self._link.close()
            self._backoff.ended(self._clock.monotonic_ms() - started, useful=self._got_receipt)
            pause = self._backoff.next_ms(self._chance.random())
            self.next_try_ms = self._clock.now_ms() + pause
            await self._clock.sleep(pause / 1000)

    def _changed(self, *, connected: bool, trouble: str) -> None:
        if connected != self.connected:
            self.connected, self.since_ms = connected, self._clock.now_ms()
            if connected:
                _log.info("centre %s: connected", self.centre)
        if not connected and trouble != self._said:
            _log.warning("centre %s: not connected: %s", self.centre, trouble)
        self._said = "" if connected else trouble
        self.trouble = trouble

    async def _session(self) -> str:
        ended = asyncio.ensure_future(self._link.closed())
        hearing = asyncio.ensure_future(self._hear())
        try:
            backlog_from = self._clock.monotonic_ms() + RECEIPT_WAIT_S * 1000
            while not ended.done():
                now = self._clock.monotonic_ms()
                if self.outbox.overdue(now):
                    self.trouble = "receipts are overdue"
                    self._unheard = True
                offer = self.outbox.choose(now, backlog=self._got_receipt or now >= backlog_from)
                if offer is not None:
                    await self._send(offer)
                    continue
                self._wake.clear()
                waking = asyncio.ensure_future(self._wake.wait())
                await asyncio.wait({ended, hearing, waking}, timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED)
                waking.cancel()
                if hearing.done():
                    hearing.result()
            return ended.result()
        finally:
            for task in (ended, hearing):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task

    async def _hear(self) -> None:
        while True:
            name, payload = await self._link.incoming.get()
            if name != topic.receipt(self._station, self.centre):
                continue
            try:
                receipt = receipts.verify(payload, self._key, centre=self.centre, station=self._station)
            except receipts.ReceiptRefused as error:
                self.refused += 1
                self.trouble = f"a receipt was not accepted: {error}"
                continue
            self._got_receipt, self._unheard = True, False
            self.last_receipt_ms = self._clock.now_ms()
            self.trouble = ""
            if self.held.take(receipt):
                self.outbox.void()
            now = self._clock.monotonic_ms()
            for line, numbers in self.held.lines.items():
                self.outbox.settled(line, numbers, now)
            self._receipted()
            self._heard(receipt)
            self._wake.set()

    def refresh(self) -> None:
        """The journal freed files: offer only what is still there."""
        here = {extent.line: extent for extent in self._journal.extents()}
        for line in list(self.held.lines):
            if line not in here:
                self.outbox.forget(line)
        for line, extent in here.items():
            self.outbox.extent(line, extent.numbers, extent.urgent)
        self.held.keep_only(set(here))

    async def _send(self, offer: Offer) -> None:
        """Read, encode and hand over; what the journal cannot give is not offered again."""
        try:
            made = await asyncio.to_thread(self._make, offer)
        except OSError as error:  # the disk refuses to be read: nothing is known to be lost
            self.trouble = f"the journal cannot be read: {error.strerror or error}"
            await self._clock.sleep(TICK_S)
            return
        if made is None:
            self.outbox.missing(offer.line, offer.numbers)
            return
        payload, carried = made
        sent = offer._replace(numbers=carried)
        self.outbox.sent(sent, self._clock.monotonic_ms())
        self.bytes_sent += len(payload)
        answer = self._link.publish(topic.up(self._station, offer.lane), payload)
        answer.add_done_callback(lambda done: self._answered(sent, done))

    def _answered(self, offer: Offer, done: "asyncio.Future[None]") -> None:
        """The broker's acknowledgement frees nothing; its refusal must be seen."""
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            if isinstance(error, PublishRefused):
                self.refused += 1
                self.trouble = f"the broker refused a batch: {error}"
            else:
                self.outbox.failed(offer)

    def _make(self, offer: Offer) -> tuple[bytes, RangeSet] | None:
        """Bytes of the batch and the numbers that are really in it; runs beside the event loop."""
        extents = {extent.line: extent.numbers for extent in self._journal.extents()}
        here = extents.get(offer.line, EMPTY)
        head, tail = (here.last, here.first) if here else (0, 0)
        records = self._journal.read(offer.line, offer.numbers, BATCH_BYTES) if offer.numbers else []
        if offer.numbers and not records:
            return None
        carried = RangeSet.from_numbers(record.number for record in records)
        known = DICTIONARY_NUMBER in self.held.of(offer.line) and not self._unheard
        if records and not known and DICTIONARY_NUMBER not in carried:
            dictionary = self._journal.dictionary(offer.line)
            if dictionary is not None:
                records.append(Record(DICTIONARY_NUMBER, False, dictionary))
                records.sort(key=lambda record: record.number)
        lane = offer.lane if offer.numbers else LANE_LIVE
        batch = wire.Batch(self._station, offer.line, lane, head, tail, records)
        return wire.encode(batch), carried
