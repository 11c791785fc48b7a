"""Asking an InfluxDB (1.8 or later, 2.x) in InfluxQL: statements in, tables out, every wait bounded."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
import urllib3
from haihe_contract.quality import Flag, Grade, Reason
from haihe_contract.reading import Reading

from .port import StoreAway

STATEMENTS_MAX = 100
FIELDS = '"value", "flag", "reasons", "grade", "line", "number"'
"""What every row of the store carries, in the order :func:`reading_of` wants after the time."""


class Table(NamedTuple):
    """One table of an answer: its tags (of GROUP BY), column names and rows."""

    tags: dict[str, str]
    columns: list[str]
    rows: list[list[Any]]


def quoted(words: str) -> str:
    """A string in a statement."""
    return "'" + words.replace("\\", "\\\\").replace("'", "\\'") + "'"


def reading_of(series: str, row: Sequence[Any]) -> Reading:
    """A row ``time, value, flag, reasons, grade, line, number`` as the contract means it."""
    time_ms, value, flag, reasons, grade, line, number = row
    missing = value is None or flag == Flag.MISSING
    return Reading(
        series,
        time_ms,
        None if missing else float(value),
        Flag(flag),
        Reason(reasons),
        Grade(grade),
        int(line, 16),
        number,
    )


class _Series(msgspec.Struct):
    columns: list[str]
    tags: dict[str, str] = {}
    values: list[list[Any]] = []


class _Result(msgspec.Struct):
    series: list[_Series] = []
    error: str | None = None


class _Answer(msgspec.Struct):
    results: list[_Result] = []
    error: str | None = None


_decoder = msgspec.json.Decoder(_Answer)


class Influxql:
    """The ``/query`` address of one database.

    Args:
        url: for example ``http://127.0.0.1:8086``.
        token: of InfluxDB 2, or ``user:password`` of 1.x.
        bucket: ``name``, or ``database/retention-policy``.
        timeout_s: the longest wait for any answer.
    """

    def __init__(self, url: str, token: str, bucket: str, *, timeout_s: float) -> None:
        self._url = url.rstrip("/") + "/query"
        self._database, _, self._policy = bucket.partition("/")
        self._headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        if token:
            self._headers["Authorization"] = f"Token {token}"
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=min(timeout_s, 3.0), read=timeout_s), retries=False, maxsize=8
        )

    def ask(self, statement: str, *, epoch: str = "ms") -> list[Table]:
        """The tables of one statement.

        Raises:
            StoreAway: when there is no answer, or it is an error.
        """
        return self.ask_all([statement], epoch=epoch)[0]

    def ask_all(self, statements: Iterable[str], *, epoch: str = "ms") -> list[list[Table]]:
        """The tables of each statement, many statements to a request.

        Raises:
            StoreAway: when there is no answer, or it is an error.
        """
        waiting = list(statements)
        found: list[list[Table]] = []
        for start in range(0, len(waiting), STATEMENTS_MAX):
            portion = waiting[start : start + STATEMENTS_MAX]
            answer = self._post(";".join(portion), epoch)
            fault = answer.error or next((r.error for r in answer.results if r.error), None)
            if fault or len(answer.results) != len(portion):
                raise StoreAway(f"InfluxDB at {self._url}: {fault or 'answered only in part'}")
            found += [[Table(s.tags, s.columns, s.values) for s in r.series] for r in answer.results]
        return found

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _post(self, statements: str, epoch: str) -> _Answer:
        address = {"db": self._database, "epoch": epoch}
        if self._policy:
            address["rp"] = self._policy
        try:
            answer = self._pool.request(
                "POST",
                f"{self._url}?{urlencode(address)}",
                body=urlencode({"q": statements}),
                headers=self._headers,
            )
            if answer.status != 200:
                said = answer.data[:200].decode("utf-8", "replace").strip()
                raise StoreAway(f"InfluxDB at {self._url} answered {answer.status}: {said}")
            return _decoder.decode(answer.data)
        except (urllib3.exceptions.HTTPError, OSError, msgspec.DecodeError) as error:
            raise StoreAway(f"InfluxDB at {self._url}: {error}") from error
