"""The budget of a metered link as people write it: ``200MB/month``."""

import re

from .plan import Allowance

_WRITTEN = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(kB|MB|GB)\s*/\s*(day|month)")
_UNITS = {"kB": 1000, "MB": 1000**2, "GB": 1000**3}  # as those count who sell data
_BYTES_MIN = 100_000


def allowance(text: str) -> Allowance:
    """What the text allows.

    Raises:
        ValueError: when it is no budget, or too small for heartbeats and alarms.
    """
    said = _WRITTEN.fullmatch(text)
    size = round(float(said[1]) * _UNITS[said[2]]) if said else 0
    if said is None or size < _BYTES_MIN:
        raise ValueError(f"{text!r} is no budget of 100kB or more; write for example 200MB/month, 5MB/day")
    return Allowance(size, monthly=said[3] == "month")
