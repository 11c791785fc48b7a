"""What the account looks at: machines, centres and links, as far as it needs them."""

from typing import Protocol

from haihe_cloud.database import Database
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract.ranges import RangeSet
from haihe_edge.journal import Disk
from haihe_edge.recorder import Recorder


class Card(Protocol):
    """What a station keeps."""

    in_order: bool

    @property
    def disk(self) -> Disk:
        """Where its journal lies."""
        ...

    def epoch(self, centre: str) -> int:
        """Which epoch of a centre its receipts name."""
        ...

    def held(self, centre: str) -> dict[int, RangeSet]:
        """What they say that it holds, by line."""
        ...


class Machine(Protocol):
    """One computer of a station."""

    name: str
    reads_fail: bool
    station: str
    opened_blind: bool
    recorder: Recorder | None

    @property
    def boot(self) -> str:
        """Id of the boot that it is in, or was in last."""
        ...

    @property
    def card(self) -> Card:
        """What is in it now."""
        ...


class StationLink(Protocol):
    """A connection of a station."""

    station: str
    receipts: str


class Centre(Protocol):
    """One centre."""

    name: str
    up: bool

    @property
    def database(self) -> Database:
        """Its ledger's."""
        ...

    @property
    def store(self) -> SqliteStore:
        """Its readings."""
        ...
