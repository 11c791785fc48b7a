"""Judging on from a remembered state, and going back when readings came late.

Pure. A snapshot is the state after every reading up to its time. Late readings are judged from the newest
snapshot before them; as soon as a later snapshot agrees with the state again, everything after it stands.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .evaluate import Episode, Sample, State, Threshold, step

SNAPSHOT_ROWS = 256
"""Readings between two snapshots at most: what a late batch costs at least to judge again."""
SNAPSHOT_SPACING_MS = 300_000
"""Snapshots closer together than this save nothing."""
SNAPSHOTS_MAX = 48
"""Snapshots kept of one track; their distance grows with their age."""


class Snapshot(NamedTuple):
    """The state after every reading with ``time_ms <= at_ms``."""

    at_ms: int
    state: State


class Outcome(NamedTuple):
    """What judging on gave.

    Args:
        ended: episodes that ended after the first snapshot, in order of time.
        state: at the end.
        snapshots: new or corrected ones.
        stopped_ms: the time after which everything stands as it was, or None when all was judged.
    """

    ended: list[Episode]
    state: State
    snapshots: list[Snapshot]
    stopped_ms: int | None


def judge(
    base: Snapshot, samples: Iterable[Sample], later: Sequence[Snapshot], changed_to_ms: int, threshold: Threshold
) -> Outcome:
    """Judge the samples (ascending in time, all after ``base``).

    Args:
        base: where to begin.
        samples: every reading after it, as far as any was judged before or is new.
        later: the snapshots after ``base`` that were made without the new readings.
        changed_to_ms: time of the last new reading.
        threshold: to judge by.
    """
    state, last_ms, rows = base.state, base.at_ms, 0
    ended: list[Episode] = []
    made: list[Snapshot] = []
    old = deque(later)
    for sample in samples:
        while old and old[0].at_ms < sample.time_ms:
            if old[0].at_ms >= changed_to_ms and old[0].state == state:
                return Outcome(ended, state, made, old[0].at_ms)
            made.append(Snapshot(old.popleft().at_ms, state))
            rows = 0
        if rows and sample.time_ms > last_ms and (rows >= SNAPSHOT_ROWS or last_ms <= changed_to_ms < sample.time_ms):
            made.append(Snapshot(last_ms, state))
            rows = 0
        state, transitions = step(state, sample, threshold)
        ended += [each.episode for each in transitions if not each.raised]
        last_ms = sample.time_ms
        rows += 1
    while old:
        if old[0].at_ms >= changed_to_ms and old[0].state == state:
            return Outcome(ended, state, made, old[0].at_ms)
        made.append(Snapshot(old.popleft().at_ms, state))
    if last_ms > max(base.at_ms, made[-1].at_ms if made else base.at_ms):
        made.append(Snapshot(last_ms, state))
    return Outcome(ended, state, made, None)


def thin(times_ms: Sequence[int]) -> list[int]:
    """Which of these snapshots (ascending) to drop; never the first, never the last."""
    kept = list(times_ms[:1])
    for time_ms in times_ms[1:-1]:
        if time_ms - kept[-1] >= SNAPSHOT_SPACING_MS:
            kept.append(time_ms)
    kept += times_ms[1:][-1:]
    while len(kept) > SNAPSHOTS_MAX:
        newest = kept[-1]
        # The hole that dropping one leaves, in relation to how old it is.
        del kept[
            min(
                range(1, len(kept) - 1),
                key=lambda at: (kept[at + 1] - kept[at - 1]) / (newest - kept[at] + SNAPSHOT_SPACING_MS),
            )
        ]
    left = set(kept)
    return [time_ms for time_ms in times_ms if time_ms not in left]
