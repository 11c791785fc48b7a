"""What can be wrong with an instrument or its line, switchable while it runs."""

from enum import StrEnum

LATE_S = 1.5
"""How late an answer with the fault ``late`` is."""


class Fault(StrEnum):
    """One fault at a time per unit."""

    NONE = "none"
    SILENT = "silent"  # no answer
    NOISE = "noise"  # bits of the answer flipped
    CRC = "crc"  # an answer with a wrong checksum
    LATE = "late"  # a right answer, much too late
    HALF = "half"  # the answer breaks off in the middle
    EXCEPTION = "exception"  # the instrument refuses with exception 4, "device failure"
