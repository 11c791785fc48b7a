"""Where a new card gets the states of its station from: its centres, a file that one of them wrote, or a bundle."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from haihe_contract.clock import beijing
from haihe_contract.document import DocumentError
from haihe_contract.errors import FieldError
from haihe_contract.quality import Grade
from haihe_contract.restore import StationState, StationStates

from haihe_edge.site import Site, load_site
from haihe_edge.talk import Talk

from .beside import possible

FILE_BYTES_MAX = 64 * 1024 * 1024
GET_IT = "haihe-cloud station state CODE --json > state.json"
_GET_BUNDLE = "take another bundle of this station; or at the centre: " + GET_IT


class Source(NamedTuple):
    """What is known of the station, and who said it.

    Args:
        known: the states.
        name: a file, or the centres.
        centres: for ``--json``; empty when it came from a file.
        vouched: of a bundle: whether an authority that is known here vouches for its key.
    """

    known: StationStates
    name: str
    centres: list[dict[str, Any]]
    vouched: bool | None = None


def from_files(talk: Talk, arguments: argparse.Namespace) -> Source:
    """The file; of several bundle files all that hold states of this station.

    Raises:
        FieldError: when none can be used, or it is that of another station than the site file here.
    """
    from haihe_contract.bundle import is_bundle  # late: no other command needs signatures of stations

    site = _site_here(arguments)
    found: list[_Made] = []
    for name in arguments.restore:
        data = _bytes_of(name)
        if not is_bundle(data):
            if len(arguments.restore) > 1:
                raise FieldError(
                    "several files, and this is no bundle", where=name, do="name one file, or bundles only"
                )
            return _own(Source(_states(name, data), name, []), site, arguments)
        found.append(_from_bundle(name, data, site))
    held = [each for each in found if each.source.known.states]
    source = _own(_together(held, arguments, site), site, arguments)
    if not source.vouched:
        talk.worry(
            talk.say("nobody here can say whose key has signed {file}: look at where it comes from", file=source.name)
        )
    return source


class _Made(NamedTuple):
    """What a bundle holds, which it is, and how good the clock was by which it was made."""

    source: Source
    bundle: bytes
    grade: int


def _together(held: list[_Made], arguments: argparse.Namespace, site: Site | None) -> Source:
    """What bundles of one station say; a crew's stick may have some of others.

    Raises:
        FieldError: when there is nothing, or nobody can say which station is meant, or which is the latest.
    """
    names = ", ".join(arguments.restore)
    if not held:
        raise FieldError("there are no states in it", where=names, do="name the first file of the bundle: …-1.haihe")
    if site is not None:
        held = [each for each in held if each.source.known.station == site.station.code] or held
    station, *others = sorted({each.source.known.station for each in held})
    if others:
        raise FieldError(
            f"bundles of several stations: {', '.join([station, *others])}", where=names, do="name those of one"
        )
    clockless = [each for each in held if each.grade == Grade.NONE]
    if clockless and len({each.bundle for each in held}) > 1:
        raise FieldError(
            "several bundles, and this one was made without a clock: nobody can say which is the latest",
            where=clockless[0].source.name,
            do="name the files of one bundle only",
        )
    states = latest(state for each in held for state in each.source.known.states)
    name = ", ".join(each.source.name for each in held)
    return Source(StationStates(station, states), name, [], all(each.source.vouched for each in held))


def latest(states: Iterable[StationState]) -> list[StationState]:
    """Of each name the latest, by the station's own clock."""
    found: dict[str, StationState] = {}
    for state in states:
        before = found.get(state.name)
        if before is None or _moment(state) > _moment(before):
            found[state.name] = state
    return list(found.values())


def _moment(state: StationState) -> tuple[bool, int]:
    return state.grade != Grade.NONE, state.time_ms


def _from_bundle(name: str, data: bytes, site: Site | None) -> _Made:
    """Its states, and when they were told.

    Raises:
        FieldError: when it is not to be believed.
    """
    from haihe_contract.bundle import BundleRefused, read_bundle

    from .bundle_show import vouched

    try:
        bundle = read_bundle(data)
        is_vouched = vouched(bundle.head, site)
    except BundleRefused as error:
        raise FieldError(f"the bundle cannot be used: {error}", where=name, do=_GET_BUNDLE) from None
    head = bundle.head
    return _Made(Source(StationStates(head.station, bundle.states), name, [], is_vouched), head.bundle, head.grade)


def _bytes_of(source: str) -> bytes:
    """What stands in a file.

    Raises:
        FieldError: when it cannot be had.
    """
    do = _get_it(source)
    try:
        if source == "-":
            data = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise FieldError(
            f"the state of the station cannot be read: {error.strerror or error}", where=source, do=do
        ) from None
    if len(data) > FILE_BYTES_MAX:
        raise FieldError(
            f"the state of the station cannot be read: it has more than {FILE_BYTES_MAX} bytes", where=source, do=do
        )
    return data


def _get_it(source: str) -> str:
    if Path(source).suffix in (".yaml", ".yml"):
        return "write the site file before the option: haihe-edge init SITE.yaml --restore"
    return GET_IT


def _states(source: str, data: bytes) -> StationStates:
    """What a centre wrote.

    Raises:
        FieldError: when it cannot be read.
    """
    try:
        return msgspec.json.decode(data, type=StationStates)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        what = f"the state of the station cannot be read: {error}"
        raise FieldError(what, where=source, do=_get_it(source)) from None


def _own(source: Source, site: Site | None, arguments: argparse.Namespace) -> Source:
    """Only of the station that is here, and only what a station can have told.

    Raises:
        FieldError: when it is that of another.
    """
    known = source.known
    if site is not None and site.station.code != known.station and not arguments.force:
        raise FieldError(
            f"this is the state of station {known.station}, and the site file here is that of {site.station.code}",
            where=source.name,
            do="name the file of this one; --force makes it the other one",
        )
    return source._replace(known=StationStates(known.station, [each for each in known.states if possible(each)]))


def _site_here(arguments: argparse.Namespace) -> Site | None:
    """The site file that is here, None where there is none that can be read."""
    try:
        return load_site(arguments.site, arguments.profiles)
    except DocumentError:
        return None


def from_centres(talk: Talk, arguments: argparse.Namespace) -> Source:
    """The centres of the site file.

    Raises:
        FieldError: when there is no site file, or none of them gives anything.
        DocumentError: when the site file cannot be used.
    """
    if not arguments.site.exists():
        raise FieldError(
            "there is no site file, and so no centre to ask",
            where=str(arguments.site),
            do="copy the one that this station was installed with; or bring the state as a file:"
            " haihe-edge init --restore FILE",
        )
    site = load_site(arguments.site, arguments.profiles)
    import asyncio

    from . import asking  # late: with it comes everything that an agent is made of

    if not talk.json:
        names = ", ".join(centre.name for centre in site.centres)
        talk.line(talk.say("asking {names}, for up to {n} s", names=names, n=f"{arguments.wait:g}"))
    told = asyncio.run(asking.ask(site, arguments.wait))
    faults = [each.fault for each in told if each.fault is not None]
    if len(faults) == len(told):
        for fault in faults[1:]:
            talk.worry(talk.told(fault.what))
        raise faults[0]
    for each in told:
        if each.fault is not None:
            talk.worry(talk.told(each.fault.what))
        elif not talk.json:
            times = [state.time_ms for state in each.states if state.grade != Grade.NONE]
            newest = beijing(max(times)) if times else talk.say("time unknown")
            words = "centre {name}: {count} states, the latest of {when}"
            talk.line(talk.say(words, name=each.centre.name, count=len(each.states), when=newest))
        if each.left_out:
            words = "centre {name}: {count} more had no room in its answer; a file has all: {how}"
            talk.worry(talk.say(words, name=each.centre.name, count=each.left_out, how=GET_IT))
    centres = [
        {"name": each.centre.name, "states": len(each.states), "left_out": each.left_out}
        | ({"what": each.fault.what} if each.fault else {})
        for each in told
    ]
    names = ", ".join(each.centre.name for each in told if each.fault is None)
    return Source(
        StationStates(site.station.code, latest(state for each in told for state in each.states)), names, centres
    )
