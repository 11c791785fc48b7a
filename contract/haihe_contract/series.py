"""A series: one element at one measuring point, and everything that tells it from its neighbours."""

import re
from enum import StrEnum
from functools import lru_cache

import msgspec

from .element import element

POINT_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,31}$"
CODE_PATTERN = r"^[a-z][a-z0-9_]{0,31}$"
_POINT = re.compile(POINT_PATTERN)
_CODE = re.compile(CODE_PATTERN)
_INTERVAL = re.compile(r"0|[1-9][0-9]{0,7}")  # one text for each length
INTERVAL_S_MAX = 366 * 86400


class Statistic(StrEnum):
    """What the value is of its interval."""

    INSTANT = "instant"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    TOTAL = "total"


class Source(StrEnum):
    """Who made the value."""

    INSTRUMENT = "instrument"
    DERIVED = "derived"
    MANUAL = "manual"


class Series(msgspec.Struct, frozen=True, order=True):
    """Identity of a series within its station.

    Two levels of a gate differ by point, six soil depths too; 5-minute and 1-hour rain differ by interval.
    A change of datum makes another series, because levels of different datums never mix.

    Args:
        element: code of the element register.
        point: where at the station, e.g. ``main``, ``upstream``, ``40cm``.
        statistic: what the value is of its interval.
        interval_s: length of the interval in seconds, 0 for an instant. Values are stamped at its end.
        source: who made it.
        datum: what a level is measured from, e.g. ``dagu``, ``cgvd1985``; empty for other elements.
    """

    element: str
    point: str = "main"
    statistic: Statistic = Statistic.INSTANT
    interval_s: int = 0
    source: Source = Source.INSTRUMENT
    datum: str = ""

    @property
    def key(self) -> str:
        """The one text form, in dictionaries, stores and addresses: ``water_level.main.instant.0.derived.dagu``."""
        return ".".join(
            (self.element, self.point, self.statistic, str(self.interval_s), self.source, self.datum or "-")
        )

    @property
    def sl651(self) -> int | None:
        """Identifier byte of SL 651-2014, or None where the standard has no word for this series."""
        known = element(self.element)
        return known.sl651_by_point.get(self.point) or known.sl651_by_interval.get(self.interval_s) or known.sl651


@lru_cache(maxsize=65536)
def parse_series(key: str) -> Series:
    """Read :attr:`Series.key` back.

    Raises:
        ValueError: when the text is not a series key.
    """
    parts = key.split(".")
    if len(parts) != 6:
        raise ValueError(f"series key {key[:80]!r} has {len(parts)} parts, not 6")
    code, point, statistic, interval, source, datum = parts
    if not _CODE.fullmatch(code) or not _POINT.fullmatch(point) or not _INTERVAL.fullmatch(interval):
        raise ValueError(f"series key {key[:80]!r} is malformed")
    if int(interval) > INTERVAL_S_MAX or (datum != "-" and not _POINT.fullmatch(datum)):
        raise ValueError(f"series key {key[:80]!r} is malformed")
    return Series(code, point, Statistic(statistic), int(interval), Source(source), "" if datum == "-" else datum)
