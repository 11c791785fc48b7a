"""When to try a connection again, and how long to wait for its answer. Pure: chance comes in as a number."""

STABLE_MS = 30_000
FIRST_MS = 500
PATIENCE_MS = 10_000
PATIENCE_MS_MAX = 60_000


class Backoff:
    """Full jitter under a cap, reset only after the link has been of use for a while.

    A link that connects and drops at once must not be hammered, so a connection alone resets nothing
    (field lesson C 38).

    Args:
        cap_ms: the longest pause.
    """

    def __init__(self, cap_ms: int) -> None:
        self.cap_ms = max(FIRST_MS, cap_ms)
        self.failures = 0

    def next_ms(self, chance: float) -> int:
        """Pause before the next attempt; ``chance`` is uniform in 0..1."""
        most = min(self.cap_ms, FIRST_MS << min(self.failures, 20))
        self.failures += 1
        return round(most * chance)

    def ended(self, lasted_ms: int, *, useful: bool) -> None:
        """A connection ended after so long; useful means that a receipt came over it."""
        if useful and lasted_ms >= STABLE_MS:
            self.failures = 0


class Patience:
    """How long a broker that took the TCP connection may keep us waiting: doubled by every attempt that was given up.

    After its restart a broker works through the handshakes of thousands, one after the other. Whoever gives up before
    his turn has let it work in vain, and comes again: under one fixed limit nobody may get through any more.
    """

    def __init__(self) -> None:
        self.ms = PATIENCE_MS
        """For all that comes after TCP, in the next attempt."""

    def given_up(self) -> None:
        """It did not answer in that time."""
        self.ms = min(PATIENCE_MS_MAX, 2 * self.ms)

    def answered(self) -> None:
        """The connection stands."""
        self.ms = PATIENCE_MS
