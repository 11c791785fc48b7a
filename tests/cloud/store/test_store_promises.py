"""What every series store promises; one suite, run over each engine."""

import math
from collections.abc import Callable
from random import Random

from haihe_cloud.store.choose import VALUES_MAX, settle
from haihe_cloud.store.port import Conflict, Store
from haihe_contract.quality import Flag, Grade, Reason
from haihe_contract.ranges import RangeSet
from haihe_contract.reading import Reading
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cloud.store.readings import LEVEL, LINE, NEW, RAIN, T0, level, rivals

_fixtures_live_long = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
_names = iter(range(1, 10**9))

Tables = tuple[dict[str, list[Reading]], list[Conflict], list[Reading], dict[str, Reading]]


def tables(store: Store, station: str) -> Tables:
    """Everything the store says about the station, free of the station's name."""
    return (
        {series: store.read(station, series, 0, 2**60) for series in store.series(station)},
        [conflict._replace(station="") for conflict in store.conflicts(station)],
        store.untimed(station),
        store.latest(station),
    )


@given(readings=st.lists(rivals(), min_size=1, max_size=12), random=st.randoms(use_true_random=False))
@_fixtures_live_long
def test_any_order_and_repetition_of_writes_leaves_the_same_tables(
    store: Store, readings: list[Reading], random: Random
) -> None:
    once, again = f"order{next(_names)}", f"order{next(_names)}"
    assert store.write({once: readings}) == []
    shuffled = [*readings, *random.sample(readings, random.randint(0, len(readings)))]
    random.shuffle(shuffled)
    at = 0
    while at < len(shuffled):
        size = random.randint(1, 4)
        assert store.write({again: shuffled[at : at + size]}) == []
        at += size
    assert tables(store, again) == tables(store, once)
    places: dict[tuple[str, int], list[Reading]] = {}
    for reading in readings:
        if reading.grade != Grade.NONE:
            places.setdefault((reading.series, reading.time_ms), []).append(reading)
    settled = [settle(there) for there in places.values()]
    shown, conflicts, _, _ = tables(store, once)
    assert {r for rows in shown.values() for r in rows} == {s.shown for s in settled}
    assert {c.reading for c in conflicts} == {other for s in settled for other in s.others}


def test_what_was_written_is_read_back_exactly_and_in_order(store: Store, station: str) -> None:
    values = [0.1 + 0.2, -1e-300, 1.7976931348623157e308, 5e-324, -0.5, 3.0, 123456789.123456]
    rows = [
        level(T0 + at * 1000, value, at + 1, flag=Flag.SUSPECT, reasons=Reason.BEYOND_LOCAL | Reason.MOVED)
        for at, value in enumerate(values)
    ]
    assert store.write({station: rows[::-1]}) == []
    assert store.read(station, LEVEL, T0, T0 + 7000) == rows
    assert store.read(station, LEVEL, T0 + 1000, T0 + 3000) == rows[1:3]
    assert store.read(station, LEVEL, T0, T0 + 7000, most=2) == rows[:2]
    assert store.read(station, RAIN, T0, T0 + 7000) == []
    assert store.read("nobody", LEVEL, T0, T0 + 7000) == []
    assert store.read(station, LEVEL, T0 + 7000, T0) == []


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=200))
@_fixtures_live_long
def test_any_finite_number_is_read_back_exactly(store: Store, values: list[float]) -> None:
    station = f"exact{next(_names)}"
    rows = [level(T0 + at, value, at + 1) for at, value in enumerate(values)]
    assert store.write({station: rows}) == []
    assert [r.value for r in store.read(station, LEVEL, T0, T0 + len(rows))] == values


def test_a_missing_reading_is_read_back_as_no_value(store: Store, station: str) -> None:
    rows = [level(), level(T0 + 1000, None, 2), level(T0 + 2000, 0.0, 3)]
    store.write({station: rows})
    assert [r.value for r in store.read(station, LEVEL, T0, T0 + 3000)] == [3.25, None, 0.0]
    assert store.read(station, LEVEL, T0, T0 + 3000) == rows


def test_a_station_that_says_ever_new_values_of_one_moment_harms_only_itself(store: Store, station: str) -> None:
    many = [level(value=float(n), number=n + 1) for n in range(5000)]
    refused = store.write({station: many, f"{station}b": [level()]})
    assert len(refused) == 5000 - VALUES_MAX
    assert "kept already" in refused[0].why
    kept = {each.reading for each in store.conflicts(station)} | set(store.read(station, LEVEL, T0, T0 + 1))
    assert kept == set(many) - {each.reading for each in refused}
    assert [each.reading for each in store.write({station: many})] == [each.reading for each in refused]
    assert store.write({station: [*kept]}) == [], "what is kept may be repeated"
    assert store.read(f"{station}b", LEVEL, T0, T0 + 1) == [level()]


def test_a_correction_downwards_wins_by_rank_and_the_other_is_kept(store: Store, station: str) -> None:
    wrong, right = level(value=12.4, grade=Grade.RTC, number=9), level(value=2.4, number=1)
    store.write({station: [wrong]})
    store.write({station: [right]})
    assert store.read(station, LEVEL, T0, T0 + 1) == [right]
    assert store.conflicts(station) == [Conflict(station, wrong)]
    store.write({station: [wrong]})
    assert store.read(station, LEVEL, T0, T0 + 1) == [right]
    assert store.conflicts(station) == [Conflict(station, wrong)]


def test_a_missing_reading_never_replaces_a_value(store: Store, station: str) -> None:
    measured, missing = level(grade=Grade.SYSTEM, number=1), level(value=None, number=7)
    store.write({station: [measured]})
    store.write({station: [missing]})
    assert store.read(station, LEVEL, T0, T0 + 1) == [measured]
    assert store.conflicts(station) == [Conflict(station, missing)]


def test_the_same_value_from_two_records_is_shown_once_without_conflict(store: Store, station: str) -> None:
    store.write({station: [level(number=2)]})
    store.write({station: [level(number=1)]})
    assert store.read(station, LEVEL, T0, T0 + 1) == [level(number=2)]
    assert store.conflicts(station) == []


def test_conflicts_come_newest_first_and_no_more_than_asked(store: Store, station: str) -> None:
    for value in (1.0, 2.0):
        store.write({station: [level(T0 + at, value, int(value)) for at in range(5)]})
    assert [c.reading.time_ms for c in store.conflicts(station)] == [T0 + at for at in (4, 3, 2, 1, 0)]
    assert [c.reading for c in store.conflicts(station, most=2)] == [
        level(T0 + 4, 1.0, 1),
        level(T0 + 3, 1.0, 1),
    ]


def test_the_latest_is_the_newest_by_measurement_time_not_by_arrival(store: Store, station: str) -> None:
    newest, rain = level(T0 + 86_400_000, 4.0, 5), level(T0, 0.2, 5, series=RAIN)
    far_ahead = level(T0 + 400 * 86_400_000, 1.0, 6, series=NEW)
    store.write({station: [newest, rain, far_ahead]})
    store.write({station: [level(T0 - at * 1000, 1.0, at + 10) for at in range(3)]})
    assert store.latest(station) == {LEVEL: newest, RAIN: rain, NEW: far_ahead}
    assert store.series(station) == sorted([LEVEL, RAIN, NEW])


def test_readings_without_a_clock_wait_in_their_own_table(store: Store, station: str) -> None:
    rows = [level(5000 * n, n / 2, n, grade=Grade.NONE, line=line) for n in (1, 2) for line in (7, LINE)]
    assert store.write({station: rows}) == []
    store.write({station: rows[::-1]})
    assert store.untimed(station) == rows
    assert store.untimed(station, most=3) == rows[:3]
    assert store.series(station) == []
    assert store.latest(station) == {}


def test_readings_without_a_clock_are_read_line_by_line_and_forgotten_by_number(store: Store, station: str) -> None:
    rows = [level(5000 * n, n / 2, n, grade=Grade.NONE, line=line) for n in range(1, 9) for line in (7, LINE)]
    store.write({station: rows, f"{station}b": rows})
    assert [row.number for row in store.untimed(station, 3, line=LINE, after=4)] == [5, 6, 7]
    store.forget_untimed(station, LINE, RangeSet.of((1, 2), (5, 7)))
    store.forget_untimed(station, LINE, RangeSet.of((5, 99)))
    assert [row.number for row in store.untimed(station, line=LINE)] == [3, 4]
    assert [row.number for row in store.untimed(station, line=7)] == list(range(1, 9))
    assert store.untimed(f"{station}b") == rows, "nobody else's"
    store.write({station: rows[:2]})
    assert [row.number for row in store.untimed(station, line=LINE)] == [1, 3, 4], "what comes again is there again"


def test_conflicts_of_a_stretch_of_time_are_told_alone(store: Store, station: str) -> None:
    for value in (1.0, 2.0):
        store.write({station: [level(T0 + at, value, int(value)) for at in range(5)]})
    found = store.conflicts(station, start_ms=T0 + 1, end_ms=T0 + 3)
    assert [each.reading.time_ms for each in found] == [T0 + 2, T0 + 1]


def test_bad_readings_are_refused_by_name_and_the_rest_is_stored(store: Store, station: str) -> None:
    good = [level(T0 + n * 1000, float(n), n) for n in range(1, 6)]
    bad = [
        level(T0, math.nan, 10),
        level(T0 + 1, math.inf, 11),
        level(T0 + 2, 1.0, 2**63),
        level(2**62, 1.0, 13),
        level(2**70, 1.0, 13),
        level(T0 + 3, 1.0, 14, series="x' OR 1=1"),
        level(T0 + 4, 1.0, 15, flag=Flag.MISSING),
    ]
    store.write({station: good[:1]})
    refused = store.write({station: [*good[:3], *bad, *good[3:]], f"{station}b": good})
    assert sorted(repr(r.reading) for r in refused) == sorted(map(repr, bad))
    assert {r.station for r in refused} == {station}
    assert all(r.why for r in refused)
    assert store.read(station, LEVEL, 0, 2**60) == good
    assert store.read(f"{station}b", LEVEL, 0, 2**60) == good


def test_an_element_nobody_knows_is_stored_like_any_other(store: Store, station: str) -> None:
    assert store.write({station: [level(series=NEW)]}) == []
    assert store.read(station, NEW, T0, T0 + 1) == [level(series=NEW)]


def test_stations_do_not_see_each_other(store: Store, station: str) -> None:
    other = station + "-other"
    store.write({station: [level(value=1.0)], other: [level(value=2.0)]})
    assert store.read(station, LEVEL, T0, T0 + 1) == [level(value=1.0)]
    assert store.read(other, LEVEL, T0, T0 + 1) == [level(value=2.0)]
    assert store.conflicts(station) == store.conflicts(other) == []


def test_a_store_that_was_opened_again_still_sees_conflicts(open_store: Callable[[], Store], station: str) -> None:
    first = open_store()
    first.write({station: [level(value=1.0, number=2), level(40, 1.0, 2, grade=Grade.NONE)]})
    first.close()
    second = open_store()
    second.write({station: [level(value=2.0, number=1), level(50, 2.0, 2, grade=Grade.NONE)]})
    assert second.read(station, LEVEL, T0, T0 + 1) == [level(value=1.0, number=2)]
    assert second.conflicts(station) == [Conflict(station, level(value=2.0, number=1))]
    assert len(second.untimed(station)) == 1
    second.close()


def test_a_batch_of_old_readings_among_new_ones_loses_nothing(store: Store, station: str) -> None:
    live = [level(T0 + n * 1000, float(n), n + 1) for n in range(0, 600, 2)]
    backlog = [level(T0 + n * 1000, float(n), n + 1) for n in range(1, 600, 2)]
    far = [level(T0 - 10**10, 1.0, 5000), level(T0 + 10**10, 2.0, 5001)]
    for part in (live, backlog, [far[0], *live[:3], far[1]], live, backlog[::-1]):
        assert store.write({station: part}) == []
    expected = sorted([*live, *backlog, *far], key=lambda r: r.time_ms)
    assert store.read(station, LEVEL, 0, 2**60) == expected
    assert store.conflicts(station) == []
