"""A bundle file says only what its station has signed, and whatever happens to it on the way is noticed."""

import base64
import datetime
import io
import os
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from haihe_contract import bundle
from haihe_contract.bundle import (
    BundleFile,
    BundleRefused,
    BundleWriter,
    Head,
    Signature,
    bytes_of,
    check_signer,
    read_bundle,
    read_receipts,
    write_receipts,
)
from haihe_contract.restore import StationState
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

STATION = "31005650"
T0 = 1_790_000_000_000
DAY_MS = 86_400_000


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _time(ms: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC)


class Authority:
    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.pem = self.issue("the authority", self.key, ca=True).public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        common: str,
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
        *,
        ca: bool = False,
        server: bool = False,
    ) -> x509.Certificate:
        use = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        built = (
            x509.CertificateBuilder()
            .subject_name(_name(common))
            .issuer_name(_name("the authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_time(T0 - DAY_MS))
            .not_valid_after(_time(T0 + 30 * DAY_MS))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        )
        return built.sign(self.key, hashes.SHA256())

    def signature(self, common: str = STATION, *, server: bool = False) -> Signature:
        key = ec.generate_private_key(ec.SECP256R1())
        return Signature(_pem(self.issue(common, key, server=server)), _key_pem(key))


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


AUTHORITY = Authority()
SIGNATURE = AUTHORITY.signature()
STATES = [StationState("site", T0, 1, {"text": "eA==", "of": 3})]


def head(signature: Signature = SIGNATURE, station: str = STATION) -> Head:
    return Head(bundle.VERSION, station, "bureau", b"\x07" * 8, 1, T0, 1, signature.certificate)


def written(batches: list[bytes], *, by: Signature = SIGNATURE, station: str = STATION, last: bool = True) -> bytes:
    out = io.BytesIO()
    writer = BundleWriter(out, head(by, station), by)
    writer.states(STATES)
    for each in batches:
        writer.batch(each, 5)
    writer.close(last=last)
    assert writer.size == len(out.getvalue())
    return out.getvalue()


WRITTEN = written([b"Hello", b"world"])


@given(st.lists(st.binary(max_size=300), max_size=10), st.booleans())
def test_what_was_written_is_read(batches: list[bytes], last: bool) -> None:
    found = read_bundle(written(batches, last=last))
    assert found == BundleFile(head(), bundle.End(len(batches), 5 * len(batches), last), batches, STATES)


@given(st.integers(0, len(WRITTEN) - 1), st.integers(1, 255))
def test_one_changed_byte_is_noticed_wherever_it_lies(at: int, change: int) -> None:
    data = bytearray(WRITTEN)
    data[at] ^= change
    with pytest.raises(BundleRefused):
        read_bundle(bytes(data))


@given(st.integers(0, len(WRITTEN) - 1))
def test_a_file_that_was_cut_off_is_refused_wherever_the_stick_was_pulled(at: int) -> None:
    with pytest.raises(BundleRefused):
        read_bundle(WRITTEN[:at])


@given(st.binary(max_size=400))
@settings(max_examples=200)
def test_bytes_that_are_no_bundle_are_refused_and_never_crash(data: bytes) -> None:
    for start in (b"", WRITTEN[:7], WRITTEN, b"HAIHER\x01"):
        if start + data != WRITTEN:
            with pytest.raises(BundleRefused):
                read_bundle(start + data)


def test_a_file_is_not_longer_than_what_is_signed() -> None:
    for more in (WRITTEN[7:], WRITTEN, b"\x05\x00\x00\x00\x01x", b"\x04\x00\x00\x00\x00"):
        with pytest.raises(BundleRefused):
            read_bundle(WRITTEN + more)


def test_a_file_of_batches_without_end_is_refused_before_they_fill_the_memory() -> None:
    out = io.BytesIO()
    writer = BundleWriter(out, head(), SIGNATURE)
    for _ in range(bundle.BATCHES_MAX + 1):
        writer.batch(b"", 0)
    writer.close(last=True)
    with pytest.raises(BundleRefused, match="more than 65536 batches"):
        read_bundle(out.getvalue())


def test_states_come_once_and_stay_small() -> None:
    out = io.BytesIO()
    writer = BundleWriter(out, head(), SIGNATURE)
    writer.states(STATES)
    writer.states(STATES)
    writer.close(last=True)
    with pytest.raises(BundleRefused, match="kind 3 in the wrong place"):
        read_bundle(out.getvalue())


def test_a_file_of_nothing_but_empty_items_is_refused_at_the_second() -> None:
    out = io.BytesIO()
    start = BundleWriter(out, head(), SIGNATURE).size
    for kind in (b"\x03", b"\x04", b"\x05"):
        many = out.getvalue() + (kind + bytes(4)) * 10_000
        with pytest.raises(BundleRefused, match=f"wrong place, at byte {start + 5}"):
            read_bundle(many)


def test_a_certificate_of_a_version_that_does_not_exist_is_refused_like_any_damage() -> None:
    der = x509.load_pem_x509_certificate(SIGNATURE.certificate).public_bytes(serialization.Encoding.DER)
    strange = der.replace(bytes.fromhex("a003020102"), bytes.fromhex("a00302010a"), 1)
    assert strange != der
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(strange) + b"-----END CERTIFICATE-----\n"
    out = io.BytesIO()
    BundleWriter(out, replace(head(), certificate=pem), SIGNATURE).close(last=True)
    with pytest.raises(BundleRefused, match="its certificate cannot be read"):
        read_bundle(out.getvalue())


def test_a_pipe_that_nobody_writes_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.haihe")
    for path in (tmp_path / "a.haihe", Path("/dev/zero")):
        with pytest.raises(BundleRefused, match="no file"):
            bytes_of(path)
    with pytest.raises(IsADirectoryError):
        bytes_of(tmp_path)


def test_of_a_file_that_is_too_long_no_more_is_read_than_shows_it(tmp_path: Path) -> None:
    (tmp_path / "a.haihe").write_bytes(b"1234567")
    assert bytes_of(tmp_path / "a.haihe", 7) == b"1234567"
    with pytest.raises(BundleRefused, match="it has more than 6 bytes"):
        bytes_of(tmp_path / "a.haihe", 6)


def test_a_name_that_moves_the_cursor_of_a_terminal_is_no_centre() -> None:
    out = io.BytesIO()
    BundleWriter(out, msgspec.structs.replace(head(), centre="bureau\x1b[2J"), SIGNATURE).close(last=True)
    with pytest.raises(BundleRefused, match="contradicts itself"):
        read_bundle(out.getvalue())


def test_the_signer_is_the_station_by_the_authority_that_is_trusted() -> None:
    check_signer(read_bundle(WRITTEN).head, AUTHORITY.pem, T0)
    check_signer(read_bundle(WRITTEN).head, Authority().pem + AUTHORITY.pem, T0)


@pytest.mark.parametrize(
    ("signature", "station", "now_ms", "why"),
    [
        (Authority().signature(), STATION, T0, "not of the authority"),
        (AUTHORITY.signature("31005651"), STATION, T0, "of 31005651, not of station 31005650"),
        (AUTHORITY.signature("centre-bureau"), STATION, T0, "of centre-bureau"),
        (AUTHORITY.signature(server=True), STATION, T0, "not of station"),
        (SIGNATURE, STATION, T0 + 31 * DAY_MS, "not valid now"),
        (SIGNATURE, STATION, T0 - 2 * DAY_MS, "not valid now"),
    ],
)
def test_nobody_else_can_speak_for_a_station(signature: Signature, station: str, now_ms: int, why: str) -> None:
    found = read_bundle(written([b"x"], by=signature, station=station))
    with pytest.raises(BundleRefused, match=why):
        check_signer(found.head, AUTHORITY.pem, now_ms)


def test_a_station_cannot_issue_certificates_for_others() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    own = AUTHORITY.issue("the authority", key)
    false = Authority()
    false.key = key
    found = read_bundle(written([b"x"], by=false.signature()))
    with pytest.raises(BundleRefused, match="not of the authority"):
        check_signer(found.head, _pem(own), T0)


def test_a_key_that_cannot_sign_is_said_in_words() -> None:
    other = rsa.generate_private_key(65537, 2048)
    with pytest.raises(ValueError, match="elliptic curve"):
        Signature(_pem(AUTHORITY.issue(STATION, other)), _key_pem(other))
    with pytest.raises(ValueError, match="do not belong together"):
        Signature(SIGNATURE.certificate, _key_pem(ec.generate_private_key(ec.SECP256R1())))


def test_another_version_is_refused_by_its_number() -> None:
    out = io.BytesIO()
    BundleWriter(out, msgspec.structs.replace(head(), version=2), SIGNATURE).close(last=True)
    with pytest.raises(BundleRefused, match="version 2"):
        read_bundle(out.getvalue())


@given(st.lists(st.binary(max_size=4096), max_size=8))
def test_receipts_travel_back_as_they_are(receipts: list[bytes]) -> None:
    assert read_receipts(write_receipts(receipts)) == receipts


def test_bundles_and_receipts_are_not_taken_for_each_other() -> None:
    with pytest.raises(BundleRefused, match="this is a file of receipts, not a bundle"):
        read_bundle(write_receipts([b"x"]))
    with pytest.raises(BundleRefused, match="this is a bundle, not a file of receipts"):
        read_receipts(WRITTEN)
