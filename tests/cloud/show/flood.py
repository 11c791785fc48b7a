"""A day of a synthetic flood at nine made-up stations, through the real store, ledger, registry and alarm engine.

Run it to look at the page: ``python -m tests.cloud.show.flood --port 8080``.
"""

import argparse
import math
import random
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import uvicorn
from haihe_cloud.admit.registry import Registry, Station, StationLevels
from haihe_cloud.alarm.book import AlarmBook
from haihe_cloud.alarm.engine import AlarmEngine
from haihe_cloud.alarm.rule import read_rules
from haihe_cloud.ledger.arrival import Arrival
from haihe_cloud.ledger.follow import ReadFirst, follow
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.show.app import create_app
from haihe_cloud.show.feed import LiveFeed
from haihe_cloud.sql.sqlite import SqliteDatabase
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract import wire
from haihe_contract.quality import Flag, Grade, Reason, mark
from haihe_contract.ranges import RangeSet
from haihe_contract.record import LANE_BACKLOG, LANE_LIVE, Dictionary, Duty, Event, Gap, Opened, Readings, Record
from haihe_contract.unfold import unfold

LEVEL = "water_level.main.instant.0.derived.dagu"
DOWN = "water_level.downstream.instant.0.derived.dagu"
FLOW = "flow.main.instant.0.derived.-"
RAIN = "accumulated_rain.main.total.0.instrument.-"
VOLT = "supply_voltage.main.instant.0.instrument.-"
SIGNAL = "signal.main.instant.0.instrument.-"
TEMPERATURE = "board_temperature.board.instant.0.instrument.-"
SERIES = [LEVEL, FLOW, RAIN, VOLT, SIGNAL, TEMPERATURE, DOWN]
MINUTE = 60_000
HOUR = 60 * MINUTE

RULES = """
rules:
  - name: above_warning
    title_zh: 超警戒水位
    title_en: above the warning level
    severity: yellow
    series: {element: water_level}
    raise_at: warning
    clear_margin: 0.1
    hold_raise: 0s
  - name: above_guarantee
    title_zh: 超保证水位
    title_en: above the guarantee level
    severity: red
    series: {element: water_level}
    raise_at: guarantee
    clear_margin: 0.1
    hold_raise: 0s
"""


class Part(NamedTuple):
    """One station's part in the play."""

    code: str
    zh: str
    en: str
    river: str
    district: str
    latitude: float
    longitude: float
    base: float
    rise: float
    peak_h: float
    warning: float | None
    guarantee: float | None
    fault: str = ""


CAST = [
    Part("30950101", "屈家店闸", "Qujiadian Gate", "永定新河", "北辰区", 39.25, 117.11, 4.1, 3.0, -1.5, 6.0, 7.0),
    Part("30950202", "筐儿港", "Kuang'ergang", "北运河", "武清区", 39.39, 117.06, 5.4, 2.6, 1.0, 7.3, 8.4, "silent"),
    Part("30950303", "里自沽闸", "Lizigu Gate", "潮白新河", "宝坻区", 39.37, 117.5, 3.0, 2.1, 2.0, 4.6, 5.6, "suspect"),
    Part("30950404", "三岔口", "Sanchakou", "海河", "红桥区", 39.15, 117.19, 2.0, 1.1, 3.0, 3.4, 4.3),
    Part("30950505", "海河闸", "Haihe Gate", "海河", "滨海新区", 38.98, 117.72, 1.2, 0.5, 0.0, 2.9, 3.5, "late"),
    Part("30950606", "进洪闸", "Jinhong Gate", "独流减河", "静海区", 39.03, 116.93, 3.6, 1.0, 1.0, 5.5, 6.4, "missing"),
    Part("30950707", "九王庄", "Jiuwangzhuang", "蓟运河", "蓟州区", 40.02, 117.42, 6.2, 0.8, 0.0, 8.5, 9.4, "untimed"),
    Part("30950808", "周官屯", "Zhouguantun", "子牙新河", "静海区", 38.57, 117.0, 4.4, 0.9, -3.0, None, None, "gap"),
]


class SetClock:
    """Real time, or a time that the play sets."""

    def __init__(self) -> None:
        self.fixed: int | None = None

    def now_ms(self) -> int:
        return self.fixed if self.fixed is not None else time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return self.now_ms() if self.fixed is not None else time.monotonic_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


class Centre:
    """The real parts of a centre over one folder."""

    def __init__(self, folder: Path, clock: SetClock | None = None) -> None:
        self.clock = clock or SetClock()
        self.database = SqliteDatabase(folder / "centre.db")
        self.store = SqliteStore(folder / "series.db")
        self.ledger = Ledger(self.database, centre="tianjin", clock=self.clock)
        self.registry = Registry(self.database)
        self.book = AlarmBook(self.database)
        rules = read_rules(RULES)
        self.engine = AlarmEngine(self.database, self.ledger, self.store, self.registry, rules, self.clock)
        self.feed = LiveFeed(store=self.store, ledger=self.ledger, registry=self.registry, clock=self.clock)
        self.faults: list[str] = []
        self.batches = 0
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def status(self) -> dict[str, object]:
        return {"ingest": {"batches": self.batches, "broker": "connected"}, "faults": self.faults}

    def take(
        self,
        station: str,
        line: int,
        records: list[Record],
        *,
        lane: int,
        head: int,
        tail: int,
        at: int,
        volatile: bool = False,
    ) -> None:
        """As ingest does it: store, then ledger and arrival log."""
        batch = wire.Batch(station, line, lane, head, tail, records, volatile)
        data = wire.encode(batch)
        for record in records:
            if isinstance(record.body, Dictionary):
                self.dictionary = record.body.series
        self.store.write({station: unfold(batch, SERIES)})
        self.ledger.take([Arrival(wire.read_envelope(data), batch, data, at, RangeSet())])
        self.batches += 1

    def judge(self) -> None:
        """Let the alarm engine work off what is there, without its thread."""
        position = self.ledger.position("alarm")
        while entries := self.ledger.arrivals(position):
            for entry in entries:
                try:
                    with self.database.transaction() as connection:
                        self.engine.handle(entry, wire.decode(entry.data), connection)
                        self.ledger.advance(connection, "alarm", self.ledger.position("alarm"), entry.position)
                except ReadFirst as need:
                    need.fetch()
                    break
                position = entry.position

    def start(self) -> None:
        """Load the feed and follow."""
        self.feed.load()
        for follower in (self.engine, self.feed):
            thread = threading.Thread(
                target=follow, args=(self.ledger, self.database, follower, self._stop), daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        self._stop.set()
        self.feed.close()
        for thread in self._threads:
            thread.join(5)
        self.store.close()
        self.database.close()


@contextmanager
def serve(centre: Centre, *, port: int = 0, write_token: str | None = None, heartbeat_s: float = 15.0) -> Iterator[str]:
    """The page and API of a centre on a real socket; yields its address."""
    app = create_app(
        store=centre.store,
        ledger=centre.ledger,
        registry=centre.registry,
        alarms=centre.book,
        status=centre.status,
        clock=centre.clock,
        feed=centre.feed,
        write_token=write_token,
        heartbeat_s=heartbeat_s,
    )
    listening = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2, lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        centre.feed.close()
        server.should_exit = True
        thread.join(10)
        listening.close()


def register(centre: Centre) -> None:
    """The cast, one station that never spoke, and one that nobody knows."""
    for part in CAST:
        levels = [StationLevels(LEVEL, "dagu", part.warning, part.guarantee)] if part.warning else []
        centre.registry.add(
            Station(part.code, part.zh, part.en, part.latitude, part.longitude, part.river, part.district, 600, levels)
        )
    centre.registry.add(Station("30950909", "宁车沽", "Ningchegu", 39.17, 117.66, "永定新河", "滨海新区"))
    centre.registry.saw_unknown("31009999", centre.clock.now_ms(), "haihe/1/00/31009999/up/live", times=12)


class Journal:
    """What one station has said so far."""

    def __init__(self, part: Part, start_ms: int) -> None:
        self.part = part
        self.line = int(part.code) * 1_000_003 + 7
        self.number = 0
        self.chance = random.Random(part.code)
        self.rain = 312.0
        self.start_ms = start_ms

    def next(self, body: object) -> Record:
        self.number += 1
        return Record(self.number, False, body)  # type: ignore[arg-type]

    def opening(self) -> list[Record]:
        opened = Opened(self.start_ms, "boot-1", 1000, int(Grade.NTP), 0, 0, 0, 1000, True, "0.1.0", "a1b2c3")
        return [self.next(opened), self.next(Dictionary(SERIES)), self.next(Duty([MINUTE] * len(SERIES)))]

    def level(self, time_ms: int, now_ms: int) -> float:
        part = self.part
        h = (time_ms - now_ms) / HOUR
        wave = part.rise * math.exp(-(((h - part.peak_h) / (7.5 if h < part.peak_h else 14.0)) ** 2))
        tide = 0.45 * math.sin(2 * math.pi * h / 12.42) if part.code == "30950505" else 0.0
        return part.base + wave + tide + self.chance.gauss(0, 0.004)

    def group(self, time_ms: int, now_ms: int) -> Record:
        h = (time_ms - now_ms) / HOUR
        storm = 14 * math.exp(-(((h + 9) / 2.2) ** 2)) + 6 * math.exp(-(((h + 2.5) / 1.0) ** 2))
        self.rain += max(0.0, storm / 60 * self.chance.uniform(0.2, 1.8))
        if self.part.fault == "gap" and abs(h + 4) < 0.009:
            self.rain = 0.0
        level = round(self.level(time_ms, now_ms), 3)
        flow = round(max(0.0, (level - self.part.base + 0.6)) ** 1.6 * 85, 1)
        values: list[float | None] = [
            level,
            flow,
            math.floor(self.rain * 2) / 2,
            round(12.9 - 0.3 * math.sin(h / 4), 2),
            round(-83 + self.chance.gauss(0, 2)),
            round(24 + 3 * math.sin(h / 3.8), 1),
            round(level - 0.62, 3),
        ]
        marks = [mark(Flag.PASS, Reason.NONE)] * len(values)
        since_min = -h * 60
        if self.part.fault == "suspect" and since_min < 25:
            marks[0] = mark(Flag.SUSPECT, Reason.BEYOND_LOCAL)
        if self.part.fault == "missing" and since_min < 22:
            values[0] = values[6] = None
            marks[0] = marks[6] = mark(Flag.MISSING, Reason.TIMEOUT)
        if self.part.code == "30950404" and abs(h + 6.2) < 0.35:
            values[0], marks[0] = None, mark(Flag.MISSING, Reason.TIMEOUT)
        count = 7 if self.part.zh.endswith("闸") else 6
        return self.next(Readings(time_ms, int(Grade.GNSS), list(range(count)), values[:count], marks[:count]))


def fill(centre: Centre, *, hours: float = 24, now_ms: int | None = None) -> dict[str, Journal]:
    """Play the flood up to now; leaves the clock at real time."""
    end = now_ms or centre.clock.now_ms()
    start = end - round(hours * HOUR)
    centre.clock.fixed = start
    register(centre)
    journals = {part.code: Journal(part, start) for part in CAST}
    for journal in journals.values():
        centre.take(journal.part.code, journal.line, journal.opening(), lane=LANE_LIVE, head=3, tail=1, at=start)
    chunk = 10 * MINUTE
    for begin in range(start, end, chunk):
        stop = min(begin + chunk, end)
        centre.clock.fixed = stop
        for journal in journals.values():
            _play(centre, journal, begin, stop, end)
        centre.judge()
        centre.engine.tick(stop, start)
    open_alarm = next((alarm for alarm in centre.book.active() if alarm.station == "30950303"), None)
    if open_alarm is not None:
        centre.book.answer(open_alarm.id, "王海燕", "已通知宝坻区防办巡堤，15分钟后回报", end - 6 * MINUTE)
    centre.clock.fixed = None
    return journals


def _play(centre: Centre, journal: Journal, begin: int, stop: int, end: int) -> None:
    part = journal.part
    records = [journal.group(t, end) for t in range(begin + MINUTE, stop + 1, MINUTE)]
    if not records:
        return
    if part.fault == "silent" and stop > end - 40 * MINUTE:
        return
    if part.fault == "late" and stop > end - 30 * MINUTE:
        # Its link is slow: it is heard, and what it sends is from half an hour ago.
        old = [journal.group(end - 30 * MINUTE + (stop - end) // 20, end)]
        centre.take(part.code, journal.line, old, lane=LANE_BACKLOG, head=journal.number + 4210, tail=1, at=stop)
        return
    if part.fault == "untimed" and stop >= end - 15 * MINUTE:
        records = [
            Record(
                r.number, False, Readings(1000 * r.number, int(Grade.NONE), r.body.series, r.body.values, r.body.marks)
            )
            for r in records
            if isinstance(r.body, Readings)
        ]
    if part.fault == "gap" and begin <= end - 5 * HOUR < stop:
        first, last = records[0].number, records[-1].number
        records = [journal.next(Gap(journal.line, [(first, last)], "dropped_full", stop))]
    if part.code == "30950101" and begin <= end - 8 * HOUR < stop:
        records.append(
            journal.next(Event(stop, int(Grade.GNSS), "level_raised", 0, part.warning, {"level": "warning"}))
        )
    centre.take(part.code, journal.line, records, lane=LANE_LIVE, head=journal.number, tail=1, at=stop)


def crowd(centre: Centre, many: int) -> None:
    """Many more quiet stations, to see whether list and map bear a city."""
    chance = random.Random(5)
    now = centre.clock.now_ms()
    for at in range(many):
        code = f"3096{at:04d}"
        level = round(chance.uniform(1, 5), 2)
        centre.registry.add(
            Station(
                code,
                f"测站{at:03d}",
                f"Station {at:03d}",
                38.6 + chance.random() * 1.5,
                116.7 + chance.random(),
                "海河",
                "",
                600,
                [StationLevels(LEVEL, "dagu", level + chance.uniform(0.02, 2), level + 3)],
            )
        )
        journal = Journal(CAST[3]._replace(code=code), now)
        readings = Readings(now - chance.randrange(60_000), int(Grade.NTP), [0, 3], [level, 12.6])
        centre.take(
            code, journal.line, [*journal.opening(), journal.next(readings)], lane=LANE_LIVE, head=4, tail=1, at=now
        )


def main() -> None:
    """Serve the play until interrupted, with new readings every five seconds."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--port", type=int, default=0)
    asked.add_argument("--hours", type=float, default=24)
    asked.add_argument("--more", type=int, default=0)
    asked.add_argument("--token")
    args = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        centre = Centre(Path(folder))
        journals = fill(centre, hours=args.hours)
        crowd(centre, args.more)
        centre.start()
        end = centre.clock.now_ms()
        with serve(centre, port=args.port, write_token=args.token) as address:
            sys.stdout.write(f"{address}\n")
            sys.stdout.flush()
            try:
                while True:
                    time.sleep(5)
                    now = centre.clock.now_ms()
                    for journal in journals.values():
                        if journal.part.fault in ("", "gap", "suspect", "missing"):
                            records = [journal.group(now, end)]
                            code = journal.part.code
                            centre.take(
                                code, journal.line, records, lane=LANE_LIVE, head=journal.number, tail=1, at=now
                            )
            except KeyboardInterrupt:
                pass
        centre.close()


if __name__ == "__main__":
    main()
