"""Answering (叫应) and following the book."""

import pytest
from haihe_contract.errors import FieldError

from .conftest import MINUTE, T0


def test_an_answer_says_who_and_when(centre):
    centre.send((0, 5.5))
    (alarm,) = centre.active()
    answered = centre.book.answer(alarm.id, " 李工 ", "已通知河长", T0 + MINUTE)
    assert (answered.answered_by, answered.answered_ms, answered.note) == ("李工", T0 + MINUTE, "已通知河长")
    assert centre.active() == [answered]


def test_a_second_answer_is_added_and_overwrites_nothing(centre):
    centre.send((0, 5.5))
    (alarm,) = centre.active()
    centre.book.answer(alarm.id, "Li", "called", T0 + 1)
    second = centre.book.answer(alarm.id, "Wang", "on site", T0 + 2)
    assert (second.answered_by, second.answered_ms) == ("Li", T0 + 1)
    assert [(a.who, a.time_ms, a.note) for a in centre.book.answers(alarm.id)] == [
        ("Li", T0 + 1, "called"),
        ("Wang", T0 + 2, "on site"),
    ]


def test_an_alarm_that_is_over_can_still_be_answered(centre):
    centre.send((0, 5.5), (1, 4.0))
    (alarm,) = centre.told()
    assert centre.book.answer(alarm.id, "Li", "", T0).answered_by == "Li"


def test_an_answer_outlives_the_next_readings(centre):
    centre.send((0, 5.5))
    centre.book.answer(centre.active()[0].id, "Li", "called", T0)
    centre.send((1, 5.9))
    (alarm,) = centre.active()
    assert (alarm.answered_by, alarm.peak) == ("Li", 5.9)


@pytest.mark.parametrize(("alarm", "who"), [(99, "Li"), (0, "Li"), (2**70, "Li"), (1, " "), (1, "x" * 101)])
def test_an_answer_to_nothing_or_by_nobody_is_refused_in_words(centre, alarm, who):
    centre.send((0, 5.5))
    with pytest.raises(FieldError) as caught:
        centre.book.answer(alarm, who, "", T0)
    assert caught.value.do


def test_changes_can_be_followed_by_sequence_number(centre):
    start = centre.book.sequence()
    centre.send((0, 5.5))
    (first,) = centre.book.changes(start)
    centre.send((1, 5.6))
    (grown,) = centre.book.changes(first.sequence)
    assert (grown.id, grown.peak) == (first.id, 5.6)
    centre.send((2, 5.5))
    assert centre.book.changes(grown.sequence) == []


def test_lists_are_bounded_and_newest_first(centre):
    for minute in range(0, 20, 2):
        centre.send((minute, 5.5), (minute + 1, 4.0))
    assert [alarm.started_ms for alarm in centre.book.recent(3)] == [T0 + m * MINUTE for m in (18, 16, 14)]
    assert centre.book.recent(station="00000000") == []
    assert len(centre.book.recent(10**9)) == 10
