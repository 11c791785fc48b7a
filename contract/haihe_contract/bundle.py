"""A bundle: part of a journal in signed files, carried by hand (docs/reference/bundle.md).

    "HAIHEB" version | item ...        item: kind (1 byte), length (4 bytes, big-endian), body
    head, then states and batches in any order, then end, then signature

Each file stands alone, so a damaged one takes nothing with it but itself. Receipts travel back in a file of the same
form that begins with "HAIHER" and holds nothing but receipts, each signed by its centre.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .receipt import RECEIPT_BYTES_MAX
from .restore import StationState, pack_states, unpack_states
from .topic import is_station
from .wire import BATCH_BYTES_MAX

VERSION = 1
FILE_BYTES_MAX = 64 * 1024 * 1024
"""More is not read."""
FILE_BYTES = 32 * 1024 * 1024
"""A station begins another file here: any stick takes it, and a bad sector costs no more."""
BATCHES_MAX = 65_536
"""In one file; a station begins another there, too. A million empty ones would pass for a file of 64 MiB."""
BUNDLE_BYTES = 8
RECEIPTS_MAX = 4096
SUFFIX = ".haihe"
RECEIPTS_SUFFIX = ".receipts"
_BUNDLE, _RECEIPTS = b"HAIHEB\x01", b"HAIHER\x01"
_HEAD, _BATCH, _STATES, _END, _SIGNATURE, _RECEIPT = range(1, 7)
_LENGTH_BYTES = 4
_CERTIFICATE_BYTES_MAX = 16 * 1024
_MOST = {
    _HEAD: _CERTIFICATE_BYTES_MAX + 1024,
    _BATCH: BATCH_BYTES_MAX,
    _STATES: BATCH_BYTES_MAX,
    _END: 64,
    _SIGNATURE: 256,
    _RECEIPT: RECEIPT_BYTES_MAX,
}
_HASH = ec.ECDSA(Prehashed(hashes.SHA256()))
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)
"""What the library says of a certificate that somebody has made up; most of them have no common kind."""


class BundleRefused(Exception):
    """The bytes are no bundle file that can be believed; the text says why."""


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What a file says of itself first.

    Args:
        version: of this form.
        station: whose journal.
        centre: whose numbers were left out, as the site file names it.
        bundle: 8 bytes by chance, the same in all files of one bundle.
        part: which of its files, from 1.
        made_ms: when, by the station's clock.
        grade: how good that clock was.
        certificate: the station's, PEM; its key has signed.
    """

    version: int
    station: str
    centre: str
    bundle: bytes
    part: int
    made_ms: int
    grade: int
    certificate: bytes


class End(msgspec.Struct, frozen=True, array_like=True):
    """What a file says of itself last.

    Args:
        batches: in this file.
        records: in them.
        last: no file follows.
    """

    batches: int
    records: int
    last: bool


class BundleFile(msgspec.Struct, frozen=True):
    """One file, signature checked.

    Args:
        head: what it says of itself.
        end: how much it holds.
        batches: of :mod:`haihe_contract.wire`, not opened.
        states: the latest of each name, if this file holds them.
    """

    head: Head
    end: End
    batches: list[bytes]
    states: list[StationState]


class Signature:
    """The key of a station's certificate, for bundles.

    Args:
        certificate: PEM.
        key: PEM, not encrypted.

    Raises:
        ValueError: when they are no elliptic curve key and its certificate.
    """

    def __init__(self, certificate: bytes, key: bytes) -> None:
        loaded = serialization.load_pem_private_key(key, None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise ValueError("a bundle is signed with an elliptic curve key, and this is another kind")  # noqa: TRY004
        leaf = x509.load_pem_x509_certificate(certificate)
        if leaf.public_key() != loaded.public_key():
            raise ValueError("certificate and key do not belong together")
        self._key = loaded
        self.certificate = leaf.public_bytes(serialization.Encoding.PEM)

    def of(self, digest: bytes) -> bytes:
        """The signature of that SHA-256."""
        return self._key.sign(digest, _HASH)


class BundleWriter:
    """Writes one file.

    Args:
        out: where to.
        head: what it says first.
        signature: what it is signed with.

    Raises:
        OSError: as ``out`` does, here and in every method.
    """

    def __init__(self, out: BinaryIO, head: Head, signature: Signature) -> None:
        self._out = out
        self._signature = signature
        self._hash = hashlib.sha256()
        self._records = 0
        self.size = self.batches = 0
        self._put(_BUNDLE)
        self._item(_HEAD, msgspec.msgpack.encode(head))

    def batch(self, data: bytes, records: int) -> None:
        """Add a batch of so many records."""
        self.batches += 1
        self._records += records
        self._item(_BATCH, data)

    def states(self, states: Sequence[StationState]) -> None:
        """Add what a new card would have to be told; what has no room is left out, the site file last."""
        self._item(_STATES, pack_states(states, _MOST[_STATES])[0])

    def close(self, *, last: bool) -> None:
        """Say the end and sign."""
        self._item(_END, msgspec.msgpack.encode(End(self.batches, self._records, last)))
        self._item(_SIGNATURE, self._signature.of(self._hash.digest()))

    def _item(self, kind: int, body: bytes) -> None:
        self._put(_framed(kind, body))

    def _put(self, data: bytes) -> None:
        self._hash.update(data)
        self.size += len(data)
        self._out.write(data)


def bytes_of(path: Path, most: int = FILE_BYTES_MAX) -> bytes:
    """What is in a file that somebody has named; a pipe that nobody writes is not waited for.

    Args:
        path: its name.
        most: bytes that are read, whatever size it says it has.

    Raises:
        BundleRefused: when it is no file, or has more than that.
        OSError: when it cannot be read.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BundleRefused("it is a pipe or a device, and no file")
        data = file.read(most + 1)
    if len(data) > most:
        raise BundleRefused(f"it has more than {most} bytes")
    return data


def is_bundle(data: bytes) -> bool:
    """Whether they begin as a bundle file does, of whatever version."""
    return data.startswith(_BUNDLE[:-1])


def is_receipts(data: bytes) -> bool:
    """Whether they begin as a file of receipts does, of whatever version."""
    return data.startswith(_RECEIPTS[:-1])


def read_bundle(data: bytes) -> BundleFile:
    """Read a file and check that the key of the certificate in it has signed it, whoever that is.

    Raises:
        BundleRefused: with the reason.
    """
    kinds: dict[int, list[bytes]] = {_HEAD: [], _BATCH: [], _STATES: [], _END: [], _SIGNATURE: []}
    signed_bytes = kind = 0
    for at, kind, body in _items(data, _BUNDLE):
        twice = kind != _BATCH and kinds[kind]
        if twice or (kind != _HEAD and not kinds[_HEAD]) or (kinds[_END] and kind != _SIGNATURE):
            raise BundleRefused(f"item of kind {kind} in the wrong place, at byte {at}")
        kinds[kind].append(body)
        if len(kinds[_BATCH]) > BATCHES_MAX:
            raise BundleRefused(f"it holds more than {BATCHES_MAX} batches")
        signed_bytes = at
    if kind != _SIGNATURE or not kinds[_END]:
        raise BundleRefused("it is cut off: its end is missing")
    try:
        head = msgspec.msgpack.decode(kinds[_HEAD][0], type=Head)
        if head.version != VERSION:
            raise BundleRefused(f"version {head.version} is not known here")
        end = msgspec.msgpack.decode(kinds[_END][0], type=End)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise BundleRefused(f"it cannot be read: {error}") from None
    key = _key(head.certificate)
    try:
        key.verify(kinds[_SIGNATURE][0], hashlib.sha256(memoryview(data)[:signed_bytes]).digest(), _HASH)
    except InvalidSignature:
        raise BundleRefused("the signature does not fit: it was damaged or changed on the way") from None
    sound = is_station(head.station) and len(head.bundle) == BUNDLE_BYTES and head.part > 0
    sound = sound and head.centre.isprintable()  # people read it on a terminal
    if not sound or len(kinds[_BATCH]) != end.batches:
        raise BundleRefused("signed, but it contradicts itself")
    try:
        states = [state for packed in kinds[_STATES] for state in unpack_states(packed)]
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise BundleRefused(f"signed, but its states cannot be read: {error}") from None
    return BundleFile(head, end, kinds[_BATCH], states)


def check_signer(head: Head, authority: bytes, now_ms: int) -> None:
    """Check that the certificate of a file was issued to its station by that authority, and is valid now.

    Args:
        head: of a file that :func:`read_bundle` has read.
        authority: certificates of the authority, PEM.
        now_ms: milliseconds UTC.

    Raises:
        BundleRefused: with the reason.
        ValueError: when ``authority`` holds no certificate.
    """
    leaf = x509.load_pem_x509_certificate(head.certificate)
    issuers = [each for each in x509.load_pem_x509_certificates(authority) if _issued(each, leaf)]
    if not issuers:
        raise BundleRefused("its certificate is not of the authority that is trusted here")
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    for each in (leaf, issuers[0]):
        if not each.not_valid_before_utc <= now <= each.not_valid_after_utc:
            ends = f"{each.not_valid_before_utc:%Y-%m-%d} to {each.not_valid_after_utc:%Y-%m-%d}"
            raise BundleRefused(f"a certificate is not valid now, only from {ends}")
    names = [str(each.value) for each in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [head.station] or not _is_client(leaf):
        raise BundleRefused(f"its certificate is of {', '.join(names) or 'nobody'}, not of station {head.station}")


def write_receipts(receipts: Iterable[bytes]) -> bytes:
    """A file of receipts, as they would be published."""
    return _RECEIPTS + b"".join(_framed(_RECEIPT, each) for each in receipts)


def read_receipts(data: bytes) -> list[bytes]:
    """The receipts of a file; :func:`haihe_contract.receipt.verify` checks each.

    Raises:
        BundleRefused: with the reason.
    """
    receipts = [body for _, _, body in _items(data, _RECEIPTS)]
    if len(receipts) > RECEIPTS_MAX:
        raise BundleRefused(f"it holds more than {RECEIPTS_MAX} receipts")
    return receipts


def _key(certificate: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = x509.load_pem_x509_certificate(certificate).public_key()
    except _UNREADABLE:  # what it says is for who writes certificates
        raise BundleRefused("its certificate cannot be read: it was damaged on the way") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise BundleRefused("its certificate holds no elliptic curve key")
    return key


def _framed(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(_LENGTH_BYTES, "big") + body


def _items(data: bytes, magic: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Place, kind and body of each item.

    Raises:
        BundleRefused: when something else stands there.
    """
    if not data.startswith(magic):
        here = {_BUNDLE: "a bundle", _RECEIPTS: "a file of receipts"}
        found = next((what for start, what in here.items() if data.startswith(start)), "")
        raise BundleRefused(f"this is {found}, not {here[magic]}" if found else f"this is not {here[magic]}")
    allowed = {_RECEIPT} if magic == _RECEIPTS else _MOST.keys() - {_RECEIPT}
    at, frame = len(magic), 1 + _LENGTH_BYTES
    while at < len(data):
        kind, length = data[at], int.from_bytes(data[at + 1 : at + frame], "big")
        if kind not in allowed or length > _MOST[kind]:
            raise BundleRefused(f"item of kind {kind} with {length} bytes, at byte {at}: it was damaged on the way")
        if at + frame + length > len(data):
            raise BundleRefused(f"it is cut off after {len(data)} bytes")
        yield at, kind, data[at + frame : at + frame + length]
        at += frame + length


def _issued(authority: x509.Certificate, leaf: x509.Certificate) -> bool:
    try:
        basic = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
        leaf.verify_directly_issued_by(authority)
    except (*_UNREADABLE, InvalidSignature, x509.ExtensionNotFound):
        return False
    return basic.ca


def _is_client(leaf: x509.Certificate) -> bool:
    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (*_UNREADABLE, x509.ExtensionNotFound):
        return False
    return ExtendedKeyUsageOID.CLIENT_AUTH in uses
