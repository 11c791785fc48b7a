"""How fast a backlog leaves a station on a stick and enters its centre, and how fresh live values stay meanwhile.

    python bench/carry.py [--quick] [--json]

The backlog of ``drain.py``: 72 hours of 20 series at 1 s (--quick: 3 hours). ``haihe-edge bundle write`` beside the
real agent, which goes on measuring and has no link; then ``haihe-cloud bundle import`` beside the real centre, to
which the same station, on a new card, sends over the real broker meanwhile. In the same run the files of the journal
are read and nothing else is done, and a backlog like it is drained over MQTT. Memory is the most that was resident.
"""

import json
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from centre_box import centre_files
from drain import HOURS, HOURS_QUICK, JOURNAL_BYTES, drain, station_files
from haihe_contract.ranges import EMPTY
from haihe_edge.journal import Folder, Look
from haihe_simulators import scenery
from haihe_simulators.ensemble import free_port, mosquitto
from old_journal import SERIES, fill
from onlooker import Onlooker
from process import installed, memory_mb, process
from report import Figure, run
from station import FARM, Farm

PATIENCE_S = 60


class Ran(NamedTuple):
    """A command that has ended.

    Args:
        said: its one object.
        seconds: it took, with its start.
        memory_mb: it had at most.
    """

    said: dict[str, Any]
    seconds: float
    memory_mb: float


def ran(command: list[str], environment: dict[str, str]) -> Ran:
    """Run a command to its end; it must do what it was asked for."""
    began, most = time.monotonic(), 0.0
    with process(["-m", *command, "--json"], env=environment, stdout=subprocess.PIPE) as child:
        while child.poll() is None:
            most = max(most, memory_mb(child.pid, "VmHWM"))
            time.sleep(0.02)
        took = time.monotonic() - began
        out = child.stdout.read() if child.stdout is not None else ""
    if child.returncode:
        sys.exit(f"{' '.join(command)} ended with {child.returncode}: {out}")
    return Ran(json.loads(out), took, most)


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"after {PATIENCE_S} s in vain: {what}")
        time.sleep(0.05)


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def read_alone(journal: Path) -> float:
    """Seconds in which every record of the files is read and nothing is done with it."""
    began = time.monotonic()
    look = Look(Folder(journal))
    for segment in look.segments:
        for _ in look.groups(segment):
            pass
    return time.monotonic() - began


def carry(folder: Path, hours: int) -> Iterator[Figure]:
    """Write beside one card's agent, import beside the centre of another's."""
    chance, groups = random.Random(5), hours * 3600
    readings = groups * SERIES
    line = fill(folder / "old" / "journal", groups, chance, JOURNAL_BYTES)
    actor = scenery.make_cast(scenery.make_river(1, random.Random(3)))[0]
    broker_port, page_port = free_port(chance), free_port(chance)
    conf, centre_file = centre_files(folder, actor, broker_port, page_port)
    environment = installed(folder)
    stick = folder / "stick"
    stick.mkdir()
    with ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("w"))
        farm = Farm(stack.enter_context(process([str(FARM), "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)))
        old, new = (
            station_files(folder / card, folder / "pki", actor, broker_port, farm.ports[0]) for card in ("old", "new")
        )
        with process(["-m", "haihe_edge", "run", str(old)], stdout=log, stderr=log, env=environment):
            before = farm.answered()
            until(lambda: farm.answered() > before + 2, "the station measures")
            written = ran(["haihe_edge", "bundle", "write", str(old), "--to", str(stick)], environment)
            if not written.said["running"]:
                sys.exit("no agent ran beside it")
        alone = read_alone(folder / "old" / "journal")
        yield Figure("write_s", written.seconds, "s", alone, "the same files, only read")
        speed = readings / written.seconds
        yield Figure("write_readings_per_s", speed, "readings a second", readings / alone, "the same files, only read")
        (bundle,) = written.said["bundles"]
        files = [each["file"] for each in bundle["files"]]
        if bundle["records"] < groups:
            sys.exit(f"the bundle holds {bundle['records']} of {groups} records")

        broker = subprocess.Popen([mosquitto(), "-c", str(conf)], stdout=log, stderr=log)
        stack.callback(broker.wait)
        stack.callback(broker.terminate)
        centre_command = ["-m", "haihe_cloud", "run", "--config", str(centre_file)]
        centre = stack.enter_context(process(centre_command, stdout=log, stderr=log))
        until(lambda: listens(broker_port), "the broker listens")
        onlooker = Onlooker(folder / "pki", "haihe", actor.code, broker_port)
        stack.callback(onlooker.close)
        agent = stack.enter_context(
            process(["-m", "haihe_edge", "run", str(new)], stdout=log, stderr=log, env=environment)
        )
        until(lambda: bool(onlooker.live_peaks_s), "live values are held")
        before = len(onlooker.live_peaks_s)
        command = ["haihe_cloud", "bundle", "import", *files, "--config", str(centre_file)]
        imported = ran(command, environment)
        took_until = len(onlooker.live_peaks_s)
        until(lambda: len(onlooker.live_peaks_s) > took_until, "a live value after it is held")
        live_age = max(onlooker.live_peaks_s[before:])
        (station,) = imported.said["stations"]
        if station["new"] < bundle["records"]:
            sys.exit(f"the centre took {station['new']} of {bundle['records']} records")
        until(lambda: onlooker.held.get(line, EMPTY).count() > groups, "the running centre states it")
        centre_mb, agent_mb = memory_mb(centre.pid, "VmHWM"), memory_mb(agent.pid, "VmHWM")
    drained = {each.name: each.value for each in drain(folder / "drained", hours)}
    over = "the same backlog over MQTT"
    yield Figure("import_s", imported.seconds, "s", drained["drain_s"], over)
    speed = readings / imported.seconds
    yield Figure("import_readings_per_s", speed, "readings a second", drained["readings_per_s"], over)
    yield Figure("live_age_s", live_age, "s at most during the import", drained["live_age_s"], over)
    size = bundle["bytes"] / readings
    yield Figure("bytes_per_reading", size, "bytes of the files", drained["backlog_bytes_per_reading"], over)
    yield Figure("write_peak_mb", written.memory_mb, "MB at most", agent_mb, "the running agent")
    yield Figure("import_peak_mb", imported.memory_mb, "MB at most", centre_mb, "the running centre")


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - told by report.run
    """All figures."""
    with tempfile.TemporaryDirectory() as folder:
        yield from carry(Path(folder), HOURS_QUICK if quick else HOURS)


if __name__ == "__main__":
    run("a backlog is carried by hand while live goes on", measure)
