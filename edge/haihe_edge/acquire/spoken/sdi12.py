"""SDI-12: commands, answers, checksums, and the course of a measurement. Nothing here waits or touches a port.

Source: SDI-12, A Serial-Digital Interface Standard for Microprocessor-Based Sensors, version 1.3 (its sections are
named below); version 1.4 keeps all of this and adds high-volume and metadata commands, which are not used here.
"""

import re
from collections.abc import Generator
from typing import NamedTuple

from haihe_contract.quality import Reason

from haihe_edge.acquire.exchange import ExchangeError

CHARACTER_MS = 10_000 / 1200
"""1200 baud; a start bit, seven data bits, even parity, a stop bit (section 4.1)."""
BREAK_MS, _BREAK_MS_MIN = 15.0, 12.0
"""How long our break is, and the least (section 5.0)."""
MARK_MS, _MARK_MS_MIN = 8.5, 8.33
"""The same for the marking after it (section 5.0)."""
ZERO_MS = 35.0
"""Until a zero byte at a low speed is on the wire for sure, with what a USB adapter holds back."""
ANSWER_MS = 15
"""By then a sensor has begun its answer (section 5.0)."""
VALUES_LETTERS_MAX_M, VALUES_LETTERS_MAX = 35, 75
"""Letters of values in one answer after M, and after C and R (section 4.4)."""
SERVICE_MS = 100
"""A service request has three letters; they are on the line for 25 ms, and adapters hold bytes back."""
FRESH_MS = 10_000
"""A measurement that was begun together with others and not collected so long after it was ready is begun anew."""
LINE_BYTES_MAX = 128
"""The longest answer has 75 characters of values and some for address, CRC and line end."""
DATA_COMMANDS_MAX = 10
"""aD0! to aD9!."""
OUTER_TRIES = 3
INNER_TRIES = 3
"""A command is sent so many times with a break before each round: at least three times three."""
MARK_BEFORE_SLEEP_MS = 87
"""After so long without a bit the sensors must be woken by a break again."""
MEASURE_TRIES = 3
"""How often a measurement that was aborted is begun again."""

_VALUE = re.compile(r"[+-](?=[0-9.])(?:[0-9]{1,7}(?:\.[0-9]{0,7})?|\.[0-9]{1,7})")
VALUE_LETTERS_MAX = 9
"""A sign, at most seven digits, at most one point (section 4.4.8)."""
_ANNOUNCEMENT = re.compile(r"([0-9A-Za-z])([0-9]{3})([0-9]{1,2})")
_IDENTIFICATION = re.compile(r"([0-9A-Za-z])([0-9]{2})(.{8})(.{6})(.{3})(.{0,13})")


def waking_ms(wakes: str, more_ms: int) -> float:
    """How long the line is taken to wake its sensors before a command.

    Args:
        wakes: how, as the site file has it: break, zero or adapter. An adapter is trusted to do it in the least time.
        more_ms: what the sensor needs beyond the specification; adapters do not know of it.
    """
    if wakes == "adapter":
        return _BREAK_MS_MIN + _MARK_MS_MIN
    return (BREAK_MS if wakes == "break" else ZERO_MS) + MARK_MS + more_ms


def crc_letters(data: bytes) -> bytes:
    """The CRC-16 of an answer as three printable letters."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return bytes((0x40 | crc >> 12, 0x40 | crc >> 6 & 0x3F, 0x40 | crc & 0x3F))


def command(address: str, body: str) -> bytes:
    """A command as it goes over the line: ``0M!``."""
    return f"{address}{body}!".encode("ascii")


def with_crc(body: str) -> str:
    """The same command with a CRC asked for: M1 becomes MC1."""
    return body[0] + "C" + body[1:]


def concurrent(body: str) -> str:
    """The concurrent form of a measurement: M1 becomes C1."""
    return "C" + body[1:]


def even_parity(data: bytes) -> bytes:
    """Seven data bits with even parity as the eight bits of each byte: 7E1 over a port that is set to 8N1.

    So the parity of what comes in is seen here, whatever the driver does with it.
    """
    return bytes(byte & 0x7F | ((byte & 0x7F).bit_count() & 1) << 7 for byte in data)


def has_even_parity(data: bytes) -> bool:
    """Whether every byte came undamaged, as far as parity can tell."""
    return all(byte.bit_count() % 2 == 0 for byte in data)


class Announcement(NamedTuple):
    """What a sensor says to a command to measure: ready in so many seconds, with so many values."""

    seconds: int
    values: int


class Identification(NamedTuple):
    """What a sensor says of itself; version 13 is 1.3."""

    address: str
    version: str
    vendor: str
    model: str
    firmware: str
    more: str


def read_announcement(line: bytes, address: str) -> Announcement:
    """Read ``atttn`` or ``atttnn``.

    Raises:
        ExchangeError: when the line is none, or comes from another address.
    """
    match = _ANNOUNCEMENT.fullmatch(_text(line, address))
    if match is None:
        raise ExchangeError(Reason.DAMAGED, "an answer that does not fit the request")
    return Announcement(int(match[2]), int(match[3]))


def read_identification(line: bytes) -> Identification:
    """Read the answer to ``aI!``.

    Raises:
        ExchangeError: when it is none.
    """
    text = line.decode("latin-1").rstrip("\r\n")
    match = _IDENTIFICATION.fullmatch(text)
    if match is None:
        raise ExchangeError(Reason.DAMAGED, "an answer that does not fit the request")
    return Identification(*(part.strip() for part in match.groups()))


def read_values(line: bytes, address: str, *, crc: bool) -> list[float]:
    """Read the values of one data answer. An answer that is not understood to its last letter gives none.

    Raises:
        ExchangeError: when its CRC is wrong, or it is no list of values, or another sensor answered.
    """
    body = line.removesuffix(b"\r\n")
    if crc:
        if len(body) < 4 or crc_letters(body[:-3]) != body[-3:]:
            raise ExchangeError(Reason.CHECKSUM, "a damaged answer of {count} bytes", count=len(body))
        body = body[:-3]
    text = _text(body, address)[1:]
    found, at = [], 0
    while at < len(text):
        match = _VALUE.match(text, at)
        if match is None or match.end() - at > VALUE_LETTERS_MAX:
            raise ExchangeError(Reason.DAMAGED, "an answer that does not fit the request")
        found.append(float(match[0]))
        at = match.end()
    return found


def _text(line: bytes, address: str) -> str:
    text = line.removesuffix(b"\r\n").decode("latin-1")
    if not text or text[0] != address:
        other = text[:1] if text[:1].isalnum() and text[:1].isascii() else "?"
        raise ExchangeError(Reason.TIMEOUT, "no answer, but unit {other} spoke", other=other)
    return text


class Ask(NamedTuple):
    """Send a command and give back its answer.

    Args:
        data: the command.
        outer: rounds, each with a break.
        inner: tries in a round.
    """

    data: bytes
    outer: int = OUTER_TRIES
    inner: int = INNER_TRIES


class Attend(NamedTuple):
    """Wait on the busy line for a service request; give back the line that came, or None.

    Args:
        milliseconds: how long.
    """

    milliseconds: int


class Leave(NamedTuple):
    """Wait so long; others may be asked meanwhile."""

    milliseconds: int


Step = Ask | Attend | Leave
Course = Generator[Step, bytes | None, list[float]]
"""Yields what is to be done next, is sent the answer (None for silence), returns the values."""


def measuring(
    address: str, body: str, values: int, *, crc: bool, together: bool, once: bool, ready_after_ms: int | None = None
) -> Course:
    """The course of one measurement.

    Args:
        address: of the sensor.
        body: M, M1 … M9 or R0 … R9.
        values: how many values are expected.
        crc: the sensor can give a CRC.
        together: use the concurrent form, so that others may be asked meanwhile.
        once: asking changes something, so never ask twice.
        ready_after_ms: after so long it is ready, whatever it announces.

    Raises:
        ExchangeError: why there are no values. Part of the values is never given.
    """
    if body[0] == "R":
        return (yield from _continuous(address, body, values, crc))
    word = concurrent(body) if together else body
    start = command(address, with_crc(word) if crc else word)
    for _ in range(1 if once else MEASURE_TRIES):
        said = yield from _announced(address, start, once=once)
        if said.values == 0:
            raise ExchangeError(Reason.SENTINEL, "the instrument has no values")
        if said.values != values:
            raise ExchangeError(
                Reason.MISMATCH,
                "it announces {found} values, its profile says {values}",
                found=said.values,
                values=values,
            )
        announced_ms = said.seconds * 1000
        wait = announced_ms if ready_after_ms is None else min(announced_ms, ready_after_ms)
        if together:
            yield Leave(wait)
        elif said.seconds:
            # The service request ends the wait early; when it is lost, the announced time ends it. A sensor that needs
            # all of that time must not be interrupted by a break while it still asks for service.
            yield Attend(wait + SERVICE_MS * (wait == announced_ms))
        found = yield from _collect(address, values, crc)
        if found is not None:
            return found
    raise ExchangeError(Reason.SENTINEL, "the instrument aborts its measurements")


def _announced(address: str, start: bytes, *, once: bool) -> Generator[Step, bytes | None, Announcement]:
    """Begin a measurement; a damaged answer to that is asked for again, unless asking changes something."""
    failure: ExchangeError | None = None
    for _ in range(1 if once else INNER_TRIES):
        line = _given((yield Ask(start, 1, 1) if once else Ask(start)))
        try:
            return read_announcement(line, address)
        except ExchangeError as error:
            failure = error
    raise failure or ExchangeError(Reason.TIMEOUT, "no answer")


def _collect(address: str, values: int, crc: bool) -> Generator[Step, bytes | None, list[float] | None]:
    """All values of a finished measurement, or None when the sensor has none: it was aborted."""
    found: list[float] = []
    for number in range(DATA_COMMANDS_MAX):
        part = yield from _read(address, f"D{number}", crc)
        if not part:
            break
        found += part
        if len(found) >= values:
            break
    if not found:
        return None
    if len(found) != values:
        raise ExchangeError(Reason.DAMAGED, "{found} of {values} values came", found=len(found), values=values)
    return found


def _continuous(address: str, body: str, values: int, crc: bool) -> Course:
    found = yield from _read(address, with_crc(body) if crc else body, crc)
    if not found:
        raise ExchangeError(Reason.SENTINEL, "the instrument has no values")
    if len(found) != values:
        raise ExchangeError(Reason.DAMAGED, "{found} of {values} values came", found=len(found), values=values)
    return found


def _read(address: str, body: str, crc: bool) -> Generator[Step, bytes | None, list[float]]:
    """One data answer; damaged ones are asked for again, since the sensor keeps its values until the next start."""
    failure: ExchangeError | None = None
    for _ in range(INNER_TRIES):
        line = _given((yield Ask(command(address, body))))
        if crc and line.removesuffix(b"\r\n") == address.encode("ascii"):
            return []  # an aborted measurement, from a sensor that spares itself the CRC of nothing
        try:
            return read_values(line, address, crc=crc)
        except ExchangeError as error:
            failure = error
    raise failure or ExchangeError(Reason.TIMEOUT, "no answer")


def _given(line: bytes | None) -> bytes:
    if line is None:
        raise ExchangeError(Reason.TIMEOUT, "no answer")
    return line
