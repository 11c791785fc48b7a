"""``haihe-cloud bundle``: take in what was carried by hand, write receipts for the way back, look at bundles."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from haihe_contract.bundle import RECEIPTS_MAX, RECEIPTS_SUFFIX, BundleFile, BundleRefused, write_receipts
from haihe_contract.clock import Clock, beijing
from haihe_contract.command_line import progress
from haihe_contract.errors import FieldError
from haihe_contract.ranges import RangeSet
from haihe_contract.receipt import sign
from haihe_contract.table import table

from haihe_cloud.admit.files import write
from haihe_cloud.admit.pki import load_receipt_key
from haihe_cloud.admit.registry import Registry
from haihe_cloud.database import Database
from haihe_cloud.ingest.beside import NOT_REGISTERED
from haihe_cloud.ingest.bundle import Named, outcome, read_signed
from haihe_cloud.ledger.arrival import LineState
from haihe_cloud.ledger.book import Book
from haihe_cloud.ledger.carried import Carried, Waiting
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.ledger.packed import line_text
from haihe_cloud.limits import CARRIED_BYTES
from haihe_cloud.opening import open_database
from haihe_cloud.settings import Settings

from .output import GOOD, WRONG, Answer
from .words import Sentences

Facts = dict[str, Any]
"""What ``--json`` prints of a file, a station or a line."""
NOT_HANDED_OVER = "the centre takes nothing now"
_LOOK_EVERY_S = 0.2


def add_parser(
    top: "argparse._SubParsersAction[argparse.ArgumentParser]", of_centre: argparse.ArgumentParser, words: Sentences
) -> None:
    """The group of commands."""
    group = top.add_parser("bundle", help=words("what was carried here by hand"))
    kinds = group.add_subparsers(dest="what", required=True)
    load = kinds.add_parser(
        "import", parents=[of_centre], help=words("take bundles in, and write receipts for the way back")
    )
    look = kinds.add_parser("show", parents=[of_centre], help=words("whose bundles these are, and what is in them"))
    for each in (load, look):
        each.add_argument("file", type=Path, nargs="+", metavar="FILE", help=words("files of bundles"))
    load.add_argument(
        "--receipts", type=Path, metavar="DIR", help=words("where to write the receipts; else beside the bundle")
    )
    load.add_argument(
        "--wait",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help=words("how long to wait while the running centre takes nothing (60)"),
    )


def act(asked: argparse.Namespace, settings: Settings, clock: Clock, words: Sentences) -> Answer:
    """Run the command that was asked for.

    Raises:
        FieldError: when it cannot be done.
        DatabaseAway: when the database is away; what was handed over until then is taken all the same.
    """
    if asked.what == "show":
        return show(asked.file, settings, clock, words)
    database = open_database(settings)
    try:
        load = Import(settings, database, clock, words, wait_s=asked.wait, receipts=asked.receipts)
        return asyncio.run(load.run(asked.file))
    finally:
        database.close()


class _Station(NamedTuple):
    """One station while its bundles are taken in: what they name, what was held before, where its receipts go."""

    named: Named
    before: list[LineState]
    directory: Path


class Import:
    """One call of ``haihe-cloud bundle import``.

    Args:
        settings: of the centre.
        database: in which its worker finds what was carried.
        clock: wall time, and pauses.
        words: for people.
        wait_s: how long to wait while the centre takes nothing.
        receipts: where to write the receipts, None for beside the bundles.

    Raises:
        FieldError: when the authority or the receipt key cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        words: Sentences,
        *,
        wait_s: float,
        receipts: Path | None,
    ) -> None:
        self._authority = read_authority(settings)
        self._receipt_key = load_receipt_key(Path(settings.receipt_key))
        self._registry = Registry(database)
        self._ledger = Ledger(database, centre=settings.centre, clock=clock)
        self._book = Book(database, self._ledger)
        self._queue = Carried(database)
        self._clock = clock
        self._words = words
        self._wait_s = wait_s
        self._directory = receipts
        self._stations: dict[str, _Station] = {}

    async def run(self, paths: Sequence[Path]) -> Answer:
        """Hand every good file to the running centre, wait until it has taken them, write the receipts."""
        files: list[Facts] = []
        stands_still = False
        try:
            for n, path in enumerate(paths, start=1):
                progress(self._words("file {n} of {all}", n=n, all=len(paths)))
                found, why = (None, NOT_HANDED_OVER) if stands_still else self._read(path)
                if found is not None and not why and not await self._hand_over(found, path.parent):
                    stands_still, why = True, NOT_HANDED_OVER
                files.append(file_facts(path, found, why))
            waiting = await self._until(lambda waiting: not waiting.batches)
        except asyncio.CancelledError:
            progress("")
            said = self._words("what was handed over is taken all the same; import again for the receipts")
            sys.stderr.write(said + "\n")
            raise
        progress("")
        stations = [self._became(code, each, waiting) for code, each in self._stations.items()]
        notes = [*other_centres(files, self._ledger.centre, self._words), *missing_parts(files, self._words)]
        return answer(files, stations, waiting, notes, self._words)

    def _read(self, path: Path) -> tuple[BundleFile | None, str]:
        found, why = read_file(path, self._authority, self._clock)
        if found is not None and self._registry.get(found.head.station) is None:
            why = NOT_REGISTERED
        return found, why

    async def _hand_over(self, file: BundleFile, directory: Path) -> bool:
        """Put the batches into the queue once there is room; False when the centre makes none."""
        size = sum(map(len, file.batches))
        waiting = await self._until(lambda waiting: not waiting.batches or waiting.size + size <= CARRIED_BYTES)
        if waiting.batches and waiting.size + size > CARRIED_BYTES:
            return False
        code = file.head.station
        if code not in self._stations:
            self._stations[code] = _Station(Named(code), self._book.all_lines(code), directory)
        self._stations[code].named.note(file.batches)
        self._queue.put(code, file.batches)
        return True

    async def _until(self, holds: Callable[[Waiting], bool]) -> Waiting:
        """Wait until it holds of what waits, as long as that becomes less now and then; what waits then."""
        waiting, since_ms = self._queue.waiting(), self._clock.monotonic_ms()
        while not holds(waiting) and self._clock.monotonic_ms() - since_ms < self._wait_s * 1000:
            progress(self._words("{mb:.1f} MB wait for the centre", mb=waiting.size / 1e6))
            await self._clock.sleep(_LOOK_EVERY_S)
            before, waiting = waiting, self._queue.waiting()
            if waiting.batches < before.batches:
                since_ms = self._clock.monotonic_ms()
        return waiting

    def _became(self, code: str, station: _Station, waiting: Waiting) -> Facts:
        """What became of one station's records; its receipts are written, unless some of it still waits."""
        became = outcome(station.named.numbers(), station.before, self._book.all_lines(code))
        unread = [{"why": why, "batches": count} for why, count in station.named.unread.items()]
        path, fault = None, ""
        # A centre that was restored without a word learns so when it starts, before it takes anything: until it has
        # taken what was handed over, nothing is stated.
        if station.named.batches and not waiting.batches:
            path = (self._directory or station.directory) / f"{code}-{self._ledger.centre}{RECEIPTS_SUFFIX}"
            try:
                write(path, write_receipts(self._receipts(code)))
            except FieldError as error:
                path, fault = None, f"{error.where}: {error.what}"
        receipts = str(path) if path else None
        return {"station": code, **became._asdict(), "unread": unread, "receipts": receipts, "fault": fault}

    def _receipts(self, station: str) -> Iterable[bytes]:
        for receipt in islice(self._ledger.receipts_of_all(station), RECEIPTS_MAX):
            yield sign(receipt, self._receipt_key)


def read_authority(settings: Settings) -> bytes:
    """The certificates of the authority that has signed those of the stations.

    Raises:
        FieldError: when there is none.
    """
    path = Path(settings.broker.ca)
    try:
        authority = path.read_bytes()
        x509.load_pem_x509_certificates(authority)
    except OSError as error:
        raise FieldError(
            f"a certificate cannot be read: {error.strerror}", where=str(path), do="haihe-cloud pki init makes one"
        ) from None
    except ValueError:
        raise FieldError("this is no certificate in PEM form", where=str(path)) from None
    return authority


def read_file(path: Path, authority: bytes, clock: Clock) -> tuple[BundleFile | None, str]:
    """A file that its station has signed, or why it is refused."""
    try:
        return read_signed(path, authority, clock.now_ms()), ""
    except BundleRefused as error:
        return None, str(error)
    except OSError as error:
        return None, f"cannot be read: {error.strerror}"


def file_facts(path: Path, found: BundleFile | None, why: str) -> Facts:
    """What a file says of itself, and why it is refused."""
    head, end = (found.head, found.end) if found else (None, None)
    return {
        "file": str(path),
        "why": why,
        "station": head.station if head else "",
        "centre": head.centre if head else "",
        "bundle": head.bundle.hex() if head else "",
        "part": head.part if head else None,
        "last": end.last if end else None,
        "made_ms": head.made_ms if head and head.grade else None,
        "batches": end.batches if end else None,
        "records": end.records if end else None,
        "states": len(found.states) if found else None,
    }


def other_centres(files: Iterable[Facts], centre: str, words: Sentences) -> Iterator[str]:
    """Says which bundles were made for another centre: they are taken, and may lack what that one holds."""
    for other in sorted({each["centre"] for each in files if each["centre"]} - {centre}):
        yield words("made for centre {name}: what that one holds may be missing in it", name=other)


def missing_parts(files: Iterable[Facts], words: Sentences) -> Iterator[str]:
    """Says which files of a bundle are not among those that were taken."""
    bundles: dict[tuple[str, str], dict[int, bool]] = {}
    for each in files:
        if each["station"] and not each["why"]:
            bundles.setdefault((each["station"], each["bundle"]), {})[each["part"]] = each["last"]
    for (station, _), parts in bundles.items():
        end = max(parts)
        holes = RangeSet.of((1, end)) - RangeSet.from_numbers(parts)  # whatever part a file says that it is
        gone = [str(first) if first == last else f"{first}-{last}" for first, last in holes.ranges]
        gone += [] if parts[end] else [f"{end + 1}…"]
        if gone:
            yield words(
                "station {station}: part {parts} was not among the files", station=station, parts=", ".join(gone)
            )


def answer(
    files: Sequence[Facts], stations: Sequence[Facts], waiting: Waiting, notes: Iterable[str], words: Sentences
) -> Answer:
    """What became of an import."""
    text = [files_table(files, words), ""]
    if stations:
        heads = [words(head) for head in ("station", "records", "new", "here already", "refused", "not taken")]
        columns = ("station", "records", "new", "here", "refused", "left")
        rows = [[each[column] for column in columns] for each in stations]
        text += [table(heads, rows, right=range(1, len(columns))), ""]
    for each in stations:
        text += [words("{n} batches: {why}", n=e["batches"], why=words.retell(e["why"])) for e in each["unread"]]
        if each["fault"]:
            text.append(words("the receipts are not written: {why}", why=words.retell(each["fault"])))
        elif each["receipts"]:
            text.append(words("back to the station  haihe-edge bundle receipts {path}", path=each["receipts"]))
    text += [*notes, _verdict(files, stations, waiting, words)]
    bad = waiting.batches or any(each["why"] for each in files)
    bad = bad or any(each["refused"] or each["left"] or each["unread"] or each["fault"] for each in stations)
    data = {"files": files, "stations": stations, "waiting": waiting.batches}
    return Answer(data, "\n".join(text), WRONG if bad else GOOD)


def _verdict(files: Sequence[Facts], stations: Sequence[Facts], waiting: Waiting, words: Sentences) -> str:
    refused = sum(1 for each in files if each["why"])
    if waiting.batches:
        return words(
            "{n} batches still wait: the centre takes them when it runs; then import again for the receipts",
            n=waiting.batches,
        )
    if any(each["refused"] or each["unread"] for each in stations):
        return words("what was refused is in quarantine: haihe-cloud quarantine list says why")
    if left := sum(each["left"] for each in stations):
        return words("{n} records were not taken: haihe-cloud quarantine list says why, or import again later", n=left)
    if refused:
        return words("{n} of {all} files are refused", n=refused, all=len(files))
    new = sum(each["new"] for each in stations)
    return words("all is in: {n} records are new", n=new) if new else words("all of it was here already")


def files_table(files: Sequence[Facts], words: Sentences) -> str:
    """One row a file, those that are refused with the reason."""
    heads = [words(head) for head in ("file", "station", "made", "part", "records", "")]
    rows = [
        (
            Path(each["file"]).name,
            each["station"] or "-",
            beijing(each["made_ms"]) if each["made_ms"] is not None else "-",
            "-" if each["part"] is None else each["part"],
            "-" if each["records"] is None else each["records"],
            words("refused: {why}", why=words.retell(each["why"])) if each["why"] else "",
        )
        for each in files
    ]
    return table(heads, rows, right=[3, 4])


def show(paths: Sequence[Path], settings: Settings, clock: Clock, words: Sentences) -> Answer:
    """Whose bundles these are, whether they are believed here, and which numbers they name.

    Raises:
        FieldError: when the authority cannot be read.
    """
    authority = read_authority(settings)
    files: list[Facts] = []
    stations: dict[str, Named] = {}
    for n, path in enumerate(paths, start=1):
        progress(words("file {n} of {all}", n=n, all=len(paths)))
        found, why = read_file(path, authority, clock)
        files.append(file_facts(path, found, why))
        if found:
            stations.setdefault(found.head.station, Named(found.head.station)).note(found.batches)
    progress("")
    lines = [
        {"station": code, "line": line_text(line), "numbers": numbers.ranges}
        for code, named in stations.items()
        for line, numbers in named.numbers().items()
    ]
    rows = [
        (code, line_text(line)[:8], numbers.first, numbers.last, numbers.count(), len(numbers.ranges))
        for code, named in stations.items()
        for line, numbers in named.numbers().items()
        if numbers
    ]
    heads = [words(head) for head in ("station", "line", "first number", "last number", "records", "ranges")]
    refused = sum(1 for each in files if each["why"])
    verdict = (
        words("{n} of {all} files are refused", n=refused, all=len(files))
        if refused
        else words("all files are signed by their stations")
    )
    text = [files_table(files, words), "", *([table(heads, rows, right=range(2, 6)), ""] if rows else []), verdict]
    return Answer({"files": files, "lines": lines}, "\n".join(text), WRONG if refused else GOOD)
