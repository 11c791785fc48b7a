"""What the API answers, typed: the source of the OpenAPI description. Times are milliseconds UTC."""

from typing import Annotated

from haihe_contract.series import Statistic
from pydantic import BaseModel, ConfigDict, Field

from .state import Condition
from .thin import POINTS_MAX


class _Answer(BaseModel):
    """Read from any object with the same attributes."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")


class Fault(_Answer):
    """Every error has this form."""

    what: str = Field(description="what is wrong, in one sentence")
    where: str = Field("", description="which input or part")
    do: str = Field("", description="what to do next")


class Value(_Answer):
    """A reading with everything that says how far it can be believed."""

    series: str = Field(description="key of the series")
    element: str
    point: str
    statistic: Statistic
    interval_s: int
    datum: str = Field(description="what a level is measured from, empty for other elements")
    unit: str
    decimals: int = Field(description="resolution as digits after the point")
    value: float | None = Field(description="null when missing: a failed read is never a zero")
    flag: int = Field(description="QARTOD flag: 1 good, 2 not evaluated, 3 suspect, 4 failed, 9 missing")
    reasons: int = Field(description="bit mask of reasons, named by /api/v1/page")
    grade: int = Field(description="clock grade 0 (none) to 6 (GNSS), named by /api/v1/page")
    time_ms: int | None = Field(description="when it was measured; null when no trusted clock stamped it")
    received_ms: int | None = Field(description="when its batch arrived; null for values read back at a restart")


class Level(Value):
    """The level that decides about the station, with its limits in the same datum."""

    warning: float | None = Field(description="warning level (警戒水位), metres")
    guarantee: float | None = Field(description="guarantee level (保证水位), metres")
    trend_m_per_h: float | None = Field(description="change over the last hour")
    trend: str = Field(description="rising, falling, steady, or empty when unknown")
    unverified: bool = Field(description="suspect, or its time is not certain")


class StationSummary(_Answer):
    """One row of the list and one mark of the map."""

    code: str
    name_zh: str
    name_en: str
    latitude: float | None
    longitude: float | None
    river: str
    district: str
    state: Condition = Field(description="the worst that holds")
    also: list[Condition] = Field(description="what else holds, worst first; a flood stays visible in silence")
    level: Level | None = Field(description="newest usable level by measurement time; backfill never shows here")
    last_heard_ms: int | None = Field(
        description="when the newest batch came over a link; what is carried by hand is no word of now"
    )
    silent_after_s: int
    waiting: int = Field(description="records that the station still holds and this centre does not")
    missing: int = Field(description="records known to be lost: gaps, and numbers that nobody can explain")


class UnknownSeen(_Answer):
    """A station that speaks and is not registered; nothing of it is stored."""

    code: str
    topic: str
    times: int
    first_ms: int
    last_ms: int


class ProblemSeen(_Answer):
    """A level that somebody meant to be judged and that is not, for example because its datum is another."""

    station: str
    rule: str
    series: str
    zh: str
    en: str


class StationList(_Answer):
    """All stations, worst first."""

    now_ms: int
    counts: dict[Condition, int] = Field(description="stations for which each state holds; one can count in several")
    stations: list[StationSummary]
    unknown: list[UnknownSeen]
    problems: list[ProblemSeen] = Field(description="levels that are not judged although they should be")


class SeriesNow(Value):
    """The newest reading of a series; when that has no value, the last one that had."""

    last_value: float | None = Field(description="newest believable value")
    last_value_ms: int | None = Field(description="when that was measured")


class LineSeen(_Answer):
    """One run of record numbers of the station's journal, and how much of it is here."""

    line: str = Field(description="its id; text, because it has 64 bits")
    head: int = Field(description="highest number that the station has committed")
    tail: int = Field(description="lowest number that is still in the station, 0 when it never said")
    held: int = Field(description="numbers durably in the store")
    refused: int = Field(description="numbers in quarantine")
    gaps: int = Field(description="numbers that the station declared missing")
    waiting: int = Field(description="numbers that wait at the station")
    lost: int = Field(description="numbers that are nowhere, and unexplained")
    first_ms: int
    last_ms: int


class EventSeen(_Answer):
    """Something that the station wrote into its journal."""

    time_ms: int | None = Field(description="by the station's clock; null when it had no trusted one")
    received_ms: int
    grade: int
    kind: str
    series: str
    value: float | None
    detail: dict[str, object]


class StationDetail(_Answer):
    """Everything about one station."""

    now_ms: int
    station: StationSummary
    limits: list["LimitSeen"]
    series: list[SeriesNow]
    lines: list[LineSeen] = Field(description="newest first")
    events: list[EventSeen] = Field(description="newest first, at most 100")
    conflicts: int = Field(description="readings that lost their place to another, at most 1000 counted")
    untimed: int = Field(description="readings that wait for their true time, at most 1000 counted")


class LimitSeen(_Answer):
    """Levels at which people act."""

    series: str
    datum: str
    warning: float | None
    guarantee: float | None


class ReadingColumns(_Answer):
    """Readings as columns; thinned so that no peak, dip, doubt or break is lost."""

    series: str
    unit: str
    decimals: int
    start_ms: int
    end_ms: int
    total: int = Field(description="readings in the span before thinning")
    complete: bool = Field(description="false when the span holds more than the centre reads for one chart")
    step_ms: int | None = Field(description="usual distance of two readings")
    time_ms: list[int]
    value: list[float | None] = Field(description="null where there is no value; lines must break there")
    flag: list[int] = Field(description="quality flag; 0 where nothing was received")


class SummarySeen(_Answer):
    """What is left of one series in a block of records that gave way."""

    first_ms: int = Field(description="time of the first reading that is gone")
    last_ms: int = Field(description="time of the last one")
    count: int = Field(description="readings with a value that did not fail")
    missing: int = Field(description="the others")
    mean: float = Field(description="of those values")
    lowest: tuple[int, float, int, int] = Field(description="time_ms, value, mark and clock grade of the smallest")
    highest: tuple[int, float, int, int] = Field(description="the same of the largest")


class SummaryList(_Answer):
    """Summaries that touch the span, in the order of time, at most 1000."""

    series: str
    unit: str
    summaries: list[SummarySeen]


class RainSeen(_Answer):
    """Rain in start < time ≤ end."""

    start_ms: int
    end_ms: int
    mm: float | None = Field(description="null when it is not known")
    why: str = Field(description="missing, reset, running, or empty")


class RainColumns(_Answer):
    """Rain per bucket; a day begins at 08:00 Beijing time and carries the date on which it began."""

    series: str
    bucket_s: int
    buckets: list[RainSeen]


class AlarmSeen(_Answer):
    """One episode of an alarm."""

    id: int
    station: str
    rule: str
    title_zh: str
    title_en: str
    level: str = Field(description="warning, guarantee, high, low or silent")
    severity: str = Field(description="blue, yellow, orange or red (SL 758-2018)")
    series: str
    element: str
    datum: str
    threshold: float = Field(description="in the element's unit; seconds for a silent station")
    started_ms: int = Field(description="when it began, by measurement time")
    raised_ms: int = Field(description="when this centre raised it")
    peak: float | None
    peak_ms: int | None
    ended_ms: int | None = Field(description="null while it lasts")
    late: bool = Field(description="raised by data that came late")
    unverified: bool = Field(description="rests on suspect values, or on a clock that nobody trusts")
    void: bool = Field(description="later data left nothing of it, or made it part of another")
    amended: str = Field(description="what later data or people changed")
    answered_by: str | None
    answered_ms: int | None
    note: str


class AlarmList(_Answer):
    """Active alarms first, then what has ended, newest first."""

    now_ms: int
    active: int
    unanswered: int = Field(description="active alarms that nobody has answered")
    alarms: list[AlarmSeen]


class Answer(BaseModel):
    """Who has taken an alarm in hand."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    who: Annotated[str, Field(min_length=1, max_length=40, description="name of the person on duty")]
    note: Annotated[str, Field(max_length=400, description="what is being done")] = ""


class Named(_Answer):
    """A word in both languages."""

    zh: str
    en: str


class ElementNamed(Named):
    """An element with its unit."""

    unit: str
    decimals: int


class PageFacts(_Answer):
    """What the page needs to know once: words for codes, tiles, whether answering needs a token."""

    now_ms: int
    tiles: str = Field(description="address pattern of the bureau's own map tiles, empty for none")
    token_needed: bool
    version: str
    conditions: dict[str, Named]
    flags: dict[str, Named]
    grades: dict[str, Named]
    reasons: dict[str, Named]
    elements: dict[str, ElementNamed]


class Health(_Answer):
    """Whether the centre can do its work now."""

    healthy: bool
    reasons: list[str]


POINTS_DEFAULT = 800
assert POINTS_DEFAULT <= POINTS_MAX  # noqa: S101 - a constant against a constant
StationDetail.model_rebuild()
