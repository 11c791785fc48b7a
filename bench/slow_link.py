"""How fresh live values and alarms stay on a slow link while a backlog drains over it.

    python bench/slow_link.py [--quick] [--json]

64 kbit/s, 600 ms round trip, 1 % of the segments lost, a modem that buffers 256 KiB: a station's journal, group
commit and forwarding over a simulated link to a real broker with TLS and a real centre with its embedded store. 20
series are recorded every second and, once connected, an alarm every 5 s; the backlog never ends. What the centre
holds is taken from its receipts, on the broker's side of the link.
"""

import asyncio
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from centre_box import centre_files
from haihe_contract import topic
from haihe_contract.clock import SystemClock
from haihe_contract.record import Event, Readings
from haihe_edge.forward.forwarder import Forwarder
from haihe_edge.forward.held import Held
from haihe_edge.link.mqtt import MqttLink
from haihe_edge.recorder import Recorder
from haihe_edge.station import read_receipt_key
from haihe_simulators import scenery
from haihe_simulators.ensemble import free_port, mosquitto
from haihe_simulators.link import Link
from old_journal import SERIES, fill, open_journal
from onlooker import Onlooker
from process import process
from report import Figure, run

BYTES_PER_S = 8000.0
ONE_WAY_S = 0.3
LOSS = 0.01
SECONDS, SECONDS_QUICK = 300, 30
GROUPS = 72 * 3600
GROUPS_QUICK = 6 * 3600
ALARM_EVERY_S = 5
JOURNAL_BYTES = 512 * 1024 * 1024


async def station(folder: Path, code: str, broker_port: int, seconds: float) -> tuple[dict[int, float], Forwarder]:
    """Record and send for so long; when each alarm was committed, by the time that it says."""
    chance, clock = random.Random(11), SystemClock()
    link = Link(("127.0.0.1", broker_port), chance=random.Random(13))
    await link.start()
    await link.order({"do": "shape", "bytes_per_s": BYTES_PER_S, "delay_s": ONE_WAY_S, "loss": LOSS})
    recorder = Recorder(open_journal(folder / "journal", JOURNAL_BYTES, chance), clock, 1000)
    keys = folder / "pki"
    forwarder = Forwarder(
        station=code,
        centre="haihe",
        key=read_receipt_key(keys / "receipt.pub"),
        journal=recorder.journal,
        link=MqttLink(
            station=code,
            host="127.0.0.1",
            port=link.port,
            ca=keys / "ca.pem",
            certificate=keys / "stations" / f"{code}.pem",
            key=keys / "stations" / f"{code}.key",
            topics=[topic.receipt(code, "haihe")],
        ),
        held=Held(),
        clock=clock,
        chance=chance,
        retry_most_ms=30_000,
        receipted=recorder.receipted,
    )
    recorder.add(forwarder, required=True)
    committed: dict[int, float] = {}
    tasks = [asyncio.ensure_future(work) for work in (recorder.commit(), forwarder.run())]
    values = [chance.uniform(5, 25) for _ in range(SERIES)]
    began = time.monotonic()
    second = 0
    while (now := time.monotonic() - began) < seconds:
        values = [value + chance.choice((-0.1, 0.0, 0.1)) for value in values]
        rounded: list[float | None] = [round(value, 1) for value in values]
        recorder.record(Readings(time.time_ns() // 1_000_000, 5, list(range(SERIES)), rounded))
        if forwarder.connected and second % ALARM_EVERY_S == 0 and now < seconds - 2 * ALARM_EVERY_S:
            time_ms = time.time_ns() // 1_000_000
            recorder.record(Event(time_ms, 5, "level_raised", 0, 20.0), urgent=True)
            committed[time_ms] = time.time()
        second += 1
        await asyncio.sleep(max(0, began + second - time.monotonic()))
        for task in tasks:
            if task.done():
                task.result()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await link.close()
    recorder.journal.close()
    return committed, forwarder


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - told by report.run
    """All figures."""
    seconds, groups = (SECONDS_QUICK, GROUPS_QUICK) if quick else (SECONDS, GROUPS)
    with tempfile.TemporaryDirectory() as name:
        folder, chance = Path(name), random.Random()
        actor = scenery.make_cast(scenery.make_river(1, random.Random(3)))[0]
        line = fill(folder / "journal", groups, random.Random(5), JOURNAL_BYTES)
        broker_port, page_port = free_port(chance), free_port(chance)
        conf, centre_file = centre_files(folder, actor, broker_port, page_port)
        with (
            (folder / "log").open("w") as log,
            subprocess.Popen([mosquitto(), "-c", str(conf)], stdout=log, stderr=log) as broker,
            process(["-m", "haihe_cloud", "run", "--config", str(centre_file)], stdout=log, stderr=log),
        ):
            try:
                time.sleep(3)
                onlooker = Onlooker(folder / "pki", "haihe", actor.code, broker_port)
                committed, forwarder = asyncio.run(station(folder, actor.code, broker_port, seconds))
                time.sleep(1)
                onlooker.close()
            finally:
                broker.terminate()
    waits = [onlooker.alarms.get(time_ms, at + seconds) - at for time_ms, at in committed.items()]
    drained = onlooker.held[line].count() * SERIES if line in onlooker.held else 0
    yield Figure("slow_live_s", max(onlooker.live_peaks_s, default=seconds), "s old at most at the centre, 10 wanted")
    yield Figure("slow_alarm_s", max(waits), "s from the commit to the centre at most, 3 wanted")
    yield Figure("slow_live_median_s", statistics.median(onlooker.live_peaks_s or [seconds]), "s")
    yield Figure("slow_alarm_median_s", statistics.median(waits), "s")
    yield Figure("alarms", len(waits), "alarms")
    yield Figure("slow_readings_per_s", drained / seconds, "readings of the backlog a second")
    share = sum(onlooker.lane_bytes) / (BYTES_PER_S * seconds)
    yield Figure("slow_used", share, "of the link's bytes carried payload")
    yield Figure("round_trip_ms", forwarder.outbox.flow.round_trip_ms, "ms at the end, by receipts")


if __name__ == "__main__":
    run("a backlog over 64 kbit/s, 600 ms and 1 % loss", measure)
