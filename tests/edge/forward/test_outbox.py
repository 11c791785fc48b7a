"""What leaves next, and what never leaves twice."""

import random
from pathlib import Path

import pytest
from haihe_contract.backoff import Backoff
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.receipt import VERSION, LineHeld, LineWanted, Receipt
from haihe_contract.record import LANE_ALARM, LANE_BACKLOG, LANE_LIVE, Event, Readings, Record
from haihe_edge.forward.flow import Grant
from haihe_edge.forward.held import Held
from haihe_edge.forward.outbox import Offer, Outbox
from haihe_edge.forward.refusals import Piece, Refusals
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


def test_what_a_live_batch_had_to_leave_behind_in_another_file_leaves_as_live_too() -> None:
    outbox = Outbox(LINE)
    outbox.extent(LINE, RangeSet.of((916, 916)), EMPTY)
    outbox.committed([reading(number, number % 3) for number in range(1941, 1982)])
    offer = outbox.choose(0)
    assert offer is not None
    carried = RangeSet.of((916, 916))
    assert offer.numbers.covers(carried)
    outbox.left_behind(offer, carried)
    outbox.sent(offer._replace(numbers=carried), 0)
    rest = take(outbox)
    assert (rest.lane, rest.numbers) == (LANE_LIVE, RangeSet.of((1941, 1981)))


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
        outbox.answered(offer, number)
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


def test_backlog_in_flight_is_bounded_by_the_throughput_that_receipts_show() -> None:
    outbox = after_outage(50_000)
    take(outbox)
    first = take(outbox)
    assert outbox.choose(0) is None  # one alone, until something is known of the link
    outbox.settled(LINE, first.numbers, 500)
    outbox.sent(first._replace(numbers=RangeSet.of((1, 1))), 500, 10)
    flying = 0
    now = 500
    while (offer := outbox.choose(now)) and offer.lane == LANE_BACKLOG:
        outbox.sent(offer, now, offer.numbers.count() * 64)
        flying += 1
    assert 1 <= flying <= 3
    assert outbox.flying_bytes() <= outbox.flow.window_bytes + outbox.flow.batch_bytes(now) + 64


def test_a_receipt_that_does_not_come_frees_the_numbers_again_once_the_broker_has_them() -> None:
    outbox = after_outage()
    live, backlog = take(outbox), take(outbox)
    assert outbox.overdue(60_000) == 0  # they still lie in the same stream of bytes: again would only make it longer
    outbox.answered(live, 1_000)
    outbox.answered(backlog, 1_000)
    assert outbox.overdue(5_999) == 0
    assert outbox.overdue(6_000) == 2
    pending = outbox.pending(LINE)
    assert pending.covers(live.numbers)
    assert pending.covers(backlog.numbers)
    assert outbox.patience_ms() == 10_000


def test_backlog_that_a_silent_centre_has_not_receipted_leaves_again_ever_more_rarely_until_one_receipt_comes() -> None:
    outbox, now, again = after_outage(), 0, 0
    while now < 4 * 3_600_000:
        while offer := outbox.choose(now):
            again += offer.lane == LANE_BACKLOG
            outbox.sent(offer, now, 80 * max(1, offer.numbers.count()))
            outbox.answered(offer, now)
        now = outbox.look_again_ms(now)
        outbox.overdue(now)
    assert 16 <= again <= 30  # 5 s, 10 s, 20 s ... and then every quarter of an hour
    assert outbox.patience_ms(LANE_LIVE) == 60_000, "live asks every minute whether the centre is back"
    outbox.committed([reading(5001)])
    live = take(outbox, now)
    assert live.lane == LANE_LIVE
    outbox.answered(live, now)
    outbox.settled(LINE, live.numbers, now)
    assert outbox.overdue(now + 5_000) == 1
    assert take(outbox, now + 5_000).lane == LANE_BACKLOG


def test_a_link_that_has_answered_since_is_asked_less_and_less_about_the_one_publish_it_never_answers() -> None:
    outbox = Outbox(LINE, 86_400_000)
    outbox.connected(0, Grant())
    outbox.committed([reading(1)])
    take(outbox)
    now, asked = 0, []
    while now < 3_600_000:
        now = outbox.look_again_ms(now)
        while offer := outbox.choose(now):
            assert not offer.numbers
            asked.append(now)
            outbox.sent(offer, now)
            outbox.answered(offer, now)
    assert asked[:4] == [5_000, 10_000, 20_000, 40_000]
    assert len(asked) == 11, "each time after twice as long"


def test_a_broken_connection_makes_everything_unreceipted_leave_again_live_first() -> None:
    outbox = after_outage()
    take(outbox), take(outbox)
    outbox.disconnected()
    assert outbox.pending(LINE) == RangeSet.of((1, 5000))
    assert take(outbox).lane == LANE_LIVE


def test_when_a_centre_lost_what_it_held_the_newest_of_each_series_leaves_again_before_any_backlog() -> None:
    outbox = after_outage()
    outbox.settled(LINE, RangeSet.of((1, 5000)), 0)
    assert take(outbox).numbers == EMPTY
    assert outbox.choose(1) is None
    outbox.void()
    offer = take(outbox, 1)
    assert offer.lane == LANE_LIVE
    assert set(offer.numbers.numbers()) == {4998, 4999, 5000}
    assert take(outbox, 1).lane == LANE_BACKLOG


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


@settings(max_examples=100)
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
            outbox.sent(offer, now, 50 * offer.numbers.count())
            if chance.random() < 0.1:
                outbox.refused(offer, now, by_content=False)
                continue
            outbox.answered(offer, now)
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


class Model:
    """What must hold of any outbox, said again in the plainest way: sets of numbers, no windows.

    Args:
        most: publishes that the broker lets be unanswered.
    """

    def __init__(self, most: int) -> None:
        self.outbox = Outbox(LINE)
        self.most = most
        self.now = 0
        self.head = 0
        self.here: set[int] = set()
        self.settled: set[int] = set()
        self.flying: dict[int, set[int]] = {}
        self.unanswered: list[Offer] = []
        self.cut(0)

    def commit(self, how: int) -> None:
        self._commit([reading(n, n % 5) for n in range(self.head + 1, self.head + 2 + how)])

    def alarm(self, how: int) -> None:
        self._commit([alarm(n) for n in range(self.head + 1, self.head + 2 + how // 10)])

    def _commit(self, records: list[Record]) -> None:
        self.head = records[-1].number
        self.outbox.committed(records)
        self.here |= {record.number for record in records}

    def choose(self, _how: int) -> None:
        offer = self.outbox.choose(self.now)
        if offer is None:
            return
        numbers = set(offer.numbers.numbers())
        assert numbers <= self.here
        assert not numbers & self.settled
        assert not any(numbers & others for others in self.flying.values())
        self.outbox.sent(offer, self.now, 60 * len(numbers) + 40)
        if numbers:
            self.flying[id(offer)] = numbers
        self.unanswered.append(offer)
        assert len(self.unanswered) <= self.most

    def answer(self, how: int) -> None:
        if self.unanswered:
            self.outbox.answered(self.unanswered.pop(how % len(self.unanswered)), self.now)

    def refuse(self, how: int) -> None:
        if self.unanswered:
            offer = self.unanswered.pop(how % len(self.unanswered))
            self.outbox.refused(offer, self.now, by_content=how % 2 == 0)
            self.flying.pop(id(offer), None)

    def receipt(self, how: int) -> None:
        if self.flying:
            self.settled |= list(self.flying.values())[how % len(self.flying)]
            self.outbox.settled(LINE, RangeSet.from_numbers(self.settled), self.now)
            self.flying = {key: numbers for key, numbers in self.flying.items() if not numbers <= self.settled}

    def cut(self, _how: int) -> None:
        self.outbox.connected(self.now, Grant(unanswered_max=self.most))
        self.unanswered, self.flying = [], {}

    def wait(self, _how: int) -> None:
        self.now = self.outbox.look_again_ms(self.now)
        if self.outbox.overdue(self.now):
            still = {id(flight.offer) for flight in self.outbox._flying}
            self.flying = {key: numbers for key, numbers in self.flying.items() if key in still}

    def freed(self, how: int) -> None:
        self.here = {n for n in self.here if n > min(self.here) + how // 4}
        self.outbox.extent(LINE, RangeSet.from_numbers(self.here), EMPTY)


STEPS = ["commit", "alarm", "choose", "choose", "answer", "refuse", "receipt", "cut", "wait", "freed"]


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 99)), max_size=120), st.integers(1, 6))
def test_whatever_happens_an_offer_is_of_numbers_that_are_here_unsettled_and_not_under_way(
    steps: list[tuple[str, int]], most: int
) -> None:
    model = Model(most)
    for what, how in steps:
        model.now += 37
        getattr(model, what)(how)
        assert model.outbox.look_again_ms(model.now) > model.now
        assert model.outbox.unsettled() == len(model.here - model.settled)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.booleans())
def test_nobody_needs_to_look_before_the_outbox_says_so(seed: int, answers: bool) -> None:  # noqa: FBT001
    """Between two looks nothing changes by time alone: what polling would have found is not found earlier."""
    chance = random.Random(seed)
    outbox, now = Outbox(LINE, chance.choice([30_000, 300_000])), 0
    outbox.connected(0, Grant())
    for number in range(1, chance.randrange(2, 200)):
        outbox.committed([reading(number, number % 7)])
    for _ in range(12):
        while offer := outbox.choose(now):
            outbox.sent(offer, now, 80 * offer.numbers.count())
            if answers:
                outbox.answered(offer, now)
        again = outbox.look_again_ms(now)
        for early in {now + 1, (now + again) // 2, again - 1} - {now, again}:
            assert outbox.frozen_ms(early) == 0 or outbox.frozen_ms(now)
            assert outbox.overdue(early) == 0
            assert outbox.choose(early) is None
        now = again
        outbox.overdue(now)


def test_a_batch_that_is_refused_for_its_content_is_halved_until_the_one_record_stands_alone() -> None:
    refusals, now, asked = Refusals(), 0, 0
    refusals.refused(Piece(LANE_BACKLOG, LINE, RangeSet.of((1, 1000))), now, by_content=True)
    passed: set[int] = set()
    while (piece := refusals.next_piece(LANE_BACKLOG)) is not None:
        asked += 1
        now = refusals.until_ms(LANE_BACKLOG)
        if 700 in piece.numbers:
            refusals.refused(piece, now, by_content=True)
        else:
            refusals.accepted(LANE_BACKLOG)
            passed |= set(piece.numbers.numbers())
    assert passed == set(range(1, 1001)) - {700}
    assert refusals.aside == {LINE: RangeSet.of((700, 700))}
    assert asked < 30
    assert now < 60_000


def test_a_refusal_of_rights_or_quota_halves_nothing() -> None:
    refusals = Refusals()
    for _ in range(50):
        refusals.refused(Piece(0, LINE, RangeSet.of((5, 5))), refusals.until_ms(0), by_content=False)
    assert not refusals.aside
    assert refusals.next_piece(0) is None
    before = refusals.until_ms(0)
    refusals.refused(Piece(0, LINE, RangeSet.of((5, 5))), before, by_content=False)
    assert refusals.until_ms(0) - before == 60_000


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


def test_what_the_centre_asks_for_is_held_no_more_until_a_later_receipt_says_so() -> None:
    held = Held()
    held.take(Receipt(VERSION, "centre", 5, "31005650", 100, [LineHeld(LINE, [(1, 100)])]))
    held.take(
        Receipt(VERSION, "centre", 5, "31005650", 200, [LineHeld(LINE, [(1, 9)])], None, [LineWanted(LINE, [(10, 20)])])
    )
    assert held.of(LINE) == RangeSet.of((1, 9), (21, 100))
    held.take(Receipt(VERSION, "centre", 5, "31005650", 150, [LineHeld(LINE, [(1, 100)])]))  # old, by another way
    assert held.of(LINE) == RangeSet.of((1, 9), (21, 100))
    held.take(Receipt(VERSION, "centre", 5, "31005650", 300, [LineHeld(LINE, [(1, 100)])]))
    assert held.of(LINE) == RangeSet.of((1, 100))


def test_a_new_epoch_is_durable_before_its_receipt_settles_anything(tmp_path: Path) -> None:
    held = Held(tmp_path / "receipts")
    held.take(receipt(5, (1, 10)))
    held.save()
    held.take(receipt(6, (1, 3)))
    again = Held(tmp_path / "receipts")  # after a power cut: nothing was saved since
    assert again.epoch == 6
    assert not again.take(receipt(5, (1, 10)))
    assert again.of(LINE) == EMPTY


def test_a_new_epoch_that_cannot_be_kept_settles_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    held = Held(folder / "receipts")
    held.take(receipt(5, (1, 10)))
    held.save()
    folder.rename(tmp_path / "away")
    with pytest.raises(OSError, match="receipts"):
        held.take(receipt(6, (1, 3)))
    assert held.of(LINE) == EMPTY
    (tmp_path / "away").rename(folder)
    held.take(receipt(6, (1, 3)))
    assert Held(folder / "receipts").epoch == 6
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
