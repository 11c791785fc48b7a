"""Everything is killed, again and again, under load; then the balance.

    python bench/chaos.py [--quick | --minutes N] [--store sqlite|influx] [--sql sqlite|postgresql] [--seed N] [--json]

Real processes: two agents, Mosquitto, the centre, and where asked for InfluxDB and PostgreSQL. Instruments answer in
this process, 20 values a second at each station, over TCP. Every few seconds one of the processes is ended by
SIGKILL and started again after a drawn pause; meanwhile each station's link to the broker is cut, frozen and
narrowed. Then peace, until nothing waits anywhere, and the balance of what the instruments answered against what the
store holds: nothing of the agents' own counting is in it. Exit 1 when it does not close.
"""

import asyncio
import json
import os
import random
import shutil
import sys
import tempfile
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from haihe_contract.clock import SystemClock
from haihe_simulators.account import account
from haihe_simulators.balance import Row, Sheet
from haihe_simulators.ensemble import Ensemble, Part, free_port
from haihe_simulators.evidence import MISSING, Ask, Stored
from haihe_simulators.scenery import of_twenty
from process import PROFILES
from report import Figure, option, run

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.influx import ORG, Influx, NoInflux
from tests.postgresql import NoPostgresql, Postgresql

STATIONS = 2
QUICK_S = 25.0
KILL_EVERY_S, DOWN_S, LINK_EVERY_S, LINK_BAD_S = (1.5, 5.0), (0.1, 4.0), (2.0, 9.0), (0.3, 4.0)
PEACE_S = 180.0
"""So long all may take to be complete again."""
RESTART_S = 1.0
"""After which a service manager starts again what ended by itself."""
AWAY = "database.conninfo"
"""Where the fault is that the centre names, in any language, when it finds no database at its start."""
MINUTES = float(option("--minutes", "10"))
SEED = int(option("--seed", "7"))
STORE, SQL = option("--store", "sqlite"), option("--sql", "sqlite")
KEPT = option("--keep", "")


class Victim(NamedTuple):
    """What can be killed."""

    kind: str
    kill: Callable[[], Awaitable[None]]
    start: Callable[[], Awaitable[None]]


class Behind:
    """The databases behind the centre, its settings for them, and how a balance reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings: dict[str, Any] = {}
        self.victims: list[Victim] = []
        self.ledger: Ask | None = None
        self.store: Callable[[str], Stored] | None = None
        self.influx = self._influx() if STORE == "influx" else None
        self.postgresql = self._postgresql() if SQL == "postgresql" else None

    def _influx(self) -> Influx:
        server = Influx(self.folder / "influx")
        bucket = server.bucket("haihe")
        server.stop()  # in order: a kill right after a bucket was made can lose it
        server.start()
        token = self.folder / "token"
        token.write_text(server.token or "any:thing")
        self.settings["store"] = {
            "kind": "influx", "url": server.url, "org": ORG, "bucket": bucket, "token_file": str(token),
        }  # fmt: skip
        self.victims.append(Victim("store", partial(_aside, server.kill), partial(_aside, server.start)))
        self.store = partial(in_influx, server, bucket)
        return server

    def _postgresql(self) -> Postgresql:
        server = Postgresql(durable=True)
        secret = self.folder / "password"
        secret.write_text(server.password)
        self.settings["database"] = {
            "kind": "postgresql", "conninfo": server.conninfo(), "password_file": str(secret),
        }  # fmt: skip
        self.victims.append(Victim("postgresql", partial(_aside, server.kill), partial(_aside, server.start)))

        def ask(sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
            with psycopg.connect(server.conninfo(), password=server.password) as connection:
                return connection.execute(sql.replace("?", "%s").encode(), parameters).fetchall()

        self.ledger = ask
        return server

    def end(self) -> None:
        """Leave nothing behind."""
        if self.influx is not None:
            self.influx.stop()
        if self.postgresql is not None:
            self.postgresql.remove()


async def _aside(do: Callable[[], object]) -> None:
    await asyncio.to_thread(do)


def in_influx(server: Influx, bucket: str, station: str) -> Stored:
    """Every row of a station, by InfluxQL; the rivals of a place that were not shown are rows too."""
    found = Stored({}, {})
    for measurement, which in (("reading", ""), ("conflict", ' AND "shown" = false')):
        sql = (
            f'SELECT "value", "flag", "line", "number" FROM "{measurement}" '  # noqa: S608 - our own station
            f'WHERE "station" = \'{station}\'{which} GROUP BY "series"'
        )
        database, _, policy = bucket.partition("/")
        asked = {"db": database, "epoch": "ms", "q": sql} | ({"rp": policy} if policy else {})
        headers = {"Authorization": f"Token {server.token}"} if server.token else {}
        request = urllib.request.Request(f"{server.url}/query?{urllib.parse.urlencode(asked)}", headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            (result,) = json.load(answer)["results"]
        for table in result.get("series", ()):
            key = table["tags"]["series"]
            for time_ms, value, flag, line, number in table["values"]:
                if value is None or flag == MISSING:
                    found.missing.setdefault(key, []).append(time_ms)
                else:
                    found.rows.setdefault(key, []).append(Row(time_ms, float(value), int(line, 16), number))
    return found


class Storm:
    """Kills and bad links, until it is told to stop."""

    def __init__(self, ensemble: Ensemble, behind: Behind, chance: random.Random) -> None:
        self.ensemble, self.chance = ensemble, chance
        self.kills: Counter[str] = Counter()
        self.links: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.last_words: list[str] = []
        self._down: set[int] = set()
        self.victims = [
            *(Victim("agent", partial(ensemble.kill_agent, part), part.agent.start) for part in ensemble.parts),
            Victim("broker", ensemble.broker.kill, ensemble.broker.start),
            Victim("centre", ensemble.centre.kill, ensemble.centre.start),
            *behind.victims,
        ]

    async def rage(self, seconds: float) -> None:
        """All of it for so long, at last everything at once; afterwards everything runs and every link is whole."""
        end = asyncio.get_running_loop().time() + seconds
        async with asyncio.TaskGroup() as bad:
            bad.create_task(self._kill_until(end, bad))
            for part in self.ensemble.parts:
                bad.create_task(self._spoil_until(end, part))
        async with asyncio.TaskGroup() as last:
            for at in range(len(self.victims)):
                last.create_task(self._kill(at))

    async def _kill_until(self, end: float, tasks: asyncio.TaskGroup) -> None:
        while await self._pause(KILL_EVERY_S, end):
            standing = [at for at in range(len(self.victims)) if at not in self._down]
            if standing:
                at = self.chance.choice(standing)
                self._down.add(at)
                tasks.create_task(self._kill(at))

    async def _kill(self, at: int) -> None:
        victim = self.victims[at]
        await victim.kill()
        self.kills[victim.kind] += 1
        await asyncio.sleep(self.chance.uniform(*DOWN_S))
        await victim.start()
        self._down.discard(at)

    async def _spoil_until(self, end: float, part: Part) -> None:
        while await self._pause(LINK_EVERY_S, end):
            kind = self.chance.choice(("cut", "freeze", "shape"))
            worse = {"delay_s": self.chance.uniform(0.05, 0.8), "bytes_per_s": self.chance.uniform(500, 5000)}
            await part.link.order({"do": kind, **(worse if kind == "shape" else {})})
            self.links[kind] += 1
            await asyncio.sleep(self.chance.uniform(*LINK_BAD_S))
            await part.link.order({"do": "shape", "delay_s": 0, "bytes_per_s": 0})
            if kind == "freeze" and self.chance.random() < 0.5:
                await part.link.cut()  # what was under way in a dead modem does not come out of it
            await part.link.mend()

    async def _pause(self, of: tuple[float, float], end: float) -> bool:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(min(self.chance.uniform(*of), max(0.0, end - loop.time())))
        return loop.time() < end

    async def keep(self) -> None:
        """As a service manager does: start again what ended by itself.

        That is a fault, but for a centre that finds no database at its start: it says so and ends, by its page.
        """
        while True:
            for child in self.ensemble.children:
                if not child.expected_down and not child.running:
                    words = child.log.read_text("utf-8", "replace")[-1500:]
                    if any(AWAY in line for line in words.splitlines()[-3:]):
                        self.links["no database"] += 1
                    else:
                        self.ended[child.name] += 1
                        self.last_words.append(f"{child.name}: {words}")
                    await asyncio.sleep(RESTART_S)
                    if not child.expected_down and not child.running:
                        await child.start()
            await asyncio.sleep(0.2)


async def complete(ensemble: Ensemble) -> float | None:
    """Seconds until nothing waits in any station and nothing is missing at the centre; None when that never came."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while loop.time() - began < PEACE_S:
        answer = await ensemble.view.get("/api/v1/stations")
        if answer and not any(each["waiting"] or each["missing"] for each in answer["stations"]):
            left = [await ensemble.records_waiting(part) for part in ensemble.parts]
            if all(each is not None and each <= 3 for each in left):  # those of this very second
                return loop.time() - began
        await asyncio.sleep(0.2)
    return None


async def chaos(folder: Path, seconds: float) -> tuple[Sheet, Storm, float | None, dict[str, int]]:
    """The whole of it."""
    chance = random.Random(SEED)
    behind = Behind(folder)
    ensemble: Ensemble | None = None
    try:
        ensemble = Ensemble(
            folder,
            STATIONS,
            chance,
            SystemClock(),
            "en",
            free_port(chance),
            fit=partial(of_twenty, profiles=PROFILES),
            settings=behind.settings,
        )
        await ensemble.start()
        storm = Storm(ensemble, behind, chance)
        keeper = asyncio.ensure_future(storm.keep())
        try:
            await storm.rage(seconds)
            took = await complete(ensemble)
            lines = await told(ensemble)
        finally:
            keeper.cancel()
        await ensemble.rest(20.0)
        sheet = await asyncio.to_thread(account, folder, ledger=behind.ledger, store=behind.store)
        return sheet, storm, took, lines
    finally:
        if ensemble is not None:
            await ensemble.end()
        behind.end()


async def told(ensemble: Ensemble) -> dict[str, int]:
    """What the ledger still lacks, over all lines of all stations."""
    found: Counter[str] = Counter(lost=0, refused=0, gaps=0, lines=0, untimed=0, conflicts=0)
    for part in ensemble.parts:
        said = await ensemble.view.get(f"/api/v1/stations/{part.actor.code}")
        if said:
            found.update({name: said[name] for name in ("untimed", "conflicts")})
            for line in said["lines"]:
                found.update({"lines": 1, **{name: line[name] for name in ("lost", "refused", "gaps")}})
    return found


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - told by report.run
    """All figures."""
    seconds = QUICK_S if quick else 60 * MINUTES
    folder = Path(tempfile.mkdtemp(prefix="haihe-chaos-"))  # short: a socket's path may have 107 letters
    try:
        sheet, storm, took, lines = asyncio.run(chaos(folder, seconds))
    except (NoInflux, NoPostgresql) as why:
        print(why, file=sys.stderr)
        return
    finally:
        if not KEPT:
            shutil.rmtree(folder, ignore_errors=True)
    yield Figure("minutes", seconds / 60, f"minutes of kills, store {STORE}, database {SQL}, seed {SEED}")
    for kind in dict.fromkeys(victim.kind for victim in storm.victims):
        yield Figure(f"kills_{kind}", storm.kills[kind], "times killed by SIGKILL")
    for kind in ("cut", "freeze", "shape"):
        yield Figure(f"links_{kind}", storm.links[kind], "times a station's link was spoilt so")
    yield Figure("started_without_database", storm.links["no database"], "starts of the centre while it was away")
    yield Figure("ended_by_themselves", storm.ended.total(), "processes that nobody had killed, for no such reason")
    yield Figure("readings_answered", sheet.readings_answered, "readings that instruments answered")
    yield Figure("readings_in_store", sheet.readings_in_store, "rows")
    yield Figure("lost", sheet.lost_silently, "readings")
    yield Figure("timed_out", sheet.timed_out, "readings answered too late for the agent, and written down as missing")
    yield Figure("double", sheet.duplicates_in_store, "readings")
    yield Figure("unexplained", sheet.readings_unexplained, "rows that no instrument ever said")
    yield Figure("within_window", sheet.in_loss_window, "readings within the stated window of a kill of their agent")
    yield Figure("in_gap_records", sheet.in_gap_records, "readings that the station named as gone")
    yield Figure("still_in_station", sheet.still_in_station, "readings")
    yield Figure("lines", lines["lines"], "lines in the ledger, the newest of each station")
    yield Figure("ledger_lost", lines["lost"], "numbers that nobody can explain")
    yield Figure("refused", lines["refused"], "numbers in quarantine")
    yield Figure("untimed", lines["untimed"], "readings without a time")
    yield Figure("conflicts", lines["conflicts"], "readings that lost their place to another")
    yield Figure("complete_s", took if took is not None else float("nan"), "s from peace until nothing is awaited")
    booked = not (lines["lost"] or lines["refused"] or sheet.still_in_station)
    closes = sheet.closes and booked and took is not None
    if not closes or storm.ended:
        for named in (sheet.lost, sheet.doubles, sheet.unexplained):
            for each in named[:10]:
                print(each, file=sys.stderr)
        raise SystemExit("\n".join(["the balance does not close", *storm.last_words[:5]]))


if __name__ == "__main__":
    os.environ.setdefault("HAIHE_PROFILES", str(PROFILES))
    run("everything is killed, then the balance", measure)
