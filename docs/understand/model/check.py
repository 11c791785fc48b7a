"""Runs the model of the number line: every state within the bounds, then the mistakes that it must find.

``python docs/understand/model/check.py`` takes half a minute, ``--full`` the bounds of the page ../model.md.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

MODEL = Path(__file__).with_name("number_line.pml")
MEMORY_MIB = 8000
DEPTH_MOST = 10_000
_ACTORS = ("station:", "centre ", "card:", "broker ")


class Bounds(NamedTuple):
    """How large the world may be."""

    lines: int = 2
    numbers: int = 2
    centres: int = 1
    restores: int = 0
    rollbacks: int = 0
    healing: bool = False

    def switches(self) -> list[str]:
        """As the preprocessor of the model takes them."""
        sizes = [f"-D{name.upper()}={value}" for name, value in self._asdict().items() if name != "healing"]
        return [*sizes, "-DHEALING"] if self.healing else sizes


class Outcome(NamedTuple):
    """What one search found.

    Args:
        complete: every state within the bounds was visited.
        broken: a property does not hold.
        states: how many different ones were stored.
        depth: the deepest that the search came.
        seconds: as Spin's program says.
        steps: of the shortest way to the breach, in words; empty without one.
    """

    complete: bool
    broken: bool
    states: int
    depth: int
    seconds: float
    steps: list[str]


SMALL = (
    Bounds(rollbacks=1),
    Bounds(restores=1),
    Bounds(healing=True),
)
FULL = (
    *SMALL,
    Bounds(restores=1, rollbacks=1),
    Bounds(restores=1, healing=True),
    Bounds(lines=4, numbers=1, restores=1, rollbacks=1),
    Bounds(lines=3, rollbacks=1),
    Bounds(centres=2),
    Bounds(centres=2, healing=True),
)
MISTAKES = {
    "ACKNOWLEDGEMENT_FREES": Bounds(),
    "OLD_EPOCH_HONOURED": Bounds(restores=1),
    "LINE_CONTINUED": Bounds(rollbacks=1),
    "LEDGER_BEFORE_STORE": Bounds(),
    "CUMULATIVE_RECEIPTS": Bounds(),
    "ONE_CENTRE_FREES": Bounds(centres=2),
    "NO_NEW_EPOCH": Bounds(restores=1),
    "EPOCH_FROM_BACKUP": Bounds(restores=2),
    "LEDGER_NEWER_THAN_STORE": Bounds(restores=1),
    "VOID_SAVED_LATER": Bounds(restores=1),
    "FREED_BEFORE_SAID": Bounds(lines=3),
}


def missing() -> str:
    """What must be installed first, in words; empty when all is there."""
    tools = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]
    return f"not installed: {', '.join(tools)} (Debian: apt-get install spin gcc)" if tools else ""


def search(bounds: Bounds, mistake: str = "") -> Outcome:
    """Visit every state; with a mistake breadth first, so that the way to the breach is a shortest one.

    Raises:
        subprocess.CalledProcessError: when the model cannot be translated.
    """
    switches = [*bounds.switches(), *([f"-D{mistake}"] if mistake else [])]
    order = ["-O0", "-DBFS"] if mistake else ["-O2", "-DCOLLAPSE"]  # a mistake takes longer to compile than to find
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(MODEL, folder)

        def run(*command: str, check: bool = True) -> str:
            return subprocess.run(command, cwd=folder, check=check, capture_output=True, text=True).stdout

        run("spin", "-a", *switches, MODEL.name)
        run("gcc", "-w", "-DSAFETY", "-DNOREDUCE", f"-DMEMLIM={MEMORY_MIB}", *order, "-o", "pan", "pan.c")
        said = run("./pan", f"-m{DEPTH_MOST}", check=False)
        steps: list[str] = []
        if (folder / f"{MODEL.name}.trail").exists():
            trail = run("spin", "-t", *switches, MODEL.name, check=False)
            steps = [line.strip() for line in trail.splitlines() if line.strip().startswith(_ACTORS)]
    return _outcome(said, steps)


def _outcome(said: str, steps: list[str]) -> Outcome:
    def number(pattern: str) -> float:
        found = re.search(pattern, said)
        return float(found[1]) if found else 0

    errors = re.search(r"errors: (\d+)", said)
    cut = "Search not completed" in said or "max search depth too small" in said
    return Outcome(
        complete=errors is not None and not cut,
        broken=errors is not None and errors[1] != "0",
        states=int(number(r"(\d+) states, stored")),
        depth=int(number(r"depth reached (\d+)")),
        seconds=number(r"elapsed time ([\d.]+)"),
        steps=steps,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all holds and every mistake is found. 1: not so. 2: a tool is missing."""
    parser = argparse.ArgumentParser(description="Check the model of the number line.")
    parser.add_argument("--full", action="store_true", help="the bounds of the page; minutes, and up to 8 GB")
    parser.add_argument("--mistake", choices=MISTAKES, help="show the shortest way in which one mistake does harm")
    asked = parser.parse_args(arguments)
    if lacking := missing():
        print(lacking, file=sys.stderr)
        return 2
    if asked.mistake:
        print("\n".join(search(MISTAKES[asked.mistake], asked.mistake).steps))
        return 0
    good = True
    print("lines numbers centres restores rollbacks healing    states  depth  seconds")
    for bounds in FULL if asked.full else SMALL:
        found = search(bounds)
        good = good and found.complete and not found.broken
        sizes = "".join(f"{value!s:>8}" for value in bounds)
        verdict = "BROKEN" if found.broken else "holds" if found.complete else "NOT COMPLETE"
        print(f"{sizes}{found.states:>12}{found.depth:>7}{found.seconds:>9.1f}  {verdict}", *found.steps, sep="\n  ")
    for mistake, bounds in MISTAKES.items():
        found = search(bounds, mistake)
        good = good and found.broken
        print(f"{mistake:25}", f"found in {len(found.steps)} steps" if found.broken else "NOT FOUND")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
