"""A centre that was put back in time without a word finds out by itself; two centres; a broker that forgets all."""

import json
import random
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from haihe_cloud.admit.pki import Pki, load_receipt_key
from haihe_contract import receipt as receipts
from haihe_contract import topic
from haihe_contract.clock import SystemClock
from haihe_contract.ed25519 import PublicKey
from haihe_contract.ranges import RangeSet
from haihe_contract.record import Dictionary, Opened, Readings
from haihe_edge.journal import Folder, Journal

from tests.cloud.samples import LINE, SERIES, STATION, data
from tests.cloud.service.agent import Agent, Way
from tests.cloud.service.test_service import Centre, settled
from tests.conftest import CENTRE, Broker, Voice, wait_for
from tests.edge.radar import Radar, radar_site

pytestmark = pytest.mark.broker
Speak = Callable[[str], Voice]


@pytest.fixture(scope="module")
def instrument() -> Iterator[Radar]:
    made = Radar()
    yield made
    made.close()


@pytest.fixture
def centre(tmp_path: Path, broker: Broker, pki: Pki) -> Iterator[Centre]:
    made = Centre(tmp_path, broker.port, pki)
    assert made.command("station", "add", STATION).returncode == 0
    yield made
    made.end(signal.SIGKILL)


@pytest.fixture
def agent(tmp_path: Path, broker: Broker, pki: Pki, instrument: Radar) -> Iterator[Agent]:
    made = Agent(tmp_path / "station", radar_site(instrument.port), [Way(CENTRE, broker.port, pki)])
    yield made
    made.end(signal.SIGKILL)


def started(centre: Centre) -> Centre:
    centre.start()
    wait_for(centre.healthy, "the centre is well", 30)
    return centre


def lines(centre: Centre) -> dict[str, Any]:
    """The ledger by line, as its command shows it."""
    shown = json.loads(centre.command("ledger", "show", "--json").stdout)
    return {each["line"]: each for each in shown["lines"]}


def held(centre: Centre) -> RangeSet:
    (line,) = lines(centre).values()
    return RangeSet([(first, last) for first, last in line["held"]])


def copy(centre: Centre, to: Path) -> None:
    """As somebody does it by hand, with the centre stopped."""
    shutil.copytree(centre.directory / "data", to)


def put_back(centre: Centre, copied: Path) -> None:
    shutil.rmtree(centre.directory / "data")
    shutil.copytree(copied, centre.directory / "data")


def test_a_data_directory_put_back_by_hand_begins_a_new_epoch_and_real_stations_send_again(
    centre: Centre, agent: Agent, tmp_path: Path
) -> None:
    started(centre)
    agent.start()
    wait_for(lambda: agent.head() > 15 and agent.waiting(CENTRE) < 5, "records are receipted", 30)
    assert centre.end() == 0
    before = int(json.loads(centre.command("ledger", "show", "--json").stdout)["epoch"])
    copy(centre, tmp_path / "yesterday")
    known = held(centre).last
    started(centre)
    wait_for(lambda: held(centre).last > known + 20, "more is receipted", 30)
    agent.end()  # the station is away when the centre comes back: only the broker remembers
    wait_for(lambda: centre.status()["ingest"]["urgent_in_room"] == 0, "all of it is taken")
    assert centre.end() == 0
    forgotten = held(centre)
    put_back(centre, tmp_path / "yesterday")
    assert not held(centre).covers(forgotten)
    started(centre)
    assert "restored from a backup without a word" in centre.log()
    status = centre.status()
    assert int(status["epoch"]) > before
    assert status["epochs"][0]["cause"] == "contradicted"
    told = centre.ask(f"/api/v1/stations/{STATION}")
    assert "centre_restored" in json.dumps(told)
    agent.start()
    wait_for(lambda: held_of_all(centre).covers(forgotten), "the station has sent again what the centre forgot", 40)
    assert all(not each["lost"] for each in lines(centre).values())
    assert centre.end() == 0
    epoch = int(json.loads(centre.command("ledger", "show", "--json").stdout)["epoch"])
    started(centre)
    assert int(centre.status()["epoch"]) == epoch, "a start without a restore begins nothing"


def held_of_all(centre: Centre) -> RangeSet:
    """The numbers of the line with most of them: the first of this test."""
    best = max(lines(centre).values(), key=lambda line: line["head"])
    return RangeSet([(first, last) for first, last in best["held"]])


def test_what_a_station_no_longer_has_after_a_restore_is_named_as_lost(
    centre: Centre, voice: Speak, pki: Pki, tmp_path: Path
) -> None:
    started(centre)
    station = voice(STATION)
    station.say(data(range(1, 11)))
    assert settled(station, pki) == RangeSet.of((1, 10))
    assert centre.end() == 0
    copy(centre, tmp_path / "yesterday")
    started(centre)
    station.say(data(range(11, 21)))
    wait_for(lambda: settled(station, pki) == RangeSet.of((1, 20)), "all is receipted")
    assert centre.end() == 0
    put_back(centre, tmp_path / "yesterday")
    centre.start()
    key = PublicKey(load_receipt_key(pki.receipt_key).public_key().public_bytes_raw())
    name, payload = station.hear(20)
    fresh = receipts.verify(payload, key, centre=CENTRE, station=STATION)
    assert (name, fresh.epoch) == (topic.receipt(STATION, CENTRE), int(centre.status()["epoch"]))
    assert fresh.settled()[LINE] == RangeSet.of((1, 10)), "the void receipt is replaced before anything is taken in"
    station.say(data(range(18, 21), tail=18))
    wait_for(lambda: settled(station, pki) == RangeSet.of((1, 10), (18, 20)), "what it still has")
    (line,) = lines(centre).values()
    assert line["lost"] == [[11, 17]]
    assert centre.command("ledger", "show").returncode == 1


def test_an_empty_ledger_under_a_clock_that_runs_behind_takes_an_epoch_above_the_one_it_had(
    centre: Centre, voice: Speak, pki: Pki
) -> None:
    started(centre)
    station = voice(STATION)
    station.say(data([1, 2, 4]))
    settled(station, pki)
    before = int(centre.status()["epoch"])
    assert centre.end() == 0
    shutil.rmtree(centre.directory / "data")
    assert centre.command("station", "add", STATION).returncode == 0
    assert centre.command("ledger", "renew").returncode == 0
    with sqlite3.connect(centre.directory / "data" / "haihe.db") as ledger:  # as a clock of 1970 would have it
        ledger.execute("UPDATE meta SET value=5 WHERE name='epoch'")
        ledger.execute("DELETE FROM epoch")
    ledger.close()
    started(centre)
    assert int(centre.status()["epoch"]) > before


def test_a_broker_that_forgets_everything_costs_repetitions_and_nothing_else(
    centre: Centre, agent: Agent, broker: Broker, pki: Pki
) -> None:
    started(centre)
    agent.start()
    wait_for(lambda: agent.head() > 10 and agent.waiting(CENTRE) < 5, "records are receipted", 30)
    broker.kill()
    broker.forget()
    known = agent.head()
    wait_for(lambda: agent.head() > known + 10, "it measures on", 30)
    broker.start()
    wait_for(centre.healthy, "the centre is well again", 30)
    ear = Voice(broker, pki, "ear", listens_to=topic.receipt(STATION, CENTRE), keys="centre")
    name, _ = ear.hear(30)
    ear.close()
    assert name == topic.receipt(STATION, CENTRE), "retained again"
    wait_for(lambda: agent.waiting(CENTRE) < 5 and held(centre).last > known + 10, "all is receipted", 40)
    (line,) = lines(centre).values()
    assert line["lost"] == []
    assert RangeSet([(first, last) for first, last in line["held"]]).covers(RangeSet.of((1, known)))
    assert centre.status()["epochs"][0]["cause"] == "made", "a broker's forgetting is no restore"


def test_of_two_centres_only_the_required_one_lets_a_station_free_and_the_other_catches_up(
    centre: Centre,
    province: tuple[Centre, Broker, Pki],
    tmp_path: Path,
    broker: Broker,
    pki: Pki,
    instrument: Radar,
) -> None:
    second, second_broker, second_keys = province
    ways = [Way(CENTRE, broker.port, pki), Way("province", second_broker.port, second_keys, required=False)]
    agent = Agent(tmp_path / "station", radar_site(instrument.port), ways)
    try:
        started(second)
        agent.start()  # the required centre is away
        wait_for(lambda: agent.head() > 30 and agent.waiting("province") < 5, "the other one has receipted", 30)
        assert agent.waiting(CENTRE) >= 30, "no receipt of the other counts for the required one"
        started(centre)
        second.end()
        wait_for(lambda: agent.waiting(CENTRE) < 5, "the required one has all", 30)
        known = agent.head()
        wait_for(lambda: agent.head() > known + 20, "more is measured while the other is away", 30)
        started(second)
        wait_for(lambda: agent.waiting("province") < 5, "the other has caught up", 40)
        agent.end()
        wait_for(lambda: held(second) == held(centre), "both ledgers have the same", 20)
        assert held(centre).covers(RangeSet.of((1, known + 20)))
        assert second.status()["epoch"] != centre.status()["epoch"], "each has its own"
        assert [each["lost"] for each in (*lines(centre).values(), *lines(second).values())] == [[], []]
        assert second.end() == 0
    finally:
        agent.end(signal.SIGKILL)


def fill(folder: Path, size: int) -> None:
    """A journal at its limit, of readings that nobody has receipted."""
    chance, now_ms = random.Random(7), SystemClock().now_ms()
    journal = Journal.open(
        Folder(folder),
        size=size,
        clock=SystemClock(),
        entropy=lambda: chance.getrandbits(64),
        dictionary=Dictionary(SERIES),
        opened=lambda line, last, ms, closed: Opened(now_ms, "b", 1, 5, line, last, ms, 1000, closed, "0", "s"),
    )
    time_ms = now_ms - 86_400_000
    while journal.bytes_used() < size - 2 * 1024:
        for _ in range(20):
            time_ms += 1000
            journal.append(Readings(time_ms, 5, [0, 1], [chance.random(), chance.random()]))
        journal.commit()
    journal.close()


def test_a_full_journal_frees_nothing_in_silence_that_only_the_other_centre_has(
    centre: Centre,
    province: tuple[Centre, Broker, Pki],
    tmp_path: Path,
    broker: Broker,
    pki: Pki,
    instrument: Radar,
) -> None:
    second, second_broker, second_keys = province
    ways = [Way(CENTRE, broker.port, pki), Way("province", second_broker.port, second_keys, required=False)]
    agent = Agent(tmp_path / "station", radar_site(instrument.port), ways, size="1MiB")
    fill(tmp_path / "station" / "journal", 1024 * 1024)
    try:
        started(second)
        for _ in range(4):  # each opening needs room, and the required centre is away
            agent.start()
            wait_for(lambda: agent.waiting("province") < 5 and agent.head() > 5, "the other has receipted all", 60)
            agent.end()
        agent.start()
        started(centre)
        wait_for(lambda: agent.waiting(CENTRE) < 5, "the required centre has what there is", 60)
        agent.end()
        wait_for(lambda: explained(centre), "each number is here, or its gap is", 20)
        gaps = sum(last - first + 1 for each in lines(centre).values() for first, last in each["gaps"])
        assert gaps > 0, "room was made, and said"
        assert second.end() == 0
    finally:
        agent.end(signal.SIGKILL)


def explained(centre: Centre) -> bool:
    """Whether nothing that any line ever had is missing without a word."""
    return all(not each["lost"] and not each["awaited"] for each in lines(centre).values())
