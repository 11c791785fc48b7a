"""The few words that systemd wants to hear of a service: READY, WATCHDOG, STOPPING (sd_notify(3))."""

import os
import socket
from contextlib import suppress


def notify(word: str) -> None:
    """Send ``READY=1``, ``WATCHDOG=1``, ``STOPPING=1`` or ``STATUS=…``; nothing where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
        speaker.sendto(word.encode(), "\0" + address[1:] if address.startswith("@") else address)


def watchdog_s() -> float | None:
    """Half of the watchdog's patience in seconds, or None when systemd does not watch."""
    patience = os.environ.get("WATCHDOG_USEC", "")
    return int(patience) / 2_000_000 if patience.isdecimal() and int(patience) > 0 else None
