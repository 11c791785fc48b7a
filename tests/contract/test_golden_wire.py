"""The samples of wire version 1 mean for ever what they meant when it was frozen, to both implementations."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from haihe_contract import receipt, wire
from haihe_contract.ed25519 import PublicKey
from haihe_contract.record import Record

from tests.docs import wire_by_the_page as page
from tests.golden.wire.make import RECEIPT_KEY, as_said, receipts, samples

HERE = Path(__file__).parents[1] / "golden" / "wire" / "v1"
GOLDEN: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text("utf-8")) for path in HERE.glob("*.json")}
BATCHES = sorted(name for name, sample in GOLDEN.items() if "batch" in sample)
RECEIPTS = sorted(name for name, sample in GOLDEN.items() if "receipt" in sample)


@pytest.mark.parametrize("name", BATCHES)
def test_a_golden_batch_is_read_as_what_it_means(name: str) -> None:
    data = bytes.fromhex(GOLDEN[name]["bytes"])
    taken, codec = wire.decode(data), wire.read_envelope(data).codec
    assert as_said(taken, codec) == GOLDEN[name]["batch"]
    assert page.decode(data) == GOLDEN[name]["batch"]


@pytest.mark.parametrize("name", BATCHES)
def test_a_golden_batch_is_written_as_it_was(name: str) -> None:
    data = bytes.fromhex(GOLDEN[name]["bytes"])
    written = wire.encode(samples()[name])
    assert wire.decode(written) == wire.decode(data) == samples()[name]
    if wire.read_envelope(data).codec == wire.PLAIN:  # another zlib may compress otherwise
        assert written == data


@pytest.mark.parametrize("name", RECEIPTS)
def test_a_golden_receipt_is_read_and_written_as_it_was(name: str) -> None:
    data = bytes.fromhex(GOLDEN[name]["bytes"])
    key = PublicKey(bytes.fromhex(GOLDEN[name]["public_key"]))
    taken = receipt.verify(data, key, centre="haihe", station="31005650")
    assert taken == receipts()[name]
    assert msgspec.msgpack.decode(data[64:]) == GOLDEN[name]["receipt"]
    assert receipt.sign(taken, RECEIPT_KEY) == data


def test_the_golden_samples_hold_every_kind_lane_codec_scale_and_flag() -> None:
    assert {*GOLDEN} == {*samples(), *receipts()}
    meant = [GOLDEN[name]["batch"] for name in BATCHES]
    records = [record for each in meant for record in each["records"]]
    kinds = {each.__struct_config__.tag for each in Record.__annotations__["body"].__args__} - {0, 4}
    assert {record["record"][0] for record in records if "record" in record} == kinds
    assert any("unread" in record for record in records)
    assert {each["lane"] for each in meant} == {"alarm", "live", "backlog"}
    assert {each["codec"] for each in meant} == set(wire.CODECS)
    assert {each["volatile"] for each in meant} == {each["dictionary_needed"] for each in meant} == {True, False}
    assert {mark % 16 for record in records for mark in record.get("marks", ())} >= {1, 3, 9}
    assert any(not each["records"] for each in meant)
