"""The TLS handshake of a client that dials in a thread: it has a time of its own, and can be ended from outside."""

import contextlib
import socket
import ssl
from typing import Any, cast


class Unanswered(TimeoutError):
    """The other side took the TCP connection, and did not answer over it in time."""


class Handshake:
    """Times the handshakes of one context, whoever dials: paho knows one limit for TCP and TLS together.

    A network that is away shows within the few seconds that TCP is given; a server that has taken the connection may
    need longer for its turn (:class:`haihe_contract.backoff.Patience`).

    Args:
        context: whose sockets are timed.
        seconds: for one handshake.
    """

    def __init__(self, context: ssl.SSLContext, seconds: float) -> None:
        self.seconds = seconds
        self._now: ssl.SSLSocket | None = None
        outer = self

        class Timed(ssl.SSLSocket):
            def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as in ssl
                outer._now = self
                self.settimeout(outer.seconds)
                try:
                    super().do_handshake(block)
                except TimeoutError:
                    self.close()  # nobody else does, as long as somebody keeps the exception
                    raise Unanswered(f"no answer to the handshake within {outer.seconds:.0f} s") from None
                except OSError:
                    self.close()
                    raise
                finally:
                    outer._now = None

        context.sslsocket_class = Timed

    def end(self) -> None:
        """End the one that is under way, if there is one: its thread sees a connection that was closed."""
        now = self._now
        if now is not None:
            hang_up(now)


def hang_up(connection: Any) -> None:
    """End the TCP connection under a TLS socket, so that whoever waits for it in another thread notices."""
    with contextlib.suppress(OSError):
        # Not the TLS socket's own method: that takes its TLS away under the thread that uses it.
        socket.socket.shutdown(cast("socket.socket", connection), socket.SHUT_RDWR)
