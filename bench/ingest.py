"""How many readings the centre takes per CPU second: decode, unfold, store, ledger.

    python bench/ingest.py [--quick] [--json]

Two shapes of batches: what stations send live (ten groups of 20 values), and backlog (250 groups). The reference
is the same rows put into a plain SQLite table by executemany, committed as often, in the same run.
Where PostgreSQL is installed, also how many batches a second its ledger books, beside SQLite's; by the clock on the
wall, because the server's work is not this process's. And a province: one live batch of each of 10,000 stations, whose
lines are known already, booked by one worker and by two on one server.
"""

import multiprocessing
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from haihe_cloud.database import Database
from haihe_cloud.ledger.arrival import Arrival
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.limits import ROUND_MESSAGES
from haihe_cloud.sql.sqlite import SqliteDatabase
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract import wire
from haihe_contract.clock import SystemClock
from haihe_contract.quality import Grade
from haihe_contract.ranges import EMPTY
from haihe_contract.reading import Reading
from haihe_contract.record import LANE_LIVE, Readings, Record
from haihe_contract.series import Series
from haihe_contract.unfold import unfold
from report import Figure, run

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.postgresql import NoPostgresql, Postgresql

SERIES = [Series("water_temperature", f"p{n}").key for n in range(20)]
STATIONS = [f"3110{n:04}" for n in range(32)]
T0 = 1_785_542_400_000


class Work(NamedTuple):
    """Messages of one shape, in rounds as the ingest worker takes them."""

    rounds: list[list[bytes]]
    readings: int


def work(readings: int, groups: int, chance: random.Random, stations: Sequence[str] = STATIONS) -> Work:
    """Batches of so many groups each from all stations in turn, about so many readings together."""
    batches = max(ROUND_MESSAGES, readings // (groups * len(SERIES)))
    sent = dict.fromkeys(stations, 0)
    values = {station: [round(chance.uniform(5, 25), 1) for _ in SERIES] for station in stations}
    lines = {station: 0x8000000000000000 + at for at, station in enumerate(stations)}
    messages = []
    for at in range(batches):
        station = stations[at % len(stations)]
        first = sent[station]
        sent[station] += groups
        records = []
        for number in range(first + 1, first + groups + 1):
            values[station] = [round(value + chance.uniform(-0.2, 0.2), 1) for value in values[station]]
            body = Readings(T0 + number * 1000, Grade.GNSS, list(range(len(SERIES))), [*values[station]])
            records.append(Record(number, False, body))
        messages.append(wire.encode(wire.Batch(station, lines[station], LANE_LIVE, sent[station], 1, records)))
    rounds = [messages[at : at + ROUND_MESSAGES] for at in range(0, len(messages), ROUND_MESSAGES)]
    return Work(rounds, batches * groups * len(SERIES))


def opened(messages: list[bytes]) -> tuple[dict[str, list[Reading]], list[Arrival]]:
    """What the worker makes of one round."""
    readings: dict[str, list[Reading]] = {}
    arrivals = []
    for data in messages:
        envelope = wire.read_envelope(data)
        batch = wire.open_batch(envelope)
        readings.setdefault(batch.station, []).extend(unfold(batch, SERIES))
        arrivals.append(Arrival(envelope, batch, data, T0, EMPTY))
    return readings, arrivals


def ingest(directory: Path, rounds: list[list[bytes]]) -> None:
    """The whole way of the data."""
    store = SqliteStore(directory / "series.db")
    database = SqliteDatabase(directory / "centre.db")
    ledger = Ledger(database, centre="bench", clock=SystemClock())
    for messages in rounds:
        readings, arrivals = opened(messages)
        if store.write(readings):
            raise SystemExit("the store refused readings: the benchmark is wrong")
        ledger.take(arrivals)
    store.close()
    database.close()


def booked_per_second(open_database: Callable[[], Database], rounds: list[list[bytes]], workers: int = 1) -> float:
    """Batches that so many workers book in a second, as many a commit as each takes from the broker at once."""
    prepared = [opened(messages)[1] for messages in rounds]
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(workers + 1)

    def work(rounds: list[list[Arrival]]) -> None:
        ledger = Ledger(open_database(), centre="bench", clock=SystemClock())
        ready.wait()
        for arrivals in rounds:
            ledger.take(arrivals)

    processes = [context.Process(target=work, args=(prepared[at::workers],)) for at in range(workers)]
    for process in processes:
        process.start()
    ready.wait()
    began = time.perf_counter()
    for process in processes:
        process.join()
    taken = time.perf_counter() - began
    if any(process.exitcode for process in processes):
        raise SystemExit("a worker has failed: the benchmark is wrong")
    return sum(len(arrivals) for arrivals in prepared) / taken


def on_postgresql(made: Work, province: Work) -> Iterator[Figure]:
    """The ledger on PostgreSQL beside the one on SQLite, both durable at every commit."""
    try:
        server = Postgresql(durable=True)
    except NoPostgresql as why:
        print(why, file=sys.stderr)
        return
    from haihe_cloud.sql.postgresql import PostgresqlDatabase

    def area(name: str) -> Callable[[], Database]:
        server.ask(f"CREATE SCHEMA {name}")
        return lambda: PostgresqlDatabase(server.conninfo(name), server.password)

    unit, half = "batches booked per second", len(province.rounds) // 2
    known, now = province.rounds[:half], province.rounds[half:]
    try:
        with tempfile.TemporaryDirectory() as directory:
            reference = booked_per_second(lambda: SqliteDatabase(Path(directory) / "live.db"), made.rounds)
            yield Figure(
                "live_ledger_on_postgresql", booked_per_second(area("live"), made.rounds), unit, reference, "SQLite"
            )
            whole = Path(directory) / "province.db"
            booked_per_second(lambda: SqliteDatabase(whole), known)
            reference = booked_per_second(lambda: SqliteDatabase(whole), now)
        for workers in (1, 2):
            where = area(f"province{workers}")
            booked_per_second(where, known)
            value = booked_per_second(where, now, workers)
            yield Figure(f"province_on_postgresql_{workers}_workers", value, unit, reference, "SQLite, 1 worker")
    finally:
        server.remove()


def store_only(directory: Path, rounds: list[dict[str, list[Reading]]]) -> None:
    """Only the store."""
    store = SqliteStore(directory / "series.db")
    for readings in rounds:
        store.write(readings)
    store.close()


def plain_sqlite(directory: Path, rounds: list[list[tuple[object, ...]]]) -> None:
    """The reference: the same rows, the same key, the same commits, nothing else."""
    connection = sqlite3.connect(directory / "plain.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE reading (series_id INTEGER, time_ms INTEGER, value REAL, mark INTEGER, grade INTEGER, "
        "line_id INTEGER, number INTEGER, PRIMARY KEY (series_id, time_ms)) WITHOUT ROWID"
    )
    for rows in rounds:
        connection.execute("BEGIN")
        connection.executemany("INSERT OR IGNORE INTO reading VALUES (?,?,?,?,?,?,?)", rows)
        connection.execute("COMMIT")
    connection.close()


def plain_rows(rounds: list[dict[str, list[Reading]]]) -> list[list[tuple[object, ...]]]:
    """Rows for :func:`plain_sqlite`."""
    ids: dict[tuple[str, str], int] = {}
    return [
        [
            (ids.setdefault((station, r.series), len(ids)), r.time_ms, r.value, 1, 6, 1, r.number)
            for station, readings in of_round.items()
            for r in readings
        ]
        for of_round in rounds
    ]


def per_cpu_second(readings: int, run: Callable[[Path], None]) -> float:
    """Readings per second of this process's CPU time (user and system)."""
    with tempfile.TemporaryDirectory() as directory:
        began = time.process_time()
        run(Path(directory))
        return readings / (time.process_time() - began)


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - told by report.run
    """All figures, one after the other."""
    readings, chance = 100_000 if quick else 2_000_000, random.Random(3)
    for shape, groups in (("live", 10), ("backlog", 250)):
        made = work(readings, groups, chance)
        as_readings = [opened(messages)[0] for messages in made.rounds]
        rows = plain_rows(as_readings)
        reference = per_cpu_second(made.readings, lambda at, rows=rows: plain_sqlite(at, rows))  # type: ignore[misc]
        whole = per_cpu_second(made.readings, lambda at, made=made: ingest(at, made.rounds))  # type: ignore[misc]
        alone = per_cpu_second(made.readings, lambda at, them=as_readings: store_only(at, them))  # type: ignore[misc]
        for name, value in ((f"{shape}_ingest", whole), (f"{shape}_store_alone", alone)):
            yield Figure(name, value, "readings per CPU second", reference, "plain SQLite")
        if shape == "live":
            stations = [f"{31_000_000 + n}" for n in range(2000 if quick else 10_000)]
            yield from on_postgresql(made, work(2 * len(stations) * len(SERIES), 1, chance, stations))


if __name__ == "__main__":
    run("readings the centre takes per CPU second", measure)
