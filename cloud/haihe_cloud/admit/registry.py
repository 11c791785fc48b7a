"""The registry: which stations are known, and which unknown ones have spoken."""

import datetime
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
from haihe_contract.errors import FieldError
from haihe_contract.topic import is_station

from haihe_cloud.database import NO_LIMIT, Connection, Database, select_among
from haihe_cloud.limits import STATION_CHANGES, UNKNOWN_STATIONS

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


class Validity(msgspec.Struct, frozen=True, order=True):
    """Days on which a station is in service; a day begins at 08:00 Beijing time.

    Args:
        since: first day.
        until: last day; left out while there is none.
    """

    since: datetime.date
    until: datetime.date | None = None


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
        valid: when it is in service, in the order of time; empty: always.
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
    valid: list[Validity] = []

    def is_valid(self, day: datetime.date) -> bool:
        """Whether the station is in service on that day."""
        return not self.valid or any(
            each.since <= day and (each.until is None or day <= each.until) for each in self.valid
        )


class Change(NamedTuple):
    """What was known of a station from some moment on."""

    changed_ms: int
    station: Station


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
    for each in station.valid:
        if each.until is not None and each.until < each.since:
            raise FieldError(
                f"the station is valid until {each.until}, before {each.since}", where=where, do="exchange the dates"
            )
    for before, after in pairwise(station.valid):
        if before.until is None or after.since <= before.until:
            raise FieldError(
                f"the times from {before.since} and from {after.since} overlap",
                where=where,
                do="end the earlier one before the later one begins",
            )
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

    def known(self, codes: Iterable[str]) -> set[str]:
        """Which of these codes are registered."""
        rows = select_among(
            self._database.connection(),
            "SELECT code FROM station WHERE code IN (VALUES {})",
            [(code,) for code in dict.fromkeys(codes)],
        )
        return {code for (code,) in rows}

    def add(self, station: Station, now_ms: int = 0) -> None:
        """Add a station, or change what is known of it; what was known before is kept.

        Args:
            station: what is known from now on.
            now_ms: when it was changed.

        Raises:
            FieldError: when the station cannot be right.
        """
        self.add_all([station], now_ms)

    def add_all(self, stations: Sequence[Station], now_ms: int = 0) -> None:
        """Add or change all of them in one commit, or none. See :meth:`add`.

        Raises:
            FieldError: when one cannot be right.
        """
        for station in stations:
            check_station(station)
        with self._database.transaction() as connection:
            for station in stations:
                _keep_change(connection, station, now_ms)
                connection.execute(
                    "INSERT INTO station(code, body) VALUES(?, ?) ON CONFLICT(code) DO UPDATE SET body=excluded.body",
                    (station.code, msgspec.json.encode(station).decode()),
                )
                connection.execute("DELETE FROM unknown_station WHERE code=?", (station.code,))

    def changes(self, code: str) -> list[Change]:
        """What was known of a station and since when, the latest first."""
        rows = self._database.connection().execute(
            "SELECT changed_ms, body FROM station_change WHERE code=? ORDER BY changed_ms DESC", (code,)
        )
        return [Change(changed_ms, _read(body)) for changed_ms, body in rows]

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


def _keep_change(connection: Connection, station: Station, now_ms: int) -> None:
    body = msgspec.json.encode(station).decode()
    row = connection.execute(
        "SELECT changed_ms, body FROM station_change WHERE code=? ORDER BY changed_ms DESC LIMIT 1", (station.code,)
    ).fetchone()
    if row is not None and row[1] == body:
        return
    changed_ms = now_ms if row is None else max(now_ms, row[0] + 1)
    connection.execute("INSERT INTO station_change VALUES(?, ?, ?)", (station.code, changed_ms, body))
    connection.execute(
        "DELETE FROM station_change WHERE code=? AND changed_ms<=(SELECT changed_ms FROM station_change WHERE code=?"
        " ORDER BY changed_ms DESC LIMIT 1 OFFSET ?)",
        (station.code, station.code, STATION_CHANGES),
    )


def _read(body: Any) -> Station:
    return msgspec.json.decode(body, type=Station)
