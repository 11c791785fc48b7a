"""compose.yaml, as far as it can be proven without a container engine: its structure, and its commands run for real.

Every command of our own services is run as a plain process on the files that compose.yaml mounts, with the
container's paths and names replaced by this machine's. Not proven here: the images of others, volumes, networks.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.conftest import MOSQUITTO, free_port, wait_for
from tests.influx import Influx, influx_or_skip
from tests.packaging.processes import ROOT, STOP_S, product, running
from tests.postgresql import NoPostgresql, Postgresql

PARTS = ROOT / "packaging/compose"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
STATION = "31005650"


def mounts(service: dict[str, Any]) -> list[tuple[str, str]]:
    """(what, where) of each volume of a service."""
    return [(each.split(":")[0], each.split(":")[1]) for each in service.get("volumes", [])]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    assert not {"devices", "pid", "ipc", "userns_mode"} & set(service)
    if name == "setup":
        assert service["network_mode"] == "none", "the only service that is root reaches nobody"
    else:
        assert "cap_add" not in service
        assert str(service.get("user", "10001")).split(":")[0] != "0"


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_this_machine_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_or_built_here_and_every_mount_exists(name: str) -> None:
    service = SERVICES[name]
    if "build" in service:
        recipe = (ROOT / service["build"]["dockerfile"]).read_text("utf-8")
        target = service["build"].get("target")
        assert target is None or f" AS {target}\n" in recipe
    else:
        assert re.fullmatch(r"[a-z/-]+:\d[\d.]*", service["image"])
    for what, where in mounts(service):
        assert where.startswith("/")
        assert (ROOT / what).exists() if what.startswith("./") else what in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_that_stays_is_checked_and_waits_for_what_it_needs(name: str) -> None:
    service = SERVICES[name]
    if name == "setup":
        return
    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert service["depends_on"]["setup"] == {"condition": "service_completed_successfully"}
    for other, how in service["depends_on"].items():
        assert other in SERVICES
        assert other == "setup" or how == {"condition": "service_healthy"}


def test_no_secret_stands_in_the_file_or_in_what_it_mounts() -> None:
    for path in (ROOT / "compose.yaml", *PARTS.iterdir()):
        text = path.read_text("utf-8")
        assert "PRIVATE KEY" not in text
        for key, value in re.findall(r"(?i)([\w.]*(?:password|token|secret)\w*)\s*[:=]\s*(\S+)", text):
            harmless = "/" in value or "$" in value or "(" in value or value.startswith(("str", "{", "HAIHE"))
            assert harmless, f"{path.name}: {key} = {value}"
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET", key):
                assert key.endswith("_FILE"), f"{name}: {key}"
                assert value.startswith("/haihe/"), f"{name}: {key}"


def test_only_setup_sees_the_certificate_authority_and_only_readers_get_a_volume_of_keys() -> None:
    seen = {name: {what for what, _ in mounts(service)} for name, service in SERVICES.items()}
    assert [name for name, volumes in seen.items() if "authority" in volumes] == ["setup"]
    for volume in ("broker", "centre", "station", "influxdb", "postgresql", "grafana"):
        owner = {"centre": "cloud"}.get(volume, volume)
        assert {name for name, volumes in seen.items() if volume in volumes} == {"setup", owner}
        where = dict(mounts(SERVICES[owner]))[volume]
        assert where == dict(mounts(SERVICES["setup"]))[volume], "the broker's configuration names absolute paths"


def test_grafana_gets_every_name_that_its_provisioning_asks_for() -> None:
    asked: set[str] = set()
    for path in (ROOT / "cloud/grafana/provisioning").rglob("*.yaml"):
        asked |= set(re.findall(r"\$\{(\w+)\}", path.read_text("utf-8")))
    service = SERVICES["grafana"]
    given = set(service["environment"]) | set(re.findall(r"export (\w+)", " ".join(service["entrypoint"])))
    assert asked <= given
    assert service["environment"]["HAIHE_GRAFANA_DASHBOARDS"] in {where for _, where in mounts(service)}


def setup(root: Path, port: int) -> None:
    """Run what the setup service runs."""
    subprocess.run([sys.executable, PARTS / "setup.py", root, str(port)], check=True, timeout=60, capture_output=True)


def contents(root: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def load_setup() -> ModuleType:
    """setup.py as a module."""
    spec = importlib.util.spec_from_file_location("haihe_compose_setup", PARTS / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def public_half(pem: bytes) -> Any:
    """The public key of a certificate, a private or a public key."""
    if b"CERTIFICATE" in pem:
        key: Any = x509.load_pem_x509_certificate(pem).public_key()
    elif b"PRIVATE" in pem:
        key = serialization.load_pem_private_key(pem, None).public_key()
    else:
        key = serialization.load_pem_public_key(pem)
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_setup_run_again_changes_nothing(tmp_path: Path) -> None:
    setup(tmp_path, 8883)
    first = contents(tmp_path)
    setup(tmp_path, 8883)
    assert contents(tmp_path) == first


def test_setup_ended_anywhere_is_made_whole_by_the_next_run(tmp_path: Path) -> None:
    module, whole = load_setup(), tmp_path / "whole"
    assert module.main([str(whole)]) == 0
    order = sorted((path for path in whole.rglob("*") if path.is_file()), key=lambda path: path.stat().st_mtime_ns)
    for count in range(len(order)):
        cut = tmp_path / f"after-{count}"
        for path in order[:count]:
            (cut / path.relative_to(whole)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, cut / path.relative_to(whole))
        assert module.main([str(cut)]) == 0
        made = contents(cut)
        assert set(made) == set(contents(whole))
        for name in made:
            if name.endswith("own.pem"):
                assert public_half(made[name]) == public_half(made[name.replace(".pem", ".key")])
                assert made[str(Path(name).with_name("ca.pem"))] == made["authority/ca.pem"]
        assert made["broker/keys/broker.key"] == made["broker/keys/own.key"]
        assert public_half(made["centre/receipt.key"]) == public_half(made["station/receipt.pub"])
        assert made["centre/influx.token"] == made["influxdb/admin.token"]
        assert made["centre/database.password"] == made["postgresql/haihe.password"]


def test_setup_never_makes_a_second_authority_for_keys_that_are_in_use(tmp_path: Path) -> None:
    setup(tmp_path, 8883)
    (tmp_path / "authority/ca.pem").unlink()
    assert load_setup().main([str(tmp_path)]) == 1


def test_setup_makes_different_secrets_everywhere_and_keeps_them_from_others(tmp_path: Path) -> None:
    setup(tmp_path / "one", 8883)
    setup(tmp_path / "two", 8883)
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    hidden = [name for name in one if name.endswith((".key", ".token", ".password"))]
    assert len(hidden) >= 11
    for name in hidden:
        assert one[name] != two[name]
        assert (tmp_path / "one" / name).stat().st_mode & 0o077 == 0
    assert not [name for name in one if name.split("/")[0] != "authority" and name.endswith("ca.key")]


class Whole:
    """Our own services on this machine: the files of compose.yaml with this machine's places in them."""

    def __init__(self, here: Path, influx: Influx, postgresql: Postgresql, broker: int) -> None:
        self.here, self.root = here, here / "haihe"
        self.broker, self.http = broker, free_port()
        self.places = {
            "/var/lib/haihe": str(here / "lib"),
            "/run/haihe": str(here / "run"),
            "/haihe/": f"{self.root}/",  # after those that it is a part of
            "host: broker": "host: localhost",
            "port: 8883": f"port: {self.broker}",
            "0.0.0.0": "127.0.0.1",
            "port: 8080": f"port: {self.http}",
            "port: 5020": f"port: {free_port()}",
            "http://influxdb:8086": influx.url,
            "bucket: haihe": f"bucket: {influx.bucket('haihe')}",
            "host=postgresql": f"host={postgresql.directory}",
        }
        (here / "run").mkdir()
        for name in ("haihe-cloud.yaml", "stations.yaml", "site.yaml"):
            (here / name).write_text(self.here_instead((PARTS / name).read_text("utf-8")), "utf-8")

    def here_instead(self, text: str) -> str:
        """The text with the container's places replaced."""
        for there, place in self.places.items():
            text = text.replace(there, place)
        return text

    def health_of_broker(self) -> bool:
        """Run the broker's health check as compose.yaml writes it."""
        words = [self.here_instead(word) for word in SERVICES["broker"]["healthcheck"]["test"][1:]]
        words = [str(self.broker) if word == "8883" else word for word in words]
        return subprocess.run(words, capture_output=True, timeout=10).returncode == 0

    def ask(self, path: str) -> Any:
        """An answer of the page's API, None while there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=5) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError):
            return None


@pytest.mark.broker
@pytest.mark.influx
@pytest.mark.postgresql
def test_the_commands_of_compose_bring_a_reading_from_the_instrument_to_the_page(tmp_path: Path) -> None:
    if MOSQUITTO is None or shutil.which("mosquitto_sub") is None:
        pytest.skip("mosquitto and its clients are not installed: the services are not run here")
    root, logs, broker = tmp_path / "haihe", tmp_path / "logs", free_port()
    logs.mkdir()
    setup(root, broker)
    influx = influx_or_skip(tmp_path / "influx")
    try:
        postgresql = Postgresql(password=(root / "postgresql/haihe.password").read_text())
    except NoPostgresql as why:
        pytest.skip(str(why))
    postgresql.ask("CREATE DATABASE haihe")
    whole = Whole(tmp_path, influx, postgresql, broker)
    own = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    station = ["sh", PARTS / "station.sh", tmp_path / "site.yaml", tmp_path / "answers"]
    with ExitStack() as stack:
        stack.callback(influx.stop)
        stack.callback(postgresql.remove)
        stack.enter_context(running([MOSQUITTO, "-c", str(whole.root / "broker/mosquitto.conf")], logs / "broker"))
        wait_for(whole.health_of_broker, "the broker's health check is content")
        centre = product("haihe_cloud", "run", "--config", tmp_path / "haihe-cloud.yaml")
        stack.enter_context(running(centre, logs / "centre"))
        wait_for(lambda: (whole.ask("/healthz") or {}).get("healthy"), "the centre is healthy", 20.0)
        agent = stack.enter_context(running([str(each) for each in station], logs / "station", **own))
        check = SERVICES["station"]["healthcheck"]["test"][1].replace("--json", f"--json {tmp_path / 'site.yaml'}")
        wait_for(
            lambda: not subprocess.run(["sh", "-c", check], env={**os.environ, **own}, timeout=20).returncode,
            "the station's health check is content",
            20.0,
        )
        series = "water_level.main.instant.0.derived.dagu"
        rows = wait_for(
            lambda: (whole.ask(f"/api/v1/stations/{STATION}/readings?series={series}") or {}).get("total"),
            "the page has a water level",
        )
        assert rows
        agent.terminate()
        assert agent.wait(STOP_S) == 0, (logs / "station").read_text()
