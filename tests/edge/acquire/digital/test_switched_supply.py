"""Supplies that are on for a poll only, on a real serial line: warmed up in time, off between, harming nobody."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from haihe_contract.quality import Reason
from haihe_edge.acquire import Group, Known, Missed, Watched

from tests.edge.acquire.digital.conftest import MIDNIGHT_MS, FastClock, World, running
from tests.edge.acquire.far_end import Answering, PtyInstrument, registers_answer
from tests.edge.site_text import modbus_profile

PROFILE = """
answer_ms: {{typical: 5, most: 100}}
{power}
blocks: [{{table: holding, start: 0, count: 1}}]
points: [{{name: level, at: 0, as: u16, element: distance, times: 0.001}}]
"""
WARM_UP_MS = 300


class Fed:
    """Two units on a line: unit 1 lives only while its supply is on, and answers only when it is warm."""

    def __init__(self, clock: FastClock) -> None:
        self.clock = clock
        self.world: World | None = None
        self.on_ms: int | None = None
        self.asked_cold = 0
        self.asked_warm = 0
        self.switched: list[tuple[int, bool]] = []

    def answer(self, request: bytes) -> list[tuple[float, bytes]]:
        if request[0] == 1:
            on_ms = self.on_ms
            if on_ms is None or self.clock.monotonic_ms() - on_ms < WARM_UP_MS - 20:
                self.asked_cold += 1
                return []
            self.asked_warm += 1
        return [(0.002, registers_answer(request, 1234))]

    def watch(self, world: World) -> None:
        """See every switching of the supply."""
        chip, drive = world.chip, world.chip.drive

        def seen(name: str, high: bool) -> None:
            drive(name, high)
            if name == "supply":
                self.switched.append((self.clock.monotonic_ms(), high))
                self.on_ms = self.clock.monotonic_ms() if high else None

        chip.drive = seen  # type: ignore[method-assign]


def site(port: str, every: str = "1s", extra: str = "") -> str:
    return f"""
buses:
  - {{kind: serial, name: line, port: {port}}}
  - kind: gpio
    name: board
    chip: /dev/gpiochip0
    lines: [{{kind: output, name: supply, line: 9, follows: power, instruments: [fed]}}]
instruments:
  - {{name: fed, profile: powered, bus: line, unit: 1, every: {every}, series: [{{point: level, at: fed}}]}}
  - {{name: own, profile: plain, bus: line, unit: 2, every: 100ms, series: [{{point: level, at: own}}]}}
{extra}"""


@pytest.fixture
def written(site_file: Callable[..., Path]) -> Callable[[str], Path]:
    def write(rest: str) -> Path:
        path = site_file(rest)
        profiles = path.parent / "profiles"
        profiles.mkdir()
        power = f"power: {{warm_up_ms: {WARM_UP_MS}}}"
        (profiles / "powered.yaml").write_text(modbus_profile(PROFILE.format(power=power), "powered"))
        (profiles / "plain.yaml").write_text(modbus_profile(PROFILE.format(power=""), "plain"))
        return path

    return write


def values(world: World, name: str) -> list[float | None]:
    return [group.samples[0][1] for group in world.groups if group.instrument == name]


async def test_a_supply_is_on_long_enough_before_each_poll_and_off_between(
    on_pty: Callable[[Answering], PtyInstrument], written: Callable[[str], Path]
) -> None:
    clock = FastClock(times=1)
    fed = Fed(clock)
    path = written(site(on_pty(fed.answer).port))
    async with running(path, clock) as world:
        fed.watch(world)
        await world.until(lambda: len(values(world, "fed")) >= 3)
        groups = [group for group in world.groups if group.instrument == "fed"]
    assert values(world, "fed")[1:] == [1.234] * (len(groups) - 1)
    assert fed.asked_cold <= 1  # only the very first, if the agent started within its warm-up
    ons = [when for when, high in fed.switched if high]
    offs = [when for when, high in fed.switched if not high]
    assert len(offs) >= 2
    assert all(WARM_UP_MS - 5 <= off - on < WARM_UP_MS + 500 for on, off in zip(ons, offs, strict=False))
    assert all(750 <= b.time_ms - a.time_ms <= 1250 for a, b in pairwise(groups))
    assert not world.chip.level("supply")


async def test_others_on_the_line_keep_their_period_while_one_warms_up(
    on_pty: Callable[[Answering], PtyInstrument], written: Callable[[str], Path]
) -> None:
    clock = FastClock(times=1)
    fed = Fed(clock)
    async with running(written(site(on_pty(fed.answer).port)), clock) as world:
        fed.watch(world)
        await world.until(lambda: len(values(world, "fed")) >= 2)
        own = [group for group in world.groups if group.instrument == "own"]
    assert all(value == 1.234 for value in values(world, "own"))
    assert all(b.time_ms - a.time_ms < WARM_UP_MS for a, b in pairwise(own))


async def test_who_reads_at_once_gets_a_warm_instrument(
    on_pty: Callable[[Answering], PtyInstrument], written: Callable[[str], Path]
) -> None:
    clock = FastClock(times=1)
    fed = Fed(clock)
    async with running(written(site(on_pty(fed.answer).port, every="1h")), clock) as world:
        fed.watch(world)
        await world.open()
        group = await world.acquirer.read_now("fed")
        assert group.samples[0][1] == 1.234
        await world.until(lambda: not world.chip.level("supply"))
    assert fed.asked_cold == 0


async def test_an_instrument_that_is_read_more_often_than_it_warms_up_stays_on(
    on_pty: Callable[[Answering], PtyInstrument], written: Callable[[str], Path]
) -> None:
    clock = FastClock(times=1)
    fed = Fed(clock)
    async with running(written(site(on_pty(fed.answer).port, every="200ms")), clock) as world:
        fed.watch(world)
        await world.until(lambda: values(world, "fed").count(1.234) >= 6)
        polls = len(values(world, "fed"))
    assert [high for _, high in fed.switched].count(True) == 1
    assert fed.asked_warm + fed.asked_cold <= polls + 1


async def test_a_chip_that_is_gone_costs_the_fed_instrument_only(
    on_pty: Callable[[Answering], PtyInstrument], written: Callable[[str], Path]
) -> None:
    clock = FastClock(times=1)
    fed = Fed(clock)
    async with running(written(site(on_pty(fed.answer).port)), clock) as world:
        world.chip.unplug()
        await world.until(lambda: len(values(world, "fed")) >= 1)
        assert values(world, "fed")[0] is None
        reasons = {group.samples[0][2] for group in world.groups if group.instrument == "fed"}
        assert all(value == 1.234 for value in values(world, "own"))
        fed.watch(world)
        world.chip.plug()
        await world.until(lambda: 1.234 in values(world, "fed"))
    assert reasons == {Reason.TIMEOUT}


LOG = """
  - {table: holding, start: 100, count: 120}
memory:
  - name: log
    at: 100
    stride: 3
    entries: 40
    time: {seconds: made, zone: "+00:00"}
    entry: [{name: made, at: 0, as: u32}, {name: past, at: 2, as: u16, of: level}]
"""


async def test_an_instrument_stays_fed_while_its_memory_is_read(
    on_pty: Callable[[Answering], PtyInstrument], written: Callable[[str], Path]
) -> None:
    clock = FastClock(times=1, wall_ms=MIDNIGHT_MS)
    fed = Fed(clock)

    def answer(request: bytes) -> list[tuple[float, bytes]]:
        pieces = fed.answer(request)
        start, count = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
        if not pieces or start < 100:
            return pieces
        seconds = MIDNIGHT_MS // 1000 - 60 * ((start - 100) // 3)
        words = [seconds >> 16, seconds & 0xFFFF, (start - 100) // 3]
        return [(0.02, registers_answer(request, *words[:count]))]

    path = written(site(on_pty(answer).port, every="2s").replace("every: 100ms", "every: 2s"))
    path.write_text(
        path.read_text().replace("series: [{point: level, at: fed}]", "memory: true, series: [{point: level, at: fed}]")
    )
    powered = path.parent / "profiles" / "powered.yaml"
    head, points = powered.read_text().split("blocks:")
    point = points[points.index("points:") :]
    powered.write_text(f"{head}blocks:\n  - {{table: holding, start: 0, count: 1}}{LOG}{point}")
    missed = Missed({0: Watched(2000)}, {0: Known(0, [(0, MIDNIGHT_MS + 1)])})
    recalled: list[Group] = []
    async with running(path, clock, missed=missed, recalled=recalled.append) as world:
        fed.watch(world)
        await world.until(lambda: len(recalled) >= 40 and not missed.wants([0], clock.now_ms()))
        await world.until(lambda: not world.chip.level("supply"))
    assert [group.samples[0][1] for group in recalled] == [float(each) for each in range(39, -1, -1)]
    assert fed.asked_cold <= 1
