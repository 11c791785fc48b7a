"""The whole way by hand, there and back: agent, broker, centre and every command are real, only the link is cut."""

import asyncio
import json
import random
import shutil
import signal
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from haihe_cloud.opening import open_store
from haihe_cloud.settings import load_settings
from haihe_contract import topic, wire
from haihe_contract.bundle import read_receipts
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.record import Readings, Record
from haihe_edge.qualify import CounterState
from haihe_edge.remember.site_states import COUNTER
from haihe_simulators.link import Link

from tests.cloud.samples import STATION
from tests.cloud.service.agent import Agent, Way
from tests.cloud.service.test_bundle_commands import load, tables
from tests.cloud.service.test_service import Centre
from tests.conftest import CENTRE, Broker, Pki, Voice, wait_for
from tests.edge.carry.carried import Records, in_bundles, numbers_of
from tests.edge.radar import Radar

pytestmark = pytest.mark.broker
PATIENCE_S = 60
GAUGE_UNIT, TENTHS = 2, 1124
_GAUGE = """
station: {{code: "{station}", name: {{zh: 三岔口, en: Sanchakou}}, latitude: 39.1, longitude: 117.2}}
buses: [{{kind: tcp, name: net, host: 127.0.0.1, port: {port}}}]
instruments:
  - name: rain
    profile: generic-rs485-tipping-bucket-cn
    bus: net
    unit: {unit}
    every: 200ms
    series:
      - {{point: rain_counter_1, derive: {{element: period_rain, every: 5min}}}}
      - {{point: rain_counter_1, at: corrected, times: 1, plus: 8.35}}
"""


class CutLink:
    """The station's link to the broker, which begins cut; in a thread of its own."""

    def __init__(self, broker: Broker) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._link = Link((broker.host, broker.port), chance=random.Random(1))
        self._do(self._link.start())
        self.port = self._link.port
        self.cut()

    def cut(self) -> None:
        self._do(self._link.cut())

    def mend(self) -> None:
        self._do(self._link.mend())

    def end(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


class Ear:
    """All numbers that ever reach the broker from stations."""

    def __init__(self, broker: Broker, pki: Pki) -> None:
        self._voice = Voice(broker, pki, "ear", listens_to=topic.UP_FILTER, keys="centre")
        self._heard: dict[int, RangeSet] = {}

    def heard(self) -> dict[int, RangeSet]:
        while not self._voice.received.empty():
            name, payload = self._voice.hear()
            if topic.is_state_asked(name):
                continue
            batch = wire.decode(payload)
            numbers = RangeSet.from_numbers(record.number for record in batch.records)
            self._heard[batch.line] = self._heard.get(batch.line, EMPTY) | numbers
        return self._heard

    def close(self) -> None:
        self._voice.close()


@pytest.fixture
def link(broker: Broker) -> Iterator[CutLink]:
    made = CutLink(broker)
    yield made
    made.end()


@pytest.fixture
def ear(broker: Broker, pki: Pki) -> Iterator[Ear]:
    made = Ear(broker, pki)
    yield made
    made.close()


@pytest.fixture
def centre(tmp_path: Path, broker: Broker, pki: Pki) -> Iterator[Centre]:
    made = Centre(tmp_path, broker.port, pki)
    assert made.command("station", "add", STATION).returncode == 0
    made.start()
    yield made
    made.end(signal.SIGKILL)


@pytest.fixture
def agent(tmp_path: Path, link: CutLink, pki: Pki) -> Iterator[Agent]:
    gauge = Radar(GAUGE_UNIT, [TENTHS, 0, 0])
    made = Agent(
        tmp_path / "card",
        _GAUGE.format(station=STATION, port=gauge.port, unit=GAUGE_UNIT),
        [Way(CENTRE, link.port, pki)],
    )
    yield made
    made.end(signal.SIGKILL)
    gauge.close()


def written(agent: Agent, stick: Path) -> list[Path]:
    stick.mkdir()
    done = agent.haihe("bundle", "write", str(agent.site), "--to", str(stick), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return [Path(file["file"]) for bundle in json.loads(done.stdout)["bundles"] for file in bundle["files"]]


def held(centre: Centre) -> dict[int, RangeSet]:
    return {line: numbers for line, _, _, numbers, _, _ in tables(centre)["lines"]}


def whole(centre: Centre) -> bool:
    """Whether the ledger holds every number that the station has ever told it of."""
    listed = json.loads(centre.command("ledger", "show", "--json").stdout)["lines"]
    return all(each["held"] == [[1, each["head"]]] and not each["lost"] for each in listed)


def in_store(centre: Centre) -> set[tuple[int, int]]:
    """Line and number of every row, whether it is shown or not."""
    store = open_store(load_settings(centre.config))
    rows = [row for key in store.series(STATION) for row in store.read(STATION, key, 0, 2**41)]
    found = {(row.line, row.number) for row in [*rows, *(each.reading for each in store.conflicts(STATION))]}
    store.close()
    return found


def with_values(records: Records) -> set[tuple[int, int]]:
    decoded = {key: msgspec.msgpack.decode(data, type=Record) for key, data in records.items()}
    return {key for key, record in decoded.items() if isinstance(record.body, Readings)}


def test_what_a_crew_carries_arrives_is_known_at_the_station_is_never_sent_again_and_begins_a_new_card(
    centre: Centre, agent: Agent, link: CutLink, ear: Ear, tmp_path: Path
) -> None:
    agent.start()
    wait_for(lambda: agent.head() > 12, "some records are durable", PATIENCE_S)
    agent.end(signal.SIGKILL)  # so that the journal has two lines
    agent.start()
    wait_for(lambda: agent.head() > 12, "some more are", PATIENCE_S)

    # Out by hand.
    files = written(agent, tmp_path / "stick")
    carried = in_bundles(files)
    lines = numbers_of(carried)
    _, second = lines
    wait_for(centre.healthy, "the centre is well", PATIENCE_S)
    (station,) = load(centre, *files)["stations"]
    assert (station["records"], station["new"]) == (len(carried), len(carried))
    assert (station["refused"], station["left"], station["unread"]) == (0, 0, [])
    assert held(centre) == lines
    assert with_values(carried)
    assert in_store(centre) >= with_values(carried)
    assert ear.heard() == {}, "nothing of it came over the link"

    # And back by hand: the station knows.
    told = Path(station["receipts"])
    assert read_receipts(told.read_bytes())
    done = agent.haihe("bundle", "receipts", str(told), "--site", str(agent.site), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["running"]
    assert said["centres"][0]["new"] == len(carried)
    status = agent.status()
    assert status
    later = status["journal"]["head"] - lines[second].last
    assert status["centres"][0]["waiting_records"] <= later, "of what was carried nothing waits"

    # The link is back.
    link.mend()
    known = agent.head()
    wait_for(lambda: held(centre)[second].last > known, "live goes on", PATIENCE_S)
    wait_for(lambda: ear.heard().get(second, EMPTY).last > known, "and was heard", PATIENCE_S)
    wait_for(lambda: not held(centre)[second].holes(1, known), "nothing is missing between", PATIENCE_S)
    for line, numbers in ear.heard().items():
        assert not numbers & lines[line], "what was carried is not sent again"

    # The crew is not sure whether it has been here.
    again = centre.command("bundle", "import", *map(str, files))
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "all of it was here already")

    # The card is dying: what is left of it goes by hand once more, and a new one begins from that.
    link.cut()
    agent.end()
    rest = written(agent, tmp_path / "another stick")
    left = numbers_of(in_bundles(rest))
    dictionary = RangeSet.of((2, 2))
    for line, numbers in left.items():
        assert not (numbers - dictionary) & lines[line], "what is known to be there is not carried again"
    load(centre, *rest)
    site = agent.site.read_bytes()
    shutil.rmtree(agent.directory)
    agent.directory.mkdir()
    done = agent.haihe("init", str(agent.site), "--restore", str(rest[0]), "--yes", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert (said["site_written"], [each.startswith(COUNTER) for each in said["restored"]]) == (True, [True])
    assert agent.site.read_bytes() == site
    counters = msgspec.json.decode(
        (agent.directory / "journal" / "counters.json").read_bytes(), type=dict[str, CounterState]
    )
    assert [each.value for each in counters.values()] == [TENTHS / 10]
    link.mend()
    agent.start()
    wait_for(lambda: len(held(centre)) == 3, "the new card has a line of its own", PATIENCE_S)
    (third,) = held(centre).keys() - lines.keys()
    wait_for(lambda: held(centre)[third].last > 12, "and sends", PATIENCE_S)
    wait_for(lambda: whole(centre), "each number of each line is here", PATIENCE_S)
    audit = centre.command("ledger", "audit")
    assert audit.returncode == 0, audit.stdout
    assert in_store(centre) >= with_values({**carried, **in_bundles(rest)})
