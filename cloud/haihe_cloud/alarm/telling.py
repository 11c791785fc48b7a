"""Writing what the readings say into the book: new alarms, their course, and what late data changed."""

from typing import NamedTuple

import msgspec

from haihe_cloud.database import Connection

from .book import Alarm, put, select
from .evaluate import Episode
from .plan import Judgement
from .reconcile import reconcile

LATE_MS = 600_000
"""A reading older than this when it arrives tells of the past: ten minutes from observation to the sub-centre
are the customary target for timely reports."""


class Window(NamedTuple):
    """A stretch of one track that was judged.

    Args:
        track: which.
        from_ms: its beginning; what ended before stands.
        to_ms: its end; what began later stands. None when everything up to now was judged.
        standing_ms: start of an episode that goes on beyond the end unchanged.
        newest_ms: time of the newest reading of the track that was judged in order.
        received_ms: when the batch that led to it came.
        went_back: whether readings came late, so that the past was judged again.
    """

    track: int
    from_ms: int
    to_ms: int | None
    standing_ms: int | None
    newest_ms: int
    received_ms: int
    went_back: bool


def tell(
    connection: Connection,
    judgement: Judgement,
    station: str,
    window: Window,
    episodes: list[Episode],
    now_ms: int,
) -> None:
    """Bring the book in line with the episodes of the window. Nothing is deleted."""
    told = {
        alarm.id: alarm
        for alarm in select(
            connection,
            "WHERE track=? AND (ended_ms IS NULL OR ended_ms>?) ORDER BY started_ms, id",
            (window.track, window.from_ms),
        )
        if (window.to_ms is None or alarm.started_ms <= window.to_ms) and alarm.started_ms != window.standing_ms
    }
    found = reconcile(list(told.values()), episodes)
    numbers: list[Alarm] = []
    for episode, number in found.pairs:
        before = told[number] if number is not None else _new(judgement, station, window, episode, now_ms)
        numbers.append(_write(connection, before, _follow(before, episode, window)))
    for number, at in found.merged:
        alarm, into = told[number], numbers[at]
        if into.answered_by is None and alarm.answered_by is not None:
            numbers[at] = _write(
                connection,
                into,
                msgspec.structs.replace(
                    into, answered_by=alarm.answered_by, answered_ms=alarm.answered_ms, note=alarm.note
                ),
            )
        _write(connection, alarm, _void(alarm, "merged", window, into.id))
    for number in found.gone:
        _write(connection, told[number], _void(told[number], "gone", window, None))


def end_track(connection: Connection, track: int, now_ms: int, why: str) -> None:
    """End the alarms of a track that is judged no more, saying why."""
    for alarm in select(connection, "WHERE track=? AND ended_ms IS NULL", (track,)):
        put(connection, msgspec.structs.replace(alarm, ended_ms=max(now_ms, alarm.started_ms + 1), amended=why))


def _new(judgement: Judgement, station: str, window: Window, episode: Episode, now_ms: int) -> Alarm:
    rule = judgement.rule
    old = window.received_ms - LATE_MS
    return Alarm(
        track=window.track,
        station=station,
        rule=rule.name,
        title_zh=rule.title_zh or rule.name,
        title_en=rule.title_en or rule.name,
        level=rule.level,
        severity=rule.severity,
        series=judgement.series,
        element=judgement.element,
        datum=judgement.datum,
        threshold=judgement.threshold.raise_at,
        started_ms=episode.started_ms,
        raised_ms=now_ms,
        late=episode.started_ms < old and (episode.ended_ms is not None or window.newest_ms < old),
    )


def _follow(alarm: Alarm, episode: Episode, window: Window) -> Alarm:
    amended = alarm.amended
    if alarm.void:
        amended = "restored"
    elif alarm.id and alarm.ended_ms is not None and episode.ended_ms is None:
        amended = "reopened"
    elif alarm.id and alarm.ended_ms is None and episode.ended_ms is not None and window.went_back:
        amended = "ended_late"
    elif alarm.started_ms != episode.started_ms:
        amended = "started"
    fresh = episode.ended_ms is None and window.newest_ms >= window.received_ms - LATE_MS
    return msgspec.structs.replace(
        alarm,
        started_ms=episode.started_ms,
        ended_ms=episode.ended_ms,
        peak=episode.peak,
        peak_ms=episode.peak_ms,
        peak_flag=episode.peak_flag,
        unverified=episode.unverified,
        void=False,
        merged_into=None,
        late=alarm.late and not fresh,
        amended=amended,
    )


def _void(alarm: Alarm, why: str, window: Window, into: int | None) -> Alarm:
    ended_ms = alarm.ended_ms
    if ended_ms is None:
        ended_ms = max(window.newest_ms, alarm.started_ms + 1)
    return msgspec.structs.replace(alarm, void=True, merged_into=into, amended=why, ended_ms=ended_ms)


def _write(connection: Connection, before: Alarm, after: Alarm) -> Alarm:
    return put(connection, after) if not before.id or after != before else before
