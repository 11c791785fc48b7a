"""When to ask whom. Pure: times come in, decisions go out."""

from haihe_edge import limits


def first_due(monotonic_ms: int, wall_ms: int, period_ms: int) -> int:
    """The next moment of the period's grid on the wall clock, as monotonic time.

    The grid is counted from midnight UTC, which is 08:00 in Beijing: a daily period falls on the start of the
    rain day, six hours on 02, 08, 14 and 20 o'clock, an hour on the hour, a minute on the minute.
    """
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


def deadline(due_ms: int, period_ms: int, *, alarms: bool, fails: bool) -> int:
    """By when a due reading should be there: who has the earliest deadline is asked first.

    At one due time short periods go before long ones, instruments with alarm levels before all, and those that
    did not answer last time after the others. Nobody starves: a deadline that has come goes before later ones.

    Args:
        due_ms: since when it is due.
        period_ms: how often.
        alarms: whether one of its series has levels at this station.
        fails: whether it did not answer last time.
    """
    if fails:
        return due_ms + limits.FAILING_LATER_MS
    return due_ms if alarms else due_ms + period_ms


class Agenda:
    """Whose turn it is on one bus."""

    def __init__(self) -> None:
        self._turns: dict[str, tuple[int, int]] = {}

    def put(self, name: str, due_ms: int, deadline_ms: int) -> None:
        """Note, or note anew, when somebody is due and by when it should be done."""
        self._turns[name] = (due_ms, deadline_ms)

    def take(self, now_ms: int) -> str | None:
        """Who goes now; None when nobody is due. The one taken must be put in again."""
        ready = [(by_ms, due_ms, name) for name, (due_ms, by_ms) in self._turns.items() if due_ms <= now_ms]
        if not ready:
            return None
        name = min(ready)[2]
        del self._turns[name]
        return name

    def next_ms(self) -> int | None:
        """When the next one is due, None when there is nobody."""
        return min((due_ms for due_ms, _ in self._turns.values()), default=None)


class Breaker:
    """Whether a unit is worth asking now.

    After some failures in a row it is left alone at its due times and only probed, with growing pauses, so that
    a dead unit costs the bus little. The first answer ends it.
    """

    __slots__ = ("_failed_ms", "_pauses", "failures")

    def __init__(self) -> None:
        self.failures = 0
        self._failed_ms = 0
        self._pauses = 0

    @property
    def is_open(self) -> bool:
        """Whether it is left alone between probes."""
        return self.failures >= limits.FAILURES_BEFORE_PAUSES

    def allows(self, monotonic_ms: int, most_ms: int = limits.PROBE_PAUSE_MS_MAX) -> bool:
        """Whether to ask at this moment."""
        return not self.is_open or monotonic_ms >= self.probe_ms(most_ms)

    def probe_ms(self, most_ms: int = limits.PROBE_PAUSE_MS_MAX) -> int:
        """When to ask a unit that fails even though it is not due, with pauses of so many milliseconds at most."""
        return self._failed_ms + growing(limits.PROBE_PAUSE_MS_MIN, self._pauses, most_ms)

    def answered(self) -> None:
        """It lives."""
        self.failures = self._pauses = 0

    def failed(self, monotonic_ms: int) -> None:
        """It did not answer, or only damage came."""
        self._pauses += self.is_open
        self.failures += 1
        self._failed_ms = monotonic_ms

    def retry(self, monotonic_ms: int) -> None:
        """There is a reason to hope: probe now, and let the pauses grow anew."""
        self._pauses = 0
        self._failed_ms = monotonic_ms - limits.PROBE_PAUSE_MS_MIN


class Allowance:
    """The bus's time that may be spent on units that do not answer: a small share, saved up for a while.

    Args:
        now_ms: monotonic time at the start.
    """

    __slots__ = ("_counted_ms", "_saved_ms")

    _MOST_MS = limits.DEAD_SHARE * limits.PROBE_PAUSE_MS_MAX

    def __init__(self, now_ms: int) -> None:
        self._saved_ms: float = self._MOST_MS
        self._counted_ms = now_ms

    def saved_ms(self, now_ms: int) -> float:
        """What may be spent now; below zero after a probe that took more."""
        self._saved_ms = min(self._MOST_MS, self._saved_ms + (now_ms - self._counted_ms) * limits.DEAD_SHARE)
        self._counted_ms = now_ms
        return self._saved_ms

    def spent(self, now_ms: int, took_ms: float) -> None:
        """A probe brought nothing and took so long."""
        self._saved_ms = self.saved_ms(now_ms) - took_ms

    def allows_ms(self, now_ms: int) -> int:
        """The moment from which the next probe may go."""
        saved = self.saved_ms(now_ms)
        return now_ms if saved >= 0 else now_ms + int(-saved / limits.DEAD_SHARE) + 1


def probe_wait_ms(usual_ms: int, typical_ms: int, pause_most_ms: int, dead: int) -> int:
    """How long a probe may wait for its answer, so that every dead unit is probed at its longest pause.

    Args:
        usual_ms: what is waited otherwise.
        typical_ms: of the profile; a shorter wait could never see it answer.
        pause_most_ms: the longest pause between two probes of a unit.
        dead: how many units of the bus share the allowance.
    """
    share = int(limits.DEAD_SHARE * pause_most_ms / max(1, dead)) - limits.PROBE_COST_MS
    return min(usual_ms, max(typical_ms + limits.PROBE_GRACE_MS, share))


def growing(first_ms: int, times: int, most_ms: int) -> int:
    """The pause after so many repetitions: doubled each time up to the most."""
    return min(most_ms, first_ms << min(times, 20))
