"""What goes to InfluxDB, as text: one line a row, and every line carries every field.

InfluxDB merges two points of one place field by field, so a correction that left a field out would keep the
old one. The one field that a row may lack is ``value``; a missing row never replaces a present one
(:func:`haihe_cloud.store.choose.rank`), and readers take no value from a row whose flag says missing.

Measurements:
    reading   time = measurement time; tags station, series and the parts of the series key
    conflict  every reading of a place with rivals, tag ``rival`` = its value, field ``shown`` = whether it won
    untimed   time = the record's number in nanoseconds, because it has no other; tag line

The line (64 bits without sign) is a string field of 16 hex digits: an integer field holds only 63 bits, and
text of equal length sorts as the numbers do.
"""

from functools import lru_cache

from haihe_contract.quality import Flag
from haihe_contract.reading import Reading
from haihe_contract.series import parse_series

READING, CONFLICT, UNTIMED = "reading", "conflict", "untimed"
STATION, LEVEL = "station", "level"
NO_DATUM = "-"
"""Tag value of a series without datum: InfluxDB has no empty tags."""
_TAG_ESCAPES = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\n"})
_TEXT_ESCAPES = str.maketrans({'"': r"\"", "\\": r"\\"})


def tag(text: str) -> str:
    """A tag value; InfluxDB drops empty ones, so they become ``-``."""
    return text.translate(_TAG_ESCAPES).rstrip("\\") or NO_DATUM


def text(words: str) -> str:
    """A string field."""
    return f'"{words.translate(_TEXT_ESCAPES)}"'


@lru_cache(maxsize=65536)
def _place(measurement: str, station: str, series: str) -> str:
    parts = parse_series(series)
    return (
        f"{measurement},station={tag(station)},series={tag(series)},element={parts.element},point={parts.point},"
        f"statistic={parts.statistic},interval={parts.interval_s},source={parts.source},datum={tag(parts.datum)}"
    )


def _fields(reading: Reading) -> str:
    _, _, value, flag, reasons, grade, line, number = reading
    measured = "" if value is None or flag == Flag.MISSING else f"value={float(value)!r},"
    return f'{measured}flag={flag:d}i,reasons={reasons:d}i,grade={grade:d}i,line="{line:016x}",number={number}i'


def reading_line(station: str, reading: Reading) -> str:
    """The row that is shown; precision milliseconds."""
    return f"{_place(READING, station, reading.series)} {_fields(reading)} {reading.time_ms}"


def rival(value: float | None) -> str:
    """The tag that tells the rivals of one place apart."""
    return NO_DATUM if value is None else repr(float(value) + 0.0)


def conflict_line(station: str, reading: Reading, *, shown: bool) -> str:
    """One of the readings that want the same place; precision milliseconds."""
    place = _place(CONFLICT, station, reading.series)
    won = "true" if shown else "false"
    return f"{place},rival={rival(reading.value)} {_fields(reading)},shown={won} {reading.time_ms}"


def untimed_line(station: str, reading: Reading) -> str:
    """A reading without a trusted clock; precision nanoseconds."""
    place = _place(UNTIMED, station, reading.series)
    return f"{place},line={reading.line:016x} {_fields(reading)},boot_ms={reading.time_ms}i {reading.number}"
