"""What the simulated instruments answer is what the documents say: their frames against the golden ones."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from haihe_contract.clock import SystemClock
from haihe_edge.field.golden import read_case
from haihe_edge.profile import ModbusProfile, load_profile
from haihe_simulators.answer_log import AnswerLog
from haihe_simulators.instrument import Instrument
from haihe_simulators.profile_sheet import Conduct, SheetPoint, read_sheet

ROOT = Path(__file__).parents[3]
PROFILES = ROOT / "firmware_profiles"
_TABLES = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}


def modbus_cases() -> Iterator[Path]:
    for path in sorted((ROOT / "tests" / "golden" / "profiles").glob("*/*.yaml")):
        if isinstance(load_profile(PROFILES / f"{path.parent.name}.yaml"), ModbusProfile):
            yield path


def told(point: SheetPoint, values: dict[str, Any]) -> float | str | None:
    """What the instrument measures in that case."""
    value = values.get(point.name, point.usual)
    if point.form == "text" or not isinstance(value, str):
        return value
    return float(value.removeprefix("doubtful ")) if value.startswith("doubtful ") else None


def is_certain(point: SheetPoint, value: object) -> bool:
    """Whether the case says the registers exactly, and not only what follows from them."""
    if point.form in ("f32", "f64") and (point.times != 1 or point.unit_from):
        return False
    if isinstance(value, str) and point.form != "text" and not value.startswith("doubtful"):
        return value == "sentinel" and len(point.sentinels) == 1
    return True


def registers(answer: bytes, function: int) -> list[int]:
    if function in (1, 2):
        return [byte >> bit & 1 for byte in answer for bit in range(8)]
    return [int.from_bytes(answer[at : at + 2], "big") for at in range(0, len(answer), 2)]


@pytest.mark.parametrize("path", list(modbus_cases()), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_simulated_instrument_answers_as_the_documents_say(path: Path, tmp_path: Path) -> None:
    case = read_case(path)
    sheet = read_sheet(PROFILES / f"{path.parent.name}.yaml", case.get("variant"), case.get("parameters"))
    sheet = sheet._replace(conduct=Conduct(holes="zeros"))  # how it behaves is another matter
    log = AnswerLog(tmp_path / "log.jsonl", SystemClock())
    gauge = Instrument("i", case["unit"], sheet, lambda point: told(point, case["values"]), log, random.Random(1))
    for exchange in case["exchanges"]:
        request = bytes.fromhex(exchange["request"])
        golden = b"" if exchange["response"] == "silence" else bytes.fromhex(exchange["response"])
        if request[1] not in _TABLES or len(golden) < 3 or golden[1] & 0x80:
            continue
        answer = gauge.answer(request[1:-2])
        assert answer is not None
        start = int.from_bytes(request[2:4], "big")
        mine, theirs = registers(answer.registers, request[1]), registers(golden[3:-2], request[1])
        assert len(mine) == len(theirs)
        for point in sheet.points:
            value = case["values"].get(point.name)
            inside = point.table == _TABLES[request[1]] and start <= point.at < start + len(theirs)
            if value is None or not inside or point.clears or not is_certain(point, value):
                continue
            for at in range(point.at - start, point.at - start + point.words):
                mask = (1 << point.bits[1] + 1) - (1 << point.bits[0]) if point.bits else 0xFFFF
                assert mine[at] & mask == theirs[at] & mask, f"{point.name}: {mine[at]:04X} is not {theirs[at]:04X}"
