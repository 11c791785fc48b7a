"""A card dies, and a crew has carried a bundle out before: ``haihe-edge init --restore`` begins the new one from it."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from haihe_cloud.admit.pki import Pki
from haihe_contract.bundle import BundleWriter, Head, Signature
from haihe_contract.clock import SystemClock
from haihe_contract.restore import StationState
from haihe_edge.cli import main
from haihe_edge.qualify import CounterState
from haihe_edge.remember.site_states import BUDGET, COUNTER, TIPS
from haihe_edge.site import load_site
from haihe_edge.station import StationAgent

from tests.edge import heard
from tests.edge.carry.carried import CODE, centre_text
from tests.edge.field.test_restore import PROFILES, TEXT, TIPPED, beside, tips_are_kept

Init = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAIHE_PROFILES", str(PROFILES))


@pytest.fixture
def init(capsys: pytest.CaptureFixture[str]) -> Init:
    def act(*words: object, lang: str = "en") -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["init", *map(str, words), "--lang", lang])
        said = capsys.readouterr()
        return code, said.out, said.err

    return act


def rainy(folder: Path, pki: Pki, code: str = CODE) -> Path:
    """A station with a rain counter and a centre whose keys are real."""
    folder.mkdir(parents=True)
    file = folder / "site.yaml"
    file.write_text(TEXT.replace(CODE, code) + "centres:\n" + centre_text(pki, code), "utf-8")
    return file


def bundle_of(site: Path, stick: Path) -> Path:
    """Written by the command, from a card whose agent has ended."""
    agent = StationAgent(load_site(site, []), SystemClock(), random.Random(1))
    agent.recorder.journal.close()
    stick.mkdir(exist_ok=True)
    assert main(["bundle", "write", str(site), "--to", str(stick), "--json"]) == 0
    return max(stick.iterdir())


def test_site_file_and_counters_come_back_on_an_empty_card_and_their_signer_is_checked_where_an_authority_is_known(
    tmp_path: Path, pki: Pki, init: Init
) -> None:
    site = rainy(tmp_path / "old", pki)
    loaded, now = load_site(site, []), SystemClock().now_ms()
    key = loaded.series[loaded.counters[0].number].key
    counter = {key: CounterState(now - 60_000, 12.5, 1.5, now + 60_000, 1.0)}
    (site.parent / "journal").mkdir()
    (site.parent / "journal" / "counters.json").write_bytes(msgspec.json.encode(counter))
    file = bundle_of(site, tmp_path / "stick")
    place = tmp_path / "new" / "site.yaml"
    code, out, err = init(place, "--restore", file, "--yes")
    assert code == 0, err
    assert f"nobody here can say whose key has signed {file}" in err
    assert place.read_bytes() == site.read_bytes()
    restored = msgspec.json.decode(
        (place.parent / "journal" / "counters.json").read_bytes(), type=dict[str, CounterState]
    )
    assert restored == counter
    assert "counter period rain: 12.5 at" in out
    code, out, err = init(place, "--restore", file, "--yes", "--json")
    said = json.loads(out)
    assert (code, said["vouched"], said["restored"], err) == (0, True, [], ""), (
        "its centre's authority stands there now"
    )
    (place.parent / "journal" / "counters.json").unlink()
    code, out, _ = init(place, "--restore", file, "--yes", "--json")
    assert json.loads(out)["restored"] == [COUNTER + key]


async def test_tips_and_what_metered_links_have_carried_come_back_from_the_bundle_of_a_station(
    tmp_path: Path, pki: Pki, init: Init
) -> None:
    site = tmp_path / "old" / "site.yaml"
    site.parent.mkdir()
    text = TIPPED.format(key=pki.directory / "receipt.pub")
    own = pki.directory / "stations" / CODE
    for name, path in (("ca.pem", pki.ca), ("a.pem", f"{own}.pem"), ("a.key", f"{own}.key")):
        assert name in text
        text = text.replace(f" {name},", f" {path},")
    site.write_text(text, "utf-8")
    now = SystemClock().now_ms()
    (site.parent / "journal").mkdir()
    stood = {"bucket": {"tips": 1234, "tip_mm": 0.2, "time_ms": now - 60_000, "closed": True}}
    (site.parent / "journal" / "rain-board.json").write_text(json.dumps(stood))
    agent = StationAgent(load_site(site, []), SystemClock(), random.Random(1))
    agent.budgets[0].budget.count(12_345_678, now)
    agent.budgets[0].keep()
    agent.recorder.journal.close()
    (tmp_path / "stick").mkdir()
    assert main(["bundle", "write", str(site), "--to", str(tmp_path / "stick"), "--json"]) == 0
    place = tmp_path / "new" / "site.yaml"
    code, out, err = init(place, "--restore", *(tmp_path / "stick").iterdir(), "--yes")
    assert code == 0, err
    assert "rain gauge bucket: 246.8 mm in all" in out
    assert "link to bureau: 12.3 MB used since" in out
    assert beside(place, "rain-board.json")["bucket"]["tips"] == 1234
    assert beside(place, "budget-bureau.json")["bytes"] == 12_345_678
    again = StationAgent(load_site(place, []), SystemClock(), random.Random(2))
    assert again.budgets[0].budget.used_bytes(now) == 12_345_678
    async with heard.running(again.acquirer):
        await tips_are_kept(again)
    assert again.acquirer.tips()["bucket"].tips == 1234
    again.recorder.journal.close()


def test_a_bundle_that_is_not_to_be_believed_restores_nothing_and_says_why(
    tmp_path: Path, pki: Pki, init: Init, tmp_path_factory: pytest.TempPathFactory
) -> None:
    site = rainy(tmp_path / "old", pki)
    file = bundle_of(site, tmp_path / "stick")
    before = site.read_bytes()

    def refused(*files: Path, place: Path = site) -> str:
        code, _, err = init(place, "--restore", *files, "--yes", lang="zh")
        assert code == 1
        assert site.read_bytes() == before
        return err

    changed = tmp_path / "changed.haihe"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    changed.write_bytes(data)
    assert "数据包无法使用：签名不符：途中损坏或被改动" in refused(changed)
    changed.write_bytes(file.read_bytes()[:-100])
    assert "数据包无法使用：文件不完整：只有 " in refused(changed)

    strange = Pki(tmp_path_factory.mktemp("strange"), SystemClock())
    strange.init()
    strange.make_receipt_key()
    strange.station(CODE)
    foreign = bundle_of(rainy(tmp_path / "strange", strange), tmp_path / "other stick")
    assert "其证书不是此处信任的证书机构签发的" in refused(foreign)
    assert not list(tmp_path.glob("old/*.restored"))

    other = bundle_of(rainy(tmp_path / "another", pki, "31005651"), tmp_path / "third stick")
    assert "这是测站 31005651 的状态，而这里的配置文件属于测站 31005650" in refused(other)

    own = pki.directory / "stations"
    signature = Signature((own / "31005651.pem").read_bytes(), (own / "31005651.key").read_bytes())
    posing = tmp_path / "posing.haihe"
    with posing.open("wb") as out:
        head = Head(1, CODE, "haihe", b"12345678", 1, SystemClock().now_ms(), 5, signature.certificate)
        writer = BundleWriter(out, head, signature)
        writer.states([StationState("site", 1, 5, {"x": 1})])
        writer.close(last=True)
    assert "其证书属于 31005651，不是测站 31005650" in refused(posing)


def states_file(path: Path, pki: Pki, made_ms: int, states: list[StationState], grade: int = 5) -> Path:
    """A bundle of the station that says nothing but that."""
    own = pki.directory / "stations" / CODE
    signature = Signature(Path(f"{own}.pem").read_bytes(), Path(f"{own}.key").read_bytes())
    with path.open("wb") as out:
        head = Head(1, CODE, "haihe", b"12345678", 2, made_ms, grade, signature.certificate)
        writer = BundleWriter(out, head, signature)
        if states:
            writer.states(states)
        writer.close(last=True)
    return path


def test_of_several_bundles_the_latest_word_of_each_state_counts(tmp_path: Path, pki: Pki, init: Init) -> None:
    site = rainy(tmp_path / "old", pki)
    loaded, now = load_site(site, []), SystemClock().now_ms()
    key = loaded.series[loaded.counters[0].number].key

    def counter(value: float, ago_ms: int) -> StationState:
        state = CounterState(now - ago_ms, value, 0.0, now, 1.0)
        return StationState(COUNTER + key, now - ago_ms, 5, msgspec.to_builtins(state))

    first = bundle_of(site, tmp_path / "stick")  # its agent was killed before it could keep what the counter stood at
    old = states_file(tmp_path / "old.haihe", pki, now - 9000, [counter(3.0, 9000)])
    newer = states_file(tmp_path / "newer.haihe", pki, now - 5000, [counter(7.5, 5000)])
    empty = states_file(tmp_path / "empty.haihe", pki, now + 1000, [])
    place = tmp_path / "new" / "site.yaml"
    code, out, err = init(place, "--restore", empty, newer, old, first, "--yes")
    assert code == 0, err
    assert place.read_bytes() == site.read_bytes()
    assert "counter period rain: 7.5 at" in out
    code, _, err = init(tmp_path / "x" / "site.yaml", "--restore", empty, "--yes", lang="zh")
    assert code == 1
    assert "其中没有测站状态" in err
    state = StationState(BUDGET + "haihe", 1, 0, {"bytes": 9, "from_ms": 1})
    clockless = states_file(tmp_path / "clockless.haihe", pki, 5000, [state], grade=0)
    code, _, err = init(tmp_path / "x" / "site.yaml", "--restore", first, clockless, "--yes", lang="zh")
    assert (code, "这个写出时没有时钟" in err) == (1, True), "it may be the latest: its hour is of its boot"
    note = tmp_path / "note.txt"
    note.write_text("{}")
    code, _, err = init(tmp_path / "x" / "site.yaml", "--restore", first, note, "--yes", lang="zh")
    assert (code, "给了多个文件，而这个不是数据包" in err) == (1, True)


def test_of_a_stick_with_bundles_of_several_stations_only_this_ones_are_taken(
    tmp_path: Path, pki: Pki, init: Init
) -> None:
    site = rainy(tmp_path / "old", pki)
    own = bundle_of(site, tmp_path / "stick")
    other = bundle_of(rainy(tmp_path / "other", pki, "31005651"), tmp_path / "another stick")
    place = tmp_path / "new" / "site.yaml"
    code, _, err = init(place, "--restore", own, other, "--yes")
    assert code == 1
    assert "bundles of several stations: 31005650, 31005651" in err
    assert "name those of one" in err
    assert not place.exists()
    assert "数据包属于多个测站" in init(place, "--restore", own, other, "--yes", lang="zh")[2]
    code, out, err = init(site, "--restore", own, other, "--yes", "--json")
    assert (code, json.loads(out)["station"], err) == (0, CODE, "")


def test_without_yes_nothing_is_written_from_a_bundle_either(tmp_path: Path, pki: Pki, init: Init) -> None:
    file = bundle_of(rainy(tmp_path / "old", pki), tmp_path / "stick")
    place = tmp_path / "new" / "site.yaml"
    code, _, err = init(place, "--restore", file)
    assert code == 2
    assert "nothing was written; --yes writes without asking" in err
    assert not place.exists()
    assert TIPS not in err
