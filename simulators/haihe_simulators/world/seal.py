"""The keys of a world's centres."""

from hashlib import blake2b

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from haihe_contract.ed25519 import SIGNATURE_BYTES, PublicKey
from haihe_contract.receipt import Signer


class Seal(PublicKey):
    """Stands in for both keys of a centre: a keyed hash costs a fiftieth of a signature and is as hard to forge."""

    def sign(self, data: bytes) -> bytes:
        """The hash, as long as a signature."""
        return blake2b(data, key=self.raw, digest_size=SIGNATURE_BYTES).digest()

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether that is the hash of those bytes."""
        return signature == self.sign(data)


def receipt_keys(secret: bytes, *, signs: bool) -> tuple[Signer, PublicKey]:
    """What a centre signs its receipts with, and what its stations check them with.

    Args:
        secret: 32 bytes.
        signs: whether with real signatures.
    """
    if not signs:
        return Seal(secret), Seal(secret)
    key = Ed25519PrivateKey.from_private_bytes(secret)
    return key, PublicKey(key.public_key().public_bytes_raw())
