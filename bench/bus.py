"""An RS-485 line at 9600 baud with 10 instruments of 20 registers, asked as fast as it goes.

    python bench/bus.py [--quick] [--json]

The line is simulated in a process of its own that paces every byte (bench/paced_line.py); the agent's acquisition
runs here with periods that are a little shorter than the line can do. The bound, and the reference, is physics:
bytes of request and answer at 10 bits each (no parity, one stop bit), 3.5 characters of silence for each frame, 20
ms of thinking. The second figure adds a USB adapter that holds back what it hears for 16 ms, in line and bound.
"""

import asyncio
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haihe_contract.clock import SystemClock
from haihe_contract.quality import Grade
from haihe_edge.acquire import Acquirer
from haihe_edge.acquire.budget import budgets
from haihe_edge.site import Site, load_site
from haihe_simulators import scenery
from process import PROFILES, process
from report import Figure, run

BAUD, UNITS, THINK_MS, ADAPTER_MS = 9600, 10, 20, 16
LINE = Path(__file__).with_name("paced_line.py")
PROFILE = "demo-multi-20"


class Line:
    """The far end, in its process."""

    def __init__(self, child: "subprocess.Popen[str]") -> None:
        self._process = child
        self.port = self._hear()

    def _hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def tell(self, *words: object) -> None:
        """``dead UNIT`` or ``alive UNIT``."""
        assert self._process.stdin is not None
        print(*words, file=self._process.stdin, flush=True)

    def stats(self) -> tuple[dict[int, int], int]:
        """Answers of each unit, and collisions."""
        self.tell("stats")
        said = json.loads(self._hear())
        return {int(unit): count for unit, count in said["answered"].items()}, said["collisions"]


@contextmanager
def paced_line(latency_ms: float = 0) -> Iterator[Line]:
    """A line with its instruments."""
    command = [str(LINE), *map(str, (BAUD, "none", UNITS, THINK_MS, latency_ms))]
    with process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        yield Line(child)


def site_document(port: str, every: str) -> dict[str, object]:
    """All instruments on that port."""
    names = [f"i{unit:02}" for unit in range(1, UNITS + 1)]
    points = scenery.spread({"instruments": [{"name": "all", "profile": PROFILE, "at": "main"}]}, PROFILES)
    series = points["instruments"][0]["series"]
    return {
        "station": {"code": "31005650", "name": {"zh": "站", "en": "station"}, "latitude": 39.0, "longitude": 117.0},
        "buses": [{"kind": "serial", "name": "rs485", "port": port, "baud": BAUD}],
        "instruments": [
            {
                "name": name,
                "profile": PROFILE,
                "bus": "rs485",
                "unit": unit,
                "every": every,
                "series": [{**point, "at": name} for point in series],
            }
            for unit, name in enumerate(names, 1)
        ],
        "journal": {"directory": "journal", "size": "64MiB"},
    }


def bound_ms(site: Site, latency_ms: float) -> float:
    """The least that one poll of one instrument can take."""
    one = budgets(site)[0].loads[0]
    return one.wire_ms + (THINK_MS + latency_ms) * one.requests


async def as_fast_as_it_goes(line: Line, folder: Path, latency_ms: float, seconds: float) -> float:
    """Share of the bound that is reached."""
    site = load_site(scenery.write_yaml(folder / "site.yaml", site_document(line.port, "1min")), [PROFILES])
    one_ms = bound_ms(site, latency_ms)
    every = int(0.97 * UNITS * one_ms)
    site = site._replace(instruments=tuple(each._replace(period_ms=every) for each in site.instruments))
    acquirer = Acquirer(site, SystemClock(), lambda: Grade.NTP, lambda group: None)
    running = asyncio.ensure_future(acquirer.run())
    try:
        await asyncio.sleep(2)
        before, _ = line.stats()
        began = time.monotonic()
        await asyncio.sleep(seconds)
        after, collisions = line.stats()
        took_ms = (time.monotonic() - began) * 1000
    finally:
        running.cancel()
        await asyncio.wait([running])
    if collisions:
        raise SystemExit(f"{collisions} collisions: more than one exchange was under way")
    return (sum(after.values()) - sum(before.values())) * one_ms / took_ms


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - told by report.run
    """Both figures."""
    for name, latency_ms in (("utilisation", 0), ("utilisation_behind_adapter", ADAPTER_MS)):
        with tempfile.TemporaryDirectory() as folder, paced_line(latency_ms) as line:
            share = asyncio.run(as_fast_as_it_goes(line, Path(folder), latency_ms, 8 if quick else 60))
        yield Figure(name, share, "of the bound", 1.0, "what physics allows")


if __name__ == "__main__":
    run("10 instruments at 9600 baud, as fast as it goes", measure)
