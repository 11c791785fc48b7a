"""Events, openings and gaps of the stations' journals as rows for people."""

import math
from collections.abc import Iterable
from typing import Any

import msgspec
from haihe_contract.record import Event, Gap, Opened, Readings, Summary, TimeFix

from haihe_cloud.database import NO_LIMIT, Connection
from haihe_cloud.limits import EVENT_DETAIL_CHARACTERS, EVENTS_PER_STATION

from .arrival import Arrival, StationEvent
from .packed import line_of, line_text

_RECENT = "SELECT * FROM event ORDER BY received_ms DESC, time_ms DESC, station, line, number DESC LIMIT ?"
_RECENT_OF_STATION = (
    "SELECT * FROM event WHERE station=? ORDER BY received_ms DESC, time_ms DESC, line, number DESC LIMIT ?"
)
_SAID = "({0}.time_ms, {0}.grade, {0}.kind, {0}.series, {0}.detail, {0}.value IS NOT NULL, COALESCE({0}.value, 0))"
_PUT = (
    "INSERT INTO event VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(station, line, number) DO UPDATE SET"
    " time_ms=excluded.time_ms, grade=excluded.grade, kind=excluded.kind, series=excluded.series,"
    " value=excluded.value, detail=excluded.detail, received_ms=excluded.received_ms"
    f" WHERE {_SAID.format('excluded')}>{_SAID.format('event')}"
)
"""Of two contents of one number a fixed order of what they say decides which is shown."""


def put(connection: Connection, arrival: Arrival, series: list[str]) -> bool:
    """Keep what a batch tells people; whether there was anything. Repetition changes nothing."""
    batch = arrival.batch
    found = False
    for record in batch.records:
        body = record.body
        if type(body) is Readings:  # nearly all
            continue
        key, value, grade = "", None, 0
        detail: dict[str, Any]
        if isinstance(body, Event):
            kind, detail, grade = body.kind, body.detail, body.grade
            value = body.value if body.value is not None and math.isfinite(body.value) else None
            key = series[body.series] if 0 <= body.series < len(series) else ""
        elif isinstance(body, Gap):
            kind = "gap"
            detail = {"line": line_text(body.line), "ranges": body.ranges, "cause": body.cause}
        elif isinstance(body, Summary):
            kind = "thinned"
            detail = {"line": line_text(body.line), "ranges": body.ranges, "flood": body.flood}
        elif isinstance(body, TimeFix):
            kind, grade = "time_fix", body.grade
            detail = {"boot": body.boot, "offset_ms": body.offset_ms, "error_ms": body.error_ms}
        elif isinstance(body, Opened):
            kind, grade = "opened", body.grade
            detail = {
                "previous": line_text(body.previous),
                "previous_last": body.previous_last,
                "previous_time_ms": body.previous_time_ms,
                "window_ms": body.window_ms,
                "closed": body.closed,
                "version": body.version,
                "site": body.site,
            }
        else:
            continue
        found = True
        connection.execute(
            _PUT,
            (
                batch.station,
                line_text(batch.line),
                record.number,
                body.time_ms,
                grade,
                kind,
                key,
                value,
                _json(detail),
                arrival.received_ms,
            ),
        )
    return found


def trim(connection: Connection, stations: Iterable[str]) -> None:
    """Drop the oldest events of these stations beyond the limit."""
    for station in stations:
        connection.execute(
            "DELETE FROM event WHERE station=? AND (line, number) IN (SELECT line, number FROM event"
            " WHERE station=? ORDER BY received_ms DESC, time_ms DESC, line, number DESC LIMIT ? OFFSET ?)",
            (station, station, NO_LIMIT, EVENTS_PER_STATION),
        )


def recent(connection: Connection, station: str | None, most: int) -> list[StationEvent]:
    """The latest received first, of one station or of all."""
    if station is None:
        rows = connection.execute(_RECENT, (most,))
    else:
        rows = connection.execute(_RECENT_OF_STATION, (station, most))
    return [_event(row) for row in rows]


def _event(row: tuple[Any, ...]) -> StationEvent:
    station, line, number, time_ms, grade, kind, series, value, detail, received_ms = row
    facts = msgspec.json.decode(detail)
    return StationEvent(station, line_of(line), number, time_ms, grade, kind, series, value, facts, received_ms)


def _json(detail: dict[str, Any]) -> str:
    """The facts as JSON, whatever a station put in them; too much is said to be so."""
    try:
        text = msgspec.json.encode(detail, enc_hook=str).decode()
    except (TypeError, ValueError, RecursionError):
        text = msgspec.json.encode({"text": str(detail)[: EVENT_DETAIL_CHARACTERS // 2]}).decode("utf-8", "replace")
    if len(text) > EVENT_DETAIL_CHARACTERS:
        text = msgspec.json.encode({"cut": True, "text": text[: EVENT_DETAIL_CHARACTERS // 2]}).decode()
    return text
