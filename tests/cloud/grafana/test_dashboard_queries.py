"""Every query of every panel runs on a real InfluxDB and finds what the store wrote."""

import itertools
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from haihe_cloud.show.grafana import files
from haihe_cloud.store.influx import InfluxStore
from haihe_cloud.store.influxql import Table
from haihe_cloud.store.station_points import HOUR_MS, LevelLines, MapState, StationPoint, StationPoints
from haihe_contract.element import ELEMENTS
from haihe_contract.quality import Flag, Grade, Reason
from haihe_contract.reading import Reading
from haihe_contract.series import Series, Source, Statistic

from tests.influx import ORG, Influx

pytestmark = pytest.mark.influx

NOW = 1_785_542_400_000
STEPS = 30
STEP_MS = 60_000
FIRST = NOW - STEPS * STEP_MS
HERE, OTHER = "31100100", "31100200"
LEVEL = Series("water_level", "main", source=Source.DERIVED, datum="dagu").key
RAIN = Series("period_rain", "main", Statistic.TOTAL, 300).key
ALL = {
    "district": ".*",
    "river": ".*",
    "stations": f"({HERE}|{OTHER})",
    "station": HERE,
    "level": LEVEL,
    "rain": RAIN,
}


def reading(series: str, time_ms: int, value: float | None, number: int) -> Reading:
    if value is None:
        return Reading(series, time_ms, None, Flag.MISSING, Reason.TIMEOUT, Grade.GNSS, 7, number)
    return Reading(series, time_ms, value, Flag.PASS, Reason.NONE, Grade.GNSS, 7, number)


def written() -> list[Reading]:
    """Half an hour of every element: level rises by 0.1 m a minute from 4 m, rain is 0.5 mm per five minutes."""
    rows = []
    for code in ELEMENTS:
        if code not in ("water_level", "period_rain"):
            key = Series(code).key
            rows += [reading(key, FIRST + n * STEP_MS, 12.5, n + 1) for n in range(STEPS)]
    rows += [reading(LEVEL, FIRST + n * STEP_MS, round(4 + n / 10, 3), n + 1) for n in range(STEPS)]
    rows += [reading(RAIN, FIRST + n * STEP_MS, 0.5, n + 1) for n in range(0, STEPS, 5)]
    rows[-1] = rows[-1]._replace(flag=Flag.SUSPECT, reasons=Reason.BEYOND_LOCAL)
    rows += [
        reading(LEVEL, NOW - 500, 99.0, 500)._replace(flag=Flag.FAIL),
        reading(LEVEL, NOW - 400, 1.0, 501)._replace(flag=Flag.NOT_EVALUATED),
        reading(LEVEL, NOW - 300, None, 502),
        reading(LEVEL, FIRST, 3.5, 1)._replace(grade=Grade.RTC),
    ]
    return rows


POINTS = [
    StationPoint(HERE, "筐儿港", "Kuang'ergang", 39.46, 117.12, "武清", "北运河", MapState.ABOVE_WARNING, NOW - 5000,
                 6.9, 0.4, (LevelLines(LEVEL, "dagu", 6.5, 7.2),)),
    StationPoint(OTHER, "第六埠", "Diliubu, \"6\"", 38.95, 116.9, "静海, 西", "大清河", MapState.SILENT),
    StationPoint("31100300", "", "", None, None, "", "", MapState.NEVER_HEARD),
]  # fmt: skip


@pytest.fixture(scope="module")
def store(influx: Influx) -> Iterator[InfluxStore]:
    opened = InfluxStore(influx.url, influx.token, ORG, influx.bucket("dashboards"), timeout_s=10)
    assert opened.write({HERE: written(), OTHER: [reading(Series("signal").key, FIRST, -97.0, 1)]}) == []
    points = StationPoints(opened)
    points.write([point._replace(state=MapState.NORMAL) for point in POINTS], NOW - 10 * STEP_MS)
    points.write(POINTS, NOW - 1000)
    yield opened
    opened.close()


class Query(NamedTuple):
    """One query of one panel, and where it stands."""

    dashboard: str
    panel: str
    ref: str
    text: str


def queries() -> list[Query]:
    found = []
    for name in ("map", "station", "fleet"):
        for panel in json.loads(files()[f"dashboards/{name}.json"])["panels"]:
            found += [Query(name, panel["title"], t["refId"], t["query"]) for t in panel["targets"]]
    return found


def filled(query: str, **chosen: str) -> str:
    """As Grafana fills it in."""
    for name, value in {**ALL, **chosen}.items():
        query = query.replace(f"${{{name}:regex}}", value).replace(f"${name}", value)
    query = query.replace("$timeFilter", f"time >= {NOW - 2 * HOUR_MS}ms and time <= {NOW}ms")
    return query.replace("$__interval", f"{STEP_MS}ms")


def ask(store: InfluxStore, dashboard: str, panel: str, ref: str, **chosen: str) -> list[Table]:
    texts = [q.text for q in queries() if (q.dashboard, q.ref) == (dashboard, ref) and q.panel.endswith(panel)]
    assert len(texts) == 1
    return store.ask.ask(filled(texts[0], **chosen))


def values(tables: list[Table], column: int = 1) -> list[Any]:
    return [row[column] for table in tables for row in table.rows if row[column] is not None]


def test_every_panel_finds_something_to_show(store: InfluxStore) -> None:
    empty = {(q.panel, q.ref) for q in queries() if not values(store.ask.ask(filled(q.text)))}
    nobody_is = {"超保证 / above guarantee", "正常 / normal", "待核查 / needs a look"}
    assert empty == {(title, "A") for title in nobody_is}


def test_every_variable_offers_what_is_stored(store: InfluxStore) -> None:
    offered = {}
    for name in ("fleet", "station"):
        for each in json.loads(files()[f"dashboards/{name}.json"])["templating"]["list"]:
            offered[each["name"]] = set(values(store.ask.ask(filled(each["query"]))))
    assert offered == {
        "district": {"武清", "静海, 西", "-"},
        "river": {"北运河", "大清河", "-"},
        "station": {point.station for point in POINTS},
        "stations": {point.station for point in POINTS},
        "level": {LEVEL},
        "rain": {RAIN},
    }


def test_the_map_shows_each_station_once_with_its_newest_state(store: InfluxStore) -> None:
    tables = ask(store, "map", "stations on the map", "A")
    assert tables[0].columns == ["time", "state", "name", "latitude", "longitude", "level", "margin", "heard_ms"]
    rows = {table.tags["station"]: [row[1:] for row in table.rows] for table in tables}
    assert rows == {
        HERE: [[4, "筐儿港 / Kuang'ergang", 39.46, 117.12, 6.9, 0.4, NOW - 5000]],
        OTHER: [[3, '第六埠 / Diliubu, "6"', 38.95, 116.9, None, None, None]],
        "31100300": [[0, "31100300", None, None, None, None, None]],
    }


def test_a_district_narrows_map_counts_and_rivers(store: InfluxStore) -> None:
    tables = ask(store, "map", "stations on the map", "A", district="武清")
    assert [table.tags["station"] for table in tables] == [HERE]
    assert values(ask(store, "map", "silent", "A")) == [1]
    assert values(ask(store, "map", "silent", "A", district="武清")) == []
    assert values(ask(store, "map", "above warning", "A", river="北运河")) == [1]


def test_the_hydrograph_shows_levels_limits_and_rain_and_no_failed_value(store: InfluxStore) -> None:
    panel = "hydrograph: level and rain"
    level = ask(store, "station", panel, "A")
    assert [table.tags for table in level] == [{"point": "main"}]
    assert level[0].rows[0] == [FIRST, 4.0]
    assert values(level) == [round(4 + n / 10, 3) for n in range(STEPS - 1)] + [6.9]
    assert set(values(ask(store, "station", panel, "B"))) == {6.5}
    assert set(values(ask(store, "station", panel, "C"))) == {7.2}
    times = [row[0] for row in ask(store, "station", panel, "B")[0].rows if row[1] is not None]
    assert times[0] <= FIRST, "the warning line begins before the level does"
    assert sum(values(ask(store, "station", panel, "D"))) == 3.0


def test_quality_counts_each_flag_and_conflicts_name_the_loser(store: InfluxStore) -> None:
    counted = [sum(values(ask(store, "station", "quality of readings", ref))) for ref in "ABCDE"]
    plain = (len(ELEMENTS) - 2) * STEPS + STEPS + STEPS // 5 - 1
    assert counted == [plain, 1, 1, 1, 1]
    tables = ask(store, "station", "readings that lost their place to another", "A")
    assert tables[0].columns == ["time", "series", "value", "flag", "grade", "line", "number"]
    assert tables[0].rows == [[FIRST, LEVEL, 3.5, 1, 3, "0000000000000007", 1]]


def test_every_element_panel_returns_its_own_element(store: InfluxStore) -> None:
    for query in queries():
        if '"element" = \'' in query.text and "$station" in query.text:
            tables = store.ask.ask(filled(query.text))
            assert [table.tags for table in tables] == [{"point": "main", "statistic": "instant"}], query
            assert values(tables) == [12.5] * STEPS, query


def test_the_fleet_table_joins_by_station_and_the_history_keeps_every_state(store: InfluxStore) -> None:
    assert {t.tags["station"]: t.rows[0][1] for t in ask(store, "fleet", "fleet", "B")} == {HERE: 12.5}
    signal = ask(store, "fleet", "fleet", "C")
    assert signal[0].columns == ["time", "signal"]
    assert {t.tags["station"]: t.rows[0][1] for t in signal} == {HERE: 12.5, OTHER: -97}
    only_other = ask(store, "fleet", "fleet", "C", stations=f"({OTHER})")
    assert [t.tags["station"] for t in only_other] == [OTHER]
    states = {t.tags["station"]: values([t]) for t in ask(store, "fleet", "states over time", "A")}
    assert states == {HERE: [1, 4], OTHER: [1, 3], "31100300": [1, 0]}
    arrived = ask(store, "fleet", "readings stored per hour", "A")
    assert {t.tags["station"]: sum(values([t])) for t in arrived} == {HERE: len(written()) - 1, OTHER: 1}


def test_points_written_by_a_centre_that_was_away_close_the_warning_line(store: InfluxStore, influx: Influx) -> None:
    own = InfluxStore(influx.url, influx.token, ORG, influx.bucket("away"), timeout_s=10)
    StationPoints(own).write(POINTS[:1], NOW - 48 * HOUR_MS)
    StationPoints(own).write([POINTS[0]._replace(lines=(LevelLines(LEVEL, "dagu", 6.6, None),))], NOW)
    rows = own.ask.ask(f'SELECT "warning" FROM "level" WHERE time >= {NOW - 49 * HOUR_MS}ms')[0].rows
    times = [row[0] for row in rows]
    assert max(b - a for a, b in itertools.pairwise(times)) <= HOUR_MS
    assert [row[1] for row in rows[:2]] == [6.5, 6.5]
    assert rows[-1] == [NOW, 6.6]
    own.close()
