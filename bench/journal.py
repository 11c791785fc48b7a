"""How fast the journal takes readings in, each commit durable.

    python bench/journal.py [--quick] [--json]

Reading groups of ten series, ten groups a commit: 100 readings that a power cut cannot take any more when the commit
returns. The reference is as many rows in SQLite (WAL, synchronous=FULL), 100 a transaction, on the same disk.
"""

import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from haihe_contract.clock import SystemClock
from haihe_contract.record import Dictionary, Opened, Readings
from haihe_edge.journal import Folder, Journal
from report import Figure, run

SERIES, GROUPS = 10, 10
T0 = 1_790_000_000_000


def open_journal(folder: Path, size: int) -> Journal:
    """A journal that has just been opened."""
    return Journal.open(
        Folder(folder),
        size=size,
        clock=SystemClock(),
        entropy=lambda: random.SystemRandom().getrandbits(64),
        dictionary=Dictionary([f"water_level.m{n}.instant.0.instrument.dagu" for n in range(SERIES)]),
        opened=lambda line, last, ms, closed: Opened(T0, "bench", 5, 1, line, last, ms, 1000, closed, "0", "bench"),
    )


def journal_per_s(folder: Path, seconds: float, groups: int) -> float:
    """Readings a second with so many groups a commit."""
    journal = open_journal(folder, 64 << 20)
    chance = random.Random(1)
    values: list[list[float | None]] = [[round(chance.gauss(3, 0.1), 3) for _ in range(SERIES)] for _ in range(1000)]
    numbers = list(range(SERIES))
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for _ in range(groups):
            journal.append(Readings(T0 + 1000 * count, 5, numbers, values[count % 1000]))
            count += 1
        journal.commit()
    took = time.perf_counter() - began
    journal.close()
    return count * SERIES / took


def sqlite_per_s(path: Path, seconds: float, rows: int) -> float:
    """Rows a second with so many rows a transaction."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE reading(series INTEGER, time_ms INTEGER, value REAL, mark INTEGER)")
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO reading VALUES(?, ?, ?, ?)", [(n, T0 + count, 3.412, 1) for n in range(rows)]
        )
        connection.execute("COMMIT")
        count += rows
    took = time.perf_counter() - began
    connection.close()
    return count / took


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - told by report.run
    """All figures."""
    seconds = 3.0 if quick else 15.0
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        for readings in (100, 1000):
            raw = sqlite_per_s(folder / f"raw{readings}.db", seconds, readings)
            ours = journal_per_s(folder / f"journal{readings}", seconds, readings // SERIES)
            yield Figure(
                f"appends_per_s_{readings}", ours, "readings a second, durable", raw, "rows in SQLite, WAL and FULL"
            )


if __name__ == "__main__":
    run("the journal takes readings in", measure)
