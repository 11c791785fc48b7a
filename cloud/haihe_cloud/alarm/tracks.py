"""What the engine remembers of each course of judgement: snapshots, waiting readings, those judged at arrival."""

from typing import NamedTuple

import msgspec
from haihe_contract.quality import Flag
from haihe_contract.ranges import EMPTY, RangeSet

from haihe_cloud.database import NO_LIMIT, Connection

from .evaluate import Sample, State
from .plan import Judgement
from .replay import Snapshot, thin

AT_ARRIVAL_MAX = 4096
"""Readings judged at their arrival that are remembered of one track; the oldest are forgotten first."""
UNORDERED_RANGES_MAX = 512
"""Ranges of record numbers remembered of one line as outside the order of time; the lowest are forgotten first."""
UNORDERED_LINES_MAX = 64
"""Lines of one station that are remembered so; the longest unused is forgotten first."""

_states = msgspec.msgpack.Decoder(State)
_ranges = msgspec.msgpack.Decoder(list[tuple[int, int]])


class Track(NamedTuple):
    """One rule's judgement of one series of one station.

    Args:
        id: new whenever the threshold changes.
        waiting_from_ms: earliest reading that is ahead of the centre's clock and not yet judged in order.
        waiting_to_ms: the last of them.
    """

    id: int
    waiting_from_ms: int | None
    waiting_to_ms: int | None


def threshold_text(judgement: Judgement) -> str:
    """The level as the track remembers it, so that a change of it is seen."""
    return msgspec.json.encode((judgement.threshold, judgement.datum)).decode()


def open_track(connection: Connection, judgement: Judgement, station: str) -> tuple[Track, int | None]:
    """The track of this judgement, and the id of the one it replaces because its threshold was another."""
    key = (judgement.rule.name, station, judgement.series)
    row = connection.execute(
        "SELECT id, waiting_from_ms, waiting_to_ms, threshold FROM alarm_track WHERE rule=? AND station=? AND series=?",
        key,
    ).fetchone()
    text = threshold_text(judgement)
    if row and row[3] == text:
        return Track(*row[:3]), None
    if row:
        drop_track(connection, row[0])
    made = connection.execute(
        "INSERT INTO alarm_track(rule, station, series, threshold) VALUES(?, ?, ?, ?) RETURNING id", (*key, text)
    ).fetchone()
    return Track(made[0], None, None), row[0] if row else None


def drop_track(connection: Connection, track: int) -> None:
    """Forget a track with its snapshots; its alarms stay in the book."""
    connection.execute("DELETE FROM alarm_snapshot WHERE track=?", (track,))
    connection.execute("DELETE FROM alarm_at_arrival WHERE track=?", (track,))
    connection.execute("DELETE FROM alarm_track WHERE id=?", (track,))


def set_waiting(connection: Connection, track: Track, from_ms: int | None, to_ms: int | None) -> None:
    """Remember which stretch of time still waits for the centre's clock."""
    if (from_ms, to_ms) != (track.waiting_from_ms, track.waiting_to_ms):
        connection.execute(
            "UPDATE alarm_track SET waiting_from_ms=?, waiting_to_ms=? WHERE id=?", (from_ms, to_ms, track.id)
        )


def newest(connection: Connection, track: int) -> Snapshot | None:
    """The state after everything that was judged."""
    row = connection.execute(
        "SELECT at_ms, state FROM alarm_snapshot WHERE track=? ORDER BY at_ms DESC LIMIT 1", (track,)
    ).fetchone()
    return _snapshot(row) if row else None


def before(connection: Connection, track: int, time_ms: int) -> Snapshot | None:
    """The newest snapshot that no reading of this time or later has a part in."""
    row = connection.execute(
        "SELECT at_ms, state FROM alarm_snapshot WHERE track=? AND at_ms<? ORDER BY at_ms DESC LIMIT 1",
        (track, time_ms),
    ).fetchone()
    return _snapshot(row) if row else None


def after(connection: Connection, track: int, time_ms: int) -> list[Snapshot]:
    """The snapshots later than this, ascending."""
    rows = connection.execute(
        "SELECT at_ms, state FROM alarm_snapshot WHERE track=? AND at_ms>? ORDER BY at_ms", (track, time_ms)
    )
    return [_snapshot(row) for row in rows]


def keep(connection: Connection, track: int, snapshots: list[Snapshot]) -> None:
    """Write new and corrected snapshots, and drop what is more than need be."""
    connection.executemany(
        "INSERT INTO alarm_snapshot VALUES(?, ?, ?) ON CONFLICT(track, at_ms) DO UPDATE SET state=excluded.state",
        [(track, each.at_ms, msgspec.msgpack.encode(each.state)) for each in snapshots],
    )
    times = [
        row[0] for row in connection.execute("SELECT at_ms FROM alarm_snapshot WHERE track=? ORDER BY at_ms", (track,))
    ]
    connection.executemany(
        "DELETE FROM alarm_snapshot WHERE track=? AND at_ms=?", [(track, time_ms) for time_ms in thin(times)]
    )


def note_arrival(connection: Connection, track: int, time_ms: int, value: float, *, below: bool) -> None:
    """Remember the worst reading of a batch that is judged at its arrival."""
    worse = "<" if below else ">"
    connection.execute(
        "INSERT INTO alarm_at_arrival VALUES(?, ?, ?) ON CONFLICT(track, time_ms) DO UPDATE SET value=excluded.value"
        f" WHERE excluded.value{worse}alarm_at_arrival.value",
        (track, time_ms, value),
    )
    connection.execute(
        "DELETE FROM alarm_at_arrival WHERE track=? AND time_ms<=(SELECT time_ms FROM alarm_at_arrival"
        " WHERE track=? ORDER BY time_ms DESC LIMIT 1 OFFSET ?)",
        (track, track, AT_ARRIVAL_MAX),
    )


def arrivals(connection: Connection, track: int, start_ms: int, end_ms: int) -> list[Sample]:
    """Readings judged at their arrival, with start <= time < end."""
    rows = connection.execute(
        "SELECT time_ms, value FROM alarm_at_arrival WHERE track=? AND time_ms>=? AND time_ms<? ORDER BY time_ms",
        (track, start_ms, end_ms),
    )
    return [Sample(time_ms, value, Flag.SUSPECT) for time_ms, value in rows]


def unordered(connection: Connection, station: str) -> dict[int, RangeSet]:
    """Records per line that were judged at their arrival and have no part in the order of time."""
    rows = connection.execute("SELECT line, ranges FROM alarm_unordered WHERE station=?", (station,))
    return {int(line, 16): RangeSet(_ranges.decode(ranges)) for line, ranges in rows}


def add_unordered(connection: Connection, station: str, line: int, numbers: RangeSet, now_ms: int) -> None:
    """Add to them."""
    grown = unordered(connection, station).get(line, EMPTY) | numbers
    packed = msgspec.msgpack.encode(list(grown.ranges[-UNORDERED_RANGES_MAX:]))
    connection.execute(
        "INSERT INTO alarm_unordered VALUES(?, ?, ?, ?)"
        " ON CONFLICT(station, line) DO UPDATE SET last_ms=excluded.last_ms, ranges=excluded.ranges",
        (station, f"{line:016x}", now_ms, packed),
    )
    connection.execute(
        "DELETE FROM alarm_unordered WHERE station=? AND line IN (SELECT line FROM alarm_unordered"
        " WHERE station=? ORDER BY last_ms DESC, line LIMIT ? OFFSET ?)",
        (station, station, NO_LIMIT, UNORDERED_LINES_MAX),
    )


def take_unordered(connection: Connection, station: str, line: int, numbers: RangeSet) -> None:
    """Take records out of them that have got their true time."""
    known = unordered(connection, station).get(line, EMPTY)
    if known & numbers:
        connection.execute(
            "UPDATE alarm_unordered SET ranges=? WHERE station=? AND line=?",
            (msgspec.msgpack.encode(list((known - numbers).ranges)), station, f"{line:016x}"),
        )


def _snapshot(row: tuple[int, bytes]) -> Snapshot:
    return Snapshot(row[0], _states.decode(row[1]))
