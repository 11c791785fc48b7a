"""The small files beside the journal that a restore brings back: rain counters, tips, what metered links carried."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from haihe_contract.clock import beijing
from haihe_contract.record import State
from haihe_contract.record_fault import NUMBER_MAX, record_fault
from haihe_contract.restore import StationState

from haihe_edge.acquire.digital.gauge import Count
from haihe_edge.acquire.digital.runner import totals_file
from haihe_edge.forward.budget import Spent
from haihe_edge.kept import Kept
from haihe_edge.qualify import CounterState
from haihe_edge.remember.counted import FILE
from haihe_edge.remember.metered import budget_file
from haihe_edge.remember.site_states import BUDGET, COUNTER, TIPS
from haihe_edge.site import Site
from haihe_edge.talk import Talk


def possible(state: StationState) -> bool:
    """Whether a station can have told that."""
    return not record_fault(State(state.name, state.value, state.time_ms, state.grade))


class _Kind(NamedTuple):
    """One kind of state.

    Args:
        prefix: of its names.
        type: of its value.
        progress: grows as it goes on: what is here stays if it is further on.
        says: what comes back, for people.
        stays: that what is here stays.
    """

    prefix: str
    type: type[msgspec.Struct]
    progress: Callable[[Any], object]
    says: Callable[[Talk, str, Any], str]
    stays: Callable[[Talk, str], str]


def _counter(talk: Talk, key: str, state: CounterState) -> str:
    words, when = "counter {name}: {value} at {when}", beijing(state.time_ms)
    return talk.say(words, name=talk.name(key), value=f"{state.value:g}", when=when)


def _gauge(talk: Talk, name: str, count: Count) -> str:
    return talk.say("rain gauge {name}: {value} mm in all", name=name, value=f"{count.tips * count.tip_mm:.1f}")


def _link(talk: Talk, centre: str, spent: Spent) -> str:
    words, used = "link to {name}: {used} MB used since {when}", f"{spent.bytes / 1e6:.1f}"
    return talk.say(words, name=centre, used=used, when=beijing(spent.from_ms)[:10])


_COUNTERS = _Kind(
    COUNTER, CounterState, lambda state: state.time_ms, _counter,
    lambda talk, key: talk.say("counter {name}: what is here is newer, and stays", name=talk.name(key)),
)  # fmt: skip
_GAUGES = _Kind(
    TIPS, Count, lambda count: count.tips * count.tip_mm, _gauge,
    lambda talk, name: talk.say("rain gauge {name}: what is here is newer, and stays", name=name),
)  # fmt: skip
_LINKS = _Kind(
    BUDGET, Spent, lambda spent: (spent.from_ms, spent.bytes), _link,
    lambda talk, centre: talk.say("link to {name}: what is here is newer, and stays", name=centre),
)  # fmt: skip


class FileBeside:
    """One file, as it would be.

    Args:
        kept: its place and form.
        kind: of what stands in it.
        told: the states, by name.
        keys: of those that stand in it.
        one: it holds a single value, not a table of them.
        force: overwrite even what is further on here.

    Raises:
        OSError: when it cannot be read.
    """

    def __init__(
        self,
        kept: Kept[Any],
        kind: _Kind,
        told: Mapping[str, StationState],
        keys: Sequence[str],
        *,
        one: bool = False,
        force: bool,
    ) -> None:
        self._kept, self._kind, self._one = kept, kind, one
        try:
            found = kept.load()
        except ValueError:
            found = None  # damaged, and set aside
        self._values: dict[str, Any] = ({keys[0]: found} if one else found) if found else {}
        self._restored: list[str] = []
        self._newer: list[str] = []
        for key in keys:
            if row := told.get(kind.prefix + key):
                self._choose(key, row, force=force)

    def _choose(self, key: str, row: StationState, *, force: bool) -> None:
        try:
            state = msgspec.convert(row.value, self._kind.type)
        except msgspec.ValidationError:
            return  # it begins anew, as one that was never known
        here = self._values.get(key)
        if here == state or not _shown_by_a_counter(state):
            return
        progress: Any = self._kind.progress
        if here is not None and progress(here) > progress(state) and not force:
            self._newer.append(key)
        else:
            self._values[key] = state
            self._restored.append(key)

    @property
    def restored(self) -> list[str]:
        """Names of the states that are written."""
        return [self._kind.prefix + key for key in self._restored]

    @property
    def newer(self) -> list[str]:
        """Names of the states that are further on here, and stay."""
        return [self._kind.prefix + key for key in self._newer]

    def say(self, talk: Talk) -> None:
        """What would be written, and what stays."""
        for key in self._restored:
            talk.line(self._kind.says(talk, key, self._values[key]))
        for key in self._newer:
            talk.line(self._kind.stays(talk, key))

    def write(self) -> None:
        """Write it, if anything in it changes.

        Raises:
            OSError: when the disk refuses.
        """
        if self._restored:
            self._kept.save(self._values[self._restored[0]] if self._one else self._values)


def _shown_by_a_counter(state: msgspec.Struct) -> bool:
    """JSON knows numbers that are no time and no count, and that nobody can say."""
    numbers = (each for each in msgspec.structs.astuple(state) if isinstance(each, int | float))
    return all(abs(each) <= NUMBER_MAX for each in numbers)


class _Place(NamedTuple):
    """Where states are kept.

    Args:
        kept: the file.
        kind: of what stands in it.
        keys: of those that stand in it.
        one: it holds a single value, not a table of them.
    """

    kept: Kept[Any]
    kind: _Kind
    keys: Sequence[str]
    one: bool = False


def _places(site: Site) -> Iterator[_Place]:
    directory = site.journal.directory
    counters = [site.series[rule.number].key for rule in site.counters]
    yield _Place(Kept(directory / FILE, dict[str, CounterState]), _COUNTERS, counters)
    for bus, wiring in site.wirings.items():
        gauges = [rain.line.name for rain in wiring.rains]
        yield _Place(Kept(totals_file(directory, bus), dict[str, Count]), _GAUGES, gauges)
    for centre in site.centres:
        if centre.allowance is not None:
            yield _Place(Kept(budget_file(directory, centre.name), Spent), _LINKS, [centre.name], one=True)


def files_beside(site: Site, told: Mapping[str, StationState], *, force: bool) -> list[FileBeside]:
    """Every file of a station that states go into.

    Args:
        site: as it will be.
        told: the states, by name.
        force: overwrite even what is further on here.

    Raises:
        OSError: when one cannot be read.
    """
    return [FileBeside(each.kept, each.kind, told, each.keys, one=each.one, force=force) for each in _places(site)]


def stood(site: Site) -> dict[str, dict[str, Any] | None]:
    """What stands in these files, by the name of its state; None where nothing can be read."""
    found: dict[str, dict[str, Any] | None] = {}
    for kept, kind, keys, one in _places(site):
        try:
            here = kept.look()
        except (OSError, ValueError):
            here = None
        values = {keys[0]: here} if one else here or {}
        for key in keys:
            value = values.get(key)
            found[kind.prefix + key] = msgspec.to_builtins(value) if value is not None else None
    return found
