"""A metered link: what may go, when its period turns, and what a wrong clock cannot do."""

import datetime

import msgspec
from haihe_edge.forward.budget import Budget, Spent, period
from haihe_edge.site import Allowance
from hypothesis import given
from hypothesis import strategies as st

MB = 1_000_000
DAY_MS = 86_400_000


def moment(text: str) -> int:
    day, _, time = text.partition("T")
    return round(datetime.datetime.fromisoformat(f"{day}T{time or '00:00:00'}+08:00").timestamp() * 1000)


def test_periods_are_days_and_months_of_beijing() -> None:
    assert period(moment("2026-02-28T23:59:59"), monthly=True) == (moment("2026-02-01"), moment("2026-03-01"))
    assert period(moment("2026-12-01T00:00:00"), monthly=True) == (moment("2026-12-01"), moment("2027-01-01"))
    assert period(moment("2026-08-01T00:00:00"), monthly=False) == (moment("2026-08-01"), moment("2026-08-02"))


@given(st.integers(0, 4_000_000_000_000), st.booleans())
def test_every_moment_lies_in_its_period(now_ms: int, monthly: bool) -> None:  # noqa: FBT001
    begin, end = period(now_ms, monthly=monthly)
    assert begin <= now_ms < end
    assert period(end, monthly=monthly)[0] == end


def test_backlog_stops_at_the_reserve_then_live_thins_and_the_next_month_starts_anew() -> None:
    budget, now = Budget(Allowance(200 * MB, monthly=True)), moment("2026-08-16T12:00:00")
    assert budget.pace(now) == (True, 0)
    budget.count(175 * MB, now)
    assert budget.pace(now) == (False, 0)
    budget.count(16 * MB, now)
    assert budget.pace(now) == (False, 60_000)
    budget.count(10 * MB, now)
    assert budget.pace(now) == (False, 900_000)
    assert budget.pace(moment("2026-09-01T00:00:00")) == (True, 0)


def test_the_reserve_is_set_free_towards_the_end_of_the_period() -> None:
    budget = Budget(Allowance(200 * MB, monthly=True))
    budget.count(175 * MB, moment("2026-08-16T12:00:00"))
    assert not budget.pace(moment("2026-08-16T12:00:00")).backlog
    assert budget.pace(moment("2026-08-28T12:00:00")).backlog


def test_a_clock_that_goes_back_or_jumps_forgets_no_bytes_that_are_paid_for_and_blocks_no_later_month() -> None:
    budget, now = Budget(Allowance(200 * MB, monthly=True), Spent(moment("2026-08-01"), 190 * MB)), moment("2026-08-20")
    assert not budget.pace(0).backlog  # 1970, before the clock is set
    assert not budget.pace(now - DAY_MS).backlog  # and after it was set
    budget = Budget(budget.allowance, Spent(moment("2026-08-01"), 190 * MB))
    budget.count(MB, 0)
    budget = Budget(budget.allowance, msgspec.json.decode(msgspec.json.encode(budget.spent), type=Spent))
    assert budget.used_bytes(now) == 191 * MB  # restarted in between
    assert budget.used_bytes(moment("2026-09-01")) == 0
    budget = Budget(Allowance(200 * MB, monthly=True), Spent(moment("2099-01-01"), 190 * MB))
    assert not budget.pace(now).backlog
    assert budget.pace(moment("2026-09-01")).backlog
