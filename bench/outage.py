"""The broker goes away for a minute: what is lost, and how soon the present is back.

    python bench/outage.py [--quick] [--cap 30s] [--only stopped|killed|frozen|forgetful] [--json]

Real processes: one agent that reads 50 instruments of 20 values every second over Modbus TCP, Mosquitto, the centre.

    stopped    the broker is stopped; connections are refused meanwhile
    killed     the same, and half way the agent is ended by SIGKILL and started again
    frozen     the broker is halted by SIGSTOP and ended by SIGKILL at last: a link that dies without a word
    forgetful  the broker is stopped and comes back without all it had stored

Lost is what a balance against the instruments' own logs does not find in the store. Live is the first moment at which
the centre's store has a level that is less than 3 s old; it is said after the broker's return, in which the agent's
pause between two tries has its part (at most ``--cap``), and after the agent's connection stood again. The figures of
others stand beside: they were measured once on a machine of the same size, with 50 such instruments and the same
outage of 60 s, each with its own settings as it comes; they are no part of this run.
"""

import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from haihe_contract.clock import SystemClock
from haihe_edge.control import AgentAway, ask
from haihe_simulators.account import account
from haihe_simulators.ensemble import Ensemble, free_port
from haihe_simulators.scenery import LEVEL, of_twenty
from process import PROFILES
from report import Figure, option, run

INSTRUMENTS, INSTRUMENTS_QUICK = 50, 5
OUTAGE_S, OUTAGE_QUICK_S = 60.0, 6.0
SETTLE_S, AFTER_S, PATIENCE_S = 5.0, 5.0, 120.0
FRESH_MS = 3000
CAP, ONLY = option("--cap", "30s"), option("--only", "")
OTHERS = {
    "stopped": "ThingsBoard gateway 0, Node-RED 3000, Telegraf 0",
    "killed": "ThingsBoard gateway in memory 1500, in SQLite 50 to 93, Node-RED 2947, Telegraf 1550, on disk 0",
    "frozen": "ThingsBoard gateway 190 to 2650, Node-RED 252 to 284, Telegraf 0",
    "forgetful": "none of the others would know: all take the broker's acknowledgement for the end",
}
OTHERS_LIVE = "ThingsBoard gateway 15.5 to 37.5, Node-RED 0.8, Telegraf 1.3 to 4.4"
"""By scenario, polls lost of about 3000; and, of the first, seconds from the broker's return to live. ThingsBoard IoT
Gateway 3.8.5, Node-RED 4.1.15, Telegraf 1.37.2."""


class Course(NamedTuple):
    """What one scenario gave."""

    polls: int
    lost: float
    timed_out: float
    double: float
    within_window: float
    live_s: float
    accepted_s: float
    drained_s: float
    closes: bool


def many(written: dict[str, Any], count: int, chance: random.Random) -> dict[str, Any]:
    """The site file with so many instruments, each on a socket of its own."""
    first = of_twenty(written, PROFILES)
    buses, instruments = list(first["buses"]), list(first["instruments"])
    ports = {bus["port"] for bus in buses}
    while len(ports) < count:
        ports.add(free_port(chance))
    for at, port in enumerate(sorted(ports - {buses[0]["port"]}), 1):
        buses.append({"kind": "tcp", "name": f"t{at}", "host": "127.0.0.1", "port": port})
        whole = {"profile": "demo-multi-20", "bus": f"t{at}", "unit": 1, "every": "1s", "at": f"p{at}"}
        instruments.append({"name": f"m{at}", **whole})
    (centre,) = written["centres"]
    return {**first, "buses": buses, "instruments": instruments, "centres": [{**centre, "retry_most": CAP}]}


async def course(kind: str, count: int, outage_s: float) -> Course:
    """Play one scenario."""
    folder = Path(tempfile.mkdtemp(prefix="haihe-outage-"))
    chance = random.Random(4)
    fit = partial(many, count=count, chance=chance)
    ensemble = Ensemble(folder, 1, chance, SystemClock(), "en", free_port(chance), fit=fit)
    (part,) = ensemble.parts
    try:
        await ensemble.start()
        await asyncio.sleep(SETTLE_S)
        before = part.instruments.answered
        await outage(ensemble, kind, outage_s)
        back = time.monotonic()
        polls = part.instruments.answered - before
        accepted_s = await seconds_until(back, lambda: connected(ensemble))
        live_s = await seconds_until(back, lambda: fresh(ensemble))
        drained_s = await seconds_until(back, lambda: drained(ensemble))
        await asyncio.sleep(AFTER_S)
        await ensemble.rest(30.0)
        sheet = await asyncio.to_thread(account, folder)
        for each in (*sheet.lost[:3], *sheet.doubles[:3], *sheet.unexplained[:3]):
            print(each, file=sys.stderr)
        of_poll = 20 + 1 / count  # the level beside the distance it is made of
        lost, timed_out, double, within = (
            each / of_poll
            for each in (
                sheet.readings_lost - sheet.timed_out,
                sheet.timed_out,
                sheet.duplicates_in_store,
                sheet.in_loss_window,
            )
        )
        return Course(polls, lost, timed_out, double, within, live_s, live_s - accepted_s, drained_s, sheet.closes)
    finally:
        await ensemble.end()
        if sys.exc_info()[0] is not None:
            print((part.folder / "edge.log").read_text("utf-8", "replace")[-2000:], file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)


async def outage(ensemble: Ensemble, kind: str, outage_s: float) -> None:
    """Take the broker away, and give it back."""
    broker, (part,) = ensemble.broker, ensemble.parts
    if kind == "frozen":
        os.kill(broker.pid, signal.SIGSTOP)
    else:
        await broker.stop()
    await asyncio.sleep(outage_s / 2)
    if kind == "killed":
        await ensemble.kill_agent(part)
        await part.agent.start()
    await asyncio.sleep(outage_s / 2)
    if kind == "frozen":
        await broker.kill()
    if kind == "forgetful":
        for path in (ensemble.folder / "broker" / "data").iterdir():
            path.unlink()
    await broker.start()


async def seconds_until(began: float, holds: Any) -> float:
    """How long after that moment it held; not a number when it never did."""
    while time.monotonic() - began < PATIENCE_S:
        if await holds():
            return time.monotonic() - began
        await asyncio.sleep(0.02)
    return float("nan")


async def connected(ensemble: Ensemble) -> bool:
    """Whether the agent's connection stands."""
    try:
        said = await asyncio.to_thread(ask, ensemble.parts[0].folder / "control", {"do": "status"}, timeout_s=1.0)
    except AgentAway:
        return False
    return bool(said["centres"][0]["connected"])


async def fresh(ensemble: Ensemble) -> bool:
    """Whether the store has a level of now."""
    newest = await ensemble.view.newest_ms(ensemble.parts[0].actor.code, LEVEL)
    return ensemble.clock.now_ms() - newest < FRESH_MS


async def drained(ensemble: Ensemble) -> bool:
    """Whether nothing waits any more, but for what is on its way this very second."""
    left = await ensemble.records_waiting(ensemble.parts[0])
    return left is not None and left <= 2 * len(ensemble.parts[0].instruments.servers)


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - told by report.run
    """All scenarios."""
    count, outage_s = (INSTRUMENTS_QUICK, OUTAGE_QUICK_S) if quick else (INSTRUMENTS, OUTAGE_S)
    kinds = [ONLY] if ONLY else ["killed"] if quick else list(OTHERS)
    failed = []
    for kind in kinds:
        found = asyncio.run(course(kind, count, outage_s))
        yield Figure(f"{kind}_polls", found.polls, f"polls in {outage_s:.0f} s without broker")
        yield Figure(f"{kind}_lost", found.lost, f"polls lost ({OTHERS[kind]})")
        yield Figure(f"{kind}_timed_out", found.timed_out, "polls answered too late for the agent, written as missing")
        yield Figure(f"{kind}_double", found.double, "polls double")
        yield Figure(f"{kind}_within_window", found.within_window, "polls within the stated window of the kill")
        beside = f" ({OTHERS_LIVE})" if kind == "stopped" else ""
        yield Figure(f"{kind}_live_s", found.live_s, f"s from the broker's return to live, cap {CAP}{beside}")
        yield Figure(f"{kind}_live_after_connection_s", found.accepted_s, "s from the agent's connection to live")
        yield Figure(f"{kind}_drained_s", found.drained_s, "s from the broker's return until nothing waits")
        failed += [] if found.closes else [kind]
    if failed:
        raise SystemExit(f"the balance does not close: {', '.join(failed)}")


if __name__ == "__main__":
    os.environ.setdefault("HAIHE_PROFILES", str(PROFILES))
    run("the broker goes away", measure)
