"""A small file of the station's own that is there as a whole or not at all: what counters stood at."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

import msgspec

_T = TypeVar("_T")
_BYTES_MAX = 1024 * 1024


class Kept(Generic[_T]):
    """A value that outlives the agent.

    Args:
        path: its file.
        kind: its type, as msgspec knows types.
    """

    def __init__(self, path: Path, kind: type[_T]) -> None:
        self.path = path
        self._kind = kind
        self._last = b""

    def load(self) -> _T | None:
        """What was kept, or None if there is nothing yet.

        Raises:
            ValueError: when the file is damaged; it is set aside, so that the next start finds none.
            OSError: when it cannot be read.
        """
        try:
            return self.look()
        except ValueError:
            self.path.replace(self.path.with_suffix(".damaged"))
            raise

    def look(self) -> _T | None:
        """The same for whoever only reads: a damaged file stays where it is.

        Raises:
            ValueError: when the file is damaged.
            OSError: when it cannot be read.
        """
        if not self.path.exists():
            return None
        with open_file(self.path) as file:
            data = file.read(_BYTES_MAX)
        try:
            return msgspec.json.decode(data, type=self._kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ValueError(f"{self.path.name}: {error}") from None

    def save(self, value: _T) -> bool:
        """Write beside, sync, rename, sync the folder; nothing if it has not changed. Whether it was written.

        Raises:
            OSError: when the disk refuses.
        """
        data = msgspec.json.encode(value)
        if data == self._last:
            return False
        write_whole(self.path, data)
        self._last = data
        return True


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading, and nothing else: a pipe that lies there under its name would never answer.

    Raises:
        OSError: when it cannot be opened, or is no file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "it is a pipe or a device, and no file", str(path))


def write_whole(path: Path, data: bytes) -> None:
    """Write beside and put it in the place of what was there, durably: after a power cut it is one or the other.

    Raises:
        OSError: when the disk refuses.
    """
    beside = path.with_suffix(".new")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _rename(beside, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # what a full disk says names no file
        raise


def take_place(beside: Path, path: Path) -> None:
    """Put a file that was written beside in the place of another, durably.

    Raises:
        OSError: when the disk refuses.
    """
    sync(beside)
    _rename(beside, path)


def _rename(beside: Path, path: Path) -> None:
    beside.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable.

    Raises:
        OSError: when the disk refuses.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
