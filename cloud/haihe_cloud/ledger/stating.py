"""Which lines a receipt states: what is sent now in every one, all else in turn while a station needs it.

Pure. Receipts travel over metered links, so older lines burden them only after a station has connected, until each
was stated once: a station that missed a receipt hears of every line within some receipts, and need not send again.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from haihe_contract.ranges import RangeSet
from haihe_contract.receipt import RECEIPT_BYTES_MAX, LineHeld

from haihe_cloud.limits import RECEIPT_FRAME_BYTES, RECEIPT_LINE_MS, RECEIPT_LINES, RECEIPT_PIECE, RECEIPT_RANGES

from .arrival import LineState
from .lines import ends

Cursor = tuple[int, ...]
"""How far the turn has come: a place in the order of lines, newest first, and of their pieces."""
START: Cursor = ()
"""The beginning of a turn."""
_ROOM = RECEIPT_BYTES_MAX - RECEIPT_FRAME_BYTES
_pack = msgspec.msgpack.Encoder()


class _Piece(NamedTuple):
    """Some ranges of one line, and its place in the turn."""

    at: Cursor
    line: LineHeld


def recent(known: Sequence[LineState]) -> list[LineHeld]:
    """The lines that the station sends now, newest first, each at its two ends where it is torn."""
    return [
        LineHeld(line.line, ends(line.held, RECEIPT_RANGES), ends(line.refused, RECEIPT_RANGES))
        for line in known[:RECEIPT_LINES]
        if (line.held or line.refused) and known[0].last_ms - line.last_ms <= RECEIPT_LINE_MS
    ]


def in_turn(known: Sequence[LineState], after: Cursor) -> tuple[list[LineHeld], Cursor | None]:
    """The recent lines as far as half the room allows, then what comes next in the turn.

    Args:
        known: lines of the station, newest first.
        after: what was stated last in this turn.

    Returns:
        The lines, and where the turn goes on; None when every number was stated.
    """
    stated: list[LineHeld] = []
    room = _ROOM // 2
    for line in recent(known):
        size = len(_pack.encode(line))
        if size > room:
            break
        stated.append(line)
        room -= size
    room += _ROOM - _ROOM // 2
    said = {each.line: (RangeSet(each.held), RangeSet(each.refused)) for each in stated}
    for piece in sorted(_pieces(known, said)):
        if piece.at <= after:
            continue
        size = len(_pack.encode(piece.line))
        if size > room:
            return _together(stated), after
        stated.append(piece.line)
        room -= size
        after = piece.at
    return _together(stated), None


def whole(known: Iterable[LineState]) -> Iterator[list[LineHeld]]:
    """Every number of these lines that is held or refused, in as few portions as have room in one receipt each."""
    stated: list[LineHeld] = []
    room = _ROOM
    for piece in _pieces(known, {}):
        size = len(_pack.encode(piece.line))
        if size > room:
            yield _together(stated)
            stated, room = [], _ROOM
        stated.append(piece.line)
        room -= size
    if stated:
        yield _together(stated)


def _together(stated: Sequence[LineHeld]) -> list[LineHeld]:
    """One entry a line, as who reads a receipt takes it."""
    lines: dict[int, LineHeld] = {}
    for each in stated:
        before = lines.get(each.line, LineHeld(each.line, []))
        lines[each.line] = LineHeld(each.line, before.held + each.held, before.refused + each.refused)
    return list(lines.values())


def _pieces(known: Iterable[LineState], said: dict[int, tuple[RangeSet, RangeSet]]) -> Iterator[_Piece]:
    nothing = (RangeSet(), RangeSet())
    for line in known:
        held, refused = said.get(line.line, nothing)
        left = [(each, True) for each in (line.held - held).ranges]
        left += [(each, False) for each in (line.refused - refused).ranges]
        for at in range(0, len(left), RECEIPT_PIECE):
            part = left[at : at + RECEIPT_PIECE]
            good = [each for each, is_held in part if is_held]
            bad = [each for each, is_held in part if not is_held]
            yield _Piece((-line.last_ms, line.line, at), LineHeld(line.line, good, bad))
