"""How long to wait for an answer: as long as this instrument has been seen to need. Pure."""

import math

LEARNT_AFTER = 8
"""Answers that must have been timed before a wait is shortened."""
SLACK_MS = 30
"""Added to what was seen: USB adapters hold bytes back for 16 ms, and this machine has other work."""
_SMOOTHING, _DEVIATION, _FORGETTING = 1 / 8, 1 / 4, 1 / 64
"""The first two as TCP has them (RFC 6298, section 2); the worst answer is forgotten more slowly."""
_LONGER = (1, 4)
"""After one time-out the wait is so much longer, after another one it is the longest: before an instrument counts
as silent it has been given all the time that its profile allows."""


class Patience:
    """The wait for one instrument, between the profile's typical and longest answer time.

    Smoothed answer time plus four deviations, as TCP does it, and never below the worst answer that is
    remembered. An instrument that is slow only sometimes must not be cut off: time-outs make the wait longer, soon
    the longest, until an answer comes.

    Args:
        typical_ms: never wait less.
        most_ms: never wait longer; also what is waited before anything is known.
    """

    __slots__ = ("_deviation", "_misses", "_most_ms", "_seen", "_smooth", "_typical_ms", "_worst")

    def __init__(self, typical_ms: int, most_ms: int) -> None:
        self._typical_ms, self._most_ms = typical_ms, most_ms
        self._seen = self._misses = 0
        self._smooth = self._deviation = self._worst = 0.0

    @property
    def ms(self) -> int:
        """How long to wait now, in milliseconds, without the time on the wire."""
        if self._seen < LEARNT_AFTER or self._misses >= len(_LONGER):
            return self._most_ms
        needed = math.ceil(max(self._smooth + 4 * self._deviation, self._worst)) + SLACK_MS
        return min(self._most_ms, max(self._typical_ms, needed) * _LONGER[self._misses])

    def answered(self, took_ms: float) -> None:
        """It answered after so long."""
        self._misses = 0
        if self._seen == 0:
            self._smooth, self._deviation, self._worst = took_ms, took_ms / 2, took_ms
        else:
            self._deviation += _DEVIATION * (abs(took_ms - self._smooth) - self._deviation)
            self._smooth += _SMOOTHING * (took_ms - self._smooth)
            self._worst = max(took_ms, self._worst + _FORGETTING * (self._smooth - self._worst))
        self._seen += 1

    def missed(self) -> None:
        """It did not answer within the wait."""
        self._misses += 1
