"""What a simulated instrument said, written down by itself: the ground that a balance stands on."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from haihe_contract.clock import Clock

LOG_BYTES_MAX = 256 * 1024 * 1024
"""A log that grows beyond this stops growing and says so in its last line."""


class AnswerLog:
    """Append-only JSON lines, flushed one by one. ``count`` says how many answers it holds.

    A line of a Modbus instrument: ``t`` wall time in ms when the last byte was on the line, ``unit``, ``fn``,
    ``at``, ``n``, ``hex`` (the register bytes), ``took`` ms from the end of the request. A line of a GNSS
    receiver: ``t`` and the fix.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.count = 0
        self._clock = clock
        self._file = path.open("a", encoding="ascii", buffering=1)
        self._room = LOG_BYTES_MAX - path.stat().st_size

    def note(self, **facts: Any) -> None:
        """Write one answer down, stamped now."""
        line = json.dumps({"t": self._clock.now_ms(), **facts}, separators=(",", ":")) + "\n"
        if self._room <= 0:
            return
        self._room -= len(line)
        if self._room <= 0:
            line = json.dumps({"t": self._clock.now_ms(), "full": True}) + "\n"
        self._file.write(line)
        self._file.flush()
        self.count += 1

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
