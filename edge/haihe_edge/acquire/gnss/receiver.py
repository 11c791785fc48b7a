"""A positioning receiver on its own line: hears all the time, speaks of it once a period."""

import math
from collections.abc import Callable

from haihe_contract.clock import Clock
from haihe_contract.quality import Reason

from haihe_edge.acquire.group import BusState, Happened, InstrumentState, Said, Sample
from haihe_edge.acquire.line import Line
from haihe_edge.site import GnssBus, SiteSeries, Station

from .nmea import Antenna, Banner, Framer, Moment, Position, Receiver

_METRES_PER_DEGREE = 111_195.0
"""On a sphere of 6371.0 km; a few parts in a thousand do not matter here."""


def metres_apart(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Distance of two near places in metres."""
    north = latitude - other_latitude
    east = (longitude - other_longitude + 180) % 360 - 180
    return _METRES_PER_DEGREE * math.hypot(north, east * math.cos(math.radians(latitude)))


class GnssInstrument:
    """The receiver as an instrument: what it heard, what it says at a due time.

    Args:
        bus: of the site.
        station: where it should stand.
        series: its series, in the order latitude, longitude, satellites.
        line: where it is heard.
        clock: when it is heard.
        on_time: told ``(utc_ms, monotonic_ms)`` of every trusted moment.
        happened: told kind and detail of what is no reading.
    """

    def __init__(
        self,
        bus: GnssBus,
        station: Station,
        series: tuple[SiteSeries, ...],
        line: Line,
        clock: Clock,
        on_time: Callable[[int, int], None],
        happened: Happened,
    ) -> None:
        self.bus = bus
        self.name = bus.name
        self.line = line
        self.series = series
        self._station = station
        self._clock = clock
        self._on_time = on_time
        self._happened = happened
        self._framer = Framer()
        self._receiver = Receiver()
        self._moved = False
        self.state = InstrumentState(bus.name, -1)
        self.error: Said | None = None

    def hear(self) -> None:
        """Take in what has arrived on the line."""
        now = self._clock.monotonic_ms()
        sentences = self._framer.feed(self.line.buffer)
        self.line.buffer.clear()
        for sentence in sentences:
            word = self._receiver.take(sentence, now)
            if isinstance(word, Moment) and word.utc_ms is not None:
                self._on_time(word.utc_ms, now)
            elif isinstance(word, Antenna):
                if word.state != "open" or self.bus.antenna_warning:
                    self._happened(f"antenna_{word.state}", {})
            elif isinstance(word, Banner) and self._receiver.starts > 1:
                self._happened("gnss_restarted", {"starts": self._receiver.starts})

    def has_spoken(self) -> bool:
        """Whether it has said, since the agent started, where it stands or that it does not know."""
        return self._receiver.position is not None

    def samples(self) -> list[Sample]:
        """What to write down at a due time."""
        now = self._clock.monotonic_ms()
        self.state.polls += 1
        if not self.line.is_open:
            return self._none(Reason.BUS_DOWN)
        if not self._receiver.is_heard(now):
            self._failed(("no sentence from the receiver", {}))
            return self._none(Reason.TIMEOUT)
        self.state.answers += 1
        self.state.failures, self.state.error = 0, None
        fix = self._receiver.fix(now)
        reason = Reason.NONE if fix.latitude is not None else Reason.NO_FIX
        if fix.latitude is not None and fix.longitude is not None:
            reason = self._stands(fix.latitude, fix.longitude)
        return [
            (self.series[0].number, fix.latitude, reason),
            (self.series[1].number, fix.longitude, reason),
            (
                self.series[2].number,
                None if fix.satellites is None else float(fix.satellites),
                Reason.NO_FIX if fix.satellites is None else Reason.NONE,
            ),
        ]

    def _stands(self, latitude: float, longitude: float) -> Reason:
        metres = metres_apart(latitude, longitude, self._station.latitude, self._station.longitude)
        moved = metres > self.bus.moved_m
        if moved != self._moved:
            self._moved = moved
            self._happened("station_moved" if moved else "station_back", {"metres": round(metres)})
        return Reason.MOVED if moved else Reason.NONE

    def _none(self, reason: Reason) -> list[Sample]:
        return [(series.number, None, reason) for series in self.series]

    def _failed(self, error: Said) -> None:
        self.state.failures += 1
        self.state.error = error

    def shown(self) -> BusState:
        """How it is doing."""
        now = self._clock.monotonic_ms()
        receiver = self._receiver
        fix: Position = receiver.fix(now)
        heard = receiver.heard_ms
        self.state.answered_ago_ms = None if heard is None else now - heard
        detail: dict[str, object] = {
            "antenna": receiver.antenna,
            "fix": fix.latitude is not None,
            "satellites": fix.satellites,
            "starts": receiver.starts,
            "refused": dict(self._framer.refused),
        }
        return BusState(self.bus.name, "gnss", self.bus.port, self.line.is_open, self.error, [self.state], detail)
