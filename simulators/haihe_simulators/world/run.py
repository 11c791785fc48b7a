"""Many worlds on all cores: how often each fault and each point was met, and what was broken."""

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.pool import Pool
from typing import NamedTuple

from . import centre, life
from .day import Outcome, play

FAULTS = [
    "loss",
    "loss after acknowledgement",
    "duplication",
    "reordering",
    "delay",
    "damage",
    "cut",
    "lost in a cut",
    "freeze",
    "receipt lost",
    "receipt again, late",
    "old receipt",
    "receipt of an old epoch",
    "session taken over",
    "broker forgets everything",
    "power cut",
    "torn write",
    "stop in order",
    "full disk",
    "disk refuses",
    "disk cannot be read",
    "disk hangs",
    "clock jump forward",
    "clock jump back",
    "clock centuries ahead",
    "no clock at all",
    "flood stage",
    "thinned",
    "thinned at flood stage",
    "dropped",
    "time of this boot",
    "time of a boot before",
    "reading placed",
    "reading without a time for ever",
    "bundle, late and twice",
    "receipt by hand",
    "card cloned",
    "card rolled back",
    "card dead",
    "centre restored from a backup",
    "revoked station",
    "store away",
    "refused numbers",
    "sent from memory",
    "live before backlog",
    "real files",
]
"""What must be met at least once by a run of a hundred seeds or more."""
POINTS = [*life.POINTS, *centre.POINTS]
ENOUGH_SEEDS = 100


class Report(NamedTuple):
    """What a run found.

    Args:
        seeds: how many worlds.
        records: committed in all of them.
        seconds: of wall time.
        hits: how often each fault and point was met.
        never: those that were not met.
        broken: worlds in which a promise was broken.
    """

    seeds: int
    records: int
    seconds: float
    hits: dict[str, int]
    never: list[str]
    broken: list[Outcome]

    @property
    def good(self) -> bool:
        """Whether nothing was broken, and everything was met."""
        return not self.broken and not (self.never and self.seeds >= ENOUGH_SEEDS)


@contextmanager
def workers(jobs: int) -> Iterator[Pool | None]:
    """Processes that play worlds; None where one is enough."""
    if jobs <= 1:
        yield None
        return
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield pool


def run(seeds: Iterable[int], jobs: int, told: Callable[[Outcome], None] = lambda _outcome: None) -> Report:
    """Play these seeds.

    Args:
        seeds: which.
        jobs: how many at a time.
        told: of each world, as it ends.
    """
    began = time.perf_counter()
    hits: Counter[str] = Counter()
    broken: list[Outcome] = []
    count = records = 0
    with workers(jobs) as pool:
        for outcome in pool.imap_unordered(play, seeds) if pool is not None else map(play, seeds):
            count, records = count + 1, records + outcome.records
            hits.update(outcome.hits)
            if outcome.broken:
                broken.append(outcome)
            told(outcome)
    met = {name: hits[name] for name in (*FAULTS, *POINTS)}
    never = [name for name, times in met.items() if not times]
    broken.sort(key=lambda outcome: outcome.seed)
    return Report(count, records, time.perf_counter() - began, met, never, broken)
