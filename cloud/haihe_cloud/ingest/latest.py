"""The retained, readable latest values of each station, published by the centre, at a bounded rate."""

import threading
from collections.abc import Callable

import msgspec
from haihe_contract import topic
from haihe_contract.clock import Clock
from haihe_contract.element import element
from haihe_contract.quality import Flag, Grade, Reason
from haihe_contract.reading import Reading
from haihe_contract.series import parse_series

from haihe_cloud.limits import LATEST_EVERY_S
from haihe_cloud.store.port import Store, StoreAway


def readable(station: str, readings: dict[str, Reading], now_ms: int) -> bytes:
    """The JSON object: station, when it was published, and per series time, value, unit, flag, reasons, grade."""
    values = {}
    for key, reading in sorted(readings.items()):
        values[key] = {
            "time_ms": reading.time_ms,
            "value": reading.value,
            "unit": element(parse_series(key).element).unit,
            "flag": Flag(reading.flag).name.lower(),
            "reasons": [str(reason.name).lower() for reason in Reason(reading.reasons)],
            "clock": Grade(reading.grade).name.lower(),
        }
    return msgspec.json.encode({"station": station, "published_ms": now_ms, "series": values})


class LatestValues:
    """Publishes what was touched, each station at most once in :data:`LATEST_EVERY_S`.

    Args:
        store: where the latest values are read.
        publish: sends retained; False when there is no connection.
        clock: for the time of publication.
        stop: ends :meth:`run`.
    """

    def __init__(
        self, store: Store, publish: Callable[[str, bytes], bool], clock: Clock, stop: threading.Event
    ) -> None:
        self._store = store
        self._publish = publish
        self._clock = clock
        self._stop = stop
        self._due: set[str] = set()
        self._lock = threading.Lock()

    def touched(self, station: str) -> None:
        """The station has new readings."""
        with self._lock:
            self._due.add(station)

    def run(self) -> None:
        """Publish until told to stop."""
        while not self._stop.wait(LATEST_EVERY_S):
            self.publish_due()

    def publish_due(self) -> None:
        """Publish the stations that were touched; what cannot be read or sent now stays due."""
        with self._lock:
            due, self._due = self._due, set()
        for station in sorted(due):
            try:
                payload = readable(station, self._store.latest(station), self._clock.now_ms())
                sent = self._publish(topic.latest(station), payload)
            except StoreAway:
                sent = False
            if not sent:
                self.touched(station)
