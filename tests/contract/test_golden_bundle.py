"""The samples of bundle version 1 mean for ever what they meant, to both implementations."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from haihe_contract import wire
from haihe_contract.bundle import BundleRefused, check_signer, read_bundle, read_receipts
from haihe_contract.ed25519 import PublicKey
from haihe_contract.receipt import verify

from tests.docs import bundle_by_the_page as page
from tests.golden.bundle.make import STATES, STATION, T0, batches, made, receipts

HERE = Path(__file__).parents[1] / "golden" / "bundle" / "v1"
GOLDEN: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text("utf-8")) for path in HERE.glob("*.json")}


def test_a_golden_bundle_is_read_as_what_it_means() -> None:
    data = bytes.fromhex(GOLDEN["bundle"]["bytes"])
    found = read_bundle(data)
    assert [wire.decode(each) for each in found.batches] == batches()
    assert found.states == STATES
    assert (found.head.station, found.head.centre, found.head.made_ms, found.head.part) == (STATION, "haihe", T0, 1)
    assert (found.end.batches, found.end.records, found.end.last) == (
        len(batches()), sum(len(each.records) for each in batches()), False
    )  # fmt: skip
    by_page = page.decode(data)
    assert by_page["batches"] == [each.hex() for each in found.batches]
    assert [each["name"] for each in by_page["states"]] == [each.name for each in STATES]
    assert (by_page["head"]["bundle"], by_page["end"]["records"]) == (bytes(range(8)).hex(), found.end.records)


@pytest.mark.parametrize("name", ["bundle", "last"])
def test_a_golden_bundle_is_signed_by_its_station_and_believed_while_its_certificate_is_valid(name: str) -> None:
    found = read_bundle(bytes.fromhex(GOLDEN[name]["bytes"]))
    leaf = x509.load_pem_x509_certificate(found.head.certificate)
    day = round(leaf.not_valid_before_utc.timestamp() * 1000) + 1000
    check_signer(found.head, GOLDEN[name]["authority"].encode(), day)
    after = round(leaf.not_valid_after_utc.timestamp() * 1000) + 1000
    with pytest.raises(BundleRefused, match="a certificate is not valid now"):
        check_signer(found.head, GOLDEN[name]["authority"].encode(), after)


def test_golden_receipts_are_read_as_what_they_mean() -> None:
    data, key = bytes.fromhex(GOLDEN["receipts"]["bytes"]), PublicKey(bytes.fromhex(GOLDEN["receipts"]["public_key"]))
    found = read_receipts(data)
    assert found == page.receipts(data)
    assert [verify(each, key, centre="haihe", station=STATION) for each in found] == receipts()


def test_the_golden_bundles_are_those_that_are_made() -> None:
    assert {*GOLDEN} == {*made()}
