"""A journal as an outage leaves it: so many hours of 20 series, each once a second, that no receipt covers."""

import random
import time
from pathlib import Path

from haihe_contract.clock import SystemClock
from haihe_contract.record import Dictionary, Opened, Readings
from haihe_contract.series import Series
from haihe_edge.journal import Folder, Journal

SERIES = 20
KEYS = [Series("water_temperature", f"p{n:02}").key for n in range(SERIES)]


class _Unsynced(Folder):
    """Made at once: that these files survive a power cut is not what is measured."""

    def create(self, name: str):  # type: ignore[no-untyped-def]  # noqa: ANN201
        file = super().create(name)
        file.sync = lambda: None  # type: ignore[method-assign]
        return file

    def sync(self) -> None:
        pass


def opening(line: int, last: int, last_ms: int, closed: bool) -> Opened:  # noqa: FBT001 - the record's own word
    """The first record of a line."""
    return Opened(time.time_ns() // 1_000_000, "bench", 1, 5, line, last, last_ms, 1000, closed, "0", "bench")


def open_journal(folder: Path, size: int, chance: random.Random, *, synced: bool = True) -> Journal:
    """A new line."""
    return Journal.open(
        Folder(folder) if synced else _Unsynced(folder),
        size=size,
        clock=SystemClock(),
        entropy=lambda: chance.getrandbits(64),
        dictionary=Dictionary(KEYS),
        opened=opening,
    )


def fill(folder: Path, groups: int, chance: random.Random, size: int) -> int:
    """One commit a second, as the station made them; the line."""
    journal = open_journal(folder, size, chance, synced=False)
    values = [round(chance.uniform(5, 25), 1) for _ in KEYS]
    first_ms = time.time_ns() // 1_000_000 - (groups + 60) * 1000
    for n in range(groups):
        values = [round(value + chance.choice((-0.1, 0.0, 0.1)), 1) for value in values]
        journal.append(Readings(first_ms + n * 1000 + chance.choice((0, 0, 1, 3)), 5, list(range(SERIES)), [*values]))
        journal.commit()
    journal.close()
    return journal.line
