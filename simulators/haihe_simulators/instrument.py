"""A simulated Modbus instrument: registers as its profile says, and a log of every answer it gave."""

import asyncio
import random
import struct
from collections.abc import Callable
from typing import NamedTuple

from haihe_contract.clock import Clock, SystemClock

from .answer_log import AnswerLog
from .fault import LATE_S, Fault
from .log_sheet import InstrumentLog
from .profile_sheet import TABLES, Sheet, SheetPoint, registers_of

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE, ACKNOWLEDGE = 1, 2, 3, 4, 5
"""Modbus exception codes (Modbus Application Protocol V1.1b3, section 7)."""
REGISTERS_MAX = 125
"""Most registers in one read (the same, section 6.3)."""
_WRITES = (5, 6, 16)
_BITS = ("coil", "discrete")
_NAN = (0x7FC0, 0x0000)

Source = Callable[[SheetPoint], float | str | None]
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
        sheet: what its model can say, and how it behaves.
        source: where its values come from.
        log: where its answers are written down.
        chance: for the time it takes to answer.
        silent: undeclared registers are met with silence instead of what the profile says.
        clock: for what it does by itself: sleeping, measuring, writing its logs.
        records: it writes its logs by itself; else whoever owns it does, through ``logs``.
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
        clock: Clock | None = None,
        records: bool = False,
    ) -> None:
        self.name = name
        self.unit = unit
        self.sheet = sheet
        self.log = log
        self._source = source
        self._chance = chance
        self._clock = clock or SystemClock()
        self._points = {point.name: point for point in sheet.points}
        self._declared = sheet.declared()
        self._spans = {(point.table, point.at, point.words) for point in sheet.points}
        self._holes = sheet.conduct.holes if not silent else "silence"
        self._asked_s: float | None = None
        self._started_s: float | None = None
        self._busy: dict[tuple[str, int, int], float] = {}
        self._cleared: dict[str, float] = {}
        self._zeros: dict[str, float] = {}
        self._set: dict[tuple[str, int], int] = {}
        self.logs = {log.name: log for log in map(InstrumentLog, sheet.logs)}
        self._records = records

    def tick(self) -> None:
        """Write down what has become due in its logs."""
        for log in self.logs.values() if self._records else ():
            log.record_until(self._clock.now_ms(), self._logged)

    def _logged(self, of: str, point: SheetPoint) -> float | None:
        value = self._source(self._points.get(of, point))
        return float(value) if isinstance(value, int | float) else None

    async def converse(self, pdu: bytes, fault: Fault) -> Answer | None:
        """The reply under that fault, after the time that it takes; None for silence.

        Faults of the bytes themselves are the line's to play.
        """
        if fault is Fault.SILENT:
            return None
        await asyncio.sleep(LATE_S if fault is Fault.LATE else self.think_s())
        return self._refuse(pdu[0], DEVICE_FAILURE) if fault is Fault.EXCEPTION else self.answer(pdu)

    def answer(self, pdu: bytes) -> Answer | None:
        """The reply to a request, or None for silence. Nothing is logged before :meth:`given`."""
        self.tick()
        if not pdu or self._sleeps():
            return None
        function = pdu[0]
        if function in _WRITES:
            return self._write(pdu)
        table = TABLES.get(function)
        if table is None:
            return self._refuse(function, ILLEGAL_FUNCTION)
        if len(pdu) != 5:
            return self._refuse(function, ILLEGAL_VALUE)
        start, count = struct.unpack(">HH", pdu[1:])
        if (function, start) in self.sheet.conduct.orders:
            return self._obey(function, start, bytes((function, 2 * count)) + bytes(2 * count))
        return self._read(function, table, start, count)

    def _read(self, function: int, table: str, start: int, count: int) -> Answer | None:
        if not 1 <= count <= min(REGISTERS_MAX, self.sheet.conduct.registers_most):
            return self._refuse(function, ILLEGAL_VALUE)
        if self._cannot_be_asked(table, start, count):
            return None if self._holes == "silence" else self._refuse(function, ILLEGAL_ADDRESS)
        if self._is_busy(table, start, count):
            return None if self._chance.random() < 0.3 else self._refuse(function, ACKNOWLEDGE)
        image = self._image(table, start, count)
        if table in _BITS:
            number = sum((bit & 1) << place for place, bit in enumerate(image))
            registers = number.to_bytes((count + 7) // 8, "little")
        else:
            registers = struct.pack(f">{count}H", *image)
        for log in self.logs.values():
            log.was_read(table, start, count)
        return Answer(bytes((function, len(registers))) + registers, function, start, count, registers)

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

    def _now(self) -> float:
        return self._clock.monotonic_ms() / 1000

    def _sleeps(self) -> bool:
        """Whether this request only wakes it."""
        after, now = self.sheet.conduct.asleep_after_s, self._now()
        last, self._asked_s = self._asked_s, now
        return after is not None and (last is None or now - last >= after > 0)

    def _cannot_be_asked(self, table: str, start: int, count: int) -> bool:
        conduct = self.sheet.conduct
        if conduct.align == 2 and start % 2 and count > 1:
            return True
        if conduct.merge == "whole":
            return (table, start, count) not in self.sheet.blocks
        if conduct.merge == "none":
            return (table, start, count) not in self._spans
        missing = any((table, start + shift) not in self._declared for shift in range(count))
        return missing and self._holes in ("exception", "silence")

    def _is_busy(self, table: str, start: int, count: int) -> bool:
        """A first read begins a measurement; the values come with a read after its end."""
        takes_s, now = self.sheet.conduct.busy_s, self._now()
        if takes_s is None:
            return False
        begun_s = self._busy.setdefault((table, start, count), now)
        if now - begun_s < takes_s or begun_s == now:
            return True
        del self._busy[table, start, count]
        return False

    def _write(self, pdu: bytes) -> Answer | None:
        function = pdu[0]
        conduct = self.sheet.conduct
        if self._selects(pdu):
            return self._obey(function, int.from_bytes(pdu[1:3], "big"), pdu[:5])
        if not any(known == function for known, _ in (*conduct.orders, *conduct.writable)):
            return self._refuse(function, ILLEGAL_FUNCTION)
        if len(pdu) < (6 if function == 16 else 5):
            return self._refuse(function, ILLEGAL_VALUE)
        start = int.from_bytes(pdu[1:3], "big")
        if (function, start) in conduct.orders:
            return self._obey(function, start, pdu[:5])
        data = pdu[6:] if function == 16 else pdu[3:5]
        many = len(data) // 2
        if function == 16 and (int.from_bytes(pdu[3:5], "big"), pdu[5]) != (many, 2 * many):
            return self._refuse(function, ILLEGAL_VALUE)
        places = [conduct.writable.get((function, start + shift)) for shift in range(many)]
        if None in places or not places:
            return self._refuse(function, ILLEGAL_ADDRESS)
        if any(at < start + many and start < at + size and (at, size) != (start, many) for at, size in conduct.groups):
            return self._refuse(function, ILLEGAL_VALUE)  # all of a group or nothing
        for shift, place in enumerate(places):
            word = int.from_bytes(data[2 * shift : 2 * shift + 2], "big")
            if place is not None:
                self._set[place] = word if function != 5 else int(word != 0)
        return self._obey(function, start, pdu[:5])

    def _selects(self, pdu: bytes) -> bool:
        """Whether this write says what of a log is to be shown."""
        if len(pdu) < 5:
            return False
        data = pdu[6:] if pdu[0] == 16 else pdu[3:5]
        registers = struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2])
        start = int.from_bytes(pdu[1:3], "big")
        return bool(registers) and any(log.obeys(pdu[0], start, registers) for log in self.logs.values())

    def _obey(self, function: int, start: int, pdu: bytes) -> Answer | None:
        if (function, start) == self.sheet.conduct.started_by:
            self._started_s = self._now()
        for name in self.sheet.conduct.clears.get((function, start), ()):
            self._zeros[name] = self._other(name)
        if (function, start) in self.sheet.conduct.mute:
            return None
        return Answer(pdu, function, start, 0, b"")

    def _image(self, table: str, start: int, count: int) -> list[int]:
        """The asked registers, all of one moment; without a point they are zero, outside the blocks a hole."""
        hole = self._holes == "nan"
        image = [
            _NAN[shift % 2] if hole and (table, start + shift) not in self._declared else 0 for shift in range(count)
        ]
        for point in self.sheet.points:
            if point.table != table or point.at >= start + count or point.at + point.words <= start:
                continue
            for shift, register in enumerate(registers_of(point, self._value(point), self._other)):
                place = point.at + shift - start
                if 0 <= place < count:
                    image[place] = image[place] | register if point.bits else register
        for log in self.logs.values():
            for at, register in log.registers(table):
                if start <= at < start + count:
                    image[at - start] = register
        for shift in range(count):
            image[shift] = self._set.get((table, start + shift), image[shift])
        return image

    def _value(self, point: SheetPoint) -> float | str | None:
        if point.name in self.sheet.conduct.measures and not self._has_measured():
            return None
        for log in self.logs.values():
            if (said := log.says(point.name)) is not None:
                return said
        value = self._source(point)
        if point.name in self._zeros and isinstance(value, int | float):
            value -= self._zeros[point.name]
        if point.clears and isinstance(value, int | float):
            before = self._cleared.get(point.name, value)
            self._cleared[point.name] = value
            return value - before
        return value

    def _other(self, name: str) -> float:
        value = self._source(self._points[name])
        return float(value) if isinstance(value, int | float) else 0.0

    def _has_measured(self) -> bool:
        if self.sheet.conduct.started_by is None:
            return True
        return self._started_s is not None and self._now() - self._started_s >= self.sheet.conduct.measure_s

    def _refuse(self, function: int, code: int) -> Answer:
        return Answer(bytes((function | 0x80, code)), function, 0, 0, b"")
