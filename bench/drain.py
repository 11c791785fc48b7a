"""How fast a station's backlog drains once the link is back, and how fresh live values stay meanwhile.

    python bench/drain.py [--quick] [--json]

72 hours of 20 series at 1 s (--quick: 3 hours), the real agent with an instrument that goes on being read, the real
broker with TLS, the real centre with its embedded store, all on this machine. What the centre holds is taken from
its receipts. The age of live values runs from the reading's time until the centre holds it.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from centre_box import centre_files
from haihe_contract.ranges import EMPTY
from haihe_simulators import scenery
from haihe_simulators.ensemble import free_port, mosquitto
from old_journal import SERIES, fill
from onlooker import Onlooker
from process import cpu_s, installed, memory_mb, process
from report import Figure, run
from station import FARM, Farm, instruments

HOURS, HOURS_QUICK = 72, 3
JOURNAL_BYTES = 512 * 1024 * 1024
DRAIN_S_MAX = 1800


def station_files(folder: Path, keys: Path, actor: scenery.Actor, broker_port: int, instrument_port: int) -> Path:
    """The site file of the station in its folder, at the keys of this centre."""
    document = scenery.site_document(actor, "haihe", broker_port, instrument_port, keys, folder=folder, window="1s")
    size = {"directory": "journal", "size": f"{JOURNAL_BYTES // 2**20}MiB"}
    return scenery.write_yaml(folder / "site.yaml", {**document, **instruments([instrument_port]), "journal": size})


def drain(folder: Path, hours: int) -> Iterator[Figure]:
    """Fill, connect, watch."""
    chance = random.Random(5)
    groups = hours * 3600
    line = fill(folder / "journal", groups, chance, JOURNAL_BYTES)
    actor = scenery.make_cast(scenery.make_river(1, random.Random(3)))[0]
    broker_port, page_port = free_port(chance), free_port(chance)
    conf, centre_file = centre_files(folder, actor, broker_port, page_port)
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen([mosquitto(), "-c", str(conf)], stdout=log, stderr=log) as broker,
        process([str(FARM), "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child,
        process(["-m", "haihe_cloud", "run", "--config", str(centre_file)], stdout=log, stderr=log) as centre,
    ):
        try:
            site = station_files(folder, folder / "pki", actor, broker_port, Farm(child).ports[0])
            time.sleep(3)
            onlooker = Onlooker(folder / "pki", "haihe", actor.code, broker_port)
            command = ["-m", "haihe_edge", "run", str(site)]
            with process(command, stdout=log, stderr=log, env=installed(folder)) as agent:
                yield from watch(onlooker, line, groups, agent.pid, centre.pid)
            onlooker.close()
        finally:
            broker.terminate()


def watch(onlooker: Onlooker, line: int, groups: int, agent: int, centre: int) -> Iterator[Figure]:
    """Until the centre holds the whole line."""
    rss = spent = spent_centre = 0.0
    began = first = 0.0
    while (held := onlooker.held.get(line, EMPTY).count()) < groups:
        now = time.monotonic()
        began = began or now
        if held and not first:
            first, spent, spent_centre = now, cpu_s(agent), cpu_s(centre)
        if now - began > DRAIN_S_MAX:
            sys.exit(f"after {DRAIN_S_MAX} s the centre holds {held} of {groups} groups")
        rss = max(rss, memory_mb(agent))
        time.sleep(0.1)
    took = time.monotonic() - first
    readings = groups * SERIES
    yield Figure("readings_per_s", readings / took, "readings a second, 50,000 wanted with two processors free")
    yield Figure("drain_s", took, f"s for {readings} readings")
    yield Figure("live_age_s", max(onlooker.live_peaks_s, default=0), "s at most during the drain, 5 wanted")
    yield Figure("edge_rss_mb", rss, "MB at most, 80 wanted")
    yield Figure("edge_cpu_s", (cpu_s(agent) - spent) * 1e6 / readings, "CPU s per million readings")
    yield Figure("centre_cpu_s", (cpu_s(centre) - spent_centre) * 1e6 / readings, "CPU s per million readings")
    yield Figure("backlog_bytes_per_reading", onlooker.lane_bytes[2] / readings, "bytes of payload")


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - told by report.run
    """All figures."""
    with tempfile.TemporaryDirectory() as folder:
        yield from drain(Path(folder), HOURS_QUICK if quick else HOURS)


if __name__ == "__main__":
    run("a backlog drains over loopback while live goes on", measure)
