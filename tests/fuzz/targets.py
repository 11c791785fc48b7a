"""What anybody may send: each target takes any bytes and ends quietly, or with a refusal that its page promises.

``test_any_input.py`` feeds them on a seed, ``bench/fuzz.py`` guided by coverage.
"""

import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from itertools import pairwise
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from haihe_cloud.admit.pki import Pki
from haihe_cloud.ingest.admit import Admitted, admit
from haihe_cloud.ingest.bundle import Named
from haihe_contract import restore, topic, wire
from haihe_contract.bundle import (
    BATCHES_MAX,
    BundleRefused,
    BundleWriter,
    Head,
    Signature,
    check_signer,
    read_bundle,
    read_receipts,
    write_receipts,
)
from haihe_contract.clock import SystemClock
from haihe_contract.document import DocumentError, Problem
from haihe_contract.ed25519 import PublicKey
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.receipt import Credit, LineHeld, LineWanted, Receipt, ReceiptRefused, sign, verify
from haihe_contract.record import LANE_BACKLOG
from haihe_contract.series import Series
from haihe_edge.forward.held import Held
from haihe_edge.remember.site_states import unpacked
from haihe_edge.site import load_site

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "wire" / "v1"
STATION, CENTRE = "31005650", "haihe"
READINGS_PER_BYTE = 600
"""What a byte of a body can become at most: deflate gives 1032 for one, and a plain reading takes at least two."""
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_PUBLIC = PublicKey(_KEY.public_key().public_bytes_raw())
_QUESTION = bytes(range(restore.QUESTION_BYTES))
SERIES = [Series("water_level", f"p{n}").key for n in range(20)]
_BEGIN = b"H" + bytes([wire.VERSION])


def batch(data: bytes) -> None:
    """To the centre: as it comes, and as the body of an envelope whose digest fits."""
    for payload in (data, sealed(data)):
        for station in (STATION, speaker_of(payload)):
            verdict = admit(topic.up(station, LANE_BACKLOG), payload, {station}, lambda *_: SERIES)
            if isinstance(verdict, Admitted):
                assert len(verdict.batch.records) <= wire.RECORDS_MAX
                assert len(verdict.readings) <= READINGS_PER_BYTE * len(payload)
                assert verdict.envelope.numbers.covers(verdict.refused)


def sealed(data: bytes) -> bytes:
    """The envelope that these bytes mean: how long its header is, the header without its beginning, the body."""
    size = data[0] if data else 0
    header, body = _BEGIN + data[1 : 1 + size], data[1 + size :]
    return header + hashlib.sha256(header + body).digest()[:8] + body


def speaker_of(payload: bytes) -> str:
    """The station that the envelope names, so that the check of the speaker hides nothing behind it."""
    try:
        return topic.station_of_number(int.from_bytes(payload[3:9], "big"))
    except ValueError:
        return STATION


def receipt(data: bytes) -> None:
    """To the station: as it comes, and signed by its centre."""
    for payload in (data, _KEY.sign(data) + data):
        try:
            taken = verify(payload, _PUBLIC, centre=CENTRE, station=STATION)
        except ReceiptRefused:
            continue
        held = Held()
        held.take(taken)
        if taken.epoch < 0:  # an old message: nothing of it is taken
            continue
        for line, numbers in taken.settled().items():
            assert held.of(line).covers(numbers - taken.asked_for().get(line, EMPTY))


def site(data: bytes) -> None:
    """To the agent: a site file that somebody wrote."""
    path = _site_file()
    path.write_bytes(data)
    problems: list[Problem] = []
    try:
        load_site(path)
    except DocumentError as error:
        problems = error.problems or [Problem(str(path), 0, 0, "")]  # a refusal must say why
    lines = data.count(b"\n") + data.count(b"\r") + data.count(b"\x85") + data.count(b"\xa8") + 1
    for each in problems:
        assert each.file != str(path) or 1 <= each.line <= lines + 1, each
        assert each.what


@cache
def _site_file() -> Path:
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="haihe-fuzz-", dir=memory if memory.is_dir() else None)) / "site.yaml"


def batch_seeds() -> Iterable[bytes]:
    """The golden samples, as they are and as :func:`sealed` takes them, compressed and plain."""
    samples = [json.loads(path.read_text("utf-8")) for path in sorted(GOLDEN.glob("*.json"))]
    for payload in [bytes.fromhex(sample["bytes"]) for sample in samples if "batch" in sample]:
        yield payload
        envelope = wire.read_envelope(payload)
        plain = wire.encode(wire.open_batch(envelope), compress=False)
        for each in (envelope, wire.read_envelope(plain)):
            header = each.header[len(_BEGIN) :]
            yield bytes([len(header)]) + header + each.body


def receipt_seeds() -> Iterable[bytes]:
    """Receipts without their signature."""
    many = list(RangeSet((n * 10, n * 10 + 3) for n in range(1, 60)).ranges)
    for lines in ([], [LineHeld(7, [(1, 5), (9, 9)], [(6, 8)])], [LineHeld(2**64 - 1, many), LineHeld(1, [(1, 1)])]):
        wanted = [LineWanted(each.line, each.held[:1]) for each in lines]
        yield sign(Receipt(1, CENTRE, 9, STATION, 10, lines, Credit(3, 60), wanted, [0, 1]), _KEY)[64:]


def answer(data: bytes) -> None:
    """To a station with a new card: as it comes, and signed by its centre."""
    for payload in (data, _KEY.sign(data) + data):
        try:
            taken = restore.verify(payload, _PUBLIC, centre=CENTRE, station=STATION, question=_QUESTION)
        except restore.AnswerRefused:
            continue
        assert taken.question == _QUESTION
        for state in taken.states():
            if state.name == restore.SITE:
                with suppress(ValueError):
                    unpacked(state.value)


def answer_seeds() -> Iterable[bytes]:
    """Answers without their signature."""
    value = {"sha256": "x", "zlib_base85": "c-n=T"}
    for states in (None, [], [restore.StationState(restore.SITE, 7, 5, value)]):
        yield restore.sign(_KEY, centre=CENTRE, station=STATION, question=_QUESTION, issued_ms=1, states=states)[64:]


class _Keys:
    """Of a station and its authority, made for the occasion."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            pki = Pki(Path(folder), SystemClock())
            pki.init()
            pki.station(STATION)
            own = pki.directory / "stations" / STATION
            certificate, key = own.with_suffix(".pem").read_bytes(), own.with_suffix(".key").read_bytes()
            self.signature = Signature(certificate, key)
            self.authority = pki.ca.read_bytes()
        self.now_ms = SystemClock().now_ms()


_keys = cache(_Keys)
_BUNDLE, _RECEIPTS, _SIGNED_BY = b"HAIHEB\x01", b"HAIHER\x01", b"\x05"


def bundle(data: bytes) -> None:
    """To a centre, a station and a new card: as it comes, signed by a station, and as receipts."""
    keys = _keys()
    for payload in (data, signed(data)):
        with suppress(BundleRefused):
            found = read_bundle(payload)
            assert len(found.batches) == found.end.batches <= BATCHES_MAX
            named = Named(found.head.station)
            named.note(found.batches)
            assert sum(named.unread.values()) <= named.batches == len(found.batches)
            assert all(0 <= line < 1 << 64 for line in named.numbers())
            for state in found.states:
                if state.name == restore.SITE:
                    with suppress(ValueError):
                        unpacked(state.value)
            check_signer(found.head, keys.authority, keys.now_ms)
            assert found.head.station == STATION
    with suppress(BundleRefused):
        for each in read_receipts(_RECEIPTS + data):
            receipt(each)


def signed(data: bytes) -> bytes:
    """The file that these bytes are the middle of."""
    whole = _BUNDLE + data
    signature = _keys().signature.of(hashlib.sha256(whole).digest())
    return whole + _SIGNED_BY + len(signature).to_bytes(4, "big") + signature


def bundle_seeds() -> Iterable[bytes]:
    """Without its beginning and its signature: nothing but an end, states, batches; and receipts."""
    keys = _keys()
    head = Head(1, STATION, CENTRE, bytes(range(8)), 1, keys.now_ms, 5, keys.signature.certificate)
    value = {"sha256": "x", "zlib_base85": "c-n=T"}
    carried = [data for data in batch_seeds() if data.startswith(_BEGIN)]
    for batches, states in (([], []), (carried[:2], [restore.StationState(restore.SITE, 7, 5, value)]), (carried, [])):
        out = io.BytesIO()
        writer = BundleWriter(out, head, keys.signature)
        if states:
            writer.states(states)
        for data in batches:
            writer.batch(data, 1)
        writer.close(last=True)
        whole = out.getvalue()
        yield whole[len(_BUNDLE) : whole.rindex(_SIGNED_BY + b"\0\0\0")]
    yield write_receipts([_KEY.sign(each) + each for each in receipt_seeds()])[len(_RECEIPTS) :]


def site_seeds() -> Iterable[bytes]:
    """The example, and each of its top-level parts cut off in turn."""
    text = (ROOT / "site_configs" / "example.yaml").read_text("utf-8")
    bare = "\n".join(line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    yield bare.encode()
    parts = bare.replace("\n", "\n\0").split("\0")
    starts = [at for at, line in enumerate(parts) if line[:1].isalpha()] + [len(parts)]
    for first, last in pairwise(starts):
        yield "".join(parts[:first] + parts[last:]).encode()


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], Iterable[bytes]]]] = {
    "batch": (batch, batch_seeds),
    "receipt": (receipt, receipt_seeds),
    "answer": (answer, answer_seeds),
    "bundle": (bundle, bundle_seeds),
    "site": (site, site_seeds),
}
