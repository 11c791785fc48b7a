"""How many bytes a station's plan makes, measured by encoding it with the code that writes the journal."""

import io
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from haihe_contract.ranges import RangeSet
from haihe_contract.record import Dictionary, Readings, Record

from .disk import Appending
from .tail import segment_bytes
from .writing import OpenSegment

DAY_MS = 86_400_000
BLOCK_BYTES = 4096
"""What a commit writes to the card at least: the page at the end of the file."""
_NUMBER = 50_000_000
"""Record numbers of a station that has run for years, and times of today, take so many bytes."""
_TIME_MS = 1_790_000_000_000
_VALUE = 12.345
_GRADE = 5
_GROUPS = 64


class Rhythm(NamedTuple):
    """One reading group that comes again and again: so many series, every so many milliseconds."""

    series: int
    period_ms: int


class Appetite(NamedTuple):
    """What a plan takes of the journal and of the card.

    Args:
        bytes_per_day: of the journal's files.
        commits_per_day: at most; groups that fall into one window share a commit.
        card_bytes_per_day: what is written to the card: every commit writes the last page of the file again.
        lasts_ms: how long a journal of the given size holds without any receipt.
    """

    bytes_per_day: float
    commits_per_day: float
    card_bytes_per_day: float
    lasts_ms: float


def appetite(rhythms: Sequence[Rhythm], dictionary: Sequence[str], *, size: int, wait_ms: float) -> Appetite:
    """Measure a plan; every group is taken to be committed by itself, which is the most that it can take.

    Args:
        rhythms: all reading groups of the station.
        dictionary: its series keys.
        size: byte limit of the journal.
        wait_ms: how long a record waits for its commit.
    """
    per_day = sum(_measured(rhythm) * DAY_MS / rhythm.period_ms for rhythm in rhythms)
    groups = sum(DAY_MS / each.period_ms for each in rhythms)
    full = segment_bytes(size)
    around = _around(dictionary)
    per_day *= full / max(1, full - around)
    commits = min(groups, DAY_MS / wait_ms)
    card = commits * BLOCK_BYTES + per_day
    return Appetite(per_day, commits, card, size / per_day * DAY_MS if per_day else float("inf"))


def _measured(rhythm: Rhythm) -> float:
    """Bytes of one group, from the growth of a file that takes its groups."""
    file = OpenSegment(_Paper(), "measured", 1, _NUMBER, _TIME_MS, None)
    before = file.size
    for at in range(_GROUPS):
        body = Readings(_TIME_MS + at * rhythm.period_ms, _GRADE, list(range(rhythm.series)), [_VALUE] * rhythm.series)
        file.append([Record(_NUMBER + at, False, body)], body.time_ms)
    return (file.size - before) / _GROUPS


def _around(dictionary: Sequence[str]) -> int:
    """Bytes of a file that are no commit group: its header, its dictionary and its seal."""
    paper = _Paper()
    file = OpenSegment(paper, "measured", 1, 1, _TIME_MS, Dictionary(list(dictionary)))
    file.numbers = file.readings = RangeSet.of((_NUMBER, _NUMBER + 1))
    return file.seal(final=False).size


class _Paper:
    """A disk of one file in memory."""

    def __init__(self) -> None:
        self._written = bytearray()

    def create(self, name: str) -> Appending:  # noqa: ARG002
        return self

    def extend(self, name: str) -> Appending:  # noqa: ARG002
        return self

    def write(self, data: bytes) -> None:
        self._written += data

    def sync(self) -> None:
        pass

    def close(self) -> None:
        pass

    def open(self, name: str) -> BinaryIO:  # noqa: ARG002
        return io.BytesIO(bytes(self._written))

    def protect(self, name: str) -> None:
        pass

    def where(self, name: str = "") -> str:
        return name

    def take(self) -> None:
        pass

    def leave(self) -> None:
        pass

    def names(self) -> list[str]:
        return []

    def size(self, name: str) -> int:  # noqa: ARG002
        return len(self._written)

    def free_bytes(self) -> int:
        return 0

    def settle(self, name: str) -> None:
        pass

    def rename(self, name: str, new: str) -> None:
        pass

    def unlink(self, name: str) -> None:
        pass
