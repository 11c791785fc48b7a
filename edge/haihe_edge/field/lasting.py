"""How long a site's journal lasts without a link, and what the card has to bear: told before a station runs."""

import math
from collections import Counter

from msgspec.structs import replace

from haihe_edge.journal import Appetite, Rhythm, appetite
from haihe_edge.recorder import WINDOW_SHARE
from haihe_edge.site import Site

DAY_MS = 86_400_000
_MIB = 2**20
_WINDOW_MS_MAX = 60_000


def of(site: Site) -> Appetite:
    """Measured by encoding one group of every instrument with the journal's own code."""
    groups = Counter((each.instrument, each.period_ms) for each in site.series)
    rhythms = [Rhythm(series, period_ms) for (_, period_ms), series in groups.items() if period_ms]
    wait_ms = max(1.0, site.journal.window_ms * WINDOW_SHARE)
    return appetite(rhythms, site.dictionary(), size=site.journal.size_bytes, wait_ms=wait_ms)


def doubted(site: Site) -> Site:
    """The site with a warning where its journal cannot do what the site file wishes."""
    plan, taken = site.journal, of(site)
    doubts: list[str] = []
    if plan.lasts_ms is not None and taken.lasts_ms < plan.lasts_ms:
        size = math.ceil(taken.bytes_per_day * plan.lasts_ms / DAY_MS / _MIB)
        doubts.append(
            f"lasts: without a link the journal is full after {said_days(taken.lasts_ms)} days,"
            f" not {said_days(plan.lasts_ms)}; size: {size}MiB would do"
        )
    if taken.card_bytes_per_day > plan.writes_most:
        doubts.append(
            f"writes_most: about {taken.card_bytes_per_day / _MIB:.0f} MiB a day are written to the card,"
            f" more than {plan.writes_most / _MIB:.0f} MiB; {_cure(site, taken)}"
        )
    return site._replace(warnings=(*site.warnings, *(replace(plan.place, what=doubt) for doubt in doubts)))


def _cure(site: Site, taken: Appetite) -> str:
    left = site.journal.writes_most - taken.bytes_per_day
    commits = left / ((taken.card_bytes_per_day - taken.bytes_per_day) / taken.commits_per_day)
    if commits > 0:
        seconds = math.ceil(DAY_MS / commits / WINDOW_SHARE / 1000)
        if seconds * 1000 <= _WINDOW_MS_MAX:
            return f"window: {seconds}s would do"
    return "measure less often"


def said_days(milliseconds: float) -> str:
    """Days for people."""
    days = milliseconds / DAY_MS
    return f"{days:.1f}" if days < 10 else f"{min(days, 99_999):.0f}"
