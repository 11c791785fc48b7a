"""Commands that bring files of stations into the registry, and show how it came to be."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from haihe_contract.clock import Clock, beijing
from haihe_contract.errors import FieldError
from haihe_contract.table import table

from haihe_cloud.admit.registry import Registry, Station
from haihe_cloud.admit.station_file import load_stations
from haihe_cloud.admit.station_table import load_table

from .output import Answer
from .words import Sentences

_TABLES = (".csv", ".xlsx")


def station_import(registry: Registry, path: Path, clock: Clock, words: Sentences, *, dry_run: bool) -> Answer:
    """Register all stations of a file, or none.

    Raises:
        DocumentError: with every fault of the file; none is registered then.
    """
    if path.suffix.lower() in _TABLES:
        stations: Sequence[Station] = load_table(path, registry.get)
    else:
        stations = load_stations(path)
    known = {station.code: registry.get(station.code) for station in stations}
    new = [station.code for station in stations if known[station.code] is None]
    same = [station.code for station in stations if known[station.code] == station]
    changed = [station.code for station in stations if station.code not in {*new, *same}]
    if not dry_run:
        registry.add_all(stations, clock.now_ms())
    rows = [(code, words("new")) for code in new] + [(code, words("changed")) for code in changed]
    form = (
        "nothing was changed: {new} stations would be new, {changed} changed, {same} are as they are"
        if dry_run
        else "{new} stations are new, {changed} changed, {same} are as they were"
    )
    verdict = words(form, new=len(new), changed=len(changed), same=len(same))
    text = table([words("station"), words("what")], rows) + "\n\n" if rows else ""
    data = {"dry_run": dry_run, "new": new, "changed": changed, "unchanged": same}
    return Answer(data, text + verdict)


def station_show(registry: Registry, code: str, words: Sentences) -> Answer:
    """One station, and what was known of it before.

    Raises:
        FieldError: when nothing was ever known of it.
    """
    changes, station = registry.changes(code), registry.get(code)
    if station is None and not changes:
        raise FieldError(f"station {code} is not registered", do="haihe-cloud station list")
    rows: list[tuple[str, object]] = []
    if station is not None:
        name = station.name_zh if words.language == "zh" else station.name_en or station.name_zh
        rows = [(words("station"), code), (words("name"), name), (words("river"), station.river)]
        rows += [(words("in service"), _service(station, words))]
    text = table(("", ""), rows).lstrip("\n") + "\n\n" if rows else ""
    if changes:
        known = [
            (beijing(change.changed_ms), _service(change.station, words), change.station.name_zh) for change in changes
        ]
        text += table([words("known since"), words("in service"), words("name")], known) + "\n\n"
    data = {
        "station": None if station is None else msgspec.to_builtins(station),
        "changes": [
            {"changed_ms": change.changed_ms, "station": msgspec.to_builtins(change.station)} for change in changes
        ],
    }
    verdict = words("{count} entries in the registry's history", count=len(changes))
    return Answer(data, text + verdict)


def _service(station: Station, words: Sentences) -> str:
    if not station.valid:
        return words("always")
    return ", ".join(f"{each.since} … {each.until or ''}".rstrip() for each in station.valid)
