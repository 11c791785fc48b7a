"""Judging the readings of one batch, one series and one rule, whatever their order and their clocks.

Three kinds of reading, by what the clocks say when the batch arrives:

* stamped at most ``SKEW_MS`` ahead of the centre's clock: judged in the order of time. If it is older than what
  was judged before, judgement goes back to a snapshot and is repeated from the store.
* up to ``AHEAD_MS`` ahead: judged at once as suspect, so it can raise an alarm (unverified) and end none, and no
  snapshot holds it; judged again for what it is when the centre's clock has reached its stamp. So a station whose
  clock runs some minutes ahead works like any other, a little later, and readings with true stamps that arrive
  meanwhile are not late.
* further ahead, or without a trusted clock: judged as suspect at its arrival, once, and never in the order of
  time. Its record number is remembered, so that neither repetition nor the passing of that time brings it back.

"At arrival" is the time of receipt in the arrival log, so a repetition after a crash gives the same result.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from haihe_contract.quality import Flag, Grade
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.reading import Reading

from haihe_cloud.database import Connection

from . import tracks
from .ahead import Ahead
from .evaluate import IDLE, Sample, State, Threshold, step
from .plan import Judgement
from .replay import Outcome, Snapshot, judge
from .telling import Window, end_track, tell

SKEW_MS = 5_000
"""How far a reading may lie ahead of the centre's clock and still be of now: two disciplined clocks and a
sampling step."""
AHEAD_MS = 600_000
"""How far ahead a stamp is believed at all once its time has come."""
PAGE_ROWS = 4096
"""Readings taken from the store at a time when judgement goes back."""


class Fresh(NamedTuple):
    """The readings of one series in one batch, by how they are judged."""

    ordered: list[Reading]
    waiting: list[Reading]
    at_arrival: list[Reading]


class Occasion(NamedTuple):
    """What is the same for every judgement of a batch.

    Args:
        connection: of the follower's transaction.
        store: the series, as far as they were fetched for this batch.
        station: code of the station.
        received_ms: when the batch came.
        now_ms: by the centre's clock.
        apart: records per line that have no part in the order of time.
    """

    connection: Connection
    store: Ahead
    station: str
    received_ms: int
    now_ms: int
    apart: Mapping[int, RangeSet]

    @property
    def horizon_ms(self) -> int:
        """Up to which stamp readings are judged in order."""
        return self.received_ms + SKEW_MS

    def stored(self, series: str, start_ms: int, end_ms: int) -> Iterator[Sample]:
        """The store's readings with start <= time < end, page by page, without those that stand apart."""
        while start_ms < end_ms:
            page = self.store.read(self.station, series, start_ms, end_ms, PAGE_ROWS)
            for reading in page:
                if reading.number not in self.apart.get(reading.line, EMPTY):
                    yield _sample(reading)
            if len(page) < PAGE_ROWS:
                return
            start_ms = page[-1].time_ms + 1


def part(readings: Sequence[Reading], received_ms: int, known: RangeSet) -> Fresh:
    """Sort readings by how they are judged; records that were judged at an earlier arrival are left out."""
    fresh = Fresh([], [], [])
    for reading in readings:
        if reading.number in known:
            continue
        if reading.grade is Grade.NONE or reading.time_ms > received_ms + AHEAD_MS:
            fresh.at_arrival.append(reading)
        elif reading.time_ms > received_ms + SKEW_MS:
            fresh.waiting.append(reading)
        else:
            fresh.ordered.append(reading)
    return fresh


def judge_series(occasion: Occasion, judgement: Judgement, fresh: Fresh) -> None:
    """Judge on, from the newest snapshot or from one before the earliest late reading, and tell the book.

    Raises:
        ReadFirst: when readings are needed that were not fetched yet; the transaction must end.
    """
    connection, received_ms = occasion.connection, occasion.received_ms
    track, replaced = tracks.open_track(connection, judgement, occasion.station)
    if replaced is not None:
        end_track(connection, replaced, received_ms, "rule_changed")
    ordered = [_sample(reading) for reading in fresh.ordered]
    arrived = _worst(fresh.at_arrival, judgement.threshold)
    if arrived is not None:
        tracks.note_arrival(connection, track.id, received_ms, arrived, below=judgement.threshold.below)
    due, waiting_to_ms = _wait(connection, track, fresh.waiting, occasion.horizon_ms)
    changed = [sample.time_ms for sample in ordered] + [received_ms] * (arrived is not None) + due
    if not changed and waiting_to_ms is None:
        return
    first_ms, last_ms = min(changed, default=received_ms), max(changed, default=received_ms)
    head = tracks.newest(connection, track.id)
    newest_ms = max(last_ms, head.at_ms) if head else last_ms
    straight = len(changed) == len(ordered) and _ascending(ordered)
    if straight and (head is None or not changed or first_ms > head.at_ms):
        base = head or Snapshot(first_ms - 1, IDLE)
        outcome = judge(base, ordered, (), last_ms, judgement.threshold)
    else:
        straight = False
        base = tracks.before(connection, track.id, first_ms) or Snapshot(first_ms - 1, IDLE)
        outcome = _again(occasion, judgement, track.id, base, last_ms, newest_ms)
    tracks.keep(connection, track.id, [base, *outcome.snapshots])
    window = Window(track.id, base.at_ms, None, None, newest_ms, received_ms, not straight)
    if straight and waiting_to_ms is None and not (base.state.lasting or outcome.state.lasting or outcome.ended):
        return
    _tell(occasion, judgement, window, outcome, waiting_to_ms)


def _again(
    occasion: Occasion, judgement: Judgement, track: int, base: Snapshot, last_ms: int, newest_ms: int
) -> Outcome:
    """Judge anew what the store holds after a snapshot, as far as it was judged before or is new."""
    start_ms, end_ms = base.at_ms + 1, newest_ms + 1
    samples = heapq.merge(
        occasion.stored(judgement.series, start_ms, end_ms),
        tracks.arrivals(occasion.connection, track, start_ms, end_ms),
        key=lambda sample: sample.time_ms,
    )
    later = tracks.after(occasion.connection, track, base.at_ms)
    return judge(base, samples, later, last_ms, judgement.threshold)


def _tell(
    occasion: Occasion, judgement: Judgement, window: Window, outcome: Outcome, waiting_to_ms: int | None
) -> None:
    """Tell the book what was judged in order, and with it what waiting readings raise already."""
    connection, state, episodes = occasion.connection, outcome.state, outcome.ended
    if outcome.stopped_ms is not None:
        stretch = window._replace(to_ms=outcome.stopped_ms, standing_ms=state.begun_ms)
        tell(connection, judgement, occasion.station, stretch, episodes, occasion.now_ms)
        now = tracks.newest(connection, window.track)
        if waiting_to_ms is None or now is None:
            return
        window, state, episodes = window._replace(from_ms=now.at_ms), now.state, []
    if waiting_to_ms is not None:
        samples = occasion.stored(judgement.series, occasion.horizon_ms + 1, waiting_to_ms + 1)
        state = _look_ahead(state, samples, judgement.threshold)
        window = window._replace(newest_ms=max(window.newest_ms, occasion.received_ms))
    if state.lasting:
        episodes = [*episodes, state.lasting]
    tell(connection, judgement, occasion.station, window, episodes, occasion.now_ms)


def _look_ahead(state: State, samples: Iterator[Sample], threshold: Threshold) -> State:
    for sample in samples:
        if sample.counts:
            state, _ = step(state, sample._replace(flag=Flag.SUSPECT), threshold)
    return state


def _wait(
    connection: Connection, track: tracks.Track, waiting: Sequence[Reading], horizon_ms: int
) -> tuple[list[int], int | None]:
    """First and last time of the stretch that has waited and is due now, and the end of what waits on."""
    times = [reading.time_ms for reading in waiting]
    if track.waiting_from_ms is not None and track.waiting_to_ms is not None:
        times += [track.waiting_from_ms, track.waiting_to_ms]
    if not times:
        return [], None
    from_ms, to_ms = min(times), max(times)
    due = [from_ms, min(to_ms, horizon_ms)] if from_ms <= horizon_ms else []
    left_ms = to_ms if to_ms > horizon_ms else None
    tracks.set_waiting(connection, track, None if left_ms is None else max(from_ms, horizon_ms + 1), left_ms)
    return due, left_ms


def _worst(readings: Sequence[Reading], threshold: Threshold) -> float | None:
    """The worst value among readings that are judged at their arrival, if it speaks for an alarm at all."""
    worst: float | None = None
    for reading in readings:
        value = reading.value
        if value is None or not _sample(reading).counts or threshold.clear(value):
            continue
        if worst is None or threshold.worse(value, worst):
            worst = value
    return worst


def _sample(reading: Reading) -> Sample:
    return Sample(reading.time_ms, reading.value, Flag(reading.flag))


def _ascending(samples: Sequence[Sample]) -> bool:
    return all(left.time_ms < right.time_ms for left, right in pairwise(samples))
