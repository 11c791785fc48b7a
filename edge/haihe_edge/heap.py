"""How the C library hands out memory, so that what the agent takes stays flat for years."""

import ctypes

# malloc.h of glibc
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_THRESHOLD_BYTES = 128 * 1024
"""glibc's own first value. Left alone it rises with every large buffer that is freed, up to 32 MiB, and then such
buffers are kept and broken up instead of going back to the machine."""


def keep_small() -> None:
    """Ask glibc for one arena and a fixed threshold; another C library has no such thing and is left alone.

    An arena for each thread would only keep free memory that the other threads cannot use: Python lets one thread
    run at a time. Call it before threads start.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    for what, value in (
        (_M_ARENA_MAX, 1),
        (_M_MMAP_THRESHOLD, _THRESHOLD_BYTES),
        (_M_TRIM_THRESHOLD, _THRESHOLD_BYTES),
    ):
        mallopt(what, value)
