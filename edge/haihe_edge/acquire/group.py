"""What the acquirer hands on, and what it shows of itself."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec
from haihe_contract.quality import Grade, Reason

Sample = tuple[int, float | None, Reason]
"""Series number; the point's value in the element's unit before the site's times and plus, or None; why not."""


class Group(NamedTuple):
    """What one poll brought.

    Args:
        time_ms: when its last answer arrived: wall time, or with grade NONE milliseconds of this boot.
        grade: how good the clock was.
        monotonic_ms: the same moment in milliseconds of this boot.
        instrument: who was asked (the name of the bus for a positioning receiver).
        samples: one a series.
    """

    time_ms: int
    grade: Grade
    monotonic_ms: int
    instrument: str
    samples: list[Sample]


class Happening(NamedTuple):
    """Something that a bus noticed and that is no reading, for an Event record.

    Args:
        time_ms: as for :class:`Group`.
        grade: as for :class:`Group`.
        kind: ``bus_down``, ``bus_up``, ``instrument_silent``, ``instrument_back`` when an outage begins and ends;
            ``bus_silent``, ``bus_heard`` when no instrument of a bus answers and when the first one does again;
            ``profile_mismatch``, ``profile_fits`` when an instrument is not what its profile says, and when it is
            again; ``address_conflict`` when two instruments answer at one address;
            ``antenna_open``, ``antenna_short``, ``antenna_ok``, ``gnss_restarted``, ``station_moved``,
            ``station_back``; of digital lines ``rain_not_counted`` (the agent was not running),
            ``rain_total_lost`` (the file with the totals was damaged), ``rain_total_not_kept`` (the disk refuses
            it), ``edges_lost`` (a line moved too fast); of what people had done to an instrument ``point_written``
            and ``command_sent``, and the same with ``write_refused``, ``write_failed``, ``command_refused`` and
            ``command_failed``: refused means that nothing was sent, failed that something was.
        bus: where.
        detail: facts by name.
    """

    time_ms: int
    grade: Grade
    kind: str
    bus: str
    detail: dict[str, object]


Happened = Callable[[str, dict[str, object]], None]
"""Told kind and detail of what happened."""

Said = tuple[str, dict[str, object]]
"""A sentence of the words table with its facts: ``words(said[0], **said[1])``."""


class MemoryState(msgspec.Struct):
    """How reading one log of an instrument's memory is doing.

    Args:
        log: of the profile.
        reading: whether something is wanted from it now.
        entries: entries that became readings since the start.
        damaged: entries without a time that can be, passed over.
        future: entries ahead of the station's clock, refused when it was last read.
        given_up: silences that were let go of because too many waited.
        newest_ms: time of the newest entry that became a reading, None for none yet.
        error: why it could not be read, None when it could.
    """

    log: str
    reading: bool = False
    entries: int = 0
    damaged: int = 0
    future: int = 0
    given_up: int = 0
    newest_ms: int | None = None
    error: Said | None = None


class InstrumentState(msgspec.Struct):
    """How an instrument is doing.

    Args:
        name: of the instrument.
        unit: its address, -1 for a receiver.
        polls: how often it was asked.
        answers: how often it answered in full.
        failures: failed polls since the last good one.
        skipped: due times at which it was left alone.
        overruns: due times that passed while the bus was busy.
        answered_ago_ms: how long ago it last answered, None for never.
        next_probe_ms: when it is asked again, if it is being left alone; else None.
        wait_ms: how long its answer is waited for at present.
        error: why the last poll failed, None after a good one.
        memory: how reading its memory is doing, one a log that the site uses.
    """

    name: str
    unit: int
    polls: int = 0
    answers: int = 0
    failures: int = 0
    skipped: int = 0
    overruns: int = 0
    answered_ago_ms: int | None = None
    next_probe_ms: int | None = None
    wait_ms: int | None = None
    error: Said | None = None
    memory: list[MemoryState] = []


class BusState(msgspec.Struct):
    """How a bus is doing.

    Args:
        name: of the bus.
        kind: serial, tcp or gnss.
        address: port, or host and port.
        is_open: whether it can be used now.
        error: why not, None when it can.
        instruments: who is on it.
        detail: for a receiver: antenna, satellites, whether it has a fix, refused sentences by cause.
    """

    name: str
    kind: str
    address: str
    is_open: bool
    error: Said | None
    instruments: list[InstrumentState]
    detail: dict[str, object] = {}
