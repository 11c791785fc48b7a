"""How the golden samples of bundles were made. They are frozen: this makes missing ones and changes none.

PYTHONPATH=. python tests/golden/bundle/make.py

Keys are made for the occasion and kept nowhere.
"""

import io
import json
import tempfile
from pathlib import Path
from typing import Any

from haihe_cloud.admit.pki import Pki
from haihe_contract import bundle, wire
from haihe_contract.bundle import BundleWriter, Head, Signature
from haihe_contract.clock import SystemClock
from haihe_contract.receipt import LineHeld, Receipt, sign
from haihe_contract.record import LANE_BACKLOG
from haihe_contract.restore import StationState

from tests.golden.wire.make import LINE, RECEIPT_KEY, STATION, T0, samples

HERE = Path(__file__).parent / f"v{bundle.VERSION}"
STATES = [
    StationState("site", T0, 5, {"fingerprint": "0123456789abcdef", "sha256": "00", "zlib_base85": "测站"}),
    StationState("counter period_rain.main.total.300.derived.-", T0 + 1, 5, {"value": 12.5}),
]


def batches() -> list[wire.Batch]:
    """What is carried: the records of every sample of the wire, as backlog, each on a line of its own."""
    taken = [batch for batch in samples().values() if batch.records and not batch.volatile]
    return [
        wire.Batch(STATION, LINE + n, LANE_BACKLOG, each.head, each.tail, each.records) for n, each in enumerate(taken)
    ]


def receipts() -> list[Receipt]:
    """What comes back."""
    held = [LineHeld(LINE, [(1, 500), (502, 900)], [(501, 501)])], [LineHeld(LINE - 1, [(1, 2**40)])]
    return [Receipt(1, "haihe", 7, STATION, T0 + n, lines) for n, lines in enumerate(held)]


def made() -> dict[str, dict[str, Any]]:
    """Every sample, with signatures of its own."""
    with tempfile.TemporaryDirectory() as folder:
        keys = Pki(Path(folder), SystemClock())
        keys.init()
        keys.station(STATION)
        own = keys.directory / "stations"
        signature = Signature((own / f"{STATION}.pem").read_bytes(), (own / f"{STATION}.key").read_bytes())
        authority = keys.ca.read_text("ascii")
    out = io.BytesIO()
    head = Head(bundle.VERSION, STATION, "haihe", bytes(range(8)), 1, T0, 5, signature.certificate)
    writer = BundleWriter(out, head, signature)
    writer.states(STATES)
    for batch in batches():
        writer.batch(wire.encode(batch), len(batch.records))
    writer.close(last=False)
    second = io.BytesIO()
    empty = BundleWriter(second, Head(*_with(head, part=2)), signature)
    empty.close(last=True)
    told = bundle.write_receipts([sign(each, RECEIPT_KEY) for each in receipts()])
    return {
        "bundle": {"bytes": out.getvalue().hex(), "authority": authority},
        "last": {"bytes": second.getvalue().hex(), "authority": authority},
        "receipts": {"bytes": told.hex(), "public_key": RECEIPT_KEY.public_key().public_bytes_raw().hex()},
    }


def _with(head: Head, *, part: int) -> tuple[Any, ...]:
    return (head.version, head.station, head.centre, head.bundle, part, head.made_ms, head.grade, head.certificate)


def main() -> None:
    """Make what is missing."""
    HERE.mkdir(exist_ok=True)
    for name, sample in made().items():
        path = HERE / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(sample, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
