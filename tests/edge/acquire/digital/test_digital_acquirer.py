"""Digital lines through the acquirer: what people and centres get of tips, doors, lamps and pulled-out chips."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from haihe_contract.quality import Grade, Reason
from haihe_edge.qualify import Judge, LevelWatch
from haihe_simulators.virtual_time import VirtualLoop

from tests.edge.acquire.digital.conftest import MIDNIGHT_MS, FastClock, running

LOOP = VirtualLoop
SiteFile = Callable[..., Path]
MISSING = int(Reason.INCOMPLETE)


async def test_tips_become_accumulated_and_period_rain_stamped_at_the_end(
    site_file: SiteFile, clock: FastClock
) -> None:
    async with running(site_file(), clock) as world:
        await world.until(lambda: world.of("period_rain.main.total.60"), "for the first interval")
        await world.rain(5)
        await world.until(lambda: len(world.of("period_rain.main.total.60")) >= 3)
        minutes = world.of("period_rain.main.total.60")
        totals = world.of("accumulated_rain")
    assert minutes[0] == (MIDNIGHT_MS - 60_000, None, MISSING)
    assert [time % 60_000 for time, _, _ in minutes + totals] == [0] * len(minutes + totals)
    assert round(sum(value for _, value, _ in minutes[1:] if value is not None), 3) == 1.0
    assert totals[-1][1] == 1.0
    assert all(value is not None for _, value, _ in minutes[1:])


async def test_without_rain_an_interval_is_zero_only_if_somebody_counted_all_the_time(
    site_file: SiteFile, clock: FastClock
) -> None:
    async with running(site_file(), clock) as world:
        await world.open()
        await world.until(lambda: len(world.of("period_rain.main.total.60")) >= 2)
        world.chip.unplug()
        await world.until(lambda: "bus_down" in world.kinds())
        at = clock.now_ms()
        await world.until(lambda: world.of("accumulated_rain")[-1][1] is None)
        world.chip.plug()
        await world.until(lambda: "bus_up" in world.kinds())
        back = clock.now_ms()
        await world.until(lambda: world.of("period_rain.main.total.60")[-1][0] > back + 60_000)
        minutes = world.of("period_rain.main.total.60")
    touched = [(time, value, why) for time, value, why in minutes if time > at and time - 60_000 < back - 2000]
    assert touched
    assert all(value is None and why & MISSING for _, value, why in touched)
    assert minutes[-1][1] == 0.0
    assert minutes[1][1] == 0.0


async def test_a_total_goes_on_after_a_restart_and_the_pause_is_said(site_file: SiteFile, clock: FastClock) -> None:
    path = site_file()
    async with running(path, clock) as world:
        await world.open()
        await world.rain(4)
    async with running(path, clock) as again:
        await again.open()
        await again.rain(1)
        await again.until(lambda: again.of("accumulated_rain")[-1][1] is not None)
        totals = again.of("accumulated_rain")
        minutes = again.of("period_rain.main.total.60")
        said = again.happenings[0]
    assert totals[0][1:] == (None, MISSING)
    assert totals[-1][1] == 1.0
    assert minutes[0][1:] == (None, MISSING)
    assert said.kind == "rain_not_counted"
    assert said.detail["instrument"] == "rain"
    assert said.detail["total_mm"] == 0.8
    assert said.detail["in_order"] is True


async def test_a_total_that_was_told_is_never_taken_back_by_a_crash(site_file: SiteFile, clock: FastClock) -> None:
    path = site_file()
    kept = path.parent / "journal" / "rain-board.json"
    async with running(path, clock) as world:
        await world.open()
        await world.rain(3)
        await world.until(lambda: any(value for _, value, _ in world.of("accumulated_rain")))
        told = world.of("accumulated_rain")[-1][1]
        as_it_crashes = kept.read_bytes()
        assert world.acquirer.tips()["rain"].tips * 0.2 >= told, "what a new card would have to be told"
    kept.write_bytes(as_it_crashes)
    assert told is not None
    assert json.loads(as_it_crashes)["rain"]["closed"] is False
    async with running(path, clock) as again:
        await again.until(lambda: len(again.of("accumulated_rain")) >= 2)
        after = again.of("accumulated_rain")[-1][1]
        assert after is not None
        assert after >= told
        assert again.happenings[0].detail["in_order"] is False


async def test_without_rain_the_disk_is_written_once_at_the_start(site_file: SiteFile, clock: FastClock) -> None:
    path = site_file()
    kept = path.parent / "journal" / "rain-board.json"
    async with running(path, clock) as world:
        await world.open()
        before = kept.stat()
        await world.until(lambda: len(world.of("accumulated_rain")) >= 3)
        after = kept.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


async def test_a_crash_after_a_stop_in_order_is_not_taken_for_one(site_file: SiteFile, clock: FastClock) -> None:
    path = site_file()
    kept = path.parent / "journal" / "rain-board.json"
    async with running(path, clock) as world:
        await world.open()
        await world.rain(1)
    assert json.loads(kept.read_bytes())["rain"]["closed"] is True
    async with running(path, clock) as world:
        await world.open()
        assert json.loads(kept.read_bytes())["rain"]["closed"] is False


async def test_a_damaged_total_is_said_and_counting_begins_anew(site_file: SiteFile, clock: FastClock) -> None:
    path = site_file()
    kept = path.parent / "journal" / "rain-board.json"
    kept.parent.mkdir()
    kept.write_bytes(b"\x00\xff{")
    async with running(path, clock) as world:
        await world.open()
        await world.rain(1)
        await world.until(lambda: world.of("accumulated_rain"))
        assert world.kinds()[0] == "rain_total_lost"
        assert world.of("accumulated_rain")[-1][1] == 0.2
    assert kept.with_suffix(".damaged").exists()


async def test_a_disk_that_refuses_the_total_stops_no_counting(site_file: SiteFile, clock: FastClock) -> None:
    path = site_file()
    async with running(path, clock) as world:
        (path.parent / "journal" / "rain-board.new").mkdir()
        await world.open()
        await world.rain(2)
        await world.until(lambda: "rain_total_not_kept" in world.kinds())
        await world.until(lambda: any(value == 0.4 for _, value, _ in world.of("accumulated_rain")))
        assert world.kinds().count("rain_total_not_kept") == 1


async def test_edges_that_came_too_fast_make_the_interval_missing_and_are_said_once(
    site_file: SiteFile, clock: FastClock
) -> None:
    async with running(site_file(), clock) as world:
        await world.until(lambda: len(world.of("period_rain.main.total.60")) >= 2)
        world.chip.pulse("rain", times=3000)
        when = clock.now_ms()
        await world.until(lambda: world.of("period_rain.main.total.60")[-1][0] > when + 60_000)
        minutes = {time: value for time, value, _ in world.of("period_rain.main.total.60")}
        state = world.acquirer.state()[0]
        lines = state.detail["lines"]
    assert minutes[(when // 60_000 + 1) * 60_000] is None
    assert world.kinds().count("edges_lost") == 1
    assert isinstance(lines, dict)
    assert lines["rain"]["edges_lost"] >= 3000 - 1024 - 1
    assert lines["rain"]["tips"] < 100  # 100 ms of debouncing stand between any two


async def test_bounces_of_a_tip_are_no_rain(site_file: SiteFile, clock: FastClock) -> None:
    async with running(site_file(), clock) as world:
        await world.open()
        world.chip.pulse("rain", times=6)
        await world.until(lambda: world.of("accumulated_rain"))
        lines = world.acquirer.state()[0].detail["lines"]
        assert world.of("accumulated_rain")[-1][1] == 0.2
    assert isinstance(lines, dict)
    assert lines["rain"] | {"last_tip_ago_ms": 0} == {
        "total_mm": 0.2, "tips": 1, "bounces": 5, "edges_lost": 0, "last_tip_ago_ms": 0,
    }  # fmt: skip


async def test_a_door_is_told_at_once_with_the_time_of_its_first_edge_and_by_the_alarm_lane(
    site_file: SiteFile,
) -> None:
    clock = FastClock(times=20)
    async with running(site_file(), clock) as world:
        world.chip.drive_in("door", False)  # closed, as it is at rest
        await world.open()
        assert world.of("contact.door")[0][1] == 0.0
        moved = clock.now_ms()
        world.chip.drive_in("door", True)
        await world.until(lambda: world.of("contact.door")[-1][1] == 1.0)
        opened = world.of("contact.door")[-1]
        group = next(each for each in reversed(world.groups) if each.instrument == "door")
        assert world.of("contact.flood")[0][1] == 0.0
    assert moved <= opened[0] <= moved + 200
    watch = LevelWatch(world.site.levels)
    crossings = watch.see(Judge(world.site.series)(group.samples), group.monotonic_ms)
    assert [(each.kind, each.urgent) for each in crossings] == [("level_raised", True)]


async def test_a_contact_that_only_twitches_changes_nothing(site_file: SiteFile) -> None:
    clock = FastClock(times=10)
    async with running(site_file(), clock) as world:
        await world.open()
        world.chip.pulse("flood", times=5)
        await clock.sleep(1.0)
        assert {value for _, value, _ in world.of("contact.flood")} == {0.0}


async def test_outputs_are_off_before_and_after_and_follow_what_happens(site_file: SiteFile, clock: FastClock) -> None:
    async with running(site_file(), clock) as world:
        assert not world.chip.level("lamp")
        assert world.chip.level("siren")  # active low
        await world.until(lambda: world.chip.level("lamp"))
        world.acquirer.levels_reached({"warning"})
        await world.until(lambda: not world.chip.level("siren"))
        began = clock.monotonic_ms()
        await world.until(lambda: world.chip.level("siren"), "until the siren falls silent")
        assert clock.monotonic_ms() - began >= 50_000
        world.acquirer.levels_reached(set())
        world.acquirer.levels_reached({"warning", "guarantee"})
        await world.until(lambda: not world.chip.level("siren"))
    assert not world.chip.level("lamp")
    assert world.chip.level("siren")


async def test_a_line_can_be_read_at_any_moment(site_file: SiteFile, clock: FastClock) -> None:
    async with running(site_file(), clock) as world:
        await world.open()
        await world.rain(2)
        rain = await world.acquirer.read_now("rain")
        door = await world.acquirer.read_now("door")
    assert rain.samples[0][1] == 0.4
    assert door.samples[0][1] == 1.0  # a contact that is closed at rest, with nothing wired to it


async def test_without_a_trusted_clock_the_intervals_are_of_this_boot(site_file: SiteFile, clock: FastClock) -> None:
    async with running(site_file(), clock, Grade.NONE) as world:
        await world.until(lambda: len(world.of("period_rain.main.total.60")) >= 2)
        group = world.groups[-1]
        assert [time for time, _, _ in world.of("period_rain.main.total.60")][:2] == [60_000, 120_000]
    assert group.grade is Grade.NONE
    assert group.time_ms == group.monotonic_ms


async def test_a_clock_that_is_set_forward_leaves_out_the_interval_it_cut(
    site_file: SiteFile, clock: FastClock
) -> None:
    async with running(site_file(), clock) as world:
        await world.until(lambda: len(world.of("period_rain.main.total.60")) >= 2)
        clock.offset_ms += 7_200_000
        await world.until(lambda: world.of("period_rain.main.total.60")[-1][0] > MIDNIGHT_MS + 7_200_000)
        await world.rain(1)
        await world.until(lambda: world.of("period_rain.main.total.60")[-1][1])
        minutes = world.of("period_rain.main.total.60")
    after = [each for each in minutes if each[0] > MIDNIGHT_MS + 3_600_000]
    assert after[0][1] is None
    assert round(sum(value or 0 for _, value, _ in minutes), 3) == 0.2


async def test_a_chip_that_is_not_there_yet_is_waited_for(site_file: SiteFile, clock: FastClock) -> None:
    async with running(site_file(), clock) as world:
        world.chip.unplug()
        await asyncio.sleep(0)
        await world.until(lambda: "bus_down" in world.kinds())
        await world.until(lambda: world.of("accumulated_rain"))
        assert world.of("accumulated_rain")[0][1:] == (None, int(Reason.BUS_DOWN))
        state = world.acquirer.state()[0]
        assert not state.is_open
        assert state.error is not None
        world.chip.plug()
        await world.until(lambda: "bus_up" in world.kinds())
        assert world.kinds().count("bus_down") == 1
