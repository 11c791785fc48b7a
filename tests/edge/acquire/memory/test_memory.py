"""What a station missed is read back from its instruments: all of it, once, and never in the way of the present."""

from collections.abc import Callable

import pytest
from haihe_contract.quality import Grade, Reason
from haihe_edge import limits
from haihe_edge.acquire import Missed
from haihe_edge.remember.recalled import watched_series
from haihe_simulators.fault import Fault

from tests.edge.acquire.memory.conftest import MINUTE_MS, WAYS, Bench, minutes_ago, now_ms, wanted

Make = Callable[..., Bench]


def spaced(way: str, count: int) -> list[int]:
    """Times of so many entries, oldest first, as the model spaces them."""
    step = 10 if way == "back-counted" else 1
    return minutes_ago(*(step * each + 1 for each in range(count)))


@pytest.mark.parametrize("way", list(WAYS))
async def test_a_silence_is_filled_by_what_the_instrument_remembers(bench: Make, way: str) -> None:
    made = bench(way)
    times = spaced(way, 40)
    made.record(*times)
    made.silent_since(times[9])
    async with made.measuring():
        await made.read_through()
    assert made.levels() == wanted(times[10:])
    assert {group.grade for group in made.recalled} == {Grade.SYSTEM}
    assert made.state.memory[0].entries == 30
    assert made.state.memory[0].error is None


@pytest.mark.parametrize("way", ["ring", "ring-next"])
@pytest.mark.parametrize("written", [63, 64, 65, 100, 127, 128])
async def test_a_ring_is_read_across_the_place_where_it_begins_again(bench: Make, way: str, written: int) -> None:
    made = bench(way)
    times = spaced(way, written)
    made.record(*times)
    made.silent_since(times[0] - MINUTE_MS)
    async with made.measuring():
        await made.read_through()
    assert made.levels() == wanted(times[-64:])


@pytest.mark.parametrize("way", list(WAYS))
async def test_an_empty_memory_brings_nothing_and_is_no_fault(bench: Make, way: str) -> None:
    made = bench(way)
    made.silent_since(minutes_ago(60)[0])
    if way == "back-counted":  # it says when its newest entry was made only if it has one
        made.log.record(minutes_ago(90)[0], {"e_level": 1.0})
    async with made.measuring():
        await made.read_through()
    assert made.recalled == []
    assert made.state.memory[0].error is None
    assert made.state.memory[0].damaged == 0


async def test_entries_never_written_are_told_from_damaged_ones(bench: Make) -> None:
    made = bench("ring")
    times = spaced("ring", 6)
    made.record(*times)
    made.log.held[0] = (times[0], dict.fromkeys(range(5), 0xFFFF))  # as an erased memory shows itself
    made.log.held[2][1][2] = 0x2613  # a thirteenth month
    made.log.held[4][1][0] = 0x1A00  # no digits
    made.silent_since(times[0] - MINUTE_MS)
    async with made.measuring():
        await made.read_through()
    assert made.levels() == wanted([times[1], times[3], times[5]])
    assert made.state.memory[0].damaged == 2


async def test_a_clock_that_runs_hours_ahead_fills_nothing_and_is_said(bench: Make) -> None:
    made = bench("ring")
    times = spaced("ring", 5)
    made.record(*times, *(each + 180 * MINUTE_MS for each in times))
    made.silent_since(times[0] - MINUTE_MS)
    async with made.measuring():
        await made.read_through()
    assert made.levels() == wanted(times)
    said = made.state.memory[0]
    assert said.future == 5
    assert said.error is not None
    assert "ahead" in said.error[0]


@pytest.mark.parametrize("written", [20, 64, 90])
async def test_a_pointer_that_means_something_else_than_the_profile_says_is_found_out(
    bench: Make, written: int
) -> None:
    made = bench("ring")
    made.record(*spaced("ring", written))
    made.log.sheet = made.log.sheet._replace(document={**made.log.sheet.document, "pointer_names": "next"})
    made.silent_since(minutes_ago(200)[0])
    async with made.measuring():
        await made.until(lambda: made.state.memory[0].error is not None)
    assert made.state.memory[0].error == (
        "its pointer {point} does not name its newest entry, or its clock was set back",
        {"point": "pointer"},
    )
    assert made.recalled == []


async def test_a_clock_that_nobody_trusts_reads_no_memory(bench: Make) -> None:
    made = bench("ring")
    times = spaced("ring", 5)
    made.record(*times)
    made.silent_since(times[0] - MINUTE_MS)
    async with made.measuring(Grade.NONE):
        await made.until(lambda: len(made.live) >= 5)
    assert made.recalled == []


async def test_the_word_for_no_measurement_is_recalled_as_such(bench: Make) -> None:
    made = bench("ring")
    times = spaced("ring", 3)
    made.record(*times)
    made.log.held[1][1][3] = 0x8000
    made.silent_since(times[0] - MINUTE_MS)
    async with made.measuring():
        await made.read_through()
    assert made.recalled[1].samples[0] == (0, None, Reason.SENTINEL)
    assert made.recalled[1].samples[1][1] is not None


@pytest.mark.parametrize(("way", "often"), [("ring", 9), ("selected", 60), ("selected-from-oldest", 60)])
async def test_a_memory_that_moves_on_while_it_is_read_loses_and_repeats_nothing(
    bench: Make, way: str, often: int
) -> None:
    made = bench(way)
    times = spaced(way, 40)
    made.record(*times[:25])
    made.silent_since(times[4])
    left = list(times[25:])

    def happens(answered: int) -> None:
        if answered % often == 0 and left:
            made.record(left.pop(0))

    made.gauge.happens = happens
    async with made.measuring():
        await made.read_through()
    found = made.levels()
    assert found == wanted(times[5 : 5 + len(found)])  # without a hole, without a repetition
    assert len(found) > 20


async def test_a_full_ring_that_overtakes_its_reader_brings_no_entry_at_a_wrong_place(bench: Make) -> None:
    made = bench("ring")
    times = spaced("ring", 100)
    made.record(*times[:64])
    made.silent_since(times[0] - MINUTE_MS)
    left = list(times[64:])

    def happens(answered: int) -> None:
        if answered > 6 and answered % 3 == 0 and left:
            made.record(left.pop(0))

    made.gauge.happens = happens
    async with made.measuring():
        await made.read_through()
    found = [time_ms for time_ms, _ in made.levels()]
    assert made.levels() == wanted(found)
    assert found == sorted(set(found))
    overwritten = len(times) - len(left) - 64
    assert set(times[overwritten : len(times) - len(left)]) <= set(found)


@pytest.mark.parametrize("way", list(WAYS))
async def test_an_interruption_half_way_goes_on_where_it_was(bench: Make, way: str) -> None:
    made = bench(way)
    times = spaced(way, 40)
    made.record(*times)
    made.silent_since(times[0] - 1)

    def happens(answered: int) -> None:
        if answered == (9 if "since" in way else 28):
            made.line.faults[1] = Fault.SILENT

    made.gauge.happens = happens
    async with made.measuring():
        await made.until(lambda: made.line.faults.get(1) is Fault.SILENT)
        await made.until(lambda: made.state.failures > 0)
        before = len(made.recalled)
        made.line.faults.clear()
        await made.read_through(20)
    assert before < 40
    assert made.levels() == wanted(times)


async def test_a_restart_half_way_goes_on_where_it_was(bench: Make) -> None:
    made = bench("selected")
    times = spaced("selected", 60)
    made.record(*times)
    made.silent_since(times[0] - 1)
    async with made.measuring():
        await made.until(lambda: len(made.recalled) >= 16)
    before = len(made.recalled)
    assert before < 60
    made.missed = Missed(watched_series(made.site), made.missed.known())
    async with made.measuring():
        await made.read_through()
    assert made.levels() == wanted(times)


async def test_what_a_poll_brought_is_not_recalled_again(bench: Make) -> None:
    made = bench("ring")
    times = spaced("ring", 30)
    made.record(*times)
    numbers = watched_series(made.site)
    made.silent_since(times[5])
    for number in numbers:  # an outage, an hour of polls, and another outage
        for at in range(times[10], times[20] + 1, 100):
            made.missed.see(number, at)
    async with made.measuring():
        await made.read_through()
    assert made.levels() == wanted([*times[6:10], *times[21:]])


async def test_a_fetch_is_bounded_and_the_rest_comes_with_the_next(
    bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MEMORY_ENTRIES_MAX", 20)
    made = bench("selected")
    times = spaced("selected", 60)
    made.record(*times)
    made.silent_since(times[0] - 1)
    async with made.measuring():
        await made.until(lambda: len(made.recalled) >= 20)
        polls = len(made.live)
        await made.until(lambda: len(made.recalled) > 32)
        assert len(made.live) >= polls + 2  # a pause of 300 ms lay between
        await made.read_through()
    assert made.levels() == wanted(times)


async def test_a_first_start_takes_no_past_for_missed(bench: Make) -> None:
    made = bench("ring")
    made.record(*spaced("ring", 20))
    async with made.measuring():
        await made.until(lambda: len(made.live) >= 5)
    assert made.recalled == []


async def test_a_memory_that_refuses_is_left_alone_and_the_polls_go_on(
    bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MEMORY_PAUSE_MS_MIN", 10_000)
    made = bench("selected")
    made.record(*spaced("selected", 5))
    made.gauge.logs.clear()  # it knows no such register
    made.silent_since(minutes_ago(60)[0])
    async with made.measuring():
        await made.until(lambda: made.state.memory[0].error is not None)
        asked = made.gauge.answered
        polls = len(made.live)
        await made.until(lambda: len(made.live) >= polls + 5)
    assert made.gauge.answered - asked <= 7
    assert made.state.failures == 0
    assert now_ms() - made.live[-1].time_ms < 2000
