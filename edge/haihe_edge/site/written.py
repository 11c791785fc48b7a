"""A site file as people write it: the model of ``site_configs/*.yaml``. The docstrings are its reference."""

from typing import Annotated, Literal

import msgspec
from haihe_contract.series import POINT_PATTERN

from haihe_edge import limits
from haihe_edge.profile import Parity
from haihe_edge.profile.header import Unit
from haihe_edge.profile.sdi12 import Address

from .digital import GpioBus
from .spoken import AsciiBus, Sdi12Bus

Name = Annotated[str, msgspec.Meta(pattern=POINT_PATTERN)]
Baud = Annotated[int, msgspec.Meta(ge=300, le=4_000_000)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Text = Annotated[str, msgspec.Meta(min_length=1)]


class StationName(msgspec.Struct, frozen=True):
    """The station's name for people.

    Args:
        zh: in Chinese.
        en: in English.
    """

    zh: Text
    en: Text


class Station(msgspec.Struct, frozen=True):
    """Who speaks.

    Args:
        code: the bureau's station code, eight digits or capital letters. Write it in quotes.
        name: for people.
        latitude: degrees north (WGS 84), as surveyed.
        longitude: degrees east.
    """

    code: str
    name: StationName
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]


class SerialBus(msgspec.Struct, frozen=True, tag="serial", tag_field="kind"):
    """An RS-485 or RS-232 line: Modbus RTU.

    Args:
        name: ours.
        port: the device; a name under /dev/serial/by-path survives an adapter that is plugged in again, and
            so does ``usb:1-1.2``, the socket that the adapter is plugged into.
        baud: bits per second, the same for all instruments of the line.
        parity: none, even or odd.
        stop_bits: 1 or 2.
        direction: who switches the transmitter of RS-485 on and off: adapter (by itself; also for RS-232) or
            kernel (the board's own port, by RTS).
    """

    name: Name
    port: Text
    baud: Baud = 9600
    parity: Parity = "none"
    stop_bits: Literal[1, 2] = 1
    direction: Literal["adapter", "kernel"] = "adapter"


class TcpBus(msgspec.Struct, frozen=True, tag="tcp", tag_field="kind"):
    """Instruments behind a network address.

    Args:
        name: ours.
        host: name or address.
        port: 502 for Modbus TCP.
        framing: tcp for Modbus TCP; rtu for a serial server that passes RTU frames through.
    """

    name: Name
    host: Text
    port: Port = 502
    framing: Literal["tcp", "rtu"] = "tcp"


class GnssBus(msgspec.Struct, frozen=True, tag="gnss", tag_field="kind"):
    """A positioning receiver (Beidou, GPS) that speaks NMEA 0183 on its own line. It is an instrument itself.

    Args:
        name: ours.
        port: the device.
        baud: bits per second.
        every: how often position and satellites are written down.
        point: the measuring point of its series.
        antenna_warning: whether an antenna that is reported open is worth an event; with a passive antenna or
            a splitter "open" is normal.
        moved_m: metres from the surveyed place beyond which a position is suspect.
    """

    name: Name
    port: Text
    baud: Baud = 9600
    every: str = "60s"
    point: Name = "main"
    antenna_warning: bool = True
    moved_m: Annotated[float, msgspec.Meta(gt=0)] = 500.0


class WrittenDerive(msgspec.Struct, frozen=True):
    """Rain of an interval, made by the station from a counter that only grows: of what fell while nobody asked too.

    A counter that jumps back becomes no rain: either it has wrapped, and then it is told by how little the rain
    must have been, or what fell is not known and the interval is missing.

    Args:
        element: period_rain.
        every: the interval; values are stamped at its end, and a day ends at 08:00 in Beijing.
        wraps_at: the counter begins at 0 again when it would reach this, in millimetres; left out: what the
            profile's number can hold.
        after_reset: zero if the instrument is known to begin at 0 again when it starts, so that what it says
            then has fallen since; unknown makes the interval missing.
    """

    every: str
    element: Literal["period_rain"] = "period_rain"
    wraps_at: Annotated[float, msgspec.Meta(gt=0)] | None = None
    after_reset: Literal["unknown", "zero"] = "unknown"


class WrittenSeries(msgspec.Struct, frozen=True):
    """One series of an instrument: value = point * times + plus.

    Args:
        point: name of the profile's point.
        element: what it measures, where that differs from the profile; written ``as``.
        at: the measuring point, e.g. main, upstream, 40cm.
        times: factor; with anything but 1 the series is derived, and the raw one travels beside it.
        plus: added after the factor: for a radar the height of its zero above the datum.
        datum: what a level is measured from, e.g. dagu.
        low: below this the value is not believable here. It is marked, not deleted.
        high: above this the value is not believable here.
        derive: what the station makes of it beside: for accumulated_rain the rain of one or more intervals.
    """

    point: str
    element: str | None = msgspec.field(name="as", default=None)
    at: Name = "main"
    times: float = 1.0
    plus: float = 0.0
    datum: Annotated[str, msgspec.Meta(pattern=POINT_PATTERN)] | None = None
    low: float | None = None
    high: float | None = None
    derive: Annotated[tuple[WrittenDerive, ...], msgspec.Meta(max_length=8)] | WrittenDerive = ()


class WrittenInstrument(msgspec.Struct, frozen=True):
    """One instrument.

    Args:
        name: ours, as people at the station call it.
        profile: which model it is; see firmware_profiles.
        bus: which bus it is on.
        unit: its address on the bus; on SDI-12 a digit or a letter. Modbus needs it, elsewhere it may be left out
            where it is the profile's.
        every: how often it is read.
        series: what is made of its points; left out: every point that names an element.
        variant: which of the profile's variants it is, where it cannot tell by itself.
        parameters: numbers that the profile asks the station for.
        writable: points that may be written here with ``haihe-edge write``; the profile must allow it too.
        commands: commands of the profile that may be sent here with ``haihe-edge command``.
        memory: whether what was missed is read back from its own memory: true for every log of the profile, or the
            names of some.
    """

    name: Name
    profile: str
    bus: str
    every: str
    unit: Unit | Address | None = None
    series: Annotated[tuple[WrittenSeries, ...], msgspec.Meta(min_length=1, max_length=500)] | None = None
    variant: Name | None = None
    parameters: dict[Name, float] = msgspec.field(default_factory=dict)
    writable: Annotated[tuple[str, ...], msgspec.Meta(max_length=100)] = ()
    commands: Annotated[tuple[str, ...], msgspec.Meta(max_length=64)] = ()
    memory: bool | Annotated[tuple[str, ...], msgspec.Meta(max_length=8)] = False


class WrittenLevel(msgspec.Struct, frozen=True):
    """The station's own levels of a series. Crossing one goes by the alarm lane, whatever the link.

    Args:
        series: ``water_level``, ``water_level.upstream``, or the whole key.
        datum: what the levels are measured from; must be that of the series.
        warning: the lower level.
        guarantee: the higher level.
        hysteresis: how far below a level the value must fall before the crossing is over.
    """

    series: Text
    datum: str = ""
    warning: float | None = None
    guarantee: float | None = None
    hysteresis: Annotated[float, msgspec.Meta(ge=0)] = 0.05


class WrittenJournal(msgspec.Struct, frozen=True):
    """Where the station keeps what it measured.

    Args:
        directory: where; relative to the site file.
        size: the most that its files may take together.
        window: the longest time for which routine readings wait for their commit.
        lasts: how long it should hold all readings without a link; ``haihe-edge check`` warns when it would not.
        writes_most: the most that may be written to the card in a day; ``haihe-edge check`` warns beyond it.
    """

    directory: Text
    size: str = "512MiB"
    window: str = "1s"
    lasts: str | None = None
    writes_most: str = "500MiB"


class WrittenCentre(msgspec.Struct, frozen=True):
    """A centre that the station reports to. Files are relative to the site file.

    Args:
        name: ours.
        host: of its broker.
        port: of its broker.
        ca: certificate of the authority that the broker's certificate comes from.
        certificate: the station's certificate.
        key: the station's private key.
        receipt_key: the centre's public key, by which its receipts are known.
        required: whether its receipt is needed before a record may be freed.
        retry_most: the longest pause between two attempts to connect.
        heartbeat: after so long without anything to send the station says that it is there. On a link that is paid
            for by the byte 5min or more; the centre's rule of silence must allow for it.
        budget: the most that the link may carry in a day or a month of Beijing time, both ways, for example
            ``200MB/month``. Backlog leaves a reserve for live values, live thins when little is left, alarms always
            go. Left out: no limit.
    """

    name: Name
    host: Text
    ca: Text
    certificate: Text
    key: Text
    receipt_key: Text
    port: Port = 8883
    required: bool = True
    retry_most: str = "30s"
    heartbeat: str = "30s"
    budget: str | None = None


class WrittenSite(msgspec.Struct, frozen=True):
    """A whole site file.

    Args:
        station: who speaks.
        buses: wires and connections that instruments share.
        journal: where the station keeps what it measured.
        instruments: what is on the buses.
        levels: the station's own levels.
        centres: who receives.
        control: the socket by which ``haihe-edge status`` asks the running agent; left out: in the journal's
            directory.
    """

    station: Station
    buses: Annotated[
        tuple[SerialBus | TcpBus | GnssBus | GpioBus | AsciiBus | Sdi12Bus, ...],
        msgspec.Meta(min_length=1, max_length=limits.BUSES_MAX),
    ]
    journal: WrittenJournal
    instruments: Annotated[tuple[WrittenInstrument, ...], msgspec.Meta(max_length=limits.INSTRUMENTS_MAX)] = ()
    levels: Annotated[tuple[WrittenLevel, ...], msgspec.Meta(max_length=limits.SERIES_MAX)] = ()
    centres: Annotated[tuple[WrittenCentre, ...], msgspec.Meta(max_length=8)] = ()
    control: str | None = None
