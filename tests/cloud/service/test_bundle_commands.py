"""``haihe-cloud bundle`` beside a running centre: taken in as from the broker, whatever else goes on."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from haihe_cloud.admit.pki import load_receipt_key
from haihe_cloud.ledger.book import Book
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.opening import open_database, open_store
from haihe_cloud.settings import load_settings
from haihe_contract import bundle, topic
from haihe_contract import receipt as receipts
from haihe_contract.clock import SystemClock
from haihe_contract.ed25519 import PublicKey
from haihe_contract.ranges import RangeSet

from tests.cloud.bundles import bundle_file, signature
from tests.cloud.samples import LINE, STATION, batch
from tests.cloud.service.test_service import Centre
from tests.conftest import CENTRE, Broker, Pki, Voice, wait_for

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
    done = centre.command("bundle", "import", *map(str, files), "--json")
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
    found = {
        "lines": sorted(
            (each.line, each.head, each.tail, each.held, each.refused, each.gaps) for each in ledger.lines(station)
        ),
        "readings": {key: store.read(station, key, 0, 2**41) for key in store.series(station)},
        "conflicts": store.conflicts(station),
        "untimed": store.untimed(station),
        "contents": sorted((each.line, each.number, each.digest) for each in book.content_conflicts(station)),
        "states": ledger.states(station),
    }
    store.close()
    database.close()
    return found


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
    name, payload = voice(STATION).hear()
    assert name == topic.receipt(STATION, CENTRE)
    key = PublicKey(load_receipt_key(pki.receipt_key).public_key().public_bytes_raw())
    assert receipts.verify(payload, key, centre=CENTRE, station=STATION).settled() == {LINE: RangeSet.of((1, 59))}
