"""What a day of measuring writes to the card: bytes that the kernel sends to the block device for this process.

    python bench/wear.py [--quick] [--json]

Twenty series once a minute for a day, each minute a receipt of the centre, with the real journal, the receipts kept
over restarts and the default commit window; and again with a window of 15 minutes. The day passes in a minute: the
clock is moved by hand, the disk is real. Counted is ``write_bytes`` of /proc/self/io; what a file system's own journal
adds is not in it. The reference is a row a reading in SQLite (WAL, synchronous=FULL), a transaction a minute.
"""

import os
import random
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from haihe_contract.receipt import LineHeld, Receipt
from haihe_contract.record import Dictionary, Opened, Readings
from haihe_edge.forward.held import Held
from haihe_edge.journal import Folder, Journal
from haihe_edge.recorder import RECEIPTS_SAVE_S
from report import Figure, run

SERIES, MINUTES = 20, 1440
T0 = 1_790_000_000_000


class Clock:
    """Moved by hand."""

    ms = T0

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> int:
        return self.ms

    async def sleep(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


def written_bytes() -> int:
    """By this process, to block devices."""
    os.sync()
    lines = Path("/proc/self/io").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


def ours(folder: Path, minutes: int, window_min: int) -> float:
    """MB a day of the journal and the receipts beside it."""
    clock, chance = Clock(), random.Random(3)
    journal = Journal.open(
        Folder(folder),
        size=256 << 20,
        clock=clock,
        entropy=lambda: chance.getrandbits(64),
        dictionary=Dictionary([f"water_level.m{n}.instant.0.instrument.dagu" for n in range(SERIES)]),
        opened=lambda line, last, ms, closed: Opened(T0, "bench", 5, 1, line, last, ms, 1000, closed, "0", "bench"),
    )
    held = Held(folder / "receipts-haihe")
    values = [round(chance.uniform(0, 20), 2) for _ in range(SERIES)]
    saved_ms = clock.ms
    before = written_bytes()
    for minute in range(minutes):
        clock.ms += 60_000
        values = [round(value + chance.gauss(0, 0.02), 2) for value in values]
        journal.append(Readings(clock.ms, 5, list(range(SERIES)), list(values)))
        if minute % window_min == window_min - 1:
            journal.commit()
            held.take(Receipt(1, "haihe", 1, "31005650", clock.ms, [LineHeld(journal.line, [(1, journal.head)])]))
        if clock.ms - saved_ms >= RECEIPTS_SAVE_S * 1000:
            saved_ms = clock.ms
            held.save()
    used = written_bytes() - before
    journal.close()
    return used / minutes * MINUTES / 1e6


def sqlite_rows(path: Path, minutes: int) -> float:
    """MB a day of plain rows."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE reading(series INTEGER, time_ms INTEGER, value REAL, mark INTEGER)")
    before = written_bytes()
    for minute in range(minutes):
        connection.execute("BEGIN")
        rows = [(n, T0 + minute * 60_000, 3.412, 1) for n in range(SERIES)]
        connection.executemany("INSERT INTO reading VALUES(?, ?, ?, ?)", rows)
        connection.execute("COMMIT")
    connection.close()
    return (written_bytes() - before) / minutes * MINUTES / 1e6


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - told by report.run
    """All figures."""
    minutes = 360 if quick else MINUTES
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        rows = sqlite_rows(folder / "rows.db", minutes)
        yield Figure("mb_per_day_default", ours(folder / "a", minutes, 1), "MB a day", rows, "SQLite rows")
        yield Figure("mb_per_day_15min", ours(folder / "b", minutes, 15), "MB a day", rows, "SQLite rows")


if __name__ == "__main__":
    run("what a day writes to the card", measure)
