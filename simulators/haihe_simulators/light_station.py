"""A station without instruments and without a disk, as thousands of them fit into one process.

Its line, batches, lanes, receipts and pauses are the real ones: the agent's own outbox decides what leaves, the wire
code encodes it, a receipt counts only with the centre's signature. Its journal is a list in memory.
"""

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from haihe_contract import receipt as receipts
from haihe_contract import topic, wire
from haihe_contract.backoff import Backoff, Patience
from haihe_contract.clock import Clock
from haihe_contract.ed25519 import PublicKey
from haihe_contract.quality import Grade
from haihe_contract.ranges import RangeSet
from haihe_contract.record import LANE_LIVE, Body, Dictionary, Opened, Readings, Record
from haihe_contract.series import Series
from haihe_edge.forward.flow import Grant
from haihe_edge.forward.held import Held
from haihe_edge.forward.outbox import Offer, Outbox
from haihe_edge.link.mqtt import TCP_TIMEOUT_S

from .light_mqtt import BrokerRefused, LightMqtt, dial

SERIES = [Series(element).key for element in ("water_level", "flow", "velocity", "water_temperature", "supply_voltage")]
RECORDS_MAX = 2000
_DICTIONARY_NUMBER = 2


class Shore(NamedTuple):
    """Where all stations of a fleet go."""

    host: str
    port: int
    centre: str
    key: PublicKey
    retry_most_ms: int


class LightStation:
    """One of them.

    Args:
        code: station code.
        shore: where it goes.
        tls: makes the context with its certificate; asked at the first connection.
        clock: for times and pauses.
        chance: for line, values and pauses.
        counted: adds up what happened, over the fleet.
    """

    def __init__(
        self,
        code: str,
        shore: Shore,
        tls: Callable[[], ssl.SSLContext],
        clock: Clock,
        chance: random.Random,
        counted: Counter[str],
    ) -> None:
        self.code = code
        self.line = chance.getrandbits(64)
        self.connected_ms = 0
        """When the connection stood, 0 while there is none."""
        self.current_ms = 0
        """When a receipt said on this connection that the centre holds the newest from before it, 0 before."""
        self.live_ms = 0
        """When the first receipt came for something measured since this connection was begun, 0 before."""
        self.receipt_after_ms = 0
        """From that measurement to that receipt."""
        self._shore, self._make_tls, self._clock, self._chance, self._counted = shore, tls, clock, chance, counted
        self._tls: ssl.SSLContext | None = None
        self._records: dict[int, Record] = {}
        self._next = 1
        self._fresh_from = 0
        self._outbox = Outbox(self.line)
        self._held = Held()
        self._backoff = Backoff(shore.retry_most_ms)
        self._patience = Patience()
        self._mqtt: LightMqtt | None = None
        self._flying: dict[int, Offer] = {}
        self._useful = False
        now = clock.now_ms()
        opened = Opened(now, f"light-{code}", clock.monotonic_ms(), Grade.NTP, 0, 0, 0, 1000, False, "light", "")
        self._keep(opened)
        self._keep(Dictionary(SERIES))

    @property
    def waiting(self) -> int:
        """Records without receipt."""
        return len(self._records)

    def _keep(self, body: Body) -> None:
        record = Record(self._next, False, body)
        self._next += 1
        self._records[record.number] = record
        self._outbox.committed([record])
        if len(self._records) > RECORDS_MAX:  # a light station has no disk; what it must drop, the balance shows
            gone = next(number for number in self._records if number > _DICTIONARY_NUMBER)
            del self._records[gone]
            self._outbox.missing(self.line, RangeSet.of((gone, gone)))
            self._counted["dropped"] += 1

    def measure(self) -> None:
        """One reading group now, and whatever else is due."""
        values: list[float | None] = [round(self._chance.uniform(0, 9), 3) for _ in SERIES]
        self._keep(Readings(self._clock.now_ms(), Grade.NTP, list(range(len(SERIES))), values))
        self._counted["readings"] += len(SERIES)
        self.turn()

    def turn(self) -> None:
        """Send what may leave; keep the connection alive."""
        mqtt = self._mqtt
        if mqtt is None:
            return
        now = self._clock.monotonic_ms()
        self._counted["overdue"] += self._outbox.overdue(now)
        while (offer := self._outbox.choose(now)) is not None:
            self._send(mqtt, offer, now)
        mqtt.ping(asyncio.get_running_loop().time())

    def _send(self, mqtt: LightMqtt, offer: Offer, now: int) -> None:
        records = [self._records[number] for number in _numbers(offer.numbers) if number in self._records]
        carried = RangeSet.from_numbers(record.number for record in records)
        known = _DICTIONARY_NUMBER in self._held.of(self.line)
        if records and not known and _DICTIONARY_NUMBER not in carried:
            records.append(Record(_DICTIONARY_NUMBER, False, Dictionary(SERIES)))
            records.sort(key=lambda record: record.number)
        lane = offer.lane if offer.numbers else LANE_LIVE
        batch = wire.Batch(self.code, self.line, lane, self._next - 1, min(self._records, default=0), records)
        sent, payload = offer._replace(numbers=carried), wire.encode(batch)
        self._outbox.sent(sent, now, len(payload))
        self._flying[mqtt.publish(topic.up(self.code, lane), payload)] = sent
        self._counted["batches"] += 1

    async def run(self) -> None:
        """Connect, and try again for ever."""
        while True:
            began = self._clock.monotonic_ms()
            self._useful = False
            try:
                await self._session()
            except BrokerRefused:
                self._counted["refused"] += 1
            except ConnectionRefusedError:
                self._counted["nobody_there"] += 1
            except TimeoutError:
                self._counted["given_up"] += 1
            except OSError:
                self._counted["broken"] += 1
            self._backoff.ended(self._clock.monotonic_ms() - began, useful=self._useful)
            await self._clock.sleep(self._backoff.next_ms(self._chance.random()) / 1000)

    async def _session(self) -> None:
        shore = self._shore
        if self._tls is None:
            self._tls = self._make_tls()
        self._counted["attempts"] += 1
        # Now, and not once it stands: the retained receipt may come before the connection is ours.
        self._fresh_from, self.current_ms, self.live_ms = self._next, 0, 0
        async with asyncio.timeout(TCP_TIMEOUT_S):
            taken = await dial(shore.host, shore.port)
        try:
            async with asyncio.timeout(self._patience.ms / 1000):
                mqtt = await LightMqtt.connect(
                    taken, shore.host, self._tls, self.code, topic.receipt(self.code, shore.centre),
                    self._heard, self._answered,
                )  # fmt: skip
        except TimeoutError:
            self._counted["unanswered"] += 1
            self._patience.given_up()
            raise
        self._patience.answered()
        self._mqtt = mqtt
        self.connected_ms = self._clock.now_ms()
        self._outbox.connected(self._clock.monotonic_ms(), Grant())
        try:
            self.turn()
            await mqtt.ended
        finally:
            mqtt.close()
            self._mqtt, self.connected_ms, self.current_ms, self.live_ms = None, 0, 0, 0
            self._flying = {}
            self._outbox.disconnected()

    def _answered(self, number: int, taken: bool) -> None:  # noqa: FBT001 - as the protocol says it
        offer = self._flying.pop(number, None)
        if offer is None:
            return
        self._outbox.answered(offer, self._clock.monotonic_ms())
        if not taken:
            self._counted["refused"] += 1
            self._outbox.failed(offer)

    def _heard(self, name: str, payload: bytes) -> None:
        if name != topic.receipt(self.code, self._shore.centre):
            return
        try:
            said = receipts.verify(payload, self._shore.key, centre=self._shore.centre, station=self.code)
        except receipts.ReceiptRefused:
            self._counted["receipts_refused"] += 1
            return
        self._useful = True
        self._counted["receipts"] += 1
        self._outbox.heard_receipt(self._clock.monotonic_ms())
        if self._held.take(said):
            self._outbox.void()
        held = self._held.of(self.line)
        self._outbox.settled(self.line, held, self._clock.monotonic_ms())
        self._note_course(held)
        for number in [number for number in self._records if number in held]:
            del self._records[number]
        self.turn()

    def _note_course(self, held: RangeSet) -> None:
        now = self._clock.now_ms()
        if not self.current_ms and held and held.last >= self._fresh_from - 1:
            self.current_ms = now
        if not self.live_ms and held and held.last >= self._fresh_from:
            self.live_ms = now
            newest = self._records.get(held.last)
            self.receipt_after_ms = now - newest.body.time_ms if newest and isinstance(newest.body, Readings) else 0


def _numbers(of: RangeSet) -> list[int]:
    return [number for first, last in of.ranges for number in range(first, last + 1)]
