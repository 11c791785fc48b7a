"""What a broker refuses: lanes that pause, batches that are halved, records that are set aside; and what the disk does.

All of it is for one connection: the next one tries everything again, and nothing here frees a record. Pure.
"""

from typing import NamedTuple

from haihe_contract.ranges import EMPTY, RangeSet

PAUSE_MS_MIN = 1_000
PAUSE_MS_MAX = 60_000
UNREAD_AGAIN_MS = 600_000
"""After so long a file that could not be read is tried again: a bad sector of a card takes its time to say so."""
TRIES = 3
"""So often one record alone may be refused before it is set aside."""


class Piece(NamedTuple):
    """Part of a batch that was refused as a whole: it travels alone until its own fate is known."""

    lane: int
    line: int
    numbers: RangeSet


class Refusals:
    """Of one connection."""

    def __init__(self) -> None:
        self.aside: dict[int, RangeSet] = {}
        self.unread: dict[int, RangeSet] = {}
        """Numbers by line that the disk refuses to give now."""
        self.unread_until_ms = 0
        self._pieces: list[Piece] = []
        self._refused: dict[int, int] = {}
        self._until_ms: dict[int, int] = {}
        self._tries: dict[tuple[int, int], int] = {}

    def until_ms(self, lane: int) -> int:
        """Nothing of this lane leaves before."""
        return self._until_ms.get(lane, 0)

    def look_again_ms(self) -> list[int]:
        """When pauses end, and when what could not be read may be tried again."""
        return [*self._until_ms.values(), self.unread_until_ms]

    def is_wary(self, lane: int) -> bool:
        """Whether the last thing known of this lane is a refusal."""
        return lane in self._refused

    def pause(self, lane: int, now_ms: int) -> None:
        """Leave a lane alone for a while, twice as long as the last time."""
        if now_ms < self.until_ms(lane):
            return  # sent before the refusal that it pauses for
        times = self._refused[lane] = self._refused.get(lane, 0) + 1
        self._until_ms[lane] = now_ms + min(PAUSE_MS_MAX, PAUSE_MS_MIN << min(times - 1, 10))

    def accepted(self, lane: int) -> None:
        """The broker took something of this lane."""
        self._refused.pop(lane, None)
        self._until_ms.pop(lane, None)

    def refused(self, piece: Piece, now_ms: int, *, by_content: bool) -> None:
        """The broker said no.

        Args:
            piece: what was sent.
            now_ms: monotonic.
            by_content: whether another content or size might have pleased it; rights and quotas ask for none.
        """
        self.pause(piece.lane, now_ms)
        if not by_content or not piece.numbers:
            return
        if piece.numbers.count() == 1:
            key = (piece.line, piece.numbers.first)
            self._tries[key] = self._tries.get(key, 0) + 1
            if self._tries[key] >= TRIES:
                self.set_aside(piece.line, piece.numbers)
            else:
                self._pieces.append(piece)
        else:
            self.halve(piece)

    def halve(self, piece: Piece) -> None:
        """Try both halves by themselves; a record that is alone already is set aside."""
        count = piece.numbers.count()
        if count == 1:
            self.set_aside(piece.line, piece.numbers)
            return
        first = piece.numbers.head(count // 2)
        self._pieces[:0] = [piece._replace(numbers=first), piece._replace(numbers=piece.numbers - first)]

    def set_aside(self, line: int, numbers: RangeSet) -> None:
        """Not again on this connection."""
        self.aside[line] = self.aside.get(line, EMPTY) | numbers

    def unreadable(self, line: int, numbers: RangeSet, now_ms: int) -> None:
        """The disk refuses to give them now: the others do not wait for them."""
        self.unread[line] = self.unread.get(line, EMPTY) | numbers
        self.unread_until_ms = now_ms + UNREAD_AGAIN_MS

    def look_at_time(self, now_ms: int) -> None:
        """What could not be read may be tried again when its time has come."""
        if now_ms >= self.unread_until_ms:
            self.unread = {}

    def next_piece(self, lane: int) -> Piece | None:
        """Take the next piece of this lane."""
        for at, piece in enumerate(self._pieces):
            if piece.lane == lane:
                return self._pieces.pop(at)
        return None

    def withheld(self, line: int) -> RangeSet:
        """Numbers that are not offered with others."""
        numbers = self.aside.get(line, EMPTY) | self.unread.get(line, EMPTY)
        for piece in self._pieces:
            if piece.line == line:
                numbers = numbers | piece.numbers
        return numbers

    def set_aside_count(self) -> int:
        """How many records are set aside."""
        return sum(numbers.count() for numbers in self.aside.values())
