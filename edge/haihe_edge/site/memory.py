"""Which series an instrument's memory tells at this site."""

from collections.abc import Sequence
from typing import Protocol

from haihe_contract.document import near
from haihe_contract.series import Series

from haihe_edge.profile import Log, LogPoint, ModbusProfile, Profile

from .plan import Recall, SiteSeries
from .written import WrittenInstrument

_Path = tuple[str | int, ...]


class Reader(Protocol):
    """What is needed of the reading of a site file."""

    def wrong(self, path: _Path, what: str) -> None:
        """Note a fault at a place of the file."""
        ...

    def warn(self, path: _Path, what: str) -> None:
        """Note what is allowed and worth a look."""
        ...

    def add(self, series: Series, period: int, each: WrittenInstrument, point: LogPoint, path: _Path) -> list[int]:
        """Add a series that only the memory tells; its number, none after a complaint."""
        ...


def recalls(
    each: WrittenInstrument, profile: Profile, polled: Sequence[SiteSeries], path: _Path, reader: Reader
) -> tuple[Recall, ...]:
    """The logs that the site uses.

    Args:
        each: the instrument as written.
        profile: of it.
        polled: its series.
        path: its place in the file.
        reader: of the file.
    """
    if not each.memory:
        return ()
    where = (*path, "memory")
    logs = {log.name: log for log in profile.memory} if isinstance(profile, ModbusProfile) else {}
    if not logs:
        reader.wrong(where, f"memory: {profile.profile} describes none that can be read back")
        return ()
    found = []
    for index, name in enumerate(logs if isinstance(each.memory, bool) else each.memory):
        place = where if isinstance(each.memory, bool) else (*where, index)
        if name not in logs:
            reader.wrong(place, f"memory: {profile.profile} has no log {name!r}{near(name, logs)}")
            continue
        if logs[name].unsure:
            reader.warn(place, f"memory {name} of {profile.profile} is not sure: {logs[name].unsure}")
        recall = _recall(each, logs[name], polled, place, reader)
        if not recall.numbers:
            points = ", ".join(dict.fromkeys(point.of for point in logs[name].keeps if point.of))
            reader.wrong(place, f"memory: {name} tells of {points}, and no series here is made of that")
        found.append(recall)
    return tuple(found)


def _recall(each: WrittenInstrument, log: Log, polled: Sequence[SiteSeries], path: _Path, reader: Reader) -> Recall:
    series: dict[str, tuple[int, ...]] = {}
    own: list[int] = []
    for point in log.keeps:
        if point.of is not None:
            series[point.name] = tuple(one.number for one in polled if one.point == point.of)
            continue
        made = Series(point.element or "", point.place or "main", point.statistic, point.interval_s)
        period = (point.interval_s or log.time.every_s or 3600) * 1000
        series[point.name] = tuple(reader.add(made, period, each, point, path))
        own += series[point.name]
    return Recall(log.name, series, frozenset(own))
