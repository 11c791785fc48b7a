"""The day queue of the TUF-2000M: the simulator against the documents' frame, the product against the simulator."""

import asyncio
import contextlib
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from haihe_contract.quality import Grade, Reason
from haihe_edge.acquire import Acquirer, Group, Missed
from haihe_edge.field.golden import read_case
from haihe_edge.remember.recalled import watched_series
from haihe_edge.site import load_site
from haihe_simulators.answer_log import AnswerLog
from haihe_simulators.instrument import Instrument
from haihe_simulators.modbus_server import ModbusServer
from haihe_simulators.profile_sheet import read_sheet

from tests.edge.acquire.memory.conftest import ROOT, now_ms
from tests.edge.patient_loop import LoopClock

PROFILES = ROOT / "firmware_profiles"
BEIJING = timedelta(hours=8)
DAY_MS = 86_400_000


def meter(directory: Path) -> Instrument:
    sheet = read_sheet(PROFILES / "tuf-2000m.yaml")._replace(answer_ms=2)
    log = AnswerLog(directory / "answers.jsonl", LoopClock())
    return Instrument("meter", 1, sheet, lambda point: point.usual, log, random.Random(1))


def midnight_ms() -> int:
    """The last midnight in Beijing."""
    local = (datetime.now(UTC) + BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
    return round((local - BEIJING).timestamp() * 1000)


def test_a_simulated_meter_answers_the_frames_of_the_documents(tmp_path: Path) -> None:
    case = read_case(ROOT / "tests" / "golden" / "profiles" / "tuf-2000m" / "a_day_out_of_its_queue.yaml")
    made = meter(tmp_path)
    days = made.logs["days"]
    end_ms = round(datetime.fromisoformat(case["values"]["time"]).timestamp() * 1000)
    for back in (3, 2, 1, 0):  # the fourth block is the golden one
        days.record(end_ms - back * DAY_MS, {"day_flow": 0.005, "day_working_time": 86400.0})
    for exchange in case["exchanges"]:
        request, golden = bytes.fromhex(exchange["request"]), bytes.fromhex(exchange["response"])
        answer = made.answer(request[1:-2])
        assert answer is not None
        assert answer.registers == golden[3:-2]


async def test_the_days_of_a_meter_become_mean_flows_stamped_at_their_end_and_none_comes_twice(tmp_path: Path) -> None:
    made = meter(tmp_path)
    server = ModbusServer([made])
    await server.start()
    file = tmp_path / "site.yaml"
    file.write_text(
        'station: {code: "31005650", name: {zh: 站, en: s}, latitude: 39.1, longitude: 117.2}\n'
        f"journal: {{directory: journal}}\nbuses: [{{kind: tcp, name: net, host: 127.0.0.1, port: {server.port}}}]\n"
        "instruments: [{name: meter, profile: tuf-2000m, bus: net, unit: 1, every: 2s, memory: true}]\n"
    )
    site = load_site(file, [PROFILES])
    (recall,) = site.instruments[0].recalls
    (number,) = recall.own
    ends = [midnight_ms() - back * DAY_MS for back in range(69, -1, -1)]  # six more than the queue holds
    for at, end_ms in enumerate(ends):
        made.logs["days"].record(end_ms, {"day_flow": at / 1000})
    made.logs["days"].record(ends[-1] + DAY_MS, {"day_flow": 9.0})  # today is not over
    missed, recalled, live = Missed(watched_series(site)), list[Group](), list[Group]()
    acquirer = Acquirer(site, LoopClock(), lambda: Grade.NTP, live.append, missed=missed, recalled=recalled.append)
    running = asyncio.ensure_future(acquirer.run())
    try:
        async with asyncio.timeout(20):
            while missed.wants([number], now_ms()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            polls = len(live)
            while len(live) < polls + 2:  # noqa: ASYNC110 - it is not read again with every poll
                await asyncio.sleep(0.05)
        (log,) = acquirer.state()[0].instruments[0].memory
        assert (log.entries, log.future, log.error) == (63, 0, None)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await server.close()
    assert [group.time_ms for group in recalled] == ends[-63:]
    assert [group.samples for group in recalled] == [
        [(number, pytest.approx(at / 1000, rel=1e-6), Reason.NONE)] for at in range(7, 70)
    ]
