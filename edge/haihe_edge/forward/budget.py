"""A metered link's budget of bytes: what may still go in the running day or month. Pure; time is an argument.

Alarms always go. Backlog stops where only the reserve is left, which shrinks as the period passes; live thins when
little is left, and goes on at a walking pace when nothing is.
"""

import datetime
from typing import NamedTuple

import msgspec
from haihe_contract.clock import BEIJING_OFFSET_MS

from haihe_edge.site import Allowance

DAY_MS = 86_400_000
_BEIJING = datetime.timezone(datetime.timedelta(milliseconds=BEIJING_OFFSET_MS))
RESERVE = 0.3
"""Of the budget, for the part of the period that is still to come: backlog leaves it alone."""
RESERVE_LAST = 0.02
"""Of the budget, to the end of the period."""
LITTLE = 0.1
"""Of the budget, for the part of the period that is still to come: with less than this live thins."""
LIVE_EVERY_MS_LITTLE = 60_000
LIVE_EVERY_MS_NONE = 900_000
MESSAGE_BYTES = 200
"""Around a message: its MQTT header and answer, TLS records, TCP and IP of both with their acknowledgements."""
CONNECTION_BYTES = 6_000
"""To connect: TCP, TLS with the certificates of both sides, MQTT."""


class Pace(NamedTuple):
    """How freely the outbox may send.

    Args:
        backlog: whether backlog may leave.
        live_every_ms: live, and heartbeats, at most so often; only the newest of each series unless 0.
    """

    backlog: bool
    live_every_ms: int


FREELY = Pace(backlog=True, live_every_ms=0)


class Spent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept over restarts: bytes of the period that began then (ms UTC).

    Args:
        from_ms: when.
        bytes: carried since.
        left_ms: when the period began that the clock has left by going back, 0 for none: before it is set, a clock
            without a battery stands far back at every start.
    """

    from_ms: int
    bytes: int
    left_ms: int = 0


def period(now_ms: int, *, monthly: bool) -> tuple[int, int]:
    """Begin and end of the running period in ms UTC."""
    if not monthly:
        begin = now_ms - (now_ms + BEIJING_OFFSET_MS) % DAY_MS
        return begin, begin + DAY_MS
    day = datetime.datetime.fromtimestamp(now_ms // 1000, _BEIJING)
    first = day.replace(day=1, hour=0, minute=0, second=0)
    following = (first + datetime.timedelta(days=31)).replace(day=1)
    return round(first.timestamp() * 1000), round(following.timestamp() * 1000)


class Budget:
    """Counts and decides for one link.

    Args:
        allowance: what it may carry.
        spent: what was kept of an earlier run.
    """

    def __init__(self, allowance: Allowance, spent: Spent | None = None) -> None:
        self.allowance = allowance
        self.spent = spent or Spent(0, 0)

    def count(self, size: int, now_ms: int) -> None:
        """So many bytes went over the link, either way."""
        self._turn(now_ms)
        self.spent = msgspec.structs.replace(self.spent, bytes=self.spent.bytes + size)

    def _turn(self, now_ms: int) -> None:
        """Begin a new period. A clock that goes back, or comes again, begins none: what is paid for stays counted."""
        begin, _ = period(now_ms, monthly=self.allowance.monthly)
        spent = self.spent
        if begin < spent.from_ms:
            self.spent = Spent(begin, spent.bytes, spent.left_ms or spent.from_ms)
        elif begin > spent.from_ms:
            self.spent = Spent(begin, spent.bytes if begin == spent.left_ms else 0)

    def used_bytes(self, now_ms: int) -> int:
        """What the running period has cost."""
        self._turn(now_ms)
        return self.spent.bytes

    def ends_ms(self, now_ms: int) -> int:
        """When the running period ends, ms UTC."""
        return period(now_ms, monthly=self.allowance.monthly)[1]

    def pace(self, now_ms: int) -> Pace:
        """How freely to send now."""
        self._turn(now_ms)
        begin, end = period(now_ms, monthly=self.allowance.monthly)
        to_come = (end - now_ms) / (end - begin)
        left = (self.allowance.bytes - self.spent.bytes) / self.allowance.bytes
        if left <= 0:
            return Pace(backlog=False, live_every_ms=LIVE_EVERY_MS_NONE)
        if left < LITTLE * to_come:
            return Pace(backlog=False, live_every_ms=LIVE_EVERY_MS_LITTLE)
        return Pace(backlog=left > max(RESERVE_LAST, RESERVE * to_come), live_every_ms=0)
