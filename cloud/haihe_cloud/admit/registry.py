"""The registry: which stations are known, and which unknown ones have spoken."""

from typing import Any

import msgspec
from haihe_contract.errors import FieldError
from haihe_contract.topic import is_station

from haihe_cloud.database import NO_LIMIT, Database
from haihe_cloud.limits import UNKNOWN_STATIONS

SILENT_AFTER_S = 600
"""A station is silent after ten minutes without a word, unless it is registered otherwise."""


class StationLevels(msgspec.Struct, frozen=True):
    """The levels of one water level series at which people act.

    Args:
        series: key of the series they apply to.
        datum: what they are measured from; must be the series' own.
        warning: warning level (警戒水位) in metres, or None.
        guarantee: guarantee level (保证水位) in metres, or None.
    """

    series: str
    datum: str = ""
    warning: float | None = None
    guarantee: float | None = None


class Station(msgspec.Struct, frozen=True):
    """One station as the centre knows it.

    Args:
        code: eight digits or capital letters.
        name_zh: Chinese name.
        name_en: English name.
        latitude: degrees north (CGCS2000), None where unknown.
        longitude: degrees east.
        river: name of the river.
        district: name of the district.
        silent_after_s: seconds without a word after which it counts as silent.
        levels: where people act.
    """

    code: str
    name_zh: str = ""
    name_en: str = ""
    latitude: float | None = None
    longitude: float | None = None
    river: str = ""
    district: str = ""
    silent_after_s: int = SILENT_AFTER_S
    levels: list[StationLevels] = []


class UnknownStation(msgspec.Struct, frozen=True):
    """A station with a valid certificate that nobody has registered; nothing of it is stored.

    Args:
        code: what it calls itself, as the broker authenticated it.
        topic: where it last spoke.
        times: how many messages it sent.
        first_ms: when it first spoke.
        last_ms: when it last spoke.
    """

    code: str
    topic: str
    times: int
    first_ms: int
    last_ms: int


def check_station(station: Station) -> None:
    """Whether a station can be registered.

    Raises:
        FieldError: with what is wrong.
    """
    where = f"station {station.code}"
    if not is_station(station.code):
        raise FieldError(
            f"{station.code!r} is no station code",
            where=where,
            do="write eight digits or capital letters, for example 31005650",
        )
    for name, value, most in (("latitude", station.latitude, 90), ("longitude", station.longitude, 180)):
        if value is not None and not -most <= value <= most:
            raise FieldError(f"{name} {value} is outside ±{most}°", where=where, do="write decimal degrees")
    if station.silent_after_s < 1:
        raise FieldError("silent_after_s must be at least 1 s", where=where, do="leave it out for 600 s")
    for level in station.levels:
        if level.warning is not None and level.guarantee is not None and level.guarantee < level.warning:
            raise FieldError(
                f"the guarantee level {level.guarantee} m is below the warning level {level.warning} m",
                where=f"{where}, {level.series}",
                do="exchange them",
            )


class Registry:
    """Stations in SQL. Every question reads the database, so what a command line adds counts at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stations(self) -> list[Station]:
        """Every known station, by code."""
        rows = self._database.connection().execute("SELECT body FROM station ORDER BY code")
        return [_read(body) for (body,) in rows]

    def get(self, code: str) -> Station | None:
        """The station of that code, or None."""
        row = self._database.connection().execute("SELECT body FROM station WHERE code=?", (code,)).fetchone()
        return _read(row[0]) if row else None

    def add(self, station: Station) -> None:
        """Add a station, or change what is known of it.

        Raises:
            FieldError: when the station cannot be right.
        """
        check_station(station)
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO station(code, body) VALUES(?, ?) ON CONFLICT(code) DO UPDATE SET body=excluded.body",
                (station.code, msgspec.json.encode(station).decode()),
            )
            connection.execute("DELETE FROM unknown_station WHERE code=?", (station.code,))

    def remove(self, code: str) -> None:
        """Forget a station. What it sent stays in store and ledger; what it sends is no longer taken.

        Raises:
            FieldError: when it is not known.
        """
        with self._database.transaction() as connection:
            if connection.execute("DELETE FROM station WHERE code=?", (code,)).rowcount == 0:
                raise FieldError(f"station {code} is not registered", do="haihe-cloud station list")

    def saw_unknown(self, code: str, now_ms: int, topic: str, times: int = 1) -> None:
        """Note that a station which is not registered has spoken."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO unknown_station(code, topic, times, first_ms, last_ms) VALUES(?, ?, ?, ?, ?)"
                " ON CONFLICT(code) DO UPDATE SET topic=excluded.topic, times=unknown_station.times+excluded.times,"
                " last_ms=excluded.last_ms",
                (code, topic, times, now_ms, now_ms),
            )
            connection.execute(
                "DELETE FROM unknown_station WHERE code IN"
                " (SELECT code FROM unknown_station ORDER BY last_ms DESC, code LIMIT ? OFFSET ?)",
                (NO_LIMIT, UNKNOWN_STATIONS),
            )

    def unknown(self) -> list[UnknownStation]:
        """Unknown stations that have spoken, latest first."""
        rows = self._database.connection().execute(
            "SELECT code, topic, times, first_ms, last_ms FROM unknown_station ORDER BY last_ms DESC, code"
        )
        return [UnknownStation(*row) for row in rows]


def _read(body: Any) -> Station:
    return msgspec.json.decode(body, type=Station)
