"""The alarm engine: follows the arrival log, has readings judged in event time, and watches for silence."""

from typing import Protocol

from haihe_contract.clock import Clock
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.reading import Reading
from haihe_contract.unfold import UnknownSeries, unfold
from haihe_contract.wire import Batch

from haihe_cloud.admit.registry import Station
from haihe_cloud.database import Connection, Database
from haihe_cloud.ledger.arrival import TIMED, ArrivalEntry, LineState, StationEvent
from haihe_cloud.store.port import Store

from . import silence, tracks
from .ahead import Ahead
from .book import BOOK, Alarm
from .course import Occasion, judge_series, part
from .plan import AlarmProblem, Judgement, judgements, problems
from .rule import Rules
from .telling import end_track

PROBLEMS_MAX = 1000
"""Problems listed at once."""
_EVIDENCE_MS = 1_800_000
_EVIDENCE_EVENTS = ("level_raised", "level_cleared")


class LedgerPort(Protocol):
    """What the engine asks the ledger."""

    def dictionary(self, station: str, line: int) -> list[str] | None:
        """Series keys of a line by series number."""
        ...

    def lines(self, station: str, most: int = ...) -> list[LineState]:
        """Lines of a station, most recently heard first."""
        ...

    def last_heard(self) -> dict[str, int]:
        """When each station was last heard."""
        ...

    def heard(self, station: str) -> int | None:
        """When one station was last heard."""
        ...

    def events(self, station: str | None, most: int = ...) -> list[StationEvent]:
        """Events of a station, latest received first."""
        ...


class RegistryPort(Protocol):
    """What the engine asks the registry."""

    def stations(self) -> list[Station]:
        """Every known station."""
        ...

    def get(self, code: str) -> Station | None:
        """The station of that code."""
        ...


class AlarmEngine:
    """Follower ``alarm`` of the arrival log.

    Args:
        database: holds book, snapshots and the cursor, so that they are committed together.
        ledger: for dictionaries, and when stations were heard.
        store: read when judgement has to go back.
        registry: stations and their levels.
        rules: when readings should alarm.
        clock: for the time at which an alarm is raised.
    """

    name = BOOK

    def __init__(
        self,
        database: Database,
        ledger: LedgerPort,
        store: Store,
        registry: RegistryPort,
        rules: Rules,
        clock: Clock,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._ahead = Ahead(store)
        self._registry = registry
        self._rules = rules
        self._clock = clock
        self._plans: dict[str, tuple[Station, dict[str, list[Judgement]]]] = {}
        self._swept: frozenset[str] | None = None
        self.unreadable = 0
        """Batches whose readings could not be unfolded, and so were not judged."""

    def handle(self, entry: ArrivalEntry, batch: Batch, connection: Connection) -> None:
        """Judge one batch. Everything is written through the connection, with the cursor.

        Raises:
            ReadFirst: when judgement must go back to readings that were not fetched yet; nothing is changed then.
            StoreAway: when they are too many to be fetched before, and the store cannot be read.
        """
        self._ahead.begin(entry.position)
        station = self._registry.get(entry.station)
        if station is None:
            return
        # What people had admitted again, or carried here, is an arrival and no word of the station.
        heard_ms = self._ledger.heard(entry.station)
        if heard_ms is not None:
            silence.heard(connection, entry.station, min(entry.received_ms, heard_ms))
        dictionary = self._ledger.dictionary(entry.station, entry.line)
        try:
            readings = unfold(batch, dictionary or [])
        except (UnknownSeries, ValueError):
            self.unreadable += 1
            return
        by_series: dict[str, list[Reading]] = {}
        for reading in readings:
            if self._plan(station, reading.series):
                by_series.setdefault(reading.series, []).append(reading)
        if not by_series:
            return
        if entry.lane == TIMED:  # judged at their arrival once; now they have a place in the order of time
            placed = RangeSet.from_numbers(record.number for record in batch.records)
            tracks.take_unordered(connection, station.code, entry.line, placed)
        apart = tracks.unordered(connection, station.code)
        known = apart.get(entry.line, EMPTY)
        parts = {key: part(rows, entry.received_ms, known) for key, rows in by_series.items()}
        numbers = RangeSet.from_numbers({r.number for fresh in parts.values() for r in fresh.at_arrival})
        if numbers:
            tracks.add_unordered(connection, station.code, entry.line, numbers, entry.received_ms)
            apart[entry.line] = known | numbers
        occasion = Occasion(connection, self._ahead, station.code, entry.received_ms, self._clock.now_ms(), apart)
        for key, fresh in parts.items():
            for judgement in self._plan(station, key):
                judge_series(occasion, judgement, fresh)

    def _plan(self, station: Station, series: str) -> list[Judgement]:
        held = self._plans.get(station.code)
        if held is None or held[0] != station:
            held = self._plans[station.code] = (station, {})
        plan = held[1].get(series)
        if plan is None:
            plan = held[1][series] = judgements(self._rules, station, series)
        return plan

    def tick(self, now_ms: int, listening_since_ms: int | None) -> None:
        """Judge silence, and end what nobody judges any more.

        Args:
            now_ms: by the centre's clock.
            listening_since_ms: since when the centre has been listening without a break; None when it is deaf.
        """
        stations = self._registry.stations()
        codes = frozenset(station.code for station in stations)
        due = silence.due(
            self._database.connection(), self._rules, stations, self._ledger.last_heard(),
            now_ms=now_ms, listening_since_ms=listening_since_ms,
        )  # fmt: skip
        if not due and codes == self._swept:
            return  # nearly always; thousands of stations are looked at while others may write
        with self._database.transaction(BOOK) as connection:
            if codes != self._swept:
                self._sweep(connection, codes, now_ms)
            silence.judge(
                connection, self._rules, due, self._ledger.last_heard(),
                now_ms=now_ms, listening_since_ms=listening_since_ms,
            )  # fmt: skip
        self._swept = codes

    def _sweep(self, connection: Connection, codes: frozenset[str], now_ms: int) -> None:
        names = {rule.name for rule in self._rules.rules}
        rows = connection.execute("SELECT id, rule, station FROM alarm_track").fetchall()
        for track, rule, station in rows:
            if station not in codes or rule not in names:
                end_track(connection, track, now_ms, "rule_removed" if station in codes else "station_removed")
                tracks.drop_track(connection, track)
        silence.forget(connection, codes, now_ms)
        for code in self._plans.keys() - codes:
            self._plans.pop(code, None)

    def problems(self) -> list[AlarmProblem]:
        """Levels and rules that are not judged although somebody meant them to be, for the page and status."""
        out: list[AlarmProblem] = []
        for station in self._registry.stations():
            lines = self._ledger.lines(station.code, 1)
            keys = self._ledger.dictionary(station.code, lines[0].line) if lines else None
            out += problems(self._rules, station, keys or [])
            if len(out) >= PROBLEMS_MAX:
                break
        return out[:PROBLEMS_MAX]

    def evidence(self, alarm: Alarm) -> list[StationEvent]:
        """What the station itself said about this level around that time. It never raises or ends an alarm."""
        end_ms = alarm.ended_ms if alarm.ended_ms is not None else self._clock.now_ms()
        return [
            event
            for event in self._ledger.events(alarm.station)
            if event.kind in _EVIDENCE_EVENTS
            and event.series == alarm.series
            and alarm.started_ms - _EVIDENCE_MS <= event.time_ms <= end_ms + _EVIDENCE_MS
        ]
