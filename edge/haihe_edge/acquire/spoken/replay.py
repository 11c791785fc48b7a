"""Golden exchanges of text and SDI-12 instruments, played through the reader: what is sent, what the answers mean.

An exchange is ``{send, hear}``. Without ``send`` the instrument spoke by itself, or it is a service request;
without ``hear`` it stayed silent. Pure: tests and ``haihe-edge profile test`` use it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from haihe_edge.acquire.exchange import ExchangeError
from haihe_edge.profile import Sdi12Profile, TextProfile

from .meaning import Value, doubted, is_seen, meaning
from .sdi12 import Ask, Attend, Leave, measuring
from .text import Framer, TextReader, command_bytes, raw_bytes

Shown = float | str


class Unexpected(Exception):
    """The exchanges do not fit the profile."""


def replay(profile: TextProfile | Sdi12Profile, golden: Mapping[str, Any]) -> dict[str, Shown]:
    """What the exchanges mean: a number, or ``sentinel``, or ``doubtful …``, or the name of a failure.

    Args:
        profile: the instrument.
        golden: unit and exchanges.

    Raises:
        Unexpected: when another command would be sent, or an answer is not understood.
    """
    if isinstance(profile, TextProfile):
        values = _text(profile, int(golden["unit"]), golden["exchanges"])
    else:
        values = _sdi12(profile, str(golden["unit"]), golden["exchanges"])
    return {name: shown(value) for name, value in values.items()}


def shown(value: Value) -> Shown:
    """A value for people who compare."""
    number, reason = value
    if number is None:
        return (reason.name or "missing").lower()
    return f"doubtful {number}" if reason else number


def _text(profile: TextProfile, unit: int, exchanges: Sequence[Mapping[str, str]]) -> dict[str, Value]:
    framer = Framer(profile.frame, profile.checksum, midway=not profile.is_polled)
    reader = TextReader(profile, unit)
    values: dict[str, Value] = {}
    sends = {command_bytes(message.send, unit).decode("latin-1"): message.name for message in profile.messages}
    for exchange in exchanges:
        sent = exchange.get("send", "")
        if sent not in sends:
            raise Unexpected(f"{sent!r} is never sent; the profile sends {sorted(sends)}")
        frames = framer.feed(raw_bytes(exchange.get("hear", "")))
        heard = [found for frame in frames if (found := reader.read(frame, sends[sent] if sent else None))]
        if not heard:
            raise Unexpected(f"{exchange.get('hear', '')!r} is not understood ({framer.refused})")
        for each in heard:
            values.update(each.values)
    return values


def _sdi12(profile: Sdi12Profile, address: str, exchanges: Sequence[Mapping[str, str]]) -> dict[str, Value]:
    left = list(exchanges)
    values: dict[str, Value] = {}
    numbers: dict[str, float] = {}
    for measurement in profile.measurements:
        if not left:
            break
        course = measuring(
            address, measurement.command, measurement.values, crc=profile.crc, together=False, once=measurement.clears,
            ready_after_ms=profile.ready_after_ms,
        )  # fmt: skip
        answer: bytes | None = None
        try:
            while True:
                answer = _answered(course.send(answer), left)
        except StopIteration as end:
            found: list[float] = end.value
        except ExchangeError as error:
            raise Unexpected(str(error)) from None
        for point in profile.points:
            if profile.measurement_of(point) is measurement:
                numbers[point.name] = found[point.value]
                values[point.name] = meaning(point)(found[point.value])
    if left:
        raise Unexpected(f"{left[0]} is never asked")
    return doubted(values, [doubt for doubt in profile.doubts if is_seen(doubt, numbers)])


def _answered(step: Ask | Attend | Leave, left: list[Mapping[str, str]]) -> bytes | None:
    if isinstance(step, Leave):
        return None
    if isinstance(step, Attend):
        if left and not left[0].get("send"):
            left.pop(0)
        return None
    if not left or raw_bytes(left[0].get("send", "")) != step.data:
        raise Unexpected(f"{step.data!r} would be sent now")
    hear = left.pop(0).get("hear")
    return None if hear is None else raw_bytes(hear)
