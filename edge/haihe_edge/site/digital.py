"""A bus of digital lines: how people write it, and what the agent makes of it."""

from typing import Annotated, Literal, NamedTuple

import msgspec
from haihe_contract.series import POINT_PATTERN

from haihe_edge import limits

Name = Annotated[str, msgspec.Meta(pattern=POINT_PATTERN)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Pull = Literal["up", "down", "none"]
Level = Literal["low", "high"]


class RainLine(msgspec.Struct, frozen=True, tag="rain", tag_field="kind"):
    """A tipping bucket rain gauge whose contact is wired to the line: one pulse a tip.

    Args:
        name: ours, as people at the station call it.
        line: number of the line on its chip, or its name.
        tip_mm: rain of one tip.
        edge: which edge is a tip: falling for a contact to ground with the line pulled up.
        pull: the resistor that holds the line while the contact is open; none where the board has its own.
        debounce: pulses that follow a tip within this time are the same tip.
        debounce_by: agent counts and shows the bounces; kernel passes on only what has been still for that long,
            so a pulse that is shorter is never seen.
        at: the measuring point.
        every: how often the accumulated rain is written down.
        periods: for which intervals the rain is given, each stamped at its end; a day ends at 08:00 in Beijing.
        intensity: whether the rain intensity is written beside the accumulated rain.
    """

    name: Name
    line: Text
    tip_mm: Annotated[float, msgspec.Meta(gt=0, le=10)]
    edge: Literal["falling", "rising"] = "falling"
    pull: Pull = "up"
    debounce: str = "100ms"
    debounce_by: Literal["agent", "kernel"] = "agent"
    at: Name = "main"
    every: str = "1min"
    periods: Annotated[tuple[str, ...], msgspec.Meta(max_length=8)] = ("5min", "1h", "1d")
    intensity: bool = False


class ContactLine(msgspec.Struct, frozen=True, tag="contact", tag_field="kind"):
    """A contact: door, flood switch, mains. Its value is 0 at rest and 1 away from rest.

    Args:
        name: ours.
        line: number of the line on its chip, or its name.
        normally: whether the contact is open or closed at rest.
        closed: how the line is while the contact is closed: low for a contact to ground with the line pulled up.
        pull: the resistor that holds the line while the contact is open; none where the board has its own.
        debounce: a change counts once the contact has been still for so long.
        alarm: whether leaving rest goes by the alarm lane, as reaching a warning level does.
        at: the measuring point; left out: the name.
        every: how often the state is written down although it has not changed.
    """

    name: Name
    line: Text
    normally: Literal["open", "closed"] = "open"
    closed: Level = "low"
    pull: Pull = "up"
    debounce: str = "200ms"
    alarm: bool = False
    at: Name | None = None
    every: str = "10min"


class OutputLine(msgspec.Struct, frozen=True, tag="output", tag_field="kind"):
    """A switched output: off at the start and at the end, whatever happens between.

    Args:
        name: ours.
        line: number of the line on its chip, or its name.
        active: how the line is while the output is on.
        follows: what switches it on: power while one of its instruments is read, running while the agent measures
            (a lamp), warning or guarantee while such a level of the station, or a contact with alarm, is reached
            (a siren, a lamp).
        instruments: with power: who is fed by it.
        warm_up: with power: from switching on to the first question; left out: what the profile says.
        longest: with warning or guarantee: it falls silent after so long, until the next crossing.
    """

    name: Name
    line: Text
    follows: Literal["power", "running", "warning", "guarantee"]
    active: Level = "high"
    instruments: Annotated[tuple[Name, ...], msgspec.Meta(max_length=limits.INSTRUMENTS_MAX)] = ()
    warm_up: str | None = None
    longest: str = "3min"


class GpioBus(msgspec.Struct, frozen=True, tag="gpio", tag_field="kind"):
    """Digital lines of the station's computer, or of an expander with a Linux driver. Each line is an instrument.

    Args:
        name: ours.
        chip: the device, e.g. /dev/gpiochip0; see gpiodetect.
        lines: what is wired to it.
    """

    name: Name
    chip: Text
    lines: Annotated[
        tuple[RainLine | ContactLine | OutputLine, ...], msgspec.Meta(min_length=1, max_length=limits.DIGITAL_LINES_MAX)
    ]


class Period(NamedTuple):
    """Rain of one interval: its length, and the number of its series in :attr:`Site.series`."""

    period_ms: int
    number: int


class Rain(NamedTuple):
    """A rain gauge, resolved; ``accumulated`` and ``intensity`` are numbers of :attr:`Site.series`."""

    line: RainLine
    debounce_ms: int
    every_ms: int
    accumulated: int
    intensity: int | None
    periods: tuple[Period, ...]


class Contact(NamedTuple):
    """A contact, resolved; ``number`` is a number of :attr:`Site.series`."""

    line: ContactLine
    debounce_ms: int
    every_ms: int
    number: int


class Output(NamedTuple):
    """An output, resolved; ``warm_up_ms`` by instrument."""

    line: OutputLine
    longest_ms: int
    warm_up_ms: dict[str, int]


class Wiring(NamedTuple):
    """The lines of one gpio bus, resolved."""

    bus: GpioBus
    rains: tuple[Rain, ...] = ()
    contacts: tuple[Contact, ...] = ()
    outputs: tuple[Output, ...] = ()
