"""A record of the journal: whether it is asked for, and how people, tables and programs read it."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from haihe_contract.clock import BEIJING_OFFSET_MS, beijing
from haihe_contract.quality import GRADE_NAMES, PASS_MARK, Grade, Reason, unmark
from haihe_contract.ranges import RangeSet
from haihe_contract.record import (
    Body,
    Dictionary,
    Duty,
    Event,
    Gap,
    Opened,
    Readings,
    Record,
    State,
    Summary,
    TimeFix,
    Unread,
)

from haihe_edge.clock.trust import BUILT_MS
from haihe_edge.journal import Look
from haihe_edge.journal.segment import Segment
from haihe_edge.talk import Talk

KINDS: dict[str, type[Body]] = {
    "opened": Opened,
    "dictionary": Dictionary,
    "duty": Duty,
    "readings": Readings,
    "event": Event,
    "gap": Gap,
    "summary": Summary,
    "time_fix": TimeFix,
    "state": State,
    "unread": Unread,
}
_NAMES = {kind: name for name, kind in KINDS.items()}
_LATE_MS = 86_400_000
"""A file whose last commit lies so long before the asked time is passed over."""
_WORDS_MAX = 200


class Wanted(NamedTuple):
    """What is asked for.

    Args:
        line: first hex digits of the line's id.
        from_ms: not before, milliseconds UTC.
        to_ms: before.
        series: element, element.point, or whole key.
        kind: of record.
    """

    line: str = ""
    from_ms: int | None = None
    to_ms: int | None = None
    series: str = ""
    kind: str = ""

    def file(self, segment: Segment) -> bool:
        """Whether such a record can be in that file."""
        too_early = self.from_ms is not None and BUILT_MS <= segment.time_ms < self.from_ms - _LATE_MS
        return not too_early and f"{segment.line:016x}".startswith(self.line)

    def time(self, time_ms: int, *, timed: bool) -> bool:
        """Whether that moment is asked for; one that is not known is, unless bounds are given."""
        if self.from_ms is None and self.to_ms is None:
            return True
        return timed and (self.from_ms or 0) <= time_ms < (self.to_ms or time_ms + 1)

    def key(self, key: str) -> bool:
        """Whether that series is asked for."""
        return not self.series or key == self.series or key.startswith(self.series + ".")


class Told(NamedTuple):
    """A record that was asked for.

    Args:
        line: its line.
        record: itself.
        time_ms: when; milliseconds of a boot where ``timed`` is false.
        timed: whether that is a time of the day.
        series: the series keys of its line.
        chosen: places of the asked series in a reading group.
    """

    line: int
    record: Record
    time_ms: int
    timed: bool
    series: Sequence[str]
    chosen: Sequence[int] = ()


def wanted_of(look: Look, segment: Segment, wanted: Wanted) -> Iterator[Told]:
    """The asked records of one file, in its order."""
    series = look.series(segment.line)
    for frame, records in look.groups(segment):
        for record in records:
            body = record.body
            if isinstance(body, Dictionary):
                series = body.series
            if wanted.kind and type(body) is not KINDS[wanted.kind]:
                continue
            time_ms = frame.time_ms if isinstance(body, Dictionary | Duty | Unread) else body.time_ms
            grade = getattr(body, "grade", Grade.SYSTEM) if not isinstance(body, TimeFix) else Grade.SYSTEM
            timed = grade != Grade.NONE and time_ms >= BUILT_MS
            if not wanted.time(time_ms, timed=timed):
                continue
            chosen = _chosen(body, series, wanted)
            if chosen is not None:
                yield Told(segment.line, record, time_ms, timed, series, chosen)


def _chosen(body: Body, series: Sequence[str], wanted: Wanted) -> Sequence[int] | None:
    """Places of a reading group that are asked for; None when the record is not."""
    if isinstance(body, Readings):
        places = [at for at, number in enumerate(body.series) if wanted.key(key_of(series, number))]
        return places or None
    if not wanted.series:
        return ()
    if isinstance(body, Event):
        return () if body.series >= 0 and wanted.key(key_of(series, body.series)) else None
    if isinstance(body, Summary):
        return () if any(wanted.key(each.series) for each in body.series) else None
    return None


def key_of(series: Sequence[str], number: int) -> str:
    """The key of a series number; one that no dictionary here explains is shown as its number."""
    return series[number] if 0 <= number < len(series) else f"#{number}"


def people(talk: Talk, told: Told) -> Iterator[str]:
    """Lines for people."""
    body = told.record.body
    when = beijing(told.time_ms) if told.timed else talk.say("{n} s of this boot", n=told.time_ms // 1000)
    line = f"{told.line:016x}"[:8]
    head = f"{when}  {line} {told.record.number}{' !' if told.record.urgent else ''}"
    if not isinstance(body, Readings):
        yield f"{head}  {talk.say(_NAMES[type(body)])}  {_facts(talk, told)}"
        return
    for key, value, flag, reasons in _rows(told):
        known = not key.startswith("#")
        shown = talk.value(key, value) if known else str(value)
        yield f"{head}  {talk.name(key) if known else key}  {shown}  {talk.quality(flag, reasons)}"


def _rows(told: Told) -> Iterator[tuple[str, float | None, int, int]]:
    body = told.record.body
    assert isinstance(body, Readings)  # noqa: S101
    marks = body.marks or [PASS_MARK] * len(body.series)
    for at in told.chosen:
        quality = _quality(marks[at])
        if quality is not None:
            yield key_of(told.series, body.series[at]), body.values[at], *quality


@lru_cache(1024)
def _quality(packed: int) -> tuple[int, int] | None:
    """Flag and reasons; None for a mark that nobody can have written."""
    try:
        flag, reasons = unmark(packed)
    except ValueError:
        return None
    return int(flag), int(reasons)


@lru_cache(1024)
def _names(reasons: int) -> str:
    return "|".join(reason.name or "" for reason in Reason(reasons))


def _facts(talk: Talk, told: Told) -> str:
    body = told.record.body
    grade_at = talk.language == "en"
    if isinstance(body, Event):
        about = [talk.name(told.series[body.series])] if 0 <= body.series < len(told.series) else []
        value = [] if body.value is None else [f"{body.value:g}"]
        detail = [f"{name}={word}" for name, word in body.detail.items()]
        words = [body.kind, *about, *value, *detail]
    elif isinstance(body, Opened):
        words = [
            talk.say("boot {boot}, haihe {version}, site {site}", boot=body.boot, version=body.version, site=body.site)
        ]
        if body.previous:
            line = f"{body.previous:016x}"[:8]
            words.append(talk.say("line before {line} up to {last}", line=line, last=body.previous_last))
            words.append(talk.say("closed in order" if body.closed else "not closed in order"))
    elif isinstance(body, Gap | Summary):
        cause = body.cause if isinstance(body, Gap) else "thinned"
        words = [f"{body.line:016x}", str(RangeSet(body.ranges)), talk.say(cause)]
    elif isinstance(body, TimeFix):
        words = [
            talk.say("boot {boot}", boot=body.boot),
            talk.say("began at {when}", when=beijing(body.offset_ms)),
            f"± {body.error_ms / 1000:g} s",
            GRADE_NAMES[Grade(body.grade)][grade_at],
        ]
    elif isinstance(body, State):
        words = [body.name]
    elif isinstance(body, Unread):
        words = [talk.say("{n} bytes that this version cannot read", n=len(body.data))]
    elif isinstance(body, Dictionary):
        words = [talk.say("{n} series", n=len(body.series))]
    else:
        words = [talk.say("{n} series", n=len(body.period_ms) if isinstance(body, Duty) else 0)]
    text = "  ".join(words)
    return text if len(text) <= _WORDS_MAX else text[: _WORDS_MAX - 1] + "…"


def plain(told: Told) -> dict[str, Any]:
    """A record as a JSON object."""
    body = told.record.body
    head: dict[str, Any] = {
        "line": f"{told.line:016x}",
        "number": told.record.number,
        "urgent": told.record.urgent,
        "kind": _NAMES[type(body)],
        "time_ms": told.time_ms if told.timed else None,
        "boot_ms": None if told.timed else told.time_ms,
    }
    if isinstance(body, Readings):
        head["grade"] = body.grade
        head["readings"] = [
            {"series": key, "value": value, "flag": flag, "reasons": reasons}
            for key, value, flag, reasons in _rows(told)
        ]
        return head
    if isinstance(body, Unread):
        return {**head, "body": {"hex": body.data.hex()}}
    facts = {name: msgspec.to_builtins(getattr(body, name)) for name in body.__struct_fields__}
    for name in ("line", "previous"):
        if name in facts:
            facts[name] = f"{facts[name]:016x}"
    if isinstance(body, Opened):  # a line's id is longer than the numbers of many a JSON reader
        facts["lines"] = [[f"{line:016x}", first, last] for line, first, last in body.lines]
    return {**head, "body": facts}


COLUMNS = ("time_utc", "time_beijing", "boot_ms", "series", "value", "flag", "reasons", "grade", "line", "number")


def cells(told: Told) -> Iterator[tuple[object, ...]]:
    """The readings of a group as rows under :data:`COLUMNS`."""
    body = told.record.body
    assert isinstance(body, Readings)  # noqa: S101
    utc = _iso(told.time_ms, "Z") if told.timed else ""
    here = _iso(told.time_ms + BEIJING_OFFSET_MS, "+08:00") if told.timed else ""
    boot, line = "" if told.timed else told.time_ms, f"{told.line:016x}"
    for key, value, flag, reasons in _rows(told):
        shown = "" if value is None else value
        yield utc, here, boot, key, shown, flag, _names(reasons), body.grade, line, told.record.number


def _iso(time_ms: int, zone: str) -> str:
    text = beijing(time_ms - BEIJING_OFFSET_MS).replace(" ", "T")
    return f"{text}.{time_ms % 1000:03d}{zone}"
