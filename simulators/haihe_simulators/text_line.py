"""A simulated serial line with instruments that speak text, asked or by themselves: paced bytes, faults, a plug."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .answer_log import AnswerLog
from .fault import LATE_S, Fault
from .line import Line
from .spoken_sheet import Saying, Source, Speech

COMMAND_BYTES_MAX = 128


class TextInstrument:
    """One instrument.

    Args:
        name: as in the site file.
        unit: its address.
        document: its profile.
        source: where its values come from.
        log: where its answers are written down.
        chance: for the time it takes to answer.
    """

    def __init__(
        self, name: str, unit: int, document: Mapping[str, Any], source: Source, log: AnswerLog, chance: random.Random
    ) -> None:
        self.name, self.unit, self.log = name, unit, log
        self._speech = Speech(document, unit, source)
        self._chance = chance
        self._answer_s = float((document.get("answer_ms") or {}).get("typical", 100)) / 1000
        self.commands = {
            self._speech.command(message): str(message["name"])
            for message in self._speech.messages
            if message.get("send")
        }

    def think_s(self) -> float:
        """Seconds between a command and the first byte of its answer."""
        return self._answer_s * (0.8 + 0.4 * self._chance.random())

    def say(self, message: str) -> Saying:
        """A message with the values of this moment."""
        return self._speech.message(message)

    def say_all(self) -> list[Saying]:
        """Every message, for an instrument that speaks by itself."""
        return [self.say(str(message["name"])) for message in self._speech.messages]

    def given(self, saying: Saying, took_ms: float) -> None:
        """Write down that the last byte of this message is on the line."""
        self.log.note(unit=self.unit, says=saying.says, hex=saying.data.hex(), took=round(took_ms))


class TextLine(Line):
    """A line with instruments that speak text.

    Args:
        path: stable name of the port.
        instruments: who hangs on the line.
        baud: true speed of the line.
        chance: for noise.
        every_s: how often an instrument that is not asked speaks by itself.
    """

    def __init__(
        self,
        path: Path,
        instruments: Sequence[TextInstrument],
        *,
        baud: int,
        chance: random.Random,
        every_s: float = 0.5,
    ) -> None:
        super().__init__(path, baud=baud, character_s=10 / baud)
        self.units = {instrument.unit: instrument for instrument in instruments}
        self._every_s = every_s
        self._chance = chance
        self._talking = asyncio.Lock()

    def _plugged(self) -> None:
        for instrument in self.units.values():
            if not instrument.commands:
                self._start(self._speak(instrument))

    def _read(self) -> None:
        self._heard += self.port.read()
        if self.port.settings().baud != self.baud:
            self._heard.clear()
            return
        for instrument in self.units.values():
            for command, message in instrument.commands.items():
                if self._heard.endswith(command):
                    self._heard.clear()
                    self._start(self._answer(instrument, message))
                    return
        del self._heard[:-COMMAND_BYTES_MAX]

    async def _answer(self, instrument: TextInstrument, message: str) -> None:
        begin = asyncio.get_running_loop().time()
        fault = self.faults.get(instrument.unit, Fault.NONE)
        if fault in (Fault.SILENT, Fault.EXCEPTION):
            return
        await asyncio.sleep(LATE_S if fault is Fault.LATE else instrument.think_s())
        await self._give(instrument, instrument.say(message), fault, begin)

    async def _speak(self, instrument: TextInstrument) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._every_s)
            fault = self.faults.get(instrument.unit, Fault.NONE)
            if fault in (Fault.SILENT, Fault.EXCEPTION):
                continue
            for saying in instrument.say_all():
                await self._give(instrument, saying, fault, loop.time())

    async def _give(self, instrument: TextInstrument, saying: Saying, fault: Fault, begin: float) -> None:
        async with self._talking:
            async for part in self._paced(self._spoil(saying.data, fault)):
                self.port.write(part)
        if fault in (Fault.NONE, Fault.LATE):
            instrument.given(saying, (asyncio.get_running_loop().time() - begin) * 1000)

    def _spoil(self, data: bytes, fault: Fault) -> bytes:
        if fault is Fault.HALF:
            return data[: len(data) // 2]
        if fault in (Fault.NOISE, Fault.CRC):
            at = self._chance.randrange(len(data))
            return data[:at] + bytes((data[at] ^ 1 << self._chance.randrange(7),)) + data[at + 1 :]
        return data
