"""How long a message may be for a broker that does not say so, and hangs up instead. Pure; time is an argument.

A broker with a limit should name it when it accepts the connection, or refuse the message. Mosquitto's
``message_size_limit`` does neither: it answers with a code that MQTT 5 does not allow there, and the client ends the
connection (tried with 2.0.11). Others end it themselves with "packet too large".
"""

from haihe_contract.wire import BATCH_BYTES_MAX

ENDS = 2
"""So many connections in a row that ended so are no chance."""
BYTES_MIN = 256
FORGET_MS = 3_600_000
"""After so long longer messages are tried again: the broker's settings may have changed."""


class Tolerated:
    """Halves what may be sent each time that connections have ended over it."""

    def __init__(self) -> None:
        self._most = BATCH_BYTES_MAX
        self._ends = 0
        self._since_ms = 0

    def bytes_max(self, now_ms: int) -> int:
        """The longest payload to try on a new connection."""
        if now_ms - self._since_ms >= FORGET_MS:
            self._most, self._ends = BATCH_BYTES_MAX, 0
        return self._most

    def ended(self, longest: int, now_ms: int) -> None:
        """The connection ended for something that was sent; of what had no answer yet the longest had so many bytes."""
        if not self._ends:
            self._since_ms = now_ms
        self._ends += 1
        if self._ends >= ENDS:
            self._most, self._ends, self._since_ms = max(BYTES_MIN, min(self._most, longest) // 2), 0, now_ms

    def taken(self, size: int) -> None:
        """The broker took a payload of that size: what ended connections before was not its length."""
        if 2 * size > self._most:
            self._ends = 0
