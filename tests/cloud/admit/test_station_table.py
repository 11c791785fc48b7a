"""Tables of stations, CSV and XLSX: every fault with row and column, or all of them registered; dates keep history."""

import datetime
import zipfile
from contextlib import suppress
from pathlib import Path

import openpyxl
import pytest
from haihe_cloud.admit.registry import Registry, Station, StationLevels, Validity
from haihe_cloud.admit.station_table import COLUMNS, in_service, load_table
from haihe_cloud.database import Database
from haihe_contract.document import DocumentError, Problem
from haihe_contract.errors import FieldError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LEVEL = "water_level.main.instant.0.derived.dagu"
MAY, JUNE, JULY = (datetime.date(2026, month, 1) for month in (5, 6, 7))

HEADS = ["code", "name_zh", "latitude", "longitude", "silent_after_s", "since", "until", "level_series", "warning"]
GOOD = [
    ["31005650", "三岔口", 39.1458, 117.1897, 600, "2026-05-01", None, LEVEL, 4.5],
    ["01005651", "中洲", None, None, None, None, None, None, None],
]
STATIONS = [
    Station(
        "31005650", "三岔口", latitude=39.1458, longitude=117.1897, silent_after_s=600,
        levels=[StationLevels(LEVEL, "dagu", 4.5)], valid=[Validity(MAY)],
    ),
    Station("01005651", "中洲"),
]  # fmt: skip


@pytest.fixture
def registry(database: Database) -> Registry:
    return Registry(database)


def write(path: Path, rows: list[list[object]], encoding: str = "utf-8") -> Path:
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)
    else:
        lines = [",".join("" if value is None else str(value) for value in row) for row in rows]
        path.write_text("\n".join(lines) + "\n", encoding)
    return path


def nobody(code: str) -> Station | None:
    return None


def faults(path: Path) -> list[Problem]:
    with pytest.raises(DocumentError) as caught:
        load_table(path, nobody)
    return caught.value.problems


@pytest.mark.parametrize("name", ["stations.csv", "stations.xlsx"])
def test_a_table_gives_its_stations_and_codes_stay_text(tmp_path: Path, name: str) -> None:
    assert load_table(write(tmp_path / name, [HEADS, *GOOD]), nobody) == STATIONS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_chinese_heads_and_what_a_chinese_spreadsheet_saves_are_understood(tmp_path: Path, encoding: str) -> None:
    heads: list[object] = [COLUMNS[name] for name in HEADS]
    assert load_table(write(tmp_path / "测站.csv", [heads, *GOOD], encoding), nobody) == STATIONS


def test_real_dates_of_a_workbook_are_dates(tmp_path: Path) -> None:
    rows = [
        ["code", "since", "until"],
        [
            "31005650",
            datetime.datetime(2026, 5, 1, tzinfo=datetime.UTC).replace(tzinfo=None),
            datetime.date(2026, 6, 1),
        ],
    ]
    (station,) = load_table(write(tmp_path / "x.xlsx", rows), nobody)
    assert station.valid == [Validity(MAY, JUNE)]


@pytest.mark.parametrize("name", ["stations.csv", "stations.xlsx"])
def test_all_faults_are_named_at_once_with_row_and_column(tmp_path: Path, name: str) -> None:
    rows: list[list[object]] = [
        HEADS,
        ["31005650", "a", "north", 190, 1.5, "soon", None, None, None],
        ["x", None, None, None, None, None, None, None, None],
        [None, "no code", None, None, None, None, None, None, None],
        ["31005650", None, None, None, None, None, None, None, None],
        ["31005651", None, None, None, None, None, None, None, 4.5],
        ["31005652", None, None, None, None, "2026-06-01", "2026-05-01", None, None],
        ["31005653", None, None, None, None, None, None, "level", None],
    ]
    found = faults(write(tmp_path / name, rows))
    assert [(each.line, each.column) for each in found] == [
        (2, 3), (2, 4), (2, 5), (2, 6), (3, 1), (4, 1), (5, 1), (6, 9), (7, 6), (8, 8),
    ]  # fmt: skip
    assert found[0].what == "latitude: wanted a number, got 'north'"
    assert str(found[0]).startswith(f"{tmp_path / name}:2:3: ")


def test_a_number_that_lost_its_leading_zeros_is_explained(tmp_path: Path) -> None:
    (found,) = faults(write(tmp_path / "x.xlsx", [["code"], [1005651]]))
    assert "format the column as text" in found.what


def test_a_formula_without_its_value_never_passes_for_an_empty_cell(tmp_path: Path) -> None:
    rows: list[list[object]] = [HEADS, [*GOOD[0][:-1], "=4+0.5"], ["31005651", *[None] * 8]]
    path = write(tmp_path / "made.xlsx", rows)
    (found,) = faults(path)
    assert (found.line, found.column, found.what[:37]) == (2, 9, "a formula whose value was not saved; ")
    calculated = tmp_path / "saved.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(calculated, "w") as new:
        for each in old.namelist():
            new.writestr(each, old.read(each).replace(b"<v></v>", b"<v>4.5</v>").replace(b"<v />", b"<v>4.5</v>"))
    assert load_table(calculated, nobody)[0] == STATIONS[0]
    empty = write(tmp_path / "empty.xlsx", [["code", "name_zh"], ["01005651", '=""']])
    with zipfile.ZipFile(empty) as old, zipfile.ZipFile(tmp_path / "text.xlsx", "w") as new:
        for each in old.namelist():
            new.writestr(each, old.read(each).replace(b'<c r="B2"', b'<c r="B2" t="str"'))
    assert load_table(tmp_path / "text.xlsx", nobody) == [Station("01005651")], "a text may be empty"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("since", "26-5-1"), ("since", "1/5/26"), ("until", "05-01-2026"), ("warning", "6_24"), ("latitude", "3_9"),
        ("name_zh", "#N/A"), ("river", "#REF!"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["x.csv", "x.xlsx"])
def test_a_cell_that_may_mean_several_things_is_refused(tmp_path: Path, name: str, column: str, value: str) -> None:
    (found,) = faults(write(tmp_path / name, [["code", "level_series", column], ["31005650", LEVEL, value]]))
    assert (found.line, found.column) == (2, 3)
    assert found.what.startswith(f"{column}: ")


@pytest.mark.parametrize(
    ("heads", "what"),
    [
        (["code", "colour"], "is no column"),
        (["name_zh"], "column code is missing"),
        (["code", "站码"], "written twice"),
    ],
)
def test_heads_that_cannot_be_used_are_said_and_nothing_is_read_on(
    tmp_path: Path, heads: list[object], what: str
) -> None:
    (found,) = faults(write(tmp_path / "x.csv", [heads, ["bad"]]))
    assert what in found.what


def test_files_that_are_no_tables_are_said(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xff\xff\x00")
    (tmp_path / "text.xlsx").write_text("code\n")
    with zipfile.ZipFile(tmp_path / "zip.xlsx", "w") as packed:
        packed.writestr("a", "b")
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/workbook.xml", bytes(80 * 1024 * 1024))
    for name, what in (
        ("empty.csv", "the file is empty"),
        ("bytes.csv", "neither UTF-8 nor GB 18030"),
        ("text.xlsx", "not a workbook"),
        ("zip.xlsx", "not a workbook"),
        ("bomb.xlsx", "unpacks to more than"),
        ("none.csv", "cannot be read"),
    ):
        assert what in faults(tmp_path / name)[0].what, name


@pytest.mark.parametrize(
    ("part", "end", "bomb"),
    [
        ("xl/styles.xml", b"</styleSheet>", b"<extLst>" + b"<a/>" * 400_000 + b"</extLst>"),
        ("xl/worksheets/sheet1.xml", b"</sheetData>", b"<row>" + b"<c/>" * 400_000 + b"</row>"),
    ],
)
def test_a_small_workbook_that_would_fill_the_memory_is_refused_before_it_does(
    tmp_path: Path, part: str, end: bytes, bomb: bytes
) -> None:
    good = write(tmp_path / "good.xlsx", [HEADS, *GOOD])
    with zipfile.ZipFile(good) as packed, zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as bad:
        for name in packed.namelist():
            bad.writestr(name, packed.read(name).replace(end, bomb + end if name == part else end))
    assert (tmp_path / "bomb.xlsx").stat().st_size < 20_000
    (found,) = faults(tmp_path / "bomb.xlsx")
    assert "belong to no row" in found.what


@given(st.binary(max_size=200))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_ever_end_otherwise_than_with_faults_or_stations(tmp_path: Path, data: bytes) -> None:
    for name in ("x.csv", "x.xlsx"):
        (tmp_path / name).write_bytes(b"code,latitude\n" + data if name == "x.csv" else data)
        with suppress(DocumentError):
            load_table(tmp_path / name, nobody)


def test_a_quote_that_is_never_closed_does_not_take_in_the_stations_below_it(tmp_path: Path) -> None:
    path = tmp_path / "stations.csv"
    path.write_text('code,name_zh\n31005650,"三岔口\n31005651,中洲\n', "utf-8")
    (fault,) = faults(path)
    assert fault.what == "not CSV: unexpected end of data"


def test_an_empty_cell_leaves_what_is_known(tmp_path: Path, registry: Registry) -> None:
    registry.add(STATIONS[0])
    path = write(tmp_path / "x.csv", [["code", "river", "name_zh"], ["31005650", "海河", None]])
    registry.add_all(load_table(path, registry.get))
    again = load_table(path, registry.get)
    assert again == registry.stations(), "a second import changes nothing"
    assert (again[0].name_zh, again[0].river, again[0].valid) == ("三岔口", "海河", [Validity(MAY)])


def test_an_empty_cell_beside_a_series_or_a_first_day_leaves_its_level_and_its_end(
    tmp_path: Path, registry: Registry
) -> None:
    served = [Validity(MAY, datetime.date(2026, 5, 31)), Validity(JULY)]
    registry.add(Station("31005650", levels=[StationLevels(LEVEL, "dagu", 6.24, 7.47)], valid=served))
    heads: list[object] = ["code", "since", "until", "level_series", "warning", "guarantee"]
    path = write(tmp_path / "x.csv", [heads, ["31005650", "2026-05-01", None, LEVEL, 6.5, None]])
    (station,) = load_table(path, registry.get)
    assert station.levels == [StationLevels(LEVEL, "dagu", 6.5, 7.47)]
    assert station.valid == served, "the table of the first day again opens nothing that was closed"


def test_a_change_of_dates_keeps_history(tmp_path: Path, registry: Registry) -> None:
    heads: list[object] = ["code", "since", "until"]
    for now_ms, row in enumerate([("2026-05-01", None), ("2026-05-01", "2026-05-31"), ("2026-07-01", None)], start=1):
        registry.add_all(load_table(write(tmp_path / "x.csv", [heads, ["31005650", *row]]), registry.get), now_ms)
    (station,) = registry.stations()
    assert station.valid == [Validity(MAY, datetime.date(2026, 5, 31)), Validity(JULY)]
    assert [station.is_valid(day) for day in (MAY, JUNE, JULY)] == [True, False, True]
    assert [(change.changed_ms, len(change.station.valid)) for change in registry.changes("31005650")] == [
        (3, 2), (2, 1), (1, 1),
    ]  # fmt: skip
    registry.add_all([station], 9)
    assert len(registry.changes("31005650")) == 3, "the same again is no change"
    registry.remove("31005650")
    assert len(registry.changes("31005650")) == 3


def test_times_of_service_that_overlap_or_run_backwards_are_refused() -> None:
    assert in_service([Validity(MAY)], None, JUNE) == [Validity(MAY, JUNE)]
    assert in_service([Validity(MAY, JUNE)], JULY, None) == [Validity(MAY, JUNE), Validity(JULY)]
    with pytest.raises(FieldError, match="no first day"):
        in_service([], None, JUNE)


def test_all_stations_of_a_file_are_registered_or_none(registry: Registry) -> None:
    with pytest.raises(FieldError):
        registry.add_all([STATIONS[0], Station("31005651", valid=[Validity(MAY), Validity(JULY)])])
    assert registry.stations() == []
