"""Promises of the simulated line, read by a client that was written elsewhere (pyserial, raw frames)."""

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import serial
from haihe_contract.clock import SystemClock
from haihe_simulators.answer_log import AnswerLog
from haihe_simulators.evidence import read_log
from haihe_simulators.fault import Fault
from haihe_simulators.instrument import Instrument
from haihe_simulators.profile_sheet import sheet
from haihe_simulators.serial_line import SerialLine, crc16

PROFILE = {
    "profile": "twenty",
    "answer_ms": {"typical": 5, "most": 500},
    "blocks": [{"table": "holding", "start": 0, "count": 20}],
    "points": [{"name": "level", "element": "water_level", "at": 0, "as": "u16"}],
}
Make = Callable[..., SerialLine]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    lines: list[SerialLine] = []

    def build(baud: int = 9600, parity: str = "N", stop_bits: int = 1) -> SerialLine:
        clock = SystemClock()
        instruments = [
            Instrument(
                f"i{unit}", unit, sheet(PROFILE), lambda point, unit=unit: 1000 + unit,
                AnswerLog(tmp_path / f"i{unit}.jsonl", clock), random.Random(unit),
            )
            for unit in (1, 2)
        ]  # fmt: skip
        line = SerialLine(
            tmp_path / "bus", instruments, baud=baud, parity=parity, stop_bits=stop_bits, chance=random.Random(1)
        )
        line.plug()
        lines.append(line)
        return line

    yield build
    for line in lines:
        await line.close()


def request(unit: int, count: int = 1) -> bytes:
    body = struct.pack(">BBHH", unit, 3, 0, count)
    return body + crc16(body)


def exchange(path: Path, frame: bytes, size: int, timeout: float = 1.0, **settings: object) -> tuple[bytes, float]:
    import time

    with serial.Serial(str(path), timeout=timeout, **{"baudrate": 9600, **settings}) as port:  # type: ignore[arg-type]
        begin = time.monotonic()
        port.write(frame)
        return port.read(size), time.monotonic() - begin


async def ask(line: SerialLine, unit: int = 1, count: int = 1, **settings: object) -> tuple[bytes, float]:
    size = 5 + 2 * count
    return await asyncio.to_thread(exchange, line.port.path, request(unit, count), size, **settings)  # type: ignore[arg-type]


def test_the_checksum_is_that_of_a_makers_example() -> None:
    # qianjia.com, RS-485 tipping bucket: 02 03 00 00 00 03 05 F8
    assert crc16(bytes.fromhex("020300000003")) == bytes.fromhex("05F8")


async def test_several_units_answer_on_one_line_and_write_it_down(make: Make, tmp_path: Path) -> None:
    line = make()
    for unit in (1, 2):
        answer, _ = await ask(line, unit)
        assert answer[:5] == bytes((unit, 3, 2)) + (1000 + unit).to_bytes(2, "big")
        assert crc16(answer[:-2]) == answer[-2:]
        assert [each["hex"] for each in read_log(tmp_path / f"i{unit}.jsonl")] == [f"{1000 + unit:04x}"]
    assert (await ask(line, 9, timeout=0.2))[0] == b""


async def test_bytes_come_at_the_pace_of_the_real_baud_rate(make: Make) -> None:
    line = make(baud=2400)
    answer, took = await ask(line, 1, 20, baudrate=2400)
    wire_s = (8 + 45) * 10 / 2400
    assert len(answer) == 45
    assert wire_s <= took < wire_s + 0.25


async def test_another_baud_rate_gets_silence_or_garbage_and_never_an_answer(make: Make, tmp_path: Path) -> None:
    line = make()
    seen: list[bytes] = []
    while not (b"" in seen and any(seen)) and len(seen) < 40:
        seen.append((await ask(line, baudrate=19200, timeout=0.05))[0])
    assert b"" in seen
    assert any(seen)
    assert all(len(each) < 5 or crc16(each[:-2]) != each[-2:] for each in seen)
    assert read_log(tmp_path / "i1.jsonl") == []


async def test_odd_parity_or_two_stop_bits_that_the_line_has_not_get_no_answer(make: Make) -> None:
    line = make()
    for settings in ({"parity": "O"}, {"stopbits": 2}):
        answer, _ = await ask(line, timeout=0.1, **settings)
        assert len(answer) < 5 or crc16(answer[:-2]) != answer[-2:]
    assert (await ask(line))[0] != b""


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.NOISE, Fault.CRC, Fault.HALF])
async def test_a_faulty_instrument_gives_no_good_frame_and_logs_no_answer(
    make: Make, tmp_path: Path, fault: Fault
) -> None:
    line = make()
    line.faults[1] = fault
    answer, _ = await ask(line, timeout=0.3)
    assert len(answer) < 7 or crc16(answer[:-2]) != answer[-2:]
    assert read_log(tmp_path / "i1.jsonl") == []
    assert len((await ask(line, 2))[0]) == 7
    line.faults.clear()
    assert len((await ask(line, 1))[0]) == 7


async def test_a_late_answer_comes_late_and_says_how_late_in_the_log(make: Make, tmp_path: Path) -> None:
    line = make()
    line.faults[1] = Fault.LATE
    answer, took = await ask(line, timeout=3.0)
    assert len(answer) == 7
    assert took > 1.4
    assert read_log(tmp_path / "i1.jsonl")[0]["took"] > 1400


async def test_speaking_while_an_answer_is_on_the_line_spoils_it(make: Make, tmp_path: Path) -> None:
    line = make(baud=1200)

    def interrupt() -> bytes:
        with serial.Serial(str(line.port.path), 1200, timeout=1.0) as port:
            port.write(request(1, 20))
            port.read(4)
            port.write(b"\x55")
            return port.read(45)

    rest = await asyncio.to_thread(interrupt)
    assert crc16(rest[:-2]) != rest[-2:]
    assert read_log(tmp_path / "i1.jsonl") == []


async def test_a_pulled_adapter_is_gone_and_comes_back_under_its_name(make: Make) -> None:
    line = make()
    assert len((await ask(line))[0]) == 7
    line.unplug()
    with pytest.raises(serial.SerialException):
        await ask(line)
    line.plug()
    assert len((await ask(line))[0]) == 7


async def test_a_client_with_even_parity_can_be_killed_and_come_again(make: Make) -> None:
    line = make(parity="E")
    left = serial.Serial(str(line.port.path), 9600, parity="E", exclusive=True, timeout=0)
    left.close()
    await asyncio.sleep(0.6)
    assert len((await ask(line, parity="E", exclusive=True))[0]) == 7
    await asyncio.sleep(0.6)
    assert len((await ask(line, parity="E", exclusive=True))[0]) == 7
