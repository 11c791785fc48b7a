"""What a station would have to be told again after its card has died: the latest state of each name."""

import msgspec
from haihe_contract.quality import Grade
from haihe_contract.ranges import RangeSet
from haihe_contract.record import State
from haihe_contract.restore import StationState

from haihe_cloud.database import NO_LIMIT, Connection
from haihe_cloud.limits import STATES_PER_STATION

from .arrival import Arrival
from .packed import line_text


def put(connection: Connection, arrival: Arrival, new: RangeSet) -> None:
    """Keep what is newer than what is known. A clock that ran ahead counts as the moment of arrival.

    Args:
        connection: inside the ledger's commit.
        arrival: the batch.
        new: numbers of it that were not held before, or not with this content: a repetition is not newer.
    """
    batch = arrival.batch
    for record in batch.records:
        body = record.body
        if not isinstance(body, State) or record.number not in new:
            continue
        at_ms = min(body.time_ms, arrival.received_ms) if body.grade != Grade.NONE else 0
        connection.execute(
            "INSERT INTO station_state VALUES(?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(station, name) DO UPDATE SET"
            " at_ms=excluded.at_ms, line=excluded.line, number=excluded.number, time_ms=excluded.time_ms,"
            " grade=excluded.grade, value=excluded.value"
            " WHERE (excluded.at_ms, excluded.number, excluded.line, excluded.value)"
            " > (station_state.at_ms, station_state.number, station_state.line, station_state.value)",
            (
                batch.station,
                body.name,
                at_ms,
                line_text(batch.line),
                record.number,
                body.time_ms,
                body.grade,
                msgspec.json.encode(body.value).decode(),
            ),
        )
        connection.execute(
            "DELETE FROM station_state WHERE station=? AND name IN (SELECT name FROM station_state"
            " WHERE station=? ORDER BY at_ms DESC, name LIMIT ? OFFSET ?)",
            (batch.station, batch.station, NO_LIMIT, STATES_PER_STATION),
        )


def of_station(connection: Connection, station: str) -> list[StationState]:
    """The latest of every name, by name."""
    rows = connection.execute(
        "SELECT name, time_ms, grade, value FROM station_state WHERE station=? ORDER BY name", (station,)
    )
    return [StationState(name, time_ms, grade, msgspec.json.decode(value)) for name, time_ms, grade, value in rows]
