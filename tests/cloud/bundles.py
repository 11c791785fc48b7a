"""Bundles as a station writes them: the contract's writer, real keys, real batches."""

import io
from collections.abc import Sequence
from pathlib import Path

from haihe_cloud.admit.pki import Pki
from haihe_contract import bundle, wire
from haihe_contract.bundle import BundleWriter, Head, Signature
from haihe_contract.clock import SystemClock
from haihe_contract.restore import StationState

from tests.cloud.samples import STATION


def signature(pki: Pki, keys: str = f"stations/{STATION}") -> Signature:
    """By the keys of that name."""
    own = pki.directory / keys
    return Signature(own.with_suffix(".pem").read_bytes(), own.with_suffix(".key").read_bytes())


def bundle_bytes(
    signed: Signature,
    batches: Sequence[wire.Batch | bytes],
    *,
    station: str = STATION,
    centre: str = "haihe",
    name: bytes = b"\x01" * bundle.BUNDLE_BYTES,
    part: int = 1,
    last: bool = True,
    grade: int = 5,
    states: Sequence[StationState] = (),
) -> bytes:
    """One file."""
    out = io.BytesIO()
    head = Head(bundle.VERSION, station, centre, name, part, SystemClock().now_ms(), grade, signed.certificate)
    writer = BundleWriter(out, head, signed)
    if states:
        writer.states(states)
    for each in batches:
        if isinstance(each, bytes):
            writer.batch(each, 0)
        else:
            writer.batch(wire.encode(each), len(each.records))
    writer.close(last=last)
    return out.getvalue()


def bundle_file(path: Path, signed: Signature, batches: Sequence[wire.Batch | bytes], **how: object) -> Path:
    """The same in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bundle_bytes(signed, batches, **how))  # type: ignore[arg-type]
    return path
