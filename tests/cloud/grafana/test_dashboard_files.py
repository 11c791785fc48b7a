"""The files Grafana is provisioned with are what the generator makes, and are shaped as Grafana wants them."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from haihe_cloud.show.grafana import files, write_all
from haihe_cloud.show.grafana_panels import DATASOURCE_UID
from haihe_cloud.show.state import Condition
from haihe_cloud.station_map import MAP_STATES
from haihe_contract.element import ELEMENTS

COMMITTED = Path(__file__).parents[3] / "cloud" / "grafana"
NAMES = ("map", "station", "fleet")


def load(name: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(files()[f"dashboards/{name}.json"])
    return made


def test_committed_files_are_exactly_what_the_generator_makes(tmp_path: Path) -> None:
    written = write_all(tmp_path)
    made = {str(path.relative_to(tmp_path)): path.read_text("utf-8") for path in written}
    there = {
        str(path.relative_to(COMMITTED)): path.read_text("utf-8")
        for path in COMMITTED.rglob("*")
        if path.suffix in (".json", ".yaml")
    }
    assert made == there, "run: haihe-cloud grafana"


@pytest.mark.parametrize("name", NAMES)
def test_panels_have_numbers_places_and_queries_of_their_own(name: str) -> None:
    made = load(name)
    panels = made["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["targets"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == DATASOURCE_UID
        for override in panel["fieldConfig"]["overrides"]:
            if override["matcher"]["id"] == "byFrameRefID":
                assert override["matcher"]["options"] in refs
    for a, b in itertools.combinations([panel["gridPos"] for panel in panels], 2):
        apart_x = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart_y = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart_x or apart_y, "two panels lie on each other"


@pytest.mark.parametrize("name", NAMES)
def test_people_read_both_languages_and_beijing_time(name: str) -> None:
    made = load(name)
    assert made["timezone"] == "Asia/Shanghai"
    titles = [panel["title"] for panel in made["panels"]]
    labels = [v["label"] for v in made["templating"]["list"] if not v["hide"]]
    for words in [*titles, *labels]:
        assert re.match(r"^[^/]*[\u4e00-\u9fff][^/]* / .*[a-z]", words), words
    assert made["title"]


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_a_query_uses_is_defined_before_it(name: str) -> None:
    made = load(name)
    known = {"timeFilter", "__interval"}
    for each in made["templating"]["list"]:
        assert _used(each["query"]) <= known
        known.add(each["name"])
    for panel in made["panels"]:
        for target in panel["targets"]:
            assert _used(target["query"]) <= known


def _used(query: str) -> set[str]:
    return set(re.findall(r"\$\{?([A-Za-z_]+)", query))


def test_links_lead_to_dashboards_that_exist() -> None:
    there = {load(name)["uid"] for name in NAMES}
    linked = {uid for name in NAMES for uid in re.findall(r'"/d/([a-z-]+)', files()[f"dashboards/{name}.json"])}
    assert linked == there


def test_every_element_of_the_register_has_its_panel() -> None:
    text = files()["dashboards/station.json"]
    for code in ELEMENTS:
        assert f"= '{code}'" in text, f"{code} is shown nowhere"


def test_every_condition_of_a_station_has_a_colour_on_the_map() -> None:
    assert set(MAP_STATES) == set(Condition)
    assert max(MAP_STATES.values()) == 5


def test_rain_hangs_from_the_top_and_warning_lines_are_dashed() -> None:
    hydrograph = load("station")["panels"][0]
    of_ref = {
        override["matcher"]["options"]: {each["id"]: each["value"] for each in override["properties"]}
        for override in hydrograph["fieldConfig"]["overrides"]
    }
    assert of_ref["D"]["custom.transform"] == "negative-Y"
    assert of_ref["D"]["custom.axisPlacement"] == "right"
    assert of_ref["B"]["custom.lineStyle"]["fill"] == of_ref["C"]["custom.lineStyle"]["fill"] == "dash"


def test_provisioning_names_the_data_source_and_holds_no_secret() -> None:
    made = yaml.safe_load(files()["provisioning/datasources/haihe.yaml"])
    source = made["datasources"][0]
    assert source["uid"] == DATASOURCE_UID
    assert source["url"] == "${HAIHE_INFLUX_URL}"
    assert source["secureJsonData"]["httpHeaderValue1"] == "Token ${HAIHE_INFLUX_TOKEN}"
    provider = yaml.safe_load(files()["provisioning/dashboards/haihe.yaml"])["providers"][0]
    assert provider["options"]["path"] == "${HAIHE_GRAFANA_DASHBOARDS}"
