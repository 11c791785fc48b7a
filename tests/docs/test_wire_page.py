"""docs/reference/wire.md is enough for a second implementation: ``wire_by_the_page`` (and ``wire_written_by_the_page``,
which encodes) were written from it alone.
"""

import ast
import hashlib
import json
import re
import sys
import zlib
from pathlib import Path
from random import Random
from types import ModuleType

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from haihe_contract import receipt, record_fault, restore, topic, wire
from haihe_contract.ed25519 import PublicKey
from haihe_contract.quality import Flag, Reason, mark
from haihe_contract.receipt import Credit, LineHeld, LineWanted, Receipt
from haihe_contract.record import Dictionary, Readings, Record, Unread
from haihe_contract.series import INTERVAL_S_MAX, Source, Statistic
from haihe_contract.wire_columns import READINGS_MAX, SHAPE_MAX
from haihe_contract.wire_preset import PRESET
from haihe_edge.qualify import CounterState
from haihe_edge.remember.site_states import COUNTER
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.test_wire import batches
from tests.docs import wire_by_the_page as page
from tests.docs import wire_written_by_the_page as writer
from tests.golden.wire.make import as_said


@pytest.mark.parametrize("module", [page, writer])
def test_the_second_implementation_takes_nothing_from_the_product(module: ModuleType) -> None:
    imported = set()
    for node in ast.walk(ast.parse(Path(module.__file__ or "").read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    roots = {name.partition(".")[0] for name in imported - {page.__name__}}
    assert roots <= {*sys.stdlib_module_names, "msgspec"}


BATCH = bytes.fromhex(page.block("example batch"))
RECEIPT = bytes.fromhex(page.block("example receipt"))


def test_the_example_batch_means_what_the_page_says() -> None:
    assert page.decode(BATCH) == json.loads(page.block("example meaning"))


def test_the_example_batch_is_what_the_product_makes_of_its_meaning() -> None:
    batch = wire.decode(BATCH)
    assert as_said(batch, wire.PLAIN) == json.loads(page.block("example meaning"))
    assert wire.encode(batch, compress=False) == BATCH


def test_the_text_that_compression_may_refer_to_stands_in_the_page() -> None:
    assert page.PRESET == PRESET
    assert f"{len(PRESET)} bytes of ASCII" in page.PAGE


@given(batches(), st.booleans())
@settings(max_examples=200)
def test_any_batch_of_the_product_can_be_read_by_the_page_alone(batch: wire.Batch, compress: bool) -> None:
    data = wire.encode(batch, compress=compress)
    assert page.decode(data) == as_said(batch, wire.read_envelope(data).codec)


@given(batches(), st.sampled_from(wire.CODECS), st.integers(0, 2**32))
@settings(max_examples=300)
def test_a_batch_that_was_written_by_the_page_alone_is_read_by_the_product_whatever_the_page_leaves_open(
    batch: wire.Batch, codec: int, seed: int
) -> None:
    said = as_said(batch, codec)
    data = writer.encode(said, Random(seed))
    taken = wire.read_envelope(data)
    assert (taken.codec, taken.needs_dictionary) == (codec, said["dictionary_needed"])
    assert as_said(wire.open_batch(taken), codec) == said
    assert page.decode(data) == said


def test_a_long_compressed_batch_can_be_read_by_the_page_alone() -> None:
    records: list[Record] = [Record(2, False, Dictionary(["water_level.main.instant.0.derived.dagu"] * 9))]
    for number in range(40, 400):
        missing = number % 7 == 0
        marks = [1, mark(Flag.MISSING, Reason.TIMEOUT)] if missing else []
        group = Readings(
            1_790_000_000_000 + number * 997, 5, [4, number % 3], [number / 8, None if missing else -1.5], marks
        )
        records.append(Record(number, False, group))
    batch = wire.Batch("Z0005650", 7, 2, 400, 1, records)
    data = wire.encode(batch)
    assert page.decode(data) == as_said(batch, wire.DEFLATE)


def test_the_example_receipt_verifies_and_means_what_the_page_says() -> None:
    key = example_key()
    key.verify(RECEIPT[:64], RECEIPT[64:])
    said = msgspec.msgpack.decode(RECEIPT[64:])
    line = 0x0123456789ABCDEF
    lines, credit, wanted = [[line, [[1, 5]], []]], [4, 600], [[line, [[7, 9]]]]
    assert said == [1, "haihe", 1785542399000, "31005650", 1785542406000, lines, credit, wanted, [0, 1]]
    taken = receipt.verify(RECEIPT, PublicKey(key.public_bytes_raw()), centre="haihe", station="31005650")
    assert str(taken.settled()[line]) == "1-5"
    assert taken.credit == Credit(4, 600)
    assert str(taken.asked_for()[line]) == "7-9"


def test_a_receipt_of_the_product_is_what_the_page_describes() -> None:
    key = Ed25519PrivateKey.generate()
    held, wanted = LineHeld(7, [(1, 9)], [(11, 11)]), LineWanted(7, [(10, 10)])
    data = receipt.sign(Receipt(1, "haihe", 3, "31005650", 4, [held], None, [wanted], [0, 1]), key)
    key.public_key().verify(data[:64], data[64:])
    assert msgspec.msgpack.decode(data[64:]) == [
        1, "haihe", 3, "31005650", 4, [[7, [[1, 9]], [[11, 11]]]], None, [[7, [[10, 10]]]], [0, 1],
    ]  # fmt: skip


def test_a_receipt_without_its_last_elements_and_one_with_further_ones_are_read() -> None:
    key = Ed25519PrivateKey.generate()
    for said in ([1, "haihe", 3, "31005650", 4, [[7, [[1, 9]]]]],
                 [1, "haihe", 3, "31005650", 4, [[7, [[1, 9]], [], "new"]], None, [], [], {"new": 1}]):  # fmt: skip
        body = msgspec.msgpack.encode(said)
        public = PublicKey(key.public_key().public_bytes_raw())
        taken = receipt.verify(key.sign(body) + body, public, centre="haihe", station="31005650")
        assert taken == Receipt(1, "haihe", 3, "31005650", 4, [LineHeld(7, [(1, 9)])])


def example_key() -> Ed25519PublicKey:
    key_text = re.search(r"public key of the example is `([0-9a-f]{64})`", page.PAGE)
    assert key_text
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(key_text[1]))


def test_the_example_answer_verifies_and_means_what_the_page_says() -> None:
    answer, question = bytes.fromhex(page.block("example answer")), bytes.fromhex("00112233445566778899aabbccddeeff")
    assert f"`{question.hex()}`" in page.PAGE
    example_key().verify(answer[:64], answer[64:])
    *said, packed = msgspec.msgpack.decode(answer[64:])
    assert said == ["state", 1, "haihe", "31005650", question, 1785542406000, True, 0]
    states = json.loads(page.block("example states"))
    assert json.loads(zlib.decompress(packed)) == states
    key = PublicKey(example_key().public_bytes_raw())
    taken = restore.verify(answer, key, centre="haihe", station="31005650", question=question)
    assert msgspec.to_builtins(taken.states()) == states
    (state,) = taken.states()
    assert state.name.startswith(COUNTER)
    assert msgspec.convert(state.value, CounterState).value == 12.5


def test_an_answer_of_the_product_is_what_the_page_describes() -> None:
    key, question = Ed25519PrivateKey.generate(), bytes(restore.QUESTION_BYTES)
    known = [restore.StationState("site", 7, 5, {"why": "too long"}), restore.StationState("a", 9, 5, {})]
    data = restore.sign(key, centre="haihe", station="31005650", question=question, issued_ms=4, states=known)
    key.public_key().verify(data[:64], data[64:])
    *said, packed = msgspec.msgpack.decode(data[64:])
    assert said == ["state", 1, "haihe", "31005650", question, 4, True, 0]
    assert json.loads(zlib.decompress(packed)) == msgspec.to_builtins(known)
    for limit in (restore.ANSWER_BYTES_MAX, restore.STATES_BYTES_MAX):
        assert f"{limit:,}" in page.PAGE
    assert f"{restore.QUESTION_BYTES} bytes at random" in page.PAGE


@pytest.mark.parametrize("made", [topic.up("31005650", lane) for lane in range(3)]
                         + [topic.receipt("31005650", "haihe"), topic.latest("31005650"),
                            topic.state_asked("31005650"), topic.state("31005650", "haihe")])  # fmt: skip
def test_every_topic_of_the_product_stands_in_the_page(made: str) -> None:
    shard = hashlib.sha256(b"31005650").hexdigest()[:2]
    said = [
        found.replace("<shard>", shard).replace("<station>", "31005650").replace("<centre>", "haihe")
        for found in re.findall(r"^\| `(haihe/[^`]+)`", page.PAGE, re.MULTILINE)
    ]
    assert made in said


def test_the_limits_of_the_page_are_those_of_the_product() -> None:
    limits = (wire.BATCH_BYTES_MAX, wire.RAW_BYTES_MAX, wire.RECORDS_MAX, wire.RANGES_MAX, READINGS_MAX, SHAPE_MAX)
    for limit in limits:
        assert f"{limit:,}" in page.PAGE or str(limit) in page.PAGE
    assert str(receipt.RECEIPT_BYTES_MAX) in page.PAGE


def test_the_form_of_a_series_key_stands_in_the_page() -> None:
    rows = dict(re.findall(r"^\| (\w+) \| (.+) \|$", page.PAGE.partition("### Series key")[2], re.MULTILINE))
    assert re.findall(r"`(\w+)`", rows["statistic"]) == list(Statistic)
    assert re.findall(r"`(\w+)`", rows["source"]) == list(Source)
    assert f"at most {INTERVAL_S_MAX:,}" in rows["interval"]
    named = re.search(r"as text: `([a-z.]+)`", page.PAGE)
    assert named
    assert named[1].split(".") == list(rows)[1:7]


def test_what_a_record_may_say_at_most_stands_in_the_page() -> None:
    rows = dict(re.findall(r"^\| (.+?) \| (.+) \|$", page.PAGE.partition("or more than this:")[2], re.MULTILINE))
    for what, most in {
        "older lines of an opened": record_fault.OPENING_LINES,
        "series of a dictionary or duty; of a summary": record_fault.DICTIONARY_SERIES,
        "series key": record_fault.SERIES_KEY_CHARACTERS,
        "kind of an event, cause of a gap, id of a boot": record_fault.EVENT_KIND_CHARACTERS,
        "detail of an event, as JSON": record_fault.EVENT_DETAIL_BYTES,
        "name of a state": record_fault.STATE_NAME_CHARACTERS,
        "value of a state, as JSON": record_fault.STATE_BYTES,
        "ranges of a gap or summary": record_fault.GAP_RANGES,
    }.items():
        assert re.search(rf"\b{most}\b", rows[what]), what


def test_every_kind_of_record_stands_in_the_page_with_all_its_elements() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| [a-z-]+ \| (.+) \|$", page.PAGE, re.MULTILINE))
    kinds = {
        each.__struct_config__.tag: len(each.__struct_fields__)
        for each in Record.__annotations__["body"].__args__
        if each not in (Readings, Unread)
    }
    assert {int(kind) for kind in rows} == kinds.keys() == set(page.KINDS)
    for kind, fields in kinds.items():
        said = re.sub(r"\[[^]]*\]|\([^)]*\)", "", rows[str(kind)])
        assert len(said.split(",")) == fields, f"kind {kind}"
