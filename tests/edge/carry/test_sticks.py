"""Sticks as they are: full, refusing, pulled out, or no stick at all but the card's own disk."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from haihe_cloud.admit.pki import Pki
from haihe_contract import wire
from haihe_contract.bundle import Head, Signature
from haihe_contract.clock import beijing
from haihe_contract.receipt import LineHeld, Receipt
from haihe_contract.record import Dictionary
from haihe_edge.carry import writing
from haihe_edge.carry.packing import packed
from haihe_edge.carry.writing import BundleFiles, Place, StickGone
from haihe_edge.cli import main
from haihe_edge.forward.held import Held
from haihe_edge.journal import Folder, Look

from tests.edge.carry.carried import CODE, T0, Bundle, Records, bundles_in, fill, in_bundles, in_journal
from tests.edge.station.test_cli import environment


@pytest.fixture
def small_stick(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this machine lets nobody mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


class Meanwhile(io.StringIO):
    """A terminal; a file leaves the card as soon as it says that the first one is done."""

    def __init__(self, leaves: Path) -> None:
        super().__init__()
        self._leaves = leaves

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if "file 1 of 2" in text:
            self._leaves.unlink()
        return super().write(text)


@pytest.mark.parametrize("receipted", [False, True])
def test_what_leaves_the_card_while_it_is_carried_is_said_unless_a_receipt_covers_it(
    site: Path, stick: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, *, receipted: bool
) -> None:
    directory = site.parent / "journal"
    fill(directory, groups=10).close()
    fill(directory, groups=20, seed=2).close()
    first, second = Look(Folder(directory)).segments
    if receipted:
        held = Held(directory / "receipts-haihe")
        held.take(Receipt(1, "haihe", 1, CODE, T0, [LineHeld(second.line, list(second.numbers.ranges))]))
        held.save()
    here = in_journal(directory)
    monkeypatch.setattr(sys, "stderr", Meanwhile(directory / second.name))
    code, said = bundle("write", site, "--to", stick, "--all")
    (found,) = said["bundles"]
    assert in_bundles(stick.iterdir()) == {key: record for key, record in here.items() if key[0] == first.line}
    assert (found["unread"], found["left"]) == (0, 0 if receipted else second.numbers.count())
    assert (code, said["ok"]) == ((0, True) if receipted else (1, False))


def test_on_a_full_stick_what_was_finished_is_whole_and_another_stick_takes_the_rest(
    site: Path, small_stick: Path, stick: Path, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = site.parent / "journal"
    fill(directory, groups=120, each=1000).close()
    code, said = bundle("write", site, "--to", small_stick)
    (first,) = said["bundles"]
    assert code == 1
    assert first["what"] == "the stick is full"
    assert first["do"] == f'carry on with another stick: the same command with --from "{beijing(first["to_ms"])}"'
    assert [Path(each["file"]) for each in first["files"]] == list(small_stick.iterdir())
    carried = in_bundles(small_stick.iterdir())
    assert len(carried) == first["records"] > 20_000
    code, said = bundle("write", site, "--to", stick, "--from", beijing(first["to_ms"]))
    assert code == 0
    rest = in_bundles(stick.iterdir())
    assert carried | rest == in_journal(directory)
    assert len(carried) + len(rest) < len(carried | rest) + 1100, "little is carried twice"
    assert main(["bundle", "write", str(site), "--to", str(small_stick), "--lang", "zh"]) == 1
    shown = capsys.readouterr()
    assert "U 盘已满; 请换一个 U 盘重新开始" in shown.err
    assert in_bundles(small_stick.iterdir()) == carried


def test_a_stick_that_refuses_in_the_middle_of_a_file_keeps_none_that_is_not_whole(site: Path, stick: Path) -> None:
    fill(site.parent / "journal", groups=60, each=200).close()
    code = f"""
import resource, sys
from haihe_edge.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.exit(main(["bundle", "write", {str(site)!r}, "--to", {str(stick)!r}, "--json"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=60, check=False
    )
    assert done.returncode == 1, done.stderr
    (found,) = json.loads(done.stdout)["bundles"]
    assert (found["what"], found["files"]) == ("the stick refuses to be written: File too large", [])
    assert list(stick.iterdir()) == []
    assert "Traceback" not in done.stderr


def test_a_stick_that_is_pulled_out_is_noticed_before_the_card_is_written_to_in_its_place(
    site: Path, small_stick: Path, pki: Pki
) -> None:
    directory = site.parent / "journal"
    fill(directory, groups=60, each=400).close()
    own = pki.directory / "stations"
    signature = Signature((own / f"{CODE}.pem").read_bytes(), (own / f"{CODE}.key").read_bytes())
    head = Head(1, CODE, "haihe", b"12345678", 1, T0, 5, signature.certificate)
    place = Place(small_stick, directory)

    def carry() -> None:
        with BundleFiles(place, "b", head, signature, [], 120_000) as files:
            for each in packed(Look(Folder(directory)), CODE, {}):
                files.add(each)
                if len(files.made) == 1 and not pulled:
                    pulled.update(in_bundles([files.made[0].path]))
                    subprocess.run(["umount", "-l", str(small_stick)], check=True)

    pulled: Records = {}
    with pytest.raises(StickGone):
        carry()
    assert pulled
    assert list(small_stick.iterdir()) == [], "the folder that is left belongs to the card"


def test_many_files_make_one_bundle_and_each_can_be_read_alone(site: Path, stick: Path, pki: Pki) -> None:
    directory = site.parent / "journal"
    fill(directory, groups=60, each=400).close()
    own = pki.directory / "stations"
    signature = Signature((own / f"{CODE}.pem").read_bytes(), (own / f"{CODE}.key").read_bytes())
    head = Head(1, CODE, "haihe", b"12345678", 1, T0, 5, signature.certificate)
    with BundleFiles(Place(stick, directory), "b", head, signature, [], 120_000) as files:
        for each in packed(Look(Folder(directory)), CODE, {}):
            files.add(each)
        files.close()
    assert len(files.made) > 2
    found = bundles_in(each.path for each in files.made)
    assert [each.head.part for each in found] == list(range(1, len(found) + 1))
    assert [each.end.last for each in found] == [False] * (len(found) - 1) + [True]
    assert {each.head.bundle for each in found} == {b"12345678"}
    for each in found:
        for data in each.batches:
            assert any(isinstance(record.body, Dictionary) for record in wire.decode(data).records)
    assert in_bundles(each.path for each in files.made) == in_journal(directory)
    assert all(each.size <= 120_000 for each in files.made)


def test_on_the_disk_of_the_journal_room_is_left_for_what_the_station_measures(
    site: Path, stick: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(site.parent / "journal", groups=30).close()
    assert main(["bundle", "write", str(site), "--to", str(stick), "--lang", "zh"]) == 0
    assert f"{stick} 与日志在同一磁盘上：请把文件复制到别处" in capsys.readouterr().err
    disk = os.statvfs(stick)  # all of it: what is free changes while others work on it
    monkeypatch.setattr(writing, "CARD_LEFT_BYTES", disk.f_blocks * disk.f_frsize)
    code, said = bundle("write", site, "--to", stick)
    assert (code, said["bundles"][0]["what"]) == (1, "the stick is full")
