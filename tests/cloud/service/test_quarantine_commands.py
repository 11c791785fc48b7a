"""``haihe-cloud quarantine`` beside a running centre: looked at, admitted again, dropped with a reason."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from haihe_contract.record import Unread

from tests.cloud.samples import STATION, data
from tests.cloud.service.test_service import Centre
from tests.conftest import Broker, Pki, Voice, wait_for
from tests.docs.json_page import holds

if TYPE_CHECKING:
    from tests.postgresql import Postgresql

pytestmark = pytest.mark.broker
Speak = Callable[[str], Voice]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def centre(request: pytest.FixtureRequest, tmp_path: Path, broker: Broker, pki: Pki) -> Iterator[Centre]:
    chosen, server = "{kind: sqlite}", None
    if request.param == "postgresql":
        server: Postgresql | None = request.getfixturevalue("postgresql")
        assert server
        server.ask("CREATE SCHEMA quarantine")
        (tmp_path / "password").write_text(server.password)
        chosen = f'{{kind: postgresql, conninfo: "{server.conninfo("quarantine")}", password_file: password}}'
    made = Centre(tmp_path, broker.port, pki, database=chosen)
    assert made.command("station", "add", STATION).returncode == 0
    made.start()
    wait_for(made.healthy, "the centre is well", 30)
    yield made
    made.end()
    if server:
        server.ask("DROP SCHEMA quarantine CASCADE")


def ask(centre: Centre, *words: str, code: int = 0) -> Any:
    done = centre.command("quarantine", *words, "--json")
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def listed(centre: Centre) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(centre, "list")["quarantine"]
    return found


def test_a_message_is_shown_admitted_again_by_the_running_centre_or_dropped_with_a_reason(
    centre: Centre, voice: Speak
) -> None:
    station = voice(STATION)
    station.say(data([1, 2, 4, 5], bodies={5: Unread(b"\x93\x63\x01\x02")}))
    station.say(b"hello")
    station.say(data([1, 2, 4], station="31005651"), to=f"haihe/1/{topic_shard()}/{STATION}/up/live")
    wait_for(lambda: len(listed(centre)) == 3, "three messages are in quarantine")
    by_reason = {each["reason"]: each["id"] for each in listed(centre)}
    newer = next(number for reason, number in by_reason.items() if "kind 99" in reason)
    noise = next(number for reason, number in by_reason.items() if "does not begin" in reason)

    shown = ask(centre, "show", str(newer))
    assert [each["number"] for each in shown["records"]] == [1, 2, 4]
    assert (shown["envelope"]["numbers"], shown["unread"]) == ("1-2,4-5", 4)
    text = centre.command("quarantine", "show", str(newer)).stdout
    assert "000000  93 63 01 02" in text
    assert "3 records can be read" in text
    assert "68 65 6c 6c 6f" in centre.command("quarantine", "show", str(noise)).stdout
    assert "可读记录 3 条" in centre.command("quarantine", "show", str(newer), lang="zh").stdout

    tried = ask(centre, "retry", "--all", code=1)
    assert (tried["taken"], tried["waiting"], len(tried["refused"])) == (0, [], 3)
    holds("haihe-cloud quarantine retry", tried)
    assert ask(centre, "retry", code=2)["do"].endswith("or --all")
    assert ask(centre, "retry", "77", code=1)["what"] == "number 77 is not in quarantine"

    assert ask(centre, "drop", str(noise), "--why", "a test", code=1)["what"] == "nothing was dropped"
    assert ask(centre, "drop", str(noise), "--why", " ", "--yes", code=2)["where"] == "--why"
    assert ask(centre, "drop", str(noise), "--why", "a test", "--yes") == {"dropped": noise, "why": "a test"}
    (gone,) = ask(centre, "list", "--gone")["gone"]
    assert (gone["id"], gone["why"]) == (noise, "a test")
    assert len(listed(centre)) == 2


def topic_shard() -> str:
    from haihe_contract.topic import shard

    return shard(STATION)


def test_what_an_older_version_refused_is_taken_while_the_centre_runs_and_waits_while_it_stands(
    centre: Centre, voice: Speak
) -> None:
    from haihe_cloud.ledger.arrival import Refusal
    from haihe_cloud.ledger.ledger import Ledger
    from haihe_cloud.opening import open_database
    from haihe_cloud.settings import load_settings
    from haihe_contract import topic
    from haihe_contract.clock import SystemClock

    database = open_database(load_settings(centre.config))
    ledger = Ledger(database, centre="haihe", clock=SystemClock())
    name = topic.up(STATION, 1)
    ledger.quarantine([Refusal(name, STATION, "by an older version", data([1, 2, 4]), 1)])
    first = listed(centre)[0]["id"]
    assert ask(centre, "retry", str(first)) == {"taken": 1, "refused": [], "waiting": []}
    station = voice(STATION)
    assert station.hear()[0] == topic.receipt(STATION, "haihe"), "and a receipt leaves"
    assert centre.end() == 0
    ledger.quarantine([Refusal(name, STATION, "by an older version", data([5, 6]), 1)])
    (second,) = listed(centre)
    assert ask(centre, "retry", "--all", "--wait", "0", code=1)["waiting"] == [second["id"]]
    centre.start()
    wait_for(lambda: not listed(centre), "it was taken at the start", 20)
    (line,) = ledger.lines(STATION)
    assert line.held.ranges == ((1, 2), (4, 6))
    database.close()


def test_a_centre_that_may_not_read_its_own_receipts_says_so_and_takes_nothing(
    tmp_path: Path, broker: Broker, pki: Pki, voice: Speak
) -> None:
    acl = tmp_path / "broker" / "acl"
    acl.write_text(
        acl.read_text().replace("topic readwrite haihe/#", "topic write haihe/#\ntopic read haihe/1/+/+/up/#")
    )
    broker.restart()
    centre = Centre(tmp_path, broker.port, pki)
    assert centre.command("station", "add", STATION).returncode == 0
    centre.start()
    try:
        voice(STATION).say(data([1, 2, 4]))
        wait_for(lambda: any("acl" in fault for fault in centre.status()["faults"]), "the fault is named", 30)
        assert not centre.healthy()
        assert centre.status()["ingest"]["messages"] == 0
    finally:
        centre.end()
