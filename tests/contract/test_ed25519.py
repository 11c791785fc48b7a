"""A signature is believed only when it is right, whichever library says so."""

import ctypes

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from haihe_contract import ed25519
from haihe_contract.ed25519 import PublicKey
from hypothesis import given
from hypothesis import strategies as st

KEY = Ed25519PrivateKey.generate()
RAW = KEY.public_key().public_bytes_raw()
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


def without_openssl(raw: bytes) -> PublicKey:
    """As on a Python whose ssl hides its OpenSSL."""
    key = PublicKey(raw)
    key._key = None
    return key


WAYS = pytest.mark.parametrize("make", [PublicKey, without_openssl])


@WAYS
@pytest.mark.parametrize(("public", "data", "signature"), RFC_8032)
def test_the_examples_of_the_standard_are_right_and_nothing_near_them_is(
    make: type[PublicKey], public: str, data: str, signature: str
) -> None:
    key, said, signed = make(bytes.fromhex(public)), bytes.fromhex(data), bytes.fromhex(signature)
    assert key.verify(signed, said)
    assert not key.verify(signed, said + b"\0")
    for at in range(64):
        assert not key.verify(signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :], said)


@given(st.binary(max_size=5000), st.binary(min_size=64, max_size=64) | st.integers(0, 511))
def test_both_ways_agree_with_each_other_about_every_signature(data: bytes, other: bytes | int) -> None:
    signature = KEY.sign(data)
    if isinstance(other, int):
        signature = bytes(byte ^ (1 << other % 8) * (at == other // 8) for at, byte in enumerate(signature))
    else:
        signature = other
    try:
        Ed25519PublicKey.from_public_bytes(RAW).verify(signature, data)
        right = True
    except InvalidSignature:
        right = False
    assert PublicKey(RAW).verify(signature, data) is right
    assert without_openssl(RAW).verify(signature, data) is right
    assert PublicKey(RAW).verify(KEY.sign(data), data)


@WAYS
@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_is_none(make: type[PublicKey], length: int) -> None:
    assert not make(RAW).verify((KEY.sign(b"data") * 2)[:length], b"data")


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PublicKey(bytes(length))


def test_a_key_that_is_no_point_of_the_curve_verifies_nothing() -> None:
    nowhere = b"\xff" * 32
    assert not PublicKey(nowhere).verify(KEY.sign(b"data"), b"data")
    assert not without_openssl(nowhere).verify(KEY.sign(b"data"), b"data")


@pytest.mark.skipif(ed25519._OPENSSL is None, reason="the OpenSSL of this Python is hidden")
def test_a_wrong_signature_leaves_no_error_that_a_tls_connection_would_take_for_its_own() -> None:
    peek = ed25519._OPENSSL.ERR_peek_error
    peek.restype = ctypes.c_ulong
    for _ in range(3):
        assert not PublicKey(RAW).verify(bytes(64), b"data")
        assert not PublicKey(b"\xff" * 32).verify(b"\xff" * 64, b"data")
        assert peek() == 0
