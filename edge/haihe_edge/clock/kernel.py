"""What the kernel knows of time: whether NTP disciplines the clock, and which boot this is."""

import ctypes
from pathlib import Path

_TIMEX_BYTES = 208
_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def synchronised() -> bool:
    """Whether the kernel says that the system clock is disciplined."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        state = libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return False
    return 0 <= int(state) != _TIME_ERROR


def boot_id() -> str:
    """Id of this boot; a monotonic time means something only together with it."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return "unknown"
