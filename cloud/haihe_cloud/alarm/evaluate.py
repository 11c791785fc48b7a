"""Is this an alarm, and is it over? The state machine of one threshold over one series, in the order of time.

Pure: the episodes are a function of the readings in ascending order of time and of nothing else.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from haihe_contract.quality import Flag


class Threshold(msgspec.Struct, frozen=True):
    """One level with its hysteresis and hold times.

    Args:
        raise_at: the value at or beyond which an alarm begins.
        clear_at: the value beyond which, on the good side, it ends; between the two nothing changes.
        below: whether the bad side is the low one, as for a failing supply.
        hold_raise_ms: how long the readings must have stayed on the bad side before it is an alarm.
        hold_clear_ms: how long they must have stayed on the good side before it is over.
    """

    raise_at: float
    clear_at: float
    below: bool = False
    hold_raise_ms: int = 0
    hold_clear_ms: int = 0

    def beyond(self, value: float) -> bool:
        """Whether the value is at the level or on its bad side."""
        return value <= self.raise_at if self.below else value >= self.raise_at

    def clear(self, value: float) -> bool:
        """Whether the value is on the good side of the clear level."""
        return value > self.clear_at if self.below else value < self.clear_at

    def worse(self, value: float, than: float) -> bool:
        """Whether the first value lies further on the bad side."""
        return value < than if self.below else value > than


class Sample(NamedTuple):
    """What a judgement needs of a reading."""

    time_ms: int
    value: float | None
    flag: Flag

    @property
    def counts(self) -> bool:
        """Whether it says anything: a failed or missing reading neither raises nor clears."""
        return self.value is not None and math.isfinite(self.value) and self.flag not in (Flag.FAIL, Flag.MISSING)


class Episode(msgspec.Struct, frozen=True, array_like=True):
    """One alarm in event time, from the first reading at the level to the one that ended it.

    Args:
        started_ms: time of the first reading at or beyond the level.
        peak: the worst value.
        peak_ms: its time; the first, where several are equal.
        peak_flag: its quality flag.
        unverified: no reading of good quality has been beyond the level yet.
        ended_ms: time of the reading that completed the clearing, None while it lasts.
    """

    started_ms: int
    peak: float
    peak_ms: int
    peak_flag: int
    unverified: bool
    ended_ms: int | None = None


class State(msgspec.Struct, frozen=True, array_like=True):
    """What must be known of the past to judge the next reading.

    Args:
        forming: a run beyond the level that is not yet as long as ``hold_raise_ms``.
        lasting: the alarm that is on.
        good_since_ms: beginning of the run on the good side that may end it.
    """

    forming: Episode | None = None
    lasting: Episode | None = None
    good_since_ms: int | None = None

    @property
    def begun_ms(self) -> int | None:
        """Start of the episode that forms or lasts."""
        episode = self.lasting or self.forming
        return episode.started_ms if episode else None


class Transition(NamedTuple):
    """An alarm began (``raised``) or is over."""

    raised: bool
    episode: Episode


IDLE = State()
"""Nothing is known, nothing is on."""


def step(state: State, sample: Sample, threshold: Threshold) -> tuple[State, tuple[Transition, ...]]:
    """Judge the next reading.

    A SUSPECT reading speaks only for an alarm: it can raise one (unverified) and keep one on, and it can
    neither end one nor break a run that is forming. So quality control never hides a flood.
    """
    if not sample.counts:
        return state, ()
    value = sample.value
    assert value is not None  # noqa: S101 - counts says so
    suspect = sample.flag is Flag.SUSPECT
    if state.lasting is not None:
        return _while_on(state, state.lasting, sample.time_ms, value, suspect, threshold)
    if threshold.beyond(value):
        episode = _extend(state.forming, sample.time_ms, value, suspect, threshold)
        if sample.time_ms - episode.started_ms >= threshold.hold_raise_ms:
            return State(lasting=episode), (Transition(True, episode),)
        return State(forming=episode), ()
    if suspect or state.forming is None:
        return state, ()
    return IDLE, ()


def _while_on(
    state: State, episode: Episode, time_ms: int, value: float, suspect: bool, threshold: Threshold
) -> tuple[State, tuple[Transition, ...]]:
    if threshold.clear(value):
        if suspect:
            return state, ()
        since = time_ms if state.good_since_ms is None else state.good_since_ms
        if time_ms - since >= threshold.hold_clear_ms:
            return IDLE, (Transition(False, msgspec.structs.replace(episode, ended_ms=time_ms)),)
        return State(lasting=episode, good_since_ms=since), ()
    return State(lasting=_extend(episode, time_ms, value, suspect, threshold)), ()


def _extend(episode: Episode | None, time_ms: int, value: float, suspect: bool, threshold: Threshold) -> Episode:
    flag = int(Flag.SUSPECT if suspect else Flag.PASS)
    verifies = not suspect and threshold.beyond(value)
    if episode is None:
        return Episode(time_ms, value, time_ms, flag, not verifies)
    if threshold.worse(value, episode.peak):
        return msgspec.structs.replace(
            episode, peak=value, peak_ms=time_ms, peak_flag=flag, unverified=episode.unverified and not verifies
        )
    if verifies and episode.unverified:
        return msgspec.structs.replace(episode, unverified=False)
    return episode


def episodes(samples: Iterable[Sample], threshold: Threshold) -> list[Episode]:
    """All alarms of these readings (ascending in time); the last one may still be on."""
    state, ended = IDLE, []
    for sample in samples:
        state, transitions = step(state, sample, threshold)
        ended += [transition.episode for transition in transitions if not transition.raised]
    return [*ended, state.lasting] if state.lasting else ended
