"""Runners of buses whose instruments speak text or SDI-12."""

from haihe_contract.clock import Clock

from haihe_edge.acquire.group import Happened
from haihe_edge.acquire.line import SerialLine
from haihe_edge.acquire.runner import AskingRunner, Emit, HearingRunner
from haihe_edge.profile import TextProfile
from haihe_edge.site import AsciiBus, Sdi12Bus, Site

from .sdi12_runner import Sdi12Conversation, Sdi12Unit
from .text_runner import TextConversation, TextListener, TextUnit


def open_text(bus: AsciiBus, clock: Clock) -> TextConversation:
    """A conversation on that bus, not opened yet. Also for commands that ask without a running agent."""
    line = SerialLine(bus.port, bus.baud, bus.parity, bus.stop_bits)
    return TextConversation(line, clock, baud=bus.baud, parity=bus.parity, stop_bits=bus.stop_bits)


def open_sdi12(bus: Sdi12Bus, clock: Clock) -> Sdi12Conversation:
    """The same for an SDI-12 line."""
    return Sdi12Conversation(SerialLine(bus.port, bus.baud), clock, bus)


def spoken_runner(
    bus: AsciiBus | Sdi12Bus, site: Site, clock: Clock, emit: Emit, happened: Happened
) -> AskingRunner | HearingRunner:
    """What reads the instruments of such a bus.

    Args:
        bus: of the site.
        site: the station.
        clock: when.
        emit: stamps the samples of an instrument and hands them on.
        happened: told when the bus or an instrument fails and when it is back.
    """
    instruments = [each for each in site.instruments if each.bus == bus.name]
    if isinstance(bus, Sdi12Bus):
        sensors = open_sdi12(bus, clock)
        asked = [Sdi12Unit(each, site, sensors, clock) for each in instruments]
        return AskingRunner(bus, sensors.line, asked, clock, emit, happened)
    conversation = open_text(bus, clock)
    only = instruments[0] if len(instruments) == 1 else None
    if only is not None and isinstance(only.profile, TextProfile) and not only.profile.is_polled:
        listener = TextListener(only, site, conversation.line, clock, happened)
        return HearingRunner(listener, only.period_ms, clock, emit, happened)
    units = [TextUnit(each, site, conversation, clock) for each in instruments]
    return AskingRunner(bus, conversation.line, units, clock, emit, happened)
