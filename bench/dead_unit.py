"""One dead instrument of ten on an RS-485 line: what the other nine lose, and when the tenth is back.

    python bench/dead_unit.py [--quick] [--json]

The agent is the real process, asking every instrument once a second; the line is a process of its own that paces
every byte and really blocks (bench/paced_line.py). ``living_share`` is the share of due polls of the nine living
instruments that were answered from the second minute after the death on (with --quick from the tenth second on), by
the instruments' own count. The reference is what a user would write: pymodbus asking in turn on the same line, with
the same time-out and pymodbus's own retries.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bus import UNITS, Line, paced_line, site_document
from haihe_simulators import scenery
from process import installed, process
from report import Figure, run

DEAD = 4
NAIVE = """
import sys, time
from pymodbus.client import ModbusSerialClient
client = ModbusSerialClient(sys.argv[1], baudrate=9600, timeout=0.5)
client.connect()
due = time.monotonic()
while True:
    for unit in range(1, 11):
        try:
            client.read_holding_registers(0, count=20, device_id=unit)
        except Exception:
            client.connect()
    due = max(due + 1, time.monotonic())
    time.sleep(max(0, due - time.monotonic()))
"""


def living(line: Line) -> int:
    """Answers of those that live."""
    answered, _ = line.stats()
    return sum(count for unit, count in answered.items() if unit != DEAD)


def share(line: Line, settle_s: float, seconds: float) -> float:
    """Share of the polls due once a second that the living answered."""
    time.sleep(settle_s)
    before, began = living(line), time.monotonic()
    time.sleep(seconds)
    return (living(line) - before) / (time.monotonic() - began) / (UNITS - 1)


def back_after(line: Line) -> float:
    """Seconds until the revived one is read again."""
    line.tell("alive", DEAD)
    before, began = line.stats()[0][DEAD], time.monotonic()
    while line.stats()[0][DEAD] == before:
        if time.monotonic() - began > 120:
            return float("inf")
        time.sleep(0.05)
    return time.monotonic() - began


def reference(seconds: float) -> float:
    """The same of a script."""
    with paced_line() as line:
        line.tell("dead", DEAD)
        with process(["-c", NAIVE, line.port], stderr=subprocess.DEVNULL):
            return share(line, 4, seconds)


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - told by report.run
    """All figures."""
    with tempfile.TemporaryDirectory() as name, paced_line() as line:
        folder = Path(name)
        path = scenery.write_yaml(folder / "site.yaml", site_document(line.port, "1s"))
        log = (folder / "log").open("w")
        with process(["-m", "haihe_edge", "run", str(path)], env=installed(folder), stdout=log, stderr=log):
            healthy = share(line, 3, 3 if quick else 20)
            line.tell("dead", DEAD)
            found = share(line, 10 if quick else 60, 6 if quick else 120)
            back = back_after(line)
    naive = reference(6 if quick else 30)
    yield Figure("living_share", found, "of due polls", naive, "pymodbus asking in turn")
    yield Figure("back_after_s", back, "s (at most 60)")
    yield Figure("healthy_share", healthy, "of due polls, before the death")


if __name__ == "__main__":
    run("one dead instrument of ten on a line that really blocks", measure)
