"""A store that takes seconds delays the judgement of the past, and nothing that arrives now."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from haihe_cloud.ledger.follow import follow
from haihe_cloud.ledger.quarantine import Quarantine
from haihe_cloud.store.port import StoreAway

from tests.cloud.alarm.conftest import CODE, T0, Centre
from tests.conftest import wait_for

SECONDS = 3.0


class SlowReads:
    """The real store, each of whose answers takes seconds, or fails at first."""

    def __init__(self, centre: Centre) -> None:
        self._read = centre.store.read
        self.asked = threading.Event()
        self.reads: list[int] = []
        self.fails = 0
        self.seconds = SECONDS
        centre.store.read = self.read  # type: ignore[method-assign]

    def read(self, station, series, start_ms, end_ms, most=200_000):  # type: ignore[no-untyped-def]
        self.asked.set()
        self.reads.append(start_ms)
        time.sleep(self.seconds)
        if self.fails:
            self.fails -= 1
            raise StoreAway("no answer")
        return self._read(station, series, start_ms, end_ms, most)


@contextmanager
def following(centre: Centre) -> Iterator[None]:
    stop = threading.Event()
    args = (centre.ledger, centre.database, centre.engine, stop)
    thread = threading.Thread(target=follow, args=args, kwargs={"away": (StoreAway,)})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def done(centre: Centre) -> bool:
    return centre.ledger.behind()["alarm"] == 0


def late(centre: Centre) -> None:
    """An hour of levels with a hole, judged; then what was measured in the hole, a flood."""
    for minute in (*range(0, 31, 2), *range(36, 60, 2)):
        centre.send((minute, 4.0))
    centre.send((31, 5.5), (33, 5.6), (35, 4.0), received=61, work=False, first=900)


def test_while_a_slow_store_is_read_for_late_data_new_batches_are_booked_at_once(centre: Centre) -> None:
    late(centre)
    slow = SlowReads(centre)
    with following(centre):
        assert slow.asked.wait(10), "judgement goes back to the store"
        began = time.monotonic()
        centre.send((62, 4.1), work=False)
        Quarantine(centre.database).ask([1], T0)  # any other write of the centre
        centre.tick(62)
        took = time.monotonic() - began
        assert not done(centre), "the store is still being read"
        wait_for(lambda: done(centre), "the alarm engine has caught up", 30)
    assert took < SECONDS / 3, f"booking took {took:.1f} s while the store was slow"
    assert centre.spans() == [(31, 35)]


def test_one_look_at_the_store_is_enough_for_a_late_batch(centre: Centre) -> None:
    late(centre)
    slow = SlowReads(centre)
    slow.seconds = 0.0
    with following(centre):
        wait_for(lambda: done(centre), "the alarm engine has caught up", 30)
    assert len(slow.reads) == 1
    assert centre.spans() == [(31, 35)]


def test_a_store_that_fails_at_first_is_asked_again_and_nothing_is_set_aside(centre: Centre) -> None:
    late(centre)
    slow = SlowReads(centre)
    slow.seconds, slow.fails = 0.0, 2
    with following(centre):
        wait_for(lambda: done(centre), "the alarm engine has caught up", 30)
    assert centre.ledger.quarantined() == []
    assert centre.spans() == [(31, 35)]


def test_two_processes_that_follow_under_one_name_never_judge_a_batch_twice(centre: Centre) -> None:
    late(centre)
    slow = SlowReads(centre)
    slow.seconds = 0.3
    with following(centre), following(centre):
        for minute in range(62, 80):
            centre.send((minute, 5.5 if minute > 70 else 4.0), work=False)
        wait_for(lambda: done(centre), "both have caught up", 30)
    assert centre.ledger.quarantined() == []
    assert centre.spans() == [(31, 35), (71, None)]
    assert centre.store.series(CODE)
