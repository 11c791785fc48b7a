"""Promises of the simulated instruments: registers as the profile says, every answer written down."""

import random
import struct
from pathlib import Path
from typing import Any

import pytest
from haihe_contract.clock import SystemClock
from haihe_contract.errors import FieldError
from haihe_simulators.answer_log import AnswerLog
from haihe_simulators.evidence import number_at, read_log
from haihe_simulators.instrument import Instrument
from haihe_simulators.profile_sheet import FORMS, SheetPoint, read_sheet, registers_of, sheet
from hypothesis import given
from hypothesis import strategies as st

PROFILE: dict[str, Any] = {
    "profile": "river-gauge",
    "transport": "modbus",
    "answer_ms": {"typical": 1, "most": 500},
    "blocks": [{"table": "holding", "start": 10, "count": 8}, {"table": "input", "start": 0, "count": 2}],
    "points": [
        {"name": "level", "element": "water_level", "at": 10, "as": "f32", "order": "DCBA"},
        {"name": "distance", "element": "distance", "at": 12, "as": "u16", "times": 0.001,
         "sentinels": [{"raw": 65535, "why": "no echo"}]},
        {"name": "volts", "element": "supply_voltage", "table": "input", "at": 0, "as": "s32",
         "order": "CDAB", "times": 0.01},
    ],
}  # fmt: skip
VALUES = {"level": 3.25, "distance": 1.234, "volts": -12.34}


def make(tmp_path: Path, **kind: Any) -> Instrument:
    log = AnswerLog(tmp_path / "gauge.jsonl", SystemClock())
    return Instrument("gauge", 3, sheet(PROFILE), lambda point: VALUES[point.name], log, random.Random(1), **kind)


def ask(function: int, start: int, count: int) -> bytes:
    return struct.pack(">BHH", function, start, count)


def test_values_stand_in_the_registers_in_the_profiles_order_and_scale(tmp_path: Path) -> None:
    gauge = make(tmp_path)
    answer = gauge.answer(ask(3, 10, 3))
    assert answer is not None
    assert answer.pdu == b"\x03\x06" + struct.pack("<f", 3.25) + (1234).to_bytes(2, "big")
    volts = gauge.answer(ask(4, 0, 2))
    assert volts is not None
    high_first = struct.pack(">i", -1234)
    assert volts.registers == high_first[2:] + high_first[:2]


def test_the_rest_of_a_declared_block_reads_as_zero(tmp_path: Path) -> None:
    answer = make(tmp_path).answer(ask(3, 13, 5))
    assert answer is not None
    assert answer.registers == bytes(10)


@pytest.mark.parametrize(("function", "start"), [(3, 9), (3, 17), (4, 10), (4, 2)])
def test_a_register_that_is_not_declared_is_refused_with_exception_two(
    tmp_path: Path, function: int, start: int
) -> None:
    answer = make(tmp_path).answer(ask(function, start, 2))
    assert answer is not None
    assert answer.pdu == bytes((function | 0x80, 2))


def test_a_silent_kind_says_nothing_to_a_register_it_does_not_know(tmp_path: Path) -> None:
    assert make(tmp_path, silent=True).answer(ask(3, 9, 2)) is None


def test_writes_and_broken_requests_are_refused_and_change_nothing(tmp_path: Path) -> None:
    gauge = make(tmp_path)
    for request, pdu in (
        (b"\x06\x00\x0a\x00\x01", b"\x86\x01"),
        (b"\x03\x00", b"\x83\x03"),
        (ask(3, 10, 126), b"\x83\x03"),
    ):
        answer = gauge.answer(request)
        assert answer is not None
        assert answer.pdu == pdu


def test_only_answers_that_left_are_written_down_and_each_at_once(tmp_path: Path) -> None:
    gauge = make(tmp_path)
    gauge.answer(ask(3, 10, 2))
    answer = gauge.answer(ask(3, 12, 1))
    refused = gauge.answer(ask(3, 9, 1))
    assert answer is not None
    assert refused is not None
    gauge.given(answer, 12.0)
    gauge.given(refused, 12.0)
    lines = read_log(gauge.log.path)
    assert [(line["unit"], line["fn"], line["at"], line["n"], line["hex"]) for line in lines] == [(3, 3, 12, 1, "04d2")]


def test_an_instrument_without_a_value_says_its_sentinel(tmp_path: Path) -> None:
    point = sheet(PROFILE).points[1]
    assert registers_of(point, None) == [65535]


@given(
    st.sampled_from(sorted(FORMS)),
    st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 5),
)
def test_what_the_instrument_encodes_the_balance_decodes(form: str, order: str, raw: int, shift: int) -> None:
    point = SheetPoint("p", "p", "holding", 100, form, order, 1.0, 0.0, ())
    registers = [7] * shift + registers_of(point, raw)
    said = number_at(
        {"as": form, "order": order, "at": 100}, 100 - shift, struct.pack(f">{len(registers)}H", *registers)
    )
    if form[0] == "f":
        assert said == pytest.approx(raw, rel=1e-6)
    else:
        bits = int(form[1:])
        low, high = (0, 2**bits - 1) if form[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        assert said == min(high, max(low, raw))


def test_a_file_that_is_no_profile_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("profile: odd\npoints:\n- name: x\n  at: 1\n  as: u99\n")
    with pytest.raises(FieldError) as told:
        read_sheet(path)
    assert "haihe-edge check" in told.value.do
