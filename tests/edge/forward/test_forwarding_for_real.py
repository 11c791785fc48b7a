"""The forwarder over a real Mosquitto with TLS: limits of the broker, and a link that freezes."""

import asyncio
import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from haihe_cloud.admit.pki import Pki
from haihe_contract import topic, wire
from haihe_contract.clock import SystemClock
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.receipt import VERSION, LineHeld, Receipt, sign
from haihe_contract.record import LANE_LIVE, Readings, State
from haihe_contract.restore import SITE
from haihe_edge.forward.forwarder import Forwarder
from haihe_edge.journal import Journal
from haihe_edge.link.mqtt import HEADER_BYTES, MqttLink
from haihe_edge.station import read_receipt_key
from haihe_simulators.disk import SimulatedDisk
from haihe_simulators.link import Link

from tests.conftest import CENTRE, Broker, Voice
from tests.edge.forward.simulated_link import SimulatedCentre, Station
from tests.edge.forward.test_forwarder import STATION, journal_with
from tests.edge.forward.under_way import under_way


def limit(broker: Broker, **limits: int) -> None:
    """Start the broker again with other limits."""
    text = broker._conf.read_text("utf-8")
    for name, value in limits.items():
        text = "\n".join(line for line in text.splitlines() if not line.startswith(f"{name} ")) + f"\n{name} {value}\n"
    broker._conf.write_text(text, "utf-8")
    broker.restart()


class Centre:
    """Whoever hears everything and says with real receipts what it has."""

    def __init__(self, broker: Broker, pki: Pki) -> None:
        self.voice = Voice(broker, pki, "centre", listens_to=topic.UP_FILTER, keys="centre")
        self.held: dict[int, RangeSet] = {}
        self.batches: list[wire.Batch] = []
        self.sizes: list[int] = []
        self._key = load_pem_private_key((pki.directory / "receipt.key").read_bytes(), None)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0.01)
            heard = False
            while not self.voice.received.empty():
                _, payload = self.voice.received.get()
                batch = wire.decode(payload)
                self.batches.append(batch)
                self.sizes.append(len(payload))
                numbers = RangeSet.from_numbers(record.number for record in batch.records)
                self.held[batch.line] = self.held.get(batch.line, EMPTY) | numbers
                heard = True
            if heard:
                lines = [LineHeld(line, list(numbers.ranges)) for line, numbers in self.held.items()]
                data = sign(Receipt(VERSION, CENTRE, 1, STATION, 1, lines), self._key)  # type: ignore[arg-type]
                self.voice.client.publish(topic.receipt(STATION, CENTRE), data, qos=1, retain=True)


def forwarding(journal: Journal, pki: Pki, port: int, **options: Any) -> AbstractAsyncContextManager[Forwarder]:
    stations = pki.directory / "stations"
    link = MqttLink(
        station=STATION,
        host="127.0.0.1",
        port=port,
        ca=pki.ca,
        certificate=stations / f"{STATION}.pem",
        key=stations / f"{STATION}.key",
        topics=[topic.receipt(STATION, CENTRE)],
        **options,
    )
    key = read_receipt_key(pki.directory / "receipt.pub")
    return under_way(journal, link, station=STATION, centre=CENTRE, key=key)


async def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - two processes
            await asyncio.sleep(0.05)


@pytest.mark.broker
async def test_the_limits_that_a_real_broker_states_are_kept_and_everything_arrives(
    tmp_path: Path, pki: Pki, broker: Broker
) -> None:
    limit(broker, max_inflight_messages=3, max_packet_size=5000)
    journal, centre = journal_with(tmp_path / "journal", 4000), Centre(broker, pki)
    journal.append(State(SITE, {f"part{n}": random.Random(n).random() for n in range(900)}, 1, 5))  # none is longer
    journal.commit()
    hearing = asyncio.ensure_future(centre.run())
    async with forwarding(journal, pki, broker.port) as forwarder:
        await until(lambda: forwarder.outbox.unsettled() == 1)
        assert forwarder.outbox.passed_over == 1
        assert forwarder._grant == (3, 5000 - HEADER_BYTES)
        assert max(centre.sizes) <= 5000 - HEADER_BYTES
        assert len({batch.head for batch in centre.batches}) == 1
        assert forwarder.connected
        assert sum(1 for batch in centre.batches if not batch.records) <= 1  # it never had to begin again
    hearing.cancel()
    centre.voice.close()


@pytest.mark.broker
async def test_a_broker_that_hangs_up_over_a_long_message_and_names_no_limit_gets_shorter_ones(
    tmp_path: Path, pki: Pki, broker: Broker
) -> None:
    limit(broker, message_size_limit=900)
    journal, centre = journal_with(tmp_path / "journal", 4000), Centre(broker, pki)
    hearing = asyncio.ensure_future(centre.run())
    async with forwarding(journal, pki, broker.port) as forwarder:
        await until(lambda: forwarder.outbox.unsettled() == 0, 40)
        assert max(centre.sizes) <= 900
    hearing.cancel()
    centre.voice.close()


def threads_of_links() -> int:
    """Threads that are not of the loop's own pool, which has as many as it had to do at once."""
    return sum(not each.name.startswith("asyncio_") for each in threading.enumerate())


@pytest.mark.broker
async def test_a_frozen_link_is_left_and_dialled_again_long_before_mqtt_would_notice(
    tmp_path: Path, pki: Pki, broker: Broker
) -> None:
    journal, centre = journal_with(tmp_path / "journal", 500), Centre(broker, pki)
    hearing = asyncio.ensure_future(centre.run())
    link = Link(("127.0.0.1", broker.port))
    await link.start()
    threads = threads_of_links()
    said: list[str] = []
    async with forwarding(journal, pki, link.port, keepalive_s=600) as forwarder:
        changed = forwarder._changed
        forwarder._changed = (  # type: ignore[method-assign]
            lambda *, connected, down: (said.append(down), changed(connected=connected, down=down))[1]
        )
        await until(lambda: forwarder.outbox.unsettled() == 0)
        await link.freeze()
        for n in range(3):
            journal.append(Readings(1_791_000_000_000 + n * 1000, 5, [0], [12.0]))
            forwarder.committed(journal.commit())
            await asyncio.sleep(1)
        await until(lambda: not forwarder.connected, 25)
        assert any("frozen: nothing heard for" in each for each in said)
        await link.mend()
        await until(lambda: forwarder.outbox.unsettled() == 0, 30)
        live = [batch for batch in centre.batches if batch.lane == LANE_LIVE and batch.records]
        assert live[-1].head == journal.head
        assert threads_of_links() <= threads + 1  # paho's: none of the frozen connection
    hearing.cancel()
    centre.voice.close()
    await link.close()


async def test_a_disk_that_hangs_holds_up_neither_the_newest_values_nor_the_heartbeats() -> None:
    goes_on = threading.Event()
    goes_on.set()

    def before(what: str, _name: str) -> None:
        if what == "sync":
            goes_on.wait(30)

    disk = SimulatedDisk(before=before)
    centre = SimulatedCentre()
    station = Station(centre, disk=disk, heartbeat_ms=1_000, clock=SystemClock())
    station.start()
    measuring = asyncio.ensure_future(station.measure(60))
    await until(lambda: len(centre.arrived) > 2)
    goes_on.clear()
    began = time.monotonic()
    await until(lambda: len(centre.volatile) >= 2)
    assert time.monotonic() - began < 10
    assert station.forwarder.connected
    beats = [at_s for at_s, batch, _ in centre.arrived if not batch.records and at_s > began + 2]
    assert beats
    goes_on.set()
    await until(lambda: centre.held[station.line].last > 8)
    measuring.cancel()
    await station.stop()
