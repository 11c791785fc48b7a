"""The centre's subscriber and a station on a real broker with TLS: rights, receipts, restarts."""

import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from haihe_cloud.admit.pki import load_receipt_key
from haihe_cloud.admit.registry import Registry, Station
from haihe_cloud.ingest.inbox import Inbox, Message
from haihe_cloud.ingest.subscriber import Subscriber
from haihe_cloud.ingest.worker import Worker
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.limits import RECEIVE_MAXIMUM
from haihe_cloud.settings import BrokerSettings
from haihe_cloud.sql.sqlite import SqliteDatabase
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract import receipt as receipts
from haihe_contract import topic
from haihe_contract.clock import SystemClock
from haihe_contract.ed25519 import PublicKey
from haihe_contract.errors import FieldError
from haihe_contract.ranges import RangeSet

from tests.cloud.samples import LINE, STATION, data
from tests.conftest import CENTRE, PATIENCE_S, Broker, Pki, Voice, wait_for

pytestmark = pytest.mark.broker
OTHER = "31005651"
Speak = Callable[[str], Voice]


def access(broker: Broker, pki: Pki) -> BrokerSettings:
    centre = pki.directory / "centre"
    return BrokerSettings("localhost", broker.port, str(pki.ca), f"{centre}.pem", f"{centre}.key")


class Centre:
    """Subscriber and worker of a centre, with real files and threads."""

    def __init__(self, directory: Path, broker: Broker, pki: Pki) -> None:
        clock, chance = SystemClock(), random.Random(1)
        self.stop = threading.Event()
        self.database = SqliteDatabase(directory / "haihe.db")
        self.registry = Registry(self.database)
        self.registry.add(Station(STATION))
        self.ledger = Ledger(self.database, centre=CENTRE, clock=clock)
        self.store = SqliteStore(directory / "series.db")
        self.inbox = Inbox(64)
        self.key = load_receipt_key(pki.receipt_key)
        self.subscriber = Subscriber(
            access(broker, pki),
            "centre-haihe-live",
            [topic.UP_FILTER],
            self.inbox,
            urgent=True,
            clock=clock,
            chance=chance,
            forgotten=lambda: self.worker.owe_receipts(),
        )
        self.worker = Worker(
            self.inbox,
            self.store,
            self.ledger,
            self.registry,
            self.subscriber.publish,
            self.key,
            clock=clock,
            chance=chance,
            stop=self.stop,
        )
        self._threads = [threading.Thread(target=each) for each in (self.subscriber.run, self.worker.run)]
        for thread in self._threads:
            thread.start()

    def connected(self) -> bool:
        return self.subscriber.link.connected

    def close(self) -> None:
        self.stop.set()
        self.subscriber.stop()
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        self.store.close()
        self.database.close()


@pytest.fixture
def centre(tmp_path: Path, broker: Broker, pki: Pki) -> Iterator[Centre]:
    made = Centre(tmp_path, broker, pki)
    wait_for(made.connected, "the centre is connected")
    yield made
    made.close()


def settled(voice: Voice, centre: Centre) -> RangeSet:
    """What the next receipt for the station states, its signature checked."""
    name, payload = voice.hear()
    assert name == topic.receipt(voice.station, CENTRE)
    stated = receipts.verify(
        payload, PublicKey(centre.key.public_key().public_bytes_raw()), centre=CENTRE, station=voice.station
    )
    return stated.settled().get(LINE, RangeSet())


def test_a_receipt_comes_after_the_commit_and_bears_the_signature(centre: Centre, voice: Speak) -> None:
    station = voice(STATION)
    assert not station.say(data([1, 2, 4])).is_failure
    assert settled(station, centre) == RangeSet.of((1, 2), (4, 4))
    assert centre.ledger.lines(STATION)[0].held == RangeSet.of((1, 2), (4, 4))
    assert [r.number for r in centre.store.latest(STATION).values()] == [4, 4]


def test_the_receipt_is_retained_for_a_station_that_comes_later(centre: Centre, voice: Speak) -> None:
    first = voice(STATION)
    first.say(data([1, 2, 4]))
    settled(first, centre)
    first.close()
    assert settled(voice(STATION), centre) == RangeSet.of((1, 2), (4, 4))


def test_a_station_can_publish_only_under_its_own_name(centre: Centre, voice: Speak) -> None:
    centre.registry.add(Station(OTHER))
    thief = voice(OTHER)
    for foreign in (
        topic.up(STATION, 1),
        topic.receipt(STATION, CENTRE),
        topic.receipt(OTHER, CENTRE),
        topic.latest(OTHER),
    ):
        assert thief.say(data([1, 2, 4]), to=foreign).is_failure, foreign
    assert not thief.say(data([1, 2, 4], station=OTHER)).is_failure
    assert settled(thief, centre) == RangeSet.of((1, 2), (4, 4))
    assert centre.ledger.stations() == [OTHER]


def test_a_station_hears_nothing_that_is_meant_for_another(centre: Centre, voice: Speak) -> None:
    thief, victim = voice(OTHER), voice(STATION)
    thief.client.subscribe([("haihe/#", 1), (topic.receipt(STATION, CENTRE), 1)])
    victim.say(data([1, 2, 4]))
    settled(victim, centre)
    victim.say(data([5]))
    settled(victim, centre)
    assert thief.received.empty()


def test_a_client_without_our_certificate_is_not_let_in(broker: Broker, pki: Pki, tmp_path: Path) -> None:
    stranger = Pki(tmp_path / "other", SystemClock())
    stranger.init()
    stranger.station(STATION)
    mixed = pki.directory / "stations"
    good = access(broker, pki)
    keys = stranger.directory / "stations" / STATION
    foreign = BrokerSettings(good.host, good.port, good.ca, f"{keys}.pem", f"{keys}.key")
    assert mixed.is_dir()
    subscriber = Subscriber(
        foreign, "x", ["haihe/#"], Inbox(1), urgent=True, clock=SystemClock(), chance=random.Random(1)
    )
    thread = threading.Thread(target=subscriber.run)
    thread.start()
    wait_for(lambda: subscriber.link.tries > 0, "a try has failed")
    assert not subscriber.link.connected
    assert subscriber.link.reason
    subscriber.stop()
    thread.join(PATIENCE_S)


def test_a_killed_broker_loses_no_number_and_repeats_cause_no_double(
    centre: Centre, broker: Broker, voice: Speak
) -> None:
    station = voice(STATION)
    station.say(data([1, 2, 4]))
    settled(station, centre)
    broker.kill()
    wait_for(lambda: not centre.connected(), "the loss is noticed")
    broker.start()
    wait_for(centre.connected, "the centre is back")
    wait_for(station.client.is_connected, "the station is back")
    station.say(data([1, 2, 4]))
    station.say(data([5, 6]))
    everything = RangeSet.of((1, 2), (4, 6))
    while settled(station, centre) != everything:
        pass
    assert sorted({r.number for r in centre.store.read(STATION, centre.store.series(STATION)[0], 0, 2**53)}) == [
        4,
        5,
        6,
    ]


def test_a_forgotten_receipt_is_stated_again_after_a_kill(centre: Centre, broker: Broker, voice: Speak) -> None:
    station = voice(STATION)
    station.say(data([1, 2, 4]))
    settled(station, centre)
    station.close()
    broker.kill()  # within the 30 s of its autosave: session and retained receipt are gone
    broker.start()
    wait_for(centre.connected, "the centre is back")
    assert settled(voice(STATION), centre) == RangeSet.of((1, 2), (4, 4))


def test_what_was_sent_while_the_centre_was_away_is_taken_when_it_is_back(
    tmp_path: Path, broker: Broker, pki: Pki, voice: Speak
) -> None:
    first = Centre(tmp_path, broker, pki)
    wait_for(first.connected, "the centre is connected")
    first.close()
    station = voice(STATION)
    for number in (4, 5, 6):
        station.say(data([1, 2, number]))
    second = Centre(tmp_path, broker, pki)
    try:
        everything = RangeSet.of((1, 2), (4, 6))
        while settled(station, second) != everything:
            pass
    finally:
        second.close()


def test_messages_that_were_not_acknowledged_come_again(broker: Broker, pki: Pki, voice: Speak) -> None:
    taken: list[Message] = []
    for acknowledges in (False, True, True):
        inbox = Inbox(64)
        subscriber = Subscriber(
            access(broker, pki),
            "c",
            [topic.UP_FILTER],
            inbox,
            urgent=True,
            clock=SystemClock(),
            chance=random.Random(1),
        )
        thread = threading.Thread(target=subscriber.run)
        thread.start()
        wait_for(lambda s=subscriber: s.link.connected, "connected")
        if not taken:
            station = voice(STATION)
            station.say(b"one")
            station.say(b"two")
        messages: list[Message] = []
        for _ in range(2 if len(taken) < 4 else 0):
            messages += inbox.take(64, PATIENCE_S)
            if len(messages) == 2:
                break
        if acknowledges:
            for message in messages:
                message.acknowledge()
        taken += messages
        subscriber.stop()
        thread.join(PATIENCE_S)
        assert not inbox.take(1, 0)
    assert [message.payload for message in taken] == [b"one", b"two", b"one", b"two"]


def test_a_broker_that_is_away_at_start_is_tried_again_and_said_so(
    tmp_path: Path, broker: Broker, pki: Pki, voice: Speak
) -> None:
    broker.stop()
    centre = Centre(tmp_path, broker, pki)
    try:
        wait_for(lambda: centre.subscriber.link.tries >= 2, "two tries have failed")
        assert centre.subscriber.link.reason == "nobody listens there"
        broker.start()
        wait_for(centre.connected, "the centre is connected")
        station = voice(STATION)
        station.say(data([1, 2, 4]))
        assert settled(station, centre) == RangeSet.of((1, 2), (4, 4))
    finally:
        centre.close()


def test_a_missing_key_file_is_named_before_anything_starts(broker: Broker, pki: Pki, tmp_path: Path) -> None:
    good = access(broker, pki)
    for settings in (
        BrokerSettings(good.host, good.port, good.ca, good.certificate, str(tmp_path / "none.key")),
        BrokerSettings(good.host, good.port, good.ca, good.certificate, str(pki.directory / "broker.key")),
    ):
        with pytest.raises(FieldError, match="broker connection"):
            Subscriber(settings, "c", [], Inbox(1), urgent=True, clock=SystemClock(), chance=random.Random(1))


class Gate:
    """A way to the broker that can be cut, and that lets the broker's first answers wait until it is opened."""

    def __init__(self, broker: Broker) -> None:
        self.opened = threading.Event()
        self.opened.set()
        self.came = 0
        self._broker = broker
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self) -> None:
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        self.opened.set()
        self._server.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection((self._broker.host, self._broker.port))
                self._ends += [near, far]
                self.came += 1
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                self.opened.wait(PATIENCE_S)
                target.sendall(chunk)
            target.shutdown(socket.SHUT_RDWR)


def test_an_acknowledgement_owed_to_an_old_connection_never_slips_into_the_new_one(
    broker: Broker, pki: Pki, voice: Speak
) -> None:
    gate, inbox = Gate(broker), Inbox(64)
    good = access(broker, pki)
    through = BrokerSettings(good.host, gate.port, good.ca, good.certificate, good.key)
    subscriber = Subscriber(
        through, "c", [topic.UP_FILTER], inbox, urgent=True, clock=SystemClock(), chance=random.Random(1)
    )
    thread = threading.Thread(target=subscriber.run)
    thread.start()
    try:
        wait_for(lambda: subscriber.link.connected, "connected")
        voice(STATION).say(b"one")
        (owed,) = inbox.take(1, PATIENCE_S)
        gate.opened.clear()
        gate.cut()
        wait_for(lambda: gate.came == 2, "the new connection is under way, and not yet there")
        owed.acknowledge()  # the worker has only now made it durable
        gate.opened.set()
        wait_for(lambda: subscriber.link.connected, "connected again")
        (again,) = inbox.take(1, PATIENCE_S)
        assert again.payload == b"one"  # nobody has told the broker that it was taken
        again.acknowledge()
        assert gate.came == 2  # the broker saw no reason to end the new connection
        assert subscriber.link.connected
    finally:
        subscriber.stop()
        gate.close()
        thread.join(PATIENCE_S)
    assert not inbox.take(1, 0)


def test_a_broker_that_sends_more_than_there_is_room_for_is_held_back_and_not_hung_up_on(
    broker: Broker, pki: Pki, voice: Speak
) -> None:
    gate, inbox, last = Gate(broker), Inbox(RECEIVE_MAXIMUM), 3000
    good = access(broker, pki)
    through = BrokerSettings(good.host, gate.port, good.ca, good.certificate, good.key)
    subscriber = Subscriber(
        through, "c", [topic.UP_FILTER], inbox, urgent=True, clock=SystemClock(), chance=random.Random(1)
    )
    thread = threading.Thread(target=subscriber.run)
    thread.start()
    try:
        wait_for(lambda: subscriber.link.connected, "connected")
        station = voice(STATION)
        for number in range(last):
            station.client.publish(topic.up(STATION, 1), str(number).encode(), qos=1)
        assert not station.say(b"last").is_failure  # the broker has all of them, and a long queue
        seen: dict[bytes, None] = {}
        while b"last" not in seen:
            taken = inbox.take(64, PATIENCE_S)
            assert taken, f"nothing comes any more after {len(seen)}"
            assert inbox.waiting()[0] <= RECEIVE_MAXIMUM
            for message in taken:
                seen[message.payload] = None
                message.acknowledge()
        assert len(seen) == last + 1
        assert gate.came == 1
        assert inbox.dropped == 0
    finally:
        subscriber.stop()
        gate.close()
        thread.join(PATIENCE_S)
