"""Factors, units, validity and quality that stand in other registers."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from haihe_contract.quality import Reason
from haihe_edge.acquire.modbus.decode import decode, field, spoken
from haihe_edge.acquire.modbus.depend import rule
from haihe_edge.profile import Point

NONE = Reason.NONE


def point(**more: Any) -> Point:
    return msgspec.convert({"name": "x", "at": 0, "as": "f32", **more}, Point)


def value(asked: Point, **found: float | None) -> tuple[float | None, Reason]:
    brought: Mapping[str, Any] = {
        name: (said, NONE if said is not None else Reason.TIMEOUT) for name, said in found.items()
    }
    return rule(asked)(brought)


@pytest.mark.parametrize(("decimals", "wanted"), [(0.0, 12345), (3.0, 12.345), (4.0, 1.2345)])
def test_decimals_in_a_register_leave_no_dust(decimals: float, wanted: float) -> None:
    assert value(point(scale_from={"point": "n", "power": -1}), x=12345.0, n=decimals) == (wanted, NONE)


def test_an_exponent_can_be_shifted_and_a_fraction_added_before_it() -> None:
    total = point(add=["f"], scale_from={"point": "n", "power": 1, "shift": -3})
    assert value(total, x=1234.0, f=0.5, n=2.0) == (123.45, NONE)


def test_an_exponent_that_is_none_is_not_believed() -> None:
    assert value(point(scale_from={"point": "n", "power": 1}), x=1.0, n=65535.0) == (None, Reason.DAMAGED)


def test_a_factor_can_stand_in_a_register_or_in_a_table() -> None:
    assert value(point(scale_from={"point": "k"}), x=3.0, k=0.5) == (1.5, NONE)
    table = point(scale_from={"point": "k", "table": {0: 1, 1: 0.1}})
    assert value(table, x=3.0, k=1.0)[0] == pytest.approx(0.3)
    assert value(table, x=3.0, k=2.0) == (None, Reason.DAMAGED)


UNITS = {
    "point": "u",
    "table": {1: {"unit": "m"}, 2: {"unit": "ft", "times": 0.3048, "sentinels": [{"raw": 0, "why": "none"}]}},
}


def test_a_unit_code_chooses_the_factor_and_an_unknown_one_publishes_nothing() -> None:
    asked = point(unit_from=UNITS)
    assert value(asked, x=10.0, u=2.0) == (3.048, NONE)
    assert value(asked, x=10.0, u=3.0) == (None, Reason.DAMAGED)


def test_a_sentinel_may_belong_to_one_unit_only() -> None:
    asked = point(unit_from=UNITS)
    assert value(asked, x=0.0, u=2.0) == (None, Reason.SENTINEL)
    assert value(asked, x=0.0, u=1.0) == (0.0, NONE)


def test_the_word_for_no_measurement_can_stand_in_a_register() -> None:
    asked = point(sentinel_from="s")
    assert value(asked, x=-999.0, s=-999.0) == (None, Reason.SENTINEL)
    assert value(asked, x=-999.0, s=0.0) == (-999.0, NONE)


def test_a_value_is_none_while_its_neighbour_says_so() -> None:
    asked = point(valid_if=[{"point": "q", "is": [0]}])
    assert value(asked, x=0.0, q=0.0) == (0.0, NONE)
    assert value(asked, x=0.0, q=7.0) == (None, Reason.SENTINEL)
    assert value(asked, x=0.0, q=None) == (None, Reason.TIMEOUT)


@pytest.mark.parametrize(
    ("best", "worst", "good", "doubtful", "missing"), [(99, 0, 80, 40, 10), (0, 600, 50, 250, 500)]
)
def test_a_figure_of_merit_may_run_either_way(
    best: float, worst: float, good: float, doubtful: float, missing: float
) -> None:
    limits = {"doubtful_from": (best + worst) / 2, "missing_from": 20 if worst == 0 else 400}
    if worst == 600:
        limits["doubtful_from"] = 200
    asked = point(quality_from=[{"point": "q", "best": best, "worst": worst, **limits}])
    assert value(asked, x=1.0, q=good) == (1.0, NONE)
    assert value(asked, x=1.0, q=doubtful) == (1.0, Reason.DOUBTFUL)
    assert value(asked, x=1.0, q=missing) == (None, Reason.SENTINEL)


def test_a_status_bit_marks_and_a_bit_that_lies_is_only_a_note() -> None:
    asked = point(quality_from=[{"point": "s", "bit": 3}, {"point": "s", "bit": 1, "mark": "note"}])
    assert value(asked, x=1.0, s=2.0) == (1.0, NONE)
    assert value(asked, x=1.0, s=10.0) == (1.0, Reason.DOUBTFUL)


def test_a_value_without_its_status_goes_on_with_the_reason_beside_it() -> None:
    assert value(point(quality_from=[{"point": "s", "bit": 3}]), x=1.0, s=None) == (1.0, Reason.TIMEOUT)


def test_a_counter_at_its_end_is_doubtful() -> None:
    asked = point(counter={"saturates_at": 655.34}, times=0.01)
    assert value(asked, x=65533.0) == (655.33, NONE)
    assert value(asked, x=65534.0) == (655.34, Reason.DOUBTFUL)


def read(asked: Point, data: str) -> tuple[float | None, Reason]:
    [found] = decode([field(asked, 0)], bytes.fromhex(data))
    return found


def test_parts_of_a_register_are_numbers_of_their_own() -> None:
    assert read(point(**{"as": "u16", "byte": "high"}), "5A0F") == (90.0, NONE)
    assert read(point(**{"as": "u16", "byte": "low"}), "5A0F") == (15.0, NONE)
    assert read(point(**{"as": "u16", "bits": [2, 3]}), "0008") == (2.0, NONE)
    assert read(point(**{"as": "s16", "byte": "low"}), "00FE") == (-2.0, NONE)
    assert read(point(**{"as": "u32", "order": "CDAB", "bits": [16, 31]}), "00000102") == (258.0, NONE)


def test_decimal_digits_are_read_and_others_are_damage() -> None:
    asked = point(**{"as": "bcd", "registers": 2})
    assert read(asked, "12345678") == (12345678.0, NONE)
    assert read(asked, "1234567A") == (None, Reason.DAMAGED)
    assert read(point(**{"as": "bcd", "registers": 2, "order": "CDAB"}), "56781234") == (12345678.0, NONE)


def test_the_largest_number_can_mean_no_target() -> None:
    assert read(point(**{"as": "u16", "invalid_at_max": True}), "FFFF") == (None, Reason.SENTINEL)
    assert read(point(**{"as": "s16", "byte": "high", "invalid_at_max": True}), "7F00") == (None, Reason.SENTINEL)


def test_large_whole_numbers_are_scaled_without_passing_through_a_float() -> None:
    assert read(point(**{"as": "u64", "times": 1e-9}), "0020000000000001") == (9007199.254740993, NONE)


def test_text_loses_its_filling_and_keeps_odd_letters_readable() -> None:
    asked = point(**{"as": "text", "registers": 4})
    assert spoken(asked, b"rain[e]\0", 0) == "rain[e]"
    assert spoken(asked, b"$01 \xff   ", 0) == "$01 \\xff"


def test_a_value_that_is_not_finite_is_damage() -> None:
    assert value(point(scale_from={"point": "k"}), x=1e308, k=1e308) == (None, Reason.DAMAGED)
