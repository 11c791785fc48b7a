"""The engine on a real ledger and store: alarms are judged in event time."""

import random
import threading
import time

import pytest
from haihe_cloud.admit.registry import Station, StationLevels
from haihe_cloud.alarm.evaluate import Sample, episodes
from haihe_cloud.alarm.rule import read_rules
from haihe_cloud.ledger.follow import follow
from haihe_cloud.store.port import StoreAway
from haihe_contract.quality import Flag, Grade
from haihe_contract.record import Dictionary, Event, Readings
from haihe_contract.wire import decode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from .conftest import CODE, KEYS, LEVEL, MINUTE, RULES, T0, Centre, PowerCut


def test_a_level_above_warning_raises_one_alarm_with_its_facts(centre):
    centre.send((0, 4.8), (1, 5.02), (2, 5.4), (3, 5.3))
    (alarm,) = centre.active()
    assert (alarm.station, alarm.rule, alarm.level, alarm.severity) == (CODE, "warning", "warning", "yellow")
    assert (alarm.series, alarm.element, alarm.datum, alarm.threshold) == (LEVEL, "water_level", "dagu", 5.0)
    assert (alarm.started_ms, alarm.raised_ms) == (T0 + MINUTE, T0 + 3 * MINUTE)
    assert (alarm.peak, alarm.peak_ms) == (5.4, T0 + 2 * MINUTE)
    assert not alarm.late
    assert not alarm.unverified


def test_values_sent_from_memory_while_the_disk_refuses_raise_an_alarm(centre):
    above = Readings(T0 + MINUTE, int(Grade.NTP), [0], [5.2])
    centre.take([above], received_ms=T0 + MINUTE, line=77, volatile=True)
    centre.work()
    assert [alarm.started_ms for alarm in centre.told()] == [T0 + MINUTE]
    assert centre.ledger.lines(CODE) == []


def test_an_alarm_grows_with_its_peak_and_ends_below_the_clear_level(centre):
    for minute, value in enumerate([5.1, 5.6, 4.9, 4.81, 4.79]):
        centre.send((minute, value))
    (alarm,) = centre.told()
    assert (alarm.peak, alarm.ended_ms) == (5.6, T0 + 4 * MINUTE)
    assert centre.active() == []


def test_flapping_at_the_warning_level_is_one_alarm_in_the_book(centre):
    for minute in range(40):
        centre.send((minute, 5.01 if minute % 2 else 4.97))
    assert len(centre.book.recent()) == 1


def test_failing_supply_is_an_alarm_on_the_low_side(centre):
    centre.send((0, 12.6), (1, 11.2), (2, 11.9), series=1)
    (alarm,) = centre.active()
    assert (alarm.rule, alarm.level, alarm.peak) == ("supply_low", "low", 11.2)
    centre.send((3, 12.3), series=1)
    assert centre.active() == []


def test_a_crash_before_the_commit_repeats_the_work_and_never_doubles_it(centre):
    centre.send((0, 4.0), (1, 5.5), work=False)
    with pytest.raises(PowerCut):
        centre.work(fail_after=True)
    assert centre.book.recent() == []
    centre.work()
    assert len(centre.active()) == 1
    position = centre.ledger.position("alarm")
    centre.send((2, 5.9), work=False)
    with pytest.raises(PowerCut):
        centre.work(fail_after=True)
    assert centre.ledger.position("alarm") == position
    centre.follow_rules(read_rules(RULES))
    centre.work()
    (alarm,) = centre.book.recent()
    assert alarm.peak == 5.9


def test_a_late_crest_raises_a_late_alarm_and_leaves_the_current_one_alone(centre):
    centre.send((200, 4.0), (201, 5.3), received=201)
    (current,) = centre.active()
    centre.book.answer(current.id, "Li", "called", T0 + 201 * MINUTE)
    before = centre.book.get(current.id)
    centre.send((100, 4.0), (110, 6.5), (120, 4.0), received=202, line=2)
    assert centre.active() == [before]
    late = [alarm for alarm in centre.told() if alarm.id != current.id]
    assert [(a.late, a.started_ms, a.ended_ms, a.peak) for a in late] == [
        (True, T0 + 110 * MINUTE, T0 + 120 * MINUTE, 6.5)
    ]
    assert late[0].raised_ms == T0 + 202 * MINUTE


def test_late_low_water_never_clears_a_current_alarm(centre):
    centre.send((100, 5.5), (101, 5.6), received=101)
    centre.send((50, 3.0), (99, 3.0), received=102, line=2)
    (alarm,) = centre.active()
    assert alarm.started_ms == T0 + 100 * MINUTE


def test_late_high_water_never_fakes_a_current_alarm(centre):
    centre.send((100, 4.0), received=100)
    centre.send((50, 5.5), (60, 5.6), received=101, line=2)
    assert centre.active() == []
    assert centre.spans() == [(50, 100)]


def test_old_data_of_a_station_that_is_still_away_are_called_late(centre):
    centre.send((0, 5.5), received=600)
    (alarm,) = centre.active()
    assert alarm.late
    centre.send((600, 5.4), received=600)
    (alarm,) = centre.active()
    assert not alarm.late


def test_backlog_that_moves_the_start_of_an_alarm_keeps_its_id_and_answer(centre):
    centre.send((0, 5.5), (10, 4.0), (20, 5.5))
    first, second = centre.told()
    centre.book.answer(second.id, "Wang", "dike patrol sent", T0)
    centre.send((15, 5.5), received=21, line=2)
    assert [alarm.id for alarm in centre.told()] == [first.id, second.id]
    (current,) = centre.active()
    assert (current.id, current.answered_by) == (second.id, "Wang")
    assert current.started_ms == T0 + 15 * MINUTE
    assert current.amended == "started"


def test_an_alarm_that_late_data_dissolve_is_ended_with_a_note_and_kept(tmp_path, database):
    rules = read_rules(RULES.replace("hold_clear: 0s", "hold_raise: 10min\n    hold_clear: 0s"))
    centre = Centre(database, tmp_path, rules)
    centre.send((0, 5.5), (10, 5.5))
    (alarm,) = centre.active()
    centre.send((5, 4.0), received=11, line=2)
    gone = centre.book.get(alarm.id)
    assert gone is not None
    assert (gone.void, gone.amended, gone.raised_ms) == (True, "gone", alarm.raised_ms)
    assert centre.active() == []
    centre.send((15, 5.5), (20, 5.5))
    assert centre.spans() == [(10, None)]
    centre.close()


def test_a_clock_that_runs_far_ahead_cannot_hide_a_flood(centre):
    centre.send((1440, 3.0), received=0)
    centre.send((1, 5.5), received=1)
    (alarm,) = centre.active()
    assert (alarm.late, alarm.unverified) == (False, False)
    centre.send((1441, 3.0), (1442, 3.0), received=2)
    assert centre.active() == [alarm]
    centre.send((3, 5.7), received=3)
    assert centre.active()[0].peak == 5.7


def test_a_flood_seen_by_a_clock_far_ahead_is_told_at_once_as_unverified(centre):
    centre.send((1440, 5.5), received=0)
    (alarm,) = centre.active()
    assert (alarm.unverified, alarm.started_ms) == (True, T0)
    centre.send((1, 4.0), received=1)
    assert centre.active() == []
    # When that day comes, the reading with the wrong stamp does not come back.
    centre.send((1439, 4.0), received=1439)
    centre.send((1438, 4.0), (1441, 4.0), received=1441, line=2)
    assert centre.spans() == [(0, 1)]


def test_a_clock_some_minutes_ahead_neither_hides_nor_clears(centre):
    centre.send((5, 4.0), received=0)
    centre.send((1, 5.5), received=1)
    (alarm,) = centre.active()
    centre.send((2, 5.5), received=2)
    assert centre.active()[0].id == alarm.id
    assert not centre.active()[0].late


def test_a_station_steadily_ahead_of_the_centre_still_raises_and_clears(centre):
    for minute, value in enumerate([4.0, 5.5, 5.6, 5.5, *[4.0] * 8]):
        centre.send((minute + 4, value), received=minute)
    assert centre.active() == []
    (alarm,) = centre.told()
    assert not alarm.unverified
    assert (alarm.started_ms, alarm.raised_ms, alarm.ended_ms) == (T0 + 5 * MINUTE, T0 + MINUTE, T0 + 8 * MINUTE)


def test_readings_without_a_trusted_clock_raise_at_arrival_and_clear_nothing(centre):
    centre.send((3, 5.5), received=100, grade=Grade.NONE)
    (alarm,) = centre.active()
    assert (alarm.unverified, alarm.started_ms) == (True, T0 + 100 * MINUTE)
    centre.send((4, 3.0), received=101, grade=Grade.NONE)
    assert centre.active() == [alarm]
    centre.send((102, 3.0))
    assert centre.spans() == [(100, 102)]


def test_an_untimed_reading_that_comes_twice_alarms_once(centre):
    centre.send((3, 5.5), received=100, grade=Grade.NONE, first=2)
    centre.send((101, 3.0), first=3)
    centre.send((3, 5.5), (4, 3.0), (5, 3.0), received=110, grade=Grade.NONE, first=2)
    assert len(centre.ledger.arrivals(0)) == 3
    assert centre.spans() == [(100, 101)]


def test_an_alarm_raised_without_time_survives_a_replay_of_late_data(centre):
    centre.send((90, 4.0))
    centre.send((3, 5.5), received=100, grade=Grade.NONE)
    (alarm,) = centre.active()
    centre.send((80, 4.0), received=101, line=2)
    assert centre.active() == [alarm]


def test_a_level_of_another_datum_is_never_judged_and_that_is_visible(centre):
    centre.send((0, 9.0), series=2)
    assert centre.book.recent() == []
    (problem,) = centre.engine.problems()
    assert (problem.rule, problem.series) == ("warning", KEYS[2])
    assert "dagu" in problem.en
    assert "cgvd1985" in problem.zh


def test_a_level_for_a_series_that_never_comes_is_visible(centre):
    centre.registry.add(
        Station(code=CODE, levels=[StationLevels("water_level.upstream.instant.0.instrument.dagu", "dagu", 5.0)])
    )
    centre.send((0, 4.0))
    assert any("sends no such series" in problem.en for problem in centre.engine.problems())


def test_a_changed_level_ends_the_old_alarm_with_a_note_and_judges_by_the_new(centre):
    centre.send((0, 5.5))
    (old,) = centre.active()
    centre.registry.add(Station(code=CODE, levels=[StationLevels(LEVEL, "dagu", 5.2, 6.0)]))
    centre.send((1, 5.5))
    (new,) = centre.active()
    assert (new.threshold, new.id != old.id) == (5.2, True)
    ended = centre.book.get(old.id)
    assert ended is not None
    assert (ended.amended, ended.ended_ms) == ("rule_changed", T0 + MINUTE)


def test_an_alarm_of_a_rule_that_was_taken_away_ends_with_a_note(centre):
    centre.send((0, 11.0), series=1)
    centre.follow_rules(read_rules(RULES.replace("supply_low", "supply_weak")))
    centre.tick(1)
    (alarm,) = centre.told("supply_low")
    assert (alarm.amended, centre.active()) == ("rule_removed", [])


def test_the_stations_own_events_are_evidence_and_judge_nothing(centre):
    event = Event(T0 + MINUTE, int(Grade.NTP), "level_raised", 0, 5.5, {"level": "warning"})
    centre.take([event], received_ms=T0 + MINUTE)
    centre.work()
    assert centre.active() == []
    centre.send((1, 5.5))
    assert [each.kind for each in centre.engine.evidence(centre.active()[0])] == ["level_raised"]


def test_a_batch_that_cannot_be_unfolded_is_counted_and_holds_nothing_up(centre):
    centre.send((0, 5.5), work=False)
    (entry,) = centre.ledger.arrivals(0)
    batch = decode(entry.data)
    without_words = replace(batch, records=[each for each in batch.records if not isinstance(each.body, Dictionary)])
    with centre.database.transaction() as connection:
        centre.engine.handle(entry._replace(line=99), without_words, connection)
    assert (centre.engine.unreadable, centre.active()) == (1, [])


def test_a_long_backlog_is_judged_without_reading_all_of_the_past_each_time(centre):
    reads = []
    read = centre.store.read
    centre.send(*((minute, 4.0) for minute in range(1000, 4000)))
    centre.store.read = lambda *args: reads.append(rows := read(*args)) or rows
    for start in range(0, 1000, 100):
        centre.send(*((minute, 4.0) for minute in range(start, start + 100)), received=4000, line=2)
    assert max(len(rows) for rows in reads) <= 4096
    assert sum(len(rows) for rows in reads) <= 10 * 4096
    snapshots = centre.database.connection().execute("SELECT count(*) FROM alarm_snapshot").fetchone()[0]
    assert snapshots <= 48


levels = st.sampled_from([3.0, 4.7, 4.85, 5.0, 5.5, 6.2])
flags = st.sampled_from([Flag.PASS, Flag.PASS, Flag.PASS, Flag.SUSPECT, Flag.FAIL])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 60), levels, flags), unique_by=lambda r: r[0], min_size=1, max_size=14),
    st.sampled_from([0, 3]),
    st.data(),
)
def test_any_order_of_arrival_ends_in_the_episodes_of_the_sorted_readings(
    tmp_path_factory, fresh_database, readings, hold, data
):
    rules = read_rules(RULES.replace("hold_clear: 0s", f"hold_raise: {hold}min\n    hold_clear: {hold}min"))
    centre = Centre(fresh_database(), tmp_path_factory.mktemp("centre"), rules)
    left = list(readings)
    while left:
        size = data.draw(st.integers(1, len(left)))
        work = data.draw(st.booleans())  # the engine may lag behind the store
        centre.send(*left[:size], received=100, work=work)
        left = left[size:]
    centre.work()
    wanted = episodes(
        [Sample(T0 + minute * MINUTE, value, flag) for minute, value, flag in sorted(readings)],
        rules.rules[0].at(5.0),
    )
    told = centre.told()
    assert [(a.started_ms, a.ended_ms, a.peak, a.peak_ms, a.peak_flag, a.unverified) for a in told] == [
        (e.started_ms, e.ended_ms, e.peak, e.peak_ms, e.peak_flag, e.unverified) for e in wanted
    ]
    centre.close()


@pytest.mark.parametrize("seed", range(4))
def test_days_of_backlog_in_any_order_beside_live_data_end_in_the_same_alarms(tmp_path, database, seed):
    chance = random.Random(seed)
    centre = Centre(database, tmp_path, read_rules(RULES.replace("hold_clear: 0s", "hold_clear: 7min")))
    level, readings = 4.6, []
    for minute in range(3000):
        level += (4.9 - level) * 0.02 + chance.uniform(-0.12, 0.12)
        flag = chance.choices([Flag.PASS, Flag.SUSPECT, Flag.FAIL], [95, 4, 1])[0]
        readings.append((minute, round(level, 2), flag))
    backlog, live = readings[:2400], readings[2400:]
    batches = [backlog[at : at + 200] for at in range(0, len(backlog), 200)]
    chance.shuffle(batches)
    for at in range(0, len(live), 50):
        centre.send(*live[at : at + 50], work=chance.random() < 0.7)
        if batches:
            centre.send(*batches.pop(), received=live[at][0] + 50, line=2, work=chance.random() < 0.7)
    centre.work()
    wanted = episodes([Sample(T0 + m * MINUTE, v, f) for m, v, f in readings], centre.engine._rules.rules[0].at(5.0))
    assert len(wanted) > 5
    assert [(a.started_ms, a.ended_ms, a.peak, a.peak_ms, a.unverified) for a in centre.told()] == [
        (e.started_ms, e.ended_ms, e.peak, e.peak_ms, e.unverified) for e in wanted
    ]
    centre.close()


@pytest.mark.parametrize("seed", range(6))
def test_nothing_told_is_ever_withdrawn_whatever_comes_later(tmp_path, database, seed):
    chance = random.Random(seed)
    centre = Centre(
        database, tmp_path, read_rules(RULES.replace("hold_clear: 0s", "hold_raise: 2min\n    hold_clear: 2min"))
    )
    readings = [(minute, chance.choice([4.0, 4.9, 5.1, 5.5])) for minute in range(80)]
    chance.shuffle(readings)
    seen = {}
    for at in range(0, 80, 4):
        centre.send(*readings[at : at + 4], received=100)
        for alarm in centre.book.recent():
            raised_ms, answered_by = seen.get(alarm.id, (alarm.raised_ms, None))
            assert alarm.raised_ms == raised_ms
            assert answered_by in (None, alarm.answered_by)
            seen[alarm.id] = (raised_ms, centre.book.answer(alarm.id, f"Li {alarm.id}", "", T0).answered_by)
        assert {alarm.id for alarm in centre.book.recent()} == set(seen)
    centre.close()


def test_a_store_that_is_away_only_delays_the_judgement_of_late_data(centre):
    class Away:
        def read(self, *_):
            raise StoreAway("no answer")

    centre.send((100, 4.0), received=100)
    centre.send((50, 5.5), received=101, line=2, work=False)
    store, centre.engine._ahead._store = centre.engine._ahead._store, Away()
    with pytest.raises(StoreAway):
        centre.work()
    assert centre.book.recent() == []
    centre.engine._ahead._store = store
    centre.work()
    assert centre.spans() == [(50, 100)]


def test_the_engine_follows_the_log_in_its_own_thread(centre):
    stop = threading.Event()
    thread = threading.Thread(target=follow, args=(centre.ledger, centre.database, centre.engine, stop))
    thread.start()
    centre.send((0, 5.5), work=False)
    deadline = time.monotonic() + 10
    while not centre.active() and time.monotonic() < deadline:
        thread.join(0.01)
    stop.set()
    thread.join(10)
    assert len(centre.active()) == 1
