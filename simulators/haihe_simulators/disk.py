"""A simulated disk for a station's journal: it loses, reorders and tears what was not synced, fills up and refuses.

What a power cut leaves follows the loosest promise that file systems give. A synced file keeps what it held at the
sync. Of what was written after it, each sector of 512 bytes is there or not, whatever the order of writing, and the
file may be longer than what is there, with zeros in between. A name that was made, changed or removed is sure only
after the folder was synced.
"""

import errno
import io
import random
from collections.abc import Callable
from typing import BinaryIO

from haihe_contract.errors import FieldError

SECTOR_BYTES = 512


class PowerCut(BaseException):
    """The machine stopped in the middle of what it did. No code of ours may catch it."""


class _Inode:
    __slots__ = ("content", "safe_bytes")

    def __init__(self) -> None:
        self.content = bytearray()
        self.safe_bytes = 0

    def after_a_cut(self, chance: random.Random) -> "_Inode":
        left = _Inode()
        left.content[:] = self.content[: self.safe_bytes]
        at = self.safe_bytes
        while at < len(self.content):
            end = min(len(self.content), (at // SECTOR_BYTES + 1) * SECTOR_BYTES)
            if chance.random() < 0.5:
                left.content += bytes(at - len(left.content)) + self.content[at:end]
            at = end
        if chance.random() < 0.2:
            left.content += bytes(len(self.content) - len(left.content))
        left.safe_bytes = len(left.content)
        return left


class SimulatedDisk:
    """The folder of one journal, in memory (the port is :class:`haihe_edge.journal.Disk`).

    Args:
        capacity: bytes that the files may take together.
        before: told of every operation before it is done, with its name and the file's; it may raise
            :class:`PowerCut` or OSError.
    """

    def __init__(self, capacity: int = 1 << 40, before: Callable[[str, str], None] = lambda _what, _name: None) -> None:
        self.capacity = capacity
        self.before = before
        self.refuses = 0
        """An errno with which everything but reading fails now; 0 for none."""
        self.written_bytes = 0
        self._taken = False
        self._now: dict[str, _Inode] = {}
        self._safe: dict[str, _Inode] = {}
        self._pending: list[tuple[str, _Inode | None]] = []

    def copy(self) -> "SimulatedDisk":
        """An image of the card as a running system shows it: nothing is lost by copying."""
        image = SimulatedDisk(self.capacity)
        for name, inode in self._now.items():
            twin = _Inode()
            twin.content[:] = inode.content
            twin.safe_bytes = len(inode.content)
            image._now[name] = image._safe[name] = twin
        return image

    def after_a_cut(self, chance: random.Random) -> "SimulatedDisk":
        """What is there when the power has come back; this disk itself is not changed."""
        names = dict(self._safe)
        for name, inode in self._pending:
            if chance.random() < 0.5:
                if inode is None:
                    names.pop(name, None)
                else:
                    names[name] = inode
        left = SimulatedDisk(self.capacity, self.before)
        twins: dict[int, _Inode] = {}
        for name, inode in names.items():
            left._now[name] = twins.setdefault(id(inode), inode.after_a_cut(chance))
        left._safe = dict(left._now)
        return left

    def damage(self, name: str, chance: random.Random) -> None:
        """Flip a byte, cut the file, or make it empty."""
        content = self._now[name].content
        kind = chance.randrange(3)
        if kind == 0 and content:
            content[chance.randrange(len(content))] ^= 1 + chance.randrange(255)
        elif kind == 1 and content:
            del content[chance.randrange(len(content)) :]
        else:
            content.clear()
        self._now[name].safe_bytes = min(self._now[name].safe_bytes, len(content))

    def content(self, name: str) -> bytes:
        """What a file holds, for those who watch: no operation of the station."""
        return bytes(self._inode(name).content)

    def used_bytes(self) -> int:
        """Of all files."""
        return sum(len(inode.content) for inode in self._now.values())

    def where(self, name: str = "") -> str:
        """Where people would look."""
        return f"simulated disk/{name}"

    def take(self) -> None:
        """Take the folder: reading is enough for that."""
        self.before("take", "")
        if self._taken:
            raise FieldError("another agent is already running for this station", where=self.where(), do="stop it")
        self._taken = True

    def leave(self) -> None:
        """Let others have it."""
        self._taken = False

    def names(self) -> list[str]:
        """All files, sorted."""
        return sorted(self._now)

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return len(self._inode(name).content)

    def free_bytes(self) -> int:
        """What is left."""
        return max(0, self.capacity - self.used_bytes())

    def create(self, name: str) -> "_Appending":
        """Make a new file."""
        self.may("create", name)
        if name in self._now:
            raise FileExistsError(errno.EEXIST, "File exists", self.where(name))
        inode = self._now[name] = _Inode()
        self._pending.append((name, inode))
        return _Appending(self, name, inode)

    def extend(self, name: str) -> "_Appending":
        """Open a file to append to it."""
        self.may("extend", name)
        return _Appending(self, name, self._inode(name))

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading: it shows what was written, synced or not."""
        self.before("open", name)
        return io.BytesIO(bytes(self._inode(name).content))

    def settle(self, name: str) -> None:
        """Make durable what was written to it."""
        self.may("sync", name)
        inode = self._inode(name)
        inode.safe_bytes = len(inode.content)

    def rename(self, name: str, new: str) -> None:
        """Give a file another name."""
        self.may("rename", name)
        inode = self._now[new] = self._inode(name)
        del self._now[name]
        self._pending += [(new, inode), (name, None)]

    def unlink(self, name: str) -> None:
        """Remove a file."""
        self.may("unlink", name)
        if self._now.pop(name, None) is not None:
            self._pending.append((name, None))

    def protect(self, name: str) -> None:
        """Nothing: a simulated agent does not write to files of others."""
        self.may("protect", name)

    def sync(self) -> None:
        """Make names durable."""
        self.may("sync folder", "")
        self._safe = dict(self._now)
        self._pending = []

    def _inode(self, name: str) -> _Inode:
        try:
            return self._now[name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "No such file", self.where(name)) from None

    def may(self, what: str, name: str) -> None:
        """Whether it may change something now; PowerCut or OSError where it may not."""
        self.before(what, name)
        if self.refuses:
            raise OSError(self.refuses, "the simulated disk refuses", self.where(name))


class _Appending:
    def __init__(self, disk: SimulatedDisk, name: str, inode: _Inode) -> None:
        self._disk, self._name, self._inode = disk, name, inode

    def write(self, data: bytes) -> None:
        self._disk.may("write", self._name)
        fits = data[: self._disk.free_bytes()]
        self._inode.content += fits
        self._disk.written_bytes += len(fits)
        if len(fits) < len(data):
            raise OSError(errno.ENOSPC, "No space left on device", self._disk.where(self._name))

    def sync(self) -> None:
        self._disk.may("sync", self._name)
        self._inode.safe_bytes = len(self._inode.content)

    def close(self) -> None:
        return
