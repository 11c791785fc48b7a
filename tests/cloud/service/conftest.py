"""A second centre, for tests of a station or a centre that has one."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from haihe_cloud.admit.pki import Pki
from haihe_contract.clock import SystemClock

from tests.cloud.samples import STATION
from tests.cloud.service.test_service import Centre
from tests.conftest import MOSQUITTO, Broker


@pytest.fixture
def province(tmp_path: Path) -> Iterator[tuple[Centre, Broker, Pki]]:
    """A second centre with a broker, an authority and keys of its own; not started."""
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    keys = Pki(tmp_path / "province-keys", SystemClock())
    keys.init()
    keys.make_receipt_key()
    keys.broker(["localhost", "127.0.0.1"])
    keys.centre("province")
    keys.station(STATION)
    broker = Broker(tmp_path / "province-broker", keys, "province")
    broker.start()
    (tmp_path / "province").mkdir()
    made = Centre(tmp_path / "province", broker.port, keys, name="province")
    assert made.command("station", "add", STATION).returncode == 0
    yield made, broker, keys
    made.end(signal.SIGKILL)
    broker.kill()
