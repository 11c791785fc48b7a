"""Other gateways on the same instruments, for the same run: how each is set up, and what of theirs arrives.

Their readings are counted where they arrive, at a plain Mosquitto on the loopback. How to install the ThingsBoard
gateway is in README.md.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from farm import REGISTERS
from haihe_simulators.ensemble import mosquitto
from paho.mqtt.enums import CallbackAPIVersion
from process import cpu_s, memory_mb, process

_ASKED_OF_THE_SERVER = "v1/devices/me/rpc/request/"
_ATTRIBUTES_OF_THE_GATEWAY = "v1/devices/me/attributes/request/"
_ATTRIBUTES_OF_A_DEVICE = "v1/gateway/attributes/request"
_TELEMETRY = "v1/gateway/telemetry"
_NO_LIMITS = {"rateLimits": {}, "gatewayRateLimits": {}, "maxInflightMessages": 100, "maxPayloadSize": 65536}


class Cost(NamedTuple):
    """What a gateway took.

    Args:
        cpu_s_per_10k: CPU seconds per 10,000 readings that arrived.
        rss_mb: resident memory at the end, MB.
        readings_per_s: what arrived.
    """

    cpu_s_per_10k: float
    rss_mb: float
    readings_per_s: float


class Arrivals:
    """Hears everything at the broker, counts readings, and answers as a ThingsBoard server without limits would."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.readings = 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="arrivals")
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.on_message = self._heard
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def close(self) -> None:
        """Hear no more."""
        self._client.disconnect()
        self._client.loop_stop()

    def _heard(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        if message.topic.startswith("station/"):
            self.readings += len(json.loads(message.payload)["values"])
        elif message.topic == _TELEMETRY:
            devices = json.loads(message.payload)
            self.readings += sum(len(at_once.get("values", at_once)) for each in devices.values() for at_once in each)
        elif message.topic.startswith(_ASKED_OF_THE_SERVER):
            self._answer(message.topic.replace("/request/", "/response/"), _NO_LIMITS)
        elif message.topic.startswith(_ATTRIBUTES_OF_THE_GATEWAY):
            self._answer(message.topic.replace("/request/", "/response/"), {})
        elif message.topic == _ATTRIBUTES_OF_A_DEVICE:
            asked = json.loads(message.payload)
            answer = {"id": asked.get("id"), "device": asked.get("device"), "values": {}}
            self._answer("v1/gateway/attributes/response", answer)

    def _answer(self, topic: str, what: dict[str, Any]) -> None:
        self._client.publish(topic, json.dumps(what), 1)


@contextmanager
def broker(folder: Path, port: int) -> Iterator[Arrivals]:
    """A Mosquitto without keys on the loopback, and who listens there."""
    conf = folder / "plain.conf"
    conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n", "utf-8")
    with (folder / "plain.log").open("w") as log:
        child = subprocess.Popen([mosquitto(), "-c", str(conf)], stdout=log, stderr=log)
    try:
        arrivals = _patiently(port)
        yield arrivals
        arrivals.close()
    finally:
        child.terminate()
        child.wait()


def _patiently(port: int) -> Arrivals:
    """Listen as soon as the broker does."""
    for _ in range(100):
        try:
            return Arrivals(port)
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"the broker on port {port} does not answer")


def naive(arrivals: Arrivals, ports: list[int], settle_s: float, seconds: float) -> Cost:
    """The program that a user would write."""
    command = [str(Path(__file__).with_name("naive.py")), str(arrivals.port), *map(str, ports)]
    with process(command) as child:
        return _cost(child.pid, arrivals, settle_s, seconds)


def thingsboard_python(peers: Path) -> Path | None:
    """The Python that has the ThingsBoard gateway, None where it is not installed."""
    found = peers / "thingsboard" / "bin" / "python"
    return found if found.with_name("thingsboard-gateway").exists() else None


def thingsboard(
    python: Path, folder: Path, arrivals: Arrivals, ports: list[int], settle_s: float, seconds: float, *, block: bool
) -> Cost:
    """The ThingsBoard gateway with its store in files.

    Args:
        python: of the environment that has it.
        folder: where its files go.
        arrivals: at the broker it sends to.
        ports: of the instruments.
        settle_s: until it is measured.
        seconds: how long it is measured.
        block: one request for all registers of an instrument, else one for each, as its examples have it.
    """
    config = _thingsboard_files(python, folder, arrivals.port, ports, block=block)
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(folder), "TB_GW_CONFIG_DIR": f"{config}{os.sep}"}
    with (folder / "gateway.log").open("w") as log:
        child = subprocess.Popen(
            [str(python.with_name("thingsboard-gateway"))], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        return _cost(child.pid, arrivals, settle_s, seconds)
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _thingsboard_files(python: Path, folder: Path, mqtt_port: int, ports: list[int], *, block: bool) -> Path:
    """Its own defaults, with our broker, its file store and our instruments."""
    shipped = next(python.parents[1].glob("lib/python3*/site-packages/thingsboard_gateway/config"))
    config = folder / "config"
    for each in (config, folder / "logs", folder / "data"):
        each.mkdir(parents=True)
    (config / "logs.json").write_bytes((shipped / "logs.json").read_bytes())
    main = json.loads((shipped / "tb_gateway.json").read_bytes())
    main["thingsboard"] |= {
        "host": "127.0.0.1",
        "port": mqtt_port,
        "remoteConfiguration": False,
        "statistics": {"enable": False},
        "security": {"type": "accessToken", "accessToken": "station"},
    }
    main["storage"]["type"] = "file"
    main["connectors"] = [{"type": "modbus", "name": "instruments", "configuration": "instruments.json"}]
    (config / "tb_gateway.json").write_text(json.dumps(main), "utf-8")
    point = {"type": "16uint", "functionCode": 3, "objectsCount": 1}
    if block:
        points = [{**point, "tag": "r${address}", "address": f"0-{REGISTERS - 1}", "maxRegistersPerRequest": 100}]
    else:
        points = [{**point, "tag": f"r{at}", "address": at} for at in range(REGISTERS)]
    slaves = [
        {
            "deviceName": f"i{at}", "deviceType": "default", "type": "tcp", "method": "socket", "host": "127.0.0.1",
            "port": port, "unitId": 1, "pollPeriod": 1000, "timeout": 35, "retries": 3, "byteOrder": "BIG",
            "wordOrder": "BIG", "connectAttemptTimeMs": 5000, "connectAttemptCount": 5,
            "waitAfterFailedAttemptsMs": 300_000, "timeseries": points, "attributes": [], "attributeUpdates": [],
            "rpc": [],
        }
        for at, port in enumerate(ports)
    ]  # fmt: skip
    instruments = {"name": "instruments", "logLevel": "INFO", "master": {"slaves": slaves}}
    (config / "instruments.json").write_text(json.dumps(instruments), "utf-8")
    return config


def _cost(pid: int, arrivals: Arrivals, settle_s: float, seconds: float) -> Cost:
    time.sleep(settle_s)
    spent, heard, began = cpu_s(pid), arrivals.readings, time.monotonic()
    time.sleep(seconds)
    spent, heard, took = cpu_s(pid) - spent, arrivals.readings - heard, time.monotonic() - began
    if not heard:
        print("nothing of a peer arrives: it is left out of the comparison", file=sys.stderr)
        return Cost(0.0, 0.0, 0.0)
    return Cost(spent / heard * 10_000, memory_mb(pid), heard / took)
