"""Reading a site file with its profiles, and every check that looks across the file."""

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from haihe_contract.document import Document, DocumentError, Problem, load_partly, near
from haihe_contract.element import ELEMENTS
from haihe_contract.quantity import duration_ms, duration_text, size_bytes
from haihe_contract.series import Series, Source
from haihe_contract.topic import STATION_PATTERN

from haihe_edge import limits
from haihe_edge.profile import LogPoint, PointBase, Profile, known_profiles, load_profile, profile_directories

from .allowance import allowance
from .derived import Derive
from .digital import GpioBus, Wiring
from .fitted import fitted
from .levelled import Levels
from .memory import recalls
from .plan import Allowance, Bus, Centre, Instrument, JournalPlan, Site, SiteSeries
from .spoken import AsciiBus, Sdi12Bus
from .suiting import alone, complain_about_bus, complain_about_unit, unit_number
from .wired import Wire
from .writing import commands, writable
from .written import GnssBus, SerialBus, WrittenCentre, WrittenInstrument, WrittenSeries, WrittenSite

_EVERYTHING = (-math.inf, math.inf)
_GNSS_POINTS = ("latitude", "longitude", "satellites")
_SIZE_BYTES_MIN = 1024 * 1024
_WINDOW_MS_MAX = 900_000
_LASTS_MS_MAX = 100 * 366 * 86_400_000
_Path = tuple[str | int, ...]
_E = TypeVar("_E")


def load_site(path: Path, profiles_dirs: Sequence[Path] = ()) -> Site:
    """Read a site file and the profiles it names.

    Args:
        path: the site file.
        profiles_dirs: directories that come before those of :func:`profile_directories`.

    Raises:
        DocumentError: with every fault of the file and of the profiles that it names.
    """
    written, document = load_partly(path, WrittenSite)
    return _Reader(path, written, document, profile_directories(profiles_dirs)).site()


class _Reader:
    """One pass over a site file. Faults go to the document, everything else into the plan."""

    def __init__(self, path: Path, written: WrittenSite, document: Document, directories: list[Path]) -> None:
        self.path = path
        self.written = written
        self.document = document
        self.known = known_profiles(directories)
        self.directories = directories
        self.profiles: dict[str, Profile | None] = {}
        self.foreign: list[Problem] = []
        self.warnings: list[Problem] = []
        self.buses: dict[str, Bus] = {}
        self.series: list[SiteSeries] = []
        self.places: dict[str, _Path] = {}
        self.derive = Derive(self.wrong, self._duration, self._append)

    def site(self) -> Site:
        """Resolve everything; raise with all faults at the end."""
        written = self.written
        if not re.match(STATION_PATTERN, written.station.code):
            self.wrong(
                ("station", "code"),
                f"code: {written.station.code!r} is no station code: eight digits or capital letters",
            )
        self._buses()
        instruments = self._instruments()
        for index, bus in _usable(written.buses):
            if isinstance(bus, GnssBus):
                self._gnss(bus, index)
        wirings = self._wirings(instruments)
        if len(self.series) > limits.SERIES_MAX:
            self.wrong(("instruments",), f"instruments: {len(self.series)} series, at most {limits.SERIES_MAX}")
        if not self.series and not self.document.problems and not self.foreign:
            self.wrong(("buses",), "the station measures nothing: add instruments or a bus of kind gnss")
        levels = Levels(self.series, self.wrong, self._is_faulty)(written.levels, wirings)
        journal = self._journal()
        centres = self._centres()
        control = self._beside(written.control) if written.control else journal.directory / "control.sock"
        if self.document.problems or self.foreign:
            raise DocumentError(self.document.problems + self.foreign)
        profiles = {name: profile for name, profile in self.profiles.items() if profile is not None}
        return Site(
            self.path, self._fingerprint(profiles), written.station, self.buses, instruments, tuple(self.series),
            levels, journal, centres, control, profiles, tuple(sorted(self.warnings)), places=self._periods(),
            wirings=wirings, counters=tuple(self.derive.rains), profile_files=self.known,
        )  # fmt: skip

    def _periods(self) -> dict[str, Problem]:
        return {
            each.name: self.document.problem(("instruments", index, "every"), "every")
            for index, each in _usable(self.written.instruments)
        }

    def _is_faulty(self) -> bool:
        return bool(self.document.problems or self.foreign)

    def wrong(self, path: _Path, what: str) -> None:
        self.document.complain(path, what)

    def warn(self, path: _Path, what: str) -> None:
        self.warnings.append(self.document.problem(path, what))

    def _beside(self, text: str) -> Path:
        return self.path.parent / text

    def _duration(self, path: _Path, text: str, least: int, most: int) -> int:
        try:
            found = duration_ms(text)
        except ValueError as error:
            self.wrong(path, f"{path[-1]}: {error}")
            return most
        if not least <= found <= most:
            self.wrong(path, f"{path[-1]}: {text} is not between {duration_text(least)} and {duration_text(most)}")
        return found

    def _unique(self, kind: str, entries: Sequence[Bus | WrittenInstrument | WrittenCentre]) -> None:
        seen: dict[str, int] = {}
        for index, each in _usable(entries):
            if each.name in seen:
                self.wrong(
                    (kind, index, "name"),
                    f"name: {each.name!r} is already the name of entry {seen[each.name] + 1} of {kind}",
                )
            seen.setdefault(each.name, index)

    def _buses(self) -> None:
        self._unique("buses", self.written.buses)
        ports: dict[str, str] = {}
        for index, bus in _usable(self.written.buses):
            self.buses.setdefault(bus.name, bus)
            if isinstance(bus, GpioBus):
                if bus.chip in ports:
                    self.wrong(("buses", index, "chip"), f"chip: {bus.chip} already belongs to bus {ports[bus.chip]!r}")
                ports.setdefault(bus.chip, bus.name)
            if isinstance(bus, Sdi12Bus):
                self._duration(("buses", index, "latency"), bus.latency, 0, limits.SDI12_LATENCY_MS_MAX)
            if isinstance(bus, SerialBus | GnssBus | AsciiBus | Sdi12Bus):
                if bus.port in ports:
                    self.wrong(("buses", index, "port"), f"port: {bus.port} already belongs to bus {ports[bus.port]!r}")
                ports.setdefault(bus.port, bus.name)

    def _instruments(self) -> tuple[Instrument, ...]:
        self._unique("instruments", self.written.instruments)
        gnss = {bus.name for _, bus in _usable(self.written.buses) if isinstance(bus, GnssBus)}
        taken: dict[tuple[str, int], str] = {}
        found = []
        for index, each in _usable(self.written.instruments):
            path: _Path = ("instruments", index)
            profile = self._profile(each.profile, path)
            unit = unit_number(each.unit, profile, path, self.wrong)
            if each.name in gnss:
                self.wrong((*path, "name"), f"name: {each.name!r} is already the name of a gnss bus")
            bus = self.buses.get(each.bus)
            if bus is None and None not in self.written.buses:  # else it may be the bus that is wrong
                self.wrong((*path, "bus"), f"bus: {each.bus!r} is not one of buses{near(each.bus, self.buses)}")
            elif isinstance(bus, GnssBus):
                self.wrong((*path, "bus"), f"bus: {each.bus!r} is a positioning receiver; no instrument can share it")
            elif isinstance(bus, GpioBus):
                self.wrong((*path, "bus"), f"bus: {each.bus!r} has digital lines; write what is wired to it there")
            elif (each.bus, unit) in taken:
                other = taken[each.bus, unit]
                self.wrong((*path, "unit"), f"unit: {unit} on bus {each.bus!r} is already instrument {other!r}")
            taken.setdefault((each.bus, unit), each.name)
            period = self._duration((*path, "every"), each.every, limits.PERIOD_MS_MIN, limits.PERIOD_MS_MAX)
            if profile is None:
                continue
            self._suits(unit, profile, bus, path)
            profile = fitted(profile, each, period, path, self.wrong)
            numbers = self._series_of(each, profile, period, path)
            allowed = writable(each.writable, profile, path, self.wrong)
            orders = commands(each.commands, profile, path, self.wrong)
            memory = recalls(each, profile, [self.series[number] for number in numbers], path, self)
            found.append(Instrument(each.name, profile, each.bus, unit, period, numbers, allowed, orders, memory))
        for one, key, what in alone(found):
            index = next(at for at, each in _usable(self.written.instruments) if each.name == one.name)
            self.wrong(("instruments", index, key), what)
        return tuple(found)

    def _profile(self, name: str, path: _Path) -> Profile | None:
        if name not in self.profiles:
            self.profiles[name] = None
            if name in self.known:
                try:
                    self.profiles[name] = load_profile(self.known[name])
                except DocumentError as error:
                    self.foreign += error.problems
        if name not in self.known:
            hint = near(name, self.known)
            if not self.known:
                hint = "; no profile in " + ", ".join(str(each) for each in self.directories)
            self.wrong((*path, "profile"), f"profile: {name!r} is not known{hint}")
        return self.profiles[name]

    def _suits(self, unit: int, profile: Profile, bus: Bus | None, path: _Path) -> None:
        complain_about_bus(profile, bus, path, self.wrong)
        complain_about_unit(unit, profile, path, self.wrong)
        if isinstance(bus, SerialBus | AsciiBus) and profile.serial is not None:
            ours = (bus.baud, bus.parity, bus.stop_bits)
            theirs = (profile.serial.baud, profile.serial.parity, profile.serial.stop_bits)
            if ours != theirs:
                self.warn(
                    (*path, "bus"),
                    f"bus: {bus.name} is set to {_settings(ours)}; a new {profile.profile} has {_settings(theirs)}",
                )

    def _series_of(self, each: WrittenInstrument, profile: Profile, period: int, path: _Path) -> tuple[int, ...]:
        entries: list[tuple[WrittenSeries, _Path]]
        if each.series is None:
            entries = [
                (WrittenSeries(point.name, at=point.place or "main"), path) for point in profile.points if point.element
            ]
            if not entries:
                self.wrong((*path, "profile"), f"profile: no point of {profile.profile} names an element; write series")
        else:
            entries = [(entry, (*path, "series", index)) for index, entry in _usable(each.series)]
        raw = {(entry.point, entry.at) for entry, _ in entries if not _derived(entry)}
        numbers: list[int] = []
        for entry, place in entries:
            point = profile.point(entry.point)
            if point is None:
                known = [point.name for point in profile.points]
                self.wrong(
                    (*place, "point"), f"point: {profile.profile} has no {entry.point!r}{near(entry.point, known)}"
                )
                continue
            if _derived(entry) and point.element and (entry.point, entry.at) not in raw:
                # Raw and corrected travel together: a wrong height can be corrected later.
                raw.add((entry.point, entry.at))
                numbers += self._add(each, WrittenSeries(entry.point, at=entry.at), point, period, place)
            numbers += self._add(each, entry, point, period, place)
        return tuple(numbers)

    def _add(
        self, each: WrittenInstrument, entry: WrittenSeries, point: PointBase, period: int, path: _Path
    ) -> list[int]:
        code = entry.element or point.element
        if code is None:
            self.wrong((*path, "point"), f"point: {point.name} names no element; add 'as: …'")
            return []
        if code not in ELEMENTS:
            self.wrong((*path, "as"), f"as: {code!r} is not in the element register{near(code, ELEMENTS)}")
            return []
        if not point.is_number:
            self.wrong((*path, "point"), f"point: {point.name} of {each.profile} is text, no measurement")
            return []
        if entry.times == 0:
            self.wrong((*path, "times"), "times: 0 would make every value the same")
        local = _range(entry.low, entry.high)
        if local[0] >= local[1]:
            self.wrong((*path, "high"), "high: must be more than low")
        if code == "water_level" and not entry.datum:
            self.warn(path, "a water level without datum can be compared with no level; add 'datum: …'")
        if point.unsure:
            self.warn(path, f"point {point.name} of {each.profile} is not sure: {point.unsure}")
        source = Source.DERIVED if _derived(entry) else Source.INSTRUMENT
        series = Series(code, entry.at, source=source, datum=entry.datum or "")
        sensor = _range(point.low, point.high)
        numbers = self._append(series, period, each.name, each.bus, entry, sensor, local, path)
        for number in numbers:
            self.derive(each, entry, point, number, period, path)
        return numbers

    def _append(
        self, series: Series, period: int, instrument: str, bus: str, entry: WrittenSeries,
        sensor: tuple[float, float], local: tuple[float, float], path: _Path,
    ) -> list[int]:  # fmt: skip
        key = series.key
        if key in self.places:
            place = self.document.problem(self.places[key], "")
            self.wrong(path, f"the series {key} is already written in line {place.line}; tell them apart with 'at: …'")
            return []
        self.places[key] = path
        number = len(self.series)
        self.series.append(
            SiteSeries(
                number, series, key, period, instrument, bus, entry.point, entry.times, entry.plus, sensor, local
            )
        )
        return [number]

    def add(self, series: Series, period: int, each: WrittenInstrument, point: LogPoint, path: _Path) -> list[int]:
        """A series that only an instrument's memory tells."""
        entry = WrittenSeries(point.name, at=series.point)
        return self._append(
            series, period, each.name, each.bus, entry, _range(point.low, point.high), _EVERYTHING, path
        )

    def _gnss(self, bus: GnssBus, index: int) -> None:
        path: _Path = ("buses", index)
        period = self._duration((*path, "every"), bus.every, 1000, limits.PERIOD_MS_MAX)
        for code in _GNSS_POINTS:
            entry = WrittenSeries(code, at=bus.point)
            self._append(Series(code, bus.point), period, bus.name, bus.name, entry, _EVERYTHING, _EVERYTHING, path)

    def _wirings(self, instruments: Sequence[Instrument]) -> dict[str, Wiring]:
        warm_ups: dict[str, int | None] = {}
        for each in instruments:
            power = each.profile.power
            warm_ups[each.name] = power.warm_up_ms + power.settle_ms if power else None
        wire = Wire(self.wrong, self._duration, self._append, warm_ups)
        taken = {each.name: f"instrument {each.name!r}" for _, each in _usable(self.written.instruments)}
        taken |= {bus.name: f"bus {bus.name!r}" for bus in self.buses.values() if isinstance(bus, GnssBus)}
        return {
            bus.name: wire(bus, ("buses", index), taken)
            for index, bus in _usable(self.written.buses)
            if isinstance(bus, GpioBus)
        }

    def _journal(self) -> JournalPlan:
        written = self.written.journal
        size, most = self._size("size", written.size), self._size("writes_most", written.writes_most)
        window = self._duration(("journal", "window"), written.window, 1, _WINDOW_MS_MAX)
        lasts = self._duration(("journal", "lasts"), written.lasts, 1, _LASTS_MS_MAX) if written.lasts else None
        place = self.document.problem(("journal",), "")
        return JournalPlan(self._beside(written.directory), size, window, lasts, most, place)

    def _size(self, key: str, text: str) -> int:
        try:
            found = size_bytes(text)
        except ValueError as error:
            self.wrong(("journal", key), f"{key}: {error}")
            return _SIZE_BYTES_MIN
        if found < _SIZE_BYTES_MIN:
            self.wrong(("journal", key), f"{key}: at least 1MiB is needed")
        return found

    def _centres(self) -> tuple[Centre, ...]:
        self._unique("centres", self.written.centres)
        found = []
        for index, each in _usable(self.written.centres):
            files = {key: self._beside(getattr(each, key)) for key in ("ca", "certificate", "key", "receipt_key")}
            for key, file in files.items():
                if not file.is_file():
                    self.warn(("centres", index, key), f"{key}: there is no file {file} yet")
            retry = self._duration(("centres", index, "retry_most"), each.retry_most, 500, 3_600_000)
            heartbeat = self._duration(("centres", index, "heartbeat"), each.heartbeat, 5_000, 3_600_000)
            allowance = self._allowance(("centres", index, "budget"), each.budget)
            found.append(
                Centre(
                    each.name, each.host, each.port, required=each.required, retry_most_ms=retry,
                    heartbeat_ms=heartbeat, allowance=allowance, **files,
                )
            )  # fmt: skip
        return tuple(found)

    def _allowance(self, path: _Path, text: str | None) -> Allowance | None:
        try:
            return None if text is None else allowance(text)
        except ValueError as error:
            self.wrong(path, f"budget: {error}")
            return None

    def _fingerprint(self, profiles: dict[str, Profile]) -> str:
        digest = hashlib.sha256(self.path.read_bytes())
        for name in sorted(profiles):
            digest.update(self.known[name].read_bytes())
        return digest.hexdigest()[:16]


def _usable(entries: Sequence[_E]) -> Iterator[tuple[int, _E]]:
    """The entries with their place, without those that could not be read: their fault is noted already."""
    return ((index, entry) for index, entry in enumerate(entries) if entry is not None)


def _derived(entry: WrittenSeries) -> bool:
    return entry.times != 1 or entry.plus != 0


def _range(low: float | None, high: float | None) -> tuple[float, float]:
    return -math.inf if low is None else low, math.inf if high is None else high


def _settings(settings: tuple[int, str, int]) -> str:
    return f"{settings[0]} 8{settings[1][0].upper()}{settings[2]}"
