"""A receipt says only what is true, and only its centre can say it."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from haihe_contract.ed25519 import PublicKey
from haihe_contract.ranges import RangeSet
from haihe_contract.receipt import (
    RECEIPT_BYTES_MAX,
    Credit,
    LineHeld,
    LineWanted,
    Receipt,
    ReceiptRefused,
    sign,
    verify,
)
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = Ed25519PrivateKey.generate()
PUBLIC = PublicKey(KEY.public_key().public_bytes_raw())
STATION, CENTRE = "31005650", "bureau"

held = st.lists(st.tuples(st.integers(1, 2**40), st.integers(0, 2**30)), max_size=60).map(
    lambda pairs: list(RangeSet((first, first + more) for first, more in pairs).ranges)
)
wishes = st.lists(st.builds(LineWanted, st.integers(0, 2**64 - 1), held), max_size=40, unique_by=lambda e: e.line)
lines = st.lists(st.builds(LineHeld, st.integers(0, 2**64 - 1), held, held), max_size=40, unique_by=lambda e: e.line)


def receipt(
    of: list[LineHeld], wanted: list[LineWanted] | None = None, *, station: str = STATION, centre: str = CENTRE
) -> Receipt:
    issued = 1_790_000_000_001
    return Receipt(1, centre, 1_790_000_000_000, station, issued, of, Credit(3, 60), wanted or [], [0, 1])


@given(lines, wishes)
@settings(max_examples=200)
def test_a_receipt_fits_its_size_and_never_says_more_than_the_ledger(
    of: list[LineHeld], wanted: list[LineWanted]
) -> None:
    data = sign(receipt(of, wanted), KEY)
    assert len(data) <= RECEIPT_BYTES_MAX
    said = verify(data, PUBLIC, centre=CENTRE, station=STATION)
    truth = receipt(of, wanted)
    assert all(truth.settled()[line].covers(numbers) for line, numbers in said.settled().items())
    assert all(truth.asked_for()[line].covers(numbers) for line, numbers in said.asked_for().items())
    assert (said.credit, said.codecs) == (truth.credit, truth.codecs)


def test_a_wish_that_is_too_long_leaves_room_for_what_is_held() -> None:
    wanted = [LineWanted(7, [(n * 1000, n * 1000 + 9) for n in range(1, 3000)])]
    said = verify(sign(receipt([LineHeld(7, [(1, 5)])], wanted), KEY), PUBLIC, centre=CENTRE, station=STATION)
    assert said.lines == [LineHeld(7, [(1, 5)])]
    assert said.asked_for()[7].first == 1000


def test_a_small_receipt_says_everything() -> None:
    of = [LineHeld(7, [(1, 5), (9, 9)], [(6, 8)]), LineHeld(8, [(1, 1)])]
    wanted = [LineWanted(8, [(2, 4)])]
    said = verify(sign(receipt(of, wanted), KEY), PUBLIC, centre=CENTRE, station=STATION)
    assert said == receipt(of, wanted)
    assert said.settled()[7] == RangeSet.of((1, 9))


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_receipt_that_was_changed_on_the_way_is_refused(at: int, change: int) -> None:
    data = bytearray(sign(receipt([LineHeld(7, [(1, 5)])]), KEY))
    data[at % len(data)] ^= change
    with pytest.raises(ReceiptRefused):
        verify(bytes(data), PUBLIC, centre=CENTRE, station=STATION)


@pytest.mark.parametrize(("station", "centre"), [("31005651", CENTRE), (STATION, "other")])
def test_a_receipt_for_another_station_or_of_another_centre_is_refused(station: str, centre: str) -> None:
    data = sign(receipt([LineHeld(7, [(1, 5)])], station=station, centre=centre), KEY)
    with pytest.raises(ReceiptRefused, match="meant for"):
        verify(data, PUBLIC, centre=CENTRE, station=STATION)


@given(st.binary(max_size=5000))
def test_bytes_that_are_no_receipt_are_refused_and_never_crash(data: bytes) -> None:
    with pytest.raises(ReceiptRefused):
        verify(data, PUBLIC, centre=CENTRE, station=STATION)


def test_a_signed_receipt_with_a_backward_range_is_refused() -> None:
    data = sign(receipt([LineHeld(7, [(5, 1)])]), KEY)
    with pytest.raises(ReceiptRefused, match="backwards"):
        verify(data, PUBLIC, centre=CENTRE, station=STATION)


def test_a_signed_receipt_that_wants_a_backward_range_is_refused() -> None:
    data = sign(receipt([], [LineWanted(7, [(5, 1)])]), KEY)
    with pytest.raises(ReceiptRefused, match="backwards"):
        verify(data, PUBLIC, centre=CENTRE, station=STATION)


def test_a_receipt_of_another_version_is_refused() -> None:
    data = sign(Receipt(2, CENTRE, 3, STATION, 4, []), KEY)
    with pytest.raises(ReceiptRefused, match="version 2"):
        verify(data, PUBLIC, centre=CENTRE, station=STATION)


def test_what_a_newer_release_adds_to_a_receipt_may_be_of_any_depth_and_never_crashes_the_station() -> None:
    added = b"\x91" * 3000 + b"\x90"  # an array in an array, 3000 times
    body = b"\x9a" + msgspec.msgpack.encode(receipt([]))[1:] + added
    with pytest.raises(ReceiptRefused, match="signed, but not readable"):
        verify(KEY.sign(body) + body, PUBLIC, centre=CENTRE, station=STATION)
