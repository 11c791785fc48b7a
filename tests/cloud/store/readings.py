"""Readings for tests, and what two readings of one place may look like."""

from haihe_contract.quality import Flag, Grade, Reason
from haihe_contract.reading import Reading
from hypothesis import strategies as st

LEVEL = "water_level.main.instant.0.derived.dagu"
RAIN = "period_rain.main.total.300.instrument.-"
NEW = "never_heard_of.main.instant.0.instrument.-"
T0 = 1_785_542_400_000
LINE = 0xFEDCBA9876543210


def level(time_ms: int = T0, value: float | None = 3.25, number: int = 1, **changes: object) -> Reading:
    good = Reading(LEVEL, time_ms, value, Flag.PASS, Reason.NONE, Grade.GNSS, LINE, number)
    if value is None:
        good = good._replace(flag=Flag.MISSING, reasons=Reason.TIMEOUT)
    return good._replace(**changes)


@st.composite
def rivals(draw: st.DrawFn, *, graded: bool = False) -> Reading:
    """Readings that often want the same place: few series, times, values, lines and numbers."""
    value = draw(st.sampled_from([None, 1.0, 2.5, -0.0, 1e-7]))
    flag = Flag.MISSING if value is None else draw(st.sampled_from([Flag.PASS, Flag.SUSPECT, Flag.FAIL]))
    lowest = Grade.SYSTEM if graded else Grade.NONE
    return Reading(
        draw(st.sampled_from([LEVEL, RAIN])),
        T0 + draw(st.integers(0, 2)),
        value,
        flag,
        draw(st.sampled_from([Reason.NONE, Reason.TIMEOUT, Reason.TIMEOUT | Reason.MOVED])),
        draw(st.sampled_from([lowest, Grade.RTC, Grade.GNSS])),
        draw(st.sampled_from([1, LINE])),
        draw(st.integers(1, 3)),
    )
