"""The station's own levels, found among its series."""

from collections.abc import Callable, Mapping, Sequence

from haihe_contract.document import near
from haihe_contract.series import parse_series

from .digital import Wiring
from .plan import Level, SiteSeries
from .wired import each_contact_with_alarm
from .written import WrittenLevel

_Path = tuple[str | int, ...]


class Levels:
    """Resolves levels.

    Args:
        series: of the site.
        wrong: notes a fault at a place of the file.
        is_faulty: whether the file has faults already: a series that is not there may be one of them.
    """

    def __init__(
        self, series: Sequence[SiteSeries], wrong: Callable[[_Path, str], None], is_faulty: Callable[[], bool]
    ) -> None:
        self._series = series
        self._wrong = wrong
        self._is_faulty = is_faulty

    def __call__(self, levels: Sequence[WrittenLevel], wirings: Mapping[str, Wiring]) -> tuple[Level, ...]:
        """The levels as the agent uses them, those of contacts with alarm among them."""
        found: dict[str, Level] = {}
        for contact in each_contact_with_alarm(wirings):
            key = self._series[contact.number].key
            found[key] = Level(contact.number, key, "", warning=1.0, guarantee=None, hysteresis=0.5)
        for index, each in enumerate(levels):
            path: _Path = ("levels", index)
            if each is None:  # could not be read; its fault is noted already
                continue
            if each.warning is None and each.guarantee is None:
                self._wrong(path, "write at least one of warning and guarantee")
            if each.warning is not None and each.guarantee is not None and each.warning >= each.guarantee:
                self._wrong((*path, "guarantee"), "guarantee: must be more than warning")
            series = self._meant(each, path)
            if series is None:
                continue
            if series.key in found:
                self._wrong((*path, "series"), f"series: {series.key} already has levels")
            found[series.key] = Level(
                series.number, series.key, series.series.datum, each.warning, each.guarantee, each.hysteresis
            )
        return tuple(found.values())

    def _meant(self, each: WrittenLevel, path: _Path) -> SiteSeries | None:
        """The series that a shorthand or key names, or None after a complaint."""
        parts = each.series.split(".")
        if len(parts) == 6:
            named = [series for series in self._series if series.key == each.series]
            try:
                parse_series(each.series)
            except ValueError as error:
                self._wrong((*path, "series"), f"series: {error}")
                return None
        else:
            named = [
                series
                for series in self._series
                if [series.series.element, series.series.point] == [*parts, "main"][:2]
            ]
        if not named:
            if not self._is_faulty():  # else its instrument may be what is wrong
                known = {name for series in self._series for name in _names(series)}
                self._wrong(
                    (*path, "series"), f"series: the station has no {each.series!r}{near(each.series, sorted(known))}"
                )
            return None
        fitting = [series for series in named if series.series.datum == each.datum]
        if not fitting:
            datums = ", ".join(sorted({series.series.datum or "no datum" for series in named}))
            self._wrong(
                (*path, "datum" if each.datum else "series"),
                f"datum: {each.series} is measured from {datums}, not from {each.datum or 'no datum'}",
            )
            return None
        if len(fitting) > 1:
            self._wrong(
                (*path, "series"),
                f"series: can mean {' or '.join(series.key for series in fitting)}; write the whole key",
            )
            return None
        return fitting[0]


def _names(series: SiteSeries) -> tuple[str, str, str]:
    return series.key, f"{series.series.element}.{series.series.point}", series.series.element
