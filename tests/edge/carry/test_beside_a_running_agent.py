"""``haihe-edge bundle`` beside a real agent that measures and has no centre: processes, files and sockets are real."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from haihe_cloud.admit.pki import Pki
from haihe_contract.ranges import EMPTY, RangeSet
from haihe_contract.restore import SITE

from tests.conftest import wait_for
from tests.edge.carry.carried import CODE, bundles_in, in_bundles, in_journal, numbers_of, receipts_file, site_in
from tests.edge.radar import Radar
from tests.edge.station.test_cli import haihe, start, status

DICTIONARY = RangeSet.of((2, 2))
"""It goes with every batch."""


@pytest.fixture(scope="module")
def instrument() -> Iterator[Radar]:
    made = Radar()
    yield made
    made.close()


@pytest.fixture
def site(tmp_path: Path, pki: Pki, instrument: Radar) -> Path:
    return site_in(tmp_path / "station", pki, instrument.port)


@pytest.fixture
def agent(site: Path) -> Iterator["subprocess.Popen[str]"]:
    """It has run before and was killed, so its journal has two lines."""
    first = start(site)
    wait_for(lambda: status(site)["journal"]["head"] > 8, "some records are durable", 20)
    first.kill()
    first.communicate(timeout=10)
    process = start(site)
    wait_for(lambda: status(site)["journal"]["head"] > 8, "some records are durable", 20)
    yield process
    with suppress(ProcessLookupError):
        process.kill()
    process.communicate(timeout=10)


def written(site: Path, stick: Path, *words: str) -> tuple[dict[str, Any], list[Path]]:
    stick.mkdir(exist_ok=True)
    done = haihe("bundle", "write", str(site), "--to", str(stick), *words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    files = [Path(each["file"]) for bundle in said["bundles"] for each in bundle["files"]]
    assert sorted(files) == sorted(stick.iterdir()), "nothing unfinished is left"
    return said, files


def waiting(site: Path) -> int:
    return int(status(site)["centres"][0]["waiting_records"])


def test_a_bundle_holds_every_record_of_a_running_station_as_it_was_kept_and_what_a_new_card_must_know(
    site: Path, tmp_path: Path, agent: "subprocess.Popen[str]"
) -> None:
    head = status(site)["journal"]["head"]
    said, files = written(site, tmp_path / "stick")
    carried, kept = in_bundles(files), in_journal(site.parent / "journal")
    assert said["running"]
    assert said["bundles"][0]["records"] == len(carried)
    lines = numbers_of(carried)
    assert len(lines) == 2
    for line, numbers in lines.items():
        assert not numbers.holes(1, numbers.last)
        assert any(
            each["line"] == f"{line:016x}" and each["last"] == numbers.last for each in said["bundles"][0]["lines"]
        )
    assert [*lines.values()][-1].last >= head, "what waited for its commit was made durable first"
    assert {key: kept[key] for key in carried} == carried
    assert {key for key in kept if key[1] <= lines[key[0]].last} == carried.keys()
    (bundle,) = bundles_in(files)
    assert (bundle.head.station, bundle.head.centre, bundle.end.last) == (CODE, "haihe", True)
    assert SITE in {state.name for state in bundle.states}
    assert files[0].name.startswith(f"{CODE}-haihe-2")
    assert not set('<>:"/\\|?*') & set(files[0].name)
    wait_for(lambda: status(site)["journal"]["head"] > head + 5, "it measures on", 20)
    assert agent.poll() is None


def test_receipts_that_are_brought_back_free_what_they_cover_and_outlive_a_power_cut(
    site: Path, tmp_path: Path, pki: Pki, agent: "subprocess.Popen[str]"
) -> None:
    _, files = written(site, tmp_path / "stick")
    lines = numbers_of(in_bundles(files))
    told = receipts_file(tmp_path / "31005650-haihe.receipts", pki, lines)
    assert waiting(site) >= sum(numbers.count() for numbers in lines.values())
    done = haihe("bundle", "receipts", str(told), "--site", str(site), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    (centre,) = said["centres"]
    assert said["running"]
    assert centre["receipts"] == 2
    assert centre["new"] == sum(numbers.count() for numbers in lines.values())
    assert centre["here"] - centre["waiting"] == centre["new"]
    left = waiting(site)
    assert left <= status(site)["journal"]["head"] - [*lines.values()][-1].last
    agent.send_signal(signal.SIGKILL)
    agent.communicate(timeout=10)
    again = start(site)
    try:
        _, more = written(site, tmp_path / "another stick")
        later = numbers_of(in_bundles(more))
        kept = numbers_of(in_journal(site.parent / "journal"))
        for line, numbers in kept.items():
            known, new = lines.get(line, EMPTY), later.get(line, EMPTY)
            assert not known & (new - DICTIONARY), "what is known to be there is not carried again"
            last = (known | new).last
            assert not (known | new).holes(1, last), "and nothing lies between"
            assert last <= numbers.last
    finally:
        again.kill()
        again.communicate(timeout=10)


def test_a_receipt_that_is_not_the_centres_changes_nothing_and_the_others_of_the_call_count(
    site: Path, tmp_path: Path, pki: Pki, agent: "subprocess.Popen[str]"
) -> None:
    _, files = written(site, tmp_path / "stick")
    lines = numbers_of(in_bundles(files))
    before = waiting(site)
    forged = receipts_file(tmp_path / "forged", pki, lines)
    data = bytearray(forged.read_bytes())
    data[12] ^= 1  # of the first signature
    forged.write_bytes(data)
    foreign = receipts_file(tmp_path / "foreign", pki, lines, code="31005651")
    unknown = receipts_file(tmp_path / "unknown", pki, lines, centre="river")
    words = ("--site", str(site), "--lang", "en")
    done = haihe("bundle", "receipts", str(forged), str(foreign), str(unknown), str(files[0]), *words)
    assert done.returncode == 1
    assert f"{forged}: a receipt was not accepted: the signature is not of the centre's receipt key" in done.stderr
    assert f"{foreign}: its receipts are for station 31005651, and this is {CODE}" in done.stderr
    assert f"{unknown}: the site file names no centre river; one of: haihe" in done.stderr
    assert f"{files[0]}: this is a bundle, not a file of receipts" in done.stderr
    assert waiting(site) >= before - [*lines.values()][-1].count(), "only the second receipt in it was whole"
    good = receipts_file(tmp_path / "good", pki, lines)
    done = haihe("bundle", "receipts", str(forged), str(good), "--site", str(site), "--lang", "zh")
    assert done.returncode == 1
    assert "回执未被接受：签名与该中心的回执公钥不符" in done.stderr
    left = waiting(site)
    first, _ = lines.values()
    assert status(site)["journal"]["head"] + first.last - left >= sum(numbers.count() for numbers in lines.values())


def test_signatures_are_made_by_the_command_and_never_loaded_by_the_agent_and_its_memory_does_not_grow(
    site: Path, tmp_path: Path, pki: Pki, agent: "subprocess.Popen[str]"
) -> None:
    def resident() -> int:
        text = Path(f"/proc/{agent.pid}/status").read_text("ascii")
        return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1])

    _, files = written(site, tmp_path / "stick")  # threads and buffers of a first time
    told = receipts_file(tmp_path / "told", pki, numbers_of(in_bundles(files)))
    haihe("bundle", "receipts", str(told), "--site", str(site))
    before = resident()
    for n in range(5):
        written(site, tmp_path / f"stick {n}", "--all")
        haihe("bundle", "receipts", str(told), "--site", str(site))
    assert resident() < before + 2048
    mapped = Path(f"/proc/{agent.pid}/maps").read_text("utf-8")
    assert "libssl" in mapped, "Python's own, for links and receipts"
    assert "cryptography" not in mapped
