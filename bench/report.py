"""What every benchmark prints: each figure beside its reference of the same run, and the machine it ran on."""

import argparse
import json
import os
import platform
import sqlite3
import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple


class Figure(NamedTuple):
    """One measured figure.

    Args:
        name: what was measured.
        value: how much.
        unit: of what.
        reference: the same of the reference in the same run, None where there is none.
        against: what the reference is.
    """

    name: str
    value: float
    unit: str
    reference: float | None = None
    against: str = ""

    @property
    def ratio(self) -> float | None:
        """Value by reference."""
        return round(self.value / self.reference, 3) if self.reference else None


def machine() -> str:
    """Where this runs."""
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}, {versions}"


def run(title: str, measure: Callable[..., Iterable[Figure]], **options: tuple[Callable[[str], Any], str]) -> None:
    """Parse ``--quick``, ``--json`` and a program's own options, measure, print.

    Args:
        title: what is measured.
        measure: told whether to be quick, and each option of its own by name, None where it was not given.
        options: type and help of each.
    """
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--quick", action="store_true", help="at most half a minute")
    parser.add_argument("--json", action="store_true", help="one object instead of a table")
    for name, (kind, text) in options.items():
        parser.add_argument(f"--{name}", type=kind, help=text)
    asked = parser.parse_args()
    figures = []
    for figure in measure(asked.quick, **{name: getattr(asked, name) for name in options}):
        figures.append({**figure._asdict(), "ratio": figure.ratio})
        if not asked.json:
            beside = f"   {figure.against} {_short(figure.reference)}, ratio {figure.ratio}" if figure.reference else ""
            print(f"{figure.name:42} {_short(figure.value):>10} {figure.unit}{beside}", flush=True)
    if asked.json:
        json.dump({"title": title, "machine": machine(), "figures": figures}, sys.stdout, indent=2)
        print()
    else:
        print(f"machine: {machine()}")


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
