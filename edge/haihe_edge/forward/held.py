"""What one centre says it holds: receipts added up within an epoch, kept over a restart."""

import math
import struct
import threading
import zlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
from haihe_contract.ranges import EMPTY, Range, RangeSet
from haihe_contract.receipt import Receipt, ReceiptRefused

from haihe_edge.kept import open_file, write_whole

from .port import Extent


class _Saved(msgspec.Struct, array_like=True):
    epoch: int
    lines: dict[int, list[Range]]


_NOWHERE = (0, 0)
_decoder = msgspec.msgpack.Decoder(_Saved, strict=False)
_CRC = struct.Struct("<I")
_BYTES_MAX = 16 * 1024 * 1024


class Held:
    """Numbers per line that need not be sent to this centre again.

    A higher epoch voids all that was known, because that centre was restored from a backup; a lower one is an
    old message and is ignored.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.epoch = 0
        self.lines: dict[int, RangeSet] = {}
        self._path = path
        self._saved = True
        self._asked: dict[int, RangeSet] = {}
        self._asked_ms = 0.0
        self._asked_at = _NOWHERE
        self._epoch_saved = True
        self._saving = threading.Lock()  # a thread saves now and then, while the event loop takes receipts
        if path is not None:
            try:
                saved = _decoder.decode(_whole(path))
                self.lines = {line: RangeSet(ranges) for line, ranges in saved.lines.items()}
                self.epoch = saved.epoch
            except (OSError, msgspec.DecodeError, ValueError):
                self.lines = {}  # only means that some records are sent once more

    def of(self, line: int) -> RangeSet:
        """What is held of one line."""
        return self.lines.get(line, EMPTY)

    def count(self, here: Iterable[Extent]) -> int:
        """How many of these numbers are held."""
        return sum((extent.numbers & self.of(extent.line)).count() for extent in here)

    def must_be_current(self, receipt: Receipt) -> None:
        """Refuse what :meth:`take` would pass over.

        Raises:
            ReceiptRefused: when it is of an epoch that has ended.
        """
        if receipt.epoch < self.epoch:
            raise ReceiptRefused("it is older than those that are kept here")

    def take(self, receipt: Receipt, newest: tuple[int, int] = _NOWHERE) -> bool:
        """Add a receipt. Returns whether anything that was held became void.

        What the centre asks for is not held any more, whatever it said before: only a later receipt settles it.
        Later is one that states a record that was not there yet when the asking came, whatever the centre's clock
        says; and one that was issued later, as long as that clock is not known to have gone back.

        Args:
            receipt: verified.
            newest: the line that the station writes, and its newest durable number.

        Raises:
            OSError: when it begins a new epoch and the disk refuses. What was held is void then, and the receipt is
                not taken: after a power cut the old epoch would be back, and with it receipts for what is gone.
        """
        if receipt.epoch < self.epoch:
            return False
        voided = receipt.epoch > self.epoch and bool(self.lines)
        if receipt.epoch > self.epoch or not self._epoch_saved:
            with self._saving:
                if receipt.epoch > self.epoch:
                    self.epoch, self.lines, self._saved = receipt.epoch, {}, False
                    self._asked, self._asked_ms, self._asked_at = {}, 0.0, _NOWHERE
                self._epoch_saved = self._path is None
            self.save()
        settled = receipt.settled()
        line, number = self._asked_at
        states_newer = line in settled and bool(settled[line]) and settled[line].last > number
        went_back = receipt.issued_ms < self._asked_ms
        outdated = went_back and not states_newer
        if went_back and states_newer:
            self._asked_ms = math.inf
        wanted = {} if outdated else receipt.asked_for()
        if wanted:
            self._asked_ms, self._asked_at = max(self._asked_ms, receipt.issued_ms), newest
        if not outdated:  # what was asked for before stays asked for: a receipt names only some of it
            asked = ((line, self._asked.get(line, EMPTY)) for line in self._asked.keys() | wanted.keys())
            left = {line: (was - settled.get(line, EMPTY)) | wanted.get(line, EMPTY) for line, was in asked}
            self._asked = {line: numbers for line, numbers in left.items() if numbers}
        for line in settled.keys() | (wanted.keys() & self.lines.keys()):
            before = self.of(line)
            unsettled = self._asked.get(line, EMPTY) if outdated else EMPTY
            after = before | (settled.get(line, EMPTY) - unsettled)
            after = after - wanted.get(line, EMPTY)
            if after != before:
                self.lines[line] = after
                self._saved = False
        return voided

    def keep_only(self, lines: set[int]) -> None:
        """Forget lines of which the journal has nothing left."""
        for line in [line for line in self.lines if line not in lines]:
            del self.lines[line]
            self._saved = False

    def save(self) -> None:
        """Write beside, sync, rename: losing this file only costs repetitions, an older one of the same epoch too.

        Raises:
            OSError: when the disk refuses.
        """
        with self._saving:
            if self._saved or self._path is None:
                return
            self._saved = True  # what is taken from here on is for the next time
            lines = dict(self.lines)  # in one step: the event loop may add to it
            data = msgspec.msgpack.encode(_Saved(self.epoch, {k: list(v.ranges) for k, v in lines.items()}))
            try:
                write_whole(self._path, data + _CRC.pack(zlib.crc32(data)))
            except OSError:
                self._saved = False
                raise
            self._epoch_saved = True


def _whole(path: Path) -> bytes:
    """What was saved. One changed bit could make an epoch that no receipt reaches, or name what no centre holds.

    Raises:
        OSError: when it cannot be read.
        ValueError: when it is not what was written.
    """
    with open_file(path) as file:
        data = file.read(_BYTES_MAX)
    saved = data[: -_CRC.size]
    if data[len(saved) :] != _CRC.pack(zlib.crc32(saved)):
        raise ValueError(path.name)
    return saved
