"""What this process writes to the card, as the kernel counts it."""

from pathlib import Path

from haihe_contract.clock import Clock

_DAY_MS = 86_400_000
_MEASURED_MS = 600_000
"""A pace is said only after so long: starting writes more than going on."""
_IO = Path("/proc/self/io")


def written_bytes() -> int | None:
    """Bytes that this process has made the kernel send to block devices (proc(5), ``write_bytes``), None if unknown.

    A page that is written, synced and written again counts twice, as it does for the card. What the file system
    writes for its own journal is not in it, and a memory file system counts nothing.
    """
    try:
        lines = _IO.read_text("ascii").splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("write_bytes:")), None)
    except (OSError, ValueError, IndexError):
        return None


class CardWear:
    """Counts from now on.

    Args:
        clock: for how long it has been.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_ms = clock.monotonic_ms()
        self._before = written_bytes()

    def bytes(self) -> int | None:
        """Written since then."""
        now = written_bytes()
        return None if now is None or self._before is None else now - self._before

    def per_day(self) -> int | None:
        """Bytes a day at the pace since then; None until it can be told."""
        passed, written = self._clock.monotonic_ms() - self._began_ms, self.bytes()
        return None if written is None or passed < _MEASURED_MS else round(written * _DAY_MS / passed)
