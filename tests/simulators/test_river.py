"""Promises of the simulated river."""

import random

import pytest
from haihe_simulators.river import (
    M3_PER_MM_KM2,
    STEP_S,
    Rating,
    Reach,
    River,
    RiverClock,
    Storm,
    convolve,
    hyetograph,
    nash_ordinates,
    net_rain,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import HandClock

RATING = Rating(60.0, 0.0004, 0.03, 2.0)
STORM = Storm(120.0, 3600, 6 * 3600)


def reaches() -> list[Reach]:
    return [
        Reach("UP", 180.0, 3, 2400.0, 0, 1.0, 8.0, RATING),
        Reach("MID", 90.0, 3, 1800.0, 3600, 1800.0, 12.0, RATING),
        Reach("SEA", 60.0, 2, 1800.0, 5400, 3600.0, 20.0, RATING, tide_m=0.8),
    ]


@given(st.integers(1, 8), st.floats(60, 50_000))
def test_a_cascade_lets_out_exactly_what_ran_in(reservoirs: int, storage_s: float) -> None:
    ordinates = nash_ordinates(reservoirs, storage_s)
    assert sum(ordinates) == pytest.approx(1.0, abs=1e-9)
    assert min(ordinates) >= 0


def test_the_cascade_delays_its_water_by_n_times_k() -> None:
    ordinates = nash_ordinates(4, 3000.0)
    centre = sum((step + 0.5) * STEP_S * share for step, share in enumerate(ordinates))
    assert centre == pytest.approx(4 * 3000, rel=0.02)


@given(st.integers(0, 2**32), st.floats(1, 500))
def test_a_storm_brings_exactly_its_total(seed: int, total_mm: float) -> None:
    rain = hyetograph(Storm(total_mm, 3600, 4 * 3600), 86400, random.Random(seed))
    assert sum(rain) == pytest.approx(total_mm)
    assert all(mm == 0 for mm in rain[: 3600 // STEP_S])


def test_the_storm_has_its_peak_where_it_was_put() -> None:
    rain = hyetograph(Storm(100, 0, 10 * 3600, peak=0.4, roughness=0), 86400, random.Random(1))
    assert rain.index(max(rain)) * STEP_S == pytest.approx(4 * 3600, abs=STEP_S)


def test_losses_are_taken_first_and_never_give_water_back() -> None:
    assert net_rain([5.0, 5.0, 0.1, 4.0], 8.0, 2.0 * 3600 / STEP_S / 10) == pytest.approx([0, 1.8, 0, 3.8])


def test_volume_that_runs_off_leaves_through_the_last_station() -> None:
    river = River(STORM, reaches(), 86400, random.Random(7))
    fallen = sum(river.net_mm) * sum(reach.area_km2 for reach in river.reaches) * M3_PER_MM_KM2
    assert sum(river.storm_flow[-1]) * STEP_S == pytest.approx(fallen, rel=1e-6)


def test_the_wave_travels_down_the_river_and_reaches_each_station_later() -> None:
    river = River(STORM, reaches(), 86400, random.Random(7))
    crests = [river.crest(station) for station in range(3)]
    assert [time for time, _ in crests] == sorted(time for time, _ in crests)
    assert crests[0][0] < crests[2][0]
    assert river.at(0, crests[0][0]).stage_m > river.at(0, 0).stage_m + 0.5


@given(st.floats(0.01, 5000))
def test_rating_and_its_inverse_agree(flow: float) -> None:
    assert RATING.flow(RATING.stage(flow)) == pytest.approx(flow, rel=1e-9)


def test_the_tide_moves_the_last_station_only() -> None:
    river = River(STORM, reaches(), 86400, random.Random(7))
    dry = [[river.at(station, hour * 3600 / 4).stage_m for hour in range(4)] for station in (0, 2)]
    assert max(dry[0]) - min(dry[0]) < 1e-6
    assert max(dry[1]) - min(dry[1]) > 0.1


def test_one_seed_gives_one_river_and_another_seed_another() -> None:
    first, again, other = (River(STORM, reaches(), 86400, random.Random(seed)) for seed in (3, 3, 4))
    assert first.storm_flow == again.storm_flow
    assert first.storm_flow != other.storm_flow


def test_convolution_of_a_pulse_is_the_response_itself() -> None:
    assert convolve([0.0, 2.0], [0.25, 0.75]) == [0.0, 0.5, 1.5]


def test_the_river_runs_faster_than_the_wall_by_its_factor() -> None:
    clock = HandClock(0)
    time = RiverClock(clock, 360.0, begin_s=100.0)
    clock.ms = 10_000
    assert time.now_s() == 100.0 + 3600.0
