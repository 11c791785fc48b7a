"""A site file and a centre's settings that work on any machine, with nothing at the other ends."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from haihe_cloud.admit.pki import Pki

from tests.conftest import CENTRE, STATIONS, free_port


@pytest.fixture
def site_file(tmp_path: Path, pki: Pki) -> Path:
    """A station whose only instrument is silent and whose centre is away."""
    keys = pki.directory
    site = {
        "station": {
            "code": STATIONS[0],
            "name": {"zh": "三岔口", "en": "Sanchakou"},
            "latitude": 39.1458,
            "longitude": 117.1897,
        },
        "buses": [{"kind": "tcp", "name": "cabinet", "host": "127.0.0.1", "port": free_port()}],
        "instruments": [{"name": "solar", "profile": "epever-tracer", "bus": "cabinet", "unit": 1, "every": "1s"}],
        "journal": {"directory": "journal", "size": "16MiB"},
        "control": "control",
        "centres": [
            {
                "name": CENTRE,
                "host": "127.0.0.1",
                "port": free_port(),
                "ca": str(pki.ca),
                "certificate": str(keys / "stations" / f"{STATIONS[0]}.pem"),
                "key": str(keys / "stations" / f"{STATIONS[0]}.key"),
                "receipt_key": str(pki.receipt_public),
            }
        ],
    }
    path = tmp_path / "site.yaml"
    path.write_text(yaml.safe_dump(site, allow_unicode=True), "utf-8")
    return path


@pytest.fixture
def cloud_settings(tmp_path: Path, pki: Pki) -> Callable[..., Path]:
    """Writes the settings of a centre whose broker is away; keywords replace keys."""

    def make(**changes: object) -> Path:
        settings = {
            "data": "data",
            "broker": {
                "host": "127.0.0.1",
                "port": free_port(),
                "ca": str(pki.ca),
                "certificate": str(pki.directory / "centre.pem"),
                "key": str(pki.directory / "centre.key"),
            },
            "receipt_key": str(pki.receipt_key),
            "http": {"host": "127.0.0.1", "port": free_port()},
            **changes,
        }
        path = tmp_path / "haihe-cloud.yaml"
        path.write_text(yaml.safe_dump(settings), "utf-8")
        return path

    return make
