"""Every Modbus profile, and every variant, polled by the product over a pseudo-terminal against its simulator."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from haihe_contract.clock import SystemClock
from haihe_contract.quality import Grade, Reason
from haihe_edge.acquire import Acquirer
from haihe_edge.profile import ModbusProfile, load_profile, varied
from haihe_edge.site import load_site
from haihe_simulators.answer_log import AnswerLog
from haihe_simulators.instrument import Instrument
from haihe_simulators.profile_sheet import SheetPoint, read_sheet
from haihe_simulators.serial_line import SerialLine

from tests.edge.heard import running
from tests.edge.site_text import HEAD

ROOT = Path(__file__).parents[3] / "firmware_profiles"
BAUD = 115200
PARAMETERS = {"qdy30a-level": {"metres_per_unit": 0.01}}


class Model(NamedTuple):
    """One profile, as it is or as one of its variants."""

    name: str
    profile: str
    variant: str | None
    numbers: list[str]
    helpers: frozenset[str]


def models() -> Iterator[Model]:
    for path in sorted(ROOT.glob("*.yaml")):
        profile = load_profile(path)
        if not isinstance(profile, ModbusProfile):
            continue
        for variant in (None, *(each.name for each in profile.variants)):
            numbers, helpers = points_of(profile, variant)
            yield Model(f"m{variant or ''}-{path.stem}"[:32], path.stem, variant, numbers, helpers)


def points_of(profile: ModbusProfile, variant: str | None) -> tuple[list[str], frozenset[str]]:
    """What can be asked, and which points say something that others depend on."""
    fitted = profile if variant is None else varied(profile, next(v for v in profile.variants if v.name == variant))
    helpers = set(profile.asked_for_itself()).union(*(point.needs for point in fitted.points))
    helpers |= {step.wait_for.point for step in fitted.measure if step.wait_for}
    fractions = {name for point in fitted.points for name in point.add}
    return [point.name for point in fitted.points if point.is_number], frozenset(helpers - fractions)


def said(point: SheetPoint, helpers: frozenset[str]) -> float | str:
    """A value that the registers can say exactly."""
    if point.form == "text" or point.name in helpers:
        return point.usual
    if point.add:  # a whole number and its fraction: the fractions here say 13.25
        return 20.25
    if point.form in ("f32", "f64"):
        return round(13.25 * point.times + point.plus, 9)
    raw = 1 if point.form == "bit" or (point.bits and point.bits[1] - point.bits[0] < 4) else 12
    return round(raw * point.times + point.plus, 9)


def site_text(found: list[Model]) -> str:
    lines = ["buses:"]
    lines += [f"  - {{kind: serial, name: b{at}, port: tty{at}, baud: {BAUD}}}" for at in range(len(found))]
    lines.append("instruments:")
    for at, model in enumerate(found):
        more = f', variant: "{model.variant}"' if model.variant else ""
        given = PARAMETERS.get(model.profile, {})
        if given:
            more += ", parameters: {" + ", ".join(f"{key}: {value}" for key, value in given.items()) + "}"
        series = ", ".join(
            f"{{point: {name}, as: echo_quality, at: p{at}-{index}}}" for index, name in enumerate(model.numbers)
        )
        lines.append(
            f"  - {{name: i{at}, profile: {model.profile}, bus: b{at}, unit: 7, every: 1h{more}, series: [{series}]}}"
        )
    return HEAD + "\n".join(lines) + "\n"


@pytest.fixture
def found() -> list[Model]:
    return list(models())


async def test_every_point_of_every_model_says_what_the_instrument_says(
    found: list[Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "site.yaml"
    file.write_text(site_text(found))
    site = load_site(file, [ROOT])
    lines, wanted = [], {}
    for at, model in enumerate(found):
        sheet = read_sheet(ROOT / f"{model.profile}.yaml", model.variant, PARAMETERS.get(model.profile))
        # The thinking time is shortened: what is proved here is what is said, not how long it takes.
        quick = sheet._replace(answer_ms=2)

        def source(point: SheetPoint, helpers: frozenset[str] = model.helpers) -> float | str:
            return said(point, helpers)

        log = AnswerLog(tmp_path / f"{at}.jsonl", SystemClock())
        instrument = Instrument(f"i{at}", 7, quick, source, log, random.Random(at))
        lines.append(SerialLine(tmp_path / f"tty{at}", [instrument], baud=BAUD, chance=random.Random(at)))
        lines[-1].plug()
        wanted[f"i{at}"] = {
            point.name: 0.0 if point.clears else said(point, model.helpers)
            for point in quick.points
            if point.name in model.numbers
        }
    groups = []
    acquirer = Acquirer(site, SystemClock(), lambda: Grade.NTP, groups.append)
    try:
        async with running(acquirer), asyncio.timeout(40):
            answers = await asyncio.gather(*(acquirer.read_now(f"i{at}") for at in range(len(found))))
    finally:
        for line in lines:
            await line.close()
    for model, group in zip(found, answers, strict=True):
        got = {site.series[number].point: (value, reason) for number, value, reason in group.samples}
        expected = {
            name: (pytest.approx(value, rel=1e-6, abs=1e-9), Reason.NONE)
            for name, value in wanted[group.instrument].items()
        }
        assert got == expected, f"{model.profile} {model.variant or ''}"
