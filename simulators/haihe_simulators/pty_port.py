"""A pseudo-terminal with a stable name that can be pulled out and put back, as a USB adapter can."""

import contextlib
import os
import select
import termios
import tty
from pathlib import Path
from typing import NamedTuple

_BAUDS = {
    getattr(termios, f"B{rate}"): rate
    for rate in (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400)
    if hasattr(termios, f"B{rate}")
}


class PortSettings(NamedTuple):
    """What the client has set.

    A pty of Linux forgets even parity (the kernel clears PARENB on it), so ``odd`` is all that is known of it.
    """

    baud: int
    odd: bool
    stop_bits: int


class PtyPort:
    """Our end (``master``) of a pseudo-terminal whose other end lies at ``path``.

    Args:
        path: where the client finds it; a symbolic link that is replaced at each plugging.
        held: keep the client's end open ourselves, so that closing it makes no noise here. A port that is not
            held can tell whether anybody listens.
    """

    def __init__(self, path: Path, *, held: bool = True) -> None:
        self.path = path
        self.master = -1
        self._held = held
        self._client = -1

    @property
    def plugged(self) -> bool:
        """Whether the port is there."""
        return self.master >= 0

    def plug(self) -> None:
        """Make the port appear. Does nothing when it is there."""
        if self.plugged:
            return
        self.master, client = os.openpty()
        os.set_blocking(self.master, False)
        tty.setraw(client)
        made = self.path.with_name(self.path.name + ".new")
        made.unlink(missing_ok=True)
        made.symlink_to(os.ttyname(client))
        made.replace(self.path)
        if self._held:
            self._client = client
        else:
            os.close(client)

    def unplug(self) -> None:
        """Make it vanish: whoever has it open gets an error, as with a pulled adapter."""
        if not self.plugged:
            return
        self.path.unlink(missing_ok=True)
        if self._client >= 0:
            os.close(self._client)
        os.close(self.master)
        self.master = self._client = -1

    def listened(self) -> bool:
        """Whether anybody has the other end open. Always true for a held port."""
        if not self.plugged:
            return False
        poll = select.poll()
        poll.register(self.master, 0)
        return not any(event & select.POLLHUP for _, event in poll.poll(0))

    def settings(self) -> PortSettings:
        """What the client set last."""
        _, _, flags, _, _, speed, _ = termios.tcgetattr(self.master)
        return PortSettings(_BAUDS.get(speed, 0), bool(flags & termios.PARODD), 2 if flags & termios.CSTOPB else 1)

    def stir(self) -> None:
        """Turn on a flag that every serial client turns off (IGNBRK), so that its settings change something.

        A pty never takes even parity, and Linux answers EINVAL to settings of which nothing at all was taken: a
        client that opens the port with the same even parity as the client before it would be refused.
        """
        settings = termios.tcgetattr(self.master)
        if not settings[0] & termios.IGNBRK:
            settings[0] |= termios.IGNBRK
            termios.tcsetattr(self.master, termios.TCSANOW, settings)

    def write(self, data: bytes) -> None:
        """Put bytes on the line; what nobody takes is gone, as on a real line."""
        with contextlib.suppress(OSError):
            os.write(self.master, data)

    def read(self) -> bytes:
        """Bytes that came in, none when there are none."""
        try:
            return os.read(self.master, 4096)
        except OSError:
            return b""
