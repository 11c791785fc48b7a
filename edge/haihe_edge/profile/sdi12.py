"""Instruments on an SDI-12 line: ``transport: sdi12``."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import msgspec
from haihe_contract.document import Document, near
from haihe_contract.quantity import duration_ms

from .doubt import Doubt, check_doubts
from .header import (
    Answer,
    Header,
    Milliseconds,
    Named,
    Place,
    PointBase,
    check_answer,
    check_header,
    check_meaning,
    check_names,
)

ADDRESS_PATTERN = "^[0-9A-Za-z]$"
Address = Annotated[str, msgspec.Meta(pattern=ADDRESS_PATTERN)]
VALUES_MAX = 99
"""A concurrent measurement announces its values in two digits."""
_WAIT_MS_MAX = 999_000
"""The waiting time is announced in three digits."""


def unit_of(address: str) -> int:
    """An address as a number: 0 to 9 for digits, the letter's code for letters."""
    return int(address) if address.isdigit() else ord(address)


def address_of(unit: int) -> str:
    """Undo :func:`unit_of`."""
    return str(unit) if 0 <= unit <= 9 else chr(unit)


class Measurement(Named, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One command that measures.

    Args:
        command: M, M1 … M9 (start, wait, read), or R0 … R9 (values are always ready). Where the profile allows
            it, C is used instead of M and the CRC is asked for: that is not written here.
        values: how many values it brings; another number is not believed, since their meaning hangs on their
            order.
        clears: asking begins a new total, so it is never asked twice for one reading.
    """

    command: Annotated[str, msgspec.Meta(pattern="^(M[1-9]?|R[0-9])$")] = "M"
    values: Annotated[int, msgspec.Meta(ge=1, le=VALUES_MAX)]
    clears: bool = False


class Sdi12Point(PointBase, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing the instrument can say.

    Args:
        value: which value of its measurement, counted from 0.
        measurement: which measurement brings it; left out: the first.
    """

    value: Annotated[int, msgspec.Meta(ge=0, le=VALUES_MAX - 1)]
    measurement: str = ""


class Sdi12Profile(Header, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="sdi12"):
    """An instrument on an SDI-12 line.

    Args:
        measurements: what it can be asked.
        points: what can be read out of its values.
        crc: it knows the commands that end in C and give a CRC (version 1.3 and later).
        concurrent: it can measure while others are asked, and is not disturbed by that (aC!).
        ready_after: it is ready after so long, whatever longer time it announces.
        answer_ms: how long it thinks before it answers a command; the line's own time comes on top.
        wake_ms: what it needs between break and command beyond the 8.33 ms of the specification.
        unit: default address.
        doubts: signs by which it doubts its own values.
    """

    measurements: Annotated[tuple[Measurement, ...], msgspec.Meta(min_length=1, max_length=20)]
    points: Annotated[tuple[Sdi12Point, ...], msgspec.Meta(min_length=1, max_length=200)]
    crc: bool = False
    concurrent: bool = False
    ready_after: str | None = None
    answer_ms: Answer = Answer(9, 15)
    wake_ms: Milliseconds = 0
    unit: Address = "0"
    doubts: Annotated[tuple[Doubt, ...], msgspec.Meta(max_length=64)] = ()

    def point(self, name: str) -> Sdi12Point | None:
        """The point of that name, or None."""
        return next((point for point in self.points if point.name == name), None)

    def measurement_of(self, point: Sdi12Point) -> Measurement | None:
        """The measurement that brings a point, or None."""
        if not point.measurement:
            return self.measurements[0]
        return next((each for each in self.measurements if each.name == point.measurement), None)

    def asked(self, points: Collection[str]) -> list[Measurement]:
        """The measurements that bring any of these points, in the order in which they are asked for."""
        wanted = [self.measurement_of(point) for point in self.points if point.name in points]
        return [each for each in self.measurements if each in wanted]

    @property
    def measuring_ms(self) -> int | None:
        """Milliseconds that a measurement takes, or None when nobody says."""
        taken = self.power.measure_ms if self.power is not None else 0
        return taken or self.ready_after_ms

    @property
    def units(self) -> tuple[int, int]:
        """Lowest and highest address as a number."""
        return 0, ord("z")

    @property
    def ready_after_ms(self) -> int | None:
        """Milliseconds after which values are ready whatever is announced, or None."""
        return None if self.ready_after is None else duration_ms(self.ready_after)


def check_sdi12(profile: Sdi12Profile, path: Path, document: Document) -> None:
    """Complain about everything that does not fit together."""
    check_header(profile, path, document)
    check_names("measurements", profile.measurements, document)
    check_names("points", profile.points, document)
    check_answer(profile.answer_ms, document)
    try:
        if profile.ready_after_ms is not None and not 0 <= profile.ready_after_ms <= _WAIT_MS_MAX:
            document.complain(("ready_after",), "ready_after: at most 999s")
    except ValueError as error:
        document.complain(("ready_after",), f"ready_after: {error}")
    for index, point in enumerate(profile.points):
        place: Place = ("points", index)
        check_meaning(point, place, document)
        measurement = profile.measurement_of(point)
        if measurement is None:
            known = [each.name for each in profile.measurements]
            what = f"measurement: the profile has no {point.measurement!r}{near(point.measurement, known)}"
            document.complain((*place, "measurement"), what)
        elif point.value >= measurement.values:
            what = f"value: {measurement.name} brings {measurement.values} values, counted from 0"
            document.complain((*place, "value"), what)
    check_doubts(profile.doubts, {point.name for point in profile.points}, False, document)
