"""What one poll of an instrument asks of its bus, whatever it speaks. Pure."""

from typing import Literal, NamedTuple

Length = Literal["known", "example", "limit"]
"""Where the length of an answer comes from: all its characters are known (or their most, from the profile or the
standard); the example in the profile; or only the longest frame that the profile lets pass."""
Unknown = Literal["measure_ms", "pace"]
"""A time that the profile does not say, so that it is not counted."""


class Load(NamedTuple):
    """What one instrument asks of its bus at each due time, or how much it says by itself.

    Args:
        instrument: its name.
        period_ms: how often the site asks for it.
        requests: how many exchanges one poll takes; 0 for an instrument that speaks by itself.
        bytes_out: bytes of all requests of a poll.
        bytes_in: bytes of all answers, or of what it says by itself at one time.
        wire_ms: their time on the wire with the silence between frames, or the breaks that wake a sensor.
        answer_ms: how long the instrument thinks, and the pauses that it needs, all exchanges together.
        waits_ms: how long it measures while nothing else can be asked.
        shared_ms: how long it measures while others of the bus may measure too: of those that are due together
            only the longest counts.
        pace_ms: it speaks by itself once in so long; None when it is asked, or when nobody says how often it speaks.
        first: one of its series has levels at this station, so it is asked before others.
        length: where the length of its answers comes from.
        unknown: times that are not counted, since its profile does not say them.
    """

    instrument: str
    period_ms: int
    requests: int
    bytes_out: int
    bytes_in: int
    wire_ms: float
    answer_ms: float
    waits_ms: float = 0.0
    shared_ms: float = 0.0
    pace_ms: int | None = None
    first: bool = False
    length: Length = "known"
    unknown: tuple[Unknown, ...] = ()

    @property
    def speaks(self) -> bool:
        """Whether it speaks by itself."""
        return self.requests == 0

    @property
    def busy_ms(self) -> float:
        """How long one poll takes."""
        return self.wire_ms + self.answer_ms + self.waits_ms + self.shared_ms

    @property
    def share(self) -> float:
        """Which part of the bus's time it takes by itself."""
        if self.speaks:
            return 0.0 if self.pace_ms is None else self.busy_ms / self.pace_ms
        return self.busy_ms / self.period_ms
