"""Buses of a site file whose instruments speak text or SDI-12, made of its profiles."""

import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from .answer_log import AnswerLog
from .profile_sheet import not_simulated, read_document
from .sdi12_line import Sdi12Line, Sdi12Sensor
from .spoken_sheet import Source
from .text_line import TextInstrument, TextLine

KINDS = ("ascii", "sdi12")
"""Kinds of bus in a site file."""
_SHAPE = (KeyError, TypeError, ValueError, AttributeError, IndexError)


def spoken_line(
    bus: Mapping[str, Any],
    port: Path,
    instruments: Iterable[Mapping[str, Any]],
    profiles: Path,
    source: Source,
    log_of: Callable[[str], AnswerLog],
    chance: random.Random,
) -> TextLine | Sdi12Line:
    """The line of one bus with its instruments.

    Args:
        bus: as the site file has it.
        port: where its pseudo-terminal appears.
        instruments: those of the site file that are on it.
        profiles: directory of profiles.
        source: what the instruments measure.
        log_of: makes the answer log of an instrument.
        chance: for noise and thinking times.

    Raises:
        FieldError: when a profile cannot be read or simulated.
    """
    texts: list[TextInstrument] = []
    sensors: list[Sdi12Sensor] = []
    for each in instruments:
        file = profiles / f"{each['profile']}.yaml"
        document = read_document(file)
        try:
            unit = each.get("unit", document.get("unit", 0))
            if bus["kind"] == "sdi12":
                sensors.append(Sdi12Sensor(each["name"], str(unit), document, source, log_of(each["name"])))
            else:
                own = random.Random(chance.getrandbits(64))
                texts.append(TextInstrument(each["name"], int(unit), document, source, log_of(each["name"]), own))
        except _SHAPE as error:
            raise not_simulated(error, str(file)) from None
    if bus["kind"] == "sdi12":
        return Sdi12Line(
            port,
            sensors,
            chance=chance,
            baud=int(bus.get("baud", 1200)),
            parity=bus.get("parity", "even") == "even",
            wakes=str(bus.get("wakes", "break")),
        )
    return TextLine(port, texts, baud=int(bus.get("baud", 9600)), chance=chance)
