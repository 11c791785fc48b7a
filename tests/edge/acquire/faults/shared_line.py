"""Two instruments on one line, one of them in trouble; what the station measured, and what it says about it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from haihe_contract.language import Words
from haihe_contract.quality import Grade, Reason
from haihe_edge.acquire import Acquirer, Group
from haihe_edge.acquire.group import InstrumentState, Said
from haihe_edge.site import load_site
from haihe_edge.talk.words import CHINESE

from tests.edge.acquire.far_end import Answering, PtyInstrument, framed, registers_answer
from tests.edge.heard import Heard, has_values, running
from tests.edge.patient_loop import LoopClock
from tests.edge.site_text import modbus_profile, write_site

SICK, WELL = 1, 2
"""Units: the first one is in trouble, the second one shares its line and must not notice."""
PERIOD_MS = 200
PIECES = list[tuple[float, bytes]]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PROFILE = modbus_profile("""
units: [0, 255]
answer_ms: {typical: 5, most: 60}
blocks:
  - {table: holding, start: 0, count: 8}
points:
  - {name: distance, at: 0, as: u16, element: distance, times: 0.001}
  - {name: rain, at: 1, as: u16, element: accumulated_rain, times: 0.1}
""")


def both(bus: str, profile: str = "gauge") -> str:
    """The sick and the well instrument on that bus."""
    return f"""
buses: [{{name: line, {bus}}}]
instruments:
  - {{name: sick, profile: {profile}, bus: line, unit: {SICK}, every: {PERIOD_MS}ms,
      series: [{{point: distance, at: sick}}, {{point: rain, at: sick}}]}}
  - {{name: well, profile: gauge, bus: line, unit: {WELL}, every: {PERIOD_MS}ms,
      series: [{{point: distance, at: well}}]}}
"""


def right(request: bytes) -> PIECES:
    """What an instrument in good order says: 1000 times its unit plus the register's number."""
    return [(0.002, answer_of(request))]


def answer_of(request: bytes, shift: int = 0) -> bytes:
    """The right answer, its values shifted."""
    return registers_answer(request, *(1000 * request[0] + request[3] + shift + at for at in range(request[5])))


def refusal(request: bytes, code: int) -> bytes:
    """An exception."""
    return framed(bytes([request[0], request[1] | 0x80, code]))


class Line:
    """A pseudo-terminal with both instruments; ``trouble`` is what the sick one does instead of answering."""

    def __init__(self, link: Path) -> None:
        self.trouble: Answering | None = None
        self.pty = PtyInstrument(link, self._answer)

    def _answer(self, request: bytes) -> PIECES:
        if request[0] == SICK and self.trouble is not None:
            return self.trouble(request)
        return right(request)


class Station(Heard):
    """A running acquirer with everything that it handed on."""

    acquirer: Acquirer

    async def until(self, fits: Callable[[Group], bool], seconds: float | None = None) -> Group:
        """The next group of the sick instrument that fits."""
        return await super().until(lambda group: group.instrument == "sick" and fits(group), seconds)

    async def missing(self, reason: Reason) -> Group:
        """The sick instrument's next readings without values: every one must give that reason."""
        group = await self.until(lambda group: not has_values(group))
        assert {(value, why) for _, value, why in group.samples} == {(None, reason)}
        return group

    async def heals(self, seconds: float = 8) -> Group:
        """The sick instrument's next right readings."""
        group = await self.until(has_values, seconds)
        assert [value for _, value, _ in group.samples] == [1.0, 100.1]
        assert all(why is Reason.NONE for _, _, why in group.samples)
        return group

    @property
    def sick(self) -> InstrumentState:
        return next(each for each in self.acquirer.state()[0].instruments if each.name == "sick")

    def words(self) -> str:
        """What is shown of the sick instrument in English; that it can be said in Chinese too is checked here."""
        return in_words(self.sick.error)

    def bus_words(self) -> str:
        """What is shown of the bus, likewise."""
        return in_words(self.acquirer.state()[0].error)

    def the_other_kept_its_period(self) -> None:
        """The well instrument had right values all the time, one a period, and no hole of two."""
        well = [group for group in self.groups if group.instrument == "well"]
        assert well
        assert all(group.samples[0][1] == 2.0 for group in well)
        steps = [b.monotonic_ms - a.monotonic_ms for a, b in itertools.pairwise(well)]
        assert all(step < 3 * PERIOD_MS for step in steps), steps
        assert len(steps) >= 0.95 * sum(steps) / PERIOD_MS - 1, steps


def in_words(said: Said | None) -> str:
    """The sentence in English, after a look at the Chinese one."""
    assert said is not None
    sentence, facts = said
    chinese = Words(CHINESE, "zh")(sentence, **facts)
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese), f"not in Chinese: {sentence}"
    assert "{" not in chinese
    return Words(CHINESE, "en")(sentence, **facts)


@asynccontextmanager
async def measuring(folder: Path, rest: str) -> AsyncIterator[Station]:
    """A station that measures what the site file says."""
    profiles = folder / "profiles"
    profiles.mkdir(exist_ok=True)
    (profiles / "gauge.yaml").write_text(PROFILE)
    station = Station()
    site = load_site(write_site(folder, rest), [profiles])
    station.acquirer = Acquirer(site, LoopClock(), lambda: Grade.NTP, station, on_happening=station.happenings.append)
    async with running(station.acquirer):
        await asyncio.sleep(0)
        yield station
