"""A station whose keys are real, with no centre in reach, and what is read of its bundles."""

import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from haihe_cloud.admit.pki import Pki
from haihe_contract import wire
from haihe_contract.bundle import BundleFile, read_bundle, write_receipts
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.receipt import VERSION, LineHeld, Receipt, sign
from haihe_contract.record import Event, Readings
from haihe_edge.journal import Folder, Journal, Look

from tests.clocks import HandClock
from tests.edge.field.test_journal_commands import start
from tests.edge.radar import radar_site

CODE = "31005650"
T0 = 1_790_000_000_000
MINUTE = 60_000
Bundle = Callable[..., tuple[int, dict[str, Any]]]
"""``haihe-edge bundle`` with those words: its exit code and its JSON."""
Records = dict[tuple[int, int], bytes]
"""By line and number, as the journal would write them."""


def centre_text(pki: Pki, code: str = CODE, name: str = "haihe", **more: str) -> str:
    keys = pki.directory
    own = f"{keys}/stations/{code}"
    rest = "".join(f", {key}: {value}" for key, value in more.items())
    return (
        f"  - {{name: {name}, host: 127.0.0.1, port: 1, ca: {pki.ca}, certificate: {own}.pem,"
        f" key: {own}.key, receipt_key: {keys}/receipt.pub{rest}}}\n"
    )


def site_in(folder: Path, pki: Pki, port: int = 9, code: str = CODE, **more: str) -> Path:
    """A station with a radar at that port, in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    text = radar_site(port, code) + "journal: {directory: journal, size: 16MiB, window: 200ms}\ncontrol: control.sock\n"
    file = folder / "site.yaml"
    file.write_text(text + "centres:\n" + centre_text(pki, code, **more), "utf-8")
    return file


def fill(directory: Path, *, groups: int = 300, seed: int = 1, each: int = 20, from_ms: int = T0) -> Journal:
    """A line with readings that nothing compresses, and one alarm."""
    clock, chance = HandClock(from_ms), random.Random(seed)
    journal = start(directory, clock, seed=seed, size=16 << 20)
    for _ in range(groups):
        clock.ms += MINUTE
        for m in range(each):
            journal.append(Readings(clock.ms + m, 5, [0, 1], [chance.random(), chance.random()]))
        journal.commit()
    journal.append(Event(clock.ms, 5, "level_raised", 0, 4.6, {"level": "warning"}), urgent=True)
    return journal


def in_journal(directory: Path) -> Records:
    look = Look(Folder(directory))
    return {
        (segment.line, record.number): msgspec.msgpack.encode(record)
        for segment in look.segments
        for _, records in look.groups(segment)
        for record in records
    }


def bundles_in(paths: Iterable[Path]) -> list[BundleFile]:
    return [read_bundle(path.read_bytes()) for path in paths]


def in_bundles(paths: Iterable[Path]) -> Records:
    """Every record of the batches; a number that comes twice must say the same."""
    found: Records = {}
    for bundle in bundles_in(paths):
        for data in bundle.batches:
            batch = wire.decode(data)
            assert batch.station == bundle.head.station
            for record in batch.records:
                body = msgspec.msgpack.encode(record)
                assert found.setdefault((batch.line, record.number), body) == body
    return found


def receipts_file(path: Path, pki: Pki, lines: dict[int, RangeSet], code: str = CODE, **more: Any) -> Path:
    """What a centre would write that holds these numbers, one receipt a line."""
    key: Any = load_pem_private_key((pki.directory / "receipt.key").read_bytes(), None)
    given = {"centre": "haihe", "epoch": 1, "issued_ms": 1_790_000_000_000} | more
    told = [
        sign(Receipt(version=VERSION, station=code, lines=[LineHeld(line, list(numbers.ranges))], **given), key)
        for line, numbers in lines.items()
    ]
    path.write_bytes(write_receipts(told))
    return path


def numbers_of(records: Records) -> dict[int, RangeSet]:
    lines: dict[int, RangeSet] = {}
    for line in dict.fromkeys(line for line, _ in records):
        lines[line] = RangeSet.from_numbers(number for of_line, number in records if of_line == line) | EMPTY
    return lines


def printed(out: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out)
    return found
