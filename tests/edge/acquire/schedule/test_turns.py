"""Who goes first, on a bus where time is virtual."""

import asyncio
from collections.abc import Callable

from haihe_contract.quality import Reason
from haihe_edge.acquire.schedule import Agenda, deadline, first_due
from haihe_edge.site import Site
from haihe_simulators.virtual_time import in_virtual_time
from hypothesis import given
from hypothesis import strategies as st

from tests.edge.acquire.schedule.virtual import START_WALL_MS, VirtualBus

SiteOf = Callable[..., Site]


def test_at_one_moment_alarms_go_first_and_short_periods_before_long_ones() -> None:
    agenda = Agenda()
    agenda.put("failing", 0, deadline(0, 1000, alarms=False, fails=True))
    agenda.put("daily", 0, deadline(0, 86_400_000, alarms=False, fails=False))
    agenda.put("often", 0, deadline(0, 500, alarms=False, fails=False))
    agenda.put("stage", 0, deadline(0, 60_000, alarms=True, fails=False))
    assert [agenda.take(0) for _ in range(5)] == ["stage", "often", "failing", "daily", None]


def test_nobody_is_taken_before_it_is_due() -> None:
    agenda = Agenda()
    agenda.put("a", 100, 200)
    assert agenda.take(99) is None
    assert agenda.next_ms() == 100
    assert agenda.take(100) == "a"
    assert agenda.next_ms() is None


@given(st.lists(st.integers(100, 5_000), min_size=2, max_size=12), st.integers(50, 800))
def test_on_an_overloaded_bus_nobody_starves(periods: list[int], busy_ms: int) -> None:
    agenda = Agenda()
    for at, period in enumerate(periods):
        agenda.put(str(at), 0, deadline(0, period, alarms=at == 0, fails=False))
    now, served = 0, dict.fromkeys(range(len(periods)), 0)
    while now < 200_000:
        name = agenda.take(now)
        if name is None:
            now = agenda.next_ms() or now + 1
            continue
        at, began = int(name), now
        now += busy_ms
        served[at] += 1
        due = max(began + periods[at], now)
        agenda.put(name, due, deadline(due, periods[at], alarms=at == 0, fails=False))
    assert all(count >= 200_000 / (5_000 + 2 * busy_ms * len(periods)) // 2 for count in served.values())


def test_a_daily_reading_falls_on_the_start_of_the_rain_day() -> None:
    day, hours = 86_400_000, 6 * 3_600_000
    eight = START_WALL_MS
    assert first_due(0, eight - 5_000, day) == 5_000
    assert first_due(0, eight, day) == 0
    assert first_due(0, eight + 1, hours) == hours - 1


def test_minutes_are_read_on_the_minute_whenever_the_agent_starts(site_of: SiteOf) -> None:
    async def hour() -> list[int]:
        bus = VirtualBus(site_of(["1min", "5min"]), after_ms=17_321)
        await bus.run_for(1200)
        await bus.stop()
        assert all(at % 300_000 < 500 for at in bus.values("b")[1:])
        assert len(bus.values("b")) == 1 + 4
        return bus.values("a")

    started, *found = in_virtual_time(hour())
    assert started < 17_321 + 500
    assert len(found) == 20
    assert all(at % 60_000 < 200 for at in found)


def test_a_daily_instrument_gives_its_first_sign_of_life_at_the_start(site_of: SiteOf) -> None:
    async def day() -> list[int]:
        bus = VirtualBus(site_of(["24h", "1h"]), after_ms=3_600_000)
        await bus.run_for(23 * 3600 + 10)
        await bus.stop()
        return bus.values("a")

    first, daily = in_virtual_time(day())
    assert first - 3_600_000 < 500
    assert 0 <= daily - 24 * 3_600_000 < 500


def test_several_periods_on_one_bus_are_all_kept(site_of: SiteOf) -> None:
    async def minutes() -> None:
        bus = VirtualBus(site_of(["500ms", "1s", "2s", "5s", "30s", "1min"]), after_ms=1)
        await bus.run_for(300.4)
        await bus.stop()
        assert [len(bus.values(name)) for name in "abcdef"] == [600, 300, 150, 61, 11, 6]
        assert all(bus.misses(name, Reason.SKIPPED) == 0 for name in "abcdef")
        assert bus.line.collisions == 0

    in_virtual_time(minutes())


def test_the_series_with_levels_is_asked_first_of_all(site_of: SiteOf) -> None:
    async def once() -> list[int]:
        levels = "levels: [{series: distance.c, warning: 3.0}]\n"
        bus = VirtualBus(site_of(["10s", "1s", "10s", "5s"], levels), after_ms=9_990)
        await bus.run_for(1)
        await bus.stop()
        return [unit for _, unit in bus.line.asked[:4]]

    assert in_virtual_time(once()) == [3, 2, 4, 1]


def test_never_more_than_one_exchange_is_under_way_even_as_fast_as_it_goes(site_of: SiteOf) -> None:
    async def minute() -> VirtualBus:
        bus = VirtualBus(site_of(["100ms"] * 10))
        bus.line.dead.add(4)
        asking = [asyncio.ensure_future(asyncio.sleep(0))]
        running = asyncio.ensure_future(bus.run_for(60))
        for at in range(10):
            await asyncio.sleep(3.07)
            asking.append(asyncio.ensure_future(bus.runner.read_now("abcdefghij"[at])))  # type: ignore[arg-type]
        await running
        await asyncio.gather(*asking)
        await bus.stop()
        return bus

    bus = in_virtual_time(minute())
    assert bus.line.collisions == 0
    shares = [len(bus.values(name)) for name in "abcefghij"]
    assert max(shares) <= 1.15 * min(shares)


class Switched:
    """A supply that takes two seconds to warm up, and how long it was on."""

    def __init__(self, bus: VirtualBus) -> None:
        self._bus = bus
        self._since_ms: int | None = None
        self.spent_ms = 0

    def feeds(self, instrument: str) -> bool:
        return instrument == "a"

    def lead_ms(self, instrument: str) -> int:
        return 2_000 if self.feeds(instrument) else 0

    def wait_ms(self, instrument: str) -> int:
        now = self._bus.clock.monotonic_ms()
        self._since_ms = now if self._since_ms is None else self._since_ms
        return max(0, self._since_ms + 2_000 - now)

    async def warm(self, instrument: str) -> None:
        return

    def release(self, instrument: str, next_ms: int | None = None) -> None:
        if self.feeds(instrument) and self._since_ms is not None:
            self.spent_ms += self._bus.clock.monotonic_ms() - self._since_ms
            self._since_ms = None


def test_a_switched_supply_warms_up_for_the_first_reading_and_is_off_between(site_of: SiteOf) -> None:
    async def hours() -> None:
        bus = VirtualBus(site_of(["1h", "1s"]), after_ms=600_000)
        supply = Switched(bus)
        bus.runner.supplies = supply  # type: ignore[assignment]
        await bus.run_for(2 * 3600)
        await bus.stop()
        first, *hourly = bus.values("a")
        assert 2_000 <= first - 600_000 < 3_500
        assert [at // 3_600_000 for at in hourly] == [1, 2]
        assert all(at % 3_600_000 < 500 for at in hourly)
        assert supply.spent_ms < 3 * 2_500
        assert len(bus.values("b")) >= 7199

    in_virtual_time(hours())
