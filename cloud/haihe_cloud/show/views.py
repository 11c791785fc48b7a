"""From facts to answers: what a dispatcher is shown of a station. No HTTP here."""

from collections.abc import Callable, Iterable, Sequence

from haihe_contract import quality
from haihe_contract.clock import Clock
from haihe_contract.element import ELEMENTS, element
from haihe_contract.quality import Grade
from haihe_contract.reading import Reading
from haihe_contract.series import Series, parse_series

from haihe_cloud.admit.registry import Registry, Station
from haihe_cloud.ledger.arrival import LineState, StationEvent
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.store.port import Store

from .answers import (
    ElementNamed,
    EventSeen,
    Level,
    LimitSeen,
    LineSeen,
    Named,
    ProblemSeen,
    SeriesNow,
    StationDetail,
    StationList,
    StationSummary,
    UnknownSeen,
)
from .feed import LiveFeed
from .state import CONDITION_NAMES, Condition, Sighting, StationState, severity, trend

EVENTS_SHOWN = 100
LINES_SHOWN = 50
COUNTED = 1000


class Views:
    """Answers about stations."""

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        registry: Registry,
        feed: LiveFeed,
        clock: Clock,
        problems: Callable[[], Sequence[object]] = tuple,
    ) -> None:
        self.problems = problems
        self.store = store
        self.ledger = ledger
        self.registry = registry
        self.feed = feed
        self.clock = clock

    def summary(self, station: Station) -> StationSummary:
        """One row of the list."""
        state = self.feed.state(station)
        heard = self.feed.facts(station).last_heard_ms
        waiting, missing = self.feed.backlog(station.code)
        return StationSummary(
            code=station.code,
            name_zh=station.name_zh or station.code,
            name_en=station.name_en or station.name_zh or station.code,
            latitude=station.latitude,
            longitude=station.longitude,
            river=station.river,
            district=station.district,
            state=state.worst,
            also=state.also,
            level=self._level(station, state),
            last_heard_ms=heard,
            silent_after_s=station.silent_after_s,
            waiting=waiting,
            missing=missing,
        )

    def stations(self) -> StationList:
        """The whole list, worst first."""
        rows = [self.summary(station) for station in self.registry.stations()]
        rows.sort(key=worst_first)
        counts = dict.fromkeys(Condition, 0)
        for row in rows:
            for condition in (row.state, *row.also):
                counts[condition] += 1
        return StationList(
            now_ms=self.clock.now_ms(),
            counts=counts,
            stations=rows,
            unknown=[UnknownSeen.model_validate(each) for each in self.registry.unknown()],
            problems=[ProblemSeen.model_validate(each) for each in self.problems()],
        )

    def detail(self, station: Station) -> StationDetail:
        """Everything about one station."""
        facts = self.feed.facts(station)
        usable = {each.reading.series: each for each in facts.usable}
        newest: dict[str, Sighting] = {}
        for each in facts.newest:  # an untimed sighting comes last and stands for "now"
            newest[each.reading.series] = each
        lines = self.ledger.lines(station.code)[:LINES_SHOWN]
        return StationDetail(
            now_ms=facts.now_ms,
            station=self.summary(station),
            limits=[LimitSeen.model_validate(each) for each in station.levels],
            series=[_series_now(newest[key], usable.get(key)) for key in sorted(newest, key=_series_order)],
            lines=[_line(each) for each in lines],
            events=[_event(each) for each in self.ledger.events(station.code, EVENTS_SHOWN)],
            conflicts=len(self.store.conflicts(station.code, COUNTED)),
            untimed=len(self.store.untimed(station.code, COUNTED)),
        )

    def _level(self, station: Station, state: StationState) -> Level | None:
        if state.level is None:
            return None
        slope = self.feed.trend(station.code, state.level.series.key)
        return Level(
            **_value(state.level.sighting, state.level.series),  # type: ignore[arg-type]
            warning=state.level.warning,
            guarantee=state.level.guarantee,
            trend_m_per_h=None if slope is None else round(slope, 3),
            trend=trend(slope),
            unverified=state.level.unverified,
        )


def worst_first(row: StationSummary) -> tuple[int, float, str]:
    """Order of the list: the state, then how far over (or how near to) the warning level, then the code."""
    level = row.level
    margin = float("inf")
    if level is not None and level.value is not None and level.warning is not None:
        margin = level.warning - level.value
    return (severity(row.state), margin, row.code)


def conditions() -> dict[str, Named]:
    """The words for the states."""
    return {condition: Named(zh=zh, en=en) for condition, (zh, en) in CONDITION_NAMES.items()}


def quality_words() -> dict[str, dict[str, Named]]:
    """The words for flags, grades and reasons by their number."""
    return {
        "flags": {str(int(k)): Named(zh=zh, en=en) for k, (zh, en) in quality.FLAG_NAMES.items()},
        "grades": {str(int(k)): Named(zh=zh, en=en) for k, (zh, en) in quality.GRADE_NAMES.items()},
        "reasons": {str(int(k)): Named(zh=zh, en=en) for k, (zh, en) in quality.REASON_NAMES.items()},
    }


def element_words() -> dict[str, ElementNamed]:
    """The words for the elements."""
    return {
        code: ElementNamed(zh=each.zh, en=each.en, unit=each.unit, decimals=each.decimals)
        for code, each in ELEMENTS.items()
    }


def counter_series(keys: Iterable[str]) -> str | None:
    """The series that rain is computed from, where none was named: the first rain counter."""
    return next((key for key in sorted(keys) if key.startswith("accumulated_rain.")), None)


def _value(sighting: Sighting, series: Series) -> dict[str, object]:
    reading: Reading = sighting.reading
    known = element(series.element)
    return {
        "series": reading.series,
        "element": series.element,
        "point": series.point,
        "statistic": series.statistic,
        "interval_s": series.interval_s,
        "datum": series.datum,
        "unit": known.unit,
        "decimals": known.decimals,
        "value": reading.value,
        "flag": int(reading.flag),
        "reasons": int(reading.reasons),
        "grade": int(reading.grade),
        "time_ms": reading.time_ms if sighting.time_known else None,
        "received_ms": sighting.received_ms,
    }


def _series_now(newest: Sighting, usable: Sighting | None) -> SeriesNow:
    return SeriesNow(
        **_value(newest, parse_series(newest.reading.series)),  # type: ignore[arg-type]
        last_value=usable.reading.value if usable else None,
        last_value_ms=usable.as_of_ms if usable else None,
    )


_ORDER = {code: at for at, code in enumerate(ELEMENTS)}


def _series_order(key: str) -> tuple[int, str]:
    """As the register lists the elements: water first, house-keeping last."""
    return (_ORDER.get(key.split(".", 1)[0], len(_ORDER)), key)


def _line(line: LineState) -> LineSeen:
    return LineSeen(
        line=f"{line.line:016x}",
        head=line.head,
        tail=line.tail,
        held=line.held.count(),
        refused=line.refused.count(),
        gaps=line.gaps.count(),
        waiting=line.awaited.count(),
        lost=line.lost.count(),
        first_ms=line.first_ms,
        last_ms=line.last_ms,
    )


def _event(event: StationEvent) -> EventSeen:
    return EventSeen(
        time_ms=event.time_ms if event.grade != Grade.NONE else None,
        received_ms=event.received_ms,
        grade=event.grade,
        kind=event.kind,
        series=event.series,
        value=event.value,
        detail=event.detail,
    )


def rows(summaries: Sequence[StationSummary]) -> list[dict[str, object]]:
    """Summaries as plain data for an event."""
    return [each.model_dump(mode="json") for each in summaries]
