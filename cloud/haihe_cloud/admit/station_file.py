"""A YAML file of stations: all of its faults at once, or a list that can be registered."""

from pathlib import Path

import msgspec
from haihe_contract import document
from haihe_contract.errors import FieldError

from .registry import Station, check_station


class StationFile(msgspec.Struct, frozen=True):
    """``stations:`` and a list of them."""

    stations: list[Station]


def load_stations(path: Path) -> list[Station]:
    """Read and check a file of stations.

    Raises:
        DocumentError: with every fault of the file.
    """
    written, paper = document.load(path, StationFile)
    seen: set[str] = set()
    for at, station in enumerate(written.stations):
        try:
            check_station(station)
        except FieldError as error:
            paper.complain(("stations", at), error.what)
        if station.code in seen:
            paper.complain(("stations", at, "code"), f"code: {station.code} is written twice")
        seen.add(station.code)
    paper.finish()
    return written.stations
