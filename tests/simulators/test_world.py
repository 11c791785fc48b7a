"""The proof of the number line: days of all faults, and the world's own power to notice."""

import multiprocessing
import re
from collections import Counter

import pytest
from haihe_simulators.world.bugs import BUGS
from haihe_simulators.world.day import Outcome, play
from haihe_simulators.world.faults import GIVING_WAY
from haihe_simulators.world.mutants import mutants
from haihe_simulators.world.mutate import hunt
from haihe_simulators.world.run import ENOUGH_SEEDS, run, workers

FOUND = {
    "a-centre-restored-then-backlog-before-the-newest": 1,
    "what-was-written-and-not-synced-was-sent-by-the-next-agent": 39,
    "a-start-while-the-disk-refused-forgot-the-line-before": 14,
    "frames-of-a-half-taken-group-left-before-they-were-durable": 76,
    "live-that-lay-in-two-files-left-as-backlog": 54,
    "a-refused-summary-no-longer-named-what-was-gone": 4,
    "a-file-left-while-the-disk-was-unreadable-waited-for-a-restart": 50,
    "a-bundle-carried-in-while-the-store-was-away-ended-the-world": 236,
    "a-file-that-could-not-be-read-was-expected-to-be-thinned": 451,
    "when-a-boot-had-been-was-not-told-again-after-a-power-cut": 267,
    "an-agent-that-could-write-nothing-was-expected-to-be-named-by-the-next": 504,
    "a-start-on-a-full-disk-kept-back-what-it-needed": 1254,
    "a-card-set-back-on-a-full-disk-kept-back-what-it-needed": 1625,
    "a-full-disk-with-nothing-but-the-reserve-stayed-full-for-ever": 1940,
    "a-card-set-back-on-a-disk-without-a-byte-was-expected-to-write": 2059,
    "what-a-file-that-went-said-again-was-taken-for-the-end-of-another": 95,
    "a-file-that-nobody-had-room-to-name-was-expected-to-go-before-others": 1626,
    "what-a-file-that-went-had-said-of-one-still-here-was-taken-for-the-end-of-that": 5472,
}
"""Every seed that ever failed, by what it had found. A seed's day changes when the code that lives it does."""
JOBS = 2
QUICK = (
    "acknowledge before store",
    "cumulative instead of set receipts",
    "an alarm thinned while routine data remain",
    "a stored row re-keyed",
)


@pytest.fixture(scope="module")
def found() -> dict[int, Outcome]:
    """Each day of :data:`FOUND`, lived once."""
    with workers(JOBS) as pool:
        assert pool is not None
        return {outcome.seed: outcome for outcome in pool.imap_unordered(play, FOUND.values())}


@pytest.mark.parametrize("seed", FOUND.values(), ids=FOUND)
def test_a_day_that_once_broke_a_promise_breaks_none(seed: int, found: dict[int, Outcome]) -> None:
    assert not found[seed].broken, found[seed].history
    assert found[seed].records >= 3 * 2000


def test_a_hundred_days_of_all_faults_break_no_promise_and_meet_every_fault_and_point(
    found: dict[int, Outcome],
) -> None:
    days = range(1, ENOUGH_SEEDS + 1)
    report = run([seed for seed in days if seed not in found], jobs=JOBS)
    assert not report.broken, [(each.seed, each.broken, each.history) for each in report.broken[:3]]
    hits = Counter(report.hits)
    for seed in found.keys() & set(days):
        hits.update(found[seed].hits)
    assert not [name for name in report.hits if not hits[name]]
    assert {point: hits[point] for point in GIVING_WAY if hits[point] < 5} == {}
    assert report.records >= report.seeds * 3 * 2000


def test_the_same_seed_lives_the_same_day_again() -> None:
    assert play(9) == play(9)


@pytest.mark.parametrize("name", QUICK)
def test_a_deliberate_bug_is_noticed_by_one_of_the_first_seeds(name: str) -> None:
    bug = next(each for each in BUGS if each.name == name)
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        found = pool.apply(hunt, ((bug, 1, 20),))
    assert found.seed is not None
    assert not re.match(r"\w+(Error|Exception): ", found.why), "the bug must break a promise, and not only itself"


def test_every_mutant_can_be_made_and_there_are_thirty() -> None:
    made = mutants()
    assert len({each.name for each in made}) == 30
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        for each in made:
            pool.apply(each.put_in)
