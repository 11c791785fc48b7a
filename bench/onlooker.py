"""Who watches a station's broker during a benchmark: what arrives live, and when the centre says that it holds it.

Two connections beside the station's: one with the centre's rights reads what stations publish, one with the
station's reads the receipts. Neither goes over the link that is measured.
"""

import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from haihe_contract import receipt as receipts
from haihe_contract import topic, wire
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import LANE_NAMES, Event, Readings
from haihe_edge.station import read_receipt_key
from paho.mqtt.enums import CallbackAPIVersion


class Onlooker:
    """What the centre knows of one station, as it comes to know it.

    Args:
        keys: folder of the keys.
        centre: its name.
        station: who is watched.
        port: of the broker.
    """

    def __init__(self, keys: Path, centre: str, station: str, port: int) -> None:
        self.held: dict[int, RangeSet] = {}
        self.live_peaks_s: list[float] = []
        """How old the newest value at the centre had become each time before a newer one was held."""
        self.first_live_s = 0.0
        """When the first one was held, by the wall."""
        self.alarms: dict[int, float] = {}
        """When the centre held an alarm, by the wall, by the time that its event says in ms."""
        self.lane_bytes = [0, 0, 0]
        self._key = read_receipt_key(keys / "receipt.pub")
        self._centre, self._station = centre, station
        self._waiting: dict[tuple[int, int], tuple[bool, int]] = {}
        self._newest_ms = 0
        self._lock = threading.Lock()
        filters = [topic.up(station, lane) for lane in range(len(LANE_NAMES))]
        self._ups = self._client(keys, keys / "centre", port, filters, self._up)
        own = keys / "stations" / station
        self._downs = self._client(keys, own, port, [topic.receipt(station, centre)], self._down)

    def _client(
        self, keys: Path, own: Path, port: int, filters: list[str], heard: Callable[[paho.MQTTMessage], None]
    ) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"onlooker-{own.name}", protocol=paho.MQTTv5)
        context = ssl.create_default_context(cafile=str(keys / "ca.pem"))
        context.load_cert_chain(f"{own}.pem", f"{own}.key")
        client.tls_set_context(context)

        def connected(*_: Any) -> None:
            client.subscribe([(each, 0) for each in filters])

        client.on_connect = connected
        client.on_message = lambda _client, _data, message: heard(message)
        client.connect("127.0.0.1", port)
        client.loop_start()
        return client

    def _up(self, message: paho.MQTTMessage) -> None:
        lane = LANE_NAMES.index(message.topic.rsplit("/", 1)[1])
        with self._lock:
            self.lane_bytes[lane] += len(message.payload)
            if LANE_NAMES[lane] == "backlog":
                return
            batch = wire.decode(bytes(message.payload))
            for record in batch.records:
                if isinstance(record.body, Readings | Event):
                    key = (batch.line, record.number)
                    self._waiting[key] = isinstance(record.body, Event), record.body.time_ms

    def _down(self, message: paho.MQTTMessage) -> None:
        now_s = time.time()
        receipt = receipts.verify(bytes(message.payload), self._key, centre=self._centre, station=self._station)
        with self._lock:
            for line, numbers in receipt.settled().items():
                self.held[line] = self.held.get(line, EMPTY) | numbers
            for line, number in list(self._waiting):
                if number not in self.held.get(line, EMPTY):
                    continue
                is_event, time_ms = self._waiting.pop((line, number))
                if is_event:
                    self.alarms.setdefault(time_ms, now_s)
                elif time_ms > self._newest_ms:
                    if self._newest_ms:
                        self.live_peaks_s.append(now_s - self._newest_ms / 1000)
                    else:
                        self.first_live_s = now_s
                    self._newest_ms = time_ms

    def close(self) -> None:
        """End both connections."""
        for client in (self._ups, self._downs):
            client.disconnect()
            client.loop_stop()
