"""A stick that somebody carries: the files on it are written, signed and read by the code of the product.

Authority and keys are made once a process and kept nowhere; a seed draws nothing of them.
"""

import io
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from haihe_cloud.admit.pki import Pki
from haihe_contract.bundle import VERSION, BundleFile, BundleWriter, Head, Signature, check_signer, read_bundle
from haihe_contract.clock import SystemClock
from haihe_contract.quality import Grade
from haihe_contract.ranges import RangeSet
from haihe_edge.carry.packing import packed
from haihe_edge.journal import Look

from haihe_simulators.disk import SimulatedDisk

from .card import Card
from .faults import STATIONS

MADE_MS = 1_790_000_000_000
"""When the keys are made: the days of all worlds begin then."""


class _Then(SystemClock):
    def now_ms(self) -> int:
        return MADE_MS


class _Keys:
    """An authority, and the keys that it has issued."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory(prefix="haihe-world-keys-") as folder:
            pki = Pki(Path(folder), _Then())
            pki.init()
            self.authority = pki.ca.read_bytes()
            issued = {station: pki.station(station) for station in STATIONS}
            self.of = {
                station: Signature(each.certificate.read_bytes(), each.key.read_bytes())
                for station, each in issued.items()
            }
            """By station."""


@cache
def _keys() -> _Keys:
    return _Keys()


def written(card: Card, station: str, centre: str, left_out: Mapping[int, RangeSet], made_ms: int) -> bytes:
    """A bundle of one file, written by a process beside the agent of that card."""
    disk = card.disk
    simulated = disk if isinstance(disk, SimulatedDisk) else None
    before = simulated.before if simulated else None
    if simulated:  # what stops the agent, or spoils what it reads, is not met by another process
        simulated.before = lambda _what, _name: None
    try:
        return _written(Look(disk), station, centre, left_out, made_ms)
    finally:
        if simulated and before:
            simulated.before = before


def _written(look: Look, station: str, centre: str, left_out: Mapping[int, RangeSet], made_ms: int) -> bytes:
    out, signature = io.BytesIO(), _keys().of[station]
    bundle = made_ms.to_bytes(8, "big")
    head = Head(VERSION, station, centre, bundle, 1, made_ms, Grade.SYSTEM, signature.certificate)
    writer = BundleWriter(out, head, signature)
    for each in packed(look, station, left_out):
        writer.batch(each.data, each.records)
    writer.close(last=True)
    return out.getvalue()


def read(data: bytes, now_ms: int) -> BundleFile:
    """What a centre reads of it.

    Raises:
        BundleRefused: never, unless something is wrong with the product.
    """
    found = read_bundle(data)
    check_signer(found.head, _keys().authority, now_ms)
    return found
