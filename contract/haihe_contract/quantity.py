"""Durations and sizes as people write them in a file."""

import re

_DURATION = re.compile(r"^(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)$")
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB)$")
_DURATION_MS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def duration_ms(text: str) -> int:
    """Milliseconds of ``5s``, ``15min``, ``1h``, ``250ms``.

    Raises:
        ValueError: when the text is no duration.
    """
    match = _DURATION.match(text)
    if not match:
        raise ValueError(f"{text!r} is no duration; write for example 500ms, 5s, 15min, 1h")
    return round(float(match[1]) * _DURATION_MS[match[2]])


def size_bytes(text: str) -> int:
    """Bytes of ``256MiB``.

    Raises:
        ValueError: when the text is no size.
    """
    match = _SIZE.match(text)
    if not match:
        raise ValueError(f"{text!r} is no size; write for example 64MiB")
    return round(float(match[1]) * _SIZE_BYTES[match[2]])


def duration_text(milliseconds: int) -> str:
    """A duration as a file writes it, in the largest unit that is whole."""
    for unit, size in (("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
