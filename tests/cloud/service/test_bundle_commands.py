"""``haihe-cloud bundle`` beside a running centre: taken in as from the broker, whatever else goes on."""

import json
import os
import pty
import random
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from haihe_cloud.admit.pki import load_receipt_key
from haihe_cloud.commands.bundle import missing_parts
from haihe_cloud.commands.words import Sentences
from haihe_cloud.ledger.book import Book
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.opening import open_database, open_store
from haihe_cloud.settings import load_settings
from haihe_cloud.sql.sqlite import SqliteDatabase
from haihe_cloud.store.port import Store
from haihe_cloud.store.sqlite import SqliteStore
from haihe_contract import bundle, topic, wire
from haihe_contract import receipt as receipts
from haihe_contract.clock import SystemClock
from haihe_contract.ed25519 import PublicKey
from haihe_contract.ranges import RangeSet
from haihe_contract.table import width

from tests.cloud.bundles import bundle_file, signature
from tests.cloud.samples import LINE, STATION, batch
from tests.cloud.service.test_service import Centre
from tests.cloud.whole import Whole
from tests.conftest import CENTRE, STATIONS, Broker, Pki, Voice, wait_for
from tests.docs.json_page import holds

if TYPE_CHECKING:
    from tests.postgresql import Postgresql

pytestmark = pytest.mark.broker
Speak = Callable[[str], Voice]
OTHER_LINE = 77


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def made(request: pytest.FixtureRequest, tmp_path: Path, broker: Broker, pki: Pki) -> Iterator[Centre]:
    """A centre that was not started, with a station."""
    chosen, server = "{kind: sqlite}", None
    if request.param == "postgresql":
        server: Postgresql | None = request.getfixturevalue("postgresql")
        assert server
        server.ask("CREATE SCHEMA bundle")
        (tmp_path / "password").write_text(server.password)
        chosen = f'{{kind: postgresql, conninfo: "{server.conninfo("bundle")}", password_file: password}}'
    centre = Centre(tmp_path, broker.port, pki, database=chosen)
    assert centre.command("station", "add", STATION).returncode == 0
    yield centre
    centre.end()
    if server:
        server.ask("DROP SCHEMA bundle CASCADE")


@pytest.fixture
def centre(made: Centre) -> Centre:
    """The same, running."""
    made.start()
    wait_for(made.healthy, "the centre is well", 30)
    return made


def load(centre: Centre, *files: Path | str, code: int = 0) -> Any:
    done = centre.command("bundle", "import", *map(str, files), "--json", seconds=120)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def stated(path: Path, pki: Pki, station: str = STATION) -> dict[int, RangeSet]:
    """What the receipts of a file state together; each is held against the centre's key."""
    key = PublicKey(load_receipt_key(pki.receipt_key).public_key().public_bytes_raw())
    out: dict[int, RangeSet] = {}
    for data in bundle.read_receipts(path.read_bytes()):
        assert len(data) <= receipts.RECEIPT_BYTES_MAX
        for line, numbers in receipts.verify(data, key, centre=CENTRE, station=station).settled().items():
            out[line] = out.get(line, RangeSet()) | numbers
    return out


def tables(centre: Centre, station: str = STATION) -> dict[str, Any]:
    """What the centre holds, without moments of arrival."""
    settings = load_settings(centre.config)
    database, store = open_database(settings), open_store(settings)
    ledger = Ledger(database, centre=CENTRE, clock=SystemClock())
    book = Book(database, ledger)
    found = shown(ledger, book, store, station)
    store.close()
    database.close()
    return found


def shown(ledger: Ledger, book: Book, store: Store, station: str) -> dict[str, Any]:
    return {
        "lines": sorted((e.line, e.head, e.tail, e.held, e.refused, e.gaps) for e in ledger.lines(station)),
        "readings": {key: store.read(station, key, 0, 2**41) for key in store.series(station)},
        "conflicts": store.conflicts(station),
        "untimed": store.untimed(station),
        "contents": sorted((each.line, each.number, each.digest) for each in book.content_conflicts(station)),
        "states": ledger.states(station),
    }


def audit_is_clean(centre: Centre) -> bool:
    return centre.command("ledger", "audit").returncode == 0


def test_what_was_carried_is_in_and_the_station_is_told_by_a_file_and_by_its_link(
    centre: Centre, voice: Speak, pki: Pki, tmp_path: Path
) -> None:
    file = bundle_file(tmp_path / "stick" / "a.haihe", signature(pki), [batch(range(1, 40)), batch(range(40, 60))])
    done = load(centre, file)
    (station,) = done["stations"]
    assert (station["records"], station["new"], station["here"]) == (59, 59, 0)
    assert (station["refused"], station["left"], station["unread"]) == (0, 0, [])
    told = Path(station["receipts"])
    assert told == file.parent / f"{STATION}-{CENTRE}.receipts"
    assert stated(told, pki) == {LINE: RangeSet.of((1, 59))}
    assert audit_is_clean(centre)
    wait_for(lambda: set(centre.status()["follower_behind"].values()) == {0}, "alarms and page have seen it")
    page = centre.ask(f"/api/v1/stations/{STATION}")
    assert page["station"]["last_heard_ms"] is None, "a bundle is no word of now"
    assert page["series"], "but what it brought is shown"
    name, payload = voice(STATION).hear()
    assert name == topic.receipt(STATION, CENTRE)
    key = PublicKey(load_receipt_key(pki.receipt_key).public_key().public_bytes_raw())
    assert receipts.verify(payload, key, centre=CENTRE, station=STATION).settled() == {LINE: RangeSet.of((1, 59))}


def test_twice_or_after_the_link_has_brought_it_all_is_here_already(
    centre: Centre, voice: Speak, pki: Pki, tmp_path: Path
) -> None:
    sent = [batch(range(1, 30)), batch(range(30, 50))]
    station = voice(STATION)
    for each in sent:
        station.say(wire.encode(each))
    wait_for(lambda: tables(centre)["lines"] and tables(centre)["lines"][0][3].count() == 49, "all came by link")
    before = tables(centre)
    file = bundle_file(tmp_path / "a.haihe", signature(pki), sent)
    late = load(centre, file)["stations"][0]
    assert (late["records"], late["new"], late["here"]) == (49, 0, 49)
    for _ in range(2):
        done = centre.command("bundle", "import", str(file), str(file))
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "all of it was here already")
    assert tables(centre) == before
    assert stated(tmp_path / f"{STATION}-{CENTRE}.receipts", pki) == {LINE: RangeSet.of((1, 49))}
    assert "数据包" not in done.stdout
    assert "全部内容原已入库" in centre.command("bundle", "import", str(file), lang="zh").stdout


def test_a_bad_file_is_refused_in_words_and_the_others_of_the_call_go_in(
    centre: Centre, pki: Pki, tmp_path: Path
) -> None:
    good = signature(pki)
    foreign = Pki(tmp_path / "foreign", SystemClock())
    foreign.init()
    foreign.station(STATION)
    stick = tmp_path / "stick"
    files = [
        bundle_file(stick / "1-good", good, [batch(range(1, 10))], last=False),
        bundle_file(stick / "2-damaged", good, [batch(range(10, 20))], part=2),
        bundle_file(stick / "3-stranger", signature(foreign), [batch(range(20, 30))]),
        bundle_file(stick / "4-neighbour", signature(pki, f"stations/{STATIONS[1]}"), [batch(range(20, 30))]),
        bundle_file(stick / "5-centre", signature(pki, "centre"), [batch(range(20, 30))]),
        bundle_file(
            stick / "6-unknown", signature(pki, f"stations/{STATIONS[2]}"), [batch([1, 2])], station=STATIONS[2]
        ),
        stick / "7-nothing",
        stick / "8-zeros",
        stick / "9-receipts",
        bundle_file(stick / "10-good", good, [batch(range(30, 40))], name=b"\x02" * 8, centre="province"),
    ]
    data = bytearray(files[1].read_bytes())
    data[-150] ^= 1
    files[1].write_bytes(data)
    with files[7].open("wb") as zeros:
        zeros.truncate(bundle.FILE_BYTES_MAX + 1)
    files[8].write_bytes(bundle.write_receipts([b"x"]))
    done = load(centre, *files, stick, code=1)
    why = {Path(each["file"]).name: each["why"] for each in done["files"]}
    assert "the signature does not fit" in why["2-damaged"]
    assert "not of the authority" in why["3-stranger"]
    assert why["4-neighbour"] == f"its certificate is of {STATIONS[1]}, not of station {STATION}"
    assert "not of station" in why["5-centre"]
    assert why["6-unknown"] == "its station is not registered"
    assert why["7-nothing"] == "cannot be read: No such file or directory"
    assert "more than" in why["8-zeros"]
    assert why["9-receipts"] == "this is a file of receipts, not a bundle"
    assert why["stick"] == "cannot be read: Is a directory"
    (station,) = done["stations"]
    assert (station["records"], station["new"]) == (19, 19)
    assert tables(centre)["lines"][0][3] == RangeSet.of((1, 9), (30, 39))
    assert json.loads(centre.command("quarantine", "list", "--json").stdout)["quarantine"] == []

    said = centre.command("bundle", "import", *map(str, files), lang="zh")
    assert said.returncode == 1
    assert "made for" not in said.stdout
    for sentence in (
        "签名不符",
        "不是由本中心信任的机构签发",
        "测站未登记",
        "这是回执文件，不是数据包",
        "没有这个文件",
    ):
        assert sentence in said.stdout
    assert "这是为中心 province 生成的" in said.stdout
    assert f"测站 {STATION}：缺第 2… 分卷" in said.stdout
    assert said.stdout.splitlines()[-1] == "10 个文件中有 8 个被拒收"


def test_a_removed_station_is_refused_until_it_is_registered_again(centre: Centre, pki: Pki, tmp_path: Path) -> None:
    file = bundle_file(tmp_path / "a.haihe", signature(pki), [batch(range(1, 10))])
    assert centre.command("station", "remove", STATION).returncode == 0
    assert load(centre, file, code=1)["files"][0]["why"] == "its station is not registered"
    assert not list(tmp_path.glob("*.receipts"))
    assert centre.command("station", "add", STATION).returncode == 0
    assert load(centre, file)["stations"][0]["new"] == 9


def test_what_a_signed_bundle_says_of_another_station_is_refused_and_kept(
    centre: Centre, pki: Pki, tmp_path: Path
) -> None:
    assert centre.command("station", "add", STATIONS[1]).returncode == 0
    false = batch(range(1, 10), station=STATIONS[1])
    file = bundle_file(tmp_path / "a.haihe", signature(pki), [false, batch(range(1, 10)), b"noise"])
    done = centre.command("bundle", "import", str(file))
    assert done.returncode == 1
    assert f"1 batches: names station '{STATIONS[1]}', but {STATION} has sent it" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("what was refused is in quarantine")
    assert tables(centre, STATIONS[1])["lines"] == []
    assert tables(centre)["lines"][0][3] == RangeSet.of((1, 9))
    kept = json.loads(centre.command("quarantine", "list", "--json").stdout)["quarantine"]
    assert [each["station"] for each in kept] == [STATION, STATION]
    noise = tmp_path / "noise"
    noise.write_bytes(b"noise")
    blocked = ("--receipts", str(noise))
    holds("haihe-cloud bundle import", load(centre, file, noise, code=1), load(centre, file, *blocked, code=1))


def test_hostile_sizes_are_refused_or_taken_within_bounds(centre: Centre, pki: Pki, tmp_path: Path) -> None:
    many = bundle_file(tmp_path / "many", signature(pki), [wire.encode(batch([], head=5))] * (bundle.BATCHES_MAX + 1))
    assert load(centre, many, code=1)["files"][0]["why"] == "it holds more than 65536 batches"
    empty = bundle_file(tmp_path / "empty", signature(pki), [wire.encode(batch([], head=5))] * 3000)
    done = load(centre, empty)
    assert (done["waiting"], done["stations"][0]["records"]) == (0, 0)
    assert tables(centre)["lines"][0][:4] == (LINE, 5, 1, RangeSet())
    bare = bundle_file(tmp_path / "bare", signature(pki), [])
    assert load(centre, bare)["stations"][0]["receipts"] is None, "nothing was taken, so nothing is stated"


def test_missing_files_are_named_whatever_part_a_file_says_that_it_is() -> None:
    def named(*parts: int, last: bool = True) -> list[str]:
        said = [{"station": STATION, "why": "", "bundle": "01", "part": at, "last": last} for at in parts]
        return [each.split("part ")[1].split(" was")[0] for each in missing_parts(said, Sentences("en"))]

    assert (named(1, 2), named(2, 5), named(1, last=False)) == ([], ["1, 3-4"], ["2…"])
    assert named(3, 2**64 - 1) == [f"1-2, 4-{2**64 - 2}"]


def test_receipts_cover_a_line_of_thousands_of_ranges(centre: Centre, pki: Pki, tmp_path: Path) -> None:
    torn = [batch([1, 2, *range(4 + at * 1000, 4 + at * 1000 + 1000, 2)]) for at in range(8)]
    file = bundle_file(tmp_path / "a.haihe", signature(pki), torn)
    told = stated(Path(load(centre, file)["stations"][0]["receipts"]), pki)
    (line,) = tables(centre)["lines"]
    assert len(line[3].ranges) > 3000
    assert told == {LINE: line[3]}


def test_receipts_that_cannot_be_written_are_said_and_may_go_elsewhere(
    centre: Centre, pki: Pki, tmp_path: Path
) -> None:
    file = bundle_file(tmp_path / "stick" / "a.haihe", signature(pki), [batch(range(1, 10))])
    blocked = tmp_path / "blocked"
    blocked.write_text("a file")
    done = centre.command("bundle", "import", str(file), "--receipts", str(blocked))
    assert done.returncode == 1
    assert "the receipts are not written: " in done.stdout
    assert "cannot be written: " in done.stdout
    assert load(centre, file, "--receipts", str(tmp_path / "new"))["stations"][0]["receipts"] == str(
        tmp_path / "new" / f"{STATION}-{CENTRE}.receipts"
    )
    assert not list(file.parent.glob("*.receipts*"))


def test_a_centre_that_does_not_run_takes_it_when_it_does(made: Centre, pki: Pki, tmp_path: Path) -> None:
    file = bundle_file(tmp_path / "a.haihe", signature(pki), [batch(range(1, 10)), batch(range(10, 20))])
    done = made.command("bundle", "import", str(file), "--wait", "0.5")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("2 batches still wait: the centre takes them when it runs")
    assert not list(tmp_path.glob("*.receipts")), "a centre that stands still states nothing"
    assert load(made, file, "--wait", "0.5", code=1)["waiting"] == 4
    made.start()
    wait_for(lambda: tables(made)["lines"] and tables(made)["lines"][0][3] == RangeSet.of((1, 19)), "it was taken", 20)
    assert load(made, file)["stations"][0]["here"] == 19


class Talk:
    """A station that goes on sending over its link, and hears its receipts."""

    def __init__(self, voice: Voice, line: int, pki: Pki, also: list[wire.Batch]) -> None:
        self._key = PublicKey(load_receipt_key(pki.receipt_key).public_key().public_bytes_raw())
        self._voice, self._line, self._also = voice, line, also
        self._over = threading.Event()
        self.sent = 2
        self.settled: dict[int, RangeSet] = {}
        self._thread = threading.Thread(target=self._speak)
        self._thread.start()

    def _speak(self) -> None:
        while not self._over.is_set():
            self.sent += 1
            self._voice.say(wire.encode(batch([1, 2, self.sent], line=self._line, station=self._voice.station)))
            if self._also:  # what is carried too
                self._voice.say(wire.encode(self._also[self.sent % len(self._also)]))
            time.sleep(0.01)

    def hear(self) -> None:
        while not self._voice.received.empty():
            name, payload = self._voice.hear()
            if name == topic.receipt(self._voice.station, CENTRE):
                stated = receipts.verify(payload, self._key, centre=CENTRE, station=self._voice.station)
                for line, numbers in stated.settled().items():
                    self.settled[line] = self.settled.get(line, RangeSet()) | numbers

    def end(self) -> None:
        self._over.set()
        self._thread.join()


def reference(batches: list[wire.Batch], tmp_path: Path) -> dict[str, Any]:
    """The tables of a centre in one thread that got these over a link, in their order."""
    folder = tmp_path / "reference"
    whole = Whole(SqliteDatabase(folder / "haihe.db"), SqliteStore(folder / "series.db"))
    for each in batches:
        whole.send(each)
    whole.settle()
    found = shown(whole.ledger, whole.book, whole.store, STATION)
    whole.store.close()
    whole.database.close()
    return found


def test_imports_and_centres_killed_at_any_time_under_live_load_lose_nothing_and_double_nothing(
    made: Centre, voice: Speak, pki: Pki, tmp_path: Path
) -> None:
    centre, chance = made, random.Random(7)
    centre.start()
    wait_for(centre.healthy, "the centre is well", 30)
    carried = [batch([1, 2, *range(at, at + 25)], lane=2, head=4000, tail=1) for at in range(4, 4000, 25)]
    other = [batch([1, 2, *range(4, 100)], line=OTHER_LINE, lane=2)]
    files = [
        bundle_file(tmp_path / "stick" / "1", signature(pki), carried[:90], last=False),
        bundle_file(tmp_path / "stick" / "2", signature(pki), [*carried[70:], *other], part=2),
    ]
    assert centre.command("station", "add", STATIONS[1]).returncode == 0
    talks = [
        Talk(voice(STATION), OTHER_LINE + 1, pki, carried[80:90]),  # the same station, some of the same records
        Talk(voice(STATIONS[1]), OTHER_LINE + 2, pki, []),
    ]
    words = ["bundle", "import", *map(str, files), "--config", str(centre.config)]
    try:
        for n in range(4):
            running = subprocess.Popen(
                [sys.executable, "-m", "haihe_cloud", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            time.sleep(chance.uniform(0.3, 1.5))
            if n % 2:
                centre.end(signal.SIGKILL)
                centre.start()
            running.kill()
            running.communicate()
        done = load(centre, *files)
        assert done["waiting"] == 0
        assert done["stations"][0]["records"] == done["stations"][0]["new"] + done["stations"][0]["here"]
        time.sleep(1)
    finally:
        for talk in talks:
            talk.end()
    for talk in talks:
        last = RangeSet.of((1, 2), (3, talk.sent))
        wait_for(lambda t=talk, to=last: t.hear() or t.settled.get(t._line) == to, "the link's own are receipted", 30)
    sent = [batch([1, 2, n], line=OTHER_LINE + 1) for n in range(3, talks[0].sent + 1)]
    expected = reference([*carried, *other, *sent], tmp_path)
    found = tables(centre)
    for table, rows in expected.items():
        assert found[table] == rows, table
    assert audit_is_clean(centre)
    told = stated(Path(done["stations"][0]["receipts"]), pki)
    assert told[LINE] == next(line[3] for line in expected["lines"] if line[0] == LINE)
    talks[0].hear()
    for line in (LINE, OTHER_LINE):
        assert talks[0].settled[line] == told[line], "the running centre's own receipts cover it too"
    assert json.loads(centre.command("quarantine", "list", "--json").stdout)["quarantine"] == []


def on_a_terminal(centre: Centre, *words: str, lang: str, until: str = "", then: int = 0) -> tuple[int, str]:
    """Run a command on a real terminal; its exit code and what stood there. A signal may be sent at some words."""
    main, inner = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "haihe_cloud", *words, "--config", str(centre.config), "--lang", lang],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env={**os.environ, "COLUMNS": "120"},
    )
    os.close(inner)
    seen = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if select.select([main], [], [], 0.2)[0]:
            try:
                more = os.read(main, 65536)
            except OSError:  # the other end is closed
                break
            seen += more
        if then and until in seen.decode("utf-8", "ignore"):
            running.send_signal(then)
            then = 0
    os.close(main)
    return running.wait(10), seen.decode("utf-8")


def test_progress_moves_on_a_terminal_and_ctrl_c_says_what_becomes_of_the_rest(
    made: Centre, pki: Pki, tmp_path: Path
) -> None:
    file = bundle_file(tmp_path / "a.haihe", signature(pki), [batch(range(1, 10))])
    code, seen = on_a_terminal(made, "bundle", "import", str(file), lang="zh", until="等待中心接收", then=signal.SIGINT)
    assert code == 130
    assert re.search(r"\r\x1b\[K还有 0\.0 MB 等待中心接收", seen)
    assert "已交付的部分仍会入库；请再次导入以取得回执" in seen
    assert "Traceback" not in seen
    made.start()
    code, seen = on_a_terminal(made, "bundle", "import", str(file), lang="zh")
    assert code == 0
    shown = seen.replace("\r\n", "\n").rsplit("\x1b[K", 1)[1]
    lines = [line for line in shown.splitlines() if line]
    assert lines[0].split() == ["文件", "测站", "生成时间", "分卷", "记录数"]
    assert lines[2].split() == ["测站", "记录数", "新增", "原已入库", "拒收", "未接收"]
    assert lines[4].startswith("带回测站  haihe-edge bundle receipts ")
    assert lines[5] in ("全部入库：新增 9 条记录", "全部内容原已入库")
    widths = {width(line) for line in lines[2:4]}
    assert len(widths) == 1, "the columns stand under their heads"


def test_show_says_whose_a_bundle_is_and_what_is_in_it_without_taking_it(
    made: Centre, pki: Pki, tmp_path: Path
) -> None:
    file = bundle_file(tmp_path / "a.haihe", signature(pki), [batch(range(1, 10)), batch([20], line=OTHER_LINE)])
    untimed = bundle_file(tmp_path / "c.haihe", signature(pki), [], grade=0)
    damaged = tmp_path / "b.haihe"
    damaged.write_bytes(file.read_bytes()[:-9])
    done = made.command("bundle", "show", str(file), "--json")
    assert done.returncode == 0
    more = [json.loads(made.command("bundle", "show", str(each), "--json").stdout) for each in (damaged, untimed)]
    holds("haihe-cloud bundle show", json.loads(done.stdout), *more)
    assert json.loads(done.stdout)["lines"] == [
        {"station": STATION, "line": f"{LINE:016x}", "numbers": [[1, 9]]},
        {"station": STATION, "line": f"{OTHER_LINE:016x}", "numbers": [[20, 20]]},
    ]
    done = made.command("bundle", "show", str(file), str(damaged))
    assert done.returncode == 1
    assert "refused: it is cut off" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 of 2 files are refused"
    assert tables(made)["lines"] == []


def test_every_sentence_of_bundles_has_its_chinese() -> None:
    chinese, source = Sentences("zh"), Path(__file__).parents[3] / "cloud" / "haihe_cloud" / "commands" / "bundle.py"
    said = re.findall(r'words\(\s*"([^"]+)"', source.read_text("utf-8"))
    assert len(said) > 20
    assert [each for each in said if each not in chinese._chinese] == []
    contract = Path(bundle.__file__).read_text("utf-8")
    raised = re.findall(r'BundleRefused\(f?"([^"]+)"', contract)
    assert len(raised) > 8
    for sentence in raised:
        text = re.sub(r"\{[^}]*\}", "7", sentence)
        if not text.startswith("this is") and "receipts" not in text:
            assert chinese.retell(text) != text, sentence
