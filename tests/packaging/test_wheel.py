"""What is installed: one wheel, whole, and each side light enough to run without the other's libraries."""

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tests.packaging.processes import ROOT

PACKAGES = {
    "haihe_contract": "contract",
    "haihe_edge": "edge",
    "haihe_cloud": "cloud",
    "haihe_simulators": "simulators",
}
SHARED = {
    "firmware_profiles": "firmware_profiles",
    "site_configs": "site_configs",
    "rules": "cloud/rules",
    "grafana": "cloud/grafana",
}
CENTRES_OWN = {"fastapi", "starlette", "pydantic", "uvicorn", "influxdb_client", "prometheus_client"}
STATIONS_OWN = {"serial", "pynmea2"}
_LEFT_OUT = {"__pycache__", ".mypy_cache"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built with hatchling as it is installed, from this work tree, without a network."""
    where = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", where], cwd=ROOT, check=True)
    (found,) = where.glob("haihe-*.whl")
    return zipfile.ZipFile(found)


def files_below(folder: Path) -> set[str]:
    """Every file of a folder that somebody wrote, as relative names."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not _LEFT_OUT & set(path.parts)
    }


def loaded(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after a statement."""
    said = subprocess.run(
        [sys.executable, "-c", f"{statement}\nimport sys; print(*{{m.partition('.')[0] for m in sys.modules}})"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(said.stdout.split())


def test_the_wheel_holds_exactly_the_four_packages(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.startswith("haihe-")} == set(PACKAGES)


def test_every_file_of_a_package_is_in_the_wheel_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    for package, folder in PACKAGES.items():
        packed = {name.removeprefix(f"{package}/") for name in wheel.namelist() if name.startswith(f"{package}/")}
        assert packed == files_below(ROOT / folder / package)
        assert "py.typed" in packed


def test_schema_page_and_vendored_libraries_are_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for needed in (
        "haihe_cloud/schema/0001_ledger.sql",
        "haihe_cloud/schema/0002_alarm.sql",
        "haihe_cloud/schema/0006_station_state.sql",
        "haihe_cloud/schema/0007_acknowledged.sql",
        "haihe_cloud/schema/0008_carried.sql",
        "haihe_cloud/show/page/index.html",
        "haihe_cloud/show/page/vendor/leaflet.js",
        "haihe_cloud/show/page/vendor/uPlot.iife.min.js",
    ):
        assert needed in names


def test_profiles_rules_and_dashboards_are_installed_beside_the_programs(wheel: zipfile.ZipFile) -> None:
    for name, folder in SHARED.items():
        inside = f".data/data/share/haihe/{name}/"
        packed = {each.partition(inside)[2] for each in wheel.namelist() if inside in each}
        assert packed == files_below(ROOT / folder)
        assert packed


def test_nobody_can_upload_the_wheel_to_a_public_index_by_mistake(wheel: zipfile.ZipFile) -> None:
    (name,) = (each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
    about = Parser().parsestr(wheel.read(name).decode())
    assert "Private :: Do Not Upload" in about.get_all("Classifier", [])


def test_the_station_loads_nothing_of_the_centres_libraries() -> None:
    every = "import haihe_edge.cli, haihe_edge.station, haihe_edge.link.mqtt"
    assert not loaded(every) & (CENTRES_OWN | {"haihe_cloud", "haihe_simulators"})


def test_the_centre_loads_nothing_of_the_stations_libraries() -> None:
    every = "import haihe_cloud.cli, haihe_cloud.service"
    assert not loaded(every) & (STATIONS_OWN | {"haihe_edge", "haihe_simulators"})


def test_a_simulated_station_needs_only_the_stations_libraries() -> None:
    assert not loaded("import haihe_simulators.cli") & CENTRES_OWN


def locked(name: str) -> set[str]:
    """Names of the distributions in a lock file."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8").splitlines()
    return {line.partition("==")[0] for line in lines if "==" in line and not line.startswith(" ")}


def test_the_lock_of_each_side_leaves_out_the_other_sides_libraries() -> None:
    assert not locked("edge") & {name.replace("_", "-") for name in CENTRES_OWN}
    assert not locked("cloud") & {"pyserial", "pynmea2"}


def test_what_builds_an_image_is_what_builds_the_wheel_elsewhere() -> None:
    version = {
        name: next(
            line.split()[0]
            for line in (ROOT / "requirements" / f"{name}.txt").read_text("utf-8").splitlines()
            if line.startswith("hatchling==")
        )
        for name in ("build", "dev")
    }
    assert version["build"] == version["dev"]
