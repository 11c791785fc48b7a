"""Only the answer to the request is taken, whatever else is in the bytes."""

import contextlib

import pytest
from haihe_contract.quality import Reason
from haihe_edge.acquire.exchange import ExchangeError
from haihe_edge.acquire.modbus import frames
from haihe_edge.acquire.modbus.frames import OutOfStep, Refused, Request
from hypothesis import given
from hypothesis import strategies as st

requests = st.builds(Request, st.integers(0, 255), st.sampled_from([3, 4]), st.integers(0, 65535), st.integers(1, 125))


def slow_crc(data: bytes) -> int:
    """Bit by bit, as the standard describes it; shares nothing with the table."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
    return crc


def framed(body: bytes) -> bytes:
    return body + slow_crc(body).to_bytes(2, "little")


def answer_to(request: Request, registers: bytes) -> bytes:
    return framed(bytes([request.unit, request.function, len(registers)]) + registers)


@given(st.binary(max_size=260))
def test_the_checksum_agrees_with_the_slow_one(data: bytes) -> None:
    assert frames.crc16(data) == slow_crc(data)


def test_requests_are_those_of_the_documents() -> None:
    assert frames.rtu_request(Request(2, 3, 0, 3)).hex(" ").upper() == "02 03 00 00 00 03 05 F8"
    assert frames.rtu_request(Request(1, 3, 0, 1)).hex(" ").upper() == "01 03 00 00 00 01 84 0A"
    assert frames.tcp_request(Request(17, 3, 107, 3), 1).hex(" ").upper() == "00 01 00 00 00 06 11 03 00 6B 00 03"


@given(requests, st.data())
def test_an_answer_is_found_behind_noise_and_echo(request: Request, data: st.DataObject) -> None:
    registers = data.draw(st.binary(min_size=2 * request.quantity, max_size=2 * request.quantity))
    noise = data.draw(st.binary(max_size=20))
    stream = noise + frames.rtu_request(request) + answer_to(request, registers)
    assert frames.find_rtu_answer(stream, request) == registers


@given(requests, st.data())
def test_no_proper_part_of_an_answer_is_taken(request: Request, data: st.DataObject) -> None:
    registers = data.draw(st.binary(min_size=2 * request.quantity, max_size=2 * request.quantity))
    whole = answer_to(request, registers)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert frames.find_rtu_answer(whole[:cut], request) is None


@given(requests, st.data())
def test_a_flipped_bit_is_never_taken_for_a_value(request: Request, data: st.DataObject) -> None:
    registers = data.draw(st.binary(min_size=2 * request.quantity, max_size=2 * request.quantity))
    whole = bytearray(answer_to(request, registers))
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    assert frames.find_rtu_answer(whole, request) is None


def test_an_answer_of_another_unit_is_passed_over_and_named() -> None:
    request = Request(1, 3, 0, 2)
    stream = answer_to(Request(7, 3, 0, 2), b"\0\1\0\2")
    assert frames.find_rtu_answer(stream, request) is None
    said = frames.why_no_rtu_answer(stream, request)
    assert said.reason is Reason.TIMEOUT
    assert str(said) == "no answer, but unit 7 spoke"


def test_damage_and_silence_are_told_apart() -> None:
    request = Request(1, 3, 0, 2)
    assert frames.why_no_rtu_answer(b"", request).reason is Reason.TIMEOUT
    assert frames.why_no_rtu_answer(b"\x01\x03\x04\0\0\0\0\xff\xff", request).reason is Reason.CHECKSUM
    assert frames.why_no_rtu_answer(frames.rtu_request(request), request).reason is Reason.TIMEOUT


def test_an_exception_is_a_refusal_with_its_code() -> None:
    with pytest.raises(Refused) as refused:
        frames.find_rtu_answer(b"\xff" + framed(b"\x01\x83\x02"), Request(1, 3, 0, 2))
    assert refused.value.code == 2
    assert refused.value.alive
    assert "address not known" in str(refused.value)


def test_a_gateway_that_misses_the_instrument_does_not_make_it_alive() -> None:
    assert not Refused(11).alive


@given(st.binary(max_size=300), requests)
def test_any_bytes_from_the_line_are_survived(data: bytes, request: Request) -> None:
    with contextlib.suppress(Refused):
        frames.find_rtu_answer(data, request)
    frames.why_no_rtu_answer(data, request)
    buffer = bytearray(data)
    with contextlib.suppress(ExchangeError):
        frames.take_tcp_answer(buffer, request, 5)


def tcp_answer(transaction: int, unit: int, pdu: bytes) -> bytes:
    return transaction.to_bytes(2, "big") + b"\0\0" + (len(pdu) + 1).to_bytes(2, "big") + bytes([unit]) + pdu


def test_a_late_answer_on_tcp_is_eaten_and_the_right_one_taken() -> None:
    request = Request(1, 3, 0, 1)
    buffer = bytearray(tcp_answer(6, 1, b"\x03\x02\0\x63") + tcp_answer(7, 1, b"\x03\x02\0\x07") + b"\0")
    assert frames.take_tcp_answer(buffer, request, 7) == b"\0\x07"
    assert buffer == b"\0"


def test_a_stream_that_is_no_modbus_is_out_of_step() -> None:
    with pytest.raises(OutOfStep):
        frames.take_tcp_answer(bytearray(b"HTTP/1.1 400 Bad Request"), Request(1, 3, 0, 1), 7)


def test_an_answer_of_the_wrong_length_is_no_answer() -> None:
    with pytest.raises(ExchangeError) as error:
        frames.take_tcp_answer(bytearray(tcp_answer(7, 1, b"\x03\x02\0\x07")), Request(1, 3, 0, 2), 7)
    assert error.value.reason is Reason.DAMAGED
