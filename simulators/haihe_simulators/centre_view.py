"""The centre as seen from outside: its JSON API, and the file of its embedded store."""

import asyncio
import json
import sqlite3
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

_PATIENCE_S = 3.0
_ANSWER_BYTES_MAX = 16 * 1024 * 1024


class CentreView:
    """Asks the running centre. A centre that is away answers None.

    Args:
        address: of its page.
        store_file: of its embedded store.
    """

    def __init__(self, address: str, store_file: Path) -> None:
        self.address = address
        self.store_file = store_file

    async def get(self, path: str) -> Any | None:
        """What the API says at that path."""
        return await asyncio.to_thread(self._call, path, None)

    async def post(self, path: str, body: dict[str, Any]) -> Any | None:
        """What the API says to a body sent there."""
        return await asyncio.to_thread(self._call, path, body)

    async def newest_ms(self, station: str, series: str) -> int:
        """Time of the newest stored value of a series, 0 when there is none yet."""
        return await asyncio.to_thread(self._newest, station, series)

    async def stations_since(self, time_ms: int) -> int:
        """How many stations have a stored value that was measured since then."""
        return await asyncio.to_thread(self._stations_since, time_ms)

    async def waiting(self) -> dict[str, int] | None:
        """Records that each station still holds and the centre does not, as the centre knows."""
        answer = await self.get("/api/v1/stations")
        if answer is None:
            return None
        return {each["code"]: int(each["waiting"]) for each in answer["stations"]}

    def _call(self, path: str, body: dict[str, Any] | None) -> Any | None:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - our own address
            self.address + path, data=data, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:  # noqa: S310
                return json.loads(answer.read(_ANSWER_BYTES_MAX))
        except (OSError, ValueError, urllib.error.URLError):
            return None

    def _stations_since(self, time_ms: int) -> int:
        return self._ask(
            "SELECT count(DISTINCT station) FROM series WHERE EXISTS"
            " (SELECT 1 FROM reading WHERE series_id = series.id AND time_ms >= ? AND value IS NOT NULL)",
            (time_ms,),
        )

    def _newest(self, station: str, series: str) -> int:
        return self._ask(
            "SELECT max(time_ms) FROM reading WHERE value IS NOT NULL AND series_id = "
            "(SELECT id FROM series WHERE station = ? AND key = ?)",
            (station, series),
        )

    def _ask(self, sql: str, facts: tuple[str | int, ...]) -> int:
        if not self.store_file.exists():
            return 0
        try:
            with closing(sqlite3.connect(f"file:{self.store_file}?mode=ro", uri=True, timeout=1.0)) as connection:
                found = connection.execute(sql, facts).fetchone()
        except sqlite3.Error:
            return 0
        return int(found[0] or 0)
