"""When to try a connection again. Pure: chance comes in as a number."""

STABLE_MS = 30_000
FIRST_MS = 500


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
