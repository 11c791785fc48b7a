"""What a centre's ledger says, read by SQL of the world's own."""

from haihe_cloud.ledger.packed import unpack
from haihe_contract import wire
from haihe_contract.ranges import EMPTY, RangeSet

from .cards import Line
from .watched import Centre


def _first(centre: Centre, sql: str, *facts: object) -> tuple[bytes, ...] | None:
    found: tuple[bytes, ...] | None = centre.database.connection().execute(sql, facts).fetchone()
    return found


def known(centre: Centre, station: str) -> bool:
    """Whether a station may speak there."""
    return _first(centre, "SELECT 1 FROM station WHERE code=?", station) is not None


def kept(centre: Centre, payload: bytes) -> bool:
    """Whether it has these bytes in quarantine."""
    return _first(centre, "SELECT 1 FROM quarantine WHERE data=?", payload) is not None


def quarantined(centre: Centre, key: Line) -> RangeSet:
    """Numbers of a line whose batches it has in quarantine."""
    found = EMPTY
    for (data,) in centre.database.connection().execute("SELECT data FROM quarantine WHERE station=?", (key[0],)):
        try:
            envelope = wire.read_envelope(data)
        except wire.WireError:
            continue
        if envelope.line == key[1]:
            found |= envelope.numbers
    return found


def knows_dictionary(centre: Centre, key: Line) -> bool:
    """Whether it knows what the series numbers of a line mean."""
    row = _first(centre, "SELECT dictionary FROM line WHERE station=? AND line=?", key[0], f"{key[1]:016x}")
    return row is not None and row[0] is not None


def booked(centre: Centre, key: Line) -> tuple[RangeSet, RangeSet]:
    """Numbers of a line that it holds, and that it has refused."""
    row = _first(centre, "SELECT held, refused FROM line WHERE station=? AND line=?", key[0], f"{key[1]:016x}")
    return (unpack(row[0]), unpack(row[1])) if row else (EMPTY, EMPTY)


def epoch_of(centre: Centre) -> int:
    """Its epoch."""
    return int(centre.database.connection().execute("SELECT value FROM meta WHERE name='epoch'").fetchone()[0])


def all_held(centre: Centre, station: str) -> dict[int, RangeSet]:
    """What it holds of a station, by line."""
    rows = centre.database.connection().execute("SELECT line, held FROM line WHERE station=?", (station,))
    return {int(line, 16): unpack(held) for line, held in rows}
