"""How much backlog may be under way: what receipts came back for, and how fast. Pure; time is an argument.

A modem takes in minutes of backlog before it refuses a byte, and live values would wait behind all of it. So what is
under way is bounded in bytes, by the throughput that receipts show times the round trip of an idle link and a short
queue: enough that the link never runs dry, and little enough that an alarm overtakes within a second.
"""

from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from haihe_contract.wire import BATCH_BYTES_MAX as BATCH_BYTES_LIMIT

BATCH_BYTES_MIN = 2048
"""Smaller ones would be mostly overhead: of MQTT, TLS and TCP about 150 bytes a message."""
BATCH_BYTES_MAX = 256 * 1024
WINDOW_BYTES_MAX = 4 * 1024 * 1024
WINDOW_BATCHES = 4
QUEUE_MS = 750
"""So much throughput may wait in the link's buffers beyond what is travelling."""
BASE_FOR_MS = 60_000
BASE_FOR_TRIPS = 40
"""After so long, and so many of them, the round trip of the idle link is measured anew: the way may have changed."""
_SAMPLES = 5


class Grant(NamedTuple):
    """What a broker takes, as its CONNACK says.

    Args:
        unanswered_max: publishes that may wait for its answer (Receive Maximum).
        payload_bytes_max: the most that a payload may have (by Maximum Packet Size).
    """

    unanswered_max: int = 64
    payload_bytes_max: int = BATCH_BYTES_LIMIT


class Ticket(NamedTuple):
    """Taken when something is sent, given back with its receipt.

    Args:
        sent_ms: when it was sent.
        size: bytes of it.
        backlog: whether it was backlog.
        alone: whether no backlog was under way.
        delivered: bytes that had receipts by then.
        since_ms: since when ``delivered`` stood.
    """

    sent_ms: int
    size: int
    backlog: bool
    alone: bool
    delivered: int
    since_ms: int


class Flow:
    """Round trip and throughput of one connection."""

    def __init__(self) -> None:
        self.round_trip_ms = 0
        self._varies_ms = 0
        self.restart()

    def restart(self) -> None:
        """A new connection, or receipts that stay away: nothing is known of the link but its round trip."""
        self._rates: deque[float] = deque(maxlen=_SAMPLES)
        self._delivered = 0
        self._since_ms = 0
        self._base_ms = 0
        self._base_from_ms = 0
        self._starting = True  # nothing has queued up yet: the link may carry more

    @property
    def bytes_per_s(self) -> float:
        """Throughput by receipts, 0 while it is not known."""
        return median(self._rates) * 1000 if self._rates else 0.0

    @property
    def window_bytes(self) -> int:
        """With less under way another batch of backlog may leave."""
        queue_ms = max(QUEUE_MS, self._base_ms) if self._starting else QUEUE_MS
        wanted = self.bytes_per_s * (self._base_ms + queue_ms) / 1000
        return int(max(BATCH_BYTES_MIN, min(WINDOW_BYTES_MAX, wanted)))

    @property
    def slack_ms(self) -> int:
        """What a round trip takes with good reason: its mean and four times its mean deviation (RFC 6298)."""
        return self.round_trip_ms + 4 * self._varies_ms

    def batch_bytes(self, now_ms: int) -> int:
        """How large a batch of backlog should be."""
        if self._is_measuring(now_ms):
            return BATCH_BYTES_MIN
        return max(BATCH_BYTES_MIN, min(BATCH_BYTES_MAX, self.window_bytes // WINDOW_BATCHES))

    def has_room(self, flying_bytes: int, flying_backlog: int, now_ms: int) -> bool:
        """Whether another batch of backlog may leave; one always may, so that the link is measured.

        Args:
            flying_bytes: bytes without receipt, of all lanes.
            flying_backlog: batches of backlog without receipt.
            now_ms: monotonic.
        """
        if flying_backlog == 0:
            return True
        return not self._is_measuring(now_ms) and flying_bytes < self.window_bytes

    def _is_measuring(self, now_ms: int) -> bool:
        known_for_ms = max(BASE_FOR_MS, BASE_FOR_TRIPS * self._base_ms)
        return self._base_ms == 0 or now_ms - self._base_from_ms >= known_for_ms

    def sent(self, size: int, now_ms: int, *, backlog: bool, flying: int, flying_backlog: int) -> Ticket:
        """Something leaves."""
        since_ms = self._since_ms if flying else now_ms
        return Ticket(now_ms, size, backlog, flying_backlog == 0, self._delivered, since_ms)

    def delivered(self, tickets: Sequence[Ticket], now_ms: int) -> None:
        """A receipt covers these, in the order of sending."""
        if not tickets:
            return
        self._delivered += sum(ticket.size for ticket in tickets)
        self._since_ms = now_ms
        for ticket in tickets:
            took_ms = max(1, now_ms - ticket.sent_ms)
            self._time(took_ms)
            if self._is_measuring(now_ms) and ticket.alone and ticket.sent_ms >= self._base_from_ms:
                self._base_ms, self._base_from_ms = took_ms, now_ms
            self._base_ms = min(self._base_ms, took_ms) if self._base_ms else took_ms
            self._starting &= took_ms <= self._base_ms + QUEUE_MS // 2
        last = next((ticket for ticket in reversed(tickets) if ticket.backlog), None)
        if last is not None:  # live alone never shows what the link could carry
            self._rates.append((self._delivered - last.delivered) / max(1, now_ms - last.since_ms))

    def _time(self, took_ms: int) -> None:
        """Mean and mean deviation as TCP keeps them (RFC 6298, section 2)."""
        if self.round_trip_ms == 0:
            self.round_trip_ms, self._varies_ms = took_ms, took_ms // 2
        else:
            self._varies_ms = (3 * self._varies_ms + abs(self.round_trip_ms - took_ms)) // 4
            self.round_trip_ms = (7 * self.round_trip_ms + took_ms) // 8
