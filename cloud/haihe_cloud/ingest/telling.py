"""Which stations are being told of all their lines: those that have just connected, until the turn is through."""

from haihe_cloud.ledger.stating import START, Cursor
from haihe_cloud.limits import QUIET_MS


class Telling:
    """Remembered in memory only: after a restart of the centre every station is told once more."""

    def __init__(self) -> None:
        self._heard_ms: dict[str, int] = {}
        self._turns: dict[str, Cursor] = {}

    def heard(self, station: str, now_ms: int, *, opened: bool) -> None:
        """The station spoke; after some quiet, or with a new opening of its journal, its turn begins.

        Args:
            station: which.
            now_ms: monotonic.
            opened: whether what came tells of an opening.
        """
        if opened or now_ms - self._heard_ms.get(station, now_ms - QUIET_MS) >= QUIET_MS:
            self._turns[station] = START
        self._heard_ms[station] = now_ms

    def turn(self, station: str) -> Cursor | None:
        """How far its turn has come; None when it has none now."""
        return self._turns.get(station)

    def told(self, station: str, after: Cursor | None) -> None:
        """A receipt left that goes so far; None: the turn is through."""
        if after is None:
            self._turns.pop(station, None)
        else:
            self._turns[station] = after
