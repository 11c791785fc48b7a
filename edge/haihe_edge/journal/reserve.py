"""Bytes kept back on the disk, so that what must be said about a full disk can still be written."""

from contextlib import suppress

from .disk import Disk

RESERVE_BYTES = 64 * 1024
_NAME = "reserve"
_FREE_AGAIN = 2
"""It is filled again once the file system has so many times its size left."""


class Reserve:
    """A file of zeros that is given up when the disk is full, and made again when there is room."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.bytes_used = 0
        self._refused = False

    def use(self) -> None:
        """Give the space back to the file system.

        Raises:
            OSError: when the disk refuses.
        """
        self._disk.unlink(_NAME)
        self._disk.sync()
        self.bytes_used = 0

    def keep(self) -> None:
        """Fill it, if it is not there and there is room. A disk that refuses that once is not asked again."""
        if self.bytes_used or self._refused:
            return
        try:
            self._fill()
        except OSError:
            self._refused = True
            with suppress(OSError):
                self._disk.unlink(_NAME)

    def _fill(self) -> None:
        if _NAME in self._disk.names():
            self.bytes_used = self._disk.size(_NAME)
            if self.bytes_used == RESERVE_BYTES:
                return
            self._disk.unlink(_NAME)
            self.bytes_used = 0
        if self._disk.free_bytes() < _FREE_AGAIN * RESERVE_BYTES:
            return
        file = self._disk.create(_NAME)
        try:
            file.write(bytes(RESERVE_BYTES))
            file.sync()
        finally:
            file.close()
        self._disk.sync()
        self.bytes_used = RESERVE_BYTES
