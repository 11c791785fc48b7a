"""Ed25519 signatures (RFC 8032), checked by the OpenSSL that Python's ``ssl`` has in memory anyway.

The ``cryptography`` package brings an OpenSSL of its own, which would cost a station 8 MB; it is asked only where
Python's cannot be. Signing is done at the centre, with that package.
"""

import _ssl
import ctypes
import weakref
from typing import Any

KEY_BYTES = 32
SIGNATURE_BYTES = 64
_EVP_PKEY_ED25519 = 1087
"""openssl/evp.h"""


def _functions() -> Any:
    """The library with the functions that are used here, None where Python hides them or has another library."""
    pointer, text, size, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int
    try:
        library = ctypes.CDLL(getattr(_ssl, "__file__", None))
        for name, result, arguments in (
            ("EVP_PKEY_new_raw_public_key", pointer, [number, pointer, text, size]),
            ("EVP_PKEY_free", None, [pointer]),
            ("EVP_MD_CTX_new", pointer, []),
            ("EVP_MD_CTX_free", None, [pointer]),
            ("EVP_DigestVerifyInit", number, [pointer] * 5),
            ("EVP_DigestVerify", number, [pointer, text, size, text, size]),
            ("ERR_clear_error", None, []),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    return library


_OPENSSL = _functions()


class PublicKey:
    """A key that signatures are checked with.

    Args:
        raw: its 32 bytes.

    Raises:
        ValueError: when it has another length.
    """

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_BYTES:
            raise ValueError(f"an Ed25519 public key has {KEY_BYTES} bytes, not {len(raw)}")
        self.raw = raw
        self._key = _OPENSSL and _OPENSSL.EVP_PKEY_new_raw_public_key(_EVP_PKEY_ED25519, None, raw, len(raw))
        if self._key:
            weakref.finalize(self, _OPENSSL.EVP_PKEY_free, self._key)

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether that is the signature of those bytes."""
        if len(signature) != SIGNATURE_BYTES:
            return False
        if not self._key:
            return _verify_elsewhere(self.raw, signature, data)
        context = _OPENSSL.EVP_MD_CTX_new()
        if not context:
            raise MemoryError
        try:
            return bool(
                _OPENSSL.EVP_DigestVerifyInit(context, None, None, None, self._key) == 1
                and _OPENSSL.EVP_DigestVerify(context, signature, len(signature), data, len(data)) == 1
            )
        finally:
            _OPENSSL.EVP_MD_CTX_free(context)
            _OPENSSL.ERR_clear_error()  # what is left there would be taken for a fault of the next TLS connection


def _verify_elsewhere(raw: bytes, signature: bytes, data: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, data)
    except InvalidSignature:
        return False
    return True
