"""``haihe-edge bundle write``: beside a running agent, which goes first, or from a card whose agent is dead."""

import argparse
import json
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from haihe_contract.bundle import BUNDLE_BYTES, VERSION, BundleRefused, Head, Signature, check_signer
from haihe_contract.clock import SystemClock, beijing, beijing_ms
from haihe_contract.command_line import progress
from haihe_contract.errors import FieldError
from haihe_contract.ranges import EMPTY, RangeSet

from haihe_edge.carry.packing import Packed, packed
from haihe_edge.carry.writing import BundleFiles, FileMade, Place, StickFull, StickGone
from haihe_edge.clock.trust import BUILT_MS
from haihe_edge.forward.held import Held
from haihe_edge.journal.segment import Frame, Segment
from haihe_edge.site import Centre, Site, load_site
from haihe_edge.talk import OK, WRONG, Talk

from .journals import no_journal, unreadable
from .standing import Told, standing, station_of

_NICE = 10
"""Measuring goes before carrying."""


class _Signing(NamedTuple):
    centre: Centre
    signature: Signature


class Fault(NamedTuple):
    """What ended the writing, and what to do."""

    what: str
    do: str


class _Bundle:
    """What became of the bundle for one centre."""

    def __init__(self, centre: str) -> None:
        self.centre = centre
        self.files: list[FileMade] = []
        self.lines: dict[int, RangeSet] = {}
        self.held = 0
        self.unread = 0
        self.left = 0
        self.fault: Fault | None = None
        self._times: list[int] = []
        self._pending: list[Packed] = []

    def take(self, whole: Sequence[FileMade], each: Packed | None = None) -> None:
        """These files are whole, and that batch is in the next one; what it is of counts once that is whole, too."""
        if len(whole) > len(self.files):
            self.files = list(whole)
            for done in self._pending:
                self.lines[done.line] = self.lines.get(done.line, EMPTY) | done.numbers
                self._times += [ms for ms in (done.first_ms, done.last_ms) if ms >= BUILT_MS]
            self._pending = []
            self._times = [min(self._times), max(self._times)] if self._times else []
        if each is not None:
            self._pending.append(each._replace(data=b""))

    @property
    def records(self) -> int:
        return sum(numbers.count() for numbers in self.lines.values())

    @property
    def from_ms(self) -> int | None:
        return self._times[0] if self._times else None

    @property
    def to_ms(self) -> int | None:
        return self._times[-1] if self._times else None

    def said(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "centre": self.centre,
            "files": [{"file": str(each.path), "bytes": each.size} for each in self.files],
            "bytes": sum(each.size for each in self.files),
            "records": self.records,
            "held": self.held,
            "unread": self.unread,
            "left": self.left,
            "lines": [
                {"line": f"{line:016x}", "first": numbers.first, "last": numbers.last, "records": numbers.count()}
                for line, numbers in self.lines.items()
            ],
            "from_ms": self.from_ms,
            "to_ms": self.to_ms,
            "what": self.fault.what if self.fault else None,
            "do": self.fault.do if self.fault else None,
        }


def write(talk: Talk, arguments: argparse.Namespace) -> int:
    """Exit 1 when not everything that was wanted is in whole files, or a file of the journal cannot be read."""
    try:
        begin, end = (None if text is None else beijing_ms(text) for text in (arguments.begin, arguments.end))
    except ValueError as error:
        return talk.wrongly(talk.told(str(error)))
    site = load_site(arguments.site, arguments.profiles)
    signing = [_Signing(centre, _signature(centre)) for centre in _centres(site, arguments.centre)]
    with suppress(OSError):
        os.nice(_NICE)
    directory = arguments.journal or site.journal.directory
    place = _place(arguments.to, directory)
    told = _told(site, directory)
    if not talk.json:
        _warn(talk, site, told, place, signing)
    bundles = []
    for each in signing:
        bundles.append(_written(talk, arguments, site, told, place, each, _chosen(begin, end)))
        if bundles[-1].fault is not None:
            break
    return _tell(talk, site, told, place, bundles)


def _centres(site: Site, name: str | None) -> list[Centre]:
    """Whom for.

    Raises:
        FieldError: when there is none.
    """
    if name is not None:
        chosen = [centre for centre in site.centres if centre.name == name]
    else:
        chosen = [centre for centre in site.centres if centre.required]
    if chosen:
        return chosen
    known = ", ".join(centre.name for centre in site.centres)
    if name is not None:
        raise FieldError(
            f"the site file names no centre {name}", where=str(site.file), do=f"one of: {known}" if known else ""
        )
    raise FieldError(
        "the site file names no centre whose receipts are required",
        where=str(site.file),
        do=f"name one with --centre: {known}" if known else "add centres: to it",
    )


def _signature(centre: Centre) -> Signature:
    """The station's key for that centre.

    Raises:
        FieldError: when it cannot be used.
    """
    try:
        return Signature(centre.certificate.read_bytes(), centre.key.read_bytes())
    except OSError as error:
        raise FieldError(
            f"the station's key cannot be read: {error.strerror or error}",
            where=str(error.filename or centre.key),
            do="use sudo, or bring the keys that the site file names",
        ) from None
    except (ValueError, TypeError) as error:
        raise FieldError(
            f"the station's key cannot be used: {error}",
            where=str(centre.key),
            do="have both made again at the centre: haihe-cloud pki station CODE",
        ) from None


def _told(site: Site, directory: Path) -> Told:
    """What is known, and what the journal holds.

    Raises:
        FieldError: when there is no journal, or it is that of another station.
    """
    try:
        told = standing(site, directory)
    except OSError as error:
        raise unreadable(directory, error) from None
    if not told.look.segments and not told.look.passed:
        raise no_journal(directory)
    whose = station_of(told.look) if directory != site.journal.directory else None
    if whose is not None and whose != site.station.code:
        raise FieldError(
            f"this is the journal of station {whose}, and the site file is that of {site.station.code}",
            where=str(directory),
            do="name the site file of that station",
        )
    return told


def _place(directory: Path, journal: Path) -> Place:
    """Where to.

    Raises:
        FieldError: when that is no folder.
    """
    do = "mount the stick, and name its folder: lsblk -o NAME,LABEL,SIZE,MOUNTPOINT"
    try:
        if directory.is_dir():
            return Place(directory, journal)
    except OSError as error:
        raise FieldError(f"the stick cannot be used: {error.strerror or error}", where=str(directory), do=do) from None
    raise FieldError("there is no such folder", where=str(directory), do=do)


def _warn(talk: Talk, site: Site, told: Told, place: Place, signing: list[_Signing]) -> None:
    if place.is_card:
        talk.worry(talk.say("{dir} lies on the same disk as the journal: copy the files away", dir=place.directory))
    if not told.durable:
        talk.worry(talk.say("the disk refuses what was measured last: it is not in the bundle"))
    for each in told.look.passed:
        talk.worry(f"{each.name}: {talk.say(each.why)}")
    for centre, signature in signing:
        head = _head(site, told, centre, signature)
        try:
            check_signer(head, centre.ca.read_bytes(), SystemClock().now_ms())
        except (OSError, ValueError):
            pass  # the centre knows better
        except BundleRefused as error:
            why = talk.told(str(error))
            talk.worry(talk.say("centre {name} may refuse what this key signs: {why}", name=centre.name, why=why))


def _head(site: Site, told: Told, centre: Centre, signature: Signature) -> Head:
    bundle = secrets.token_bytes(BUNDLE_BYTES)
    return Head(VERSION, site.station.code, centre.name, bundle, 1, told.time_ms, told.grade, signature.certificate)


def _chosen(begin: int | None, end: int | None) -> Callable[[Frame], bool]:
    """By when it was recorded: what an instrument's memory brought later belongs to the day on which it came."""

    def chosen(frame: Frame) -> bool:
        return frame.time_ms < BUILT_MS or (begin or 0) <= frame.time_ms < (end or frame.time_ms + 1)

    return chosen


def _written(
    talk: Talk,
    arguments: argparse.Namespace,
    site: Site,
    told: Told,
    place: Place,
    signing: _Signing,
    chosen: Callable[[Frame], bool],
) -> _Bundle:
    """The bundle for one centre, as far as it came."""
    centre, signature = signing
    look, bundle = told.look, _Bundle(centre.name)
    directory = arguments.journal or site.journal.directory
    receipts = directory / f"receipts-{centre.name}"
    known = Held(None if arguments.all else receipts)
    bundle.held = known.count(look.extents())
    left: list[tuple[int, RangeSet]] = []

    def done(segment: Segment, missed: RangeSet) -> None:
        if look.has(segment):
            bundle.unread += missed.count()
        else:
            left.append((segment.line, missed))
        progress(talk.say("file {n} of {all}", n=look.segments.index(segment) + 1, all=len(look.segments)))

    moment = beijing(SystemClock().now_ms()).replace("-", "").replace(":", "").replace(" ", "T")
    code, states = site.station.code, told.states
    try:
        stem = place.free_stem(f"{code}-{centre.name}-{moment}")
        with BundleFiles(place, stem, _head(site, told, centre, signature), signature, states) as files:
            try:
                for each in packed(look, code, known.lines, chosen, done):
                    files.add(each)
                    bundle.take(files.made, each)
                files.close()
            finally:
                bundle.take(files.made)
                progress("")
    except StickFull:
        bundle.fault = Fault("the stick is full", _go_on(bundle))
    except StickGone:
        bundle.fault = Fault("the stick was pulled out", _go_on(bundle))
    except OSError as error:
        what = f"the stick refuses to be written: {error.strerror or error}"
        bundle.fault = Fault(what, _go_on(bundle))
    held = Held(receipts)
    bundle.left = sum((numbers - held.of(line)).count() for line, numbers in left)
    return bundle


def _go_on(bundle: _Bundle) -> str:
    if bundle.to_ms is None:
        return "take another stick, and begin again"
    return f'carry on with another stick: the same command with --from "{beijing(bundle.to_ms)}"'


def _tell(talk: Talk, site: Site, told: Told, place: Place, bundles: list[_Bundle]) -> int:
    good = not told.look.passed and all(not (bundle.fault or bundle.unread or bundle.left) for bundle in bundles)
    if talk.json:
        said = {
            "station": site.station.code,
            "directory": str(place.directory),
            "running": told.running,
            "bundles": [bundle.said() for bundle in bundles],
            "unusable": [each._asdict() for each in told.look.passed],
            "ok": good,
        }
        talk.line(json.dumps(said, ensure_ascii=False))
        return OK if good else WRONG
    for bundle in bundles:
        _tell_one(talk, bundle)
    names = [each.path.name for bundle in bundles for each in bundle.files]
    if names:
        talk.line(talk.say("now unmount the stick; at the centre: haihe-cloud bundle import FILE ..."))
        talk.line(talk.say("what it writes comes back here: haihe-edge bundle receipts FILE ..."))
    if not good:
        return talk.verdict(talk.say("not everything is on the stick, see above"), good=False)
    if not names:
        return talk.verdict(talk.say("there is nothing to carry; --all writes what is here all the same"), good=True)
    return talk.verdict(talk.say("everything that was asked for is on the stick"), good=True)


def _tell_one(talk: Talk, bundle: _Bundle) -> None:
    for each in bundle.files:
        talk.line(f"{each.path}  {each.size / 1e6:.2f} MB")
    talk.line(
        talk.say(
            "for {name}: {n} records, {begin} to {end}, {mb} MB; it has given receipts for {held} more",
            name=bundle.centre,
            n=bundle.records,
            begin=beijing(bundle.from_ms) if bundle.from_ms is not None else "—",
            end=beijing(bundle.to_ms) if bundle.to_ms is not None else "—",
            mb=f"{sum(each.size for each in bundle.files) / 1e6:.2f}",
            held=bundle.held,
        )
    )
    if bundle.unread:
        talk.worry(talk.say("{n} records cannot be read from the journal's files any more", n=bundle.unread))
    if bundle.left:
        talk.worry(
            talk.say(
                "{n} records left the card while this was written; another bundle has what stands for them",
                n=bundle.left,
            )
        )
    if bundle.fault is not None:
        talk.worry(f"{talk.told(bundle.fault.what)}; {talk.told(bundle.fault.do)}")
