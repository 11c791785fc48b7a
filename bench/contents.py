"""What keeping contents, figures and openings costs the ledger: time of a commit and bytes a record."""

import argparse
import tempfile
import time
from pathlib import Path

from haihe_cloud.ledger import contents, tally, told
from haihe_cloud.ledger.arrival import Arrival
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.sql.sqlite import SqliteDatabase
from haihe_contract import wire
from haihe_contract.clock import SystemClock
from haihe_contract.ranges import EMPTY
from haihe_contract.record import Body, Dictionary, Readings, Record

SERIES = [f"water_level.p{n}.instant.0.derived.dagu" for n in range(20)]
T0 = 1_790_000_000_000


def arrivals(records: int, per_batch: int) -> list[Arrival]:
    """Readings of 20 series every five seconds, so many records a batch."""
    out = []
    for start in range(3, records, per_batch):
        bodies: list[tuple[int, Body]] = [(2, Dictionary(SERIES))]
        numbers = range(start, start + per_batch)
        bodies += [(n, Readings(T0 + n * 5000, 5, list(range(20)), [n / 1000 + s for s in range(20)])) for n in numbers]
        head = numbers[-1]
        data = wire.encode(wire.Batch("31005650", 7, 1, head, 1, [Record(n, False, body) for n, body in bodies]))
        envelope = wire.read_envelope(data)
        out.append(Arrival(envelope, wire.open_batch(envelope), data, T0 + head * 5000 + 1000, EMPTY))
    return out


def run(all_arrivals: list[Arrival], per_commit: int, *, kept: bool) -> tuple[float, int]:
    """Seconds for all of them, and pages of the tables that were asked about, in bytes."""
    saved = contents.book, told.put, tally.put
    if not kept:
        contents.book, told.put, tally.put = lambda *_: EMPTY, lambda *_: None, lambda *_: None
    with tempfile.TemporaryDirectory() as directory:
        database = SqliteDatabase(Path(directory) / "haihe.db")
        ledger = Ledger(database, centre="haihe", clock=SystemClock())
        began = time.perf_counter()
        for at in range(0, len(all_arrivals), per_commit):
            ledger.take(all_arrivals[at : at + per_commit])
        took = time.perf_counter() - began
        rows = database.connection().execute(
            "SELECT COALESCE((SELECT sum(length(digests)+40) FROM content), 0)"
            " + COALESCE((SELECT sum(length(seen)+40) FROM tally), 0)"
        )
        size = int(rows.fetchone()[0])
        database.close()
    contents.book, told.put, tally.put = saved
    return took, size


def main() -> None:
    """Live and backlog, with and without."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    records = 2000 if parser.parse_args().quick else 20_000
    for name, per_batch, per_commit in (("live: 1 record a batch, 16 batches a commit", 1, 16),
                                        ("backlog: 500 records a batch", 500, 1)):  # fmt: skip
        every = arrivals(records, per_batch)
        run(every, per_commit, kept=True)
        with_book, size = min(run(every, per_commit, kept=True) for _ in range(3))
        without, _ = min(run(every, per_commit, kept=False) for _ in range(3))
        print(
            f"{name}: {1e6 * without / records:.0f} µs a record without, {1e6 * with_book / records:.0f} µs with"
            f" (20 readings each); {size / records:.1f} bytes a record"
        )


if __name__ == "__main__":
    main()
