"""A station as it stands in the field: a real agent that polls a real Modbus server and reports to real centres."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from haihe_cloud.admit.pki import Pki

from tests.cloud.samples import STATION
from tests.conftest import wait_for

ROOT = Path(__file__).parents[3]
_SITE = """\
journal: {{directory: journal, size: {size}, window: 200ms}}
control: control
centres:
"""


class Way(NamedTuple):
    """One centre as a site file names it."""

    name: str
    port: int
    pki: Pki
    required: bool = True


def rest_of_site(ways: Sequence[Way], *, size: str = "16MiB") -> str:
    """What a site file says after its instruments; a station has the keys that its centres made."""
    text = _SITE.format(size=size)
    for way in ways:
        keys = way.pki.directory
        text += (
            f"  - {{name: {way.name}, host: 127.0.0.1, port: {way.port}, ca: {keys}/ca.pem,"
            f" certificate: {keys}/stations/{STATION}.pem, key: {keys}/stations/{STATION}.key,"
            f" receipt_key: {keys}/receipt.pub, required: {str(way.required).lower()}, retry_most: 1s}}\n"
        )
    return text


class Agent:
    """``haihe-edge run`` as a process of its own.

    Args:
        directory: the station's card: site file, journal, log.
        instruments: the site file as far as they.
        ways: its centres.
        size: of the journal.
    """

    def __init__(self, directory: Path, instruments: str, ways: Sequence[Way], *, size: str = "16MiB") -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.site = directory / "site.yaml"
        self.site.write_text(instruments + rest_of_site(ways, size=size), "utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {**os.environ, "HAIHE_PROFILES": str(ROOT / "firmware_profiles")}

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "haihe_edge", "run", str(self.site), "--lang", "en"],
                stdout=log, stderr=log, env=self._environment,
            )  # fmt: skip
        wait_for(lambda: self.status() is not None, "the agent runs", 30)

    def haihe(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "haihe_edge", *words], capture_output=True, text=True, env=self._environment,
            timeout=60,
        )  # fmt: skip

    def status(self) -> dict[str, Any] | None:
        found: dict[str, Any] = json.loads(self.haihe("status", str(self.site), "--json").stdout)
        return found if found.get("running") else None

    def head(self) -> int:
        found = self.status()
        return int(found["journal"]["head"]) if found else 0

    def waiting(self, centre: str) -> int:
        """Durable records that no receipt of that centre covers, by the agent's own word."""
        found = self.status()
        assert found
        return int(next(each["waiting_records"] for each in found["centres"] if each["name"] == centre))

    def end(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None
