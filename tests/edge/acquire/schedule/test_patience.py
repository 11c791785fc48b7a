"""An instrument is waited for as long as it has been seen to need, within what its profile says."""

from collections.abc import Callable

from haihe_contract.quality import Reason
from haihe_edge.acquire.modbus.patience import LEARNT_AFTER, Patience
from haihe_edge.site import Site
from haihe_simulators.virtual_time import in_virtual_time
from hypothesis import given
from hypothesis import strategies as st

from tests.edge.acquire.schedule.virtual import VirtualBus


@given(st.integers(0, 200), st.integers(200, 5_000), st.lists(st.floats(0, 6_000), max_size=60))
def test_a_wait_stays_within_the_bounds_of_the_profile(typical: int, most: int, took: list[float]) -> None:
    patience = Patience(typical, most)
    for each in took:
        patience.answered(each)
        assert typical <= patience.ms <= most


@given(st.lists(st.floats(0, 800), min_size=LEARNT_AFTER, max_size=60))
def test_a_wait_is_never_shorter_than_the_answer_that_was_just_measured(took: list[float]) -> None:
    patience = Patience(0, 1_000)
    for each in took:
        patience.answered(each)
        assert patience.ms >= each


def test_a_quick_instrument_is_not_waited_for_half_a_second() -> None:
    patience = Patience(20, 500)
    assert patience.ms == 500
    for _ in range(20):
        patience.answered(18)
    assert patience.ms < 100


def test_after_time_outs_the_wait_grows_back_to_the_longest() -> None:
    patience = Patience(20, 500)
    for _ in range(20):
        patience.answered(18)
    waits = []
    for _ in range(6):
        waits.append(patience.ms)
        patience.missed()
    assert waits == sorted(waits)
    assert patience.ms == 500
    patience.answered(18)
    assert patience.ms < 100


def test_an_instrument_that_is_slow_only_sometimes_is_heard_again(site_of: Callable[..., Site]) -> None:
    async def moods() -> None:
        bus = VirtualBus(site_of(["5s"]))
        await bus.run_for(120)
        for _ in range(5):
            bus.line.think_ms[1] = 400
            await bus.run_for(60)
            assert bus.values("a", since_ms=bus.groups[-1][0] - 30_000), "slow, but within its profile"
            bus.line.think_ms[1] = 15
            await bus.run_for(60)
        await bus.stop()
        assert bus.misses("a", Reason.TIMEOUT) <= 5
        assert "instrument_silent" not in bus.kinds()

    in_virtual_time(moods())
