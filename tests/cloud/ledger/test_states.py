"""What a station would have to be told again is kept as its latest word, whatever the order of arrival."""

import random

import pytest
from haihe_cloud.database import Database
from haihe_cloud.ledger.arrival import Arrival
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.limits import STATES_PER_STATION
from haihe_contract.record import State

from tests.cloud.samples import STATION, T0, StillClock, arrival

HOUR = 3_600_000


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database, centre="haihe", clock=StillClock())


def told(line: int, number: int, time_ms: int, value: float, *, received_ms: int, grade: int = 5) -> Arrival:
    body = State("counter rain", {"value": value}, time_ms, grade)
    return arrival([number], line=line, bodies={number: body}, received_ms=received_ms)


@pytest.mark.parametrize("seed", range(20))
def test_the_latest_state_holds_whatever_the_order_of_arrival_and_repetition(ledger: Ledger, seed: int) -> None:
    chance = random.Random(seed)
    all_told = [
        told(line, number, T0 + line * HOUR + number * 1000, line + number / 100, received_ms=T0 + 9 * HOUR)
        for line in (1, 2, 3)
        for number in (4, 5, 6)
    ]
    coming = all_told + chance.sample(all_told, 5)
    chance.shuffle(coming)
    for each in coming:
        ledger.take([each])
    (state,) = ledger.states(STATION)
    assert (state.name, state.value, state.grade) == ("counter rain", {"value": 3.06}, 5)
    assert ledger.states("31005651") == []


def test_a_clock_that_ran_ahead_does_not_hold_its_state_for_ever(ledger: Ledger) -> None:
    ahead = told(1, 4, T0 + 1000 * HOUR, 1.0, received_ms=T0)
    ledger.take([ahead])
    ledger.take([told(2, 4, T0 + HOUR, 2.0, received_ms=T0 + HOUR)])
    ledger.take([ahead._replace(received_ms=T0 + 2 * HOUR)])  # a repetition is not newer
    assert [state.value for state in ledger.states(STATION)] == [{"value": 2.0}]


def test_a_state_without_a_clock_never_takes_the_place_of_one_with_a_time(ledger: Ledger) -> None:
    ledger.take([told(1, 4, T0, 1.0, received_ms=T0), told(2, 4, 5000, 2.0, received_ms=T0 + HOUR, grade=0)])
    assert [state.value for state in ledger.states(STATION)] == [{"value": 1.0}]


def test_names_without_end_are_bounded(ledger: Ledger) -> None:
    most = STATES_PER_STATION + 20
    bodies = {n: State(f"name {n:05d}", {}, T0 + n, 5) for n in range(4, most + 4)}
    for at in range(4, most + 4, 500):
        ledger.take([arrival(range(at, min(at + 500, most + 4)), bodies=bodies, received_ms=T0 + HOUR)])
    states = ledger.states(STATION)
    assert len(states) == STATES_PER_STATION
    assert states[-1].name == f"name {most + 3:05d}"
    ledger.take([arrival([9000], bodies={9000: State("x" * 5000, {}, T0 + HOUR, 5)})])
    assert len(ledger.states(STATION)) == STATES_PER_STATION
