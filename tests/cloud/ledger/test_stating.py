"""Every line of a station is stated within some receipts, each of which fits and is true."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from haihe_cloud.database import Database
from haihe_cloud.ingest.telling import Telling
from haihe_cloud.ledger.arrival import LineState
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.ledger.stating import START, in_turn, whole
from haihe_cloud.limits import QUIET_MS, RECEIPT_LINE_MS
from haihe_contract.ed25519 import PublicKey
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.receipt import RECEIPT_BYTES_MAX, Receipt, sign, verify
from hypothesis import given
from hypothesis import strategies as st

from tests.cloud.samples import STATION, T0, StillClock, arrival

KEY = Ed25519PrivateKey.generate()


def turn(known: list[LineState], most: int = 5000) -> list[Receipt]:
    """All receipts of one turn; each must fit as it is."""
    told, after = [], START
    for _ in range(most):
        lines, then = in_turn(known, after)
        made = Receipt(1, "a" * 31, 2**62, STATION, 2**43, lines)
        assert len(sign(made, KEY)) <= RECEIPT_BYTES_MAX
        body = sign(made, KEY)[64:]
        assert len(body) > 0
        told.append(made)
        if then is None:
            return told
        assert then > after, "each receipt goes on"
        after = then
    pytest.fail("the turn does not end")


def stated(told: list[Receipt]) -> dict[int, RangeSet]:
    found: dict[int, RangeSet] = {}
    for each in told:
        for line, numbers in each.settled().items():
            found[line] = found.get(line, EMPTY) | numbers
    return found


def line(number: int, last_ms: int, held: RangeSet, refused: RangeSet = EMPTY) -> LineState:
    return LineState(STATION, number, 2**53, 1, held, refused, EMPTY, T0, last_ms)


def test_a_thousand_old_lines_are_stated_in_few_receipts_and_the_newest_line_in_each() -> None:
    known = [line(2**64 - 1 - n, T0 - n * RECEIPT_LINE_MS * 2, RangeSet.of((1, 1000 + n))) for n in range(1000)]
    told = turn(known)
    assert stated(told) == {each.line: each.held for each in known}
    assert all(each.lines[0].line == known[0].line for each in told)
    assert len(told) < 12


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3 * RECEIPT_LINE_MS),
            st.lists(st.integers(1, 2**53 - 1), max_size=300),
            st.lists(st.integers(1, 2**53 - 1), max_size=30),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_whatever_is_held_or_refused_is_stated_within_one_turn_and_nothing_else(
    drawn: list[tuple[int, list[int], list[int]]],
) -> None:
    known = []
    for at, (ago_ms, held, refused) in enumerate(sorted(drawn)):
        good = RangeSet.from_numbers(held)
        known.append(line(at + 1, T0 - ago_ms, good, RangeSet.from_numbers(refused) - good))
    assert stated(turn(known)) == {each.line: each.held | each.refused for each in known if each.held or each.refused}


def test_a_torn_line_is_stated_in_its_middle_too(database: Database) -> None:
    ledger = Ledger(database, centre="haihe", clock=StillClock())
    torn = list(range(1, 4000, 2))
    ledger.take([arrival(torn)])
    told, after = [], START
    while True:
        ((receipt, then),) = ledger.receipts({STATION: after})
        told.append(receipt)
        if then is None:
            break
        after = then
    assert stated(told) == {arrival([1]).envelope.line: RangeSet.from_numbers(torn)}


def test_a_turn_begins_when_a_station_comes_back_and_not_with_every_batch() -> None:
    telling = Telling()
    telling.heard(STATION, 1000, opened=False)
    assert telling.turn(STATION) == START, "the first word since the centre started"
    telling.told(STATION, (1, 2, 0))
    telling.heard(STATION, 2000, opened=False)
    assert telling.turn(STATION) == (1, 2, 0), "the turn goes on"
    telling.told(STATION, None)
    telling.heard(STATION, 2000 + QUIET_MS - 1, opened=False)
    assert telling.turn(STATION) is None
    telling.heard(STATION, 3000 + 2 * QUIET_MS, opened=False)
    assert telling.turn(STATION) == START
    telling.told(STATION, None)
    telling.heard(STATION, 3001 + 2 * QUIET_MS, opened=True)
    assert telling.turn(STATION) == START


def test_a_station_that_connects_is_told_of_lines_that_long_were_silent(database: Database) -> None:
    ledger = Ledger(database, centre="haihe", clock=StillClock())
    for old in range(1, 50):
        ledger.take([arrival([1, 2, 3], line=old, received_ms=T0 + old)])
    ledger.take([arrival([1, 2], received_ms=T0 + 2 * RECEIPT_LINE_MS)])
    assert len(ledger.receipt(STATION).lines) == 1
    ((receipt, then),) = ledger.receipts({STATION: START})
    assert (len(receipt.lines), then) == (50, None)


def test_a_way_without_a_link_is_told_of_thousands_of_ranges_and_lines_in_as_few_receipts_as_have_room() -> None:
    torn = RangeSet([(n * 3, n * 3 + 1) for n in range(1, 8001)])
    refused = RangeSet([(100_000 + n * 2, 100_000 + n * 2) for n in range(500)])
    old = [line(2**63 + n, T0 - n, RangeSet.of((1, 2**52 + n))) for n in range(2000)]
    known = [line(2**64 - 1, T0, torn, refused), *old, line(5, T0, EMPTY)]
    told = [Receipt(1, "a" * 31, 2**62, STATION, 2**43, lines, codecs=[0, 1, 2]) for lines in whole(known)]
    sizes = [len(sign(each, KEY)) for each in told]
    assert max(sizes) <= RECEIPT_BYTES_MAX
    assert min(sizes[:-1]) > RECEIPT_BYTES_MAX * 3 // 4
    assert stated(told) == {each.line: each.held | each.refused for each in known[:-1]}
    for each in told:
        held = {of.line: RangeSet(of.held) for of in each.lines}
        assert not held.get(2**64 - 1, EMPTY) & refused, "refused is not called held"
    assert list(whole([])) == []


def test_receipts_for_a_file_are_of_the_epoch_in_force_and_survive_their_own_check(database: Database) -> None:
    ledger = Ledger(database, centre="haihe", clock=StillClock())
    ledger.take([arrival([1, 2, 3]), arrival([7], line=9)])
    (only,) = ledger.receipts_of_all(STATION)
    assert only.epoch == ledger.epoch
    fresh = ledger.renew()
    (again,) = ledger.receipts_of_all(STATION)
    key = PublicKey(KEY.public_key().public_bytes_raw())
    checked = verify(sign(again, KEY), key, centre="haihe", station=STATION)
    assert (checked.epoch, checked.wanted, checked.credit) == (fresh, [], None)
    assert checked.settled() == {line.line: line.held for line in ledger.lines(STATION)}
