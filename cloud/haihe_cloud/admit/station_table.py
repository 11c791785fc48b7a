"""A table of stations, CSV or XLSX: all of its faults at once with row and column, or what is to be registered.

One row a station. A cell that is left empty leaves what is known of the station. Times of service that are already
known stay: a new first day begins a further time, the same first day with an end changes that.
"""

import csv
import datetime
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple
from xml.parsers import expat

import msgspec
from haihe_contract.document import DocumentError, Problem
from haihe_contract.errors import FieldError
from haihe_contract.series import parse_series
from haihe_contract.topic import is_station

from haihe_cloud.limits import STATION_FILE_BYTES, STATION_FILE_ROWS

from .registry import Station, StationLevels, Validity, check_station

COLUMNS = {
    "code": "站码",
    "name_zh": "站名",
    "name_en": "英文站名",
    "latitude": "纬度",
    "longitude": "经度",
    "river": "河流",
    "district": "行政区",
    "silent_after_s": "失联时限",
    "since": "启用日期",
    "until": "停用日期",
    "level_series": "水位序列",
    "warning": "警戒水位",
    "guarantee": "保证水位",
}
"""Heads of the columns, English and Chinese; both are understood."""
_NAMES = {**{name: name for name in COLUMNS}, **{chinese: name for name, chinese in COLUMNS.items()}}
_ENCODINGS = ("utf-8-sig", "gb18030")
_UNPACKED_BYTES = 4 * STATION_FILE_BYTES
_ELEMENTS_MAX = 100_000
_STREAMED = ("row", "si")
"""Elements of a workbook that are read one by one: rows, and the texts that cells share."""
_COLUMNS_MAX = 64
_LETTERS_MAX = 200
_ERRORS = frozenset(("#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"))
"""What spreadsheets show, and save, where a formula has no result."""


class Cell(NamedTuple):
    """What stands in a cell, and where: columns are counted from 1."""

    column: int
    value: Any


class Row(NamedTuple):
    """The cells of one row by the name of their column; rows are counted from 1, the heads included."""

    number: int
    cells: Mapping[str, Cell]


class _Faults:
    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def add(self, row: int, column: int, what: str) -> None:
        self.problems.append(Problem(self.file, row, column, what))

    def finish(self) -> None:
        if self.problems:
            raise DocumentError(self.problems)


def load_table(path: Path, known: Callable[[str], Station | None]) -> list[Station]:
    """The stations of a CSV or XLSX file, joined with what is known of them.

    Args:
        path: of the file; its name ends with ``.csv`` or ``.xlsx``.
        known: what the registry has of a code.

    Raises:
        DocumentError: with every fault of the file.
    """
    faults = _Faults(str(path))
    stations: list[Station] = []
    seen: dict[str, int] = {}
    for row in _rows(path, faults):
        before = len(faults.problems)
        given = {name: _cell(row.number, name, cell, faults) for name, cell in row.cells.items()}
        code = given.pop("code", None)
        column = row.cells["code"].column if "code" in row.cells else 1
        if code is None:
            if len(faults.problems) == before:
                faults.add(row.number, column, "code: a value is missing")
        elif code in seen:
            faults.add(row.number, column, f"code: {code} stands in row {seen[code]} already")
        else:
            seen[code] = row.number
            station = _joined(known(code) or Station(code), given, row, faults)
            if station is not None:
                stations.append(station)
    faults.finish()
    return stations


def _joined(station: Station, given: dict[str, Any], row: Row, faults: _Faults) -> Station | None:
    """The known station with what the row says."""
    since, until = given.pop("since", None), given.pop("until", None)
    series, warning, guarantee = (given.pop(name, None) for name in ("level_series", "warning", "guarantee"))
    plain = {name: value for name, value in given.items() if value is not None}
    levels = station.levels
    if series is not None:
        before = next((each for each in levels if each.series == series), StationLevels(series))
        levels = [each for each in levels if each.series != series]
        levels.append(
            StationLevels(
                series,
                parse_series(series).datum,
                before.warning if warning is None else warning,
                before.guarantee if guarantee is None else guarantee,
            )
        )
    elif warning is not None or guarantee is not None:
        column = row.cells["warning" if warning is not None else "guarantee"].column
        faults.add(row.number, column, "level_series: is missing beside the level")
        return None
    try:
        valid = in_service(station.valid, since, until)
        joined = msgspec.structs.replace(station, levels=levels, valid=valid, **plain)
        check_station(joined)
    except FieldError as error:
        about = ("guarantee", "code") if "guarantee" in error.what else ("since", "until", "code")
        named = next(name for name in about if name in row.cells)
        faults.add(row.number, row.cells[named].column, f"{error.what}; {error.do}" if error.do else error.what)
        return None
    return joined


def in_service(known: Sequence[Validity], since: datetime.date | None, until: datetime.date | None) -> list[Validity]:
    """Times of service with one more, or with another end of one that is there.

    Raises:
        FieldError: when an end belongs to no beginning.
    """
    if since is None:
        if until is None:
            return list(known)
        if not known:
            raise FieldError("until: there is no first day that it could end", do="write the first day as since")
        return [*known[:-1], Validity(known[-1].since, until)]
    others = [each for each in known if each.since != since]
    if until is None:
        until = next((each.until for each in known if each.since == since), None)
    return sorted([*others, Validity(since, until)], key=lambda each: each.since)


def _cell(row: int, name: str, cell: Cell, faults: _Faults) -> Any:
    """What the cell means; None when it is empty or wrong."""
    value = cell.value.strip() if isinstance(cell.value, str) else cell.value
    if value is None or value == "":
        return None
    try:
        return _READ[name](value)
    except (ValueError, OverflowError) as error:
        faults.add(row, cell.column, f"{name}: {error}")
        return None


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)
    if text in _ERRORS:
        raise ValueError(f"{text} is what a formula without a result leaves; write the value")
    if len(text) > _LETTERS_MAX:
        raise ValueError(f"{len(text)} characters, at most {_LETTERS_MAX} are allowed")
    return text


def _code(value: Any) -> str:
    text = _text(value)
    if is_station(text):
        return text
    if isinstance(value, int | float) and len(text) < 8:
        raise ValueError(f"{text!r} is no station code; format the column as text, so that leading zeros stay")
    raise ValueError(f"{text[:40]!r} is no station code; write eight digits or capital letters")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"wanted a number, got {str(value)[:40]!r}")
    try:
        number = float("" if "_" in str(value) else value)  # to Python 6_24 is 624
    except ValueError:
        raise ValueError(f"wanted a number, got {str(value)[:40]!r}") from None
    if number - number:
        raise ValueError(f"wanted a finite number, got {str(value)[:40]!r}")
    return number


def _degrees(value: Any, most: int) -> float:
    number = _number(value)
    if not -most <= number <= most:
        raise ValueError(f"{number} is outside ±{most}°; write decimal degrees")
    return number


def _seconds(value: Any) -> int:
    number = _number(value)
    if not number.is_integer() or number < 1:
        raise ValueError(f"wanted a whole number of seconds, got {str(value)[:40]!r}")
    return int(number)


def _date(value: Any) -> datetime.date:
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    text = str(value)[:40]
    try:
        year, month, day = text.replace("/", "-").split("-")
        if len(year) != 4:
            raise ValueError("26-5-1 and 1/5/26 may be many days")
        return datetime.date(int(year), int(month), int(day))
    except ValueError:
        raise ValueError(f"{text!r} is no date; write for example 2026-05-01") from None


def _series(value: Any) -> str:
    return parse_series(_text(value)).key


_READ: dict[str, Callable[[Any], Any]] = {
    "code": _code,
    "name_zh": _text,
    "name_en": _text,
    "latitude": lambda value: _degrees(value, 90),
    "longitude": lambda value: _degrees(value, 180),
    "river": _text,
    "district": _text,
    "silent_after_s": _seconds,
    "since": _date,
    "until": _date,
    "level_series": _series,
    "warning": _number,
    "guarantee": _number,
}


def _rows(path: Path, faults: _Faults) -> Iterator[Row]:
    """The rows that say something, with their heads understood.

    Raises:
        DocumentError: when the file is no table of stations at all.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= STATION_FILE_BYTES else None
    except OSError as error:
        raise DocumentError([Problem(str(path), 1, 1, f"cannot be read: {error.strerror}")]) from None
    if data is None:
        raise DocumentError([Problem(str(path), 1, 1, f"larger than {STATION_FILE_BYTES} bytes")])
    lines = _xlsx(path, data) if path.suffix.lower() == ".xlsx" else _csv(path, data)
    heads: dict[int, str] | None = None
    for number, values in enumerate(lines, start=1):
        if number > STATION_FILE_ROWS:
            faults.add(number, 1, f"more than {STATION_FILE_ROWS} rows")
            return
        if all(value is None or value == "" for value in values):
            continue
        if heads is None:
            heads = _heads(number, values, faults)
            faults.finish()
            continue
        yield Row(number, {name: Cell(at + 1, values[at]) for at, name in heads.items() if at < len(values)})
    if heads is None:
        faults.add(1, 1, "the file is empty")


def _heads(number: int, values: Sequence[Any], faults: _Faults) -> dict[int, str]:
    heads: dict[int, str] = {}
    for at, value in enumerate(values[:_COLUMNS_MAX]):
        text = str(value if value is not None else "").strip()
        name = _NAMES.get(text)
        if not text:
            continue
        if name is None:
            faults.add(number, at + 1, f"{text[:40]!r} is no column; the columns are {', '.join(COLUMNS)}")
        elif name in heads.values():
            faults.add(number, at + 1, f"{name}: written twice")
        else:
            heads[at] = name
    if "code" not in heads.values():
        faults.add(number, 1, "the column code is missing")
    return heads


def _csv(path: Path, data: bytes) -> Iterable[Sequence[Any]]:
    text = None
    for encoding in _ENCODINGS:
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    if text is None:
        raise DocumentError([Problem(str(path), 1, 1, "neither UTF-8 nor GB 18030 text")])
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t，", key=first.count)
    try:
        # strict: an open quote would take in all further rows as one cell
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    except csv.Error as error:
        raise DocumentError([Problem(str(path), 1, 1, f"not CSV: {error}")]) from None


def _look_through(part: IO[bytes]) -> str:
    """Refuse what would fill the memory: the library holds whole all that stands in one row, or outside of rows.

    Returns:
        The first cell (``C2``) with a formula whose value was not saved, or nothing: to the library it is empty.

    Raises:
        ValueError: when that is too much.
        expat.ExpatError: when the part is no XML.
    """
    since, element, cell, unsaved, is_awaited = 0, "", "", "", False

    def begin(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal since, element, cell, unsaved, is_awaited
        element = name.rpartition(":")[2]
        since = 0 if element in _STREAMED else since + 1
        if since > _ELEMENTS_MAX:
            raise ValueError(f"{part.name} holds more than {_ELEMENTS_MAX} elements that belong to no row")
        if element == "c":  # a text may be empty
            cell, is_awaited = "" if attributes.get("t") == "str" else attributes.get("r", "A1"), False
        elif element == "f" and cell and not unsaved:
            unsaved, is_awaited = cell, True

    def text(said: str) -> None:
        nonlocal unsaved, is_awaited
        if element == "v" and is_awaited and said.strip():
            unsaved, is_awaited = "", False

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.CharacterDataHandler = text
    parser.ParseFile(part)
    return unsaved


def _xlsx(path: Path, data: bytes) -> Iterable[Sequence[Any]]:
    """The first sheet, read row by row; formulas by the value they had when the file was saved."""
    try:
        import openpyxl  # only who imports a workbook waits for it
    except ImportError:
        raise DocumentError(
            [Problem(str(path), 1, 1, "XLSX cannot be read without openpyxl: pip install 'haihe[cloud]'")]
        ) from None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(each.file_size for each in packed.infolist()) > _UNPACKED_BYTES:
                raise DocumentError([Problem(str(path), 1, 1, f"unpacks to more than {_UNPACKED_BYTES} bytes")])
            for each in packed.infolist():
                if each.filename.endswith((".xml", ".rels")):
                    with packed.open(each) as part:
                        unsaved = _look_through(part)
                    if unsaved:
                        row, column = openpyxl.utils.cell.coordinate_to_tuple(unsaved)
                        what = "a formula whose value was not saved; save the file with a spreadsheet program"
                        raise DocumentError([Problem(str(path), row, column, what)])
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        yield from sheet.iter_rows(max_col=_COLUMNS_MAX, values_only=True)
        book.close()
    except DocumentError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a damaged workbook does to the library
        raise DocumentError([Problem(str(path), 1, 1, f"not a workbook that can be read: {error}")]) from None
