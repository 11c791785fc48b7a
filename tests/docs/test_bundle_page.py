"""docs/reference/bundle.md is enough for a second implementation: ``bundle_by_the_page`` was written from it alone."""

import ast
import io
import json
import zlib
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from haihe_contract import bundle
from haihe_contract.bundle import BundleWriter, Head, Signature
from haihe_contract.receipt import RECEIPT_BYTES_MAX
from haihe_contract.restore import StationState
from haihe_contract.wire import BATCH_BYTES_MAX
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.test_bundle import AUTHORITY, SIGNATURE, STATION, T0
from tests.docs import bundle_by_the_page as page
from tests.docs.wire_by_the_page import PAGE as WIRE_PAGE

CURVES = [ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)]
"""Keys of a station: of the curve that the centre issues, and of others that a bureau may have."""


def test_the_second_implementation_of_bundles_takes_nothing_from_the_product() -> None:
    imported = set()
    for node in ast.walk(ast.parse(Path(page.__file__).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported == {"collections", "cryptography", "json", "pathlib", "typing", "zlib", "msgspec"}


@given(
    st.lists(st.binary(max_size=200), max_size=6),
    st.dictionaries(
        st.text(min_size=1, max_size=20), st.dictionaries(st.text(max_size=5), st.integers(0, 9)), max_size=4
    ),
    st.integers(1, 1000),
    st.integers(0, 6),
    st.booleans(),
)
@settings(max_examples=60)
def test_what_the_product_writes_is_read_by_the_page(
    batches: list[bytes], values: dict[str, dict[str, int]], part: int, grade: int, last: bool
) -> None:
    out = io.BytesIO()
    head = Head(
        bundle.VERSION, STATION, "bureau", b"\x00\xff" * 4, part, 1_790_000_000_000, grade, SIGNATURE.certificate
    )
    writer = BundleWriter(out, head, SIGNATURE)
    states = [StationState(name, n, grade, dict(value)) for n, (name, value) in enumerate(values.items())]
    if states:
        writer.states(states)
    for each in batches:
        writer.batch(each, 3)
    writer.close(last=last)
    found = page.decode(out.getvalue())
    assert found["head"] == {
        **msgspec.structs.asdict(head), "bundle": "00ff" * 4, "certificate": SIGNATURE.certificate.decode()
    }  # fmt: skip
    assert found["batches"] == [each.hex() for each in batches]
    assert sorted(found["states"], key=str) == sorted((msgspec.to_builtins(each) for each in states), key=str)
    assert found["end"] == {"batches": len(batches), "records": 3 * len(batches), "last": last}


@given(
    st.lists(st.binary(max_size=200), max_size=6),
    st.none() | st.integers(0, 6),
    st.lists(st.sampled_from([None, 7, {"new": [1]}]), max_size=3),
    st.sampled_from(CURVES),
)
@settings(max_examples=60)
def test_what_was_written_by_the_page_is_read_by_the_product_whatever_the_page_leaves_open(
    batches: list[bytes], states_at: int | None, added: list[object], key: ec.EllipticCurvePrivateKey
) -> None:
    certificate = AUTHORITY.issue(STATION, key).public_bytes(serialization.Encoding.PEM)
    head = [1, STATION, "bureau", bytes(8), 2, T0, 5, certificate, *added]
    state = {"name": "site", "time_ms": T0, "grade": 5, "value": {"why": "too long"}}
    carried = [(2, batch) for batch in batches]
    if states_at is not None:
        carried.insert(states_at, (3, zlib.compress(json.dumps([{**state, "new": 1}]).encode())))
    data = page.encode(head, carried, [len(batches), 9, True, *added], key)
    found = bundle.read_bundle(data)
    bundle.check_signer(found.head, AUTHORITY.pem, T0)
    assert list(msgspec.structs.astuple(found.head)) == head[:8]
    assert found.batches == batches
    assert [msgspec.to_builtins(each) for each in found.states] == ([] if states_at is None else [state])
    assert found.end == bundle.End(len(batches), 9, last=True)
    assert page.decode(data)["batches"] == [each.hex() for each in batches]


@given(st.lists(st.binary(min_size=1, max_size=100), max_size=8))
@settings(max_examples=60)
def test_receipts_that_the_product_writes_are_read_by_the_page(told: list[bytes]) -> None:
    assert page.receipts(bundle.write_receipts(told)) == told


def test_the_limits_of_bundles_stand_in_the_page() -> None:
    assert page.MOST == bundle._MOST
    assert page.MOST[2] == BATCH_BYTES_MAX
    assert page.MOST[6] == RECEIPT_BYTES_MAX
    for most in page.MOST.values():
        assert f"{most:,} |" in page.PAGE or f"{most} |" in page.PAGE or f"{most:,} bytes |" in page.PAGE, most
    assert f"at most {bundle.FILE_BYTES_MAX >> 20} MiB long" in page.PAGE
    assert f"after {bundle.FILE_BYTES >> 20} MiB" in page.PAGE
    assert f"at most {bundle.RECEIPTS_MAX}." in page.PAGE
    assert "#question-and-answer" in page.PAGE
    assert "## Question and answer" in WIRE_PAGE
    assert isinstance(SIGNATURE, Signature)
