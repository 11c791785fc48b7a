"""A gate controller on a pseudo-terminal or a socket: registers and coils that can be read and written."""

import asyncio
import os
import struct
from pathlib import Path

from haihe_edge.acquire.modbus.frames import crc16

from tests.edge.acquire.far_end import PtyInstrument, framed

SETPOINT, FLOAT, LOCKED, FIXED, PUMP = 10, 20, 12, 14, 3
PROFILE = f"""
profile: gate
maker: test
model: gate controller
grade: simulated
sources: [test]
transport: modbus
units: [0, 255]
answer_ms: {{typical: 5, most: 80}}
blocks:
  - {{table: holding, start: 0, count: 40}}
  - {{table: coil, start: 0, count: 8}}
points:
  - {{name: opening, at: 0, as: u16, element: gate_opening, times: 0.01}}
  - name: setpoint
    at: {SETPOINT}
    as: u16
    times: 0.01
    writable: {{function: 6, low: 0, high: 5, per_minute: 0.5}}
  - name: ratio
    at: {FLOAT}
    as: f32
    order: CDAB
    writable: {{function: 16, low: -10, high: 10}}
  - name: locked
    at: {LOCKED}
    as: s16
    writable: {{function: 6, low: -100, high: 100}}
  - {{name: fixed, at: {FIXED}, as: u16}}
  - name: kept
    at: 15
    as: u16
    writable: {{function: 6, low: 0, high: 9, persist: {{function: 6, at: 30, values: [1]}}}}
  - {{name: model, at: 39, as: u16}}
  - name: pump
    table: coil
    at: {PUMP}
    as: bit
    writable: {{function: 5, is: [0, 1]}}
"""


def site(bus: str, *, writable: str = "[setpoint, ratio, locked, pump]", every: str = "200ms") -> str:
    """A site with two gates; what may be written to the first one is the caller's to say."""
    return f"""
buses: [{{name: line, {bus}}}]
instruments:
  - {{name: sick, profile: gate, bus: line, unit: 1, every: {every}, writable: {writable},
      series: [{{point: opening, at: one}}]}}
  - {{name: well, profile: gate, bus: line, unit: 2, every: {every}, series: [{{point: opening, at: two}}]}}
"""


class Gate:
    """What a controller holds and does.

    Attributes:
        obeys: whether a write changes anything.
        confirms: whether a write is answered.
        refuses: exception code for writes, 0 for none.
    """

    def __init__(self) -> None:
        self.registers = [0] * 40
        self.coils = [0] * 8
        self.obeys = self.confirms = True
        self.refuses = 0
        self.writes: list[bytes] = []

    def answer(self, body: bytes) -> bytes:
        """Unit and PDU in, unit and PDU out; empty for silence."""
        unit, function, start, many = struct.unpack_from(">BBHH", body)
        if function in (1, 3):
            return body[:2] + (self._bits(start, many) if function == 1 else self._words(start, many))
        self.writes.append(body)
        if self.refuses:
            return bytes((unit, function | 0x80, self.refuses))
        if self.obeys and not start <= LOCKED < start + (many if function == 16 else 1):
            self._write(function, start, many, body)
        return body[:6] if self.confirms else b""

    def _write(self, function: int, start: int, many: int, body: bytes) -> None:
        if function == 5:
            self.coils[start] = int(many == 0xFF00)
        elif function == 6:
            self.registers[start] = many
        else:
            self.registers[start : start + many] = struct.unpack_from(f">{many}H", body, 7)

    def _words(self, start: int, many: int) -> bytes:
        return bytes([2 * many]) + struct.pack(f">{many}H", *self.registers[start : start + many])

    def _bits(self, start: int, many: int) -> bytes:
        bits = sum(bit << at for at, bit in enumerate(self.coils[start : start + many]))
        return bytes([1]) + bits.to_bytes(1, "little")


class GateLine(PtyInstrument):
    """Two gates on a serial line. ``overlaps`` counts requests that came while an answer was still being thought."""

    def __init__(self, link: Path) -> None:
        self.gates = {1: Gate(), 2: Gate()}
        self.thinking = self.overlaps = 0
        super().__init__(link, lambda _request: [])

    def _readable(self) -> None:
        self._bytes += os.read(self._master, 1024)
        while len(self._bytes) >= 8:
            size = 9 + self._bytes[6] if self._bytes[1] == 16 else 8
            if len(self._bytes) < size:
                return
            frame, self._bytes = self._bytes[:size], self._bytes[size:]
            assert crc16(frame) == 0
            self.requests.append(frame)
            self.overlaps += self.thinking > 0
            task = asyncio.ensure_future(self._think(frame[:-2]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _think(self, body: bytes) -> None:
        self.thinking += 1
        await asyncio.sleep(0.005)
        self.thinking -= 1
        answer = self.gates[body[0]].answer(body)
        if answer:
            self.say(framed(answer))
