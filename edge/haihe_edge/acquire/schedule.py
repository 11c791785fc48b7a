"""When to ask whom. Pure: times come in, decisions go out."""

from haihe_edge import limits


def first_due(monotonic_ms: int, wall_ms: int, period_ms: int) -> int:
    """The next moment of the period's grid on the wall clock, as monotonic time."""
    return monotonic_ms + -wall_ms % period_ms


def next_due(due_ms: int, monotonic_ms: int, wall_ms: int, period_ms: int) -> int:
    """The due time after this one.

    Periods are counted in monotonic time, so a clock that is set causes neither a storm nor a pause; they are
    pulled to the wall clock's grid (every 5 minutes at :00, :05, ...), so that stations measure together.

    Args:
        due_ms: the due time that was served, monotonic.
        monotonic_ms: now.
        wall_ms: now by the wall.
        period_ms: how often.
    """
    wall_at_due = wall_ms - (monotonic_ms - due_ms)
    off = (wall_at_due + period_ms // 2) % period_ms - period_ms // 2
    return due_ms + period_ms - off


class Breaker:
    """Whether a unit is worth asking now.

    After some failures in a row it is left alone and probed with growing pauses, so that a dead unit costs
    the bus one time-out a minute and not one a period. The first answer ends it.
    """

    __slots__ = ("failures", "probe_ms")

    def __init__(self) -> None:
        self.failures = 0
        self.probe_ms: int | None = None

    def allows(self, monotonic_ms: int) -> bool:
        """Whether to ask at this moment."""
        return self.probe_ms is None or monotonic_ms >= self.probe_ms

    def answered(self) -> None:
        """It lives."""
        self.failures = 0
        self.probe_ms = None

    def failed(self, monotonic_ms: int) -> None:
        """It did not answer, or only damage came."""
        self.failures += 1
        beyond = self.failures - limits.FAILURES_BEFORE_PAUSES
        if beyond >= 0:
            self.probe_ms = monotonic_ms + growing(limits.PROBE_PAUSE_MS_MIN, beyond, limits.PROBE_PAUSE_MS_MAX)


def growing(first_ms: int, times: int, most_ms: int) -> int:
    """The pause after so many repetitions: doubled each time up to the most."""
    return min(most_ms, first_ms << min(times, 20))
