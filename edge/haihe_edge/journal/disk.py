"""What the journal needs of a disk: one folder of files that are made, appended to, synced, read and removed.

Everything that can fail for outside reasons fails here, so that a simulated disk can lose, tear and refuse what a
real one would.
"""

import errno
import fcntl
import os
from pathlib import Path
from typing import BinaryIO, Protocol

from haihe_contract.errors import FieldError

from haihe_edge.kept import open_file, sync


def shown(name: str) -> str:
    """The name of a file for people: a damaged folder may hold names that are no text."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


class Appending(Protocol):
    """A file that is written at its end, a new one from its beginning."""

    def write(self, data: bytes) -> None:
        """Append all of it; durable only after :meth:`sync`.

        Raises:
            OSError: when the disk refuses; nobody knows then how much of it is in the file.
        """
        ...

    def sync(self) -> None:
        """Make everything written durable.

        Raises:
            OSError: when the disk refuses; nobody knows then what is durable.
        """
        ...

    def close(self) -> None:
        """Let go of the file; nothing is made durable by it."""
        ...


class Disk(Protocol):
    """The folder of one journal. Names are those of files in it. Every method may raise OSError."""

    def where(self, name: str = "") -> str:
        """The folder, or a file in it, for people."""
        ...

    def take(self) -> None:
        """Make the folder if it is not there, and take it for this process until :meth:`leave`.

        Raises:
            FieldError: when another process has it.
        """
        ...

    def leave(self) -> None:
        """Let others have the folder."""
        ...

    def names(self) -> list[str]:
        """All files, sorted."""
        ...

    def size(self, name: str) -> int:
        """Bytes of a file."""
        ...

    def free_bytes(self) -> int:
        """What the file system has left for us."""
        ...

    def create(self, name: str) -> Appending:
        """Make a new file; its name is durable only after :meth:`sync`. FileExistsError when there is one."""
        ...

    def extend(self, name: str) -> Appending:
        """Open a file to append to what it has."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        ...

    def settle(self, name: str) -> None:
        """Make durable what another agent wrote to a file and perhaps did not sync before it ended."""
        ...

    def rename(self, name: str, new: str) -> None:
        """Give a file another name, taking the place of one that has it."""
        ...

    def unlink(self, name: str) -> None:
        """Remove a file; no error when there is none."""
        ...

    def protect(self, name: str) -> None:
        """Nobody writes to that file any more."""
        ...

    def sync(self) -> None:
        """Make new, changed and removed names durable."""
        ...


class _File:
    def __init__(self, path: Path, flags: int) -> None:
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | flags, 0o640)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def sync(self) -> None:
        os.fdatasync(self._fd)
        if not os.fstat(self._fd).st_nlink:  # somebody has removed it: all that it holds goes with our descriptor
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._path))

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Folder:
    """A real folder.

    Args:
        directory: where; made by :meth:`take` if it is not there.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock_fd = -1

    def where(self, name: str = "") -> str:
        """The path."""
        return str(self.directory / name)

    def take(self) -> None:
        """Lock the folder: a second agent must not open a line in the first one's journal."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o750)
        descriptor = os.open(self.directory, os.O_RDONLY)  # can be locked on a read-only file system, too
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise FieldError(
                "another agent is already running for this station",
                where=str(self.directory),
                do="stop it first: systemctl stop haihe-edge",
            ) from None
        self._lock_fd = descriptor

    def leave(self) -> None:
        """Unlock the folder."""
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def names(self) -> list[str]:
        """All files, sorted."""
        return sorted(path.name for path in self.directory.iterdir())

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return (self.directory / name).stat().st_size

    def free_bytes(self) -> int:
        """What the file system has left for those who are not root."""
        found = os.statvfs(self.directory)
        return found.f_bavail * found.f_frsize

    def create(self, name: str) -> Appending:
        """Make a new file."""
        return _File(self.directory / name, os.O_CREAT | os.O_EXCL)

    def extend(self, name: str) -> Appending:
        """Open a file to append to it."""
        return _File(self.directory / name, os.O_APPEND)

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        return open_file(self.directory / name)

    def settle(self, name: str) -> None:
        """Sync it."""
        descriptor = os.open(self.directory / name, os.O_RDONLY)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, name: str, new: str) -> None:
        """Give a file another name."""
        (self.directory / name).replace(self.directory / new)

    def unlink(self, name: str) -> None:
        """Remove a file."""
        (self.directory / name).unlink(missing_ok=True)

    def protect(self, name: str) -> None:
        """Take the right to write away."""
        (self.directory / name).chmod(0o440)

    def sync(self) -> None:
        """Sync the folder."""
        sync(self.directory)
