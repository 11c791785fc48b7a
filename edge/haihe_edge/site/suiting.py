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


def complain_about_unit(unit: int, profile: Profile, path: _Path, wrong: Wrong) -> None:
    """Complain when an instrument cannot answer at that address."""
    low, high = profile.units
    if not (low <= unit <= high or _answers_as_any(unit, profile)):
        wrong((*path, "unit"), f"unit: {profile.profile} can have {low} to {high}")


def _answers_as_any(unit: int, profile: Profile) -> bool:
    """Whether that is an address at which every one of them answers, whatever its own is."""
    return isinstance(profile, ModbusProfile) and unit == profile.any_address


def alone(instruments: list[Instrument]) -> Iterator[tuple[Instrument, str, str]]:
    """Those that cannot share their line but do: with the key that says so, and what is wrong."""
    for each in instruments:
        profile, bus = each.profile, each.bus
        speaks_unasked = isinstance(profile, TextProfile) and not (profile.is_polled and profile.is_addressed)
        as_any = _answers_as_any(each.unit, profile)
        other = next((other for other in instruments if other.bus == bus and other is not each), None)
        if other is None or not (speaks_unasked or as_any):
            continue
        rule = f"{profile.profile} must be alone on its line; {bus!r} has {other.name!r} too"
        yield (each, "unit", f"unit: asked at {each.unit}, {rule}") if as_any else (each, "bus", f"bus: {rule}")
