"""Does the world notice? Each bug and each mutant is lived with, one seed after another, until a promise breaks."""

import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .bugs import BUGS, Bug
from .day import play
from .mutants import Mutant, mutants

PATIENCE_S = 120.0
"""Of processor time: a world that takes longer does not come to rest."""


class Hunt(NamedTuple):
    """How one change was found.

    Args:
        name: of the bug or mutant.
        deliberate: whether it is one of the ten bugs.
        seed: that found it; None when none did.
        why: what broke.
        seeds: how many were tried.
        seconds: of wall time.
    """

    name: str
    deliberate: bool
    seed: int | None
    why: str
    seeds: int
    seconds: float


class _TooLong(BaseException):
    pass


def hunt(task: tuple[Bug | Mutant, int, int]) -> Hunt:
    """Put the change in, and play from a seed on until something breaks."""
    change, start, most = task
    began = time.perf_counter()

    def too_long(_signal: int, _frame: Any) -> None:
        raise _TooLong

    signal.signal(signal.SIGPROF, too_long)
    change.put_in()
    for seed in range(start, start + most):
        signal.setitimer(signal.ITIMER_PROF, PATIENCE_S)
        try:
            broken = play(seed).broken
        except _TooLong:
            broken = "the world does not come to rest"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if broken:
            seconds = time.perf_counter() - began
            return Hunt(change.name, isinstance(change, Bug), seed, broken, seed - start + 1, seconds)
    return Hunt(change.name, isinstance(change, Bug), None, "", most, time.perf_counter() - began)


def changes(only: str = "") -> list[Bug | Mutant]:
    """The bugs and mutants whose name has this text."""
    every: list[Bug | Mutant] = [*BUGS, *mutants()]
    return [change for change in every if only in change.name]


def hunts(wanted: Sequence[Bug | Mutant], start: int, most: int, jobs: int) -> Iterator[Hunt]:
    """Hunt all of them, each in a process of its own."""
    tasks = [(change, start, most) for change in wanted]
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
        yield from pool.imap_unordered(hunt, tasks)
