"""A real InfluxDB for tests: 1.8+ or 2.x, on a free port, killed and started again at will."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import pytest
from haihe_simulators.ensemble import free_port

ORG = "haihe"
_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{directory}/meta"
[data]
  dir = "{directory}/data"
  wal-dir = "{directory}/wal"
  index-version = "tsi1"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  flux-enabled = false
  log-enabled = false
[monitor]
  store-enabled = false
"""


class NoInflux(Exception):
    """There is no InfluxDB of version 1.8 or later on this machine; the text says what was looked for."""


def installed() -> str:
    """The influxd to run: ``HAIHE_INFLUXD``, else the one on PATH.

    Raises:
        NoInflux: when there is none, or it is older than 1.8.
    """
    found = os.environ.get("HAIHE_INFLUXD") or shutil.which("influxd")
    if not found or not Path(found).exists():
        raise NoInflux("no influxd on PATH (or HAIHE_INFLUXD): the InfluxDB store is not tested here")
    said = subprocess.run([found, "version"], capture_output=True, text=True, timeout=20).stdout
    if any(f" v1.{old}." in said for old in range(8)):
        raise NoInflux(f"{said.strip()}: older than 1.8, it has no v2 write API, so this store cannot use it")
    return found


class Influx:
    """One influxd with its own directory."""

    def __init__(self, directory: Path) -> None:
        self.program = installed()
        said = subprocess.run([self.program, "version"], capture_output=True, text=True, timeout=20).stdout
        self.is_two = " v2." in said or " 2." in said
        self.directory = directory
        chance = random.Random()
        self.port, self.rpc = free_port(chance), free_port(chance)
        self.url = f"http://127.0.0.1:{self.port}"
        self.token = "test-token-of-this-run" if self.is_two else ""
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self.start()
        if self.is_two:
            self._post(
                "/api/v2/setup",
                {"username": "u", "password": "password", "org": ORG, "bucket": "first", "token": self.token},
            )

    def start(self) -> None:
        """Start (again) and return when it answers."""
        if self.is_two:
            place = self.directory
            arguments = [
                "--reporting-disabled",
                f"--http-bind-address=127.0.0.1:{self.port}",
                f"--bolt-path={place}/bolt",
                f"--engine-path={place}/engine",
                f"--sqlite-path={place}/sqlite",
            ]
        else:
            config = self.directory / "influxd.toml"
            config.write_text(_CONFIG.format(rpc=self.rpc, port=self.port, directory=self.directory))
            arguments = ["-config", str(config)]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen([self.program, *arguments], stdout=log, stderr=log)
        end = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=2):
                    return
            except urllib.error.HTTPError as error:
                self.stop()
                raise NoInflux(f"influxd answers {error.code} at /health: older than 1.8") from None
            except OSError:
                if time.monotonic() > end or self._process.poll() is not None:
                    log_text = (self.directory / "log").read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"influxd did not start:\n{log_text}") from None
                time.sleep(0.02)

    def kill(self) -> None:
        """As a power cut does it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> None:
        """Orderly."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def bucket(self, name: str, *, days: int | None = None) -> str:
        """Make a bucket, kept for ever or so many days, and return the name that the store wants."""
        if self.is_two:
            request = urllib.request.Request(f"{self.url}/api/v2/orgs", headers=self._headers())
            with urllib.request.urlopen(request, timeout=10) as answer:
                org = json.load(answer)["orgs"][0]["id"]
            rules = [{"type": "expire", "everySeconds": days * 86400}] if days else []
            self._post("/api/v2/buckets", {"name": name, "orgID": org, "retentionRules": rules})
            return name
        kept = f" WITH DURATION {days}d" if days else ""
        body = urlencode({"q": f'CREATE DATABASE "{name}"{kept}'}).encode()
        with urllib.request.urlopen(f"{self.url}/query", data=body, timeout=10) as answer:
            said = json.load(answer)  # an error comes with 200 OK
        assert said == {"results": [{"statement_id": 0}]}, said
        return f"{name}/autogen"

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}

    def _post(self, path: str, body: dict[str, object]) -> None:
        request = urllib.request.Request(self.url + path, data=json.dumps(body).encode(), headers=self._headers())
        with urllib.request.urlopen(request, timeout=20):
            pass


def influx_or_skip(directory: Path) -> Influx:
    """One that runs in that directory; the test is skipped where none is installed."""
    try:
        return Influx(directory)
    except NoInflux as why:
        pytest.skip(str(why))
