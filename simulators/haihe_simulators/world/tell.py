"""``haihe-sim world``: what a run found, for people and as one JSON object."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from haihe_contract.language import Words

from haihe_simulators.voice import Voice

from .day import Outcome
from .mutate import Hunt, changes, hunts
from .run import ENOUGH_SEEDS, Report, run

OK, WRONG, ASKED_WRONGLY = 0, 1, 2


def world(asked: argparse.Namespace, words: Words) -> int:
    """Play worlds, or hunt mutants."""
    if asked.mutate:
        return _mutate(asked, words)
    progress = Voice(words, out=sys.stderr, moving=sys.stderr.isatty())
    last = 0

    def told(outcome: Outcome) -> None:
        nonlocal last
        last += 1
        if outcome.broken and not asked.json:
            progress.done()
            print_broken(outcome, words)
        progress.show(f"{last}/{asked.seeds}")

    report = run(range(asked.start, asked.start + asked.seeds), asked.jobs, told)
    progress.done()
    if asked.json:
        print(json.dumps(facts(report), ensure_ascii=False))
    else:
        print_report(report, words)
    return OK if report.good else WRONG


def facts(report: Report) -> dict[str, Any]:
    """What ``haihe-sim world --json`` prints."""
    return {
        "seeds": report.seeds,
        "records": report.records,
        "seconds": round(report.seconds, 1),
        "met": report.hits,
        "never_met": report.never,
        "broken": [{"seed": each.seed, "what": each.broken, "history": each.history} for each in report.broken],
        "ok": report.good,
    }


def hunted(found: Sequence[Hunt]) -> dict[str, Any]:
    """What ``haihe-sim world --mutate --json`` prints."""
    return {"hunts": [each._asdict() for each in found], "survive": sum(each.seed is None for each in found)}


def print_broken(outcome: Outcome, words: Words) -> None:
    """One world in which a promise was broken."""
    print(words("seed {seed}: {what}", seed=outcome.seed, what=outcome.broken))
    for line in outcome.history:
        print(f"    {line}")


def print_report(report: Report, words: Words) -> None:
    """The table of what was met, and the verdict."""
    for name, times in report.hits.items():
        print(f"{times:8}  {name}")
    print(
        words(
            "{seeds} worlds, {records} records, {seconds} s; promises broken in {broken}",
            seeds=report.seeds,
            records=report.records,
            seconds=round(report.seconds),
            broken=len(report.broken),
        )
    )
    if report.never:
        print(words("never met: {names}", names="; ".join(report.never)))
        if report.seeds < ENOUGH_SEEDS:
            print(words("{n} seeds are enough to meet all of them", n=ENOUGH_SEEDS))


def _mutate(asked: argparse.Namespace, words: Words) -> int:
    found = []
    wanted = changes(asked.only)
    if not wanted:
        print(words("no bug or mutant has {text} in its name", text=repr(asked.only)), file=sys.stderr)
        return ASKED_WRONGLY
    for each in hunts(wanted, asked.start, asked.seeds, asked.jobs):
        found.append(each)
        if asked.json:
            continue
        if each.seed is None:
            print(words("SURVIVES {n} seeds: {name}", n=each.seeds, name=each.name), flush=True)
        else:
            print(words("seed {seed} finds: {name}", seed=each.seed, name=each.name), flush=True)
            print(f"    {each.why[:160]}")
    alive = [each for each in found if each.seed is None]
    if asked.json:
        print(json.dumps(hunted(found), ensure_ascii=False))
    else:
        print(words("{found} of {all} found", found=len(found) - len(alive), all=len(found)))
    return WRONG if any(each.deliberate for each in alive) else OK
