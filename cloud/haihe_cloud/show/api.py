"""The JSON API: every address, its inputs with their bounds, its answer. It decides nothing."""

import logging
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from haihe_contract.element import element
from haihe_contract.reading import Reading
from haihe_contract.series import parse_series
from haihe_contract.topic import STATION_PATTERN

import haihe_cloud
from haihe_cloud.admit.registry import Station
from haihe_cloud.database import DatabaseAway
from haihe_cloud.store.port import READ_ROWS_MAX

from .answers import (
    POINTS_DEFAULT,
    AlarmList,
    AlarmSeen,
    Answer,
    Fault,
    PageFacts,
    RainColumns,
    RainSeen,
    ReadingColumns,
    StationDetail,
    StationList,
    StationSummary,
    SummaryList,
    SummarySeen,
)
from .faults import Refusal, may_write
from .ports import AlarmBook
from .rain import BUCKETS_MAX, EDGE_MS, edges, rainfall
from .stream import EVERY, HEARTBEAT_S, EventStream, event
from .thin import POINTS_MAX, POINTS_MIN, Thinner
from .views import Views, conditions, counter_series, element_words, quality_words, rows

log = logging.getLogger(__name__)

SPAN_MS_MAX = 31 * 86_400_000
READINGS_MAX = 1_000_000
"""Readings looked at for one chart: a week at one a second is 604 800."""
SWEEP_MS = 5_000
"""How often the states of stations that say nothing are looked at for a listener."""
ALARMS_SHOWN = 200
_SEVERITIES = ("blue", "yellow", "orange", "red")
_TIME_MAX = 4_102_444_800_000  # the year 2100
_HOUR_MS = 3_600_000

Code = Annotated[str, Path(pattern=STATION_PATTERN, description="station code, eight digits or capital letters")]
SeriesKey = Annotated[str, Query(min_length=1, max_length=200, description="key of the series")]
Start = Annotated[int | None, Query(ge=0, le=_TIME_MAX, description="begin, ms UTC; left out: 24 h before end")]
End = Annotated[int | None, Query(ge=0, le=_TIME_MAX, description="end (not included), ms UTC; left out: now")]
_FAULTS: dict[int | str, dict[str, Any]] = {
    code: {"model": Fault, "description": text}
    for code, text in (
        (404, "no such station"),
        (422, "an input is outside its bounds"),
        (503, "the series store is away"),
    )
}


def stations_router(views: Views) -> APIRouter:
    """Stations, their readings and their rain."""
    router = APIRouter(prefix="/api/v1", tags=["stations"])

    def station_of(code: str) -> Station:
        station = views.registry.get(code)
        if station is None:
            raise Refusal(
                404,
                "there is no station {code}",
                where="code",
                do="look at the list of stations, or add it with: haihe-cloud station add",
                code=code,
            )
        return station

    @router.get("/stations", summary="All stations with their state, worst first")
    def stations() -> StationList:
        """Registered stations, and unknown ones that have spoken. Cheap: answered from memory."""
        return views.stations()

    @router.get("/stations/{code}", summary="One station in full", responses=_FAULTS)
    def station(code: Code) -> StationDetail:
        """Latest value of every series, limits, record lines with their backlog and gaps, events."""
        return views.detail(station_of(code))

    @router.get("/stations/{code}/readings", summary="Readings of one series for a chart", responses=_FAULTS)
    def readings(
        code: Code,
        series: SeriesKey,
        start: Start = None,
        end: End = None,
        points: Annotated[
            int, Query(ge=POINTS_MIN, le=POINTS_MAX, description="how many points about to keep")
        ] = POINTS_DEFAULT,
    ) -> ReadingColumns:
        """Thinned so that first, last, lowest and highest of every slot stay, as do doubts and breaks."""
        station_of(code)
        known = element(_series(series))
        start_ms, end_ms = _span(start, end, views.clock.now_ms())
        thinner = Thinner(start_ms, end_ms, points)
        for chunk in _chunks(views, code, series, start_ms, end_ms):
            thinner.take(chunk)
        kept = thinner.points()
        return ReadingColumns(
            series=series,
            unit=known.unit,
            decimals=known.decimals,
            start_ms=start_ms,
            end_ms=end_ms,
            total=kept.total,
            complete=kept.total < READINGS_MAX,
            step_ms=kept.step_ms,
            time_ms=kept.time_ms,
            value=kept.value,
            flag=kept.flag,
        )

    @router.get("/stations/{code}/rain", summary="Rain per 5 minutes, hour or hydrological day", responses=_FAULTS)
    def rain(
        code: Code,
        bucket: Annotated[
            str, Query(pattern="^(60|300|3600|day)$", description="seconds, or day: 08:00 to 08:00 Beijing time")
        ] = "3600",
        series: Annotated[str | None, Query(max_length=200, description="left out: the first counter")] = None,
        start: Start = None,
        end: End = None,
    ) -> RainColumns:
        """Differences of the rain counter. A reset or a pause over a bucket's edge is missing, never a guess."""
        station_of(code)
        bucket_s = 86_400 if bucket == "day" else int(bucket)
        key = series or counter_series(views.store.series(code))
        if key is None:
            raise Refusal(
                404,
                "no series of accumulated rain at this station",
                where="series",
                do="rain needs an instrument with a counter; see the station's series",
            )
        if _series(key) != "accumulated_rain":
            raise Refusal(422, "the series is no accumulated rain: {key}", where="series", key=key)
        now_ms = views.clock.now_ms()
        first, last = edges(*_span(start, end, now_ms), bucket_s)
        if (last - first) // (bucket_s * 1000) > BUCKETS_MAX:
            raise Refusal(
                422,
                "more than {most} buckets",
                where="bucket",
                do="ask for a shorter span or wider buckets",
                most=BUCKETS_MAX,
            )
        counter = (
            reading for chunk in _chunks(views, code, key, first - EDGE_MS[bucket_s], last + 1) for reading in chunk
        )
        buckets = rainfall(counter, first, last, bucket_s, now_ms)
        return RainColumns(series=key, bucket_s=bucket_s, buckets=[RainSeen.model_validate(each) for each in buckets])

    @router.get(
        "/stations/{code}/summaries", summary="What is left of blocks that a station has thinned", responses=_FAULTS
    )
    def summaries(code: Code, series: SeriesKey, start: Start = None, end: End = None) -> SummaryList:
        """Count and mean of readings that gave way for want of space; their extremes are readings of the series."""
        station_of(code)
        known = element(_series(series))
        start_ms, end_ms = _span(start, end, views.clock.now_ms())
        kept = views.ledger.summaries(code, series, start_ms, end_ms)
        return SummaryList(
            series=series, unit=known.unit, summaries=[SummarySeen.model_validate(each.summary) for each in kept]
        )

    return router


def alarms_router(views: Views, alarms: AlarmBook, write_token: str | None) -> APIRouter:
    """The book of alarms, and the one thing people write: who has answered."""
    router = APIRouter(prefix="/api/v1/alarms", tags=["alarms"])

    @router.get("", summary="Active and recent alarms")
    def list_alarms() -> AlarmList:
        """Active first: unanswered before answered, then the gravest, then the newest."""
        return alarm_list(views, alarms)

    refusals: dict[int | str, dict[str, Any]] = {
        401: {"model": Fault, "description": "a write token is needed"},
        403: {"model": Fault, "description": "wrong token, or the request comes from another site"},
        409: {"model": Fault, "description": "no such alarm"},
        415: {"model": Fault, "description": "not sent as application/json"},
        422: {"model": Fault, "description": "an input is outside its bounds"},
    }

    @router.post("/{alarm}/answer", summary="Write down who has taken an alarm in hand", responses=refusals)
    def answer(
        request: Request, answer: Answer, alarm: Annotated[int, Path(ge=0, le=2**53, description="its id")]
    ) -> AlarmSeen:
        """An answer ends the calling, not the alarm: that ends when the water falls."""
        may_write(request, write_token)
        taken = alarms.answer(alarm, answer.who, answer.note, views.clock.now_ms())
        views.feed.changed("alarms")
        return AlarmSeen.model_validate(taken)

    return router


def page_router(
    views: Views, alarms: AlarmBook, *, write_token: str | None, tiles: str, heartbeat_s: float = HEARTBEAT_S
) -> APIRouter:
    """What the page needs: words once, changes as they come."""
    router = APIRouter(prefix="/api/v1", tags=["page"])

    @router.get("/page", summary="Words for codes, and settings of the page")
    def page() -> PageFacts:
        """Names of states, flags, clock grades, reasons and elements in Chinese and English."""
        return PageFacts(
            now_ms=views.clock.now_ms(),
            tiles=tiles,
            token_needed=write_token is not None,
            version=getattr(haihe_cloud, "__version__", ""),
            conditions=dict(conditions()),
            elements=element_words(),
            **quality_words(),
        )

    @router.get(
        "/events",
        summary="Changes as server-sent events",
        response_class=Response,
        responses={
            200: {
                "content": {"text/event-stream": {}},
                "description": "hello {now_ms}, stations {now_ms, stations}, alarms (as /alarms), heartbeat {now_ms}",
            },
            503: {"model": Fault, "description": "too many listeners"},
        },
    )
    async def events() -> Response:
        """Each event carries whole rows, so a lost one does no harm; a heartbeat at least every 15 s."""
        listeners = views.feed.listeners
        if listeners.full:
            raise Refusal(
                503,
                "too many pages listen already ({most})",
                where="events",
                do="close pages that nobody looks at, then reload",
                most=len(listeners),
            )
        hello = event("hello", {"now_ms": views.clock.now_ms()})
        changes = _Changes(views, alarms)
        return EventStream(listeners, hello, changes, changes.heartbeat, heartbeat_s=heartbeat_s)

    return router


def status_router(status: Callable[[], dict[str, Any]]) -> APIRouter:
    """What the centre says of itself."""
    router = APIRouter(prefix="/api/v1", tags=["centre"])

    @router.get("/status", summary="What the centre says of itself", response_model=dict[str, Any])
    def centre_status() -> JSONResponse:
        """Ingest, store, broker and followers, as counters and sentences."""
        return JSONResponse(status())

    return router


def alarm_list(views: Views, alarms: AlarmBook) -> AlarmList:
    """Active alarms first: unanswered before answered, then the gravest, then the newest."""
    active = [AlarmSeen.model_validate(each) for each in alarms.active()]
    known = {each.id for each in active}
    recent = [AlarmSeen.model_validate(each) for each in alarms.recent(ALARMS_SHOWN)]
    active.sort(key=lambda each: (bool(each.answered_by), -_severity(each), -each.raised_ms, -each.id))
    ended = sorted((each for each in recent if each.id not in known), key=lambda each: (-each.raised_ms, -each.id))
    return AlarmList(
        now_ms=views.clock.now_ms(),
        active=len(active),
        unanswered=sum(not each.answered_by for each in active),
        alarms=(active + ended)[: max(ALARMS_SHOWN, len(active))],
    )


def _severity(alarm: AlarmSeen) -> int:
    return _SEVERITIES.index(alarm.severity) if alarm.severity in _SEVERITIES else len(_SEVERITIES)


class _Changes:
    """What one listener has not heard yet. Also sees the states that change by nothing but time going on."""

    def __init__(self, views: Views, alarms: AlarmBook) -> None:
        self._views = views
        self._alarms = alarms
        self._states: dict[str, object] = {}
        self._swept_ms = 0
        self._sequence = -1

    def __call__(self, stations: set[str], topics: set[str]) -> bytes:
        now_ms = self._views.clock.now_ms()
        try:
            out = self._stations(stations, now_ms)
            sequence = self._alarms.sequence()
            if "alarms" in topics or sequence != self._sequence:
                self._sequence = sequence
                out += event("alarms", alarm_list(self._views, self._alarms).model_dump(mode="json"))
        except DatabaseAway:
            return b""  # the centre's health says so; a later sweep makes up for it
        except Exception:
            # One failed look must not end the stream: the page would show a dead centre that is alive.
            log.exception("could not tell a page what has changed")
            return b""
        return out

    def heartbeat(self) -> bytes:
        """The centre is alive, and this is its time."""
        return event("heartbeat", {"now_ms": self._views.clock.now_ms()})

    def _stations(self, changed: set[str], now_ms: int) -> bytes:
        everything = EVERY in changed
        sweep = everything or now_ms - self._swept_ms >= SWEEP_MS
        known = self._views.registry.stations() if sweep or changed else []
        summaries: list[StationSummary] = []
        for station in known:
            if station.code in changed or sweep:
                summary = self._views.summary(station)
                signature = (summary.state, *summary.also, summary.last_heard_ms, summary.waiting, summary.missing)
                if station.code in changed or everything or self._states.get(station.code) != signature:
                    summaries.append(summary)
                self._states[station.code] = signature
        if sweep:
            self._swept_ms = now_ms
            gone = [code for code in self._states if code not in {station.code for station in known}]
            for code in gone:
                del self._states[code]
        if not summaries:
            return b""
        return event("stations", {"now_ms": now_ms, "stations": rows(summaries)})


def _series(key: str) -> str:
    """Element of a series key.

    Raises:
        Refusal: when it is no series key.
    """
    try:
        return parse_series(key).element
    except ValueError:
        raise Refusal(
            422,
            "this is no series key: {key}",
            where="series",
            do="take one of the station's series, see /api/v1/stations/{code}",
            key=key[:80],
            code="…",
        ) from None


def _span(start: int | None, end: int | None, now_ms: int) -> tuple[int, int]:
    end_ms = now_ms + 1 if end is None else end
    start_ms = end_ms - 24 * _HOUR_MS if start is None else start
    if start_ms >= end_ms:
        raise Refusal(
            422,
            "the span ends before it begins",
            where="start, end",
            do="give start before end, both in milliseconds UTC",
        )
    if end_ms - start_ms > SPAN_MS_MAX:
        raise Refusal(
            422,
            "the span is longer than {days} days",
            where="start, end",
            do="ask for a shorter span",
            days=SPAN_MS_MAX // 86_400_000,
        )
    return start_ms, end_ms


def _chunks(views: Views, code: str, series: str, start_ms: int, end_ms: int) -> Iterator[list[Reading]]:
    """The span in pieces that fit into memory, at most :data:`READINGS_MAX` readings in all."""
    total = 0
    while total < READINGS_MAX:
        chunk = views.store.read(code, series, start_ms, end_ms, READ_ROWS_MAX)
        if not chunk:
            return
        yield chunk
        total += len(chunk)
        if len(chunk) < READ_ROWS_MAX:
            return
        start_ms = chunk[-1].time_ms + 1
