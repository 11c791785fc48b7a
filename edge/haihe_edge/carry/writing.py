"""The files of a bundle on a stick: each is written beside, synced and renamed, so that one with its name is whole."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

from haihe_contract.bundle import BATCHES_MAX, FILE_BYTES, SUFFIX, BundleWriter, Head, Signature
from haihe_contract.restore import StationState, pack_states
from haihe_contract.wire import BATCH_BYTES_MAX
from msgspec.structs import replace

from haihe_edge.kept import take_place

from .packing import Packed

BESIDE = ".part"
CARD_LEFT_BYTES = 64 * 1024 * 1024
"""On the disk of the journal itself so much is left: the station goes on measuring."""
_END_BYTES = 4096
"""Of a file, for its end, its signature, and what the file system has around it."""
_WORTH_BYTES = 64 * 1024
"""For less no file is begun."""


class StickFull(Exception):
    """There is no room for another file."""


class StickGone(Exception):
    """The folder lies on another disk than when it was begun: the stick was pulled out."""


class FileMade(NamedTuple):
    """A whole file."""

    path: Path
    size: int


class Place:
    """A folder that files are written into.

    Args:
        directory: it.
        card: the folder of the journal.

    Raises:
        OSError: when it cannot be looked at.
    """

    def __init__(self, directory: Path, card: Path) -> None:
        self.directory = directory
        self._device = directory.stat().st_dev
        self.is_card = card.exists() and self._device == card.stat().st_dev
        """Whether it lies on the disk of the journal."""

    def still_there(self) -> None:
        """Nothing, as long as it is.

        Raises:
            StickGone: when it is not.
            OSError: when it cannot be looked at.
        """
        try:
            if self.directory.stat().st_dev == self._device:
                return
        except FileNotFoundError:
            pass
        raise StickGone

    def room(self) -> int:
        """Bytes that may be written.

        Raises:
            StickGone: when it is not there any more.
            OSError: when it cannot be looked at.
        """
        self.still_there()
        found = os.statvfs(self.directory)
        return found.f_bavail * found.f_frsize - (CARD_LEFT_BYTES if self.is_card else 0)

    def free_stem(self, wanted: str) -> str:
        """That beginning of names of files, or one like it that no file has yet."""
        stem, n = wanted, 1
        while any(self.directory.glob(f"{stem}-*")):
            n += 1
            stem = f"{wanted}-{n}"
        return stem


class BundleFiles:
    """One bundle, file after file. What an exception finds unfinished is removed; whole files stay.

    Args:
        place: where.
        stem: of the names of its files.
        head: of its files; the part is counted here.
        signature: of the station.
        states: for its first file.
        file_bytes: another file is begun when one has so many.
    """

    def __init__(
        self,
        place: Place,
        stem: str,
        head: Head,
        signature: Signature,
        states: Sequence[StationState],
        file_bytes: int = FILE_BYTES,
    ) -> None:
        self.made: list[FileMade] = []
        self._place, self._stem, self._head, self._signature = place, stem, head, signature
        self._states = states
        self._file_bytes = file_bytes
        self._most = 0
        self._out: BinaryIO | None = None
        self._writer: BundleWriter | None = None

    def __enter__(self) -> "BundleFiles":
        return self

    def __exit__(self, _kind: type[BaseException] | None, _why: object, _where: TracebackType | None) -> None:
        if self._out is not None:
            with suppress(OSError):  # the same that ended it
                self._out.close()
            with suppress(OSError):
                self._beside.unlink(missing_ok=True)

    def add(self, packed: Packed) -> None:
        """Another batch.

        Raises:
            StickFull: when there is no room for it.
            StickGone: when the stick was pulled out.
            OSError: when the disk refuses.
        """
        if self._writer is not None and not self._takes(self._writer, len(packed.data)):
            self._finish(self._writer, last=False)
        if self._writer is None:
            self._begin(len(packed.data))
        if self._writer is not None:
            self._writer.batch(packed.data, packed.records)

    def close(self) -> None:
        """There are no more.

        Raises:
            StickGone: when the stick was pulled out.
            OSError: when the disk refuses.
        """
        if self._writer is not None:
            self._finish(self._writer, last=True)

    @property
    def _path(self) -> Path:
        return self._place.directory / f"{self._stem}-{self._head.part}{SUFFIX}"

    @property
    def _beside(self) -> Path:
        return self._path.with_name(self._path.name + BESIDE)

    def _takes(self, writer: BundleWriter, size: int) -> bool:
        return writer.batches < BATCHES_MAX and writer.size + size + _END_BYTES <= self._most

    def _begin(self, first_bytes: int) -> None:
        self._most = min(self._file_bytes, self._place.room())
        needed = first_bytes + len(self._head.certificate) + _END_BYTES + _WORTH_BYTES
        if self._states:
            needed += len(pack_states(self._states, BATCH_BYTES_MAX)[0])
        if self._most < needed:
            raise StickFull
        self._out = self._beside.open("wb")
        self._writer = BundleWriter(self._out, self._head, self._signature)
        if self._states:
            self._writer.states(self._states)
            self._states = ()

    def _finish(self, writer: BundleWriter, *, last: bool) -> None:
        if self._out is None:
            return
        writer.close(last=last)
        self._out.close()
        self._place.still_there()
        take_place(self._beside, self._path)
        self.made.append(FileMade(self._path, writer.size))
        self._head = replace(self._head, part=self._head.part + 1)
        self._out = self._writer = None
