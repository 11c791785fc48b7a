"""What happens on one day, drawn from its seed. Pure.

The points at which agents and centres are stopped go round with the seed, so that a hundred seeds meet all of them.
"""

import random
from typing import NamedTuple

from . import centre as centres
from . import life as lives
from .broker import Weather

DAY_S = 24 * 3600.0
REAL_FILES_EVERY = 50
"""One seed of so many keeps its journals in real files."""

GIVING_WAY = ("disk: rename", "disk: unlink")
"""Points that only a journal meets that must give way: it is small on such days, and they are waited for."""
LEFT_UNSEALED = "disk: extend"
"""A point that only an agent meets whose predecessor was cut short: that one is, first."""
LEFT_UNSEALED_EVERY = 5
"""One seed of so many has it."""
_OFTEN = [point for point in lives.POINTS if point != LEFT_UNSEALED]
"""Each seed has four of these, in turn."""

STATIONS = ("31005650", "31005651", "31005652")
KINDS = (
    "cut",
    "freeze",
    "disk hangs",
    "disk full",
    "disk refuses",
    "disk unreadable",
    "clock forward",
    "clock back",
    "clock none",
    "clock centuries ahead",
    "power",
    "restart",
    "bundle",
    "clone",
    "roll back",
    "dead card",
    "restore",
    "revoke",
    "forget",
    "store away",
    "flood",
)


class Fault(NamedTuple):
    """Something that happens.

    Args:
        at_s: seconds of the day.
        kind: what.
        station: to which, by its place in the list.
        centre: to which, by its place.
        lasts_s: how long.
        point: where an agent or a centre is stopped.
    """

    at_s: float
    kind: str
    station: int
    centre: int
    lasts_s: float
    point: str = ""


class Plan(NamedTuple):
    """One day.

    Args:
        seed: which.
        both_required: whether receipts of both centres free.
        real_files: whether journals lie in real files.
        weather: of each broker.
        faults: in order of time.
        size: byte limit of the journals.
        window_ms: of their group commits.
        cycle_s: between two polls.
        urgent: share of readings that cross a level.
    """

    seed: int
    both_required: bool
    real_files: bool
    weather: list[Weather]
    faults: list[Fault]
    size: int
    window_ms: int
    cycle_s: float
    urgent: float


def draw(seed: int) -> Plan:
    """The day of a seed."""
    chance = random.Random(seed)
    stations = len(STATIONS)
    faults = [
        Fault(
            chance.uniform(0.02, 0.97) * DAY_S,
            kind,
            chance.randrange(stations),
            chance.randrange(2),
            chance.choice((60.0, 600.0, 3600.0, 4 * 3600.0)),
        )
        for kind in chance.sample(KINDS, 12) + chance.choices(("cut", "power", "disk full"), k=3)
    ]
    if chance.random() < 0.4:  # so long that the journal must give way
        cut = Fault(chance.uniform(0.05, 0.3) * DAY_S, "cut", chance.randrange(stations), 0, 14 * 3600.0)
        faults += [cut, cut._replace(at_s=cut.at_s + 3600.0, kind="flood", lasts_s=5 * 3600.0)]
        if seed % 3 == 0:  # and what gives way has no time yet
            faults.append(cut._replace(at_s=cut.at_s + 1800.0, kind="clock none"))
    points = [_OFTEN[(4 * seed + at) % len(_OFTEN)] for at in range(4)]
    for point in points:
        where = chance.uniform(0.02, 0.35 if point in GIVING_WAY else 0.9) * DAY_S
        faults.append(Fault(where, "crash", chance.randrange(stations), chance.randrange(2), 1200.0, point))
    for at in range(3):
        point = centres.POINTS[(3 * seed + at) % len(centres.POINTS)]
        faults.append(Fault(chance.uniform(0.02, 0.97) * DAY_S, "kill centre", 0, chance.randrange(2), 0.0, point))
    if seed % LEFT_UNSEALED_EVERY == 1:
        further = random.Random(seed ^ 0x5EA1)  # of its own: the rest of the day is what it was without it
        where = further.uniform(0.02, 0.9) * DAY_S
        faults.append(Fault(where, "crash", further.randrange(stations), 0, 1200.0, LEFT_UNSEALED))
    gives_way = bool(set(points) & set(GIVING_WAY)) or any(fault.kind == "restore" for fault in faults)
    return Plan(
        seed,
        chance.random() < 0.7,
        seed % REAL_FILES_EVERY == 7,
        [_weather(chance) for _ in range(2)],
        sorted(faults),
        72_000 if gives_way else chance.choice((72_000, 104_000, 140_000, 8_000_000)),
        chance.choice((1_800_000, 2_100_000, 3_000_000)),
        chance.choice((130.0, 138.0, 145.0)),
        chance.choice((0.0, 0.001, 0.004)),
    )


def _weather(chance: random.Random) -> Weather:
    def share(most: float) -> float:
        return chance.choice((0.0, most / 5, most))

    return Weather(
        chance.choice((0.05, 0.3, 1.5)),
        share(0.05),
        share(0.05),
        share(0.1),
        share(0.2),
        share(0.02),
        share(0.3),
        share(0.05),
    )
