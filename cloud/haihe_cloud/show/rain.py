"""Rain per bucket from a counter that only grows. Pure.

What is not known is missing: a counter that went backwards, or silence across a bucket's edge, never becomes a
zero, a negative amount or a guess. A pause inside one bucket does no harm, because the counter went on counting.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec
from haihe_contract.quality import Reason
from haihe_contract.reading import Reading

from .state import believable

BUCKETS_MAX = 2016
EDGE_MS = {60: 12_000, 300: 60_000, 3600: 600_000, 86_400: 1_800_000}
"""How long before a bucket's edge the counter may be read and still stand for the edge: at most a fifth of it.

By the seconds of the bucket: a minute, five, an hour, and the hydrological day. 08:00 in Beijing is 00:00 UTC, so
days need no offset.
"""


class RainBucket(msgspec.Struct):
    """Rain that fell in start < time <= end.

    Args:
        start_ms: begin of the bucket.
        end_ms: its end; a rain value is stamped at its end.
        mm: amount, None when it is not known.
        why: ``missing`` or ``reset`` where there is no amount, ``running`` while the bucket is not over.
    """

    start_ms: int
    end_ms: int
    mm: float | None
    why: str = ""


def edges(start_ms: int, end_ms: int, bucket_s: int) -> tuple[int, int]:
    """Begin of the first and end of the last bucket that touch the span."""
    width = bucket_s * 1000
    return start_ms // width * width, -(-end_ms // width) * width


def rainfall(readings: Iterable[Reading], start_ms: int, end_ms: int, bucket_s: int, now_ms: int) -> list[RainBucket]:
    """One bucket after another over the whole span, whether anything is known of it or not.

    Args:
        readings: of the counter, ascending; they should begin one edge tolerance before the first bucket.
        start_ms: as :func:`edges` gives it.
        end_ms: likewise.
        bucket_s: one of :data:`EDGE_MS`.
        now_ms: buckets that end later are still running.
    """
    width = bucket_s * 1000
    every = list(readings)
    good = [(each.time_ms, each.value) for each in every if believable(each) and each.value is not None]
    breaks = [each.time_ms for each in every if each.reasons & Reason.INCOMPLETE]  # tips fell that nobody counted
    buckets: list[RainBucket] = []
    at = 0
    for begin in range(start_ms, end_ms, width):
        while at + 1 < len(good) and good[at + 1][0] <= begin:
            at += 1
        stop = at
        while stop < len(good) and good[stop][0] <= begin + width:
            stop += 1
        if begin >= now_ms:
            break
        if bisect_right(breaks, begin) < bisect_right(breaks, begin + width):
            buckets.append(RainBucket(begin, begin + width, None, "missing"))
            continue
        buckets.append(_bucket(good[at:stop], begin, begin + width, EDGE_MS[bucket_s], now_ms))
    return buckets


def _bucket(counter: Sequence[tuple[int, float]], begin: int, end: int, edge_ms: int, now_ms: int) -> RainBucket:
    """The counter from the last reading before the bucket to the last reading in it."""
    running = end > now_ms
    if not counter or not begin - edge_ms <= counter[0][0] <= begin:
        return RainBucket(begin, end, None, "missing")
    if not running and end - counter[-1][0] > edge_ms:
        return RainBucket(begin, end, None, "missing")
    if any(later[1] < earlier[1] for earlier, later in pairwise(counter)):
        return RainBucket(begin, end, None, "reset")
    amount = round(counter[-1][1] - counter[0][1], 3)
    return RainBucket(begin, end, amount, "running" if running else "")
