"""Promises of the instruments behind Modbus TCP, asked by pymodbus."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from haihe_contract.clock import SystemClock
from haihe_simulators.answer_log import AnswerLog
from haihe_simulators.evidence import read_log
from haihe_simulators.fault import Fault
from haihe_simulators.instrument import Instrument
from haihe_simulators.modbus_server import ModbusServer
from haihe_simulators.profile_sheet import sheet
from pymodbus.client import AsyncModbusTcpClient

PROFILE = {
    "profile": "charger",
    "answer_ms": {"typical": 1, "most": 500},
    "blocks": [{"table": "input", "start": 0x3100, "count": 4}],
    "points": [
        {"name": "volts", "element": "supply_voltage", "table": "input", "at": 0x3100, "as": "u16", "times": 0.01}
    ],
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ModbusServer]:
    log = AnswerLog(tmp_path / "charger.jsonl", SystemClock())
    charger = Instrument("charger", 7, sheet(PROFILE), lambda point: 12.85, log, random.Random(1))
    served = ModbusServer([charger])
    await served.start()
    yield served
    await served.close()


@pytest.fixture
async def client(server: ModbusServer) -> AsyncIterator[AsyncModbusTcpClient]:
    made = AsyncModbusTcpClient("127.0.0.1", port=server.port, timeout=0.3, retries=0)
    await made.connect()
    yield made
    made.close()


async def test_an_answer_over_tcp_says_the_value_and_is_written_down(
    server: ModbusServer, client: AsyncModbusTcpClient, tmp_path: Path
) -> None:
    answer = await client.read_input_registers(0x3100, count=2, device_id=7)
    assert answer.registers == [1285, 0]
    assert read_log(tmp_path / "charger.jsonl")[0]["hex"] == "05050000"


async def test_a_wrong_register_over_tcp_is_refused(server: ModbusServer, client: AsyncModbusTcpClient) -> None:
    answer = await client.read_input_registers(0x3104, count=1, device_id=7)
    assert answer.isError()
    assert answer.exception_code == 2


async def test_a_server_that_was_stopped_comes_back_on_its_port(server: ModbusServer, tmp_path: Path) -> None:
    port = server.port
    await server.close()
    await server.start()
    assert server.port == port
    again = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=0.5)
    await again.connect()
    assert (await again.read_input_registers(0x3100, count=1, device_id=7)).registers == [1285]
    again.close()


async def test_a_silent_unit_over_tcp_leaves_no_trace_in_its_log(
    server: ModbusServer, client: AsyncModbusTcpClient, tmp_path: Path
) -> None:
    from pymodbus.exceptions import ModbusException

    server.faults[7] = Fault.SILENT
    with pytest.raises(ModbusException):
        await client.read_input_registers(0x3100, count=1, device_id=7)
    assert read_log(tmp_path / "charger.jsonl") == []
