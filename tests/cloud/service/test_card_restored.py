"""A station's card has died: a new one asks the centre over the link, and the station goes on where it was."""

import copy
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from haihe_cloud.admit.pki import Pki
from haihe_cloud.opening import open_store
from haihe_cloud.settings import load_settings
from haihe_contract import topic, wire
from haihe_contract.clock import SystemClock
from haihe_contract.quality import Grade, Reason
from haihe_contract.record import Record
from haihe_edge.acquire import Group
from haihe_edge.qualify import CounterState
from haihe_edge.site import Site, load_site
from haihe_edge.station import StationAgent

from tests.clocks import HandClock
from tests.cloud.samples import STATION
from tests.cloud.service.agent import Way, rest_of_site
from tests.cloud.service.test_service import Centre
from tests.conftest import CENTRE, Broker, Voice, free_port, wait_for
from tests.docs.json_page import holds
from tests.edge.field.test_restore import recorded
from tests.edge.radar import Radar

pytestmark = pytest.mark.broker
Speak = Callable[[str], Voice]
ROOT = Path(__file__).parents[3]
PROFILES = ROOT / "firmware_profiles"
MINUTE_MS = 60_000
PERIOD_MS = 5 * MINUTE_MS
GAUGE_UNIT = 2

_SITE = """
station: {{code: "{station}", name: {{zh: 三岔口, en: Sanchakou}}, latitude: 39.1, longitude: 117.2}}
buses: [{{kind: tcp, name: net, host: 127.0.0.1, port: {port}}}]
instruments:
  - name: rain
    profile: generic-rs485-tipping-bucket-cn
    bus: net
    unit: 2
    every: 1s
    series:
      - {{point: rain_counter_1, derive: {{element: period_rain, every: 5min}}}}
      - {{point: rain_counter_1, at: corrected, times: 1, plus: {offset}}}
"""


class Card:
    """The folder of a station: its site file and what its agent writes; keys lie elsewhere."""

    def __init__(self, folder: Path, ways: list[Way], *, instrument_port: int = 9, offset: float = 8.35) -> None:
        self.folder = folder
        folder.mkdir()
        self.site = folder / "site.yaml"
        text = _SITE.format(station=STATION, port=instrument_port, offset=offset) + rest_of_site(ways)
        # as long as a site file with twenty instruments is once it is packed: about 10 KB
        noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=12_000))
        self.site.write_text(text + f"# {noise}\n", "utf-8")

    def load(self) -> Site:
        return load_site(self.site, [PROFILES])

    def counters(self) -> dict[str, CounterState]:
        found = (self.folder / "journal" / "counters.json").read_bytes()
        return msgspec.json.decode(found, type=dict[str, CounterState])

    def haihe(self, *words: str, lang: str = "en") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "haihe_edge", *words, "--lang", lang],
            capture_output=True, text=True, timeout=60, env=self.environment(), check=False,
        )  # fmt: skip

    def restore(self, *words: str, lang: str = "en") -> "subprocess.CompletedProcess[str]":
        done = self.haihe("init", str(self.site), "--restore", "--yes", *words, lang=lang)
        assert "Traceback" not in done.stderr
        return done

    @staticmethod
    def environment() -> dict[str, str]:
        return {**os.environ, "HAIHE_PROFILES": str(PROFILES)}


class OldAgent:
    """The agent of the card that will die: real, under a clock that began half an hour ago, its polls played."""

    def __init__(self, card: Card, voice: Voice) -> None:
        self.card, self.voice = card, voice
        begin = SystemClock().now_ms() - 30 * MINUTE_MS
        self.clock = HandClock(begin - begin % PERIOD_MS)
        self.begin_ms = self.clock.ms
        self.agent = StationAgent(card.load(), self.clock, random.Random(1))

    def polls(self, *totals: float) -> None:
        """A total in mm a minute."""
        for total in totals:
            group = Group(self.clock.ms, Grade.NTP, self.clock.ms, "rain", [(0, total, Reason.NONE)])
            self.agent.take(group)
            self.clock.ms += MINUTE_MS

    def tell(self) -> None:
        """Record the states."""
        self.agent._record_states()

    def send_all_and_die(self) -> list[Record]:
        journal = self.agent.recorder.journal
        line = journal.line
        records = recorded(journal, self.card.folder / "journal")
        batch = wire.Batch(STATION, line, 1, records[-1].number, 1, records)
        assert not self.voice.say(wire.encode(batch)).is_failure
        self.voice.hear()  # its receipt: the centre has it
        shutil.rmtree(self.card.folder)
        return records


@pytest.fixture
def centre(tmp_path: Path, broker: Broker, pki: Pki) -> Iterator[Centre]:
    made = Centre(tmp_path, broker.port, pki)
    assert made.command("station", "add", STATION).returncode == 0
    made.start()
    wait_for(made.healthy, "the centre is well", 20)
    yield made
    made.end(signal.SIGKILL)


def rain_at(centre: Centre, site: Site) -> dict[int, float]:
    """Every amount of rain that the stopped centre has, shown or in conflict, by the end of its interval."""
    key = site.series[site.counters[0].number].key
    store = open_store(load_settings(centre.config))
    rows = store.read(STATION, key, 0, SystemClock().now_ms() + 86_400_000)
    rivals = [each.reading for each in store.conflicts(STATION) if each.reading.value is not None]
    store.close()
    assert rivals == [], "two amounts for one interval"
    return {row.time_ms: row.value for row in rows if row.value is not None}


@pytest.mark.parametrize("fell_meanwhile", [0.0, 2.5])
def test_a_card_dies_and_the_new_one_goes_on_with_offsets_and_counters_and_invents_no_rain(
    centre: Centre, broker: Broker, pki: Pki, voice: Speak, tmp_path: Path, fell_meanwhile: float
) -> None:
    gauge = Radar(GAUGE_UNIT, [round((112.0 + fell_meanwhile) * 10), 0, 0])
    ways = [Way(CENTRE, broker.port, pki)]
    card = Card(tmp_path / "old", ways, instrument_port=gauge.port)
    before, site_file = card.load(), card.site.read_bytes()
    old = OldAgent(card, voice(STATION))
    old.polls(*[100.0 + minute for minute in range(13)])  # 1 mm a minute, then dry
    old.tell()
    told = copy.deepcopy(old.agent.counted.states())
    old.polls(112.0, 112.0, 112.0, 112.0)  # it lives on, and its last word of the counter is some minutes old
    old.send_all_and_die()

    card = Card(tmp_path / "new", ways, instrument_port=gauge.port, offset=8.10)  # the laptop's copy is an older one
    os.utime(card.site, (1_790_000_000, 1_790_000_000))
    done = card.restore()
    assert done.returncode == 0, done.stderr
    assert f"centre {CENTRE}: 2 states" in done.stdout
    assert "times: 1, plus: 8.1}" in done.stdout, "the technician sees what changes"
    assert "times: 1, plus: 8.35}" in done.stdout
    assert card.site.read_bytes() == site_file
    assert card.load().fingerprint == before.fingerprint
    assert [(each.key, each.plus) for each in card.load().series] == [(each.key, each.plus) for each in before.series]
    assert card.counters() == told

    process = subprocess.Popen(
        [sys.executable, "-m", "haihe_edge", "run", str(card.site)], env=card.environment(), stderr=subprocess.DEVNULL
    )

    def settled() -> bool:
        said = json.loads(card.haihe("status", str(card.site), "--json").stdout)
        return bool(said["running"]) and said["journal"]["head"] > 6 and said["centres"][0]["waiting_records"] < 3

    wait_for(settled, "the new card's readings have receipts", 30)
    audit = centre.command("ledger", "audit")
    assert audit.returncode == 0, audit.stdout
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    gauge.close()
    centre.end()

    rain = rain_at(centre, before)
    first, second, third = (old.begin_ms + n * PERIOD_MS for n in (1, 2, 3))
    assert (rain[first], rain[second], rain[third]) == (5.0, 5.0, 2.0), "what the old card had told"
    later = {end: mm for end, mm in rain.items() if end > third}
    if fell_meanwhile:
        assert later == {}, "nobody knows when it fell: no interval gets it"
    else:
        assert later, "the counter stood still: it is known that these were dry"
        assert set(later.values()) == {0.0}


def test_a_restore_leaves_nothing_at_the_broker_and_pushes_no_running_agent_off(
    centre: Centre, broker: Broker, pki: Pki, tmp_path: Path
) -> None:
    agent = Voice(broker, pki, STATION, client=STATION)  # as an agent connects
    pushed: list[object] = []
    agent.client.on_disconnect = lambda *why: pushed.append(why)
    old = OldAgent(Card(tmp_path / "old", [Way(CENTRE, broker.port, pki)]), agent)
    old.tell()
    old.send_all_and_die()
    card = Card(tmp_path / "new", [Way(CENTRE, broker.port, pki)])
    said = json.loads(card.restore("--force", "--json").stdout)
    assert said["station"] == STATION
    assert said["centres"] == [{"name": CENTRE, "states": 1, "left_out": 0}]
    holds("haihe-edge init", said, shown_elsewhere=("centres[].what",))
    wait_for(lambda: agent.hear()[0] == topic.state(STATION, CENTRE), "a running agent hears it too")
    assert pushed == []
    ear = Voice(broker, pki, "ear", listens_to=topic.state(STATION, CENTRE), keys="centre")
    ear.client.subscribe(topic.receipt(STATION, CENTRE), qos=1)
    assert ear.hear()[0] == topic.receipt(STATION, CENTRE), "that is retained, and the answer is not"
    ear.close()
    agent.close()


def test_a_station_can_neither_ask_for_another_nor_hear_what_it_is_told(
    centre: Centre, broker: Broker, pki: Pki, voice: Speak, tmp_path: Path
) -> None:
    other = "31005651"
    assert centre.command("station", "add", other).returncode == 0
    victim, thief = voice(STATION), voice(other)
    old = OldAgent(Card(tmp_path / "old", [Way(CENTRE, broker.port, pki)]), victim)
    old.tell()
    old.send_all_and_die()
    question = bytes(16)
    assert thief.say(question, to=topic.state_asked(STATION)).is_failure
    assert thief.say(question, to=topic.state(other, CENTRE)).is_failure
    thief.client.subscribe([(topic.state(STATION, CENTRE), 1), ("haihe/#", 1), (topic.STATE_FILTER, 1)])
    assert not victim.say(question, to=topic.state_asked(STATION)).is_failure
    wait_for(lambda: victim.hear()[0] == topic.state(STATION, CENTRE), "it is answered")
    assert thief.received.empty()


def problem(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_a_centre_that_says_nothing_is_told_from_one_that_cannot_be_reached(
    broker: Broker, pki: Pki, tmp_path: Path
) -> None:
    card = Card(tmp_path / "new", [Way(CENTRE, broker.port, pki)])
    text = card.site.read_bytes()
    assert f"centre {CENTRE} has not answered within 2 s" in problem(card.restore("--wait", "2"))
    assert f"中心 {CENTRE} 在 2 秒内没有答复" in problem(card.restore("--wait", "2", lang="zh"))
    broker.stop()
    said = problem(card.restore("--wait", "5"))
    assert f"centre {CENTRE} cannot be reached: 127.0.0.1:{broker.port}: Connection refused" in said
    assert "--restore FILE" in said
    said = problem(card.restore("--wait", "5", lang="zh"))
    assert f"无法连接中心 {CENTRE}：127.0.0.1:{broker.port}：对方拒绝连接" in said
    assert "do" not in said.split(), "no line is left in English"
    assert card.site.read_bytes() == text
    assert [path.name for path in card.folder.iterdir()] == ["site.yaml"]
    assert card.restore("--wait", "0").returncode == card.restore("--wait", "nan").returncode == 2


def test_a_station_that_is_not_registered_or_has_told_nothing_hears_so(
    centre: Centre, broker: Broker, pki: Pki, voice: Speak, tmp_path: Path
) -> None:
    card = Card(tmp_path / "new", [Way(CENTRE, broker.port, pki)])
    assert f"centre {CENTRE} holds no state of station {STATION}" in problem(card.restore())
    assert f"中心 {CENTRE} 没有测站 {STATION} 的状态" in problem(card.restore(lang="zh"))
    old = OldAgent(Card(tmp_path / "old", [Way(CENTRE, broker.port, pki)]), voice(STATION))
    old.tell()
    old.send_all_and_die()
    assert centre.command("station", "remove", STATION).returncode == 0
    said = problem(card.restore())
    assert f"centre {CENTRE} does not know station {STATION}" in said
    assert f"haihe-cloud station add {STATION}" in said
    assert f"中心 {CENTRE} 没有登记测站 {STATION}" in problem(card.restore(lang="zh"))
    unknown = json.loads(centre.command("station", "list", "--json").stdout)["unknown"]
    assert [each["code"] for each in unknown] == [STATION], "the centre's people see that it asks"
    assert centre.command("station", "add", STATION).returncode == 0
    assert card.restore("--force").returncode == 0


def test_an_answer_that_the_centre_has_not_signed_is_not_believed(
    centre: Centre, broker: Broker, pki: Pki, voice: Speak, tmp_path: Path
) -> None:
    old = OldAgent(Card(tmp_path / "old", [Way(CENTRE, broker.port, pki)]), voice(STATION))
    old.tell()
    old.send_all_and_die()
    card = Card(tmp_path / "new", [Way(CENTRE, broker.port, pki)])
    stranger = Pki(tmp_path / "stranger", SystemClock())
    stranger.init()
    stranger.make_receipt_key()
    text = card.site.read_text("utf-8")
    card.site.write_text(text.replace(f"{pki.directory}/receipt.pub", f"{stranger.directory}/receipt.pub"), "utf-8")
    said = problem(card.restore("--wait", "3", "--force"))
    assert f"the answer of centre {CENTRE} is not believed: the signature is not of the centre's receipt key" in said
    assert "签名与该中心的回执公钥不符" in problem(card.restore("--wait", "3", "--force", lang="zh"))
    assert not (card.folder / "journal").exists()


def test_keys_that_do_not_fit_are_named_before_anybody_is_asked(broker: Broker, pki: Pki, tmp_path: Path) -> None:
    card = Card(tmp_path / "new", [Way(CENTRE, broker.port, pki)])
    text = card.site.read_text("utf-8")
    stranger = Pki(tmp_path / "stranger", SystemClock())
    stranger.init()
    card.site.write_text(text.replace(f"ca: {pki.directory}/ca.pem", f"ca: {stranger.directory}/ca.pem"), "utf-8")
    assert "the broker's certificate is not trusted" in problem(card.restore())
    assert "不信任消息服务器的证书" in problem(card.restore(lang="zh"))
    card.site.write_text(text.replace(f"stations/{STATION}.pem", "stations/none.pem"), "utf-8")
    assert "the certificates cannot be used: No such file or directory" in problem(card.restore())
    assert "证书无法使用：没有这个文件或目录" in problem(card.restore(lang="zh"))


def test_of_two_centres_the_later_word_counts_and_one_is_enough(
    centre: Centre, province: tuple[Centre, Broker, Pki], broker: Broker, pki: Pki, voice: Speak, tmp_path: Path
) -> None:
    second, second_broker, second_keys = province
    second.start()
    wait_for(second.healthy, "the second centre is well", 20)
    ways = [Way(CENTRE, broker.port, pki), Way("province", second_broker.port, second_keys)]
    old = OldAgent(Card(tmp_path / "old", ways), voice(STATION))
    old.polls(100.0, 101.0)
    old.tell()
    journal = old.agent.recorder.journal
    journal.commit()
    early = [record for records in journal._recent for record in records]
    there = Voice(second_broker, second_keys, STATION)
    there.say(wire.encode(wire.Batch(STATION, journal.line, 1, early[-1].number, 1, early)))
    there.hear()
    there.close()
    for minute in range(6):  # only the first centre hears the rest
        old.polls(102.0 + minute)
    old.tell()
    later = old.agent.counted.states()
    old.send_all_and_die()

    card = Card(tmp_path / "new", ways)
    done = card.restore("--force", "--json")
    said = json.loads(done.stdout)
    assert [(each["name"], each["states"]) for each in said["centres"]] == [(CENTRE, 2), ("province", 2)]
    assert card.counters() == later
    broker.stop()
    shutil.rmtree(card.folder)
    card = Card(tmp_path / "new", ways)
    done = card.restore("--force", "--wait", "10")
    assert done.returncode == 0
    assert "! centre haihe cannot be reached" in done.stderr
    assert next(iter(card.counters().values())).value == 101.0
    second.end()
    second_broker.stop()
    done = card.restore("--force", "--wait", "10")
    assert "! centre province cannot be reached" in problem(done)
    assert "centre haihe cannot be reached" in done.stderr


def test_without_a_site_file_nobody_can_be_asked(tmp_path: Path, pki: Pki) -> None:
    card = Card(tmp_path / "new", [Way(CENTRE, free_port(), pki)])
    card.site.unlink()
    assert "there is no site file, and so no centre to ask" in problem(card.restore())
    lonely = Card(tmp_path / "lonely", [])
    lonely.site.write_text(lonely.site.read_text("utf-8").replace("centres:\n", ""), "utf-8")
    assert "names no centre that could be asked" in problem(lonely.restore())
    assert "没有可查询的中心" in problem(lonely.restore(lang="zh"))
