"""A simulated Modbus instrument: registers as its profile says, and a log of every answer it gave."""

import random
import struct
from collections.abc import Callable
from typing import NamedTuple

from .answer_log import AnswerLog
from .profile_sheet import TABLES, Sheet, SheetPoint, registers_of

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
"""Modbus exception codes (Modbus Application Protocol V1.1b3, section 7)."""
REGISTERS_MAX = 125
"""Most registers in one read (the same, section 6.3)."""

Source = Callable[[SheetPoint], float | None]
"""What the instrument measures for a point at this moment, in the point's unit; None when it cannot."""


class Answer(NamedTuple):
    """A reply that has not left yet: the PDU, and what it says for the log (``many`` 0 for an exception)."""

    pdu: bytes
    function: int
    start: int
    many: int
    registers: bytes


class Instrument:
    """One instrument with one unit address.

    Args:
        name: as in the site file.
        unit: its address on the bus.
        sheet: what its model can say.
        source: where its values come from.
        log: where its answers are written down.
        chance: for the time it takes to answer.
        silent: undeclared registers are met with silence instead of exception 2, as Yosemitech sondes do.
    """

    def __init__(
        self,
        name: str,
        unit: int,
        sheet: Sheet,
        source: Source,
        log: AnswerLog,
        chance: random.Random,
        *,
        silent: bool | None = None,
    ) -> None:
        self.name = name
        self.unit = unit
        self.sheet = sheet
        self.log = log
        self._source = source
        self._chance = chance
        self._declared = sheet.declared()
        self._silent = sheet.name.startswith("yosemitech") if silent is None else silent

    def answer(self, pdu: bytes) -> Answer | None:
        """The reply to a request, or None for silence. Nothing is logged before :meth:`given`."""
        if not pdu:
            return None
        table = TABLES.get(pdu[0])
        if table is None:
            return self._refuse(pdu[0], ILLEGAL_FUNCTION)
        if len(pdu) != 5:
            return self._refuse(pdu[0], ILLEGAL_VALUE)
        start, count = struct.unpack(">HH", pdu[1:])
        if not 1 <= count <= REGISTERS_MAX:
            return self._refuse(pdu[0], ILLEGAL_VALUE)
        if any((table, start + shift) not in self._declared for shift in range(count)):
            return None if self._silent else self._refuse(pdu[0], ILLEGAL_ADDRESS)
        registers = self._image(table, start, count)
        return Answer(bytes((pdu[0], len(registers))) + registers, pdu[0], start, count, registers)

    def given(self, answer: Answer, took_ms: float) -> None:
        """Write down that the last byte of this answer is on the line."""
        if answer.many:
            self.log.note(
                unit=self.unit,
                fn=answer.function,
                at=answer.start,
                n=answer.many,
                hex=answer.registers.hex(),
                took=round(took_ms),
            )

    def think_s(self) -> float:
        """Seconds between a request and the first byte of its answer: about the profile's typical time."""
        return self.sheet.answer_ms / 1000 * (0.8 + 0.4 * self._chance.random())

    def _image(self, table: str, start: int, count: int) -> bytes:
        """The asked registers, all of one moment; inside a block and without a point they are zero."""
        image = [0] * count
        for point in self.sheet.points:
            if point.table != table or point.at >= start + count or point.at + point.words <= start:
                continue
            for shift, register in enumerate(registers_of(point, self._source(point))):
                place = point.at + shift - start
                if 0 <= place < count:
                    image[place] = register
        return struct.pack(f">{count}H", *image)

    def _refuse(self, function: int, code: int) -> Answer:
        return Answer(bytes((function | 0x80, code)), function, 0, 0, b"")
