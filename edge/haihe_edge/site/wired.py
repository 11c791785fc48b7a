"""Resolving the lines of a gpio bus: their series, their durations, and who is fed by which output."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from haihe_contract.document import near
from haihe_contract.series import Series, Statistic

from haihe_edge import limits

from .digital import Contact, ContactLine, GpioBus, Output, OutputLine, Period, Rain, RainLine, Wiring
from .written import WrittenSeries

_DAY_MS = 86_400_000
_MINUTE_MS = 60_000
_Path = tuple[str | int, ...]
_EVERYTHING = (-math.inf, math.inf)


class Append(Protocol):
    """Adds a series to the site and gives its number; none after a complaint."""

    def __call__(
        self, series: Series, period: int, instrument: str, bus: str, entry: WrittenSeries,
        sensor: tuple[float, float], local: tuple[float, float], path: _Path,
    ) -> list[int]:  # fmt: skip
        """Add."""
        ...


class Wire:
    """Turns gpio buses into wirings.

    Args:
        wrong: notes a fault at a place of the file.
        duration: reads a duration and checks its bounds, complaining where it is none.
        append: adds a series to the site.
        warm_ups: the warm-up of every instrument of the site in milliseconds, by name, as its profile has it, None
            where it says nothing.
    """

    def __init__(
        self,
        wrong: Callable[[_Path, str], None],
        duration: Callable[[_Path, str, int, int], int],
        append: Append,
        warm_ups: Mapping[str, int | None],
    ) -> None:
        self._wrong = wrong
        self._duration = duration
        self._append = append
        self._warm_ups = warm_ups
        self._feeders: dict[str, str] = {}

    def __call__(self, bus: GpioBus, path: _Path, taken: dict[str, str]) -> Wiring:
        """Resolve one bus.

        Args:
            bus: as written.
            path: where it stands.
            taken: names that instruments have already, with what has them; grows.
        """
        lines: dict[str, str] = {}
        rains, contacts, outputs = [], [], []
        for index, each in enumerate(bus.lines):
            if each is None:  # could not be read; its fault is noted already
                continue
            place = (*path, "lines", index)
            if each.name in taken:
                self._wrong((*place, "name"), f"name: {each.name!r} is already the name of {taken[each.name]}")
            taken.setdefault(each.name, f"line {each.line} of bus {bus.name!r}")
            if each.line in lines:
                self._wrong((*place, "line"), f"line: {each.line} already belongs to {lines[each.line]!r}")
            lines.setdefault(each.line, each.name)
            if isinstance(each, RainLine):
                rains.append(self._rain(bus, each, place))
            elif isinstance(each, ContactLine):
                contacts.append(self._contact(bus, each, place))
            else:
                outputs.append(self._output(each, place))
        return Wiring(
            bus, tuple(each for each in rains if each), tuple(each for each in contacts if each), tuple(outputs)
        )

    def _rain(self, bus: GpioBus, line: RainLine, path: _Path) -> Rain | None:
        debounce = self._duration((*path, "debounce"), line.debounce, 0, limits.DEBOUNCE_MS_MAX)
        every = self._duration((*path, "every"), line.every, limits.RAIN_EVERY_MS_MIN, limits.PERIOD_MS_MAX)
        if _DAY_MS % every:
            self._wrong((*path, "every"), f"every: a day cannot be divided by {line.every}")
        accumulated = self._series(Series("accumulated_rain", line.at), every, bus, line, _EVERYTHING, path)
        intensity = None
        if line.intensity:
            intensity = self._series(Series("rain_intensity", line.at), every, bus, line, _EVERYTHING, path)
        periods = []
        for index, text in enumerate(line.periods):
            place = (*path, "periods", index)
            period = rain_period(self._duration, self._wrong, place, text)
            series = Series("period_rain", line.at, Statistic.TOTAL, period // 1000)
            number = self._series(series, period, bus, line, (0.0, limits.rain_record_mm(period)), place)
            if number is not None:
                periods.append(Period(period, number))
        if accumulated is None:
            return None
        return Rain(line, debounce, every, accumulated, intensity, tuple(periods))

    def _contact(self, bus: GpioBus, line: ContactLine, path: _Path) -> Contact | None:
        debounce = self._duration((*path, "debounce"), line.debounce, 0, limits.DEBOUNCE_MS_MAX)
        every = self._duration((*path, "every"), line.every, 1000, limits.PERIOD_MS_MAX)
        number = self._series(Series("contact", line.at or line.name), every, bus, line, _EVERYTHING, path)
        return None if number is None else Contact(line, debounce, every, number)

    def _output(self, line: OutputLine, path: _Path) -> Output:
        longest = self._duration((*path, "longest"), line.longest, 1000, limits.PERIOD_MS_MAX)
        warm_up = None
        if line.warm_up is not None:
            warm_up = self._duration((*path, "warm_up"), line.warm_up, 0, limits.WARM_UP_MS_MAX)
        if (line.follows == "power") != bool(line.instruments):
            self._wrong((*path, "follows"), "follows: power and instruments belong together; write both or neither")
        fed: dict[str, int] = {}
        for index, name in enumerate(line.instruments):
            place = (*path, "instruments", index)
            if name not in self._warm_ups:
                self._wrong(
                    place, f"instruments: {name!r} is not one of instruments{near(name, tuple(self._warm_ups))}"
                )
            elif name in self._feeders:
                self._wrong(place, f"instruments: {name!r} is already fed by {self._feeders[name]!r}")
            else:
                own = self._warm_ups[name] if warm_up is None else warm_up
                if own is None:
                    self._wrong(place, f"instruments: the profile of {name!r} says no warm-up; write 'warm_up: …'")
                fed[name] = own or 0
                self._feeders[name] = line.name
        return Output(line, longest, fed)

    def _series(
        self, series: Series, period: int, bus: GpioBus, line: RainLine | ContactLine,
        local: tuple[float, float], path: _Path,
    ) -> int | None:  # fmt: skip
        entry = WrittenSeries(series.element, at=series.point)
        numbers = self._append(series, period, line.name, bus.name, entry, _EVERYTHING, local, path)
        return numbers[0] if numbers else None


def rain_period(
    duration: Callable[[_Path, str, int, int], int], wrong: Callable[[_Path, str], None], path: _Path, text: str
) -> int:
    """The interval of a period rain: whole minutes, and so many of them make a day."""
    period = duration(path, text, _MINUTE_MS, _DAY_MS)
    if period % _MINUTE_MS or _DAY_MS % period:
        wrong(path, f"{path[-1]}: intervals of {text} do not make a day; write for example 5min, 1h, 6h, 1d")
        return _DAY_MS
    return period


def each_contact_with_alarm(wirings: Mapping[str, Wiring]) -> Iterator[Contact]:
    """Contacts whose leaving rest is urgent."""
    return (contact for wiring in wirings.values() for contact in wiring.contacts if contact.line.alarm)
