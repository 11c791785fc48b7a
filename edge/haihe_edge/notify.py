"""The few words that systemd wants to hear: READY, WATCHDOG, STOPPING (sd_notify(3))."""

import os
import socket


def notify(word: str) -> None:
    """Send one word to the service manager; does nothing when there is none."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto(word.encode(), "\0" + address[1:] if address.startswith("@") else address)
        except OSError:
            return


def watchdog_s() -> float | None:
    """Half of the watchdog's patience, or None when systemd does not watch."""
    patience = os.environ.get("WATCHDOG_USEC", "")
    return int(patience) / 2_000_000 if patience.isdecimal() and int(patience) > 0 else None
