"""One dead instrument harms only itself, and is missed no longer than it is dead."""

import itertools
from collections.abc import Callable

import pytest
from haihe_contract.quality import Reason
from haihe_edge import limits
from haihe_edge.acquire.schedule import Allowance, Breaker, probe_wait_ms
from haihe_edge.site import Site
from haihe_simulators.virtual_time import in_virtual_time
from hypothesis import given
from hypothesis import strategies as st

from tests.edge.acquire.schedule.virtual import VirtualBus

SiteOf = Callable[..., Site]
TEN = "abcdefghij"


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 3_000)), max_size=60))
def test_probes_take_no_more_than_their_share_whatever_they_cost(probes: list[tuple[int, int]]) -> None:
    allowance, now, spent, last = Allowance(0), 0, 0, 0
    for pause, took in probes:
        now = max(now + pause, allowance.allows_ms(now + pause))
        assert allowance.saved_ms(now) >= 0
        now, spent, last = now + took, spent + took, took
        allowance.spent(now, took)
    assert spent <= limits.DEAD_SHARE * (now + limits.PROBE_PAUSE_MS_MAX) + last


def test_a_probe_waits_less_when_many_share_the_time_but_never_too_little_to_be_answered() -> None:
    waits = [probe_wait_ms(500, 20, limits.PROBE_PAUSE_MS_MAX, dead) for dead in (1, 4, 9, 200)]
    assert waits[0] == 500
    assert waits == sorted(waits, reverse=True)
    assert waits[-1] >= 20


def test_a_reason_to_hope_ends_the_pause_but_not_the_caution() -> None:
    breaker = Breaker()
    for moment in range(0, 100_000, 10_000):
        breaker.failed(moment)
    assert not breaker.allows(91_000)
    breaker.retry(91_000)
    assert breaker.allows(91_000)
    assert breaker.is_open
    breaker.failed(91_500)
    assert not breaker.allows(92_500)


@pytest.mark.parametrize("dead", [1, 3, 9])
def test_the_living_keep_their_period_beside_dead_ones(site_of: SiteOf, dead: int) -> None:
    async def minutes() -> VirtualBus:
        bus = VirtualBus(site_of(["1s"] * 10))
        await bus.run_for(60)
        bus.line.dead.update(range(1, dead + 1))
        await bus.run_for(660)
        await bus.stop()
        return bus

    bus = in_virtual_time(minutes())
    for name in TEN[dead:]:
        found = [at for at in bus.values(name) if 120_000 <= at < 720_000]
        assert len(found) >= 0.99 * 600
    late = [at for at, unit in bus.line.asked if unit <= dead and at >= 1000 + 120]
    assert late, "the dead are probed for ever"
    assert all(bus.misses(name, Reason.SKIPPED) > 500 for name in TEN[:dead])


def test_dead_instruments_cost_at_most_their_share_of_the_bus(site_of: SiteOf) -> None:
    async def hour() -> float:
        bus = VirtualBus(site_of(["1s"] * 8 + ["15min", "5s"]))
        bus.line.dead.update((2, 3, 9))
        await bus.run_for(120)
        silent_from = len(bus.line.asked)
        await bus.run_for(1800)
        await bus.stop()
        spent = 0.0
        for (at, unit), (following, _) in itertools.pairwise(bus.line.asked[silent_from:]):
            if unit in bus.line.dead:
                spent += min(following - at, 0.7)
        return spent / 1800

    assert in_virtual_time(hour()) <= limits.DEAD_SHARE


@pytest.mark.parametrize("period", ["1s", "1min", "15min", "1h"])
@pytest.mark.parametrize(("flood", "within_s"), [(False, 60), (True, 10)])
def test_a_revived_instrument_is_read_again_in_time_whatever_its_period(
    site_of: SiteOf, period: str, flood: bool, within_s: float
) -> None:
    async def death_and_return() -> None:
        bus = VirtualBus(site_of([period, "1s", "2s", "5s"]))
        bus.line.dead.add(1)
        await bus.run_for(3700)
        bus.runner.flood = flood
        await bus.run_for(61.3)
        bus.line.dead.clear()
        revived_ms = bus.clock.now_ms()
        await bus.run_for(within_s)
        await bus.stop()
        start = revived_ms - bus.clock.now_ms() + bus.groups[-1][0]
        assert bus.values("a", since_ms=start - 5_000), "it was not read again"
        assert "instrument_back" in bus.kinds()

    in_virtual_time(death_and_return())


def test_a_flood_shortens_a_pause_that_has_already_begun(site_of: SiteOf) -> None:
    async def flood() -> None:
        bus = VirtualBus(site_of(["1s", "1s"]))
        bus.line.dead.add(1)
        await bus.run_for(600)
        asked = len([unit for _, unit in bus.line.asked if unit == 1])
        bus.runner.flood = True
        await bus.run_for(60)
        await bus.stop()
        assert len([unit for _, unit in bus.line.asked if unit == 1]) >= asked + 5

    in_virtual_time(flood())


def test_reading_a_dead_instrument_by_hand_asks_it_at_once(site_of: SiteOf) -> None:
    async def by_hand() -> None:
        bus = VirtualBus(site_of(["1s", "1s"]))
        bus.line.dead.add(1)
        await bus.run_for(600)
        bus.line.dead.clear()
        before = bus.clock.monotonic_ms()
        group = await bus.runner.read_now("a")
        assert group.samples[0][1] is not None
        assert bus.clock.monotonic_ms() - before < 500
        await bus.stop()

    in_virtual_time(by_hand())


def test_between_due_times_only_what_a_probe_brings_is_written_down(site_of: SiteOf) -> None:
    async def hour() -> None:
        bus = VirtualBus(site_of(["10min", "1min"]))
        bus.line.dead.add(1)
        await bus.run_for(3_595)
        await bus.stop()
        assert (
            len([name for _, name, _ in bus.groups if name == "a"]) == 6
        )  # due times; before the first one it was asked in vain
        assert len([unit for _, unit in bus.line.asked if unit == 1]) > 50

    in_virtual_time(hour())


def test_a_state_shows_that_a_unit_is_left_alone_and_for_how_long(site_of: SiteOf) -> None:
    async def shown() -> None:
        bus = VirtualBus(site_of(["1s", "1s"]))
        bus.line.dead.add(1)
        await bus.run_for(300)
        dead, living = bus.runner.shown().instruments
        await bus.stop()
        assert dead.next_probe_ms is not None
        assert 0 <= dead.next_probe_ms <= limits.PROBE_PAUSE_MS_MAX
        assert dead.skipped > 200
        assert living.next_probe_ms is None
        assert living.wait_ms is not None
        assert living.wait_ms < 500

    in_virtual_time(shown())
