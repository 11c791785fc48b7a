"""The proof of the number line: days of all faults, and the world's own power to notice."""

import multiprocessing

import pytest
from haihe_simulators.world.bugs import BUGS
from haihe_simulators.world.day import play
from haihe_simulators.world.mutants import mutants
from haihe_simulators.world.mutate import hunt
from haihe_simulators.world.run import ENOUGH_SEEDS, run

FOUND = {
    1: "after a centre's restore the backlog went before the newest values",
    39: "what an agent wrote and did not sync was sent by the next one, and a power cut took it",
    14: "a station that started while its disk refused forgot the line before",
    76: "frames of a group that a full disk took only in part left before they were durable, again with every try",
    4: "a summary that was refused for a reading of centuries ahead no longer said which numbers were gone",
}
"""Every seed that ever failed, and what it had found. A seed's day changes when the code that lives it does."""
QUICK = ("acknowledge before store", "cumulative instead of set receipts", "an alarm thinned while routine data remain")


def test_a_hundred_days_of_all_faults_break_no_promise_and_meet_every_fault_and_point() -> None:
    seeds = {*range(1, ENOUGH_SEEDS + 1), *FOUND}
    report = run(sorted(seeds), jobs=2)
    assert not report.broken, [(each.seed, each.broken, each.history) for each in report.broken[:3]]
    assert not report.never
    assert report.records >= len(seeds) * 3 * 2000


def test_the_same_seed_lives_the_same_day_again() -> None:
    assert play(9) == play(9)


@pytest.mark.parametrize("name", QUICK)
def test_a_deliberate_bug_is_noticed_by_one_of_the_first_seeds(name: str) -> None:
    bug = next(each for each in BUGS if each.name == name)
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        found = pool.apply(hunt, ((bug, 1, 20),))
    assert found.seed is not None


def test_every_mutant_can_be_made_and_there_are_thirty() -> None:
    made = mutants()
    assert len({each.name for each in made}) == 30
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        for each in made:
            pool.apply(each.put_in)
