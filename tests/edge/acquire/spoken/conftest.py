"""Simulated text and SDI-12 instruments on real pseudo-terminals, and the agent that reads them."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from haihe_contract.quality import Grade, Reason
from haihe_edge.acquire import Acquirer, Group
from haihe_edge.site import load_site
from haihe_simulators.answer_log import AnswerLog
from haihe_simulators.profile_sheet import read_document
from haihe_simulators.sdi12_line import Sdi12Line, Sdi12Sensor
from haihe_simulators.spoken_sheet import SpokenPoint
from haihe_simulators.text_line import TextInstrument, TextLine

from tests.edge.heard import Heard, has_values, running
from tests.edge.patient_loop import LoopClock
from tests.edge.site_text import write_site

PROFILES = Path(__file__).parents[4] / "firmware_profiles"


class Spoken(Heard):
    """What was heard of instruments that take their time."""

    def __init__(self) -> None:
        super().__init__(patience_s=20)

    async def value(self, instrument: str = "gauge") -> Group:
        """The next group of an instrument in which every series has a value."""
        return await self.until(lambda group: group.instrument == instrument and has_values(group))

    async def missing(self, reason: Reason, instrument: str = "gauge") -> Group:
        """The next group of an instrument in which every series is missing for that reason."""
        return await self.until(
            lambda group: (
                group.instrument == instrument
                and all(value is None and reason in why for _, value, why in group.samples)
            )
        )


def by_point(acquirer: Acquirer, group: Group) -> dict[str, float | None]:
    """The values of a group by point."""
    series = acquirer._site.series
    return {series[number].point: value for number, value, _ in group.samples}


class Bench:
    """A place for lines, a site file and the agent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.values: dict[str, float | None] = {}
        self.logs: dict[str, AnswerLog] = {}
        self.lines: list[TextLine | Sdi12Line] = []

    def source(self, point: SpokenPoint) -> float | None:
        return self.values.get(point.name, point.plus)

    def log(self, name: str) -> AnswerLog:
        self.logs[name] = AnswerLog(self.folder / f"{name}.jsonl", LoopClock())
        return self.logs[name]

    def adapted(self, profile: str, before: str, after: str) -> Path:
        """A folder with a shipped profile in which one thing is different."""
        folder = self.folder / "profiles"
        folder.mkdir(exist_ok=True)
        text = (PROFILES / f"{profile}.yaml").read_text()
        assert before in text
        (folder / f"{profile}.yaml").write_text(text.replace(before, after))
        return folder

    def text(self, profile: str, *, name: str = "gauge", baud: int = 9600, **more: Any) -> TextLine:
        own = self.folder / "profiles" / f"{profile}.yaml"
        document = read_document(own if own.exists() else PROFILES / f"{profile}.yaml")
        unit = int(document.get("unit", 0))
        instrument = TextInstrument(name, unit, document, self.source, self.log(name), random.Random(1))
        line = TextLine(self.folder / "tty", [instrument], baud=baud, chance=random.Random(2), **more)
        return self.plugged(line)

    def sensor(self, profile: str | dict[str, Any], address: str, name: str, **more: Any) -> Sdi12Sensor:
        document = profile if isinstance(profile, dict) else read_document(PROFILES / f"{profile}.yaml")
        return Sdi12Sensor(name, address, document, self.source, self.log(name), **more)

    def sdi12(self, *sensors: Sdi12Sensor, **more: Any) -> Sdi12Line:
        return self.plugged(Sdi12Line(self.folder / "tty", sensors, chance=random.Random(3), **more))

    def plugged(self, line: Any) -> Any:
        self.lines.append(line)
        line.plug()
        return line

    def site(self, rest: str) -> Path:
        return write_site(self.folder, rest.replace("TTY", str(self.folder / "tty")))

    def one(self, profile: str, every: str = "500ms", **bus: Any) -> Path:
        kind = "sdi12" if "sdi12" in read_document_text(profile) else "ascii"
        settings = "".join(f", {key}: {value}" for key, value in bus.items())
        return self.site(
            f"buses: [{{kind: {kind}, name: line, port: TTY{settings}}}]\n"
            f"instruments: [{{name: gauge, profile: {profile}, bus: line, every: {every}}}]\n"
        )

    @asynccontextmanager
    async def measuring(self, path: Path, *profiles: Path) -> AsyncIterator[tuple[Acquirer, Spoken]]:
        heard = Spoken()
        site = load_site(path, [*profiles, PROFILES])
        acquirer = Acquirer(site, LoopClock(), lambda: Grade.NTP, heard, on_happening=heard.happenings.append)
        async with running(acquirer):
            yield acquirer, heard


def read_document_text(profile: str) -> str:
    """The transport of a shipped profile."""
    return str(read_document(PROFILES / f"{profile}.yaml")["transport"])


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for line in made.lines:
        await line.close()
    for log in made.logs.values():
        log.close()
