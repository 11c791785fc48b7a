"""Text and short binary frames on a serial line: cut out of the bytes, proved, read. Pure.

Everything is bounded: a gauge that sends garbage without an end for an hour fills no memory and takes no more
time than the same bytes in good messages.
"""

import re
import struct
from collections.abc import Callable, Mapping
from typing import NamedTuple

from haihe_contract.quality import Reason

from haihe_edge.profile.template import NUMBER, compile_template, fill_unit
from haihe_edge.profile.text import Checksum, Frame, Message, TextPoint, TextProfile

from .meaning import Meaning, Value, doubted, is_seen, meaning
from .sdi12 import crc_letters

_CODES = {"u8": "B", "s8": "b", "u16": "H", "s16": "h", "u32": "I", "s32": "i", "f32": "f"}
_NUMBER_AND_UNIT = re.compile(rf"[ \t]*({NUMBER})[ \t]*([^\s0-9](?:.{{0,15}}[^\s])?)?[ \t]*")


def raw_bytes(text: str) -> bytes:
    """The bytes that a text of a profile stands for."""
    return text.encode("latin-1")


def command_bytes(text: str, unit: int) -> bytes:
    """What is sent for a command of a profile, with the address and its own CRC filled in."""
    before, crc, after = fill_unit(text, unit).partition("{crc}")
    start = raw_bytes(before)
    return start + (crc_letters(start) if crc else b"") + raw_bytes(after)


def _sum(data: bytes) -> int:
    return sum(data) & 0xFF


def _xor(data: bytes) -> int:
    found = 0
    for byte in data:
        found ^= byte
    return found


_SUMS: dict[str, Callable[[bytes], int]] = {
    "sum8": _sum,
    "negative8": lambda data: -sum(data) & 0xFF,
    "xor8": _xor,
}


def expected_checksum(checksum: Checksum, frame: bytes) -> bytes:
    """What must stand at the place of the checksum, in the form of the profile (hexadecimal in capitals)."""
    start = checksum.at if checksum.at >= 0 else len(frame) + checksum.at
    first, last = checksum.skip[0], len(frame) - checksum.skip[1]
    covered = frame[first : min(start, last)] + frame[max(start + checksum.size, first) : last]
    if checksum.kind == "sdi12":
        return crc_letters(covered)
    found = _SUMS[checksum.kind](covered)
    return b"%02X" % found if checksum.form == "hex" else bytes((found,))


def is_proved(checksum: Checksum, frame: bytes) -> bool:
    """Whether the frame carries its own right checksum."""
    start = checksum.at if checksum.at >= 0 else len(frame) + checksum.at
    if start < 0 or start + checksum.size > len(frame):
        return False
    found = frame[start : start + checksum.size]
    return (found.upper() if checksum.form == "hex" else found) == expected_checksum(checksum, frame)


class Framer:
    """Cuts a stream of bytes into messages whose checksum is right, and counts what was refused by cause.

    Args:
        frame: how messages look.
        checksum: what proves them.
        midway: the stream may have begun in the middle of a message: what comes before the first end (or begin)
            is not believed.
    """

    def __init__(self, frame: Frame, checksum: Checksum | None = None, *, midway: bool = True) -> None:
        self.refused = {"checksum": 0, "oversize": 0, "noise": 0}
        self._begin, self._end = raw_bytes(frame.begin), raw_bytes(frame.end)
        self._length, self._trailing, self._most = frame.length, frame.trailing, frame.most
        self._checksum = checksum
        self._aside = None
        if frame.aside is not None:
            begin, end = re.escape(raw_bytes(frame.aside.begin)), re.escape(raw_bytes(frame.aside.end))
            self._aside = re.compile(begin + b".*?" + end, re.DOTALL)
        self._buffer = bytearray()
        self._lost = midway

    def restart(self, *, midway: bool) -> None:
        """Forget what came so far."""
        self._buffer.clear()
        self._lost = midway

    @property
    def held(self) -> int:
        """Bytes that wait for the rest of their message."""
        return len(self._buffer)

    def feed(self, data: bytes | bytearray) -> list[bytes]:
        """The messages that these bytes complete, whole as they came, without what broke into them."""
        self._buffer += data
        return self._by_length(self._length) if self._length is not None else self._by_end()

    def _proved(self, frame: bytes) -> bool:
        if self._checksum is None or is_proved(self._checksum, frame):
            return True
        self.refused["checksum"] += 1
        return False

    def _by_length(self, length: int) -> list[bytes]:
        buffer, found, at = self._buffer, [], 0
        while True:
            start = buffer.find(self._begin, at)
            if start < 0:  # the last bytes may be the first of a begin
                at = max(at, len(buffer) - len(self._begin) + 1)
                break
            at = start
            if len(buffer) - start < length:
                break
            frame = bytes(buffer[start : start + length])
            if self._proved(frame):
                found.append(frame)
                at = start + length
            else:
                at = start + 1  # the begin may have been a byte of the data
        del buffer[:at]
        return found

    def _by_end(self) -> list[bytes]:
        buffer, found, at = self._buffer, [], 0
        while (stop := buffer.find(self._end, at)) >= 0:
            end = stop + len(self._end) + self._trailing
            if end > len(buffer):
                break
            frame = self._message(bytes(buffer[at:end]))
            if frame is not None and self._proved(frame):
                found.append(frame)
            at = end
        del buffer[:at]
        if len(buffer) > self._most + self._trailing + len(self._end):
            self.refused["oversize"] += 1
            self._lost = True
            del buffer[: -(len(self._end) + self._trailing)]
        return found

    def _message(self, frame: bytes) -> bytes | None:
        """The message that ends with these bytes, or None when they do not hold it from its beginning."""
        lost, self._lost = self._lost, False
        tail = len(self._end) + self._trailing
        body, ending = frame[:-tail], frame[-tail:]
        if self._aside is not None:
            body = self._aside.sub(b"", body)
        if self._begin:
            start = body.rfind(self._begin)
            if start < 0:
                self.refused["noise"] += 1
                return None
            body = body[start:]
        elif lost and self._checksum is None:  # half a message could pass for a whole one
            return None
        if len(body) > self._most:
            self.refused["oversize"] += 1
            return None
        return body + ending


class Heard(NamedTuple):
    """What one message said.

    Args:
        message: its name in the profile.
        values: by point; only points that the message holds.
    """

    message: str
    values: dict[str, Value]


Numbers = dict[str, float]


class TextReader:
    """Reads values out of messages.

    Args:
        profile: what the instrument says.
        unit: its address.
    """

    def __init__(self, profile: TextProfile, unit: int) -> None:
        self._doubts = profile.doubts
        self._kinds = [_Kind(profile, message, unit) for message in profile.messages]
        self._begin, self._end = raw_bytes(profile.frame.begin), raw_bytes(profile.frame.end)
        self._is_text = profile.frame.length is None
        self._proof = profile.checksum if profile.checksum is not None and profile.checksum.at < 0 else None

    def read(self, frame: bytes, message: str | None = None) -> Heard | None:
        """What a message says, or None when the profile does not explain it.

        Args:
            frame: whole, as :class:`Framer` gives it.
            message: only this kind of message is wanted.
        """
        text = frame.decode("latin-1")
        if self._is_text:
            cut = text.rfind(self._end.decode("latin-1"))
            if self._proof is not None:
                cut = min(cut, len(text) + self._proof.at)
            text = text[len(self._begin) : cut].strip(" \t\r\n")
        for kind in self._kinds:
            if message not in (None, kind.name) or not text.startswith(kind.begins):
                continue
            numbers: Numbers = {}
            values = kind.read(text, frame, numbers)
            if values is not None:
                return Heard(
                    kind.name, doubted(values, [each for each in self._doubts if is_seen(each, numbers, text)])
                )
        return None


class _Kind:
    """One kind of message, ready to be read."""

    def __init__(self, profile: TextProfile, message: Message, unit: int) -> None:
        self.name = message.name
        self.begins = fill_unit(message.begins, unit)
        points = [point for point in profile.points if profile.message_of(point) is message]
        self._pairs = message.pairs
        self._said = {point.name: _Said(point) for point in points}
        self._keys = {point.key: point.name for point in points if point.key}
        self._templates = [compile_template(line, unit) for line in message.lines]
        self._binary = [(point.name, _binary(point)) for point in points if point.at is not None]

    def read(self, text: str, frame: bytes, numbers: Numbers) -> dict[str, Value] | None:
        if self._binary:
            return self._of_binary(frame, numbers)
        return self._of_pairs(text, numbers) if self._pairs is not None else self._of_lines(text, numbers)

    def _of_binary(self, frame: bytes, numbers: Numbers) -> dict[str, Value] | None:
        values: dict[str, Value] = {}
        for name, (form, at) in self._binary:
            if at + form.size > len(frame):
                return None
            numbers[name] = form.unpack_from(frame, at)[0]
            values[name] = self._said[name].number(numbers[name], "")
        return values

    def _of_lines(self, text: str, numbers: Numbers) -> dict[str, Value] | None:
        for template in self._templates:
            match = template.pattern.fullmatch(text)
            if match is None:
                continue
            values: dict[str, Value] = {}
            for (name, unit), number in zip(template.names, match.groups(), strict=True):
                if number is not None:
                    numbers[name] = float(number)
                    values[name] = self._said[name].number(numbers[name], unit)
            return values
        return None

    def _of_pairs(self, text: str, numbers: Numbers) -> dict[str, Value] | None:
        pairs = self._pairs
        assert pairs is not None  # noqa: S101 - asked for by read()
        values: dict[str, Value] = {}
        keys: set[str] = set()
        for part in text.split(pairs.between):
            key, equals, said = part.strip().partition(pairs.equals)
            name = self._keys.get(key.strip())
            if not equals or name is None:
                continue
            if key in keys:  # half of one message and half of another
                return None
            keys.add(key)
            values[name] = self._said[name].read(said.strip(), name, numbers)
        return values or None


class _Said:
    """A point, ready to be understood."""

    def __init__(self, point: TextPoint) -> None:
        self._plain: Meaning = meaning(point)
        self._units: Mapping[str, Meaning] = {
            unit: meaning(point, scale.times, scale.plus) for unit, scale in point.units.items()
        }
        self._words = point.words
        self._no_value = point.no_value

    def number(self, raw: float, unit: str) -> Value:
        """What a number in that unit means. Nothing is published in a unit that the profile does not know."""
        if unit in self._no_value:
            return None, Reason.SENTINEL
        known = self._units.get(unit) if self._units else self._plain if not unit else None
        return known(raw) if known is not None else (None, Reason.DAMAGED)

    def read(self, said: str, name: str, numbers: Numbers) -> Value:
        """What a text means."""
        if said in self._no_value:
            return None, Reason.SENTINEL
        if said in self._words:
            return self._plain(self._words[said])
        match = _NUMBER_AND_UNIT.fullmatch(said)
        if match is None:
            return None, Reason.DAMAGED
        numbers[name] = float(match[1])
        return self.number(numbers[name], match[2] or "")


def _binary(point: TextPoint) -> tuple[struct.Struct, int]:
    return struct.Struct((">" if point.order == "big" else "<") + _CODES[point.kind]), point.at or 0
