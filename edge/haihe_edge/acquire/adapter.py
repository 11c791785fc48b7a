"""Where a serial adapter is now: bound by the socket it is plugged into, whatever name the kernel gave it this time.

Cheap USB adapters have no serial number, and one that is pulled out and put back often comes back as another
ttyUSB (field lesson C 30). The path of sockets (``1-1.2:1.0``: bus 1, hub port 1, its port 2, interface 0) stays.
"""

import os
import re
from pathlib import Path

TTYS = Path("/sys/class/tty")
DEVICES = Path("/dev")
_INTERFACE = re.compile(r"\d+-\d+(?:\.\d+)*:\d+\.\d+")
_BY_SOCKET = "usb:"


def socket_of(tty: str, ttys: Path = TTYS) -> str | None:
    """The USB socket and interface behind a tty, as ``1-1.2:1.0``; None for what is no USB adapter.

    Args:
        tty: name of the kernel, as ``ttyUSB0``.
        ttys: where the kernel lists them.
    """
    device = ttys / tty / "device"
    if not device.exists():
        return None
    found = [part for part in Path(os.path.realpath(device)).parts if _INTERFACE.fullmatch(part)]
    return found[-1] if found else None


def tty_at(socket: str, ttys: Path = TTYS) -> str | None:
    """The tty whose adapter is plugged in there now, None when there is none.

    Args:
        socket: as :func:`socket_of` gives it; without the interface (``1-1.2``) the adapter's first port.
        ttys: where the kernel lists them.
    """
    for tty in sorted(ttys.iterdir()) if ttys.is_dir() else ():
        found = socket_of(tty.name, ttys)
        if found is not None and socket in (found, found.split(":")[0]):
            return tty.name
    return None


class Whereabouts:
    """Follows one port of a site file.

    ``usb:1-1.2`` names a socket. A device file that led to a USB adapter when it was first opened is followed by
    that adapter's socket from then on: when the name has vanished, or belongs to another adapter now, the name
    that the kernel has given meanwhile is taken.

    Args:
        port: as written in the site file.
        ttys: where the kernel lists its ttys.
        devices: where their device files lie.
    """

    def __init__(self, port: str, ttys: Path = TTYS, devices: Path = DEVICES) -> None:
        self.port = port
        self._ttys, self._devices = ttys, devices
        self._socket = port.removeprefix(_BY_SOCKET) if port.startswith(_BY_SOCKET) else None

    def device(self) -> str:
        """The device file to open now; the written one where nothing better is known."""
        if self._socket is None:
            return self.port
        if not self.port.startswith(_BY_SOCKET) and self._socket_behind(self.port) == self._socket:
            return self.port
        tty = tty_at(self._socket, self._ttys)
        return self.port if tty is None else str(self._devices / tty)

    def opened(self, device: str) -> None:
        """It was opened: remember where it is plugged in."""
        if self._socket is None:
            self._socket = self._socket_behind(device)

    def _socket_behind(self, device: str) -> str | None:
        return socket_of(Path(os.path.realpath(device)).name, self._ttys)
