"""What leaves next, and what never leaves twice."""

import random
from pathlib import Path

from haihe_contract.backoff import Backoff
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.receipt import LineHeld, Receipt
from haihe_contract.record import LANE_ALARM, LANE_BACKLOG, LANE_LIVE, Event, Readings, Record
from haihe_edge.forward.held import Held
from haihe_edge.forward.outbox import Offer, Outbox
from hypothesis import given, settings
from hypothesis import strategies as st

LINE = 77


def reading(number: int, series: int = 0) -> Record:
    return Record(number, False, Readings(number * 1000, 5, [series], [1.0]))


def alarm(number: int) -> Record:
    return Record(number, True, Event(number * 1000, 5, "level_raised"))


def after_outage(count: int = 5000) -> Outbox:
    outbox = Outbox(LINE)
    for number in range(1, count + 1):
        outbox.committed([reading(number, number % 3)])
    return outbox


def take(outbox: Outbox, now: int = 0) -> Offer:
    offer = outbox.choose(now)
    assert offer is not None
    outbox.sent(offer, now)
    return offer


def test_after_an_outage_the_newest_of_each_series_leaves_before_any_backlog() -> None:
    outbox = after_outage()
    offer = take(outbox)
    assert offer.lane == LANE_LIVE
    assert set(offer.numbers.numbers()) == {4998, 4999, 5000}
    assert take(outbox).lane == LANE_BACKLOG


def test_an_alarm_leaves_before_live_and_live_before_backlog() -> None:
    outbox = after_outage()
    outbox.committed([alarm(5001)])
    assert [take(outbox).lane for _ in range(3)] == [LANE_ALARM, LANE_LIVE, LANE_BACKLOG]


def test_while_the_link_keeps_up_every_reading_goes_as_live_and_once() -> None:
    outbox = Outbox(LINE)
    sent: list[int] = []
    for number in range(1, 300):
        outbox.committed([reading(number)])
        offer = take(outbox, number)
        assert offer.lane == LANE_LIVE
        sent += offer.numbers.numbers()
        outbox.settled(LINE, RangeSet.of((1, number)), number)
    assert sent == list(range(1, 300))


def test_a_number_is_in_one_offer_at_a_time() -> None:
    outbox = after_outage()
    offers = []
    while offer := outbox.choose(0):
        outbox.sent(offer, 0)
        offers.append(offer)
    counted = sum(offer.numbers.count() for offer in offers)
    assert counted == RangeSet([r for offer in offers for r in offer.numbers.ranges]).count()


def test_backlog_in_flight_is_bounded_by_a_window_that_receipts_open() -> None:
    outbox = after_outage(100_000)
    take(outbox)
    first = [take(outbox), take(outbox)]
    assert outbox.choose(0) is None
    outbox.settled(LINE, first[0].numbers, 100)
    assert outbox.flying(LANE_BACKLOG) == 1
    assert take(outbox).lane == take(outbox).lane == LANE_BACKLOG


def test_a_receipt_that_does_not_come_frees_the_numbers_again_and_narrows_the_window() -> None:
    outbox = after_outage()
    live, backlog = take(outbox), take(outbox)
    assert outbox.overdue(4_000) == 0
    assert outbox.overdue(6_000) == 2
    pending = outbox.pending(LINE)
    assert pending.covers(live.numbers)
    assert pending.covers(backlog.numbers)
    assert outbox.window == 1


def test_a_broken_connection_makes_everything_unreceipted_leave_again_live_first() -> None:
    outbox = after_outage()
    take(outbox), take(outbox)
    outbox.disconnected()
    assert outbox.pending(LINE) == RangeSet.of((1, 5000))
    assert take(outbox).lane == LANE_LIVE


def test_what_a_receipt_covers_is_never_offered() -> None:
    outbox = after_outage()
    outbox.settled(LINE, RangeSet.of((1, 5000)), 0)
    offer = take(outbox)
    assert offer.numbers == EMPTY  # the first word on a new connection: head and tail
    assert outbox.choose(1) is None
    assert take(outbox, 30_001).numbers == EMPTY  # a heartbeat


def test_an_unreadable_number_is_not_offered_for_ever() -> None:
    outbox = after_outage(10)
    outbox.missing(LINE, RangeSet.of((1, 9)))
    assert take(outbox).numbers == RangeSet.of((10, 10))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 400))
def test_everything_arrives_whatever_the_link_loses(seed: int, count: int) -> None:
    chance = random.Random(seed)
    outbox, held, now = Outbox(LINE), EMPTY, 0
    outbox.extent(5, RangeSet.of((1, 40)), RangeSet.of((7, 7)))
    old = EMPTY
    for number in range(1, count + 1):
        outbox.committed([alarm(number) if chance.random() < 0.05 else reading(number, number % 4)])
    for _ in range(10_000):
        now += 1000
        if chance.random() < 0.05:
            outbox.disconnected()
        outbox.overdue(now)
        offer = outbox.choose(now)
        if offer is not None:
            outbox.sent(offer, now)
            if chance.random() < 0.7:
                if offer.line == LINE:
                    held |= offer.numbers
                else:
                    old |= offer.numbers
        if chance.random() < 0.7:
            outbox.settled(LINE, held, now)
            outbox.settled(5, old, now)
        if outbox.unsettled() == 0:
            break
    assert held == RangeSet.of((1, count))
    assert old == RangeSet.of((1, 40))


def receipt(epoch: int, *ranges: tuple[int, int]) -> Receipt:
    return Receipt(1, "centre", epoch, "31005650", 0, [LineHeld(LINE, list(ranges))])


def test_receipts_add_up_within_an_epoch_and_survive_a_restart(tmp_path: Path) -> None:
    held = Held(tmp_path / "receipts")
    held.take(receipt(5, (1, 10)))
    held.take(receipt(5, (20, 30)))
    held.save()
    assert Held(tmp_path / "receipts").of(LINE) == RangeSet.of((1, 10), (20, 30))


def test_a_new_epoch_voids_older_receipts_and_an_old_one_is_ignored() -> None:
    held = Held()
    held.take(receipt(5, (1, 10)))
    assert held.take(receipt(6, (1, 3)))
    assert held.of(LINE) == RangeSet.of((1, 3))
    assert not held.take(receipt(5, (1, 10)))
    assert held.of(LINE) == RangeSet.of((1, 3))


def test_a_damaged_receipt_file_costs_only_repetitions(tmp_path: Path) -> None:
    (tmp_path / "receipts").write_bytes(b"\xff\x00")
    assert Held(tmp_path / "receipts").of(LINE) == EMPTY


def test_pauses_grow_to_their_cap_and_shrink_only_after_a_useful_connection() -> None:
    backoff = Backoff(30_000)
    assert [backoff.next_ms(1.0) for _ in range(8)] == [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]
    backoff.ended(2_000, useful=True)
    assert backoff.next_ms(1.0) == 30_000
    backoff.ended(60_000, useful=False)
    assert backoff.next_ms(1.0) == 30_000
    backoff.ended(60_000, useful=True)
    assert backoff.next_ms(1.0) == 500
