"""What was told is amended and never withdrawn."""

from typing import NamedTuple

from haihe_cloud.alarm.evaluate import Episode
from haihe_cloud.alarm.reconcile import Pair, reconcile


class Told(NamedTuple):
    id: int
    started_ms: int
    ended_ms: int | None
    void: bool = False


def episode(started, ended=None):
    return Episode(started, 5.5, started, 1, False, ended)


def test_an_episode_nobody_was_told_of_is_a_new_alarm():
    assert reconcile([Told(1, 0, 10)], [episode(0, 10), episode(20, 30)]).pairs == [
        Pair(episode(0, 10), 1),
        Pair(episode(20, 30), None),
    ]


def test_two_alarms_that_were_one_flood_keep_the_first_and_name_it_in_the_second():
    found = reconcile([Told(1, 0, 10), Told(2, 20, 30)], [episode(0, 30)])
    assert found.pairs == [Pair(episode(0, 30), 1)]
    assert found.merged == [(2, 0)]


def test_an_alarm_that_is_still_on_keeps_its_id_when_late_data_split_it():
    found = reconcile([Told(1, 0, None)], [episode(0, 10), episode(20)])
    assert found.pairs == [Pair(episode(0, 10), None), Pair(episode(20), 1)]


def test_of_two_joined_alarms_the_one_still_on_stays():
    found = reconcile([Told(1, 0, 10), Told(2, 20, None)], [episode(0)])
    assert found.pairs == [Pair(episode(0), 2)]
    assert found.merged == [(1, 0)]


def test_an_alarm_without_an_episode_is_gone_and_comes_back_with_it():
    assert reconcile([Told(1, 0, 10)], []).gone == [1]
    assert reconcile([Told(1, 0, 10, void=True)], []).gone == []
    assert reconcile([Told(1, 0, 10, void=True)], [episode(5, 9)]).pairs == [Pair(episode(5, 9), 1)]


def test_alarms_that_only_touch_are_two_alarms():
    found = reconcile([Told(1, 0, 10)], [episode(0, 10), episode(10)])
    assert found.pairs == [Pair(episode(0, 10), 1), Pair(episode(10), None)]
