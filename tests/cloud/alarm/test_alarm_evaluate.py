"""The state machine of one threshold."""

from haihe_cloud.alarm.evaluate import IDLE, Sample, Threshold, episodes, step
from haihe_cloud.alarm.replay import SNAPSHOTS_MAX, Snapshot, judge, thin
from haihe_contract.quality import Flag
from hypothesis import given
from hypothesis import strategies as st

LEVEL = Threshold(5.0, 4.8)


def run(*values, threshold=LEVEL, flags=None):
    flags = flags or {}
    return episodes(
        [Sample(at * 60_000, value, flags.get(at, Flag.PASS)) for at, value in enumerate(values)], threshold
    )


def test_an_alarm_runs_from_the_level_to_below_the_clear_level():
    (only,) = run(4.9, 5.0, 5.7, 5.2, 4.8, 4.7)
    assert (only.started_ms, only.ended_ms, only.peak, only.peak_ms) == (60_000, 300_000, 5.7, 120_000)


def test_flapping_at_the_threshold_gives_one_alarm():
    assert len(run(*[4.95, 5.01] * 50, 4.7)) == 1


def test_a_level_must_hold_before_it_is_an_alarm():
    held = Threshold(5.0, 4.8, hold_raise_ms=120_000)
    assert run(5.1, 5.1, 4.9, 5.1, 5.1, threshold=held) == []
    (only,) = run(5.1, 5.1, 4.9, 5.1, 5.1, 5.1, threshold=held)
    assert only.started_ms == 180_000


def test_the_good_side_must_hold_before_an_alarm_is_over():
    held = Threshold(5.0, 4.8, hold_clear_ms=120_000)
    (only,) = run(5.1, 4.7, 4.7, 4.9, 4.7, 4.7, 4.7, 4.7, threshold=held)
    assert only.ended_ms == 360_000


def test_failed_and_missing_readings_neither_raise_nor_clear():
    assert run(9.0, flags={0: Flag.FAIL}) == []
    (only,) = run(5.1, 0.0, None, float("nan"), flags={1: Flag.FAIL, 2: Flag.MISSING})
    assert only.ended_ms is None


def test_a_suspect_reading_raises_an_alarm_that_says_unverified():
    (only,) = run(5.5, flags={0: Flag.SUSPECT})
    assert only.unverified
    (only,) = run(5.5, 5.4, flags={0: Flag.SUSPECT})
    assert not only.unverified
    assert (only.peak, only.peak_flag) == (5.5, Flag.SUSPECT)


def test_a_suspect_reading_never_ends_an_alarm():
    (only,) = run(5.5, 1.0, 1.0, flags={1: Flag.SUSPECT, 2: Flag.SUSPECT})
    assert only.ended_ms is None


def test_a_suspect_reading_does_not_break_a_run_that_is_forming():
    held = Threshold(5.0, 4.8, hold_raise_ms=120_000)
    (only,) = run(5.1, 1.0, 5.1, threshold=held, flags={1: Flag.SUSPECT})
    assert only.started_ms == 0


def test_a_falling_rule_alarms_on_the_low_side():
    volts = Threshold(11.3, 12.0, below=True)
    (only,) = run(12.5, 11.3, 10.9, 11.9, 12.0, 12.1, threshold=volts)
    assert (only.started_ms, only.ended_ms, only.peak) == (60_000, 300_000, 10.9)


values = st.sampled_from([4.6, 4.79, 4.8, 4.9, 5.0, 5.2, 6.0, None])
flags = st.sampled_from([Flag.PASS, Flag.PASS, Flag.PASS, Flag.SUSPECT, Flag.FAIL, Flag.NOT_EVALUATED])
holds = st.sampled_from([0, 2, 5])


@st.composite
def series(draw):
    times = draw(st.lists(st.integers(0, 80), unique=True, min_size=1, max_size=40))
    return [Sample(time, draw(values), draw(flags)) for time in times]


@st.composite
def thresholds(draw):
    return Threshold(5.0, 4.8, hold_raise_ms=draw(holds), hold_clear_ms=draw(holds))


class Course:
    """What the engine does with a track, in memory."""

    def __init__(self, threshold):
        self.threshold, self.known, self.snapshots, self.ended = threshold, {}, [], []

    def take(self, batch):
        self.known |= {sample.time_ms: sample for sample in batch}
        first, last = min(s.time_ms for s in batch), max(s.time_ms for s in batch)
        earlier = [each for each in self.snapshots if each.at_ms < first]
        base = earlier[-1] if earlier else Snapshot(first - 1, IDLE)
        later = [each for each in self.snapshots if each.at_ms > base.at_ms]
        samples = [self.known[time] for time in sorted(self.known) if time > base.at_ms]
        outcome = judge(base, samples, later, last, self.threshold)
        stop = outcome.stopped_ms
        self.ended = [
            *(e for e in self.ended if e.ended_ms <= base.at_ms),
            *outcome.ended,
            *(e for e in self.ended if stop is not None and e.ended_ms > stop),
        ]
        fresh = {each.at_ms: each for each in [*self.snapshots, base, *outcome.snapshots]}
        self.snapshots = [fresh[at] for at in sorted(fresh)]

    def episodes(self):
        last = self.snapshots[-1].state.lasting
        return [*self.ended, last] if last else self.ended


@given(series(), thresholds(), st.data())
def test_any_order_and_any_batches_give_the_episodes_of_the_sorted_readings(samples, threshold, data):
    course = Course(threshold)
    left = list(samples)
    while left:
        size = data.draw(st.integers(1, len(left)))
        course.take(left[:size])
        left = left[size:]
    assert course.episodes() == episodes(sorted(samples), threshold)


@given(series(), thresholds())
def test_a_step_tells_exactly_when_an_alarm_begins_and_ends(samples, threshold):
    state, on = IDLE, False
    for sample in sorted(samples):
        state, transitions = step(state, sample, threshold)
        for each in transitions:
            assert each.raised is not on
            on = each.raised
        assert on is (state.lasting is not None)


@given(st.lists(st.integers(0, 10**10), unique=True, max_size=300).map(sorted))
def test_snapshots_stay_few_and_keep_the_first_and_the_last(times):
    dropped = set(thin(times))
    kept = [time for time in times if time not in dropped]
    assert len(kept) <= SNAPSHOTS_MAX
    assert kept[:1] == times[:1]
    assert kept[-1:] == times[-1:]
