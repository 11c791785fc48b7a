"""A conversation on real pseudo-terminals and sockets, with everything that goes wrong on them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

import pytest
from haihe_contract.quality import Reason
from haihe_edge.acquire.exchange import ExchangeError
from haihe_edge.acquire.line import BusDown, SerialLine, TcpLine
from haihe_edge.acquire.modbus.bus import ModbusBus
from haihe_edge.acquire.modbus.frames import Refused, Request, rtu_request
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tests.edge.acquire.far_end import Answering, PtyInstrument, framed, port_of, registers_answer
from tests.edge.patient_loop import LoopClock

ASKED = Request(1, 3, 0, 2)
OnPty = Callable[[Answering], PtyInstrument]
OnTcp = Callable[..., Awaitable[int]]


async def on(instrument: PtyInstrument) -> ModbusBus:
    bus = ModbusBus(SerialLine(instrument.port, 9600), LoopClock(), baud=9600, framing="rtu")
    await bus.line.open()
    return bus


async def to(port: int, framing: str = "tcp") -> ModbusBus:
    bus = ModbusBus(TcpLine("127.0.0.1", port), LoopClock(), baud=9600, framing=framing)
    await bus.line.open()
    return bus


async def test_an_instrument_on_a_serial_line_is_read(on_pty: OnPty) -> None:
    bus = await on(on_pty(lambda request: [(0, registers_answer(request, 3214, 7))]))
    assert await bus.exchange(ASKED, 200) == b"\x0c\x8e\0\x07"
    bus.line.close()


@pytest.mark.parametrize(("parity", "stop_bits"), [("none", 2), ("even", 1), ("odd", 1)])
async def test_every_setting_of_a_line_can_be_opened(on_pty: OnPty, parity: str, stop_bits: int) -> None:
    instrument = on_pty(lambda request: [(0, registers_answer(request, 1, 2))])
    bus = ModbusBus(SerialLine(instrument.port, 19200, parity, stop_bits), LoopClock(), baud=19200, framing="rtu")
    await bus.line.open()
    assert await bus.exchange(ASKED, 300) == b"\0\x01\0\x02"
    bus.line.close()


async def test_an_answer_in_crumbs_behind_noise_is_read(on_pty: OnPty) -> None:
    def answering(request: bytes) -> list[tuple[float, bytes]]:
        whole = registers_answer(request, 1, 2)
        return [(0, b"\x00\xff\x01\x03\x04"), *((0.002, bytes([byte])) for byte in whole)]

    bus = await on(on_pty(answering))
    assert await bus.exchange(ASKED, 300) == b"\0\x01\0\x02"
    bus.line.close()


def of_two(request: bytes) -> bytes:
    """What the second, slower instrument at address 1 says to the same request."""
    return registers_answer(request, 9, 9)


@pytest.mark.parametrize("place", ["before", "behind", "instead of"])
async def test_two_instruments_at_one_address_are_told_whoever_is_asked_before_the_slower_one_speaks(
    on_pty: OnPty, place: str
) -> None:
    late = of_two(rtu_request(ASKED))

    def answering(request: bytes) -> list[tuple[float, bytes]]:
        mine = registers_answer(request, 1, 2)
        heard = {"before": late + mine, "behind": mine + late, "instead of": late}[place]
        return [(0, heard if request[0] == 2 else mine)]

    bus = await on(on_pty(answering))
    await bus.exchange(ASKED, 300)
    assert not bus.shares_address(1)
    with nullcontext() if place != "instead of" else pytest.raises(ExchangeError, match="unit 1 spoke"):
        await bus.exchange(Request(2, 3, 0, 2), 60)
    await bus.exchange(Request(3, 3, 0, 2), 300)  # what was left of the last exchange is thrown away
    assert bus.shares_address(1)
    assert not any(bus.shares_address(unit) for unit in (1, 2, 3))
    bus.line.close()


async def test_a_second_answer_at_once_is_told_at_once_and_one_to_the_next_read_too(on_pty: OnPty) -> None:
    instrument = on_pty(lambda request: [(0, registers_answer(request, 1, 2) + of_two(request))])
    bus = await on(instrument)
    await bus.exchange(ASKED, 300)
    assert bus.shares_address(1)
    await bus.exchange(ASKED, 300)
    instrument.answering = lambda request: [(0, registers_answer(request, 1, 2))]
    await bus.exchange(Request(1, 3, 8, 2), 300)
    assert bus.shares_address(1)  # of all reads since, though only the first had two answers
    await bus.exchange(ASKED, 300)
    assert not bus.shares_address(1)
    bus.line.close()


async def test_the_same_answer_twice_is_no_second_instrument(on_pty: OnPty) -> None:
    bus = await on(on_pty(lambda request: [(0, registers_answer(request, 1, 2) * 2)]))
    await bus.exchange(ASKED, 300)
    assert not bus.shares_address(1)
    bus.line.close()


async def test_silence_is_a_time_out_within_its_deadline(on_pty: OnPty) -> None:
    bus = await on(on_pty(lambda request: []))
    started = asyncio.get_running_loop().time()
    with pytest.raises(ExchangeError) as error:
        await bus.exchange(ASKED, 80)
    assert error.value.reason is Reason.TIMEOUT
    assert asyncio.get_running_loop().time() - started < 0.4
    bus.line.close()


async def test_a_wrong_checksum_is_damage_and_no_value(on_pty: OnPty) -> None:
    bus = await on(on_pty(lambda request: [(0, registers_answer(request, 1, 2)[:-1] + b"\x00")]))
    with pytest.raises(ExchangeError) as error:
        await bus.exchange(ASKED, 60)
    assert error.value.reason is Reason.CHECKSUM
    bus.line.close()


async def test_an_answer_of_another_unit_is_not_taken(on_pty: OnPty) -> None:
    bus = await on(on_pty(lambda request: [(0, registers_answer(b"\x09" + request[1:], 1, 2))]))
    with pytest.raises(ExchangeError, match="unit 9 spoke"):
        await bus.exchange(ASKED, 60)
    bus.line.close()


async def test_an_exception_comes_at_once_with_its_code(on_pty: OnPty) -> None:
    bus = await on(on_pty(lambda request: [(0, framed(bytes([request[0], request[1] | 0x80, 2])))]))
    with pytest.raises(Refused) as refused:
        await bus.exchange(ASKED, 5_000)
    assert refused.value.code == 2
    bus.line.close()


async def test_an_endless_babble_does_not_hang_the_bus(on_pty: OnPty) -> None:
    bus = await on(on_pty(lambda request: [(0.003, b"\x55\xaa\x01\x03") for _ in range(200)]))
    for _ in range(2):
        with pytest.raises(ExchangeError):
            async with asyncio.timeout(3):
                await bus.exchange(ASKED, 60)
    assert len(bus.line.buffer) <= 4096
    bus.line.close()


async def test_a_pulled_plug_is_told_at_once(on_pty: OnPty) -> None:
    instrument = on_pty(lambda request: [])
    bus = await on(instrument)
    asking = asyncio.ensure_future(bus.exchange(ASKED, 5_000))
    await asyncio.sleep(0.05)
    instrument.unplug()
    with pytest.raises(BusDown):
        await asyncio.wait_for(asking, 1)
    assert not bus.line.is_open
    with pytest.raises(BusDown):
        await bus.line.open()
    instrument.plug()
    await bus.line.open()
    assert bus.line.is_open
    bus.line.close()


async def test_a_port_serves_one_agent_only(on_pty: OnPty) -> None:
    instrument = on_pty(lambda request: [])
    bus = await on(instrument)
    with pytest.raises(BusDown):
        await SerialLine(instrument.port, 9600).open()
    bus.line.close()


async def test_an_independent_modbus_tcp_server_is_read() -> None:
    device = SimDevice(id=1, simdata=[SimData(0, values=[3214, 7, 65535], datatype=DataType.REGISTERS)])
    server = ModbusTcpServer(device, address=("127.0.0.1", 0))
    bus = await to(await port_of(server))
    assert await bus.exchange(Request(1, 3, 0, 3), 1_000) == b"\x0c\x8e\0\x07\xff\xff"
    with pytest.raises(Refused):
        await bus.exchange(Request(1, 3, 500, 3), 1_000)
    assert await bus.exchange(Request(1, 3, 1, 1), 1_000) == b"\0\x07"
    bus.line.close()
    await server.shutdown()


async def test_late_answers_on_tcp_go_to_nobody(on_tcp: OnTcp) -> None:
    first: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await reader.readexactly(12)
            head = request[:4] + b"\0\x07" + request[6:8]
            answer = head + b"\x04\0" + request[9:10] + b"\0\0"
            if not first:
                first.append(answer)
                continue
            writer.write(first[0] + answer)

    bus = await to(await on_tcp(serve))
    with pytest.raises(ExchangeError):
        await bus.exchange(Request(1, 3, 0x11, 2), 60)
    assert await bus.exchange(Request(1, 3, 0x22, 2), 500) == b"\0\x22\0\0"
    bus.line.close()


async def test_a_server_that_never_answers_is_dialled_anew(on_tcp: OnTcp) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    bus = await to(await on_tcp(serve))
    for _ in range(3):
        with pytest.raises(ExchangeError) as error:
            await bus.exchange(ASKED, 30)
        assert error.value.reason is Reason.TIMEOUT
    assert not bus.line.is_open


async def test_a_web_server_is_no_instrument(on_tcp: OnTcp) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(12)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    bus = await to(await on_tcp(serve))
    with pytest.raises(ExchangeError, match="does not speak Modbus TCP"):
        await bus.exchange(ASKED, 500)
    assert not bus.line.is_open


async def test_a_serial_server_passes_rtu_frames_through(on_tcp: OnTcp) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(registers_answer(await reader.readexactly(8), 5, 6))

    bus = await to(await on_tcp(serve), framing="rtu")
    assert await bus.exchange(ASKED, 500) == b"\0\x05\0\x06"
    assert await bus.exchange(ASKED, 500) == b"\0\x05\0\x06"
    bus.line.close()


async def test_a_connection_nobody_takes_is_a_bus_that_is_down(on_tcp: OnTcp) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        return

    port = await on_tcp(serve)
    bus = await to(port)
    with pytest.raises(BusDown):
        await bus.exchange(ASKED, 500)
    with pytest.raises(BusDown):
        await TcpLine("127.0.0.1", 1).open()
