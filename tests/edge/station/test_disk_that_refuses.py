"""A station whose disk really is full, read-only or broken measures on, and says everything afterwards.

Real file systems: a small ext4 in a file, mounted by a loop device, and behind it, for errors of input and output,
a tmpfs that has no room for what the ext4 was promised. Mounting needs root.
"""

import asyncio
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from haihe_contract.clock import SystemClock
from haihe_contract.errors import FieldError
from haihe_edge.control import AgentAway, ask
from haihe_simulators.account import account
from haihe_simulators.ensemble import Ensemble, Part, free_port, mosquitto
from haihe_simulators.scenery import LEVEL, LOAD, of_twenty

pytestmark = pytest.mark.broker
PATIENCE_S = 12.0
MB = 1 << 20
PROFILES = Path(__file__).parents[3] / "firmware_profiles"

try:
    mosquitto()
except FieldError:
    pytest.skip("Mosquitto is not installed: apt-get install mosquitto", allow_module_level=True)
if os.geteuid() != 0 or not shutil.which("mke2fs"):
    pytest.skip("only root may mount the small file systems of this test, with mke2fs", allow_module_level=True)


class SmallDisk:
    """An ext4 of a few MB, whose file may lie on a tmpfs of its own."""

    def __init__(self, folder: Path, where: Path, *, megabytes: int, behind_megabytes: int = 0) -> None:
        self.where = where
        self.behind = folder / "behind"
        self.behind.mkdir()
        where.mkdir(parents=True)
        self._mounted: list[Path] = []
        if behind_megabytes:
            self._mount("-t", "tmpfs", "-o", f"size={behind_megabytes}m", "none", str(self.behind))
            self._mounted.append(self.behind)
        image = self.behind / "image"
        with image.open("wb") as file:
            file.truncate(megabytes * MB)
        run("mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-O", "^has_journal,^metadata_csum", str(image))
        self._mount("-o", "loop,errors=continue", str(image), str(where))
        self._mounted.append(where)

    def _mount(self, *words: str) -> None:
        try:
            run("mount", *words)
        except subprocess.CalledProcessError as error:
            self.close()
            pytest.skip(f"this machine does not let root mount: {error.stderr.strip()}")

    def remount(self, mode: str) -> bool:
        """Whether it could be done: not while a file is open for writing."""
        with suppress(subprocess.CalledProcessError):
            run("mount", "-o", f"remount,{mode}", str(self.where))
            return True
        return False

    def fill(self, folder: Path) -> None:
        """Another program takes every byte."""
        with (folder / "somebody-elses").open("ab", buffering=0) as file:
            for size in (MB // 4, 4096, 512):
                with suppress(OSError):
                    while True:
                        file.write(b"\1" * size)

    def close(self) -> None:
        for path in reversed(self._mounted):
            subprocess.run(["umount", "-l", str(path)], capture_output=True)
        self._mounted = []


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True, timeout=20)


class Rig:
    """One station with its broker and centre; only the disk of its journal is not as usual."""

    def __init__(self, folder: Path, **disk: int) -> None:
        chance = random.Random(3)
        self.ensemble = Ensemble(folder, 1, chance, SystemClock(), "en", free_port(chance), fit=_small_journal)
        (self.part,) = self.ensemble.parts
        self.part.agent.environment["HAIHE_PROFILES"] = str(_patient(folder, self.ensemble.profiles))
        self.disk = SmallDisk(folder, self.part.folder / "journal", **disk)
        self.pid = 0

    async def start(self) -> None:
        self.ensemble.time.pace(0)  # low water until a test says otherwise
        await self.ensemble.start()
        self.pid = (await self.status())["pid"]

    async def status(self) -> dict[str, Any]:
        said: dict[str, Any] = await asyncio.to_thread(ask, self.part.folder / "control", {"do": "status"})
        return said

    async def trouble(self) -> str:
        return (await self.status())["journal"]["trouble"] or ""

    async def is_refused(self) -> str:
        """What the journal says once its disk refuses: when it needs its next block, which is 4 KiB behind the ext4.

        At 264 bytes a second that block would be 16 s away; readings that are asked for bring it near.
        """
        for bus in (await self.status())["buses"]:
            for each in bus["instruments"]:
                asked = {"do": "read", "instrument": each["name"]}
                await asyncio.to_thread(ask, self.part.folder / "control", asked, timeout_s=PATIENCE_S)
        return await self.trouble()

    def flood(self) -> None:
        """The river stands at its crest from now on."""
        self.ensemble.time.begin_s = self.ensemble.river.crest(0)[0] + 900

    async def alarms(self) -> dict[str, int]:
        answer = await self.ensemble.view.get("/api/v1/alarms")
        return {alarm["level"]: alarm["started_ms"] for alarm in answer["alarms"]} if answer else {}

    async def live_ms(self) -> int:
        """How old the newest level at the centre is."""
        newest = await self.ensemble.view.newest_ms(self.part.actor.code, LEVEL)
        return self.ensemble.clock.now_ms() - newest

    async def measures_on(self, seconds: float) -> None:
        """The same process asks its instruments, all the time: they are asked once a second."""
        for _ in range(round(seconds)):
            before = self.part.instruments.answered
            await asyncio.sleep(2)
            assert self.part.instruments.answered > before
            said = await self.status()
            assert said["pid"] == self.pid
            assert all(each["answered_ago_ms"] < 4000 for bus in said["buses"] for each in bus["instruments"])

    async def recovers(self) -> None:
        """No trouble, nothing waiting for the disk, live values at the centre; and it was never started again."""
        await until(lambda: _not(self.trouble), "the trouble is over")
        await until(lambda: _fresh(self), "live values are back")
        said = await self.status()
        assert (said["pid"], said["journal"]["dropped"]) == (self.pid, 0)

    async def balance(self) -> None:
        await self.ensemble.rest(15)
        sheet = account(self.ensemble.folder)
        assert sheet.clean, (sheet.lost[:5], sheet.doubles[:5], sheet.unexplained[:5])
        assert sheet.readings_answered > 100
        assert (sheet.in_loss_window, sheet.in_gap_records, sheet.still_in_station) == (0, 0, 0)


def _small_journal(written: dict[str, Any]) -> dict[str, Any]:
    return {**of_twenty(written, PROFILES), "journal": {**written["journal"], "size": "2MiB"}}


def _patient(folder: Path, profiles: Path) -> Path:
    """Profiles by which the agent always waits for its simulated instrument, with which it shares the processors.

    Whether a starved instrument answers within the few milliseconds that it used to need is no matter of the disk.
    """
    patient = folder / "patient"
    patient.mkdir()
    written = yaml.safe_load((profiles / f"{LOAD}.yaml").read_text("utf-8"))
    (patient / f"{LOAD}.yaml").write_text(yaml.safe_dump({**written, "answer_ms": {"typical": 700, "most": 900}}))
    return patient


async def _not(asked: Callable[[], Any]) -> bool:
    return not await asked()


async def _fresh(rig: Rig) -> bool:
    return await rig.live_ms() < 3000


async def until(holds: Callable[[], Any], what: str) -> Any:
    end = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        with suppress(AgentAway):
            answer = await holds()
            if answer:
                return answer
        if asyncio.get_running_loop().time() > end:
            pytest.fail(f"waited {PATIENCE_S} s in vain until {what}")
        await asyncio.sleep(0.1)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="haihe-disk-"))  # short: a socket's path may have 107 letters
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def played(rig: Rig, story: Callable[[Rig], Any]) -> None:
    try:
        await rig.start()
        await story(rig)
    finally:
        await rig.ensemble.end()
        rig.disk.close()


async def full_then_read_only(rig: Rig) -> None:
    part: Part = rig.part
    rig.disk.fill(part.folder / "journal")
    full = await until(rig.is_refused, "the journal says that it cannot write")
    assert "No space left" in full
    began_ms = rig.ensemble.clock.now_ms()
    rig.flood()
    await rig.measures_on(3)
    await until(lambda: _done(rig.disk.remount("ro")), "the disk is read-only")
    await until(lambda: _says(rig, "Read-only"), "the journal says so")
    await rig.measures_on(3)
    await until(lambda: _both(rig), "the alarms leave from memory, on the volatile line")
    assert rig.disk.remount("rw")
    (part.folder / "journal" / "somebody-elses").unlink()
    freed_ms = rig.ensemble.clock.now_ms()
    await rig.recovers()
    alarms = await until(lambda: _both(rig), "the alarms of that time are there")
    assert all(began_ms - 1000 <= started_ms <= freed_ms for started_ms in alarms.values())
    await rig.balance()


async def _done(value: bool) -> bool:
    return value


async def _says(rig: Rig, words: str) -> bool:
    return words in await rig.trouble()


async def _both(rig: Rig) -> dict[str, int] | None:
    alarms = {level: at for level, at in (await rig.alarms()).items() if level != "silent"}
    return alarms if set(alarms) == {"warning", "guarantee"} else None


async def test_a_full_and_then_read_only_disk_stops_no_measuring_and_all_is_there_once_it_is_mended(
    folder: Path,
) -> None:
    await played(Rig(folder, megabytes=6), full_then_read_only)


async def errors_of_the_device(rig: Rig) -> None:
    rig.disk.fill(rig.disk.behind)  # the ext4 believes in blocks that its device cannot give
    said = await until(rig.is_refused, "the journal says that it cannot write")
    room = os.statvfs(rig.disk.where)
    assert room.f_bavail * room.f_frsize > MB, "it is not the file system that is full"
    assert any(words in said for words in ("Input/output error", "No space left"))  # as the device says it
    await rig.measures_on(3)
    (rig.disk.behind / "somebody-elses").unlink()
    await rig.recovers()
    await rig.balance()


async def test_a_device_that_loses_what_was_written_stops_no_measuring_and_all_is_there_once_it_is_mended(
    folder: Path,
) -> None:
    await played(Rig(folder, megabytes=6, behind_megabytes=3), errors_of_the_device)
