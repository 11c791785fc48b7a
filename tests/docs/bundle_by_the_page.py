"""A second implementation of bundles, both directions, written from docs/reference/bundle.md alone.

It imports nothing of the product; MessagePack is read without any of its types, signatures by a library.
"""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "bundle.md").read_text("utf-8")
HEAD = ("version", "station", "centre", "bundle", "part", "made_ms", "grade", "certificate")
END = ("batches", "records", "last")
MOST = {1: 17_408, 2: 1_048_576, 3: 1_048_576, 4: 64, 5: 256, 6: 4096}


def items(data: bytes, magic: bytes) -> list[tuple[int, bytes, int]]:
    """Kind, body, and where the item begins."""
    assert data[:7] == magic + b"\x01"
    found, at = [], 7
    while at < len(data):
        kind, length = data[at], int.from_bytes(data[at + 1 : at + 5], "big")
        body = data[at + 5 : at + 5 + length]
        assert len(body) == length <= MOST[kind]
        found.append((kind, body, at))
        at += 5 + length
    return found


def decode(data: bytes) -> dict[str, Any]:
    """A bundle file whose signature holds."""
    found = items(data, b"HAIHEB")
    kinds = [kind for kind, _, _ in found]
    assert (kinds[0], kinds[-2:]) == (1, [4, 5])
    assert set(kinds[1:-2]) <= {2, 3}
    assert kinds.count(3) <= 1
    head = dict(zip(HEAD, msgspec.msgpack.decode(found[0][1]), strict=False))
    end = dict(zip(END, msgspec.msgpack.decode(found[-2][1]), strict=False))
    batches = [body for kind, body, _ in found if kind == 2]
    assert head["version"] == 1
    assert end["batches"] == len(batches)
    certificate = x509.load_pem_x509_certificate(head["certificate"])
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(found[-1][1], data[: found[-1][2]], ec.ECDSA(SHA256()))
    states = [json.loads(zlib.decompress(body)) for kind, body, _ in found if kind == 3]
    return {
        "head": head | {"bundle": head["bundle"].hex(), "certificate": head["certificate"].decode()},
        "batches": [batch.hex() for batch in batches],
        "states": states[0] if states else [],
        "end": end,
    }


def encode(
    head: Sequence[Any],
    carried: Sequence[tuple[int, bytes]],
    end: Sequence[Any],
    key: ec.EllipticCurvePrivateKey,
) -> bytes:
    """A bundle file with these batches and states, each with its kind."""
    told = [(1, msgspec.msgpack.encode(head)), *carried, (4, msgspec.msgpack.encode(end))]
    signed = b"HAIHEB\x01" + b"".join(map(_item, told))
    return signed + _item((5, key.sign(signed, ec.ECDSA(SHA256()))))


def _item(of: tuple[int, bytes]) -> bytes:
    kind, body = of
    return bytes([kind]) + len(body).to_bytes(4, "big") + body


def receipts(data: bytes) -> list[bytes]:
    """The receipts of a file, as they would be published."""
    found = items(data, b"HAIHER")
    assert {kind for kind, _, _ in found} <= {6}
    assert len(found) <= 4096
    return [body for _, body, _ in found]
