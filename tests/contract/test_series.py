"""Elements and series: what the bureau's books call a quantity, and what tells a series from its neighbours."""

import pytest
from haihe_contract import topic
from haihe_contract.element import ELEMENTS, element
from haihe_contract.quality import Flag, Grade, Reason, mark, reasons_text, unmark
from haihe_contract.record import Dictionary, Readings, Record
from haihe_contract.series import Series, Source, Statistic, parse_series
from haihe_contract.unfold import UnknownSeries, unfold
from haihe_contract.wire import Batch
from hypothesis import given
from hypothesis import strategies as st

points = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True)
series = st.builds(
    Series,
    st.sampled_from(sorted(ELEMENTS)),
    points,
    st.sampled_from(Statistic),
    st.integers(0, 366 * 86400),
    st.sampled_from(Source),
    st.one_of(st.just(""), points),
)


@given(series, series)
def test_the_key_of_a_series_tells_it_from_every_other_and_reads_back(one: Series, other: Series) -> None:
    assert parse_series(one.key) == one
    assert (one.key == other.key) == (one == other)


@pytest.mark.parametrize("text", ["", "a.b", "Z.main.instant.0.instrument.-", "z.main.often.0.instrument.-",
                                  "z.main.instant.-1.instrument.-", "z.main.instant.99999999999.instrument.-",
                                  "z.MAIN.instant.0.instrument.-", "z.main.instant.0.instrument.a b",
                                  "z.main.total.0300.instrument.-", "z.main.total.３００.instrument.-"])  # fmt: skip
def test_text_that_is_no_series_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_series(text)


def test_two_levels_of_a_gate_six_soil_depths_and_two_rains_all_have_their_place() -> None:
    found = [
        Series("water_level", "upstream", datum="dagu"),
        Series("water_level", "downstream", datum="dagu"),
        Series("period_rain", statistic=Statistic.TOTAL, interval_s=300),
        Series("period_rain", statistic=Statistic.TOTAL, interval_s=3600),
        Series("period_rain", statistic=Statistic.TOTAL, interval_s=86400),
        *(Series("soil_moisture", f"{depth}cm") for depth in (10, 20, 30, 40, 50, 60)),
    ]
    assert len({each.key for each in found}) == len(found)
    codes = [each.sl651 for each in found]
    assert codes == [0x3B, 0x3A, 0x22, 0x1A, 0x1F, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15]


def test_a_change_of_datum_makes_another_series() -> None:
    assert Series("water_level", datum="dagu").key != Series("water_level", datum="cgvd1985").key


def test_every_element_of_the_first_list_is_there_with_both_names() -> None:
    wanted = {
        "water_level": (0x39, "Z"), "period_rain": (None, "DRP"), "accumulated_rain": (0x26, None),
        "flow": (0x27, "Q"), "velocity": (0x37, "XSAVV"), "water_temperature": (0x03, "WTMP"),
        "air_temperature": (0x02, "ATMP"), "wind_speed": (0x35, "WNDV"), "wind_direction": (0x33, "WNDDIR"),
        "soil_moisture": (None, "SLM"), "turbidity": (0x49, None), "ph": (0x46, None),
        "dissolved_oxygen": (0x47, None), "conductivity": (0x48, None), "gate_opening": (0x09, "GTOPHGT"),
        "supply_voltage": (0x38, None), "signal": (None, None), "board_temperature": (None, None),
        "latitude": (None, None), "longitude": (None, None),
    }  # fmt: skip
    for code, standard in wanted.items():
        known = ELEMENTS[code]
        assert known.zh
        assert known.en
        assert (known.sl651, known.sl323) == standard


def test_an_element_that_this_version_does_not_know_can_still_be_shown() -> None:
    assert element("snow_depth").en == "snow_depth"


@given(st.sampled_from(Flag), st.integers(0, 2**12 - 1).map(Reason))
def test_flag_and_reasons_survive_packing(flag: Flag, reasons: Reason) -> None:
    assert unmark(mark(flag, reasons)) == (flag, reasons)


def test_reasons_are_words_in_both_languages() -> None:
    assert reasons_text(Reason.TIMEOUT | Reason.SKIPPED, "zh") == "无应答、故障后暂停查询"
    assert reasons_text(Reason.TIMEOUT | Reason.SKIPPED, "en") == "no answer, left alone after failures"


def test_a_topic_names_the_station_whose_rights_the_broker_checked() -> None:
    for lane in range(3):
        assert topic.station_of(topic.up("31005650", lane)) == "31005650"
    for name in (
        "haihe/1/ab/31005650/down/receipt/x",
        "haihe/1/ab/3100565/up/live",
        "haihe/1/ab/31005650\n/up/live",
        "x/0/ab/31005650/up/live",
        "",
    ):
        assert topic.station_of(name) is None


def batch(*bodies: Readings) -> Batch:
    return Batch("31005650", 7, 1, 9, 1, [Record(n, False, body) for n, body in enumerate(bodies, start=3)])


def test_readings_unfold_with_their_line_number_quality_and_grade() -> None:
    words = Dictionary([Series("ph").key, Series("turbidity").key])
    missing = mark(Flag.MISSING, Reason.TIMEOUT)
    first, second = unfold(
        batch(Readings(5, 6, [1, 0], [2.5, None], [mark(Flag.PASS, Reason.NONE), missing])), words.series
    )
    assert (first.series, first.value, first.flag, first.grade) == (Series("turbidity").key, 2.5, Flag.PASS, Grade.GNSS)
    assert (second.value, second.flag, second.reasons) == (None, Flag.MISSING, Reason.TIMEOUT)
    assert (second.line, second.number, second.time_ms) == (7, 3, 5)


def test_a_series_number_without_a_word_is_not_guessed() -> None:
    with pytest.raises(UnknownSeries):
        unfold(batch(Readings(5, 6, [4], [1.0])), [Series("ph").key])


def test_a_clock_grade_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="grade"):
        unfold(batch(Readings(5, 60, [0], [1.0])), [Series("ph").key])
