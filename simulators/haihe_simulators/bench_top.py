"""Single parts for people at a bench: one instrument, one station, one link, until Ctrl-C."""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from pathlib import Path

from haihe_contract.clock import Clock
from haihe_contract.errors import FieldError
from haihe_contract.language import Words
from haihe_edge.profile import known_profiles, profile_directories

from . import scenery
from .answer_log import AnswerLog
from .fault import Fault
from .instrument import Instrument
from .link import Link
from .modbus_server import ModbusServer
from .nature import Nature, Place
from .profile_sheet import read_sheet
from .river import RiverClock
from .serial_line import SerialLine
from .station import SimulatedStation, read_by_point

ORDER_BYTES_MAX = 4096


def _nature(seed: int, clock: Clock, factor: float) -> Nature:
    chance = random.Random(seed)
    river = scenery.make_river(1, chance)
    return Nature(river, 0, RiverClock(clock, factor, begin_s=scenery.STORM.begin_s), Place(radar_m=13.0), chance)


def find_profile(asked: str) -> Path:
    """A profile by its id or its path.

    Raises:
        FieldError: when there is none.
    """
    if asked.endswith((".yaml", ".yml")):
        return Path(asked)
    known = known_profiles([*profile_directories(), Path(__file__).parents[2] / "firmware_profiles"])
    if asked not in known:
        raise FieldError(
            f"there is no profile {asked!r}",
            where=", ".join(str(each) for each in profile_directories()),
            do=f"choose one of: {', '.join(sorted(known))}" if known else "set HAIHE_PROFILES to their directory",
        )
    return known[asked]


async def instrument(asked: argparse.Namespace, words: Words, clock: Clock) -> None:
    """One instrument, with the river of the demo before it."""
    sheet = read_sheet(find_profile(asked.profile))
    unit = asked.unit if asked.unit is not None else sheet.unit
    with tempfile.TemporaryDirectory(prefix="haihe-sim-") as spare:
        log = AnswerLog(asked.log or Path(spare) / "answers.jsonl", clock)
        nature = _nature(asked.seed, clock, 60.0)
        made = Instrument(sheet.name, unit, sheet, read_by_point(nature), log, random.Random(asked.seed), records=True)
        faults = {unit: Fault(asked.fault)}
        bus: ModbusServer | SerialLine
        if asked.tcp:
            bus = ModbusServer([made], host=asked.tcp[0], port=asked.tcp[1])
            try:
                await bus.start()
            except OSError as error:
                raise FieldError(
                    f"cannot listen: {error.strerror}", where=f"{asked.tcp[0]}:{asked.tcp[1]}", do="choose another port"
                ) from None
            place = f"{bus.host}:{bus.port}"
        else:
            bus = SerialLine(
                asked.pty or Path(sheet.name),
                [made],
                baud=asked.baud or sheet.baud,
                parity=sheet.parity,
                stop_bits=sheet.stop_bits,
                chance=random.Random(asked.seed),
            )
            bus.plug()
            place = f"{bus.port.path} ({bus.baud} 8{bus.parity}{bus.stop_bits})"
        bus.faults.update(faults)
        print(
            words(
                "instrument {name}, unit {unit}, at {place}; Ctrl-C ends it", name=sheet.name, unit=unit, place=place
            ),
            flush=True,
        )
        try:
            await _count(log, words, clock)
        finally:
            await bus.close()
            log.close()


async def _count(log: AnswerLog, words: Words, clock: Clock) -> None:
    told = 0
    while True:
        await clock.sleep(1.0)
        if log.count != told and sys.stdout.isatty():
            told = log.count
            print("\r" + words("{n} answers", n=told), end="", flush=True)


async def station(asked: argparse.Namespace, words: Words, clock: Clock) -> None:
    """Every instrument of a site file."""
    profiles = find_profile("demo-multi-20").parent
    made = SimulatedStation(
        asked.site, profiles, asked.logs, _nature(asked.seed, clock, asked.factor), clock, random.Random(asked.seed)
    )
    await made.start()
    places = [str(line.port.path) for line in made.lines] + [f"{each.host}:{each.port}" for each in made.servers]
    places += [str(each.port.path) for each in made.receivers]
    print(
        words("station {code} is simulated: {places}; Ctrl-C ends it", code=made.code, places=", ".join(places)),
        flush=True,
    )
    try:
        await asyncio.Event().wait()
    finally:
        await made.close()


async def link(asked: argparse.Namespace, words: Words) -> None:
    """A link of its own; each order on standard input is answered by one line of JSON."""
    made = Link(asked.to, host=asked.listen[0], port=asked.listen[1])
    try:
        await made.start()
    except OSError as error:
        raise FieldError(
            f"the link cannot listen: {error.strerror}",
            where=f"{asked.listen[0]}:{asked.listen[1]}",
            do="choose another port with --listen",
        ) from None
    here, there = f"{made.host}:{made.port}", f"{made.target[0]}:{made.target[1]}"
    print(words("the link listens at {here} and leads to {there}", here=here, there=there), file=sys.stderr, flush=True)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=ORDER_BYTES_MAX)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while line := await reader.readline():
            try:
                message = json.loads(line)
                answer = await made.order(message if isinstance(message, dict) else {})
            except (FieldError, ValueError, TypeError) as error:
                answer = {"what": str(error).splitlines()[0], "do": 'write one line such as {"do": "cut"}'}
            print(json.dumps(answer), flush=True)
    finally:
        await made.close()
