"""The ledger is set union: order and repetition do not matter, and held wins over all else."""

import math
import random
import threading
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from haihe_cloud.database import Database, DatabaseError
from haihe_cloud.ledger.arrival import Arrival, LineState, Refusal
from haihe_cloud.ledger.epoch import RESTORED
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.ledger.packed import line_of, line_text, pack, unpack
from haihe_cloud.ledger.quarantine import Quarantine
from haihe_cloud.limits import (
    ARRIVALS_KEPT_MS,
    EVENTS_PER_STATION,
    LINE_RANGES,
    QUARANTINE_ROWS,
    RECEIPT_LINE_MS,
    RECEIPT_RANGES,
)
from haihe_contract import receipt as receipts
from haihe_contract.ed25519 import PublicKey
from haihe_contract.ranges import RangeSet
from haihe_contract.receipt import RECEIPT_BYTES_MAX, LineHeld
from haihe_contract.record import Dictionary, Event, Summary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.cloud.samples import LINE, SERIES, STATION, T0, StillClock, arrival, gap, opened

OLD_LINE = 77


def of(*ranges: tuple[int, int]) -> RangeSet:
    return RangeSet.of(*ranges)


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database, centre="haihe", clock=StillClock())


def state(ledger: Ledger, line: int = LINE) -> LineState:
    return next(each for each in ledger.lines(STATION) if each.line == line)


number_sets = st.sets(st.integers(1, 40), min_size=1, max_size=8)


@st.composite
def arrivals(draw: st.DrawFn) -> Arrival:
    numbers = draw(number_sets)
    bodies = {}
    if draw(st.booleans()):
        first = draw(st.integers(1, 40))
        bodies[max(numbers)] = gap(draw(st.sampled_from([LINE, OLD_LINE])), (first, first + draw(st.integers(0, 9))))
    refused = RangeSet.from_numbers(numbers & draw(number_sets)) if draw(st.booleans()) else RangeSet()
    return arrival(
        numbers,
        line=draw(st.sampled_from([LINE, OLD_LINE])),
        head=draw(st.integers(0, 60)),
        tail=draw(st.integers(0, 30)),
        refused=refused,
        bodies=bodies,
    )


def booked(database: Database, all_arrivals: list[Arrival], cuts: int) -> list[LineState]:
    ledger = Ledger(database, centre="haihe", clock=StillClock())
    for at in range(0, len(all_arrivals), cuts):
        ledger.take(all_arrivals[at : at + cuts])
    lines = sorted(ledger.lines(STATION))
    assert all(ledger.dictionary(STATION, line.line) in (None, SERIES) for line in lines)
    database.close()
    return lines


@given(st.lists(arrivals(), min_size=1, max_size=6), st.randoms(use_true_random=False), st.integers(1, 4))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_and_repetition_of_batches_gives_the_same_ledger(
    fresh_database: Callable[[], Database], each_once: list[Arrival], chance: random.Random, cuts: int
) -> None:
    mixed = each_once + [chance.choice(each_once) for _ in range(3)]
    chance.shuffle(mixed)
    assert booked(fresh_database(), mixed, cuts) == booked(fresh_database(), each_once, len(each_once))


@given(st.lists(st.tuples(st.integers(0, 2**53), st.integers(0, 9)), max_size=30))
def test_range_sets_survive_the_database(ranges: list[tuple[int, int]]) -> None:
    kept = RangeSet((first, first + more) for first, more in ranges)
    assert unpack(pack(kept)) == kept


@given(st.integers(0, 2**64 - 1))
def test_every_line_id_survives_the_database(line: int) -> None:
    assert line_of(line_text(line)) == line


def test_a_summary_refused_for_a_value_in_it_still_says_which_numbers_are_gone(ledger: Ledger) -> None:
    summary = Summary(LINE, [(5, 8)], [], False, T0)
    ledger.take([arrival([1, 2, 3, 4, 9], tail=9, refused=of((9, 9)), bodies={9: summary})])
    (line,) = ledger.lines(STATION)
    assert line.gaps == of((5, 8))
    assert not line.lost


def test_held_wins_over_refused_and_both_over_gap(ledger: Ledger) -> None:
    ledger.take([arrival([9], line=OLD_LINE, bodies={9: gap(LINE, (1, 6))})])
    assert state(ledger).gaps == of((1, 6))
    ledger.take([arrival([4, 5], refused=of((4, 5)))])
    assert (state(ledger).refused, state(ledger).gaps) == (of((4, 5)), of((1, 3), (6, 6)))
    ledger.take([arrival([5, 6])])
    assert (state(ledger).held, state(ledger).refused, state(ledger).gaps) == (of((5, 6)), of((4, 4)), of((1, 3)))


def test_head_and_tail_tell_what_is_awaited_and_what_is_lost(ledger: Ledger) -> None:
    ledger.take([arrival([5, 6], head=10, tail=4)])
    line = state(ledger)
    assert line.missing == of((1, 4), (7, 10))
    assert line.awaited == of((4, 4), (7, 10))
    assert line.lost == of((1, 3))


def test_an_opening_tells_where_the_line_before_ended(ledger: Ledger) -> None:
    ledger.take([arrival([1, 2, 3], bodies={1: opened(OLD_LINE, 12)})])
    assert state(ledger, OLD_LINE).missing == of((1, 12))


def test_a_heartbeat_moves_the_head_and_leaves_no_entry_in_the_log(ledger: Ledger) -> None:
    ledger.take([arrival([1, 2])])
    ledger.take([arrival([], head=8, received_ms=T0 + 5000)])
    assert state(ledger).head == 8
    assert ledger.last_heard() == {STATION: T0 + 5000}
    assert len(ledger.arrivals(0)) == 1


def test_a_repeated_batch_is_not_logged_again(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.take([arrival([1, 2, 4])])
    assert [entry.line for entry in ledger.arrivals(0)] == [LINE]


def test_the_log_keeps_the_order_of_arrival_and_the_bytes_as_they_came(ledger: Ledger) -> None:
    late, early = arrival([7, 8]), arrival([4, 5])
    ledger.take([late, early])
    assert [entry.data for entry in ledger.arrivals(0)] == [late.data, early.data]
    assert [entry.data for entry in ledger.arrivals(1)] == [early.data]


def test_a_receipt_names_what_is_held_and_what_is_refused_and_nothing_else(ledger: Ledger) -> None:
    ledger.take([arrival([4, 5, 6], head=20, refused=of((6, 6)), bodies={4: gap(LINE, (1, 3))})])
    stated = ledger.receipt(STATION)
    assert stated.settled() == {LINE: of((4, 6))}
    assert (stated.centre, stated.epoch, stated.station) == ("haihe", ledger.epoch, STATION)


def test_a_receipt_of_a_torn_line_states_both_ends_and_fits(ledger: Ledger) -> None:
    torn = list(range(1, 4000, 2))
    ledger.take([arrival(torn)])
    key = Ed25519PrivateKey.generate()
    signed = receipts.sign(ledger.receipt(STATION), key)
    assert len(signed) <= RECEIPT_BYTES_MAX
    stated = receipts.verify(
        signed, PublicKey(key.public_key().public_bytes_raw()), centre="haihe", station=STATION
    ).settled()[LINE]
    assert len(stated.ranges) == RECEIPT_RANGES
    assert (stated.first, stated.last) == (1, 3999)
    assert state(ledger).held.covers(stated)


def test_the_line_that_is_sent_now_comes_first_in_the_receipt(ledger: Ledger) -> None:
    for line in range(1, 100):
        ledger.take([arrival([1, 2, 3], line=line, received_ms=T0 + line)])
    ledger.take([arrival([4, 5], line=7, received_ms=T0 + 1000)])
    assert ledger.receipt(STATION).lines[0].line == 7


def test_lines_that_have_long_been_silent_do_not_burden_every_receipt(ledger: Ledger) -> None:
    ledger.take([arrival([1, 2], line=OLD_LINE)])
    ledger.take([arrival([1, 2], received_ms=T0 + RECEIPT_LINE_MS + 1)])
    assert set(ledger.receipt(STATION).settled()) == {LINE}
    ledger.take([arrival([1, 2], line=OLD_LINE, received_ms=T0 + RECEIPT_LINE_MS + 2)])
    assert set(ledger.receipt(STATION).settled()) == {LINE, OLD_LINE}, "a repetition brings its line back"


def test_a_receipt_costs_the_same_however_often_the_station_has_restarted(ledger: Ledger) -> None:
    def cost_s(station: str, restarts: int) -> float:
        previous = [0, *range(100, 99 + restarts)]
        ledger.take(
            [
                arrival([1], station=station, line=n, bodies={1: opened(before, 1)}, received_ms=T0 + n)
                for n, before in enumerate(previous, start=100)
            ]
        )
        began = time.process_time()
        for _ in range(5):
            ledger.receipt(station)
        return time.process_time() - began

    few, many = cost_s("31005651", 100), cost_s("31005652", 3000)
    assert many < 5 * few, f"thirty times as many lines took {many / few:.0f} times as long"


def test_a_line_with_too_many_holes_waits_and_nothing_is_receipted(ledger: Ledger) -> None:
    first = list(range(1, 2 * LINE_RANGES, 2))
    for at in range(0, len(first), 2048):
        assert ledger.take([arrival(first[at : at + 2048])]) == 0
    assert ledger.take([arrival([2 * LINE_RANGES + 5])]) == 1
    assert 2 * LINE_RANGES + 5 not in state(ledger).held
    assert ledger.take([arrival([2, 4])]) == 0, "a batch that fills holes is always taken"
    assert ledger.take([arrival([2 * LINE_RANGES + 5])]) == 0


def test_a_dictionary_is_known_by_its_line_and_grows_only(ledger: Ledger) -> None:
    assert ledger.dictionary(STATION, LINE) is None
    more = [*SERIES, "signal.main.instant.0.instrument.-"]
    ledger.take([arrival([9], bodies={9: Dictionary(more)}), arrival([2])])
    assert ledger.dictionary(STATION, LINE) == more
    assert ledger.dictionary(STATION, OLD_LINE) is None


def test_events_openings_and_gaps_become_rows_for_people(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.take([arrival([1, 2, 10, 11], bodies={11: gap(OLD_LINE, (3, 9), cause="dropped_full")})])
    by_kind = {event.kind: event for event in ledger.events(STATION)}
    assert set(by_kind) == {"opened", "level_raised", "gap"}
    assert by_kind["level_raised"].series == SERIES[0]
    assert by_kind["gap"].detail == {"line": line_text(OLD_LINE), "ranges": [[3, 9]], "cause": "dropped_full"}
    assert ledger.events("31005699") == []
    assert len(ledger.events(None, most=2)) == 2


def test_numbers_that_gave_way_to_a_summary_are_explained_and_not_awaited_for_ever(ledger: Ledger) -> None:
    body = Summary(LINE, [(3, 8)], [], False, T0)
    ledger.take([arrival([1, 2, 9], bodies={9: body})])
    line = state(ledger)
    assert (line.gaps, line.missing) == (of((3, 8)), of())
    ledger.take([arrival([4])])
    assert state(ledger).gaps == of((3, 3), (5, 8)), "held wins, should one come after all"


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_an_event_with_absurd_details_is_kept_in_bounds(ledger: Ledger, value: float) -> None:
    wild = Event(T0, 5, "odd", -1, value, {"bytes": b"\xff", "deep": {1: [None]}, "long": "x" * 50_000})
    ledger.take([arrival([20], bodies={20: wild})])
    (event,) = ledger.events(STATION)
    assert event.kind == "odd"
    assert event.value is None
    assert len(str(event.detail)) < 5000


def test_events_of_one_station_are_bounded(ledger: Ledger) -> None:
    for part in range(3):
        numbers = range(1 + part * 2500, 1 + (part + 1) * 2500)
        bodies = {n: Event(T0, 5, "chatter") for n in numbers}
        ledger.take([arrival(numbers, bodies=bodies, received_ms=T0 + part)])
    assert len(ledger.events(STATION, most=100_000)) == EVENTS_PER_STATION


def test_an_epoch_is_minted_once_and_again_only_after_a_restore(database: Database) -> None:
    clock = StillClock()
    first = Ledger(database, centre="haihe", clock=clock).epoch
    clock.ms += 5000
    again = Ledger(database, centre="haihe", clock=clock)
    assert again.epoch == first
    clock.ms = first - 999
    assert again.renew() > first
    assert again.receipt(STATION).epoch == again.epoch > first


def test_two_restores_from_one_backup_by_a_clock_that_stands_never_share_an_epoch(
    fresh_database: Callable[[], Database],
) -> None:
    clock = StillClock(1000)
    epochs = set()
    for _ in range(20):
        database = fresh_database()  # the same backup again
        with database.transaction() as connection:
            connection.execute("INSERT INTO meta VALUES('epoch', 5000)")
        ledger = Ledger(database, centre="haihe", clock=clock)
        epochs.add(ledger.renew())
        assert [each.cause for each in ledger.epochs()] == ["asked"]
    assert len(epochs) == 20
    assert min(epochs) > 5000


def test_receipts_that_the_ledger_cannot_stand_by_are_told_from_those_it_can(ledger: Ledger) -> None:
    ledger.take([arrival([1, 2, 3], refused=of((3, 3)))])
    good = ledger.receipt(STATION)
    assert ledger.not_booked(good) == {}
    more = replace(good, lines=[LineHeld(LINE, [(1, 4)]), LineHeld(OLD_LINE, [(1, 1)])])
    assert ledger.not_booked(more) == {LINE: of((4, 4)), OLD_LINE: of((1, 1))}


def test_a_new_epoch_is_told_to_every_station(ledger: Ledger) -> None:
    ledger.take([arrival([1, 2, 3])])
    epoch = ledger.renew(RESTORED, above=2**60)
    assert epoch > 2**60
    (event,) = [each for each in ledger.events(STATION) if each.kind == "centre_restored"]
    assert event.detail == {"epoch": str(epoch), "cause": "restored"}


def refusal(data: bytes, at_ms: int = T0) -> Refusal:
    return Refusal("haihe/1/00/31005650/up/live", STATION, "no reason", data, at_ms)


def test_the_same_bytes_again_are_only_counted_in_quarantine(ledger: Ledger) -> None:
    ledger.quarantine([refusal(b"a"), refusal(b"b")])
    ledger.quarantine([refusal(b"a", T0 + 9)])
    first, second = ledger.quarantined()
    assert (first.times, first.first_ms, first.last_ms, second.times) == (2, T0, T0 + 9, 1)
    assert ledger.quarantined_bytes(first.id) == b"a"


def test_a_full_quarantine_drops_the_oldest_and_says_so(ledger: Ledger, database: Database) -> None:
    ledger.quarantine([refusal(b"%d" % n) for n in range(QUARANTINE_ROWS + 3)])
    kept = ledger.quarantined(most=QUARANTINE_ROWS * 2)
    assert len(kept) == QUARANTINE_ROWS
    assert ledger.quarantine_dropped() == 3
    assert ledger.quarantined_bytes(1) is None
    gone = Quarantine(database).gone(10)
    assert [(each.id, each.why) for each in gone] == [(3, "full"), (2, "full"), (1, "full")]


def test_one_station_that_floods_the_quarantine_pushes_only_its_own_out(ledger: Ledger) -> None:
    other = Refusal("t", "31005651", "no reason", b"precious", T0)
    ledger.quarantine([other, *(refusal(b"%d" % n) for n in range(QUARANTINE_ROWS + 3))])
    stations = [kept.station for kept in ledger.quarantined(most=QUARANTINE_ROWS * 2)]
    assert len(stations) == QUARANTINE_ROWS
    assert stations.count("31005651") == 1


def test_a_round_that_fails_half_way_leaves_nothing(ledger: Ledger, database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO arrival VALUES(1, 'somebody', 'else', 1, 0, ?)", (b"",))
    with pytest.raises(DatabaseError):
        ledger.take([arrival([1, 2, 3])], [refusal(b"a")])
    assert (ledger.lines(STATION), ledger.quarantined(), ledger.last_heard()) == ([], [], {})


def test_waiting_ends_when_an_arrival_comes(ledger: Ledger) -> None:
    assert not ledger.wait(0, 0.01)
    woken = threading.Event()
    waiter = threading.Thread(target=lambda: ledger.wait(0, 10) and woken.set())
    waiter.start()
    ledger.take([arrival([1])])
    assert woken.wait(5)
    waiter.join()
    assert not ledger.wait(1, 0.01)


def test_the_log_is_pruned_only_when_it_is_old_and_all_followers_have_passed(database: Database) -> None:
    clock = StillClock()
    ledger = Ledger(database, centre="haihe", clock=clock)
    ledger.take([arrival([1]), arrival([2])])
    clock.ms += ARRIVALS_KEPT_MS + 1
    assert ledger.prune() == 0, "nobody has followed yet"
    assert ledger.position("alarm") == ledger.position("page") == 0
    with database.transaction() as connection:
        ledger.advance(connection, "alarm", 0, 2)
    assert ledger.prune() == 0, "the page has not passed"
    with database.transaction() as connection:
        ledger.advance(connection, "page", 0, 1)
    assert ledger.behind() == {"alarm": 0, "page": 1}
    assert ledger.prune() == 1
    assert [entry.position for entry in ledger.arrivals(0)] == [2]
    reopened = Ledger(database, centre="haihe", clock=clock)
    assert reopened.wait(1, 0.01)


def test_pruning_a_log_in_which_nothing_is_old_waits_for_nobody_who_writes(database: Database) -> None:
    ledger = Ledger(database, centre="haihe", clock=StillClock())
    ledger.take([arrival([1])])
    assert ledger.position("alarm") == 0
    pruned: list[int] = []
    pruning = threading.Thread(target=lambda: pruned.append(ledger.prune()))
    with database.transaction() as connection:
        ledger.advance(connection, "alarm", 0, 1)
        pruning.start()
        pruning.join(5)
        assert pruned == [0]


def test_a_cursor_that_another_has_moved_is_not_moved(database: Database) -> None:
    ledger = Ledger(database, centre="haihe", clock=StillClock())
    ledger.take([arrival([1]), arrival([2]), arrival([3])])
    assert ledger.position("page") == 0
    with database.transaction() as connection:
        assert ledger.advance(connection, "page", 0, 2)
        assert not ledger.advance(connection, "page", 0, 3)
        assert not ledger.advance(connection, "nobody", 0, 3), "whose position was never asked for"
    assert ledger.position("page") == 2
