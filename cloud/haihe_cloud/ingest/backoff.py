"""Pauses between tries: drawn from the whole of a growing interval, so that a fleet does not come back at once."""

import random

from haihe_cloud.limits import BACKOFF_CAP_S


class Backoff:
    """Full jitter: the nth pause is anywhere between nothing and ``first * 2**n`` seconds, at most the cap."""

    def __init__(self, chance: random.Random, *, first_s: float = 0.5, cap_s: float = BACKOFF_CAP_S) -> None:
        self._chance = chance
        self._first_s = first_s
        self._cap_s = cap_s
        self._limit_s = first_s

    def next_s(self) -> float:
        """The next pause in seconds."""
        pause = self._chance.uniform(0, self._limit_s)
        self._limit_s = min(self._cap_s, self._limit_s * 2)
        return pause

    def reset(self) -> None:
        """Begin small again, after a stable time."""
        self._limit_s = self._first_s
