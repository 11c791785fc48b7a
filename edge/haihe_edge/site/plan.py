"""A site as the agent uses it: every name resolved, every text turned into a number."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from haihe_contract.document import Problem
from haihe_contract.series import Series

from haihe_edge.profile import Profile

from .digital import GpioBus, Wiring
from .spoken import AsciiBus, Sdi12Bus
from .written import GnssBus, SerialBus, Station, TcpBus

Bus = SerialBus | TcpBus | GnssBus | GpioBus | AsciiBus | Sdi12Bus


class SiteSeries(NamedTuple):
    """One series of the station; its place in the list is its number in the dictionary.

    Args:
        number: place in :attr:`Site.series`.
        series: its identity.
        key: the identity as text.
        period_ms: how often a value is expected.
        instrument: name of the instrument, or of the gnss bus.
        bus: name of the bus.
        point: name of the profile's point; latitude, longitude or satellites of a gnss bus.
        times: factor from the point's value.
        plus: added after the factor.
        sensor: lowest and highest value that the sensor can measure, before times and plus.
        local: lowest and highest value that is believable here, after times and plus.
    """

    number: int
    series: Series
    key: str
    period_ms: int
    instrument: str
    bus: str
    point: str
    times: float
    plus: float
    sensor: tuple[float, float]
    local: tuple[float, float]


class Recall(NamedTuple):
    """A log of an instrument's memory that the site uses.

    Args:
        log: of the profile.
        series: numbers of :attr:`Site.series` by the entry's point that tells them.
        own: those that only the memory tells.
    """

    log: str
    series: Mapping[str, tuple[int, ...]]
    own: frozenset[int] = frozenset()

    @property
    def numbers(self) -> tuple[int, ...]:
        """All series that it tells."""
        return tuple(number for numbers in self.series.values() for number in numbers)


class Instrument(NamedTuple):
    """One instrument.

    Args:
        name: ours.
        profile: of it, variant chosen and parameters put in.
        bus: name of the bus.
        unit: its address.
        period_ms: how often it is asked.
        series: numbers of :attr:`Site.series` that a poll tells.
        writable: names of points that may be set.
        commands: names of commands of the profile that may be sent.
        recalls: what its memory tells.
    """

    name: str
    profile: Profile
    bus: str
    unit: int
    period_ms: int
    series: tuple[int, ...]
    writable: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    recalls: tuple[Recall, ...] = ()


class CounterRain(NamedTuple):
    """Rain of an interval that the station makes of a counter.

    Args:
        counter: number of the counter in :attr:`Site.series`.
        number: number of the rain.
        period_ms: the interval.
        poll_ms: how often the counter is read.
        wraps_at: it begins at 0 again when it would reach this, in the element's unit; None if it does not wrap.
        from_zero: whether it begins at 0 when the instrument starts.
    """

    counter: int
    number: int
    period_ms: int
    poll_ms: int
    wraps_at: float | None
    from_zero: bool


class Level(NamedTuple):
    """The station's own levels of one series; ``number`` is a number of :attr:`Site.series`."""

    number: int
    key: str
    datum: str
    warning: float | None
    guarantee: float | None
    hysteresis: float


class JournalPlan(NamedTuple):
    """Where the journal lies and what is wished of it.

    Args:
        directory: where.
        size_bytes: the most that its files may take.
        window_ms: the commit window.
        lasts_ms: how long it should last without a link, None if that is not said.
        writes_most: bytes a day that may be written to the card.
        place: where in the site file it stands.
    """

    directory: Path
    size_bytes: int
    window_ms: int
    lasts_ms: int | None
    writes_most: int
    place: Problem


class Allowance(NamedTuple):
    """What a metered link may carry.

    Args:
        bytes: in one period, both ways.
        monthly: the period is a calendar month in Beijing, else a day.
    """

    bytes: int
    monthly: bool


class Centre(NamedTuple):
    """A centre with the places of its files."""

    name: str
    host: str
    port: int
    ca: Path
    certificate: Path
    key: Path
    receipt_key: Path
    required: bool
    retry_most_ms: int
    heartbeat_ms: int
    allowance: Allowance | None


class Site(NamedTuple):
    """Everything a station is, checked as a whole.

    Args:
        file: the site file.
        fingerprint: 16 hex digits over the site file and the profiles it uses.
        station: who speaks.
        buses: by name, in the order of the file.
        instruments: in the order of the file.
        series: the series table; dictionary and duty follow from it.
        levels: the station's own levels.
        journal: where the station keeps what it measured.
        centres: who receives.
        control: the control socket.
        profiles: the profiles in use, by id.
        warnings: what is allowed and worth a look.
        wirings: the digital lines of every gpio bus, by its name.
        counters: rain that the station makes of counters.
        profile_files: every profile that can be named, by id.
        places: where in the file the period of each instrument stands.
    """

    file: Path
    fingerprint: str
    station: Station
    buses: Mapping[str, Bus]
    instruments: tuple[Instrument, ...]
    series: tuple[SiteSeries, ...]
    levels: tuple[Level, ...]
    journal: JournalPlan
    centres: tuple[Centre, ...]
    control: Path
    profiles: Mapping[str, Profile]
    warnings: tuple[Problem, ...]
    wirings: Mapping[str, Wiring] = MappingProxyType({})
    counters: tuple[CounterRain, ...] = ()
    places: Mapping[str, Problem] = MappingProxyType({})
    profile_files: Mapping[str, Path] = MappingProxyType({})

    def dictionary(self) -> list[str]:
        """Series keys by number, for the Dictionary record."""
        return [each.key for each in self.series]

    def duty(self) -> list[int]:
        """Period in milliseconds by series number, for the Duty record."""
        return [each.period_ms for each in self.series]

    def instrument(self, name: str) -> Instrument | None:
        """The instrument of that name, or None."""
        return next((each for each in self.instruments if each.name == name), None)

    def only(self, name: str) -> "Site":
        """The same site with one instrument (or receiver) and its bus; series keep their numbers.

        The bus of its supply, if that is switched, stays too.
        """
        chosen = self.instrument(name)
        kept = {chosen.bus if chosen else self.bus_of_line(name) or name}
        kept |= {bus for bus, wiring in self.wirings.items() if any(name in out.warm_up_ms for out in wiring.outputs)}
        return self._replace(
            instruments=(chosen,) if chosen else (),
            buses={each.name: each for each in self.buses.values() if each.name in kept},
        )

    def bus_of_line(self, name: str) -> str | None:
        """The gpio bus that has a rain gauge or contact of that name, or None."""
        for bus, wiring in self.wirings.items():
            names = [rain.line.name for rain in wiring.rains] + [contact.line.name for contact in wiring.contacts]
            if name in names:
                return bus
        return None
