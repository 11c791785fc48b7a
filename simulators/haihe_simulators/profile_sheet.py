"""An instrument's profile as the simulators read it: plain YAML, with a codec of their own.

The agent has its own reader and its own decoder. This one only goes from values to registers, so that a mistake
in one of them shows instead of cancelling out.
"""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from haihe_contract.errors import FieldError

from .log_sheet import LogSheet
from .register_code import FORMS, SheetPoint, registers_of
from .usual import usual_values

__all__ = [
    "FORMS", "PARITIES", "TABLES", "Conduct", "Sheet", "SheetPoint", "not_simulated", "read_document", "read_sheet",
    "registers_of", "sheet",
]  # fmt: skip

TABLES = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
"""Function codes that read, and what they read."""
PARITIES = {"none": "N", "even": "E", "odd": "O"}
"""Words of profiles and site files, and the letters of serial ports."""
_BUSY = 5


class Conduct(NamedTuple):
    """How the instrument behaves besides having registers.

    Args:
        holes: what it says of registers that it does not have: exception, silence, zeros or nan.
        merge: none, block or whole: which spans it lets itself be asked for.
        registers_most: most registers of one read.
        align: 2 when a read of several registers must begin at an even address.
        asleep_after_s: after so long without a request the next one only wakes it; None for never.
        busy_s: a first read starts a measurement of so long and is answered with exception 5; None for no.
        started_by: ``(function, address)`` of the command that starts a measurement, None where none is needed.
        measures: names of points that are worth nothing before a measurement has ended.
        measure_s: how long a measurement takes after that command.
        orders: ``(function, address)`` of every command it knows.
        writable: function and address that is written, to table and address that is read, for every register that
            can be set.
        groups: first register and number of registers of what is written in one request or not at all.
        mute: ``(function, address)`` of every command that it obeys in silence.
        clears: names of counters that a command sets to 0, by its last ``(function, address)``.
    """

    holes: str = "exception"
    merge: str = "block"
    registers_most: int = 125
    align: int = 1
    asleep_after_s: float | None = None
    busy_s: float | None = None
    started_by: tuple[int, int] | None = None
    measures: frozenset[str] = frozenset()
    measure_s: float = 0.0
    orders: frozenset[tuple[int, int]] = frozenset()
    writable: Mapping[tuple[int, int], tuple[str, int]] = {}  # noqa: RUF012 - nobody writes into it
    groups: frozenset[tuple[int, int]] = frozenset()
    mute: frozenset[tuple[int, int]] = frozenset()
    clears: Mapping[tuple[int, int], tuple[str, ...]] = {}  # noqa: RUF012 - nobody writes into it


class Sheet(NamedTuple):
    """What a model of instrument can say."""

    name: str
    unit: int
    baud: int
    parity: str
    stop_bits: int
    answer_ms: float
    blocks: tuple[tuple[str, int, int], ...]
    points: tuple[SheetPoint, ...]
    conduct: Conduct = Conduct()
    logs: tuple[LogSheet, ...] = ()

    def declared(self) -> set[tuple[str, int]]:
        """Registers that exist: those of blocks and points."""
        out = {(table, start + shift) for table, start, count in self.blocks for shift in range(count)}
        for point in self.points:
            out.update((point.table, point.at + shift) for shift in range(point.words))
        return out


def sheet(
    document: dict[str, Any], file: str = "", variant: str | None = None, parameters: Mapping[str, float] | None = None
) -> Sheet:
    """Take what the simulators need from a profile document.

    Args:
        document: the profile.
        file: for the complaint.
        variant: as the site file would say it.
        parameters: as the site file would say them.

    Raises:
        FieldError: when it does not have the shape of a profile.
    """
    try:
        chosen = _varied(document, variant)
        serial = chosen.get("serial") or {}
        answer = chosen.get("answer_ms") or {}
        entries = list(_written_out(chosen.get("points") or ()))
        usual = usual_values(chosen, entries)
        known = {each["name"]: each.get("default") for each in chosen.get("parameters") or ()} | dict(parameters or {})
        return Sheet(
            str(chosen["profile"]),
            int(chosen.get("unit", 1)),
            int(serial.get("baud", 9600)),
            PARITIES.get(str(serial.get("parity", "N")).lower(), str(serial.get("parity", "N"))[:1].upper()),
            int(serial.get("stop_bits", 1)),
            float(answer.get("typical", 20)),
            tuple(
                (str(block.get("table", "holding")), int(block["start"]), int(block["count"]))
                for block in _written_out(chosen.get("blocks") or ())
            ),
            tuple(_point(entry, usual, known) for entry in entries),
            _conduct(chosen, entries, usual),
            tuple(_log(each, usual, known) for each in chosen.get("memory") or ()),
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, StopIteration) as error:
        raise not_simulated(error, file) from None


def _varied(document: dict[str, Any], name: str | None) -> dict[str, Any]:
    """The document with the differences of one variant."""
    if name is None:
        return document
    variant = next(each for each in document["variants"] if each["name"] == name)
    names = {point["name"] for point in variant.get("points") or ()} | set(variant.get("without") or ())
    kept = [point for point in document["points"] if point["name"] not in names]
    changed = {key: value for key, value in variant.items() if key not in ("name", "when", "points", "without", "note")}
    return document | changed | {"points": kept + list(variant.get("points") or ())}


def _written_out(entries: Any) -> Iterator[dict[str, Any]]:
    """Every entry, as often as it is repeated."""
    for entry in entries:
        repeat = entry.get("repeat")
        if not repeat:
            yield entry
            continue
        for shift in range(int(repeat["count"])):
            moved = dict(entry)
            key = "at" if "at" in entry else "start"
            moved[key] = int(entry[key]) + shift * int(repeat["stride"])
            if "name" in entry:
                moved["name"] = f"{entry['name']}_{int(repeat.get('first', 1)) + shift}"
            yield moved


def _point(point: Mapping[str, Any], usual: Mapping[str, float | str], known: Mapping[str, Any]) -> SheetPoint:
    form = str(point.get("as", "u16"))
    if form not in ("bcd", "text", "bit"):
        struct.calcsize(FORMS[form])
    asked = point.get("parameters") or {}
    bits = point.get("bits")
    return SheetPoint(
        str(point["name"]),
        str(point.get("element") or ""),
        str(point.get("table", "holding")),
        int(point["at"]),
        form,
        str(point.get("order", "ABCD")),
        float(point.get("times", 1)) * float(known.get(str(asked.get("times"))) or 1),
        float(point.get("plus", 0)) + float(known.get(str(asked.get("plus"))) or 0),
        tuple(_sentinel(each) for each in point.get("sentinels") or ()),
        int(point.get("registers") or 0),
        {"high": (8, 15), "low": (0, 7)}.get(str(point.get("byte"))) or (tuple(bits) if bits else None),
        bool(point.get("invalid_at_max")),
        tuple(point.get("add") or ()),
        point.get("scale_from") or {},
        point.get("unit_from") or {},
        str(point.get("sentinel_from") or ""),
        bool(point.get("read_clears")),
        usual.get(str(point["name"]), float(point.get("plus", 0))),
    )


def _log(log: dict[str, Any], usual: Mapping[str, float | str], known: Mapping[str, Any]) -> LogSheet:
    table = log.get("table", "holding")
    points = tuple(_point({**entry, "table": table}, usual, known) for entry in log["entry"])
    return LogSheet(log, points, {entry["name"]: entry["of"] for entry in log["entry"] if "of" in entry})


def _sentinel(entry: Any) -> float:
    """The raw number of a sentinel, written bare or as a block with its reason."""
    return float(entry["raw"] if isinstance(entry, dict) else entry)


def _conduct(document: Mapping[str, Any], points: list[dict[str, Any]], usual: Mapping[str, float | str]) -> Conduct:
    retry, wake = document.get("retry") or {}, document.get("wake")
    measure = document.get("measure") or ()
    sends = [step["send"] for step in measure if "send" in step]
    waits = [step for step in measure if "wait_for" in step]
    after = measure[measure.index(waits[-1]) :] if waits else ()
    commands = [
        step["send"] for command in document.get("commands") or () for step in command["steps"] if "send" in step
    ]
    orders = frozenset((int(each["function"]), int(each["at"])) for each in sends + commands)
    wait_ms = sum(float(usual[step["wait_for"]["point"]]) for step in waits)
    holes = str(document.get("holes", "unknown"))
    return Conduct(
        "exception" if holes == "unknown" else holes,
        str(document.get("merge", "block")),
        int(document.get("registers_most", 125)),
        int(document.get("align", 1)),
        float(wake.get("after_ms", 0)) / 1000 if wake else None,
        2 * float(retry.get("wait_ms", 0)) / 1000 if _BUSY in (retry.get("after") or ()) else None,
        (int(sends[0]["function"]), int(sends[0]["at"])) if sends else None,
        frozenset(name for step in after for name in step.get("read") or ()),
        wait_ms / 1000,
        orders,
        {
            (int(rule["function"]), _written_at(point) + shift): (
                str(point.get("table", "holding")),
                point["at"] + shift,
            )
            for point in points
            if (rule := point.get("writable"))
            for shift in range(_words(point))
        },
        _groups(points),
        frozenset((int(each["function"]), int(each["at"])) for each in sends + commands if each.get("unanswered")),
        _clears(document),
    )


def _written_at(point: Mapping[str, Any]) -> int:
    return int(point["writable"].get("at", point["at"]))


def _words(point: Mapping[str, Any]) -> int:
    form = str(point.get("as", "u16"))
    return int(point.get("registers") or 0) or (struct.calcsize(FORMS[form]) // 2 if form in FORMS else 1)


def _groups(points: list[dict[str, Any]]) -> frozenset[tuple[int, int]]:
    spans: dict[str, list[tuple[int, int]]] = {}
    for point in points:
        group = (point.get("writable") or {}).get("group")
        if group:
            spans.setdefault(str(group), []).append((_written_at(point), _words(point)))
    return frozenset((min(at for at, _ in span), sum(words for _, words in span)) for span in spans.values())


def _clears(document: Mapping[str, Any]) -> dict[tuple[int, int], tuple[str, ...]]:
    found = {}
    for command in document.get("commands") or ():
        sends = [step["send"] for step in command["steps"] if "send" in step]
        if command.get("clears"):
            found[int(sends[-1]["function"]), int(sends[-1]["at"])] = tuple(map(str, command["clears"]))
    return found


def read_document(path: Path) -> dict[str, Any]:
    """A profile as plain YAML.

    Raises:
        FieldError: when it cannot be read or is no profile.
    """
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FieldError(
            f"the profile cannot be read: {error}", where=str(path), do="give the path of a profile file"
        ) from None
    if not isinstance(document, dict):
        raise FieldError("this is no profile", where=str(path), do=f"run  haihe-edge check {path}")
    return document


def not_simulated(error: Exception, file: str) -> FieldError:
    """What is said of a profile that does not have the shape of one."""
    return FieldError(
        f"the profile cannot be simulated: {type(error).__name__} {error}",
        where=file,
        do=f"run  haihe-edge check {file}",
    )


def read_sheet(path: Path, variant: str | None = None, parameters: Mapping[str, float] | None = None) -> Sheet:
    """Read a profile file.

    Raises:
        FieldError: when it cannot be read or is no profile.
    """
    return sheet(read_document(path), str(path), variant, parameters)
