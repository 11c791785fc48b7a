"""What a station keeps when its power fails: the card of its computer, which is copied, set back, or dies."""

import random
import shutil
import zlib
from contextlib import suppress
from pathlib import Path

import msgspec
from haihe_contract.ranges import RangeSet
from haihe_edge.journal import Folder

from haihe_simulators.disk import SimulatedDisk


class Card:
    """What a station keeps: the journal's disk, and a folder with the receipts of the centres.

    Args:
        folder: of its own.
        disk: simulated, or a real folder.
    """

    def __init__(self, folder: Path, disk: SimulatedDisk | Folder) -> None:
        self.folder, self.disk = folder, disk
        self.in_order = True
        """Whether the last agent that wrote on it ended in order; nothing has run on a new one."""
        folder.mkdir(exist_ok=True)

    def copy(self, folder: Path) -> "Card":
        """An image of it, while it is in use or not."""
        shutil.copytree(self.folder, folder)
        if isinstance(self.disk, SimulatedDisk):
            disk: SimulatedDisk | Folder = self.disk.copy()
        else:
            disk = Folder(folder / "journal")
        image = Card(folder, disk)
        image.in_order = self.in_order
        return image

    def cut(self, chance: random.Random) -> bool:
        """The power fails; whether anything that was written was lost or torn."""
        for path in self.folder.glob("receipts-*"):
            if chance.random() < 0.3:  # an epoch is durable before it counts; an older file of it may come back
                older = msgspec.msgpack.encode([self.epoch(path.name.removeprefix("receipts-")), {}])
                path.write_bytes(older + zlib.crc32(older).to_bytes(4, "little"))
        if not isinstance(self.disk, SimulatedDisk):
            return False
        left = self.disk.after_a_cut(chance)
        torn = left.used_bytes() != self.disk.used_bytes()
        left.before = lambda _what, _name: None
        left.capacity = self.disk.capacity
        self.disk = left
        return torn

    def epoch(self, centre: str) -> int:
        """Which epoch of that centre its receipts name, read without the agent's code."""
        return self._receipts(centre)[0]

    def held(self, centre: str) -> dict[int, RangeSet]:
        """What that centre holds by these receipts, by line."""
        return {line: RangeSet((a, b) for a, b in ranges) for line, ranges in self._receipts(centre)[1].items()}

    def _receipts(self, centre: str) -> tuple[int, dict[int, list[tuple[int, int]]]]:
        with suppress(OSError, msgspec.DecodeError, ValueError, TypeError):
            epoch, lines = msgspec.msgpack.decode((self.folder / f"receipts-{centre}").read_bytes()[:-4])  # a CRC
            return int(epoch), lines
        return 0, {}
