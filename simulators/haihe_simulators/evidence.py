"""What a balance is drawn from: answer logs, profiles and site files as plain YAML, tables by SQL.

Nothing here uses the agent's readers or the centre's classes, on purpose.
"""

import json
import math
import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from haihe_contract.errors import FieldError
from haihe_contract.quantity import duration_ms
from haihe_contract.ranges import RangeSet
from haihe_contract.series import Series, Source
from haihe_contract.varint import Reader

from .balance import TOLERANCE, TOLERANCE_F32, Row, Said, SeriesBook

FREE_MS = 5_000
"""A receiver speaks every second; the agent may write down a fix that is up to so old."""
UNSTATED_MS = 30_000
"""How long instruments whose profile does not say it may think."""
MISSING = 9
"""The flag of a row that has no value."""
_GNSS = {"latitude": "lat", "longitude": "lon", "satellites": "sats"}
_PLACES = {"ABCD": (0, 1, 2, 3), "CDAB": (2, 3, 0, 1), "BADC": (1, 0, 3, 2), "DCBA": (3, 2, 1, 0)}
_FUNCTIONS = {"holding": 3, "input": 4}


class Expected(NamedTuple):
    """One series of a site: which words of which instrument mean it, and how.

    Args:
        key: of the series.
        instrument: whose log to read.
        period_ms: how often it is asked, or speaks.
        free: whether it speaks unasked (a GNSS receiver).
        point: the profile's point as its YAML says it; for a receiver the field of its log.
        times: the site's factor, after the profile's.
        plus: the site's addend.
        most_ms: how long the instrument may think.
    """

    key: str
    instrument: str
    period_ms: int
    free: bool
    point: Mapping[str, Any]
    times: float
    plus: float
    most_ms: float


def expected(site_file: Path, profiles: Path) -> list[Expected]:
    """The series that a site file asks for.

    Raises:
        FieldError: when a file cannot be read.
    """
    site = _yaml(site_file)
    out: list[Expected] = []
    for bus in site.get("buses") or ():
        if bus["kind"] == "gnss":
            for element, field in _GNSS.items():
                key = Series(element, bus.get("point", "main")).key
                out.append(Expected(key, bus["name"], FREE_MS, True, {"field": field}, 1.0, 0.0, 0.0))
    for instrument in site.get("instruments") or ():
        profile = _yaml(profiles / f"{instrument['profile']}.yaml")
        out += _of_instrument(instrument, profile)
    return out


def _of_instrument(instrument: Mapping[str, Any], profile: Mapping[str, Any]) -> Iterator[Expected]:
    points = {point["name"]: point for point in profile["points"]}
    wanted = instrument.get("series")
    if wanted is None:
        wanted = [{"point": name} for name, point in points.items() if point.get("element")]
    done: set[str] = set()
    free = profile.get("transport") == "ascii" and not any(each.get("send") for each in profile["messages"])
    for entry in wanted:
        point, times, plus = points[entry["point"]], float(entry.get("times", 1)), float(entry.get("plus", 0))
        at, most = entry.get("at", "main"), float((profile.get("answer_ms") or {}).get("most", UNSTATED_MS))
        forms = [(entry.get("as") or point.get("element"), times, plus, entry.get("datum") or "")]
        if (times, plus) != (1, 0) and point.get("element"):
            forms.insert(0, (point["element"], 1.0, 0.0, ""))  # the raw value travels beside a derived one
        for element, factor, addend, datum in forms:
            source = Source.DERIVED if (factor, addend) != (1, 0) else Source.INSTRUMENT
            key = Series(element, at, source=source, datum=datum).key
            if key not in done:
                done.add(key)
                every = duration_ms(str(instrument["every"]))
                yield Expected(key, instrument["name"], every, free, point, factor, addend, most)


def _yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FieldError(f"cannot be read: {error}", where=str(path), do="give the file of this run") from None
    if not isinstance(document, dict):
        raise FieldError("holds no keys and values", where=str(path), do="give the file of this run")
    return document


def number_at(point: Mapping[str, Any], start: int, registers: bytes) -> float | None:
    """The raw number of a point in an answer, or None when the answer does not hold it whole."""
    form = point["as"]
    size = int(form[1:]) // 8
    begin = (point["at"] - start) * 2
    if begin < 0 or begin + size > len(registers):
        return None
    taken = registers[begin : begin + size]
    order = point.get("order", "ABCD")
    if size == 8:  # the same two habits over four words
        words = [taken[at : at + 2] for at in range(0, 8, 2)]
        if order in ("CDAB", "DCBA"):
            words.reverse()
        taken = b"".join(word[::-1] if order in ("BADC", "DCBA") else word for word in words)
    elif size == 4:
        taken = bytes(taken[place] for place in _PLACES[order])
    elif order in ("BADC", "DCBA"):
        taken = taken[::-1]
    if form[0] == "f":
        return float(struct.unpack(">f" if size == 4 else ">d", taken)[0])
    return int.from_bytes(taken, "big", signed=form[0] == "s")


def meaning(what: Expected, answer: Mapping[str, Any]) -> float | None:
    """The value that one logged answer gives to the series; None when it says nothing of it."""
    point = what.point
    if "says" in answer:  # text and SDI-12: the number as it was said, in the element's unit
        number = answer["says"].get(point["name"])
        return None if number is None else float(number) * what.times + what.plus
    if what.free:
        return float(answer[point["field"]]) if answer.get("fix") else None
    if answer.get("fn") != _FUNCTIONS[point.get("table", "holding")]:
        return None
    raw = number_at(point, answer["at"], bytes.fromhex(answer["hex"]))
    if raw is None or not math.isfinite(raw):
        return None
    if any(raw == sentinel["raw"] for sentinel in point.get("sentinels") or ()):
        return None
    value = raw * float(point.get("times", 1)) + float(point.get("plus", 0))
    return value * what.times + what.plus


def said(what: Expected, answers: Iterable[Mapping[str, Any]]) -> list[Said]:
    """What a log means for one series, in order of time."""
    found = ((answer, meaning(what, answer)) for answer in answers if "full" not in answer)
    return sorted(
        Said(answer["t"], value, answer.get("took", 0) > what.most_ms, answer["t"] - answer.get("took", 0))
        for answer, value in found
        if value is not None
    )


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of an answer log; a last line that was cut off is left out."""
    lines = path.read_text("ascii").splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


Ask = Callable[[str, tuple[Any, ...]], list[tuple[Any, ...]]]
"""One SELECT of ours, with ``?`` for each of its parameters, put to a database; its rows."""


def of_file(path: Path) -> Ask:
    """Asks an SQLite file."""

    def ask(sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        if not path.is_file():
            raise FieldError("there is no database", where=str(path), do="give the directory of this run")
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                return connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise FieldError(
                f"the database cannot be read: {error}", where=str(path), do="give the directory of this run"
            ) from None

    return ask


class Stored(NamedTuple):
    """What a store holds of one station: rows with a value, and times of rows that say "missing"."""

    rows: dict[str, list[Row]]
    missing: dict[str, list[int]]


def stored(ask: Ask, station: str) -> Stored:
    """Read the embedded store by SQL. Rows that lost their place to another are stored rows too."""
    rows: dict[str, list[Row]] = {}
    missing: dict[str, list[int]] = {}
    for table in ("reading", "conflict"):
        for key, time_ms, value, packed, line, number in ask(
            f"SELECT series.key, time_ms, value, mark, line.line, number FROM {table} "  # noqa: S608 - constant
            "JOIN series ON series.id = series_id JOIN line ON line.id = line_id WHERE station = ?",
            (station,),
        ):
            if packed & 15 == MISSING:
                missing.setdefault(key, []).append(time_ms)
            else:
                rows.setdefault(key, []).append(Row(time_ms, value, int(line, 16), number))
    return Stored(rows, missing)


def gaps(ledger: Ask, station: str) -> list[tuple[int, int, int]]:
    """Numbers that the centre knows as missing: (line, first, last), from the stations' own gap records."""
    found = ledger("SELECT detail FROM event WHERE station = ? AND kind = 'gap'", (station,))
    details = [json.loads(detail) for (detail,) in found]
    return [(int(detail["line"], 16), first, last) for detail in details for first, last in detail.get("ranges", ())]


def held(ledger: Ask, station: str) -> dict[int, RangeSet]:
    """Numbers that the centre's receipts settle, by line: held ones, and refused ones that lie in quarantine.

    The station does not send them again, so whatever of them is not in the store is lost.
    """
    rows = ledger("SELECT line, held, refused FROM line WHERE station = ?", (station,))
    return {int(line, 16): RangeSet([*_unpacked(held), *_unpacked(refused)]) for line, held, refused in rows}


class Opening(NamedTuple):
    """A start of the agent that its own record tells of.

    Args:
        time_ms: when.
        lossy: whether the line before was not closed in order: the record then names its loss window.
    """

    time_ms: int
    lossy: bool


def openings(ledger: Ask, station: str) -> list[Opening]:
    """Every opening that the centre holds, in order of time."""
    found = ledger("SELECT time_ms, detail FROM event WHERE station = ? AND kind = 'opened'", (station,))
    details = [(time_ms, json.loads(detail)) for time_ms, detail in found]
    return sorted(
        Opening(time_ms, bool(said.get("previous_last")) and not said.get("closed")) for time_ms, said in details
    )


def _unpacked(packed: bytes) -> list[tuple[int, int]]:
    """Ranges as the ledger keeps them: pairs of distances, last end to first number, first number to its end."""
    reader, at, ranges = Reader(packed), 0, []
    while not reader.done:
        first = at + reader.varint()
        at = first + reader.varint()
        ranges.append((first, at))
    return ranges


def books(
    station: str,
    site_file: Path,
    profiles: Path,
    logs: Path,
    held: Stored,
    waiting: Mapping[str, Sequence[Row]],
) -> list[SeriesBook]:
    """Everything about one station's series.

    Args:
        station: code.
        site_file: its site file.
        profiles: directory of the profiles.
        logs: directory with one ``<instrument>.jsonl`` each.
        held: what the store holds of it.
        waiting: readings with a value that are still in the station, by series.
    """
    out = []
    known: set[str] = set()
    read: dict[str, list[dict[str, Any]]] = {}
    for what in expected(site_file, profiles):
        known.add(what.key)
        if what.instrument not in read:
            read[what.instrument] = read_log(logs / f"{what.instrument}.jsonl")
        rows = [*held.rows.get(what.key, ()), *waiting.get(what.key, ())]
        spoken = said(what, read[what.instrument])
        tolerance = TOLERANCE_F32 if what.point.get("as") == "f32" else TOLERANCE
        gone = held.missing.get(what.key, ())
        out.append(SeriesBook(station, what.key, spoken, rows, what.period_ms, what.free, gone, tolerance))
    # Rows of series that the site never asked for have no answer either.
    out += [SeriesBook(station, key, (), rows, 1000) for key, rows in held.rows.items() if key not in known]
    return out
