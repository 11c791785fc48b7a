"""Keys: made once, readable by their owner only, and each for one purpose."""

import datetime
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from haihe_cloud.admit.broker import write_broker_files
from haihe_cloud.admit.pki import Pki, load_receipt_key
from haihe_contract.clock import SystemClock
from haihe_contract.errors import FieldError

from tests.cloud.samples import StillClock


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def name(path: Path) -> str:
    return str(certificate(path).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def test_private_keys_are_readable_by_their_owner_only(pki: Pki) -> None:
    keys = list(pki.directory.rglob("*.key"))
    assert len(keys) >= 6
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


def test_each_certificate_names_its_owner_and_its_one_use(pki: Pki) -> None:
    wanted = {
        "broker": ("localhost", ExtendedKeyUsageOID.SERVER_AUTH),
        "centre": ("centre-haihe", ExtendedKeyUsageOID.CLIENT_AUTH),
        "stations/31005650": ("31005650", ExtendedKeyUsageOID.CLIENT_AUTH),
    }
    authority = certificate(pki.ca)
    for file, (owner, use) in wanted.items():
        path = pki.directory / f"{file}.pem"
        assert name(path) == owner
        assert list(certificate(path).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [use]
        certificate(path).verify_directly_issued_by(authority)


def test_validity_is_what_was_asked_and_begins_before_now(tmp_path: Path) -> None:
    clock = StillClock()
    keys = Pki(tmp_path, clock)
    keys.init(days=100)
    made = certificate(keys.station("31005650", days=10).certificate)
    now = datetime.datetime.fromtimestamp(clock.now_ms() / 1000, datetime.UTC)
    assert made.not_valid_before_utc < now
    assert made.not_valid_after_utc - now == datetime.timedelta(days=10)


def test_an_authority_and_a_receipt_key_are_never_overwritten(pki: Pki) -> None:
    before = {path: path.read_bytes() for path in pki.directory.glob("*.key")}
    with pytest.raises(FieldError, match="already"):
        pki.init()
    with pytest.raises(FieldError, match="already"):
        pki.make_receipt_key()
    assert {path: path.read_bytes() for path in pki.directory.glob("*.key")} == before


@pytest.mark.parametrize("code", ["1234567", "../../etc", "3100565a", "centre-x", ""])
def test_a_certificate_is_issued_for_real_station_codes_only(pki: Pki, code: str) -> None:
    with pytest.raises(FieldError, match="no station code"):
        pki.station(code)


@pytest.mark.parametrize("centre", ["Haihe", "../x", "a b", "a\nb", ""])
def test_a_centre_has_a_name_that_fits_topics_and_files(pki: Pki, centre: str) -> None:
    with pytest.raises(FieldError, match="no name of a centre"):
        pki.centre(centre)


def test_a_missing_authority_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(FieldError) as caught:
        Pki(tmp_path, SystemClock()).station("31005650")
    assert caught.value.do == "haihe-cloud pki init makes one"


def test_another_key_is_no_receipt_key(pki: Pki, tmp_path: Path) -> None:
    for wrong in (pki.directory / "ca.key", pki.ca, tmp_path / "none"):
        with pytest.raises(FieldError):
            load_receipt_key(wrong)
    assert load_receipt_key(pki.receipt_key)


def test_the_broker_is_told_not_to_drop_and_to_tie_names_to_certificates(pki: Pki, tmp_path: Path) -> None:
    conf = write_broker_files(tmp_path, pki, "haihe", port=8883).read_text()
    for line in ("require_certificate true", "use_identity_as_username true", "max_queued_messages 0",
                 "allow_anonymous false", "listener 8883 0.0.0.0"):  # fmt: skip
        assert line in conf.splitlines()
    acl = (tmp_path / "acl").read_text().splitlines()
    assert "user centre-haihe" in acl
    assert "pattern write haihe/1/+/%u/up/#" in acl
    assert "pattern read haihe/1/+/%u/down/#" in acl
