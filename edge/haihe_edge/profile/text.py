r"""Instruments that speak text, or short binary frames, on a serial line: ``transport: ascii``.

Polled (a command is sent, a message comes back) or free-running (messages come by themselves). A message is
first cut out of the bytes (``frame``), then its checksum is proved, then numbers are read out of it.

Texts stand for bytes: ``"\x02"`` is the byte 2, ``"\xFF"`` the byte 255. In ``send``, ``begins`` and
``lines``, ``{unit}`` is the instrument's address, ``{unit:2}`` the same with two digits.
"""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from haihe_contract.document import Document, near
from haihe_contract.quantity import duration_ms

from haihe_edge import limits

from .doubt import Doubt, check_doubts
from .header import (
    Answer,
    Header,
    Milliseconds,
    Named,
    Place,
    PointBase,
    Unit,
    check_answer,
    check_header,
    check_meaning,
    check_names,
    check_unit,
)
from .template import TemplateError, compile_template, fill_unit

Bytes = Annotated[str, msgspec.Meta(max_length=64)]
SIZES: dict[str, int] = {"u8": 1, "s8": 1, "u16": 2, "s16": 2, "u32": 4, "s32": 4, "f32": 4}
"""Bytes that a binary value of that kind takes."""
SILENT_AFTER_MS_MAX = 24 * 3_600_000


class Aside(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that may break into a message and is no part of it.

    Args:
        begin: its first bytes.
        end: its last bytes.
    """

    begin: Bytes
    end: Bytes


class Frame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a message is cut out of the stream of bytes: by its end, or by its length.

    Args:
        begin: its first bytes, where they are always the same.
        end: its last bytes.
        length: how many bytes it has, for frames without an end.
        trailing: raw bytes that follow the end and belong to it.
        most: bytes of the longest message; more without an end is thrown away.
        aside: what may break into it.
    """

    begin: Bytes = ""
    end: Bytes = ""
    length: Annotated[int, msgspec.Meta(ge=1, le=limits.LINE_BYTES_MAX)] | None = None
    trailing: Annotated[int, msgspec.Meta(ge=0, le=8)] = 0
    most: Annotated[int, msgspec.Meta(ge=4, le=limits.LINE_BYTES_MAX)] = 256
    aside: Aside | None = None


class Checksum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What proves a message. Covered is the whole frame without the checksum itself.

    NMEA 0183 (``$…*HH`` CR LF) is ``{kind: xor8, form: hex, at: -4, skip: [1, 5]}``.

    Args:
        kind: sum8 the sum modulo 256; negative8 its two's complement (the sum with it is 0); xor8 all bytes
            joined by exclusive or; sdi12 the CRC-16 of SDI-12 in three letters.
        at: its first byte in the frame; negative from the end.
        form: a raw byte, or two hexadecimal digits; sdi12 always has three letters.
        skip: how many bytes at the begin and at the end of the frame are not covered.
    """

    kind: Literal["sum8", "negative8", "xor8", "sdi12"]
    at: Annotated[int, msgspec.Meta(ge=-64, le=limits.LINE_BYTES_MAX)]
    form: Literal["byte", "hex"] = "byte"
    skip: Annotated[tuple[Annotated[int, msgspec.Meta(ge=0, le=64)], ...], msgspec.Meta(min_length=2, max_length=2)] = (
        0,
        0,
    )

    @property
    def size(self) -> int:
        """Bytes that it takes in the frame."""
        return 3 if self.kind == "sdi12" else 2 if self.form == "hex" else 1


class Pairs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The message is a list of keys and values in any order.

    Args:
        between: what separates the pairs.
        equals: what separates key and value; a space stands for any run of spaces.
    """

    between: Annotated[str, msgspec.Meta(min_length=1, max_length=8)]
    equals: Annotated[str, msgspec.Meta(min_length=1, max_length=8)]


class Message(Named, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of message.

    Args:
        send: what to send for it; nothing: it comes by itself. ``{crc}`` is the CRC, in three letters as on
            SDI-12, of what stands before it.
        begins: only messages that begin so are of this kind.
        lines: how it can look. ``{name}`` is the number of the point of that name, ``{name:4}`` one of exactly
            four characters, ``{name:.3}`` one with exactly three digits after the point, ``{name:4:mm}`` one that
            is in the point's unit mm; ``{*}`` is anything; a part in ``[…]`` may be left out; a space stands for
            any run of spaces. The first line that fits counts.
        pairs: or it is a list of keys and values.
        example_bytes: how many bytes an example of it has, from its first to its last, where neither its lines nor
            the frame say how long it is; by that it is known beforehand how long it takes.
    """

    send: Bytes = ""
    begins: Bytes = ""
    lines: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=512)], ...], msgspec.Meta(max_length=16)
    ] = ()
    pairs: Pairs | None = None
    example_bytes: Annotated[int, msgspec.Meta(ge=1, le=limits.LINE_BYTES_MAX)] | None = None


class Scale(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a number in one unit becomes the element's unit.

    Args:
        times: factor.
        plus: added after the factor.
    """

    times: float = 1.0
    plus: float = 0.0


class TextPoint(PointBase, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing the instrument can say.

    Args:
        message: which message says it; left out: the first.
        key: its key among pairs.
        units: units that may follow the number, each with its scale; a number in another unit is refused.
        words: words that stand for a number, e.g. ``{ON: 1, OFF: 0}``.
        no_value: words or units that mean "no measurement".
        at: in a binary frame: its first byte.
        kind: in a binary frame: how the bytes make a number; written ``as``.
        order: in a binary frame: the most significant byte first (big) or last (little).
    """

    message: str = ""
    key: str = ""
    units: dict[str, Scale] = msgspec.field(default_factory=dict)
    words: dict[str, float] = msgspec.field(default_factory=dict)
    no_value: tuple[str, ...] = ()
    at: Annotated[int, msgspec.Meta(ge=0, le=limits.LINE_BYTES_MAX)] | None = None
    kind: Literal["u8", "s8", "u16", "s16", "u32", "s32", "f32"] = msgspec.field(name="as", default="u16")
    order: Literal["big", "little"] = "big"


class TextProfile(Header, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="ascii"):
    """An instrument that speaks text or short binary frames on a serial line.

    Args:
        frame: how a message is cut out of the bytes.
        messages: what it says.
        points: what can be read out of its messages.
        checksum: what proves a message.
        answer_ms: how long it thinks before it answers; for a polled instrument.
        silent_after: a free-running instrument that says nothing for so long is silent.
        pace: a free-running instrument speaks once in so long, where it is known; with several messages it says all
            of them in that time.
        opening: sent each time the port was opened, and before a silent instrument is asked again.
        tries: how often a command is sent before the instrument counts as silent; 1 where reading clears.
        pause_ms: silence that it needs before a command.
        unit: default address.
        units: lowest and highest address that it can be given.
        doubts: signs by which it doubts its own values.
    """

    frame: Frame
    messages: Annotated[tuple[Message, ...], msgspec.Meta(min_length=1, max_length=32)]
    points: Annotated[tuple[TextPoint, ...], msgspec.Meta(min_length=1, max_length=500)]
    checksum: Checksum | None = None
    answer_ms: Answer = Answer(100, 1000)
    silent_after: str = "5s"
    pace: str | None = None
    opening: Annotated[tuple[Bytes, ...], msgspec.Meta(max_length=8)] = ()
    tries: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1
    pause_ms: Milliseconds = 0
    unit: Unit = 0
    units: Annotated[tuple[Unit, ...], msgspec.Meta(min_length=2, max_length=2)] = (0, 255)
    doubts: Annotated[tuple[Doubt, ...], msgspec.Meta(max_length=64)] = ()

    def point(self, name: str) -> TextPoint | None:
        """The point of that name, or None."""
        return next((point for point in self.points if point.name == name), None)

    def message_of(self, point: TextPoint) -> Message | None:
        """The message that says a point, or None."""
        if not point.message:
            return self.messages[0]
        return next((each for each in self.messages if each.name == point.message), None)

    def asked(self, points: Collection[str]) -> list[Message]:
        """The messages that say any of these points, in the order in which they are asked for."""
        wanted = [self.message_of(point) for point in self.points if point.name in points]
        return [each for each in self.messages if each in wanted]

    @property
    def is_polled(self) -> bool:
        """Whether it speaks only when asked."""
        return any(message.send for message in self.messages)

    @property
    def is_addressed(self) -> bool:
        """Whether several of them can share a line."""
        return all("{unit" in message.send for message in self.messages)

    @property
    def silent_after_ms(self) -> int:
        """Milliseconds after which a free-running instrument counts as silent."""
        return duration_ms(self.silent_after)

    @property
    def pace_ms(self) -> int | None:
        """Milliseconds in which a free-running instrument speaks once, or None when nobody says."""
        return None if self.pace is None else duration_ms(self.pace)


def check_text(profile: TextProfile, path: Path, document: Document) -> None:
    """Complain about everything that does not fit together."""
    check_header(profile, path, document)
    _check_frame(profile, document)
    check_unit(profile.unit, profile.units, document)
    check_answer(profile.answer_ms, document)
    try:
        if not 1 <= profile.silent_after_ms <= SILENT_AFTER_MS_MAX:
            document.complain(("silent_after",), "silent_after: must be between 1ms and 24h")
    except ValueError as error:
        document.complain(("silent_after",), f"silent_after: {error}")
    else:
        _check_pace(profile, document)
    check_names("messages", profile.messages, document)
    check_names("points", profile.points, document)
    if profile.is_polled and not all(message.send for message in profile.messages):
        document.complain(("messages",), "messages: either every message has send, or none has")
    for index, message in enumerate(profile.messages):
        _check_message(profile, message, index, document)
    for index, point in enumerate(profile.points):
        check_meaning(point, ("points", index), document)
        _check_point(profile, point, ("points", index), document)
    check_doubts(profile.doubts, {point.name for point in profile.points}, True, document)


def _check_pace(profile: TextProfile, document: Document) -> None:
    if profile.pace is None:
        return
    try:
        if not 1 <= duration_ms(profile.pace) <= profile.silent_after_ms:
            document.complain(("pace",), "pace: must be between 1ms and silent_after")
    except ValueError as error:
        document.complain(("pace",), f"pace: {error}")
    if profile.is_polled:
        document.complain(("pace",), "pace: only an instrument that speaks by itself has one")


def _check_frame(profile: TextProfile, document: Document) -> None:
    frame = profile.frame
    if bool(frame.end) == (frame.length is not None):
        document.complain(("frame",), "frame: write one of end and length")
    if frame.length is not None and not frame.begin and profile.checksum is None:
        document.complain(("frame", "length"), "length: a frame without end needs begin or a checksum to be found")
    for name, text in (("begin", frame.begin), ("end", frame.end)):
        _check_bytes(text, ("frame", name), document)
    for index, text in enumerate(profile.opening):
        _check_bytes(text, ("opening", index), document)


def _check_bytes(text: str, place: Place, document: Document) -> None:
    if any(ord(letter) > 0xFF for letter in text):
        document.complain(place, f"{place[-1]}: only letters of one byte can go over the line")


def _check_message(profile: TextProfile, message: Message, index: int, document: Document) -> None:
    place: Place = ("messages", index)
    for key, text in (("send", message.send), ("begins", message.begins)):
        _check_bytes(text, (*place, key), document)
        if re.search(r"\{(?!unit(:\d)?\})", text.replace("{crc}", "", 1) if key == "send" else text):
            document.complain((*place, key), f"{key}: only {{unit}} and {{unit:2}} are filled in here")
        fill_unit(text, profile.unit)
    binary = any(point.at is not None and profile.message_of(point) is message for point in profile.points)
    if sum((bool(message.lines), message.pairs is not None, binary)) != 1:
        document.complain(place, "messages: write lines, or pairs, or points with 'at' for a binary frame")
    units = {point.name: set(point.units) for point in profile.points}
    for number, line in enumerate(message.lines):
        try:
            names = compile_template(line, profile.unit).names
        except TemplateError as error:
            document.complain((*place, "lines", number), f"lines: {error}")
            continue
        for name, unit in names:
            if name not in units:
                what = f"lines: there is no point {name!r}{near(name, units)}"
                document.complain((*place, "lines", number), what)
            elif unit and unit not in units[name]:
                document.complain((*place, "lines", number), f"lines: point {name} has no unit {unit!r}")
            elif not unit and units[name]:
                document.complain((*place, "lines", number), f"lines: say in which unit {{{name}}} stands here")


def _check_point(profile: TextProfile, point: TextPoint, place: Place, document: Document) -> None:
    message = profile.message_of(point)
    if message is None:
        known = [each.name for each in profile.messages]
        what = f"message: the profile has no {point.message!r}{near(point.message, known)}"
        document.complain((*place, "message"), what)
        return
    if message.pairs is not None and not point.key:
        document.complain(place, f"points: {point.name} needs a key, since {message.name} is a list of pairs")
    length = profile.frame.length
    if point.at is not None and length is not None and point.at + SIZES[point.kind] > length:
        document.complain((*place, "at"), "at: the value ends beyond the frame")
    if message.lines and not any(re.search(rf"\{{{point.name}[:}}]", line) for line in message.lines):
        document.complain(place, f"points: no line of {message.name} holds {{{point.name}}}")
