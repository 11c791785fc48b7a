"""The live feed: latest values in memory, kept fresh by the arrival log, and who wants to hear of a change.

Follows the arrival log as ``page``. Memory holds one newest and one usable reading per series and a short, thinned
tail of levels for the trend; everything older is read from the store when somebody asks.
"""

import threading
from collections.abc import Iterable

from haihe_contract.clock import Clock
from haihe_contract.quality import Grade
from haihe_contract.reading import Reading
from haihe_contract.record import LANE_BACKLOG
from haihe_contract.unfold import UnknownSeries, unfold
from haihe_contract.wire import Batch

from haihe_cloud.admit.registry import Registry, Station
from haihe_cloud.database import Connection
from haihe_cloud.ledger.arrival import ArrivalEntry
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.store.choose import better
from haihe_cloud.store.port import Store

from .state import Facts, Limit, Sighting, StationState, believable, judge
from .stream import Listeners

SERIES_MAX = 512
"""Series of one station that are kept in memory; a station has some dozens."""
DICTIONARIES_MAX = 4096
TREND_MS = 3_600_000
"""The trend is the change over the last hour: shorter is waves, longer hides a turn."""
_TREND_MIN_MS = 600_000
_BIN_MS = 300_000
_LOOK_BACK_MS = (3_600_000, 86_400_000)
_LOOK_BACK_ROWS = 20_000
_HEARD_MS = 1000
_BACKLOG_MS = 2000
"""How old these may be: heartbeats change them and leave no entry in the arrival log."""


class _Memory:
    """What is remembered of one station."""

    __slots__ = ("bins", "newest", "untimed", "usable")

    def __init__(self) -> None:
        self.newest: dict[str, Sighting] = {}
        self.usable: dict[str, Sighting] = {}
        self.untimed: dict[str, Sighting] = {}
        self.bins: dict[str, dict[int, tuple[int, float]]] = {}

    def see(self, reading: Reading, received_ms: int | None) -> None:
        """Take one reading in, whatever order they come in."""
        if reading.grade is Grade.NONE:
            self._keep(self.untimed, Sighting(reading, received_ms, time_known=False))
            return
        sighting = Sighting(reading, received_ms)
        self._keep(self.newest, sighting)
        if believable(reading):
            self._keep(self.usable, sighting)
            if reading.series.startswith("water_level.") and reading.value is not None:
                self._bin(reading.series, reading.time_ms, reading.value)

    def _keep(self, shelf: dict[str, Sighting], new: Sighting) -> None:
        key = new.reading.series
        held = shelf.get(key)
        if held is None:
            if len(shelf) < SERIES_MAX:
                shelf[key] = new
        elif _order(new) > _order(held):
            shelf[key] = new
        elif _order(new) == _order(held) and better(new.reading, held.reading) is new.reading:
            shelf[key] = new  # one place, two values: the page shows what the store shows

    def _bin(self, series: str, time_ms: int, value: float) -> None:
        bins = self.bins.setdefault(series, {})
        at = time_ms // _BIN_MS
        held = bins.get(at)
        if held is None or time_ms >= held[0]:
            bins[at] = (time_ms, value)
        if len(bins) > 2 * (TREND_MS // _BIN_MS):
            for old in sorted(bins)[: len(bins) - TREND_MS // _BIN_MS - 2]:
                del bins[old]

    def trend(self, series: str) -> float | None:
        """Metres per hour over the last hour of what is known, None when that is less than ten minutes."""
        bins = self.bins.get(series)
        if not bins:
            return None
        last_ms, last = bins[max(bins)]
        past = [point for point in bins.values() if _TREND_MIN_MS <= last_ms - point[0] <= TREND_MS + _BIN_MS]
        if not past:
            return None
        first_ms, first = min(past)
        return (last - first) * 3_600_000 / (last_ms - first_ms)


def _order(sighting: Sighting) -> tuple[int, int, int]:
    """Measured readings by time; those without a time by arrival, then by their own clock."""
    reading = sighting.reading
    if sighting.time_known:
        return (reading.time_ms, 0, 0)
    return (sighting.received_ms or 0, reading.time_ms, reading.number)


class LiveFeed:
    """Latest values and the listeners of the page. A follower of the arrival log; safe from any thread."""

    name = "page"

    def __init__(self, *, store: Store, ledger: Ledger, registry: Registry, clock: Clock) -> None:
        self._store = store
        self._ledger = ledger
        self._registry = registry
        self._clock = clock
        self._lock = threading.Lock()
        self._stations: dict[str, _Memory] = {}
        self._heard: dict[str, int] = {}
        self._heard_at_ms: int | None = None
        self._waiting: dict[str, tuple[int, tuple[int, int]]] = {}
        self._dictionaries: dict[tuple[str, int], list[str]] = {}
        self.listeners = Listeners()
        self.unreadable = 0
        """Batches whose contents could not be shown; they are in the store or in quarantine all the same."""

    # --- filling -------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Fill the memory from the store at start.

        Raises:
            StoreAway: when the store cannot be reached; call again later, live values come in meanwhile.
        """
        now_ms = self._clock.now_ms()
        for station in self._registry.stations():
            readings = list(self._load_station(station.code, now_ms))
            lines = self._ledger.lines(station.code, 1)
            with self._lock:
                memory = self._stations.setdefault(station.code, _Memory())
                for reading in readings:
                    if reading.grade is not Grade.NONE:
                        memory.see(reading, None)
                    elif lines and reading.line == lines[0].line:
                        # When it arrived is no longer known; only the line that is spoken now can be of now.
                        memory.see(reading, lines[0].last_ms)
        self.listeners.changed_all()

    def _load_station(self, code: str, now_ms: int) -> Iterable[Reading]:
        for key, reading in self._store.latest(code).items():
            if not believable(reading):
                yield from self._last_believable(code, key, reading.time_ms)
            elif key.startswith("water_level."):
                yield from self._store.read(code, key, reading.time_ms - TREND_MS, reading.time_ms, 20)
            yield reading
        yield from self._store.untimed(code, SERIES_MAX)

    def _last_believable(self, code: str, key: str, before_ms: int) -> list[Reading]:
        """The value before an instrument fell away, looked for not further back than a day."""
        for span in _LOOK_BACK_MS:
            found = [r for r in self._read_end(code, key, before_ms - span, before_ms) if believable(r)]
            if found:
                return found[-1:]
        return []

    def _read_end(self, code: str, key: str, start_ms: int, end_ms: int) -> list[Reading]:
        rows = self._store.read(code, key, start_ms, end_ms, _LOOK_BACK_ROWS)
        while len(rows) == _LOOK_BACK_ROWS:
            further = self._store.read(code, key, rows[-1].time_ms + 1, end_ms, _LOOK_BACK_ROWS)
            if not further:
                break
            rows = further
        return rows

    def handle(self, entry: ArrivalEntry, batch: Batch, connection: Connection) -> None:
        """Take one batch of the arrival log. What cannot be shown is counted, never raised."""
        readings = self._unfold(entry, batch)
        heard_ms = self._ledger.heard(entry.station)
        with self._lock:
            memory = self._stations.setdefault(entry.station, _Memory())
            for reading in readings:
                # What comes out of a backlog without a time is history, whenever it comes.
                if reading.grade is not Grade.NONE or entry.lane != LANE_BACKLOG:
                    memory.see(reading, entry.received_ms)
            if heard_ms is not None:
                self._heard[entry.station] = max(heard_ms, self._heard.get(entry.station, 0))
            self._waiting.pop(entry.station, None)
        self.listeners.changed_station(entry.station)

    def changed(self, what: str) -> None:
        """Say that something else has changed: ``alarms`` or ``stations``."""
        if what == "stations":
            self.listeners.changed_all()
        else:
            self.listeners.changed_topic(what)

    def close(self) -> None:
        """End all listening, so that the server can stop."""
        self.listeners.close()

    def _unfold(self, entry: ArrivalEntry, batch: Batch) -> list[Reading]:
        for fresh in (False, True):  # a dictionary may have grown since it was remembered
            try:
                return unfold(batch, self._dictionary(entry.station, entry.line, fresh=fresh))
            except UnknownSeries:
                continue
            except ValueError:
                break
        self.unreadable += 1
        return []

    def _dictionary(self, station: str, line: int, *, fresh: bool) -> list[str]:
        found = None if fresh else self._dictionaries.get((station, line))
        if found is None:
            found = self._ledger.dictionary(station, line) or []
            if found:
                if len(self._dictionaries) >= DICTIONARIES_MAX:
                    self._dictionaries.clear()
                self._dictionaries[(station, line)] = found
        return found

    # --- asking --------------------------------------------------------------------------------------------

    def facts(self, station: Station) -> Facts:
        """What is known of the station now, for :func:`haihe_cloud.show.state.judge`."""
        self._refresh_heard()
        with self._lock:
            memory = self._stations.get(station.code) or _Memory()
            newest = [*memory.newest.values(), *_still_untimed(memory)]
            usable = [*memory.usable.values(), *(s for s in _still_untimed(memory) if believable(s.reading))]
            heard = self._heard.get(station.code)
        limits = [Limit(each.series, each.datum, each.warning, each.guarantee) for each in station.levels]
        return Facts(self._clock.now_ms(), heard, station.silent_after_s, newest, usable, limits)

    def state(self, station: Station) -> StationState:
        """The station's state now."""
        return judge(self.facts(station))

    def trend(self, station: str, series: str) -> float | None:
        """Metres per hour over the last hour, None when too little is known."""
        with self._lock:
            memory = self._stations.get(station)
            return memory.trend(series) if memory else None

    def backlog(self, station: str) -> tuple[int, int]:
        """Records that wait at the station, and records that are missing for good (gaps and unexplained)."""
        now_ms = self._clock.monotonic_ms()
        with self._lock:
            held = self._waiting.get(station)
        if held is not None and now_ms - held[0] < _BACKLOG_MS:
            return held[1]
        lines = self._ledger.lines(station)
        counts = (
            sum(line.awaited.count() for line in lines),
            sum(line.gaps.count() + line.lost.count() for line in lines),
        )
        with self._lock:
            self._waiting[station] = (now_ms, counts)
        return counts

    def _refresh_heard(self) -> None:
        now_ms = self._clock.monotonic_ms()
        with self._lock:
            if self._heard_at_ms is not None and now_ms - self._heard_at_ms < _HEARD_MS:
                return
            self._heard_at_ms = now_ms
        heard = self._ledger.last_heard()
        with self._lock:
            for code, received_ms in heard.items():
                self._heard[code] = max(received_ms, self._heard.get(code, 0))


def _still_untimed(memory: _Memory) -> list[Sighting]:
    """Untimed sightings that nothing with a time has overtaken: once the clock is known again they are history."""
    out = []
    for key, untimed in memory.untimed.items():
        timed = memory.newest.get(key)
        if timed is None:
            out.append(untimed)
        elif timed.reading.line == untimed.reading.line:
            if untimed.reading.number > timed.reading.number:
                out.append(untimed)
        elif timed.reading.time_ms < (untimed.received_ms or 0):
            out.append(untimed)
    return out
