"""A simulated SDI-12 line behind a serial adapter: sensors that sleep, measure and answer at 1200 baud, 7E1.

Source: SDI-12 specification 1.3. A pseudo-terminal shows no break; where the master wakes by a zero byte at a low
speed it shows that, and then sensors that were not woken stay asleep.
"""

import asyncio
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .answer_log import AnswerLog
from .fault import LATE_S, Fault
from .line import Line
from .spoken_sheet import Source, SpokenPoint, crc_letters, raw_of, spoken_points

VALUES_LETTERS = {"M": 35, "C": 75, "R": 75}
"""Letters of values in one data answer after each kind of command."""
_COMMAND_BYTES_MAX = 32
_CHARACTER_S = 10 / 1200
_AWAKE_S = 0.5
"""Sensors sleep after 100 ms of marking; a machine that is busy elsewhere is forgiven some more."""
_SLOW_BAUD = 600
_THINK_S = 0.009


class Sdi12Sensor:
    """One sensor.

    Args:
        name: as in the site file.
        address: one digit or letter.
        document: its profile.
        source: where its values come from.
        log: where its answers are written down.
        measure_s: how long it measures; left out: what the profile says, or 0.3 s.
    """

    def __init__(
        self,
        name: str,
        address: str,
        document: Mapping[str, Any],
        source: Source,
        log: AnswerLog,
        *,
        measure_s: float | None = None,
    ) -> None:
        self.name, self.address, self.log = name, address, log
        self.unit = int(address) if address.isdigit() else ord(address)
        self.asks_for_service = True
        self.aborts = False
        self._source = source
        self._crc, self._concurrent = bool(document.get("crc")), bool(document.get("concurrent"))
        self._doubts: Sequence[Mapping[str, Any]] = document.get("doubts") or ()
        power = document.get("power") or {}
        self.measure_s = measure_s if measure_s is not None else float(power.get("measure_ms", 300)) / 1000
        first = str(document["measurements"][0]["name"])
        self._values: dict[str, list[SpokenPoint | None]] = {}
        places: dict[str, list[SpokenPoint | None]] = {}
        for each in document["measurements"]:
            places[str(each["name"])] = [None] * int(each["values"])
            self._values[str(each.get("command", "M"))] = places[str(each["name"])]
        for point in spoken_points(document):
            places[str(point.entry.get("measurement") or first)][int(point.entry["value"])] = point
        self._parts: list[str] = []
        self._says: dict[str, float] = {}
        self._with_crc = False
        self.ready_at: float | None = None
        self.busy = False
        self.begun = 0
        """How many measurements were begun: the request for service belongs to one of them."""

    def identification(self) -> str:
        """The answer to ``aI!``."""
        return f"{self.address}13HAIHESIM{self.name[:6].upper():<6}001"

    def abort(self) -> None:
        """Forget the measurement that is going on."""
        self._parts, self._says, self.ready_at, self.busy = [], {}, None, False

    def begin(self, word: str, now: float) -> str | None:
        """Begin a measurement (M, MC, C, CC and a number), or read at once (R, RC); the answer, or None."""
        kind = word[0]
        rest = word[1:]
        self._with_crc = rest.startswith("C")
        number = rest.removeprefix("C")
        base = ("M" if kind == "C" else kind) + number
        if base not in self._values or (self._with_crc and not self._crc) or (kind == "C" and not self._concurrent):
            return None
        texts = [self._text(point) for point in self._values[base]]
        self._parts = _parted(texts, VALUES_LETTERS[kind])
        self._says_of(self._values[base], texts)
        if kind == "R":
            return self._proved(self._parts[0])
        seconds = math.ceil(self.measure_s)
        self.begun += 1
        self.ready_at = now + self.measure_s
        self.busy = kind == "M" and seconds > 0
        return (
            f"{self.address}{seconds:03d}{len(texts):02d}"
            if kind == "C"
            else f"{self.address}{seconds:03d}{len(texts)}"
        )

    def data(self, number: int, now: float) -> tuple[str, bool]:
        """The answer to ``aDn!``, and whether all values have been given with it."""
        if self.aborts or (self.ready_at is not None and now < self.ready_at):
            self.abort()
        part = self._parts[number] if number < len(self._parts) else ""
        return self._proved(part), bool(self._parts) and number == len(self._parts) - 1

    def given(self, took_ms: float) -> None:
        """Write down that all values of a measurement are on the line, once."""
        if self._says:
            self.log.note(unit=self.unit, says=self._says, took=round(took_ms))
            self._says = {}

    def _proved(self, values: str) -> str:
        text = self.address + values
        return text + (crc_letters(text.encode("ascii")).decode("ascii") if self._with_crc else "")

    def _text(self, point: SpokenPoint | None) -> str:
        if point is None:
            return "+0"
        value = self._source(point)
        decimals = point.decimals
        text = f"{raw_of(point, value, self._doubts):+.{decimals}f}"
        return text[:8].rstrip(".") if "." in text[:8] else text

    def _says_of(self, points: Sequence[SpokenPoint | None], texts: Sequence[str]) -> None:
        self._says = {
            point.name: float(text) * point.times + point.plus
            for point, text in zip(points, texts, strict=True)
            if point is not None and float(text) != point.sentinel
        }


def _parted(texts: Sequence[str], most: int) -> list[str]:
    parts = [""]
    for text in texts:
        if len(parts[-1]) + len(text) > most:
            parts.append("")
        parts[-1] += text
    return parts


class Sdi12Line(Line):
    """An SDI-12 line with its sensors.

    Args:
        path: stable name of the port.
        sensors: who hangs on the line.
        chance: for noise.
        baud: of the adapter's port; the line itself always runs at 1200.
        parity: whether bytes carry even parity in their eighth bit.
        wakes: ``zero`` where sensors must be woken by a zero byte; a break cannot be seen here.
        echo: the adapter gives back what is sent.
    """

    slice_s = _CHARACTER_S

    def __init__(
        self,
        path: Path,
        sensors: Sequence[Sdi12Sensor],
        *,
        chance: random.Random,
        baud: int = 1200,
        parity: bool = True,
        wakes: str = "break",
        echo: bool = False,
    ) -> None:
        super().__init__(path, baud=baud, character_s=_CHARACTER_S)
        self.units = {sensor.unit: sensor for sensor in sensors}
        self.commands: list[str] = []
        """What was heard lately, newest last."""
        self._sensors = {sensor.address: sensor for sensor in sensors}
        self._parity, self._wakes, self._echo = parity, wakes, echo
        self._chance = chance
        self._awake_until = 0.0

    def _read(self) -> None:
        data = self.port.read()
        now = asyncio.get_running_loop().time()
        if self._wakes == "zero":
            if 0 in data and self.port.settings().baud <= _SLOW_BAUD:
                self._awake_until = now + _AWAKE_S
                for sensor in self._sensors.values():
                    if sensor.busy:  # a break ends a measurement that blocks the line
                        sensor.abort()
            if now > self._awake_until:
                return
            self._awake_until = now + _AWAKE_S
        data = data.replace(b"\0", b"")
        if self._echo and data:
            self.port.write(data)
        if self._parity and any(byte.bit_count() % 2 for byte in data):
            return
        self._heard += bytes(byte & 0x7F for byte in data)
        while (end := self._heard.find(b"!")) >= 0:
            command = self._heard[:end].decode("ascii")
            del self._heard[: end + 1]
            self.commands = [*self.commands[-99:], command]
            self._start(self._answer(command))
        del self._heard[:-_COMMAND_BYTES_MAX]

    async def _answer(self, command: str) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await asyncio.sleep((len(command) + 1) * _CHARACTER_S)
        address, word = command[:1], command[1:]
        sensor = next(iter(self._sensors.values())) if address == "?" else self._sensors.get(address)
        if sensor is None:
            return
        fault = self.faults.get(sensor.unit, Fault.NONE)
        if fault is Fault.SILENT:
            return
        await asyncio.sleep(LATE_S if fault is Fault.LATE else _THINK_S)
        complete = False
        answer: str | None
        if word in ("", "I"):
            answer = sensor.identification() if word else sensor.address
        elif word[0] == "D" and word[1:].isdigit():
            answer, complete = sensor.data(int(word[1:]), loop.time())
        elif word[0] in "MCR":
            answer = sensor.begin(word, loop.time())
            complete = word[0] == "R"
        else:
            answer = f"{sensor.address}0000" if word == "V" else None
        if answer is None:
            return
        data = self._spoil(answer + "\r\n", fault, word)
        await self._transmit(data, wrong=self._chance.randrange(len(data)) if fault is Fault.NOISE else -1)
        if complete and fault in (Fault.NONE, Fault.LATE):
            sensor.given((loop.time() - begin) * 1000)
        if sensor.busy and word[0] == "M":
            await self._serve(sensor)

    async def _serve(self, sensor: Sdi12Sensor) -> None:
        begun = sensor.begun
        await asyncio.sleep(sensor.measure_s)
        if sensor.busy and sensor.begun == begun:
            sensor.busy = False
            if sensor.asks_for_service:
                await self._transmit((sensor.address + "\r\n").encode("ascii"))

    def _spoil(self, text: str, fault: Fault, word: str) -> bytes:
        data = text.encode("ascii")
        if fault is Fault.HALF:
            return data[: len(data) // 2]
        if fault is Fault.CRC and word[:1] == "D":
            return data[:-3] + bytes((data[-3] ^ 1,)) + data[-2:]
        return data

    async def _transmit(self, data: bytes, *, wrong: int = -1) -> None:
        """Put letters on the line at 1200 baud; one may come with a bit that was flipped."""
        letters = bytes(self._letter(byte) ^ (place == wrong) for place, byte in enumerate(data))
        async for part in self._paced(letters):
            self.port.write(part)

    def _letter(self, byte: int) -> int:
        return byte | (byte.bit_count() & 1) << 7 if self._parity else byte
