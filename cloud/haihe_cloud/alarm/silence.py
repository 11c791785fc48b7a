"""Stations that are not heard: an alarm of its own, judged only over time in which the centre listened."""

from collections.abc import Iterator, Mapping

import msgspec

from haihe_cloud.admit.registry import Station
from haihe_cloud.database import Connection

from .book import Alarm, put, select
from .rule import REGISTRY_LEVELS, SILENT_RULE, Rules, Severity


def after_ms(rules: Rules, station: Station) -> int:
    """How long a station may be quiet: its own word in the registry, else that of the rules."""
    return station.silent_after_s * 1000 if station.silent_after_s > 0 else rules.silent.after_ms


def silent_since(*, heard_ms: int | None, known_ms: int, listening_since_ms: int) -> int:
    """From when on the quiet counts: last word or registration, and never before the centre listened."""
    return max(known_ms if heard_ms is None else heard_ms, listening_since_ms)


def severity(rules: Rules, flood: list[Alarm]) -> Severity:
    """Colour of a silent station: one above the worst flood alarm that it left behind."""
    order = list(Severity)
    colours = [rules.silent.severity, *(Severity(alarm.severity).up for alarm in flood)]
    return max(colours, key=order.index)


def know(connection: Connection, station: str, now_ms: int) -> int:
    """Since when the station is registered, as far as the alarms know."""
    connection.execute("INSERT INTO alarm_known VALUES(?, ?) ON CONFLICT DO NOTHING", (station, now_ms))
    row = connection.execute("SELECT since_ms FROM alarm_known WHERE station=?", (station,)).fetchone()
    return int(row[0])


def heard(connection: Connection, station: str, received_ms: int) -> None:
    """The station spoke: its silence is over. A word from before the silence says nothing."""
    for alarm in _on(connection, station):
        if received_ms > alarm.started_ms:
            put(connection, msgspec.structs.replace(alarm, ended_ms=received_ms))


def judge(
    connection: Connection,
    rules: Rules,
    stations: list[Station],
    last_heard: Mapping[str, int],
    *,
    now_ms: int,
    listening_since_ms: int | None,
) -> None:
    """Raise, keep and end the silent alarms of these stations. Deaf (None), nothing new is judged."""
    for station in stations:
        know(connection, station.code, now_ms)
    for _, alarm in _changes(connection, rules, stations, last_heard, now_ms, listening_since_ms):
        if alarm is not None:
            put(connection, alarm)


def due(
    connection: Connection,
    rules: Rules,
    stations: list[Station],
    last_heard: Mapping[str, int],
    *,
    now_ms: int,
    listening_since_ms: int | None,
) -> list[Station]:
    """Those of which :func:`judge` has something to write. Only reads, so nobody else need wait for it."""
    changes = _changes(connection, rules, stations, last_heard, now_ms, listening_since_ms)
    return [station for station, _ in changes]


def _changes(
    connection: Connection,
    rules: Rules,
    stations: list[Station],
    last_heard: Mapping[str, int],
    now_ms: int,
    listening_since_ms: int | None,
) -> Iterator[tuple[Station, Alarm | None]]:
    """Stations of which an alarm changes, with what it becomes; None for one that the alarms do not know yet."""
    on = {alarm.station: alarm for alarm in select(connection, "WHERE ended_ms IS NULL AND rule=?", (SILENT_RULE,))}
    floods: dict[str, list[Alarm]] = {}
    marks = ", ".join("?" * len(REGISTRY_LEVELS))
    for flood in select(connection, f"WHERE ended_ms IS NULL AND level IN ({marks})", REGISTRY_LEVELS):
        floods.setdefault(flood.station, []).append(flood)
    known: dict[str, int] = dict(connection.execute("SELECT station, since_ms FROM alarm_known").fetchall())
    for station in stations:
        code = station.code
        if code not in known:
            yield station, None
            continue
        # A word that lies ahead of our own clock was heard, and the clock was set back since.
        heard_ms = min(last_heard[code], now_ms) if code in last_heard else None
        alarm = on.get(code)
        if alarm is not None:
            colour = severity(rules, floods.get(code, []))
            if heard_ms is not None and heard_ms > alarm.started_ms:
                yield station, msgspec.structs.replace(alarm, ended_ms=heard_ms)
            elif colour != alarm.severity:
                yield station, msgspec.structs.replace(alarm, severity=colour)
            continue
        if listening_since_ms is None:
            continue
        since_ms = silent_since(heard_ms=heard_ms, known_ms=known[code], listening_since_ms=listening_since_ms)
        if now_ms - since_ms >= after_ms(rules, station):
            yield (
                station,
                Alarm(
                    track=0,
                    station=code,
                    rule=SILENT_RULE,
                    title_zh=rules.silent.title_zh,
                    title_en=rules.silent.title_en,
                    level=SILENT_RULE,
                    severity=severity(rules, floods.get(code, [])),
                    threshold=after_ms(rules, station) / 1000,
                    started_ms=known[code] if heard_ms is None else heard_ms,
                    raised_ms=now_ms,
                ),
            )


def _on(connection: Connection, station: str) -> list[Alarm]:
    return select(connection, "WHERE ended_ms IS NULL AND station=? AND rule=?", (station, SILENT_RULE))


def forget(connection: Connection, codes: frozenset[str], now_ms: int) -> None:
    """End the silence of stations that are registered no more."""
    for alarm in select(connection, "WHERE ended_ms IS NULL AND rule=?", (SILENT_RULE,)):
        if alarm.station not in codes:
            put(
                connection,
                msgspec.structs.replace(alarm, ended_ms=max(now_ms, alarm.started_ms + 1), amended="station_removed"),
            )
    for (station,) in connection.execute("SELECT station FROM alarm_known").fetchall():
        if station not in codes:
            connection.execute("DELETE FROM alarm_known WHERE station=?", (station,))
