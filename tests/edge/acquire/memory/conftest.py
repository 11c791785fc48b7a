"""Instruments that remember, on real pseudo-terminals: one model a way to reach an entry."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from haihe_contract.quality import Grade, Reason
from haihe_edge import limits
from haihe_edge.acquire import Acquirer, Group, InstrumentState, Known, Missed
from haihe_edge.remember.recalled import watched_series
from haihe_edge.site import Site, load_site
from haihe_simulators.answer_log import AnswerLog
from haihe_simulators.instrument import Answer, Instrument
from haihe_simulators.profile_sheet import read_sheet
from haihe_simulators.serial_line import SerialLine

from tests.edge.patient_loop import LoopClock

MINUTE_MS = 60_000
ROOT = Path(__file__).parents[4]
BAUD = 115200
PATIENCE_S = 30.0
"""Dozens of exchanges take a second or two, and many times that where the machine has other work."""

HEAD = """
profile: {name}
maker: test
model: test
grade: simulated
sources: [test]
transport: modbus
answer_ms: {{typical: 2, most: 200}}
blocks:
  - {{table: holding, start: 0, count: 8}}
  - {{table: holding, start: 100, count: 40}}
  - {{table: holding, start: 0x1000, count: 8, repeat: {{count: 64, stride: 8}}}}
points:
  - {{name: level, at: 0, as: s16, element: water_level, times: 0.001}}
  - {{name: temperature, at: 1, as: s16, element: water_temperature, times: 0.1}}
  - {{name: pointer, at: 2, as: u16}}
  - {{name: count, at: 3, as: u16}}
  - {{name: last_seconds, at: 4, as: u32}}
memory:
"""
DATED = """
    time: {year: e_year, month: e_month, day: e_day, hour: e_hour, minute: e_minute, second: e_second}
    entry:
      - {name: e_second, at: 0, as: bcd, registers: 1, byte: low}
      - {name: e_minute, at: 0, as: bcd, registers: 1, byte: high}
      - {name: e_hour, at: 1, as: bcd, registers: 1, byte: low}
      - {name: e_day, at: 1, as: bcd, registers: 1, byte: high}
      - {name: e_month, at: 2, as: bcd, registers: 1, byte: low}
      - {name: e_year, at: 2, as: bcd, registers: 1, byte: high}
      - {name: e_level, at: 3, as: s16, times: 0.001, sentinels: [{raw: -32768, why: none}], of: level}
      - {name: e_temperature, at: 4, as: s16, times: 0.1, of: temperature}
"""
COUNTED = """
    time: {seconds: e_seconds, since: 2000-01-01, zone: "+00:00"}
    entry:
      - {name: e_seconds, at: 0, as: u32, order: CDAB}
      - {name: e_level, at: 2, as: f32, order: CDAB, of: level}
"""
WITHOUT_TIME = """
    time: {seconds: last_seconds, every_s: 600}
    entry:
      - {name: e_level, at: 0, as: s16, times: 0.001, of: level}
"""
WAYS = {
    "ring": "  - {name: log, at: 0x1000, stride: 8, entries: 64, numbered: ring, pointer: pointer,",
    "ring-next": (
        "  - {name: log, at: 0x1000, stride: 8, entries: 64, numbered: ring, pointer: pointer, pointer_names: next,"
    ),
    "selected": "  - {name: log, at: 100, entries: 300, first: 1, select: {at: 0x2000, wait_ms: 10},",
    "selected-from-oldest": (
        "  - {name: log, at: 100, entries: 300, select: {at: 0x2000, function: 16},"
        " numbered: from_oldest, count: count,"
    ),
    "since": (
        "  - {name: log, at: 100, since: {at: 0x3000, parts: [seconds], as: u32, order: CDAB, wait_ms: 10,"
        " entries: 5, stride: 8},"
    ),
    "since-parts": (
        "  - {name: log, at: 100, since: {at: 0x3000, parts: [short_year, month, day, hour, minute, second], as: bcd,"
        " entries: 5, stride: 8, next: {function: 6, at: 0x3100, values: [1]}},"
    ),
    "back-counted": "  - {name: log, at: 0x1000, stride: 8, entries: 64, count: count,",
}
ENTRIES = {"since": COUNTED, "selected-from-oldest": COUNTED, "back-counted": WITHOUT_TIME}


def profile_text(way: str) -> str:
    head = WAYS[way].removeprefix("  - {").removesuffix(",")
    entry = ENTRIES.get(way, DATED)
    lines = [f"    {part}" for part in split(head)]
    lines[0] = "  - " + lines[0].strip()
    return HEAD.format(name=way) + "\n".join(lines) + entry


def split(text: str) -> list[str]:
    """Parts of a flow mapping, at the commas of its own level."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "{[" and 1) or ((letter in "}]" and -1) or 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


class Remembering(Instrument):
    """An instrument to which something may happen while it is read."""

    happens: Callable[[int], None] | None = None
    answered = 0

    def answer(self, pdu: bytes) -> Answer | None:
        answer = super().answer(pdu)
        self.answered += 1
        if self.happens is not None:
            self.happens(self.answered)
        return answer


class Bench:
    """A site with one instrument that remembers, and what its station gets to know."""

    def __init__(self, directory: Path, way: str, every: str = "400ms", more: str = "") -> None:
        self.directory = directory
        profiles = directory / "profiles"
        profiles.mkdir(exist_ok=True)
        (profiles / f"{way}.yaml").write_text(profile_text(way))
        file = directory / "site.yaml"
        file.write_text(
            'station: {code: "31005650", name: {zh: 站, en: station}, latitude: 39.1458, longitude: 117.1897}\n'
            "journal: {directory: journal}\n"
            f"buses: [{{kind: serial, name: line, port: {directory / 'tty'}, baud: {BAUD}}}]\n"
            "instruments:\n"
            f"  - {{name: gauge, profile: {way}, bus: line, unit: 1, every: {every}, memory: true,\n"
            "     series: [{point: level, datum: dagu}, {point: temperature}]}\n" + more
        )
        self.site: Site = load_site(file, [profiles])
        sheet = read_sheet(profiles / f"{way}.yaml")
        log = AnswerLog(directory / "answers.jsonl", LoopClock())
        self.gauge = Remembering("gauge", 1, sheet, lambda _: 1.5, log, random.Random(1))
        self.line = SerialLine(directory / "tty", [self.gauge], baud=BAUD, chance=random.Random(2))
        self.log = self.gauge.logs["log"]
        self.live: list[Group] = []
        self.recalled: list[Group] = []
        self.missed = Missed(watched_series(self.site))
        self.acquirer: Acquirer | None = None

    def silent_since(self, time_ms: int) -> None:
        """The station has had no value after that moment."""
        numbers = watched_series(self.site)
        self.missed = Missed(numbers, {number: Known(time_ms) for number in numbers})

    def record(self, *times_ms: int) -> None:
        for time_ms in times_ms:
            level = level_of(time_ms)
            self.log.record(time_ms, {"e_level": level, "e_temperature": 10 + level})

    @property
    def state(self) -> InstrumentState:
        assert self.acquirer is not None
        return self.acquirer.state()[0].instruments[0]

    def levels(self) -> list[tuple[int, float | None]]:
        """Time and level of what was recalled, as it came."""
        return [(group.time_ms, value) for group in self.recalled for number, value, _ in group.samples if number == 0]

    @asynccontextmanager
    async def measuring(self, grade: Grade = Grade.NTP) -> AsyncIterator[None]:
        self.line.plug()
        self.acquirer = Acquirer(
            self.site,
            LoopClock(),
            lambda: grade,
            self.live.append,
            missed=self.missed,
            recalled=self.recalled.append,
        )
        running = asyncio.ensure_future(self.acquirer.run())
        try:
            yield
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await self.line.close()

    async def read_through(self, seconds: float = PATIENCE_S) -> None:
        """Wait until its memory has been read to the end."""
        await self.until(
            lambda: bool(self.live) and not self.missed.wants(watched_series(self.site), now_ms()), seconds
        )

    async def until(self, holds: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 - what is waited for lies in other tasks' hands
                await asyncio.sleep(0.01)


def level_of(time_ms: int) -> float:
    """A value that tells its time."""
    return (time_ms // 1000 % 7919) / 1000


def now_ms() -> int:
    return LoopClock().now_ms()


def minutes_ago(*minutes: int) -> list[int]:
    """Whole minutes of the recent past, oldest first."""
    now = now_ms() // MINUTE_MS * MINUTE_MS
    return sorted(now - each * MINUTE_MS for each in minutes)


def wanted(times_ms: list[int]) -> list[tuple[int, float]]:
    return [(time_ms, pytest.approx(level_of(time_ms), abs=1e-6)) for time_ms in times_ms]


def is_plain(group: Group) -> bool:
    return all(value is not None and reason is Reason.NONE for _, value, reason in group.samples)


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that a busy machine lost costs a moment, not ten seconds."""
    monkeypatch.setattr(limits, "MEMORY_PAUSE_MS_MIN", 300)


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Bench]:
    def make(way: str, **more: str) -> Bench:
        return Bench(tmp_path, way, **more)

    return make
