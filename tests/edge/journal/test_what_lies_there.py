"""Files of a journal that are not as an agent left them: the start and the commits go on, and say what is missing."""

import os
import shutil
import tracemalloc
from pathlib import Path

import msgspec
import pytest
from haihe_contract.record import Event, Gap, Opened
from haihe_edge.journal import Folder, Look, segment
from msgspec.structs import replace

from tests.edge.journal.test_journal import crash, everything, group, start


def test_an_empty_file_and_foreign_files_do_not_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "00000001-00000000000000aa-1.journal").write_bytes(b"")
    (tmp_path / "notes.journal").write_bytes(b"what is this")
    journal = start(tmp_path)
    events = [b for b in everything(journal, journal.line).values() if isinstance(b, Event)]
    assert {event.detail["file"] for event in events} == {"00000001-00000000000000aa-1.journal", "notes.journal"}


def test_a_file_that_a_damaged_disk_shows_as_endless_neither_fills_the_memory_nor_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "FILE_BYTES_MAX", 1 << 20)
    journal = start(tmp_path, size=1 << 22)
    for n in range(100):
        journal.append(group(n))
    journal.commit()
    crash(journal)
    (file,) = tmp_path.glob("*.journal")
    os.truncate(file, 64 << 20)
    tracemalloc.start()
    again = start(tmp_path, size=1 << 22)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16 << 20
    assert len(everything(again, journal.line)) == 102
    again.append(group(200))
    again.commit()
    assert file.exists()
    assert again.bytes_used() < again.size


def test_a_file_that_is_removed_while_it_is_written_is_named_and_the_next_one_goes_on(tmp_path: Path) -> None:
    journal = start(tmp_path)
    for n in range(5):
        journal.append(group(n))
    journal.commit()
    (file,) = tmp_path.glob("*.journal")
    file.unlink()
    journal.append(group(5))
    assert journal.commit() == []
    assert journal.trouble == f"No such file or directory ({file})"
    journal.append(group(6))
    assert [record.number for record in journal.commit()] == [8, 9, 10]
    assert journal.trouble == ""
    crash(journal)
    again = start(tmp_path)
    found = everything(again, journal.line)
    assert sorted(found) == [8, 9, 10]
    assert [body for body in found.values() if isinstance(body, Gap)] == [
        Gap(journal.line, [(1, 7)], "unreadable", 1_790_000_000_000)
    ]


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a link to itself"])
def test_what_is_no_file_and_has_the_name_of_one_is_said_and_stops_no_start(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"00000001-{1:016x}-1.journal"
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to(path)
    journal = start(tmp_path)
    (said,) = [each for each in everything(journal, journal.line).values() if isinstance(each, Event)]
    assert (said.kind, said.detail["file"]) == ("journal_unreadable", path.name)
    assert said.detail["why"] in (
        "it is a pipe or a device, and no file",
        "Is a directory",
        "Too many levels of symbolic links",
    )


@pytest.mark.parametrize(
    "name",
    [
        "copy of {name}",
        "new\nline.journal",
        "999999999999-{line:016x}-1.journal",
        "99999999999999999999-{line:016x}-1.journal",
    ],
)
def test_a_copy_beside_the_files_under_any_name_never_hides_which_line_was_the_last(tmp_path: Path, name: str) -> None:
    first = start(tmp_path)
    first.close()
    (file,) = tmp_path.glob("*.journal")
    shutil.copy(file, tmp_path / name.format(name=file.name, line=first.line))
    for _ in range(3):
        before, journal = first, start(tmp_path)
        opening = everything(journal, journal.line)[1]
        assert isinstance(opening, Opened)
        assert opening.previous == before.line
        journal.close()
        first = journal
    assert {path.name[:8] for path in tmp_path.glob("0*.journal")} == {f"{n:08d}" for n in (1, 2, 3, 4)}
    assert [each.line for each in Look(Folder(tmp_path)).segments][-1] == first.line
    assert len(Look(Folder(tmp_path)).segments) == 5


def test_a_dictionary_that_only_another_version_can_read_stops_no_start(tmp_path: Path) -> None:
    journal = start(tmp_path)
    journal.append(group(1))
    journal.close()
    (file,) = tmp_path.glob("*.journal")
    raw = bytearray(file.read_bytes())
    at = segment.HEAD.size
    magic, kind, length, _, first, count, time_ms = segment.FRAME.unpack_from(raw, at)
    payload = b"\xc0" * length
    crc = segment.frame_crc(kind, first, count, time_ms, payload)
    segment.FRAME.pack_into(raw, at, magic, kind, length, crc, first, count, time_ms)
    raw[at + segment.FRAME.size : at + segment.FRAME.size + length] = payload
    file.chmod(0o640)
    file.write_bytes(raw)
    again = start(tmp_path)
    assert sorted(everything(again, journal.line)) == [1, 2, 3]


def test_a_seal_that_says_what_cannot_be_is_none(tmp_path: Path) -> None:
    journal = start(tmp_path)
    journal.append(group(1))
    journal.close()
    (file,) = tmp_path.glob("*.journal")
    raw = file.read_bytes()
    at, magic = segment.END.unpack(raw[-segment.END.size :])
    _, kind, _, _, first, count, time_ms = segment.FRAME.unpack_from(raw, at)
    seal = msgspec.msgpack.decode(raw[at + segment.FRAME.size : -segment.END.size], type=segment.Seal)
    payload = msgspec.msgpack.encode(replace(seal, numbers=[(3, 1)]))
    crc = segment.frame_crc(kind, first, count, time_ms, payload)
    frame = segment.FRAME.pack(segment.FRAME_MAGIC, kind, len(payload), crc, first, count, time_ms)
    file.chmod(0o640)
    file.write_bytes(raw[:at] + frame + payload + segment.END.pack(at, magic))
    assert sorted(everything(start(tmp_path), journal.line)) == [1, 2, 3]
