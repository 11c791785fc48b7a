"""An answer to a station with a new card says only what its centre has signed, for this question and no other."""

import zlib
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from haihe_contract import receipt as receipts
from haihe_contract import topic
from haihe_contract.ed25519 import PublicKey
from haihe_contract.receipt import ReceiptRefused
from haihe_contract.restore import (
    ANSWER_BYTES_MAX,
    QUESTION_BYTES,
    SITE,
    STATES_BYTES_MAX,
    AnswerRefused,
    StationState,
    sign,
    verify,
)
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = Ed25519PrivateKey.generate()
PUBLIC = PublicKey(KEY.public_key().public_bytes_raw())
STATION, CENTRE, QUESTION = "31005650", "bureau", bytes(range(QUESTION_BYTES))
T0 = 1_790_000_000_000

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
states = st.lists(
    st.builds(
        StationState,
        st.text(min_size=1, max_size=30),
        st.integers(0, 2**53),
        st.integers(0, 6),
        st.dictionaries(st.text(max_size=8), values, max_size=4),
    ),
    max_size=20,
    unique_by=lambda state: state.name,
)


def answered(of: list[StationState] | None, *, question: bytes = QUESTION, station: str = STATION) -> bytes:
    return sign(KEY, centre=CENTRE, station=station, question=question, issued_ms=T0, states=of)


def read(data: bytes, *, question: bytes = QUESTION, station: str = STATION, centre: str = CENTRE) -> Any:
    return verify(data, PUBLIC, centre=centre, station=station, question=question)


@given(states)
@settings(max_examples=200)
def test_what_the_centre_knows_comes_back_whole(known: list[StationState]) -> None:
    answer = read(answered(known))
    assert sorted(answer.states(), key=lambda state: state.name) == sorted(known, key=lambda state: state.name)
    assert (answer.registered, answer.left_out, answer.issued_ms) == (True, 0, T0)


def test_a_station_that_is_not_registered_is_told_so_and_nothing_else() -> None:
    answer = read(answered(None))
    assert (answer.registered, answer.states()) == (False, [])
    assert read(answered([])).registered


def test_an_answer_is_believed_only_by_who_asked_this_question() -> None:
    data = answered([StationState(SITE, T0, 5, {})])
    for wrong in ({"question": bytes(QUESTION_BYTES)}, {"station": "31005651"}, {"centre": "province"}):
        with pytest.raises(AnswerRefused):
            read(data, **wrong)  # type: ignore[arg-type]


@given(st.data())
@settings(max_examples=200)
def test_an_answer_that_was_changed_anywhere_is_refused(data: st.DataObject) -> None:
    whole = answered([StationState(SITE, T0, 5, {"zlib_base85": "abc"})])
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    with pytest.raises(AnswerRefused):
        read(changed)
    with pytest.raises(AnswerRefused):
        read(whole[:at])


def test_neither_an_answer_nor_a_receipt_can_be_taken_for_the_other() -> None:
    with pytest.raises(ReceiptRefused):
        receipts.verify(answered([]), PUBLIC, centre=CENTRE, station=STATION)
    receipt = receipts.Receipt(1, CENTRE, 1, STATION, T0, [])
    with pytest.raises(AnswerRefused):
        read(receipts.sign(receipt, KEY))


def test_states_without_end_leave_room_for_the_site_file_and_the_newest_and_are_counted() -> None:
    noise = "".join(chr(33 + n * 7919 % 90) for n in range(4000))
    known = [StationState(f"counter {n}", T0 + n, 5, {"text": noise[n % 90 :]}) for n in range(2000)]
    known.append(StationState(SITE, 1, 5, {"zlib_base85": "abc"}))
    data = answered(known)
    assert len(data) <= ANSWER_BYTES_MAX
    answer = read(data)
    names = [state.name for state in answer.states()]
    assert names[:2] == [SITE, "counter 1999"]
    assert len(names) + answer.left_out == len(known)
    assert answer.left_out > 0


def signed(**other: object) -> bytes:
    said: dict[str, object] = {
        "word": "state", "version": 1, "centre": CENTRE, "station": STATION, "question": QUESTION, "issued_ms": T0,
        "registered": True, "left_out": 0, "packed": zlib.compress(b"[]"),
    }  # fmt: skip
    body = msgspec.msgpack.encode([*(said | other).values()])
    return KEY.sign(body) + body


def test_further_elements_of_a_newer_release_are_passed_over() -> None:
    assert read(signed(further={"new": 1})).states() == []


@pytest.mark.parametrize(
    "other",
    [
        {"word": "receipt"},
        {"version": 2},
        {"packed": b""},
        {"packed": b"[]"},
        {"packed": zlib.compress(b"[]")[:-5]},
        {"packed": zlib.compress(b"{}")},
        {"packed": zlib.compress(b'[{"name": 1}]')},
        {"packed": zlib.compress(b" " * (STATES_BYTES_MAX + 1))},
        {"packed": zlib.compress(b"[" * 100_000)},
        {"question": "text"},
        {"registered": None},
    ],
    ids=lambda other: next(iter(other)),
)
def test_an_answer_that_cannot_be_read_is_refused_and_harms_nobody(other: dict[str, object]) -> None:
    with pytest.raises(AnswerRefused):
        read(signed(**other))


def test_a_question_has_a_topic_that_no_batch_has() -> None:
    assert topic.is_state_asked(topic.state_asked(STATION))
    assert topic.station_of(topic.state_asked(STATION)) == STATION
    for other in (*(topic.up(STATION, lane) for lane in range(3)), topic.state(STATION, CENTRE), "a/b/c/d/up/state"):
        assert not topic.is_state_asked(other)
