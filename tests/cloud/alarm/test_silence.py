"""A silent station is an alarm of its own, and is not judged while the centre itself was deaf."""

from haihe_cloud.admit.registry import Station

from .conftest import CODE, MINUTE, T0


def silent(centre):
    return [alarm for alarm in centre.active() if alarm.rule == "silent"]


def test_a_station_that_is_not_heard_for_its_delay_is_silent(centre):
    centre.send((0, 4.0))
    centre.tick(9.9)
    assert silent(centre) == []
    centre.tick(10)
    (alarm,) = silent(centre)
    assert (alarm.station, alarm.level, alarm.severity) == (CODE, "silent", "blue")
    assert (alarm.started_ms, alarm.raised_ms, alarm.threshold) == (T0, T0 + 10 * MINUTE, 600)


def test_a_silence_that_lasts_is_one_alarm(centre):
    centre.send((0, 4.0))
    for minute in range(10, 60):
        centre.tick(minute)
    assert len(centre.told("silent")) == 1


def test_silence_ends_when_the_station_is_heard(centre):
    centre.send((0, 4.0))
    centre.tick(15)
    centre.send((16, 4.0))
    assert silent(centre) == []
    (alarm,) = centre.told("silent")
    assert alarm.ended_ms == T0 + 16 * MINUTE
    centre.tick(17)
    assert silent(centre) == []


def test_silence_ends_by_backlog_too_because_the_station_spoke(centre):
    centre.send((0, 4.0))
    centre.tick(15)
    centre.send((-100, 4.0), received=16)
    assert silent(centre) == []


def test_a_bundle_carried_by_hand_raises_what_is_in_it_and_ends_no_silence(centre):
    centre.send((0, 4.0))
    centre.tick(15)
    centre.send((12, 5.5), (13, 4.0), received=16, carried=True)
    centre.tick(17)
    (alarm,) = silent(centre)
    assert (alarm.started_ms, alarm.raised_ms) == (T0, T0 + 15 * MINUTE)
    assert centre.spans() == [(12, 13)]


def test_a_station_that_only_ever_came_by_hand_is_still_silent(centre):
    centre.tick(0)
    centre.tick(11)
    centre.send((12, 4.0), carried=True)
    centre.tick(13)
    (alarm,) = silent(centre)
    assert alarm.started_ms == T0
    assert centre.ledger.last_heard() == {}


def test_silence_is_not_judged_while_the_centre_is_deaf(centre):
    centre.send((0, 4.0))
    centre.tick(60, listening_since=None)
    centre.tick(61, listening_since=55)
    assert silent(centre) == []
    centre.tick(65, listening_since=55)
    (alarm,) = silent(centre)
    assert alarm.started_ms == T0


def test_a_deaf_centre_keeps_the_silences_it_knew(centre):
    centre.send((0, 4.0))
    centre.tick(15)
    centre.tick(30, listening_since=None)
    assert len(silent(centre)) == 1


def test_an_old_batch_that_is_worked_off_late_does_not_end_a_silence(centre):
    centre.send((0, 4.0), work=False)
    centre.tick(15)
    centre.work()
    assert len(silent(centre)) == 1


def test_a_station_never_heard_counts_from_when_it_was_registered(centre):
    centre.tick(0)
    centre.registry.add(Station(code="31005651", silent_after_s=120))
    centre.tick(5)
    assert silent(centre) == []
    centre.tick(7)
    (alarm,) = silent(centre)
    assert (alarm.station, alarm.started_ms) == ("31005651", T0 + 5 * MINUTE)


def test_a_station_silent_above_warning_is_one_severity_up(centre):
    centre.send((0, 5.5))
    centre.tick(15)
    (alarm,) = silent(centre)
    assert alarm.severity == "orange"
    assert len(centre.active()) == 2


def test_late_data_above_warning_lift_the_severity_of_a_silence(centre):
    centre.send((0, 4.0))
    centre.tick(15)
    centre.clock.ms = T0 + 15 * MINUTE
    centre.send((1, 5.5), received=16)
    centre.tick(30)
    (alarm,) = silent(centre)
    assert alarm.severity == "orange"


def test_a_station_that_is_taken_out_of_the_registry_is_silent_no_more(centre):
    centre.send((0, 5.5))
    centre.tick(15)
    centre.registry.remove(CODE)
    centre.tick(16)
    assert centre.active() == []
    assert {alarm.amended for alarm in centre.book.recent()} == {"station_removed"}
