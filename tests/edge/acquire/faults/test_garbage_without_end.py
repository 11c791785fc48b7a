"""An hour of garbage without a line end, a wrong baud rate: memory stays where it is, and readings come back."""

import asyncio
import os
import random
import tracemalloc
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest
from haihe_contract.quality import Reason
from haihe_edge import limits
from haihe_simulators.answer_log import AnswerLog
from haihe_simulators.instrument import Instrument
from haihe_simulators.profile_sheet import read_sheet
from haihe_simulators.serial_line import SerialLine

from tests.edge.acquire.far_end import PtyInstrument, nmea
from tests.edge.acquire.faults.shared_line import PROFILE, Line, both, measuring
from tests.edge.heard import has_values
from tests.edge.patient_loop import LoopClock

AN_HOUR_BYTES = 9600 // 10 * 3600
"""What a line of 9600 baud carries in an hour."""
GROWTH_BYTES_MAX = 256 * 1024
RUBBISH = random.Random(4).randbytes(4096).translate(None, b"\r\n\x00$")
RECEIVER = "buses: [{{kind: gnss, name: sick, port: {port}, every: 1s}}]"
RANGE_FINDER = """
buses: [{{kind: ascii, name: line, port: {port}, baud: 9600}}]
instruments: [{{name: sick, profile: maxbotix-hrxl, bus: line, every: 1s}}]
"""
FIX = (
    nmea("GNGGA,081500.000,3908.748,N,11711.382,E,1,14,0.7,5.0,M,,M,,")
    + nmea("GNRMC,081500.000,A,3908.748,N,11711.382,E,0.00,0.0,010826,,,A,V")
)  # fmt: skip


async def pour(master: int, count: int) -> None:
    """Put so many bytes of rubbish on the line, as fast as they are taken."""
    loop = asyncio.get_running_loop()
    left = count
    while left > 0:
        room = loop.create_future()
        loop.add_writer(master, lambda room=room: room.done() or room.set_result(None))  # type: ignore[misc]
        await room
        loop.remove_writer(master)
        try:
            left -= os.write(master, RUBBISH[:left])
        except BlockingIOError:
            continue


async def growth(work: Awaitable[None]) -> int:
    """Bytes of memory at the height of the work beyond what there was before."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        await work
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return most - before


@pytest.fixture
async def speaker(tmp_path: Path) -> AsyncIterator[PtyInstrument]:
    speaker = PtyInstrument(tmp_path / "tty", lambda _request: [])
    yield speaker
    speaker.close()


@pytest.mark.parametrize(
    ("site", "sense"), [(RECEIVER, FIX), (RANGE_FINDER, b"R1234\r" * 3)], ids=["receiver", "text instrument"]
)
async def test_an_hour_of_garbage_takes_no_memory_and_then_sense_is_heard_again(
    speaker: PtyInstrument, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: str, sense: bytes
) -> None:
    library = Path(__file__).parents[4] / "firmware_profiles"
    monkeypatch.setenv("HAIHE_PROFILES", str(library))
    async with measuring(tmp_path, site.format(port=speaker.port)) as station:
        await station.until(lambda group: not has_values(group))
        assert await growth(pour(speaker._master, AN_HOUR_BYTES)) < GROWTH_BYTES_MAX
        group = await station.until(lambda group: True)
        assert all(value is None and why is not Reason.NONE for _, value, why in group.samples)
        speaker.say(b"\r\n")
        speaker.say(sense)
        await station.until(has_values)


async def test_a_unit_that_never_stops_babbling_takes_no_memory_and_the_line_recovers(
    line: Line, tmp_path: Path
) -> None:
    async with measuring(tmp_path, both(f"kind: serial, port: {line.pty.port}")) as station:
        await station.heals()
        assert await growth(pour(line.pty._master, AN_HOUR_BYTES)) < GROWTH_BYTES_MAX
        await station.heals()
        assert sum(len(each.samples) for each in station.groups) < 1000
        assert limits.LINE_BYTES_MAX <= 4096


async def test_a_wrong_baud_rate_is_told_as_such_and_the_right_one_heals(tmp_path: Path) -> None:
    """The simulated line answers settings that are not its own with silence or garbage, as wires do."""
    (tmp_path / "gauge.yaml").write_text(PROFILE)
    sheet = read_sheet(tmp_path / "gauge.yaml")
    logs = [AnswerLog(tmp_path / f"{unit}.jsonl", LoopClock()) for unit in (1, 2)]
    units = [
        Instrument(f"{unit}", unit, sheet, lambda _point: 1.5, log, random.Random(unit))
        for unit, log in zip((1, 2), logs, strict=True)
    ]
    wire = SerialLine(tmp_path / "tty", units, baud=4800, chance=random.Random(1))
    wire.plug()
    try:
        async with measuring(tmp_path, both(f"kind: serial, port: {tmp_path / 'tty'}, baud: 9600")) as station:
            group = await station.until(lambda group: station.sick.failures >= limits.FAILURES_BEFORE_PAUSES, 15)
            assert all(value is None for _, value, _ in group.samples)
            assert {why for each in station.groups for _, _, why in each.samples} <= {
                Reason.CHECKSUM, Reason.TIMEOUT, Reason.SKIPPED
            }  # fmt: skip
            assert "no answer" in station.words() or "check baud rate and parity" in station.words()
            wire.baud = 9600
            wire.character_s /= 2
            await station.until(has_values, 15)
    finally:
        await wire.close()
        for log in logs:
            log.close()
