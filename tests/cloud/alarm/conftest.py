"""A whole centre without wire: real database, ledger, registry and store, and the engine that follows the log."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from haihe_cloud.admit.registry import Registry, Station, StationLevels
from haihe_cloud.alarm.book import Alarm, AlarmBook
from haihe_cloud.alarm.engine import AlarmEngine
from haihe_cloud.alarm.rule import Rules, read_rules
from haihe_cloud.database import Database
from haihe_cloud.ledger.arrival import Arrival, ArrivalEntry
from haihe_cloud.ledger.follow import ReadFirst
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract.quality import PASS_MARK, Flag, Grade, Reason, mark
from haihe_contract.ranges import EMPTY
from haihe_contract.record import Body, Dictionary, Readings, Record
from haihe_contract.unfold import unfold
from haihe_contract.wire import Batch, decode, encode, read_envelope

from tests.clocks import HandClock

CODE = "31005650"
LEVEL = "water_level.main.instant.0.instrument.dagu"
VOLTS = "supply_voltage.main.instant.0.instrument.-"
KEYS = [LEVEL, VOLTS, "water_level.main.instant.0.instrument.cgvd1985"]
T0 = 1_785_542_400_000  # 2026-08-01 08:00 Beijing time
MINUTE = 60_000
RULES = """
rules:
  - name: warning
    series: {element: water_level}
    raise_at: warning
    clear_margin: 0.2
    hold_clear: 0s
    severity: yellow
  - name: supply_low
    series: {element: supply_voltage}
    below: true
    raise_at: 11.3
    clear_above: 12.0
    hold_clear: 0s
    severity: blue
silent: {after: 10min, severity: blue}
"""


class Centre:
    """Takes readings in and lets the alarm engine follow."""

    def __init__(self, database: Database, folder: Path, rules: Rules) -> None:
        self.clock = HandClock(T0)
        self.database = database
        self.store = SqliteStore(folder / "store.db")
        self.ledger = Ledger(self.database, centre="city", clock=self.clock)
        self.registry = Registry(self.database)
        self.registry.add(
            Station(code=CODE, name_en="Weir", levels=[StationLevels(LEVEL, "dagu", 5.0, 6.0)], silent_after_s=600)
        )
        self.book = AlarmBook(self.database)
        self.follow_rules(rules)
        self._numbers: dict[int, int] = {}

    def follow_rules(self, rules: Rules) -> None:
        """Start the engine anew, as after a restart."""
        self.engine = AlarmEngine(self.database, self.ledger, self.store, self.registry, rules, self.clock)

    def take(
        self,
        bodies: Sequence[Body],
        *,
        received_ms: int,
        line: int = 1,
        first: int | None = None,
        volatile: bool = False,
        carried: bool = False,
    ) -> None:
        """Store and book one batch; the dictionary travels with it."""
        number = first or self._numbers.get(line, 2)
        self._numbers[line] = number + len(bodies)
        records = [Record(1, False, Dictionary(KEYS))]
        records += [Record(number + at, False, body) for at, body in enumerate(bodies)]
        data = encode(Batch(CODE, line, 1, number + len(bodies) - 1, 1, records, volatile))
        batch = decode(data)
        self.clock.ms = received_ms
        self.store.write({CODE: unfold(batch, KEYS)})
        self.ledger.take([Arrival(read_envelope(data), batch, data, received_ms, EMPTY, carried=carried)])

    def work(self, *, fail_after: bool = False) -> None:
        """Let the engine work off the log, one commit an entry."""
        for entry in self.ledger.arrivals(self.ledger.position("alarm")):
            while True:
                try:
                    with self.database.transaction() as connection:
                        self.handle(entry, connection)
                        if fail_after:
                            raise PowerCut
                        self.ledger.advance(connection, "alarm", self.ledger.position("alarm"), entry.position)
                    break
                except ReadFirst as need:
                    need.fetch()

    def handle(self, entry: ArrivalEntry, connection: object) -> None:
        self.engine.handle(entry, decode(entry.data), connection)  # type: ignore[arg-type]

    def send(
        self,
        *readings: tuple[float, float | None] | tuple[float, float | None, Flag],
        received: float | None = None,
        series: int = 0,
        grade: Grade = Grade.NTP,
        line: int = 1,
        first: int | None = None,
        work: bool = True,
        carried: bool = False,
    ) -> None:
        """Send readings given as (minutes after T0, value, flag), received at a minute (default: the last one)."""
        bodies: list[Body] = []
        for minute, value, *flags in readings:
            flag = Flag.MISSING if value is None else flags[0] if flags else Flag.PASS
            packed = PASS_MARK if flag is Flag.PASS else mark(flag, Reason.NONE)
            time_ms = round(minute * MINUTE) + (0 if grade is Grade.NONE else T0)
            bodies.append(Readings(time_ms, int(grade), [series], [value], [packed]))
        arrived = max(reading[0] for reading in readings) if received is None else received
        self.take(bodies, received_ms=T0 + round(arrived * MINUTE), line=line, first=first, carried=carried)
        if work:
            self.work()

    def active(self) -> list[Alarm]:
        return self.book.active()

    def told(self, rule: str = "warning") -> list[Alarm]:
        """The alarms of a rule that stand, by their start."""
        alarms = [alarm for alarm in self.book.recent() if alarm.rule == rule and not alarm.void]
        return sorted(alarms, key=lambda alarm: alarm.started_ms)

    def spans(self, rule: str = "warning") -> list[tuple[float, float | None]]:
        """Start and end of the standing alarms in minutes after T0."""
        return [
            ((a.started_ms - T0) / MINUTE, None if a.ended_ms is None else (a.ended_ms - T0) / MINUTE)
            for a in self.told(rule)
        ]

    def tick(self, minute: float, listening_since: float | None = -1000) -> None:
        """Judge silence at that minute."""
        self.clock.ms = T0 + round(minute * MINUTE)
        since = None if listening_since is None else T0 + round(listening_since * MINUTE)
        self.engine.tick(self.clock.ms, since)

    def close(self) -> None:
        self.store.close()
        self.database.close()


class PowerCut(Exception):
    """The process ended here."""


@pytest.fixture
def rules() -> Rules:
    return read_rules(RULES)


@pytest.fixture
def centre(tmp_path: Path, database: Database, rules: Rules) -> Iterator[Centre]:
    made = Centre(database, tmp_path, rules)
    yield made
    made.close()
