"""The centre's receipt key is read as the standard writes it, and everything else is refused in words."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from haihe_contract.errors import FieldError
from haihe_edge.station import read_receipt_key


def test_a_key_in_pem_is_the_same_key_that_was_written(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate().public_key()
    path = tmp_path / "key.pem"
    path.write_bytes(b"bureau\n" + key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert read_receipt_key(path).raw == key.public_bytes_raw()


@pytest.mark.parametrize(
    "text", ["", "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n", "\u6cb3", "MCowBQ=="]
)
def test_what_is_no_key_is_refused_with_what_to_do(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key.pem"
    path.write_text(text, "utf-8")
    with pytest.raises(FieldError, match="not an Ed25519 public key") as error:
        read_receipt_key(path)
    assert "receipt-key" in error.value.do


def test_a_key_of_another_kind_or_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    other = generate_private_key(SECP256R1()).public_key()
    path.write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(FieldError, match="not an Ed25519 public key"):
        read_receipt_key(path)
    path.write_text("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAAAA\n-----END PUBLIC KEY-----\n")
    with pytest.raises(FieldError, match="not an Ed25519 public key"):
        read_receipt_key(path)
    with pytest.raises(FieldError, match="No such file"):
        read_receipt_key(tmp_path / "none.pem")
