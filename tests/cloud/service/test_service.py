"""The centre as a process: started, cut off, killed, stopped; what it says, and that it never shows a trace."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from haihe_cloud.admit.pki import load_receipt_key
from haihe_contract import receipt as receipts
from haihe_contract import topic
from haihe_contract.ed25519 import PublicKey
from haihe_contract.ranges import RangeSet

from tests.cloud.samples import LEVEL, LINE, STATION, data
from tests.conftest import CENTRE, PATIENCE_S, Broker, Pki, Voice, free_port, wait_for
from tests.influx import ORG, influx_or_skip

if TYPE_CHECKING:
    from tests.postgresql import Postgresql

Speak = Callable[[str], Voice]
_COMMAND = [sys.executable, "-m", "haihe_cloud"]


class Centre:
    """``haihe-cloud run`` as a process of its own."""

    def __init__(
        self,
        directory: Path,
        broker_port: int,
        pki: Pki,
        *,
        store: str = "{kind: sqlite}",
        database: str = "{kind: sqlite}",
        name: str = CENTRE,
    ) -> None:
        self.directory = directory
        self.config = directory / "haihe-cloud.yaml"
        self.config.write_text(
            f"centre: {name}\ndata: data\n"
            f"broker: {{host: localhost, port: {broker_port}, ca: {pki.ca},"
            f" certificate: {pki.directory}/centre.pem, key: {pki.directory}/centre.key}}\n"
            f"receipt_key: {pki.receipt_key}\nstore: {store}\ndatabase: {database}\nhttp: {{port: 0}}\nlanguage: en\n",
            "utf-8",
        )
        self.address = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._runs = 0

    def command(self, *words: str, lang: str = "en", seconds: float = 30) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*_COMMAND, *words, "--config", str(self.config), "--lang", lang],
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def start(self, **environment: str) -> None:
        self._runs += 1
        self._log = self.directory / f"log{self._runs}"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*_COMMAND, "run", "--config", str(self.config)],
                stderr=log,
                stdout=log,
                env={**os.environ, **environment},
            )
        self.address = wait_for(self._page, "the page is there", 20)

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def _page(self) -> str:
        assert self._process is not None
        if self._process.poll() is not None:
            pytest.fail(f"the centre ended: {self.log()}")
        _, found, rest = self.log().partition("the page is at ")
        return rest.split()[0] if found and "\n" in rest else ""

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(self.address + path, timeout=10) as answer:
            return json.load(answer)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("/api/v1/status")
        return found

    def healthy(self) -> bool:
        try:
            return bool(self.ask("/healthz")["healthy"])
        except urllib.error.HTTPError:  # 503
            return False

    def end(self, number: int = signal.SIGTERM) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        code = self._process.wait(PATIENCE_S)
        self._process = None
        assert "Traceback" not in self.log()
        return code


@pytest.fixture
def centre(tmp_path: Path, broker: Broker, pki: Pki) -> Iterator[Centre]:
    made = Centre(tmp_path, broker.port, pki)
    assert made.command("station", "add", STATION).returncode == 0
    made.start()
    wait_for(made.healthy, "the centre is well")
    yield made
    made.end()


def settled(voice: Voice, pki: Pki) -> RangeSet:
    name, payload = voice.hear()
    assert name == topic.receipt(voice.station, CENTRE)
    key = PublicKey(load_receipt_key(pki.receipt_key).public_key().public_bytes_raw())
    stated = receipts.verify(payload, key, centre=CENTRE, station=voice.station)
    return stated.settled().get(LINE, RangeSet())


@pytest.mark.broker
def test_a_batch_gets_its_receipt_its_place_in_the_ledger_and_its_latest_values(
    centre: Centre, voice: Speak, pki: Pki, broker: Broker
) -> None:
    station = voice(STATION)
    station.say(data([1, 2, 3, 4, 5]))
    assert settled(station, pki) == RangeSet.of((1, 5))
    shown = centre.command("ledger", "show", "--json")
    assert shown.returncode == 0
    (line,) = json.loads(shown.stdout)["lines"]
    assert (line["held"], line["lost"]) == ([[1, 5]], [])
    wait_for(lambda: set(centre.status()["follower_behind"].values()) == {0}, "the followers have caught up")
    assert {"alarm", "centre", "page"} == set(centre.status()["follower_behind"])
    assert centre.status()["ingest"]["readings"] == 4
    ear = Voice(broker, pki, "ear", listens_to=topic.latest(STATION), keys="centre")
    name, payload = ear.hear()
    ear.close()
    latest = json.loads(payload)["series"][LEVEL]
    assert (name, latest["value"], latest["unit"], latest["flag"]) == (topic.latest(STATION), 3.005, "m", "pass")


@pytest.mark.broker
def test_bad_messages_of_one_station_leave_the_others_alone(centre: Centre, voice: Speak, pki: Pki) -> None:
    bad, good = voice("31005651"), voice(STATION)
    centre.command("station", "add", "31005651")
    bomb = b"H\x01\x21" + int("31005651", 36).to_bytes(6, "big") + bytes(8) + b"\x02\x01\x01"
    bomb += b"\xff\xff\xff\xff\xff\xff\xff\x7f"
    bomb += hashlib.sha256(bomb + bytes(1000)).digest()[:8] + bytes(1000)
    damaged = bytearray(data([1, 2, 4], station="31005651"))
    damaged[-1] ^= 1
    for payload in (b"{}", bomb, bytes(1_500_000), data([1, 2, 4]), bytes(damaged)):
        assert not bad.say(payload).is_failure
    good.say(data([1, 2, 4]))
    assert settled(good, pki) == RangeSet.of((1, 2), (4, 4))
    wait_for(lambda: centre.status()["ingest"]["quarantined"] == 5, "the damaged one was worked on")
    listed = json.loads(centre.command("quarantine", "list", "--json").stdout)["quarantine"]
    assert [each["station"] for each in listed] == ["31005651"] * 5
    bad.say(data([1, 2, 4], station="31005651"))
    assert settled(bad, pki) == RangeSet.of((1, 2), (4, 4)), "what was damaged is taken when it comes whole"
    first = centre.command("quarantine", "show", str(listed[-1]["id"]), "--json")
    assert bytes.fromhex(json.loads(first.stdout)["hex"]) == b"{}"


@pytest.mark.broker
def test_an_unknown_station_is_listed_and_accepted_at_its_next_sending(centre: Centre, voice: Speak, pki: Pki) -> None:
    station = voice("31005651")
    payload = data([1, 2, 4], station="31005651")
    station.say(payload)
    wait_for(lambda: centre.status()["ingest"]["unknown"] == 1, "the stranger was seen")
    listed = json.loads(centre.command("station", "list", "--json").stdout)
    assert [each["code"] for each in listed["unknown"]] == ["31005651"]
    assert centre.command("station", "add", "31005651").returncode == 0
    station.say(payload)
    assert settled(station, pki) == RangeSet.of((1, 2), (4, 4))


@pytest.mark.broker
def test_a_centre_killed_at_any_time_holds_what_it_has_receipted(centre: Centre, voice: Speak, pki: Pki) -> None:
    station = voice(STATION)
    station.say(data([1, 2, 4]))
    assert settled(station, pki) == RangeSet.of((1, 2), (4, 4))
    centre.end(signal.SIGKILL)
    station.say(data([1, 2, 5]))
    centre.start()
    wait_for(lambda: centre.healthy(), "the centre is well again")
    while settled(station, pki) != RangeSet.of((1, 2), (4, 5)):
        pass
    rows = centre.ask(f"/api/v1/stations/{STATION}")
    assert LEVEL in json.dumps(rows)


def test_a_centre_whose_broker_is_away_says_so_and_stops_within_seconds(tmp_path: Path, pki: Pki) -> None:
    centre = Centre(tmp_path, free_port(), pki)
    centre.start()
    wait_for(lambda: centre.status()["broker"]["live"]["tries"] >= 1, "a try has failed")
    assert not centre.healthy()
    assert "nobody listens there" in centre.status()["faults"][0]
    assert centre.end(signal.SIGINT) == 0


@pytest.mark.broker
def test_a_store_that_is_away_is_said_and_nothing_is_receipted(
    tmp_path: Path, broker: Broker, pki: Pki, voice: Speak
) -> None:
    nowhere = f"{{kind: influx, url: 'http://127.0.0.1:{free_port()}', org: o, bucket: b}}"
    centre = Centre(tmp_path, broker.port, pki, store=nowhere)
    centre.command("station", "add", STATION)
    centre.start()
    wait_for(lambda: centre.status()["broker"]["live"]["connected"], "the broker is there")
    station = voice(STATION)
    station.say(data([1, 2, 4]))
    wait_for(lambda: any(fault.startswith("store") for fault in centre.status()["faults"]), "the fault is named")
    assert station.received.empty()
    assert centre.end() == 0
    centre.config.write_text(centre.config.read_text().replace(nowhere, "{kind: sqlite}"))
    centre.start()
    assert settled(station, pki) == RangeSet.of((1, 2), (4, 4)), "the broker kept it, unacknowledged"
    centre.end()


def test_systemd_is_told_when_the_centre_is_ready_and_when_it_stops(tmp_path: Path, pki: Pki) -> None:
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.bind(str(tmp_path / "notify"))
    ear.settimeout(PATIENCE_S)
    centre = Centre(tmp_path, free_port(), pki)
    centre.start(NOTIFY_SOCKET=str(tmp_path / "notify"))
    assert ear.recv(100) == b"READY=1"
    assert centre.end() == 0
    heard = []
    while not heard or heard[-1] != b"STOPPING=1":
        heard.append(ear.recv(100))
    ear.close()


def test_a_taken_port_is_named_and_nothing_starts(tmp_path: Path, pki: Pki) -> None:
    centre = Centre(tmp_path, free_port(), pki)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        centre.config.write_text(centre.config.read_text().replace("{port: 0}", f"{{port: {port}}}"))
        ended = centre.command("run")
    assert ended.returncode == 1
    assert f"the page cannot listen on 127.0.0.1 port {port}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.broker
@pytest.mark.influx
def test_an_influxdb_that_comes_back_gets_what_waited_and_the_map_of_stations(
    tmp_path: Path, broker: Broker, pki: Pki, voice: Speak
) -> None:
    influx = influx_or_skip(tmp_path / "influx")
    bucket = influx.bucket("haihe")
    (tmp_path / "token").write_text(influx.token or "any:thing")
    chosen = f"{{kind: influx, url: '{influx.url}', org: {ORG}, bucket: {bucket}, token_file: token}}"
    centre = Centre(tmp_path, broker.port, pki, store=chosen)
    try:
        influx.stop()  # in order: a kill right after it was made can lose the bucket itself
        centre.command("station", "add", STATION, "--name-en", "sluice")
        centre.start()
        wait_for(lambda: centre.status()["broker"]["live"]["connected"], "the broker is there")
        station = voice(STATION)
        station.say(data([1, 2, 4]))
        wait_for(lambda: any(fault.startswith("store") for fault in centre.status()["faults"]), "the fault is named")
        influx.start()
        name, _ = station.hear(40)
        assert name == topic.receipt(STATION, CENTRE)
        wait_for(centre.healthy, "the fault is over")
        asked = urllib.parse.urlencode({"db": "haihe", "q": f"SELECT \"name\" FROM station WHERE station='{STATION}'"})
        headers = {"Authorization": f"Token {influx.token}"} if influx.token else {}
        question = urllib.request.Request(f"{influx.url}/query?{asked}", headers=headers)
        wait_for(lambda: b"sluice" in urllib.request.urlopen(question, timeout=5).read(), "the map is written", 20)
        assert centre.end() == 0
    finally:
        centre.end()
        influx.stop()


@pytest.mark.broker
@pytest.mark.postgresql
def test_a_postgresql_that_is_restarted_is_said_waited_for_and_nothing_is_receipted_meanwhile(
    tmp_path: Path, broker: Broker, pki: Pki, voice: Speak, postgresql: "Postgresql"
) -> None:
    postgresql.ask("CREATE SCHEMA service")
    (tmp_path / "password").write_text(postgresql.password)
    chosen = f'{{kind: postgresql, conninfo: "{postgresql.conninfo("service")}", password_file: password}}'
    centre = Centre(tmp_path, broker.port, pki, database=chosen)
    try:
        assert centre.command("station", "add", STATION).returncode == 0
        assert STATION in centre.command("station", "list").stdout
        centre.start()
        wait_for(centre.healthy, "the centre is well")
        station = voice(STATION)
        station.say(data([1, 2, 4]))
        assert settled(station, pki) == RangeSet.of((1, 2), (4, 4))
        postgresql.stop()
        station.say(data([5]))
        wait_for(lambda: any(fault.startswith("database") for fault in centre.status()["faults"]), "the fault is named")
        with pytest.raises(urllib.error.HTTPError) as caught:
            centre.ask("/api/v1/stations")
        assert caught.value.code == 503
        assert json.load(caught.value)["what"] == "数据库暂时无法访问"
        ended = centre.command("station", "list")
        assert ended.returncode == 1
        assert "the database cannot be reached" in ended.stderr
        while not station.received.empty():  # one that was owed since the broker's second connection
            assert 5 not in settled(station, pki)
        postgresql.start()
        wait_for(lambda: settled(station, pki) == RangeSet.of((1, 2), (4, 5)), "the receipt")
        wait_for(centre.healthy, "the fault is over")
        assert centre.end() == 0
    finally:
        centre.end()
        if not postgresql.running:
            postgresql.start()


@pytest.mark.broker
def test_a_broker_that_sends_more_than_it_was_asked_for_is_never_hung_up_on(
    centre: Centre, voice: Speak, pki: Pki, broker: Broker
) -> None:
    """Mosquitto 2.0 does so with a session that it resumes after its own restart with a long queue."""
    station, last = voice(STATION), 4000
    assert not station.say(data([1, 2, 3])).is_failure
    assert settled(station, pki) == RangeSet.of((1, 3))
    broker.stop()
    wait_for(lambda: not centre.status()["broker"]["live"]["connected"], "the centre has seen it")
    centre.end()
    broker.start()
    wait_for(station.client.is_connected, "the station is back")
    for number in range(4, last):
        station.client.publish(topic.up(STATION, 1), data([2, number]), qos=1)
    assert not station.say(data([2, last])).is_failure  # the broker has taken all of them
    centre.start()
    hung_up = "waiting room is full"
    wait_for(
        lambda: centre.status()["ingest"]["messages"] >= last - 3 or hung_up in centre.log(), "all are worked off", 60
    )
    state = centre.status()
    assert hung_up not in centre.log()
    assert state["ingest"]["dropped_without_acknowledgement"] == 0
    assert state["broker"]["live"]["connected"]
    while settled(station, pki) != RangeSet.of((1, last)):
        pass
