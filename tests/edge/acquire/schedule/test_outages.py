"""People hear of what is broken: one instrument, or the bus that all of them share."""

from collections.abc import Callable

from haihe_edge import limits
from haihe_edge.acquire.outage import Outages
from haihe_edge.site import Site
from haihe_simulators.virtual_time import in_virtual_time

from tests.edge.acquire.schedule.virtual import VirtualBus

SiteOf = Callable[..., Site]


def test_one_silent_instrument_among_others_is_told_as_itself() -> None:
    outages = Outages("abc")
    assert outages.failed("a", "no answer", 1_000, silent=False) == []
    assert outages.answered("b", 1_500) == []
    told = outages.failed("a", "no answer", 3_000, silent=True)
    assert told == [("instrument_silent", {"instrument": "a", "why": "no answer"})]
    assert outages.failed("a", "no answer", 5_000, silent=True) == []
    assert outages.answered("a", 9_000) == [("instrument_back", {"instrument": "a"})]


def test_a_bus_on_which_nobody_answers_is_told_once_and_not_n_times() -> None:
    outages = Outages("abc")
    told = [outages.failed(name, "no answer", at, silent=True) for at, name in enumerate("abc", 1_000)]
    assert told == [[], [], [("bus_silent", {"instruments": 3, "why": "no answer"})]]
    assert outages.answered("b", 9_000) == [("bus_heard", {})]
    assert outages.answered("a", 9_100) == []
    assert outages.overdue(9_000 + limits.SILENCE_HELD_MS) == [
        ("instrument_silent", {"instrument": "c", "why": "no answer"})
    ]
    assert outages.answered("c", 99_000) == [("instrument_back", {"instrument": "c"})]


def test_what_is_held_back_is_told_after_a_minute() -> None:
    outages = Outages("ab")
    assert outages.failed("a", "no answer", 1_000, silent=True) == []
    assert outages.overdue(30_000) == []
    assert outages.overdue(61_000) == [("instrument_silent", {"instrument": "a", "why": "no answer"})]


def test_the_only_instrument_of_a_bus_is_told_as_an_instrument() -> None:
    outages = Outages("a")
    assert outages.failed("a", "no answer", 0, silent=True)[0][0] == "instrument_silent"


def test_a_cut_cable_is_one_event_and_its_repair_another_within_ten_seconds(site_of: SiteOf) -> None:
    async def cut() -> None:
        bus = VirtualBus(site_of(["1s"] * 6 + ["1min"]))
        await bus.run_for(60)
        bus.line.dead.update(range(1, 8))
        await bus.run_for(600)
        assert bus.kinds() == ["bus_silent"]
        state = bus.runner.shown()
        assert state.is_open
        assert state.error == ("no instrument of this bus answers", {})
        bus.line.dead.clear()
        await bus.run_for(11)
        assert bus.kinds() == ["bus_silent", "bus_heard"]
        assert bus.runner.shown().error is None
        assert all(each.failures == 0 for each in bus.runner.shown().instruments)
        await bus.run_for(120)
        await bus.stop()
        assert bus.kinds() == ["bus_silent", "bus_heard"]

    in_virtual_time(cut())
