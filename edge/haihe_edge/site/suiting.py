"""Whether an instrument and its bus speak the same, and which address an instrument has."""

from collections.abc import Callable, Iterator
from typing import Any

from haihe_edge.profile import ModbusProfile, Profile, Sdi12Profile, TextProfile
from haihe_edge.profile.sdi12 import unit_of

from .plan import Bus, Instrument
from .spoken import AsciiBus, Sdi12Bus
from .written import SerialBus, TcpBus

_Path = tuple[str | int, ...]
Wrong = Callable[[_Path, str], None]
_KINDS: dict[Any, tuple[str, tuple[type, ...]]] = {
    ModbusProfile: ("Modbus", (SerialBus, TcpBus)),
    TextProfile: ("text", (AsciiBus,)),
    Sdi12Profile: ("SDI-12", (Sdi12Bus,)),
}
_WORDS: dict[Any, str] = {SerialBus: "serial", TcpBus: "tcp", AsciiBus: "ascii", Sdi12Bus: "sdi12"}


def unit_number(unit: int | str | None, profile: Profile | None, path: _Path, wrong: Wrong) -> int:
    """The address of an instrument as a number.

    Args:
        unit: as written, or None where it is left out.
        profile: of the instrument, None where it could not be read.
        path: of the instrument.
        wrong: notes a fault.
    """
    if unit is None:
        if isinstance(profile, ModbusProfile):
            wrong((*path, "unit"), "instruments: the key 'unit' is missing")
        unit = 0 if profile is None else profile.unit
    if isinstance(profile, Sdi12Profile):
        if len(str(unit)) != 1:
            wrong((*path, "unit"), f"unit: {unit} is no address on SDI-12; write one digit or letter")
            return 0
        return unit_of(str(unit))
    if isinstance(unit, str) and not unit.isdigit():
        if profile is not None:
            wrong((*path, "unit"), f"unit: wanted a whole number, got {unit!r}")
        return 0
    return int(unit)


def complain_about_bus(profile: Profile, bus: Bus | None, path: _Path, wrong: Wrong) -> None:
    """Complain when an instrument cannot be understood on that bus."""
    language, kinds = _KINDS[type(profile)]
    if type(bus) in _WORDS and not isinstance(bus, kinds):
        needed = " or ".join(_WORDS[kind] for kind in kinds)
        wrong((*path, "bus"), f"bus: {profile.profile} speaks {language}; it needs a bus of kind {needed}")


def alone(instruments: list[Instrument]) -> Iterator[tuple[Instrument, Instrument]]:
    """Pairs that cannot share their line, since one of them speaks unasked or has no address."""
    for each in instruments:
        profile = each.profile
        if isinstance(profile, TextProfile) and not (profile.is_polled and profile.is_addressed):
            for other in instruments:
                if other.bus == each.bus and other is not each:
                    yield each, other
                    break
