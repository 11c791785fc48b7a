"""Who may speak is decided by people, and strangers are shown."""

from pathlib import Path

import pytest
from haihe_cloud.admit.registry import Registry, Station, StationLevels
from haihe_cloud.admit.station_file import load_stations
from haihe_cloud.database import Database
from haihe_cloud.limits import UNKNOWN_STATIONS
from haihe_contract.document import DocumentError
from haihe_contract.errors import FieldError

from tests.cloud.conftest import OpenDatabase

LEVEL = "water_level.main.instant.0.derived.dagu"


@pytest.fixture
def registry(database: Database) -> Registry:
    return Registry(database)


def test_a_station_comes_back_as_it_was_registered(registry: Registry) -> None:
    station = Station("31005650", "海河闸", "Haihe sluice", 38.98, 117.71, "海河", "滨海", 900,
                      [StationLevels(LEVEL, "dagu", 4.5, 5.2)])  # fmt: skip
    registry.add(Station("31005650"))
    registry.add(station)
    assert registry.stations() == [station]
    assert registry.get("31005650") == station
    assert registry.get("31005651") is None


def test_another_process_sees_a_station_at_once(registry: Registry, open_database: OpenDatabase) -> None:
    elsewhere = open_database()
    Registry(elsewhere).add(Station("31005650"))
    assert registry.get("31005650") is not None


@pytest.mark.parametrize(
    "station",
    [
        Station("3100565"),
        Station("3100565x"),
        Station("31005650", latitude=138.0),
        Station("31005650", longitude=-190.0),
        Station("31005650", silent_after_s=0),
        Station("31005650", levels=[StationLevels(LEVEL, "dagu", 5.2, 4.5)]),
    ],
)
def test_a_station_that_cannot_be_right_is_refused_with_a_cure(registry: Registry, station: Station) -> None:
    with pytest.raises(FieldError) as caught:
        registry.add(station)
    assert caught.value.do
    assert registry.stations() == []


def test_removing_a_station_that_is_not_there_says_so(registry: Registry) -> None:
    with pytest.raises(FieldError, match="31005650 is not registered"):
        registry.remove("31005650")


def test_strangers_are_listed_with_count_and_last_time_until_registered(registry: Registry) -> None:
    registry.saw_unknown("31005650", 1000, "topic/a")
    registry.saw_unknown("31005650", 3000, "topic/b", times=4)
    (stranger,) = registry.unknown()
    assert (stranger.times, stranger.first_ms, stranger.last_ms, stranger.topic) == (5, 1000, 3000, "topic/b")
    registry.add(Station("31005650"))
    assert registry.unknown() == []


def test_the_list_of_strangers_is_bounded_and_keeps_the_latest(registry: Registry) -> None:
    for n in range(UNKNOWN_STATIONS + 20):
        registry.saw_unknown(f"{n:08d}", n, "t")
    listed = registry.unknown()
    assert len(listed) == UNKNOWN_STATIONS
    assert listed[0].last_ms == UNKNOWN_STATIONS + 19


def test_all_faults_of_a_station_file_are_named_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "stations.yaml"
    path.write_text(
        "stations:\n"
        "  - {code: 31005650, name_zh: 海河闸, latitude: 38.9}\n"
        "  - {code: 31005650}\n"
        "  - {code: x1}\n"
        "  - {code: 31005652, latitude: 99}\n",
        "utf-8",
    )
    with pytest.raises(DocumentError) as caught:
        load_stations(path)
    assert [problem.line for problem in caught.value.problems] == [3, 4, 5]


def test_a_station_file_gives_its_stations_and_codes_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "stations.yaml"
    path.write_text("stations:\n  - {code: 01005650, river: 海河}\n", "utf-8")
    assert load_stations(path) == [Station("01005650", river="海河")]
