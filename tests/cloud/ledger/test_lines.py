"""The arithmetic of one line: three sets without a common number, whatever is added and however much at a time."""

import time

from haihe_cloud.ledger.lines import Addition, add, pieces, unheard
from haihe_contract.ranges import RangeSet
from hypothesis import given
from hypothesis import strategies as st

sets = st.sets(st.integers(1, 40), max_size=12).map(RangeSet.from_numbers)


@given(st.lists(st.tuples(sets, sets, sets), max_size=8))
def test_held_wins_over_refused_and_both_over_gap_after_any_additions(additions: list[tuple[RangeSet, ...]]) -> None:
    state = unheard("31005650", 1, 0)
    all_held, all_refused, all_gaps = RangeSet(), RangeSet(), RangeSet()
    for held, refused, gaps in additions:
        state = add(state, Addition("31005650", 1, 0, held=held, refused=refused, gaps=gaps))
        all_held, all_refused, all_gaps = all_held | held, all_refused | refused, all_gaps | gaps
    assert state.held == all_held
    assert state.refused == all_refused - all_held
    assert state.gaps == all_gaps - all_held - all_refused


def test_a_batch_of_gap_records_costs_no_walk_along_the_line_for_each() -> None:
    def cost_ms(records: int) -> float:
        state = add(unheard("31005650", 1, 0), Addition("31005650", 1, 0, held=RangeSet.of((1, 9))))
        began = time.process_time()
        for n in range(records):
            state = add(state, Addition("31005650", 1, 0, gaps=RangeSet.of((2 * n + 11, 2 * n + 11))))
        assert pieces(state) == records + 1
        return (time.process_time() - began) * 1000

    few, many = (min(cost_ms(records) for _ in range(3)) for records in (500, 4000))
    assert many < 25 * few, f"eight times as many records took {many / few:.0f} times as long"
