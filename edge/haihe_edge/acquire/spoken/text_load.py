"""What a poll costs on a line of text, and what an instrument takes that speaks by itself. Pure.

Polled: the command, the instrument's answer time, and the longest message that its profile describes. Commands
that set it up after the port was opened are not counted.
"""

from haihe_edge.acquire.exchange import character_ms
from haihe_edge.acquire.load import Length, Load, Unknown
from haihe_edge.profile.template import widest
from haihe_edge.profile.text import Message, TextProfile
from haihe_edge.site import AsciiBus, Instrument, Site

from .text import command_bytes, raw_bytes


def text_load(site: Site, each: Instrument, profile: TextProfile, bus: AsciiBus) -> Load:
    """What an instrument that speaks text asks of its line, or takes of it by itself."""
    one = character_ms(bus.baud, bus.parity, bus.stop_bits)
    wanted = profile.asked({site.series[number].point for number in each.series})
    messages = wanted if profile.is_polled else profile.messages  # what speaks by itself says everything
    sizes = [message_bytes(profile, message, each.unit) for message in messages]
    into, length = sum(size for size, _ in sizes), _worst([length for _, length in sizes])
    if not profile.is_polled:
        pace = profile.pace_ms
        unknown: tuple[Unknown, ...] = () if pace is not None else ("pace",)
        return Load(each.name, each.period_ms, 0, 0, into, into * one, 0, pace_ms=pace, length=length, unknown=unknown)
    out, many = sum(len(command_bytes(message.send, each.unit)) for message in messages), len(messages)
    answer_ms = (profile.answer_ms.typical + profile.pause_ms) * many
    return Load(each.name, each.period_ms, many, out, into, (out + into) * one, answer_ms, length=length)


def message_bytes(profile: TextProfile, message: Message, unit: int) -> tuple[int, Length]:
    """How many bytes a message has at most, and where that is known from.

    The format says it where every gap has a width; an optional part counts as present. Else the example in the
    profile does, and where there is none the longest frame that the profile lets pass.
    """
    frame = profile.frame
    if frame.length is not None:
        return frame.length, "known"
    ending = len(raw_bytes(frame.end)) + frame.trailing
    widths = [widest(line, unit) for line in message.lines]
    known = [width for width in widths if width is not None]
    if known and len(known) == len(widths):
        proof = profile.checksum
        between = proof.size if proof is not None and proof.at < -frame.trailing else 0
        return len(raw_bytes(frame.begin)) + max(known) + between + ending, "known"
    if message.example_bytes is not None:
        return message.example_bytes, "example"
    return frame.most + ending, "limit"


def _worst(lengths: list[Length]) -> Length:
    order: tuple[Length, ...] = ("limit", "example", "known")
    return next(each for each in order if each in lengths or each == "known")
