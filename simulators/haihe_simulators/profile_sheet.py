"""An instrument's profile as the simulators read it: plain YAML, with a codec of their own.

The agent has its own reader and its own decoder. This one only goes from values to registers, so that a mistake
in one of them shows instead of cancelling out.
"""

import struct
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from haihe_contract.errors import FieldError

FORMS = {
    "u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "u64": ">Q", "s64": ">q", "f32": ">f", "f64": ">d",
}  # fmt: skip
"""struct forms of the profile's types, most significant byte first."""
TABLES = {3: "holding", 4: "input"}
"""Function codes that read registers."""


class SheetPoint(NamedTuple):
    """One value of an instrument and where it lies in its registers; element "" for what measures nothing."""

    name: str
    element: str
    table: str
    at: int
    form: str
    order: str
    times: float
    plus: float
    sentinels: tuple[float, ...]

    @property
    def words(self) -> int:
        """How many registers it takes."""
        return struct.calcsize(FORMS[self.form]) // 2


class Sheet(NamedTuple):
    """What a model of instrument can say."""

    name: str
    unit: int
    baud: int
    parity: str
    stop_bits: int
    answer_ms: float
    answer_most_ms: float
    blocks: tuple[tuple[str, int, int], ...]
    points: tuple[SheetPoint, ...]

    def declared(self) -> set[tuple[str, int]]:
        """Registers that exist: those of blocks and points."""
        out = {(table, start + shift) for table, start, count in self.blocks for shift in range(count)}
        for point in self.points:
            out.update((point.table, point.at + shift) for shift in range(point.words))
        return out


def sheet(document: dict[str, Any], file: str = "") -> Sheet:
    """Take what the simulators need from a profile document.

    Raises:
        FieldError: when it does not have the shape of a profile.
    """
    try:
        serial = document.get("serial") or {}
        answer = document.get("answer_ms") or {}
        return Sheet(
            str(document["profile"]),
            int(document.get("unit", 1)),
            int(serial.get("baud", 9600)),
            {"none": "N", "even": "E", "odd": "O"}.get(
                str(serial.get("parity", "N")).lower(), str(serial.get("parity", "N"))[:1].upper()
            ),
            int(serial.get("stop_bits", 1)),
            float(answer.get("typical", 20)),
            float(answer.get("most", 500)),
            tuple(
                (str(block.get("table", "holding")), int(block["start"]), int(block["count"]))
                for block in document.get("blocks") or ()
            ),
            tuple(_point(point) for point in document.get("points") or ()),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FieldError(
            f"the profile cannot be simulated: {type(error).__name__} {error}",
            where=file,
            do=f"run  haihe-edge check {file}",
        ) from None


def _point(point: dict[str, Any]) -> SheetPoint:
    form = str(point.get("as", "u16"))
    struct.calcsize(FORMS[form])
    return SheetPoint(
        str(point["name"]),
        str(point.get("element") or ""),
        str(point.get("table", "holding")),
        int(point["at"]),
        form,
        str(point.get("order", "ABCD")),
        float(point.get("times", 1)),
        float(point.get("plus", 0)),
        tuple(_sentinel(each) for each in point.get("sentinels") or ()),
    )


def _sentinel(entry: Any) -> float:
    """The raw number of a sentinel, written bare or as a block with its reason."""
    return float(entry["raw"] if isinstance(entry, dict) else entry)


def read_sheet(path: Path) -> Sheet:
    """Read a profile file.

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
    return sheet(document, str(path))


def registers_of(point: SheetPoint, value: float | None) -> list[int]:
    """Registers that say the value: scaled back, rounded to the type, in the instrument's order.

    A value that the type cannot hold sits at its end, as real instruments do. None is said by the first
    sentinel, or NaN, or zero where the instrument has no word for it.
    """
    form = FORMS[point.form]
    if value is None:
        raw = point.sentinels[0] if point.sentinels else (float("nan") if form[1] in "fd" else 0.0)
    else:
        raw = (value - point.plus) / point.times
    if form[1] in "fd":
        packed = struct.pack(form, raw)
    else:
        bits = 8 * struct.calcsize(form)
        low, high = (0, 2**bits - 1) if form[1].isupper() else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        packed = struct.pack(form, min(high, max(low, round(raw))))
    turned = _turn(packed, point.order)
    return [turned[at] << 8 | turned[at + 1] for at in range(0, len(turned), 2)]


def _turn(packed: bytes, order: str) -> bytes:
    """Put big-endian bytes into the named order; 64-bit values follow the same two choices."""
    words = [packed[at : at + 2] for at in range(0, len(packed), 2)]
    if order in ("CDAB", "DCBA"):
        words.reverse()
    if order in ("BADC", "DCBA"):
        words = [word[::-1] for word in words]
    return b"".join(words)
