"""A journal that a test opens: to put something in, or to look what an agent has left."""

import os
from pathlib import Path

from haihe_contract.clock import SystemClock
from haihe_contract.record import Dictionary, Opened
from haihe_edge.journal import Folder, Journal

NO_SERIES = Dictionary([])


def journal_in(directory: Path, *, size: int = 1 << 24, dictionary: Dictionary = NO_SERIES) -> Journal:
    """The journal in that folder, on a line of its own."""
    return Journal.open(
        Folder(directory),
        size=size,
        clock=SystemClock(),
        entropy=lambda: int.from_bytes(os.urandom(8), "big"),
        dictionary=dictionary,
        opened=lambda line, last, ms, closed: Opened(1, "b", 1, 1, line, last, ms, 1000, closed, "0", "s"),
    )
