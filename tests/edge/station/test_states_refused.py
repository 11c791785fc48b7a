"""What a station keeps beside its journal (counters, times of boots, receipts), while the disk refuses it."""

import asyncio
import os
import resource
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from haihe_contract.clock import SystemClock
from haihe_edge.kept import Kept
from haihe_edge.recorder import DISK_RETRY_S, STATES_SAVE_S, Recorder

from tests.edge.forward.simulated_link import SimulatedCentre, Station, now_s, virtually
from tests.edge.journals import journal_in


def test_a_state_that_cannot_be_saved_is_told_until_it_is_saved_though_the_journal_can_write(tmp_path: Path) -> None:
    async def refused() -> None:
        station = Station(SimulatedCentre())
        station.start()
        sick, well = Kept(tmp_path / "gone" / "counters.json", int), Kept(tmp_path / "boots.json", int)
        tried_s: list[float] = []

        def save_well() -> None:
            tried_s.append(now_s())
            well.save(len(tried_s))

        saving = asyncio.ensure_future(station.recorder.save([lambda: sick.save(7), save_well]))
        await asyncio.sleep(STATES_SAVE_S - 1)
        assert not station.recorder.trouble
        await asyncio.sleep(2)
        for _ in range(3 * round(STATES_SAVE_S)):
            committed = station.recorder.commits
            await station.measure(2)
            assert station.recorder.commits > committed
            assert "No such file or directory" in station.recorder.trouble
            assert "counters" in station.recorder.trouble
        steps = [later - earlier for earlier, later in pairwise(tried_s)]
        assert all(step >= STATES_SAVE_S - 0.1 for step in steps), "one that can be saved costs the card no more"
        assert all(step <= STATES_SAVE_S + DISK_RETRY_S for step in steps)
        assert well.load() == len(tried_s) >= 5

        sick.path.parent.mkdir()
        await asyncio.sleep(DISK_RETRY_S + 0.1)
        assert not station.recorder.trouble
        assert sick.load() == 7
        saving.cancel()
        await station.stop()

    virtually(refused)


def test_what_is_saved_at_the_end_waits_for_a_save_that_is_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ended() -> None:
        station = Station(SimulatedCentre())
        counters, stands = Kept(tmp_path / "counters.json", int), [1]
        states = [lambda: counters.save(stands[0])]
        syncing, sync = threading.Event(), os.fsync
        saving = threading.Thread(target=station.recorder.save_now, args=(states,))

        def fsync(descriptor: int) -> None:
            syncing.set()
            if threading.current_thread() is saving:
                time.sleep(0.3)  # as long as a card takes
            sync(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        saving.start()
        assert syncing.wait(5)
        stands[0] = 2
        station.recorder.save_now(states)
        saving.join()
        assert not station.recorder.trouble
        assert counters.load() == 2

    virtually(ended)


def test_a_full_disk_is_said_with_the_name_of_what_it_did_not_take(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "counters.json", list[int])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="counters"):
            kept.save([7] * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_start_that_could_not_read_an_older_file_is_not_called_well(tmp_path: Path) -> None:
    (tmp_path / "00000001-00000000000000aa-1.journal").mkdir()
    journal = journal_in(tmp_path)
    assert "journal stats" in Recorder(journal, SystemClock(), 1000).trouble
    journal.close()
    (tmp_path / "00000001-00000000000000aa-1.journal").rmdir()
    journal = journal_in(tmp_path)
    assert Recorder(journal, SystemClock(), 1000).trouble == ""
    journal.close()


def test_a_pipe_in_the_place_of_what_is_kept_is_said_and_stops_no_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "counters.json")
    kept = Kept(tmp_path / "counters.json", int)
    with pytest.raises(OSError, match="counters"):
        kept.load()
    assert kept.save(7)
    assert kept.load() == 7
