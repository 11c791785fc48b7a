"""A point is set only where profile and site allow it, within its bounds, and only what is read back counts."""

import asyncio
import itertools
import math
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from haihe_contract.document import DocumentError
from haihe_contract.errors import FieldError
from haihe_edge.acquire.write.setting import MINUTE_MS, NotObeyed, Rates, Written, prepare
from haihe_edge.site import load_site

from tests.edge.acquire.faults.shared_line import Station, measuring
from tests.edge.acquire.write import gate
from tests.edge.acquire.write.gate import FLOAT, PUMP, SETPOINT, GateLine
from tests.edge.site_text import HEAD

Measuring = Callable[..., AbstractAsyncContextManager[Station]]


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[GateLine]:
    line = GateLine(tmp_path / "tty")
    yield line
    line.close()


@pytest.fixture
def station(tmp_path: Path, line: GateLine) -> Measuring:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "gate.yaml").write_text(gate.PROFILE)
    return lambda **how: measuring(tmp_path, gate.site(f"kind: serial, port: {line.port}", **how))


async def write(station: Station, instrument: str, point: str, value: float) -> Written:
    changed = await station.acquirer.write(instrument, {point: value}, "wang")
    return changed.written[point]


def last(station: Station) -> tuple[str, dict[str, object]]:
    return station.happenings[-1].kind, station.happenings[-1].detail


async def test_what_both_allow_is_set_read_back_and_told(line: GateLine, station: Measuring) -> None:
    async with station() as running:
        assert await write(running, "sick", "setpoint", 0.25) == Written(0, 0.25)
        assert line.gates[1].registers[SETPOINT] == 25
        assert last(running) == (
            "point_written",
            {"instrument": "sick", "point": "setpoint", "value": 0.25, "before": 0, "after": 0.25, "by": "wang"},
        )
        assert await write(running, "sick", "ratio", -1.5) == Written(0, -1.5)
        low, high = line.gates[1].registers[FLOAT : FLOAT + 2]
        assert struct.unpack(">f", struct.pack(">HH", high, low)) == (-1.5,)
        assert await write(running, "sick", "pump", 1) == Written(0, 1)
        assert line.gates[1].coils[PUMP] == 1
        assert [each[1] for each in line.gates[1].writes] == [6, 16, 5]
        assert line.gates[2].writes == []


@pytest.mark.parametrize(
    ("point", "value", "what", "do"),
    [
        ("setpoint", 5.01, "5.01 is out of range", "from 0 to 5"),
        ("setpoint", -0.01, "-0.01 is out of range", "from 0 to 5"),
        ("setpoint", math.nan, "nan is out of range", "from 0 to 5"),
        ("setpoint", math.inf, "inf is out of range", "from 0 to 5"),
        ("setpoint", 0.255, "steps of 0.01", "write 0.2"),
        ("pump", 2, "2 cannot be written there", "one of: 0, 1"),
        ("fixed", 1, "not enabled", "writable: [fixed]"),
        ("nonsense", 1, "no point 'nonsense'", "setpoint, ratio"),
        ("setpoint", 0.51, "may change by at most 0.5 a minute", "nothing was written"),
    ],
)
async def test_what_is_not_allowed_is_refused_told_and_never_sent(
    line: GateLine, station: Measuring, point: str, value: float, what: str, do: str
) -> None:
    async with station() as running:
        with pytest.raises(FieldError) as error:
            await write(running, "sick", point, value)
        assert not isinstance(error.value, NotObeyed)
        assert what in error.value.what
        assert do in error.value.do
        assert "sick" in error.value.where
        kind, detail = last(running)
        assert kind == "write_refused"
        assert detail["why"] == error.value.what
        assert line.gates[1].writes == []


async def test_without_the_sites_word_nothing_can_be_written(line: GateLine, station: Measuring) -> None:
    async with station(writable="[]") as running:
        with pytest.raises(FieldError, match="not enabled"):
            await write(running, "sick", "setpoint", 0.1)
        with pytest.raises(FieldError, match="no instrument"):
            await write(running, "sock", "setpoint", 0.1)
        assert [each.kind for each in running.happenings] == ["write_refused"] * 2
        assert line.gates[1].writes == []


def test_a_site_cannot_allow_what_the_profile_does_not(tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_text(gate.PROFILE)
    path = tmp_path / "site.yaml"
    site = gate.site("kind: serial, port: /dev/null", writable="[setpoint, fixed]")
    path.write_text(HEAD + site)
    with pytest.raises(DocumentError) as error:
        load_site(path, [tmp_path])
    (problem,) = error.value.problems
    assert "does not let 'fixed' be written" in problem.what
    assert (problem.line, problem.column) == (6, site.splitlines()[3].index("fixed") + 1)


async def test_a_value_creeps_no_faster_than_the_profile_allows(line: GateLine, station: Measuring) -> None:
    async with station() as running:
        for step in (0.2, 0.4):
            await write(running, "sick", "setpoint", step)
        with pytest.raises(FieldError, match="may change by at most") as error:
            await write(running, "sick", "setpoint", 0.6)
        assert "0.1 is left" in error.value.do
        await write(running, "sick", "setpoint", 0.4)
    async with station() as running:  # a restart does not set it free
        with pytest.raises(FieldError, match="may change by at most"):
            await write(running, "sick", "setpoint", 0.0)
    assert line.gates[1].registers[SETPOINT] == 40


def test_the_limit_is_of_the_last_minute_whatever_the_clock_does(tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_text(gate.PROFILE)
    path = tmp_path / "site.yaml"
    path.write_text(HEAD + gate.site("kind: serial, port: /dev/null"))
    instrument = load_site(path, [tmp_path]).instruments[0]
    setting = prepare(instrument, "setpoint", 0.25, "site.yaml")
    rates = Rates(tmp_path / "written.json")
    now = 1_785_572_100_000
    rates.changed(setting, -0.3, now)
    assert rates.left(setting, now) == pytest.approx(0.2)
    assert Rates(tmp_path / "written.json").left(setting, now - 10_000) == pytest.approx(0.2)
    assert rates.left(setting, now + MINUTE_MS) == 0.5
    (tmp_path / "written.json").write_text("{damaged")
    assert Rates(tmp_path / "written.json").left(setting, now) == 0.5


async def test_a_controller_that_confirms_and_does_nothing_is_found_out(line: GateLine, station: Measuring) -> None:
    async with station() as running:
        with pytest.raises(NotObeyed, match="holds 0 and not 7"):
            await write(running, "sick", "locked", 7)
        assert last(running)[0] == "write_failed"
        line.gates[1].refuses = 4
        with pytest.raises(NotObeyed, match="exception 4"):
            await write(running, "sick", "setpoint", 0.1)


async def test_a_controller_that_obeys_in_silence_has_obeyed(line: GateLine, station: Measuring) -> None:
    async with station() as running:
        line.gates[1].confirms = False
        assert await write(running, "sick", "setpoint", 0.1) == Written(0, 0.1)


async def test_a_value_is_made_to_last_where_the_profile_says_how(line: GateLine, station: Measuring) -> None:
    async with station(writable="[kept]") as running:
        await write(running, "sick", "kept", 4)
        assert [each[3] for each in line.gates[1].writes] == [15, 30]


async def test_nothing_is_written_to_who_is_not_the_expected_one(
    line: GateLine, station: Measuring, tmp_path: Path
) -> None:
    path = tmp_path / "profiles" / "gate.yaml"
    path.write_text(gate.PROFILE + "identify: [{point: model, is: [5]}]\n")
    async with station() as running:
        with pytest.raises(FieldError, match="this is no gate: model says 0"):
            await write(running, "sick", "setpoint", 0.1)
        assert line.gates[1].writes == []
        assert "write_refused" in running.kinds()
    line.gates[1].registers[39] = 5
    async with station() as running:
        await write(running, "sick", "setpoint", 0.1)


async def test_nothing_is_written_to_who_cannot_be_read(line: GateLine, station: Measuring) -> None:
    async with station() as running:
        line.gates[1].answer = lambda body: body if body[1] in (5, 6) else b""  # type: ignore[method-assign]
        with pytest.raises(FieldError, match="present value cannot be read"):
            await write(running, "sick", "setpoint", 0.1)
        assert last(running)[0] == "write_refused"
        line.unplug()
        await running.until(lambda group: group.samples[0][1] is None)
        with pytest.raises(FieldError, match="cannot be"):
            await write(running, "sick", "setpoint", 0.1)
        assert not [each for each in line.requests if each[1] in (5, 6, 16)]


async def test_writing_disturbs_neither_order_nor_period_of_the_polls(line: GateLine, station: Measuring) -> None:
    async with station() as running:
        await running.until(lambda group: True)
        written = [asyncio.ensure_future(write(running, "sick", "ratio", at / 10)) for at in range(1, 8)]
        for _ in range(5):
            await running.until(lambda group: True)
        assert [(await each).after for each in written] == [pytest.approx(at / 10) for at in range(1, 8)]
        assert line.overlaps == 0
        well = [group.monotonic_ms for group in running.groups if group.instrument == "well"]
        assert max(b - a for a, b in itertools.pairwise(well)) < 400
