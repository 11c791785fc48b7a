"""Real parts that several areas test with: keys, a broker, an InfluxDB, and a station's voice on it."""

import os
import queue
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from haihe_cloud.admit.broker import write_broker_files
from haihe_cloud.admit.pki import Pki
from haihe_contract import topic
from haihe_contract.clock import SystemClock
from hypothesis import settings
from paho.mqtt.enums import CallbackAPIVersion

from tests.influx import Influx, influx_or_skip

# Everybody's machine looks for new counter-examples; CI tries the same ones, so that a change is judged by itself.
# How long an example takes says nothing on a machine that has other work.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

CENTRE = "haihe"
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
STATIONS = ("31005650", "31005651", "31005652")
PATIENCE_S = 30.0
"""Longer than anything takes here while others use the machine, too."""


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def wait_for(holds: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
    """Ask again until it holds; its answer."""
    deadline = time.monotonic() + seconds
    while True:
        answer = holds()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s in vain until {what}")
        time.sleep(0.02)


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Keys of a broker on this machine, the centre ``haihe``, its receipts, and three stations."""
    keys = Pki(tmp_path_factory.mktemp("pki"), SystemClock())
    keys.init()
    keys.make_receipt_key()
    keys.broker(["localhost", "127.0.0.1"])
    keys.centre(CENTRE)
    for station in STATIONS:
        keys.station(station)
    return keys


class Broker:
    """A real Mosquitto with TLS and the ACL of the product."""

    def __init__(self, directory: Path, pki: Pki, centre: str = CENTRE) -> None:
        self.host = "127.0.0.1"
        self.port = free_port()
        self._conf = write_broker_files(directory, pki, centre, port=self.port, host=self.host)
        self._data = directory / "data"
        self._log = directory / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO is not None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._conf)], stdout=log, stderr=log)
        wait_for(self._listens, "the broker listens")

    def stop(self) -> None:
        """In order: sessions and retained messages are written."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9: what it has not written is gone."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def forget(self) -> None:
        """Lose every session, queue and retained message, as after a disk that was exchanged; it stands still."""
        assert self._process is None
        for path in self._data.iterdir():
            path.unlink()

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE_S)
            self._process = None

    def _listens(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            pytest.fail(f"mosquitto ended: {self.log()}")
        try:
            socket.create_connection((self.host, self.port), 1).close()
        except OSError:
            return False
        return True


@pytest.fixture
def broker(tmp_path: Path, pki: Pki) -> Iterator[Broker]:
    """A started broker; ``stop``, ``kill``, ``start`` and ``restart`` it at will."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    made = Broker(tmp_path / "broker", pki)
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    """A real InfluxDB that tests of one run share."""
    server = influx_or_skip(tmp_path_factory.mktemp("influx"))
    yield server
    server.stop()


class Voice:
    """A station's own connection to the broker, as any client would make it; with other keys, somebody else's."""

    def __init__(
        self, broker: Broker, pki: Pki, station: str, *, listens_to: str = "", keys: str = "", client: str = ""
    ) -> None:
        self.station = station
        self._filter = listens_to or f"{topic.ROOT}/{topic.shard(station)}/{station}/down/#"
        own = pki.directory / (keys or f"stations/{station}")
        self.received: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._codes: dict[int, Any] = {}
        self._answered = threading.Condition()
        self._subscribed = threading.Event()
        name = client or f"voice-{station}"
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5, client_id=name)
        self.client.tls_set(str(pki.ca), f"{own}.pem", f"{own}.key")
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = lambda _, __, message: self.received.put((message.topic, bytes(message.payload)))
        self.client.on_publish = self._on_publish
        self.client.connect(broker.host, broker.port)
        self.client.loop_start()
        assert self._subscribed.wait(PATIENCE_S), "no subscription"

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe(self._filter, qos=1)

    def _on_publish(self, _: Any, __: Any, mid: int, code: Any, ___: Any) -> None:
        with self._answered:
            self._codes[mid] = code
            self._answered.notify_all()

    def say(self, payload: bytes, *, to: str | None = None, lane: int = 1) -> Any:
        """Publish with QoS 1; the broker's reason code."""
        info = self.client.publish(to or topic.up(self.station, lane), payload, qos=1)
        with self._answered:
            assert self._answered.wait_for(lambda: info.mid in self._codes, PATIENCE_S), "no PUBACK"
            return self._codes[info.mid]

    def hear(self, seconds: float = PATIENCE_S) -> tuple[str, bytes]:
        """The next message for this station."""
        return self.received.get(timeout=seconds)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def voice(broker: Broker, pki: Pki) -> Iterator[Callable[[str], Voice]]:
    """Makes the connection of a station: ``voice("31005650")``."""
    made: list[Voice] = []

    def make(station: str) -> Voice:
        made.append(Voice(broker, pki, station))
        return made[-1]

    yield make
    for each in made:
        each.close()
