"""Reading a memory never makes a poll late: on one line in virtual time, with and without it."""

from pathlib import Path

from haihe_contract.quality import Grade
from haihe_edge.acquire import Known, Missed
from haihe_edge.acquire.memory.filling import Memories, Memory
from haihe_edge.remember.recalled import watched_series
from haihe_edge.site import Site, load_site
from haihe_simulators.virtual_time import in_virtual_time

from tests.edge.acquire.schedule.virtual import START_WALL_MS, VirtualBus

PROFILE = """
profile: gauge
maker: test
model: test
grade: simulated
sources: [test]
transport: modbus
units: [0, 255]
answer_ms: {typical: 20, most: 500}
blocks:
  - {table: holding, start: 0, count: 20}
  - {table: holding, start: 1000, count: 4, repeat: {count: 120, stride: 4}}
points:
  - {name: distance, at: 0, as: u16, element: distance, times: 0.001}
  - {name: ph, at: 9, as: u16, element: ph, times: 0.01}
memory:
  - name: log
    at: 1000
    stride: 4
    entries: 120
    time: {seconds: made, since: 2026-07-20}
    entry:
      - {name: made, at: 0, as: u32}
      - {name: past, at: 2, as: u16, times: 0.001, of: distance}
"""
PERIODS = ["1s", "700ms", "1s", "2s"]


def site_with(directory: Path, memory: str) -> Site:
    (directory / "gauge.yaml").write_text(PROFILE)
    lines = [
        'station: {code: "31005650", name: {zh: 站, en: station}, latitude: 39.1458, longitude: 117.1897}',
        "journal: {directory: journal}",
        "buses: [{kind: serial, name: line, port: /dev/nowhere}]",
        "instruments:",
    ]
    for at, period in enumerate(PERIODS):
        series = f"[{{point: distance, at: p{at}}}, {{point: ph, at: p{at}}}]"
        lines.append(f"  - {{name: g{at}, profile: gauge, bus: line, unit: {at + 1}, every: {period}{memory},")
        lines.append(f"     series: {series}}}")
    path = directory / "site.yaml"
    path.write_text("\n".join(lines) + "\n")
    return load_site(path, [directory])


async def polled(site: Site, seconds: float, *, dead: bool) -> tuple[VirtualBus, Missed]:
    bus = VirtualBus(site)
    numbers = watched_series(site)
    missed = Missed(numbers, {number: Known(START_WALL_MS - 3_600_000, [(0, START_WALL_MS)]) for number in numbers})
    memories = [
        Memory(unit, each.recalls, missed, bus.clock, lambda: (bus.clock.now_ms(), Grade.NTP), lambda *_: None)
        for unit, each in zip(bus.units, site.instruments, strict=True)
        if each.recalls
    ]
    bus.runner.memories = Memories(memories, bus.clock)
    await bus.run_for(seconds / 2)
    if dead:  # in the middle of reading its memory it falls silent
        bus.line.dead.add(1)
    await bus.run_for(seconds / 2)
    await bus.stop()
    return bus, missed


def latest(bus: VirtualBus, names: dict[str, int]) -> dict[str, int]:
    """By how many milliseconds the values of each came after their due time at most, and how many came."""
    return {name: max((at + START_WALL_MS) % period for at in bus.values(name)) for name, period in names.items()}


NAMES = {"g0": 1000, "g1": 700, "g2": 1000, "g3": 2000}
CLOCK_MS = 2
"""Due times are whole milliseconds."""


def test_polls_are_no_later_with_a_memory_to_read_than_without(tmp_path: Path) -> None:
    plain, _ = in_virtual_time(polled(site_with(tmp_path, ""), 120, dead=False))
    busy, _ = in_virtual_time(polled(site_with(tmp_path, ", memory: true"), 120, dead=False))
    assert len(busy.line.asked) > len(plain.line.asked) + 400  # it did read
    assert busy.line.collisions == 0
    without, beside = latest(plain, NAMES), latest(busy, NAMES)
    assert all(beside[name] <= without[name] + CLOCK_MS for name in NAMES), (without, beside)
    assert [len(busy.values(name)) for name in NAMES] == [len(plain.values(name)) for name in NAMES]


def test_an_instrument_that_falls_silent_while_it_is_read_makes_no_other_later(tmp_path: Path) -> None:
    plain, _ = in_virtual_time(polled(site_with(tmp_path, ""), 20, dead=True))
    busy, _ = in_virtual_time(polled(site_with(tmp_path, ", memory: true"), 20, dead=True))
    others = {name: period for name, period in NAMES.items() if name != "g0"}
    without, beside = latest(plain, others), latest(busy, others)
    assert all(beside[name] <= without[name] + CLOCK_MS for name in others), (without, beside)
    assert [len(busy.values(name)) for name in others] == [len(plain.values(name)) for name in others]
