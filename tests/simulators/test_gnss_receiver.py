"""Promises of the simulated receiver, read by pynmea2."""

import asyncio
import os
import random
from pathlib import Path

import pynmea2
import pytest
from haihe_contract.clock import SystemClock
from haihe_simulators.answer_log import AnswerLog
from haihe_simulators.evidence import read_log
from haihe_simulators.gnss import GnssReceiver, angle
from hypothesis import given
from hypothesis import strategies as st


def receiver(tmp_path: Path, talker: str = "BD") -> GnssReceiver:
    clock = SystemClock()
    return GnssReceiver(
        tmp_path / "gnss", talker=talker, latitude=39.1234, longitude=117.2, altitude=4.0,
        log=AnswerLog(tmp_path / "gnss.jsonl", clock), clock=clock, chance=random.Random(2),
    )  # fmt: skip


@pytest.mark.parametrize("talker", ["GN", "BD", "GB"])
def test_sentences_carry_the_chosen_talker_and_the_position_of_the_log(tmp_path: Path, talker: str) -> None:
    fix, text = receiver(tmp_path, talker).sentences(1_790_000_000)
    lines = text.decode("ascii").split("\r\n")[:-1]
    assert {line[1:3] for line in lines} == {talker}
    said = pynmea2.parse(lines[0], check=True)
    assert said.latitude == pytest.approx(fix.latitude, abs=1e-12)
    assert said.longitude == pytest.approx(fix.longitude, abs=1e-12)
    assert abs(fix.latitude - 39.1234) < 0.0002
    for line in lines:
        pynmea2.parse(line, check=True)


def test_without_a_fix_there_is_no_position_and_the_sentences_say_so(tmp_path: Path) -> None:
    made = receiver(tmp_path)
    made.antenna_open = True
    fix, text = made.sentences(1_790_000_000)
    assert fix.quality == 0
    assert b"ANTENNA OPEN" in text
    assert pynmea2.parse(text.decode().split("\r\n")[0]).gps_qual == 0


@given(st.floats(-89.9, 89.9))
def test_an_angle_is_written_with_minutes_below_sixty(degrees: float) -> None:
    text, said = angle(degrees, 2)
    assert float(text[2:]) < 60
    assert said == pytest.approx(abs(degrees), abs=1e-7)


async def test_a_fix_is_logged_only_when_somebody_listened(tmp_path: Path) -> None:
    made = receiver(tmp_path)
    task = asyncio.ensure_future(made.run())
    await asyncio.sleep(0.01)
    assert not made.port.listened()
    end = os.open(made.port.path, os.O_RDONLY | os.O_NOCTTY)
    assert made.port.listened()
    text = await asyncio.to_thread(os.read, end, 4096)
    while b"TXT" not in text:
        text += await asyncio.to_thread(os.read, end, 4096)
    os.close(end)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert text.startswith(b"$BDGGA")
    assert len(read_log(tmp_path / "gnss.jsonl")) == 1
    assert not (tmp_path / "gnss").exists()
