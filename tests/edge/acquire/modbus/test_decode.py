"""Registers become values: orders, kinds, factors, sentinels."""

import math
import struct

import pytest
from haihe_contract.quality import Reason
from haihe_edge.acquire.modbus.decode import decode, field, raw_value, shortest_float32
from haihe_edge.profile import Point, Sentinel
from hypothesis import given
from hypothesis import strategies as st

CODES = {"u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "u64": ">Q", "s64": ">q", "f32": ">f", "f64": ">d"}


def arranged(whole: bytes, order: str) -> bytes:
    """Bytes of a big-endian number as they arrive in that order, after the definition in instruments' manuals."""
    words = [whole[at : at + 2] for at in range(0, len(whole), 2)]
    if order in ("CDAB", "DCBA"):
        words.reverse()
    if order in ("BADC", "DCBA"):
        words = [word[::-1] for word in words]
    return b"".join(words)


@given(
    st.sampled_from(sorted(CODES)), st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]), st.binary(min_size=8, max_size=8)
)
def test_every_kind_is_read_in_every_order(kind: str, order: str, noise: bytes) -> None:
    whole = noise[: struct.calcsize(CODES[kind])]
    wanted = struct.unpack(CODES[kind], whole)[0]
    point = Point("value", 7, kind, order=order)  # type: ignore[arg-type]
    read = raw_value(point, b"\xaa\xbb" + arranged(whole, order) + b"\xcc\xdd", 6)
    assert math.isnan(read) if math.isnan(wanted) else (struct.pack(CODES[kind], read) == whole or read == wanted)


@given(st.floats(width=32, allow_nan=False))
def test_a_short_decimal_is_the_same_float(value: float) -> None:
    short = shortest_float32(value)
    assert struct.pack(">f", short) == struct.pack(">f", value)


def test_a_float_is_said_as_short_as_it_was_meant() -> None:
    assert shortest_float32(struct.unpack(">f", struct.pack(">f", 9.1))[0]) == 9.1


@given(st.integers(0, 65535), st.sampled_from([(0.1, 1), (0.01, 2), (0.001, 3)]))
def test_scaling_by_tenths_leaves_no_dust(raw: int, factor: tuple[float, int]) -> None:
    times, digits = factor
    [(value, _)] = decode([field(Point("value", 0, "u16", times=times), 0)], raw.to_bytes(2, "big"))
    assert value == float(f"{raw}e-{digits}")


def test_factor_and_offset_are_applied_in_this_order() -> None:
    [(value, _)] = decode([field(Point("value", 0, "u16", times=0.01, plus=-100.0), 0)], (12345).to_bytes(2, "big"))
    assert value == 23.45


@pytest.mark.parametrize("raw", [math.nan, math.inf, -math.inf])
def test_a_float_that_is_no_number_is_no_measurement(raw: float) -> None:
    assert decode([field(Point("value", 0, "f32"), 0)], struct.pack(">f", raw)) == [(None, Reason.SENTINEL)]


def test_a_sentinel_is_tested_before_scaling() -> None:
    point = Point("value", 0, "s16", times=0.1, sentinels=(Sentinel(-32768, "broken"),))
    assert decode([field(point, 0)], b"\x80\0") == [(None, Reason.SENTINEL)]
    assert decode([field(point, 0)], b"\x80\1") == [(-3276.7, Reason.NONE)]


def test_zero_is_a_value_and_not_missing() -> None:
    assert decode([field(Point("value", 0, "u16", times=0.1), 0)], b"\0\0") == [(0.0, Reason.NONE)]
