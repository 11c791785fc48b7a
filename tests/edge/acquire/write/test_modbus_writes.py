"""Functions 5, 6 and 16: the bytes of the standard, and an independent server that understands them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from haihe_contract.quality import Reason
from haihe_edge.acquire.exchange import ExchangeError
from haihe_edge.acquire.line import TcpLine
from haihe_edge.acquire.modbus import frames
from haihe_edge.acquire.modbus.bus import ModbusBus
from haihe_edge.acquire.modbus.frames import COIL_ON, Refused, Request, Write
from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tests.edge.acquire.far_end import port_of
from tests.edge.patient_loop import LoopClock

registers = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=123).map(tuple)
writes = st.one_of(
    st.builds(Write, st.integers(1, 247), st.just(5), st.integers(0, 0xFFFF), st.sampled_from([(0,), (COIL_ON,)])),
    st.builds(Write, st.integers(1, 247), st.just(6), st.integers(0, 0xFFFF), st.tuples(st.integers(0, 0xFFFF))),
    st.builds(Write, st.integers(1, 247), st.just(16), st.integers(0, 0xFF00), registers),
)


@pytest.mark.parametrize(
    ("write", "request_pdu", "answer_pdu"),
    [  # MODBUS Application Protocol V1.1b3, the examples of sections 6.5, 6.6 and 6.12
        (Write(17, 5, 172, (COIL_ON,)), "05 00 AC FF 00", "05 00 AC FF 00"),
        (Write(17, 6, 1, (3,)), "06 00 01 00 03", "06 00 01 00 03"),
        (Write(17, 16, 1, (0x000A, 0x0102)), "10 00 01 00 02 04 00 0A 01 02", "10 00 01 00 02"),
        (Write(17, 16, 0x3100, ()), "10 31 00 00 00 00", "10 31 00 00 00"),  # nothing: a command of some makers
    ],
)
def test_writes_and_their_answers_are_those_of_the_standard(write: Write, request_pdu: str, answer_pdu: str) -> None:
    assert write.body == b"\x11" + bytes.fromhex(request_pdu)
    assert write.answer == b"\x11" + bytes.fromhex(answer_pdu)
    frame = frames.rtu_request(write)
    assert frame[:-2] == write.body
    assert frames.crc16(frame) == 0
    head = f"00 07 00 00 00 {len(write.body):02X} "
    assert frames.tcp_request(write, 7) == bytes.fromhex(head) + write.body


def answer_to(write: Write) -> bytes:
    return write.answer + frames.crc16(write.answer).to_bytes(2, "little")


@given(writes, st.binary(max_size=20))
def test_a_confirmation_is_found_behind_noise(write: Write, noise: bytes) -> None:
    assert frames.find_rtu_answer(noise + answer_to(write), write) == b""


@given(writes, st.data())
def test_a_confirmation_with_a_flipped_bit_confirms_nothing(write: Write, data: st.DataObject) -> None:
    answer = bytearray(answer_to(write))
    bit = data.draw(st.integers(0, 8 * len(answer) - 1))
    answer[bit // 8] ^= 1 << bit % 8
    assert frames.find_rtu_answer(answer, write) is None


@given(writes, writes)
def test_a_confirmation_of_another_write_confirms_nothing(write: Write, other: Write) -> None:
    if write.answer != other.answer:
        assert frames.find_rtu_answer(answer_to(other), write) is None


@given(st.binary(max_size=300), writes)
def test_any_bytes_after_a_write_are_survived(data: bytes, write: Write) -> None:
    with suppress(Refused):
        frames.find_rtu_answer(data, write)
    assert frames.why_no_rtu_answer(data, write).reason in (Reason.TIMEOUT, Reason.CHECKSUM)


@pytest.mark.parametrize(("function", "count"), [(6, 2), (5, 2), (6, 0), (16, 124), (3, 1)])
def test_what_a_function_cannot_carry_is_not_sent(function: int, count: int) -> None:
    with pytest.raises(ValueError, match="cannot write"):
        _ = Write(1, function, 0, (0,) * count).body


@asynccontextmanager
async def a_server() -> AsyncIterator[ModbusBus]:
    """An independent implementation with 200 registers and 16 coils."""
    device = SimDevice(
        id=1,
        simdata=(
            [SimData(0, count=16, values=False, datatype=DataType.BITS)],
            [SimData(0, count=16, values=False, datatype=DataType.BITS)],
            [SimData(0, count=200, values=0, datatype=DataType.REGISTERS)],
            [SimData(0, count=200, values=0, datatype=DataType.REGISTERS)],
        ),
    )
    server = ModbusTcpServer(device, address=("127.0.0.1", 0))
    bus = ModbusBus(TcpLine("127.0.0.1", await port_of(server)), LoopClock(), baud=None, framing="tcp")
    await bus.line.open()
    try:
        yield bus
    finally:
        bus.line.close()
        await server.shutdown()


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 70), registers), min_size=1, max_size=6))
def test_an_independent_server_holds_what_was_written(steps: list[tuple[int, tuple[int, ...]]]) -> None:
    async def play() -> None:
        held = [0] * 200
        async with a_server() as bus:
            for start, values in steps:
                function = 6 if len(values) == 1 else 16
                assert await bus.exchange(Write(1, function, start, values), 1000) == b""
                held[start : start + len(values)] = values
            data = await bus.exchange(Request(1, 3, 0, 100), 1000)
            assert [int.from_bytes(data[at : at + 2], "big") for at in range(0, 200, 2)] == held[:100]

    asyncio.run(play())


async def test_an_independent_server_switches_coils_and_refuses_what_it_has_not() -> None:
    async with a_server() as bus:
        assert await bus.exchange(Write(1, 5, 3, (COIL_ON,)), 1000) == b""
        assert await bus.exchange(Request(1, 1, 0, 8), 1000) == bytes([0b1000])
        assert await bus.exchange(Write(1, 5, 3, (0,)), 1000) == b""
        assert await bus.exchange(Request(1, 1, 0, 8), 1000) == b"\0"
        with pytest.raises(Refused):
            await bus.exchange(Write(1, 6, 5000, (1,)), 1000)
        with pytest.raises(ExchangeError):
            await bus.exchange(Write(1, 16, 190, (1,) * 20), 1000)
