"""What a poll costs on an SDI-12 line. Pure.

Each exchange has the break that wakes the sensors, the command, the sensor's answer time and the answer, all at
1200 baud. A measurement with M keeps the line until its values are ready. One with C leaves it to others, and those
that are due together measure together; the agent asks nothing else meanwhile, so the longest of them counts.

Sensors give each value its longest form and fill each answer. They may send fewer values at a time; that is as rare
as it is slow, and not counted.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from haihe_edge.acquire.load import Load
from haihe_edge.profile.sdi12 import Measurement, Sdi12Profile, address_of
from haihe_edge.site import Instrument, Sdi12Bus, Site

from .sdi12 import (
    ANSWER_MS,
    CHARACTER_MS,
    DATA_COMMANDS_MAX,
    FRESH_MS,
    VALUE_LETTERS_MAX,
    VALUES_LETTERS_MAX,
    VALUES_LETTERS_MAX_M,
    command,
    concurrent,
    waking_ms,
    with_crc,
)

_LINE_END = 2
_CRC = 3


class _Exchanges(NamedTuple):
    """Exchanges with one sensor, and letters that it sends unasked."""

    requests: int
    out: int
    into: int


def _all(parts: Iterable[_Exchanges]) -> _Exchanges:
    return _Exchanges(*(sum(column) for column in zip(*parts, strict=True)))


class _Sensor:
    """What one sensor costs, alone on the line or with others."""

    def __init__(self, site: Site, each: Instrument, bus: Sdi12Bus, *, alone: bool) -> None:
        profile = each.profile
        assert isinstance(profile, Sdi12Profile)  # noqa: S101 - the site file is checked
        self._profile, self._address = profile, address_of(each.unit)
        self._waking_ms = waking_ms(bus.wakes, profile.wake_ms)
        self._answer_ms = max(ANSWER_MS, profile.answer_ms.typical)
        together = profile.concurrent and not alone
        asked = profile.asked({site.series[number].point for number in each.series})
        every = [self._measured(measurement, together=together) for measurement in asked]
        exchanges = _all(every)
        waits = [0.0 if one.command[0] == "R" else self._wait_ms(together=together) for one in asked]
        begins = together and asked[0].command[0] == "M"
        self.begin_ms = self._took_ms(self._begun(asked[0], together=True)) if begins else 0.0
        measures = any(measurement.command[0] == "M" for measurement in asked)
        self.load = Load(
            each.name,
            each.period_ms,
            exchanges.requests,
            exchanges.out,
            exchanges.into,
            self._took_ms(exchanges) - exchanges.requests * self._answer_ms,
            exchanges.requests * self._answer_ms,
            waits_ms=sum(waits[1:] if begins else waits),
            shared_ms=waits[0] if begins else 0.0,
            unknown=("measure_ms",) if measures and profile.measuring_ms is None else (),
        )

    def _took_ms(self, exchanges: _Exchanges) -> float:
        letters = exchanges.out + exchanges.into
        return letters * CHARACTER_MS + exchanges.requests * (self._waking_ms + self._answer_ms)

    def _wait_ms(self, *, together: bool) -> float:
        """How long a measurement takes. A concurrent one is announced in whole seconds and nobody says it is over."""
        measuring, ready_after = self._profile.measuring_ms or 0, self._profile.ready_after_ms
        announced = math.ceil(measuring / 1000) * 1000 if together else measuring
        return announced if ready_after is None else min(announced, ready_after)

    def _begun(self, measurement: Measurement, *, together: bool) -> _Exchanges:
        """``aM!`` and ``atttn``, or ``aC!`` and ``atttnn``."""
        word = concurrent(measurement.command) if together else measurement.command
        sent = command(self._address, with_crc(word) if self._profile.crc else word)
        return _Exchanges(1, len(sent), 1 + 3 + (2 if together else 1) + _LINE_END)

    def _measured(self, measurement: Measurement, *, together: bool) -> _Exchanges:
        letters, around = measurement.values * VALUE_LETTERS_MAX, 1 + _CRC * self._profile.crc + _LINE_END
        if measurement.command[0] == "R":
            body = with_crc(measurement.command) if self._profile.crc else measurement.command
            return _Exchanges(1, len(command(self._address, body)), around + min(letters, VALUES_LETTERS_MAX))
        most = VALUES_LETTERS_MAX if together else VALUES_LETTERS_MAX_M
        many = min(DATA_COMMANDS_MAX, math.ceil(measurement.values / (most // VALUE_LETTERS_MAX)))
        sent = len(command(self._address, "D0")) * many
        collected = _Exchanges(many, sent, around * many + min(letters, most * many))
        service = _Exchanges(0, 0, 0 if together or not self._wait_ms(together=False) else 1 + _LINE_END)
        return _all((self._begun(measurement, together=together), service, collected))


def sdi12_loads(site: Site, bus: Sdi12Bus, instruments: Sequence[Instrument]) -> list[Load]:
    """What the sensors of a line ask of it."""
    sensors = [_Sensor(site, each, bus, alone=len(instruments) == 1) for each in instruments]
    longest: dict[int, float] = {}
    for each in sensors:
        longest[each.load.period_ms] = max(each.load.shared_ms, longest.get(each.load.period_ms, 0.0))
    whole_ms = sum(longest.values()) + sum(each.load.busy_ms - each.load.shared_ms for each in sensors)
    return [each.load._replace(waits_ms=each.load.waits_ms + _more_ms(each, sensors, whole_ms)) for each in sensors]


def _more_ms(one: _Sensor, sensors: Sequence[_Sensor], whole_ms: float) -> float:
    """What measuring together costs beside the waiting itself.

    Those of other periods may be due at the same moment, and are then begun during this one's turn. And one that
    was ready long before it is collected is begun anew.
    """
    if not one.begin_ms:
        return 0.0
    begun = [each for each in sensors if each is not one and each.begin_ms]
    others = sum(each.begin_ms for each in begun if each.load.period_ms != one.load.period_ms)
    is_stale = begun and whole_ms - one.load.shared_ms > FRESH_MS
    return others + (one.begin_ms + one.load.shared_ms if is_stale else 0.0)
