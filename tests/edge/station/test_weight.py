"""A station pays for what it uses only: memory is short on the computers that stations have."""

import subprocess
import sys

NOT_USED_BY_EVERY_STATION = {
    "cryptography": "Python's own OpenSSL checks receipts",
    "gpiod": "only with digital lines",
    "importlib.metadata": "the version is a constant",
    "pynmea2": "only with a receiver",
    "argcomplete": "only while a shell completes",
}


def test_a_station_loads_no_package_that_it_may_never_use() -> None:
    code = "import sys, haihe_edge.cli, haihe_edge.station; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "haihe_edge.link.mqtt" in loaded
    assert set(loaded) & set(NOT_USED_BY_EVERY_STATION) == set()
