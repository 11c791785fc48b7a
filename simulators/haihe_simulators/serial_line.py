"""A simulated RS-485 line: paced bytes, frames ended by silence, several units, faults, a plug.

Sources: MODBUS over Serial Line V1.02, sections 2.5.1 (3.5 characters of silence end a frame, fixed at 1.75 ms
above 19200 baud) and 6.2.2 (CRC-16, polynomial 0xA001 reflected).
"""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

from .fault import Fault
from .instrument import Instrument
from .line import Line

REQUEST_BYTES_MAX = 256
_TICKS_FIXED_ABOVE = 19200


def crc16(data: bytes) -> bytes:
    """Checksum of a frame, low byte first as it goes over the line."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc.to_bytes(2, "little")


class SerialLine(Line):
    """An RS-485 line with its instruments.

    Args:
        path: stable name of the port.
        instruments: who hangs on the line, each with its own unit.
        baud: true speed of the line.
        parity: ``N``, ``E`` or ``O``. Even can't be told from none through a pty (see :class:`PtyPort`).
        stop_bits: 1 or 2.
        chance: for noise and for the choice between silence and garbage.
    """

    def __init__(
        self,
        path: Path,
        instruments: Sequence[Instrument],
        *,
        baud: int,
        parity: str = "N",
        stop_bits: int = 1,
        chance: random.Random,
    ) -> None:
        super().__init__(path, baud=baud, character_s=(1 + 8 + (parity != "N") + stop_bits) / baud)
        self.units = {instrument.unit: instrument for instrument in instruments}
        self.parity, self.stop_bits = parity, stop_bits
        self.silence_s = 3.5 * self.character_s if baud <= _TICKS_FIXED_ABOVE else 0.00175
        self._chance = chance
        self._busy_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._sending = 0
        self._collided = False

    def unplug(self) -> None:
        """Pull the adapter out; answers under way are gone, and a frame that has not ended."""
        super().unplug()
        if self._timer is not None:
            self._timer.cancel()

    def _stir(self) -> None:
        for instrument in self.units.values():
            instrument.tick()
        super()._stir()

    def _read(self) -> None:
        data = self.port.read()
        if not data:
            return
        if self._sending:
            self._collided = True
            return
        loop = asyncio.get_running_loop()
        self._heard += data[: REQUEST_BYTES_MAX + 1 - len(self._heard)]
        # The pty hands bytes over at once; on a wire the last of them would come so much later.
        self._busy_until = max(self._busy_until, loop.time()) + len(data) * self.character_s
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._busy_until + self.silence_s, self._frame)

    def _frame(self) -> None:
        frame = bytes(self._heard)
        self._heard.clear()
        if self._wrong_settings():
            if self._chance.random() < 0.5:
                self._start(self._transmit(self._chance.randbytes(len(frame))))
            return
        if not 4 <= len(frame) <= REQUEST_BYTES_MAX or crc16(frame[:-2]) != frame[-2:]:
            return
        instrument = self.units.get(frame[0])
        if instrument is not None:
            self._start(self._converse(instrument, frame[1:-2]))

    def _wrong_settings(self) -> bool:
        seen = self.port.settings()
        return seen.baud != self.baud or seen.odd != (self.parity == "O") or seen.stop_bits != self.stop_bits

    async def _converse(self, instrument: Instrument, request: bytes) -> None:
        fault = self.faults.get(instrument.unit, Fault.NONE)
        begin = asyncio.get_running_loop().time()
        answer = await instrument.converse(request, fault)
        if answer is None:
            return
        body = bytes((instrument.unit,)) + answer.pdu
        clean = await self._transmit(self._spoil(body + crc16(body), fault))
        if clean and fault not in (Fault.NOISE, Fault.CRC, Fault.HALF):
            instrument.given(answer, (asyncio.get_running_loop().time() - begin) * 1000)

    def _spoil(self, frame: bytes, fault: Fault) -> bytes:
        if fault is Fault.CRC:
            return frame[:-1] + bytes((frame[-1] ^ 0x5A,))
        if fault is Fault.HALF:
            return frame[: len(frame) // 2]
        if fault is Fault.NOISE:
            at = self._chance.randrange(len(frame))
            return frame[:at] + bytes((frame[at] ^ 1 << self._chance.randrange(8),)) + frame[at + 1 :]
        return frame

    async def _transmit(self, data: bytes) -> bool:
        """Put bytes on the line at its pace. False when somebody spoke at the same time."""
        self._collided = self._sending > 0
        self._sending += 1
        try:
            async for part in self._paced(data):
                self.port.write(self._chance.randbytes(len(part)) if self._collided else part)
            return not self._collided
        finally:
            self._sending -= 1
            self._busy_until = asyncio.get_running_loop().time()
