"""Times of entries: as instruments say them, and as they are told to instruments."""

from datetime import UTC, datetime

import pytest
from haihe_contract.quality import Reason
from haihe_edge.acquire.memory.missed import Known, Missed, Watched
from haihe_edge.acquire.modbus.moment import moment, told
from haihe_edge.limits import MEMORY_GAPS_MAX
from haihe_edge.profile import EntryTime, Since
from hypothesis import given
from hypothesis import strategies as st

DATED = EntryTime(year="y", month="m", day="d", hour="h", minute="n", second="s")
moments = st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 31)).map(lambda each: each.replace(microsecond=0))  # noqa: DTZ001


def at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type,misc]


def values(**said: float | None) -> dict[str, tuple[float | None, Reason]]:
    return {name: (value, Reason.NONE) for name, value in said.items()}


def test_a_date_of_the_instrument_is_beijing_time_unless_it_says_another_zone() -> None:
    said = values(y=26.0, m=8.0, d=5.0, h=9.0, n=30.0, s=59.0)
    assert moment(DATED, said) == at(2026, 8, 5, 1, 30, 59)
    utc = EntryTime(year="y", month="m", day="d", zone="-03:30")
    assert moment(utc, values(y=2026.0, m=8.0, d=5.0)) == int(
        datetime(2026, 8, 5, 3, 30, tzinfo=UTC).timestamp() * 1000
    )


@pytest.mark.parametrize(
    "wrong",
    [{"m": 13.0}, {"m": 0.0}, {"d": 31.0, "m": 6.0}, {"h": 24.0}, {"n": None}, {"s": 0.5}, {"y": 1970.0}, {"y": 9e9}],
)
def test_a_time_that_cannot_be_is_none(wrong: dict[str, float | None]) -> None:
    good = {"y": 26.0, "m": 8.0, "d": 5.0, "h": 9.0, "n": 30.0, "s": 59.0}
    assert moment(DATED, values(**(good | wrong))) is None


@given(moments, st.sampled_from(["+08:00", "+00:00", "-11:30"]), st.sampled_from(["u16", "bcd"]))
def test_what_is_told_to_an_instrument_is_what_it_would_say(local: datetime, zone: str, kind: str) -> None:
    time = EntryTime(year="y", month="m", day="d", hour="h", minute="n", second="s", zone=zone)
    said = values(y=local.year, m=local.month, d=local.day, h=local.hour, n=local.minute, s=local.second)
    since = Since(0, ("short_year", "month", "day", "hour", "minute", "second"), kind)  # type: ignore[arg-type]
    parts = (local.year % 100, local.month, local.day, local.hour, local.minute, local.second)
    assert told(since, time, moment(time, said)) == tuple(
        int(str(each), 16) if kind == "bcd" else each for each in parts
    )


@given(moments)
def test_seconds_since_a_date_go_there_and_back(local: datetime) -> None:
    time = EntryTime(seconds="t", since="2000-01-01")
    registers = told(Since(0, ("seconds",), "u32", "CDAB"), time, int(local.replace(tzinfo=UTC).timestamp() * 1000))
    seconds = registers[1] << 16 | registers[0]
    assert moment(time, values(t=float(seconds))) == int(local.replace(tzinfo=UTC).timestamp() * 1000)


def test_too_many_silences_let_the_oldest_go_and_say_so() -> None:
    missed = Missed({0: Watched(1000)}, {0: Known(0)})
    for at in range(1, MEMORY_GAPS_MAX + 4):
        missed.see(0, at * 10_000)
    assert missed.given_up([0]) == 3
    assert missed.after([0]) == 30_000


def test_a_late_poll_is_no_silence_and_a_missed_one_is() -> None:
    missed = Missed({0: Watched(1000)}, {0: Known(0)})
    missed.see(0, 1400)
    assert not missed.wants([0], 1400)
    missed.see(0, 3400)
    assert missed.wants([0], 3400)
    assert [missed.take(0, at) for at in (1400, 2000, 2000, 3400)] == [False, True, False, False]


def test_what_only_the_memory_tells_is_looked_for_until_it_is_there_and_not_all_the_time() -> None:
    day = 86_400_000
    missed = Missed({0: Watched(day, own=True)})
    assert missed.wants([0], 10 * day)
    assert missed.after([0]) is None
    assert missed.take(0, 9 * day)
    missed.close([0], 10 * day)
    assert missed.after([0]) == 9 * day
    assert not missed.wants([0], 10 * day + 1000)  # looked for, and not there yet
    assert missed.wants([0], 10 * day + 3 * 3_600_000)
    assert missed.take(0, 10 * day)
    assert not missed.wants([0], 10 * day + 6 * 3_600_000)
