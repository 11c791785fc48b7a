"""Bringing the book in line with what the readings now say, without withdrawing anything that was told.

Pure. An alarm keeps its id, its answer and the time it was raised; its course is amended.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from .evaluate import Episode


class Told(Protocol):
    """What is needed of an alarm in the book."""

    @property
    def id(self) -> int:
        """Its id."""
        ...

    @property
    def started_ms(self) -> int:
        """Where it begins."""
        ...

    @property
    def ended_ms(self) -> int | None:
        """Where it ends, None while it is on."""
        ...

    @property
    def void(self) -> bool:
        """Whether nothing is left of it."""
        ...


class Pair(NamedTuple):
    """An episode and the id of the alarm that tells of it; None for a new one."""

    episode: Episode
    alarm: int | None


class Reconciled(NamedTuple):
    """What to write.

    Args:
        pairs: every episode with its alarm.
        merged: alarms that turned out to be part of another's episode (index into ``pairs``).
        gone: alarms whose episode is no more.
    """

    pairs: list[Pair]
    merged: list[tuple[int, int]]
    gone: list[int]


def reconcile(told: Sequence[Told], episodes: Sequence[Episode]) -> Reconciled:
    """Match the alarms of a stretch of time with the episodes of the same stretch.

    The episode that is still on takes the alarm that is still on, so that what was answered stays answered;
    else the earliest alarm that overlaps keeps its place. A void alarm comes back when its episode does.
    """
    free = {alarm.id: alarm for alarm in told}
    chosen: dict[int, int] = {}
    for at in sorted(range(len(episodes)), key=lambda at: (episodes[at].ended_ms is not None, episodes[at].started_ms)):
        episode = episodes[at]
        overlapping = [alarm for alarm in free.values() if _overlap(alarm, episode)]
        if overlapping:
            still_on = episode.ended_ms is None
            best = min(
                overlapping,
                key=lambda alarm: (alarm.void, still_on and alarm.ended_ms is not None, alarm.started_ms, alarm.id),
            )
            chosen[at] = best.id
            del free[best.id]
    merged: list[tuple[int, int]] = []
    gone: list[int] = []
    for alarm in free.values():
        if alarm.void:
            continue
        into = next((at for at, episode in enumerate(episodes) if _overlap(alarm, episode)), None)
        if into is None:
            gone.append(alarm.id)
        else:
            merged.append((alarm.id, into))
    return Reconciled([Pair(episode, chosen.get(at)) for at, episode in enumerate(episodes)], merged, gone)


def _overlap(alarm: Told, episode: Episode) -> bool:
    alarm_end = math.inf if alarm.ended_ms is None else alarm.ended_ms
    episode_end = math.inf if episode.ended_ms is None else episode.ended_ms
    return alarm.started_ms < episode_end and episode.started_ms < alarm_end
