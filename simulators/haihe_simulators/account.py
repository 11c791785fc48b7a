"""The balance over a demo's folder, from its files only; can be drawn again as long as the folder is kept."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from haihe_contract.errors import FieldError
from haihe_contract.ranges import EMPTY, RangeSet

from .balance import Kill, Row, Sheet, draw
from .evidence import Ask, Stored, books, gaps, held, of_file, openings, stored
from .leftover import still_in

KILLS_FILE = "kills.jsonl"


def note_kill(folder: Path, kill: Kill) -> None:
    """Write down when an agent was killed."""
    with (folder / KILLS_FILE).open("a", encoding="ascii") as file:
        file.write(json.dumps(kill._asdict()) + "\n")


def account(folder: Path, *, ledger: Ask | None = None, store: Callable[[str], Stored] | None = None) -> Sheet:
    """Draw the balance of everything under a demo's folder; no agent may be running there.

    Args:
        folder: of the demo.
        ledger: asks the centre's database; None for its file in the folder.
        store: what the series store holds of a station; None for its file in the folder.

    Raises:
        FieldError: when the folder is not one of a demo.
    """
    data = folder / "centre" / "data"
    sites = sorted(folder.glob("stations/*/site.yaml"))
    if not sites or not (ledger or (data / "haihe.db").exists()):
        raise FieldError(
            "this is not the folder of a demo", where=str(folder), do="keep one with: haihe-sim demo --keep"
        )
    ledger = ledger or of_file(data / "haihe.db")
    in_store = store or partial(stored, of_file(data / "series.db"))
    every = []
    for site in sites:
        code = site.parent.name
        waiting = _unclaimed(still_in(site.parent / "journal"), held(ledger, code))
        every += books(code, site, folder / "profiles", site.parent / "log", in_store(code), waiting)
    codes = [site.parent.name for site in sites]
    return draw(every, kills=_excused(folder, ledger), gaps={code: gaps(ledger, code) for code in codes})


def _unclaimed(rows: Mapping[str, Sequence[Row]], claimed: Mapping[int, RangeSet]) -> dict[str, list[Row]]:
    """Rows of the journal for which the station has no receipt to expect.

    The journal keeps records long after their receipt. A record that the ledger claims and the store has not
    would never be sent again: that is a loss, though its bytes still lie in the station.
    """
    return {
        key: [row for row in of_series if row.number not in claimed.get(row.line, EMPTY)]
        for key, of_series in rows.items()
    }


def _excused(folder: Path, ledger: Ask) -> list[Kill]:
    """Kills that the station itself wrote down at the next start that went through. Any other excuses nothing."""
    path = folder / KILLS_FILE
    lines = path.read_text("ascii").splitlines() if path.exists() else []
    kills = [Kill(**json.loads(line)) for line in lines]
    starts = {code: openings(ledger, code) for code in {kill.station for kill in kills}}
    after = [next((each for each in starts[kill.station] if each.time_ms >= kill.time_ms), None) for kill in kills]
    return [kill for kill, opening in zip(kills, after, strict=True) if opening is not None and opening.lossy]
