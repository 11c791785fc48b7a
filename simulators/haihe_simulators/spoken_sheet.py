"""Profiles of instruments that speak text or SDI-12, as the simulators read them: from values to messages.

The agent has its own reader. This one only goes the other way, so that a mistake in one of them shows instead of
cancelling out.
"""

import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from haihe_contract.element import element

Source = Callable[["SpokenPoint"], float | None]
"""What the instrument measures for a point at this moment, in the point's unit; None when it cannot."""
_FORMS = {"u8": "B", "s8": "b", "u16": "H", "s16": "h", "u32": "I", "s32": "i", "f32": "f"}
_FULL_GAP = re.compile(r"\{([a-z0-9_-]+)(?::([^:{}]*))?(?::([^{}]*))?\}")


class SpokenPoint(NamedTuple):
    """One number that an instrument says.

    Args:
        name: of the profile.
        element: what it measures, or "".
        times: from the number as it is said to the element's unit.
        plus: added after the factor.
        sentinel: the number that says "no measurement", or None.
        unit: the unit that it says behind the number.
        entry: the point of the profile.
    """

    name: str
    element: str
    times: float
    plus: float
    sentinel: float | None
    unit: str
    entry: Mapping[str, Any]

    @property
    def decimals(self) -> int:
        """Digits after the point that show the element's resolution."""
        if not self.element:
            return 0
        return max(0, min(5, element(self.element).decimals + math.ceil(math.log10(abs(self.times)) - 1e-9)))


def spoken_points(document: Mapping[str, Any]) -> list[SpokenPoint]:
    """The points of a profile."""
    found = []
    for entry in document["points"]:
        unit, scale = next(iter((entry.get("units") or {}).items()), ("", None))
        scale = scale or {}
        times, plus = float(entry.get("times", 1)), float(entry.get("plus", 0))
        sentinels = entry.get("sentinels") or ()
        found.append(
            SpokenPoint(
                str(entry["name"]),
                str(entry.get("element") or ""),
                float(scale.get("times", 1)) * times,
                float(scale.get("plus", 0)) * times + plus,
                float(sentinels[0]["raw"]) if sentinels else None,
                str(unit),
                entry,
            )
        )
    return found


def raw_of(point: SpokenPoint, value: float | None, doubts: Sequence[Mapping[str, Any]]) -> float:
    """The number that is said for a value; a point that only tells of trouble tells of none."""
    if value is None:
        return point.sentinel if point.sentinel is not None else 0.0
    raw = (value - point.plus) / point.times
    for doubt in doubts:
        if doubt.get("point") == point.name:
            raw = max(raw, float(doubt.get("below", raw)))
            raw = min(raw, float(doubt.get("above", raw)))
    return raw


class Saying(NamedTuple):
    """What is said at one moment: the bytes, and the value of each point as these bytes have it."""

    data: bytes
    says: dict[str, float]


class Speech:
    """Makes messages.

    Args:
        document: the profile.
        unit: the instrument's address.
        source: what it measures.
    """

    def __init__(self, document: Mapping[str, Any], unit: int, source: Source) -> None:
        self._frame: Mapping[str, Any] = document["frame"]
        self._checksum: Mapping[str, Any] | None = document.get("checksum")
        self._source = source
        self._unit = unit
        self._doubts: Sequence[Mapping[str, Any]] = document.get("doubts") or ()
        self.messages: list[Mapping[str, Any]] = document["messages"]
        first = str(self.messages[0]["name"])
        self._points: dict[str, list[SpokenPoint]] = {str(each["name"]): [] for each in self.messages}
        for point in spoken_points(document):
            self._points[str(point.entry.get("message") or first)].append(point)

    def address(self, text: str) -> str:
        """The text with the address filled in."""
        return re.sub(r"\{unit(?::(\d))?\}", lambda match: str(self._unit).zfill(int(match[1] or 0)), text)

    def command(self, message: Mapping[str, Any]) -> bytes:
        """What asks for a message."""
        before, crc, after = self.address(str(message["send"])).partition("{crc}")
        start = before.encode("latin-1")
        return start + (crc_letters(start) if crc else b"") + after.encode("latin-1")

    def message(self, name: str) -> Saying:
        """One message with the values of this moment."""
        message = next(each for each in self.messages if each["name"] == name)
        says: dict[str, float] = {}
        begin, end = str(self._frame.get("begin", "")), str(self._frame.get("end", ""))
        if self._frame.get("length"):
            return self._proved(begin.encode("latin-1"), int(self._frame["length"]), name, says)
        if message.get("pairs"):
            body = self._pairs(message, self._points[name], says)
        else:
            body = self._line(str(message["lines"][0]), self._points[name], says)
        frame, ending = (begin + body).encode("latin-1"), end.encode("latin-1")
        size = self._size
        if self._frame.get("trailing"):
            return Saying(self._sealed(frame + ending + bytes(size)), says)
        return Saying(self._sealed(frame + bytes(size) + ending), says)

    @property
    def _size(self) -> int:
        checksum = self._checksum
        if checksum is None:
            return 0
        return 3 if checksum["kind"] == "sdi12" else 2 if checksum.get("form") == "hex" else 1

    def _sealed(self, frame: bytes) -> bytes:
        """The frame with its checksum in the place that is held free for it."""
        checksum, size = self._checksum, self._size
        if checksum is None:
            return frame
        at = int(checksum["at"]) % len(frame)
        first, last = checksum.get("skip", (0, 0))
        covered = bytes(
            byte
            for place, byte in enumerate(frame)
            if first <= place < len(frame) - last and not at <= place < at + size
        )
        return frame[:at] + self._sum(covered) + frame[at + size :]

    def _sum(self, covered: bytes) -> bytes:
        checksum = self._checksum or {}
        kind = checksum["kind"]
        if kind == "sdi12":
            return crc_letters(covered)
        found = 0
        for byte in covered:
            found = found ^ byte if kind == "xor8" else (found + byte) % 256
        if kind == "negative8":
            found = (256 - found) % 256
        return f"{found:02X}".encode("ascii") if checksum.get("form") == "hex" else bytes((found,))

    def _said(self, point: SpokenPoint, says: dict[str, float], form: str = "") -> str:
        value = self._source(point)
        raw = raw_of(point, value, self._doubts)
        if form.startswith("."):
            text = f"{raw:.{int(form[1:])}f}"
        elif form:
            text = f"{max(0, min(10 ** int(form) - 1, round(raw))):0{int(form)}d}" if raw >= 0 else f"{round(raw)}"
        else:
            text = f"{raw:.{point.decimals}f}"
        if value is not None:
            says[point.name] = float(text) * point.times + point.plus
        return text

    def _line(self, template: str, points: list[SpokenPoint], says: dict[str, float]) -> str:
        known = {point.name: point for point in points}
        text = re.sub(r"[\[\]]", "", self.address(template))
        return _FULL_GAP.sub(lambda match: self._said(known[match[1]], says, match[2] or ""), text)

    def _pairs(self, message: Mapping[str, Any], points: list[SpokenPoint], says: dict[str, float]) -> str:
        pairs = message["pairs"]
        begins = self.address(str(message.get("begins", "")))
        parts = []
        for point in points:
            words = point.entry.get("words")
            said = next(iter(words)) if words else self._said(point, says)
            space = " " if pairs["equals"] == " " else ""
            parts.append(f"{point.entry['key']}{pairs['equals']}{said}{space}{point.unit}")
        between = str(pairs["between"])
        if begins.endswith(between):
            return begins + between.join(parts)
        parts.sort(key=lambda part: not part.startswith(begins))
        return (between if between.isspace() else "") + between.join(parts)

    def _proved(self, begin: bytes, length: int, name: str, says: dict[str, float]) -> Saying:
        frame = bytearray(begin.ljust(length, b"\0"))
        for point in self._points[name]:
            form = str(point.entry.get("as", "u16"))
            value = self._source(point)
            raw = raw_of(point, value, self._doubts)
            code = (">" if point.entry.get("order", "big") == "big" else "<") + _FORMS[form]
            struct.pack_into(code, frame, int(point.entry["at"]), raw if form == "f32" else round(raw))
            if value is not None:
                says[point.name] = (raw if form == "f32" else round(raw)) * point.times + point.plus
        return Saying(self._sealed(bytes(frame)), says)


def crc_letters(data: bytes) -> bytes:
    """CRC-16 (polynomial 0xA001 reflected, from 0) as three letters of six bits each, the high ones first."""
    crc = 0
    for byte in data:
        for bit in range(8):
            carry = (crc ^ byte >> bit) & 1
            crc = crc >> 1 ^ 0xA001 * carry
    return bytes(0x40 + (crc >> shift & 0x3F) for shift in (12, 6, 0))
