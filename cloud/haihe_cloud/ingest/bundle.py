"""A bundle at the centre: whether it is believed, and what became of what it names."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from haihe_contract import topic
from haihe_contract.bundle import BundleFile, bytes_of, check_signer, read_bundle
from haihe_contract.ranges import EMPTY, Range, RangeSet
from haihe_contract.record import LANE_BACKLOG
from haihe_contract.wire import Envelope

from haihe_cloud.ledger.arrival import LineState

from .admit import Quarantine, address


def read_file(path: Path) -> BundleFile:
    """Read a file and check its signature, whoever has signed it; a bounded number of bytes.

    Raises:
        BundleRefused: when it is no bundle that can be believed.
        OSError: when it cannot be read.
    """
    return read_bundle(bytes_of(path))


def read_signed(path: Path, authority: bytes, now_ms: int) -> BundleFile:
    """The same, and that its signer is its station, by the authority.

    Raises:
        BundleRefused: when it is no bundle that can be believed.
        OSError: when it cannot be read.
    """
    found = read_file(path)
    check_signer(found.head, authority, now_ms)
    return found


class Named:
    """The numbers that batches of one station name, as far as they may."""

    def __init__(self, station: str) -> None:
        self.station = station
        self.unread: dict[str, int] = {}
        """Why batches name none, and how many; those go to quarantine."""
        self.batches = 0
        self._ranges: dict[int, list[Range]] = {}

    def note(self, batches: Iterable[bytes]) -> None:
        """Add what these name, without opening them."""
        way = topic.up(self.station, LANE_BACKLOG)
        for data in batches:
            self.batches += 1
            said = address(way, data, {self.station})
            if isinstance(said, Envelope):
                if not said.volatile:  # no ledger is kept of those
                    self._ranges.setdefault(said.line, []).extend(said.numbers.ranges)
            elif isinstance(said, Quarantine):
                self.unread[said.reason] = self.unread.get(said.reason, 0) + 1

    def numbers(self) -> dict[int, RangeSet]:
        """By line."""
        return {line: RangeSet(ranges) for line, ranges in self._ranges.items()}


class Outcome(NamedTuple):
    """What became of records that a bundle names.

    Args:
        records: how many there are.
        new: of these, held now and not before.
        here: held before.
        refused: in quarantine, their numbers booked.
        left: neither.
    """

    records: int
    new: int
    here: int
    refused: int
    left: int


def outcome(named: dict[int, RangeSet], before: Sequence[LineState], after: Sequence[LineState]) -> Outcome:
    """Compare what is named with the ledger before and after it was taken."""
    held_before = {line.line: line.held for line in before}
    lines = {line.line: line for line in after}
    records = new = here = refused = 0
    for line, numbers in named.items():
        records += numbers.count()
        now = lines.get(line)
        if now is None:
            continue
        held = numbers & now.held
        known = (held & held_before.get(line, EMPTY)).count()
        here += known
        new += held.count() - known
        refused += (numbers & now.refused).count()
    return Outcome(records, new, here, refused, records - new - here - refused)
