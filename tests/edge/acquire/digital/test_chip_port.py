"""One suite for every chip of digital lines: the simulated one, and a real one where the kernel can simulate it.

The real one needs the kernel's gpio-sim module and root: ``modprobe gpio-sim``, then run these tests as root.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from haihe_contract.clock import SystemClock
from haihe_edge.acquire.digital.chip import DigitalChip, Edge, Wanted
from haihe_edge.acquire.digital.gpio import GpioChip
from haihe_edge.acquire.line import BusDown
from haihe_simulators.gpio_chip import EVENTS_MAX, SimulatedChip

ROOT = Path(__file__).parents[4]
GPIO_SIM = Path("/sys/kernel/config/gpio-sim")
WANTED = [
    Wanted("rain", "2", "falling", "up"),
    Wanted("door", "3", "both", "down"),
    Wanted("lamp", "4", "none"),
    Wanted("siren", "5", "none", rest=True),
]
LOOP = asyncio.SelectorEventLoop
"""A chip of the kernel lives in our time."""
Drive = Callable[[str, bool], None]


class GpioSim:
    """A bank of eight lines of the kernel's own simulator, made and removed through configfs."""

    def __init__(self, name: str) -> None:
        self._device = GPIO_SIM / name
        self._bank = self._device / "bank0"
        self._bank.mkdir(parents=True)
        (self._bank / "num_lines").write_text("8")
        (self._device / "live").write_text("1")
        chip = (self._bank / "chip_name").read_text().strip()
        self.path = f"/dev/{chip}"
        self._lines = Path("/sys/devices/platform") / (self._device / "dev_name").read_text().strip() / chip

    def drive(self, line: str, high: bool) -> None:
        (self._lines / f"sim_gpio{line}" / "pull").write_text("pull-up" if high else "pull-down")

    def level(self, line: str) -> bool:
        return (self._lines / f"sim_gpio{line}" / "value").read_text().strip() == "1"

    def remove(self) -> None:
        (self._device / "live").write_text("0")
        self._bank.rmdir()
        self._device.rmdir()


class Bench:
    """A chip and the world's side of its lines, by our names."""

    def __init__(self, chip: DigitalChip, drive: Drive, level: Callable[[str], bool]) -> None:
        self.chip = chip
        self.drive = drive
        self.level = level

    async def edges(self, count: int) -> Sequence[Edge]:
        found: list[Edge] = []
        async with asyncio.timeout(5):
            while len(found) < count:
                found += await self.chip.edges()
        return found


@pytest.fixture(params=["simulated", "gpio-sim"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    numbers = {each.name: each.line for each in WANTED}
    if request.param == "simulated":
        chip = SimulatedChip("/dev/gpiochip9", WANTED, SystemClock())
        yield Bench(chip, chip.drive_in, chip.level)
        chip.close()
        return
    if not GPIO_SIM.is_dir():
        pytest.skip("this kernel has no gpio-sim module loaded, so no real GPIO chip can be simulated")
    sim = GpioSim("haihe-test")
    real = GpioChip(sim.path, WANTED)
    yield Bench(real, lambda name, high: sim.drive(numbers[name], high), lambda name: sim.level(numbers[name]))
    real.close()
    sim.remove()


async def test_outputs_are_at_rest_from_the_first_moment_to_the_last(bench: Bench) -> None:
    await bench.chip.open()
    assert not bench.level("lamp")
    assert bench.level("siren")
    bench.chip.drive("lamp", True)
    bench.chip.drive("siren", False)
    assert bench.level("lamp")
    assert not bench.level("siren")
    bench.chip.close()
    assert not bench.chip.is_open
    bench.chip.close()


async def test_levels_are_those_of_the_wires(bench: Bench) -> None:
    bench.drive("rain", True)
    bench.drive("door", False)
    await bench.chip.open()
    assert bench.chip.levels() == {"rain": True, "door": False, "lamp": False, "siren": True}
    bench.drive("door", True)
    assert bench.chip.levels()["door"]


async def test_only_the_wanted_edges_are_reported_with_the_time_of_each(bench: Bench) -> None:
    bench.drive("rain", True)
    bench.drive("door", False)
    await bench.chip.open()
    clock = SystemClock()
    began = clock.monotonic_ms()
    bench.drive("rain", False)
    bench.drive("rain", True)
    bench.drive("door", True)
    bench.drive("rain", False)
    found = await bench.edges(3)
    ended = clock.monotonic_ms()
    assert [(each.name, each.high, each.lost) for each in found] == [
        ("rain", False, 0),
        ("door", True, 0),
        ("rain", False, 0),
    ]
    assert all(began <= each.at_ms <= ended for each in found)


async def test_edges_that_found_no_place_are_counted_as_lost(bench: Bench) -> None:
    bench.drive("rain", True)
    await bench.chip.open()
    for _ in range(EVENTS_MAX + 10):
        bench.drive("rain", False)
        bench.drive("rain", True)
    found = await bench.edges(EVENTS_MAX)
    assert sum(1 + each.lost for each in found) == EVENTS_MAX + 10


async def test_who_waits_for_edges_is_told_when_the_lines_are_given_back(bench: Bench) -> None:
    await bench.chip.open()
    waiting = asyncio.ensure_future(bench.chip.edges())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    bench.chip.close()
    with pytest.raises(BusDown):
        async with asyncio.timeout(5):
            await waiting


async def test_a_chip_can_be_taken_again_after_it_was_given_back(bench: Bench) -> None:
    bench.drive("rain", True)
    await bench.chip.open()
    bench.drive("rain", False)
    bench.chip.close()
    bench.drive("rain", True)
    await bench.chip.open()
    bench.drive("rain", False)
    assert [each.lost for each in await bench.edges(1)] == [0]


async def test_a_line_of_a_closed_chip_cannot_be_used(bench: Bench) -> None:
    for use in (bench.chip.levels, lambda: bench.chip.drive("lamp", True)):
        with pytest.raises(BusDown):
            use()
    with pytest.raises(BusDown):
        await bench.chip.edges()


async def test_a_simulated_kernel_debounce_hides_what_was_not_still() -> None:
    wanted = [Wanted("rain", "2", "falling", "up", debounce_ms=20)]
    chip = SimulatedChip("/dev/gpiochip9", wanted, SystemClock())
    await chip.open()
    chip.pulse("rain", times=3)
    chip.drive_in("rain", False)
    assert len(await chip.edges()) == 1


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/nowhere/gpiochip7", "there is no such chip"),
        ("/dev/null", "chip /dev/null: it is gone, or it is no gpio chip"),
    ],
)
async def test_a_real_chip_that_is_not_there_is_named_with_the_cause(path: str, why: str) -> None:
    pytest.importorskip("gpiod")
    with pytest.raises(BusDown) as down:
        await GpioChip(path, WANTED).open()
    assert why in str(down.value)


async def test_the_real_library_takes_every_setting_that_a_line_can_have() -> None:
    gpiod: Any = pytest.importorskip("gpiod")
    from haihe_edge.acquire.digital.gpio import _settings

    for edges in ("rising", "falling", "both", "none"):
        for pull in ("up", "down", "none"):
            for rest in (False, True):
                settings = _settings(Wanted("x", "1", edges, pull, 50, rest))  # type: ignore[arg-type]
                with contextlib.suppress(ImportError):
                    from gpiod.line_settings import _line_settings_to_ext

                    assert _line_settings_to_ext(settings) is not None
                assert (settings.direction is gpiod.line.Direction.OUTPUT) == (edges == "none")


def test_a_station_without_digital_lines_never_imports_the_library() -> None:
    program = "import sys, haihe_edge.station; sys.exit('gpiod' in sys.modules)"
    folders = [str(ROOT / name) for name in ("contract", "edge")]
    done = subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": os.pathsep.join(folders)}, check=False)
    assert done.returncode == 0
