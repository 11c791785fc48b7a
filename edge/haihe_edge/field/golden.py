"""Golden cases: frames from a maker's document, and the values that they mean. They prove a profile without hardware.

A case is a YAML file in ``tests/golden/profiles/<profile>/``. For text and SDI-12
see :mod:`haihe_edge.acquire.spoken.replay`. For Modbus:

    unit: 1
    variant: optod            # where the site file would say it
    parameters: {span: 10}    # the same
    exchanges:                # in the order in which they go over the line
      - request: 01 03 00 00 00 01 84 0A
        response: 01 03 02 00 01 79 84      # or:  response: silence
    values:
      level: 3.214            # or: sentinel, damaged, exception, timeout, doubtful 3.2, or a text

A case of an instrument's memory has ``log`` and the values of one entry, with its ``time``; ``age`` says how many
were made after it (0 if left out), and for a log that is asked since a time ``since`` says which:

    log: days
    values: {time: "2026-08-06T00:00:00+08:00", day_flow: 0.005}
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from haihe_contract.clock import SystemClock
from haihe_contract.errors import FieldError
from haihe_contract.quality import Reason

from haihe_edge.acquire.exchange import ExchangeError
from haihe_edge.acquire.modbus.decode import spoken
from haihe_edge.acquire.modbus.follow import follow
from haihe_edge.acquire.modbus.frames import Refused, Request, Write, find_rtu_answer, rtu_request, why_no_rtu_answer
from haihe_edge.acquire.modbus.log import LogReader, Unreadable
from haihe_edge.acquire.modbus.plan import FUNCTIONS
from haihe_edge.acquire.modbus.recipe import recipe
from haihe_edge.acquire.spoken.replay import Unexpected
from haihe_edge.acquire.spoken.replay import replay as spoken_replay
from haihe_edge.profile import ModbusProfile, Profile, Sdi12Profile, TextProfile, varied, with_parameters


def read_case(path: Path) -> dict[str, Any]:
    """A golden case as it is written.

    Raises:
        FieldError: when it is none.
    """
    try:
        case = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FieldError(
            f"the case cannot be read: {error}", where=str(path), do="see docs/extend/instrument.md"
        ) from None
    if not isinstance(case, dict) or not isinstance(case.get("values"), dict):
        raise FieldError("a case has the key values", where=str(path), do="see docs/extend/instrument.md")
    return case


def replay(profile: Profile, case: Mapping[str, Any]) -> list[str]:
    """Play a case against the profile: what differs, in words; nothing when it fits.

    Raises:
        FieldError: when nothing can play cases of this kind of profile.
    """
    for kind, play in PLAYERS.items():
        if isinstance(profile, kind):
            try:
                return play(profile, case)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                return [f"the case is not written as it should be: {type(error).__name__} {error}"]
    raise FieldError(f"cases of {profile.transport} cannot be played", do="see docs/extend/instrument.md")


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Values that are not as the case says."""
    return [
        f"{name}: {found.get(name)} instead of {value}"
        for name, value in wanted.items()
        if not _same(value, found.get(name))
    ]


def said(value: float | None, reason: Reason) -> float | str:
    """A value as cases write it."""
    if value is None:
        return (reason.name or "missing").lower()
    return f"doubtful {value}" if reason else value


def _same(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, int | float) and isinstance(found, int | float):
        return math.isclose(wanted, found, rel_tol=1e-9, abs_tol=1e-12)
    return bool(wanted == found)


class _NoWait(SystemClock):
    """Nothing is waited for: the instrument of a case answers at once."""

    async def sleep(self, seconds: float) -> None:
        """Return."""


def _play_modbus(profile: Any, case: Mapping[str, Any]) -> list[str]:
    fitted: ModbusProfile = profile
    if "variant" in case:
        fitted = varied(fitted, next(each for each in fitted.variants if each.name == case["variant"]))
    fitted = with_parameters(fitted, case.get("parameters", {}))
    line = _Line(case["exchanges"])
    ask = _remember(fitted, case, line) if "log" in case else _poll(fitted, int(case["unit"]), case["values"], line)
    found = asyncio.run(ask)
    wrong = line.wrong + differences(case["values"], found)
    if line.left:
        wrong.append(f"{len(line.left)} exchanges of the case were not asked for")
    return wrong


async def _poll(profile: ModbusProfile, unit: int, wanted: Mapping[str, Any], line: "_Line") -> dict[str, Any]:
    done = await follow(recipe(profile, unit, wanted.keys()), line.ask, _NoWait())
    found = {name: said(*value) for name, value in done.values.items()}
    for point in profile.points:
        if point.name in wanted and not point.is_number:
            answer = await line.ask(Request(unit, FUNCTIONS[point.table], point.at, point.words))
            if not isinstance(answer, ExchangeError):
                found[point.name] = spoken(point, answer, point.at)
    return found


async def _remember(profile: ModbusProfile, case: Mapping[str, Any], line: "_Line") -> dict[str, Any]:
    log = next(each for each in profile.memory if each.name == case["log"])
    since = int(datetime.fromisoformat(case["since"]).timestamp() * 1000) if "since" in case else None
    walk = LogReader(profile, int(case["unit"]), log).one(int(case.get("age", 0)), since)
    try:
        step = next(walk)
        while True:
            step = walk.send(await line.ask(step) if isinstance(step, Request | Write) else None)
    except StopIteration as end:
        if end.value is None:
            return {}
        entry = end.value
        found: dict[str, Any] = {name: said(*value) for name, value in entry.values.items()}
        if entry.time_ms is None:
            return {**found, "time": "damaged"}
        local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=entry.time_ms, seconds=log.time.zone_s)
        return {**found, "time": f"{local:%Y-%m-%dT%H:%M:%S}{log.time.zone}"}
    except (ExchangeError, Unreadable) as error:
        line.wrong.append(str(error))
        return {}


class _Line:
    """Gives the answers of a case, if what is asked is what the case says."""

    def __init__(self, exchanges: list[dict[str, str]]) -> None:
        self.left = list(exchanges)
        self.wrong: list[str] = []

    async def ask(self, request: Request | Write) -> bytes | ExchangeError:
        frame = rtu_request(request).hex(" ").upper()
        if not self.left:
            self.wrong.append(f"asked {frame}, and the case has nothing more")
            return ExchangeError(Reason.TIMEOUT, "no answer")
        exchange = self.left.pop(0)
        if exchange["request"].upper() != frame:
            self.wrong.append(f"asked {frame} instead of {exchange['request']}")
        response = exchange["response"]
        heard = b"" if response == "silence" else bytes.fromhex(response)
        try:
            answer = find_rtu_answer(heard, request)
        except Refused as refusal:
            return refusal
        if answer is None:
            if heard:
                self.wrong.append(f"the answer {response} does not fit the request, or its checksum is wrong")
            return why_no_rtu_answer(heard, request)
        return answer


def _play_spoken(profile: TextProfile | Sdi12Profile, case: Mapping[str, Any]) -> list[str]:
    try:
        return differences(case["values"], spoken_replay(profile, case))
    except Unexpected as error:
        return [str(error)]


Player = Callable[[Any, Mapping[str, Any]], list[str]]
PLAYERS: dict[type, Player] = {ModbusProfile: _play_modbus, TextProfile: _play_spoken, Sdi12Profile: _play_spoken}
"""Who can play cases of which kind of profile."""
