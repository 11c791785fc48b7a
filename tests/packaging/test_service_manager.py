"""What systemd is told, and what its units let through, by real processes."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tests.packaging.processes import ROOT, STOP_S, Manager, product, running

UNITS = {
    "edge": ROOT / "edge/system/haihe-edge.service",
    "cloud": ROOT / "cloud/system/haihe-cloud.service",
}
EXPOSURE_MOST = 2.0
_REFUSE_EXECUTABLE = (
    "import ctypes, os, sys; assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0; os.execv(sys.argv[1], sys.argv[1:])"
)
"""PR_SET_MDWE of prctl(2): the kernel's own MemoryDenyWriteExecute=, kept over exec."""


@pytest.fixture(params=["edge", "cloud"])
def side(request: pytest.FixtureRequest, site_file: Path, cloud_settings: Callable[..., Path]) -> tuple[str, list[str]]:
    """Name and command of each of the two services."""
    if request.param == "edge":
        return "edge", product("haihe_edge", "run", site_file)
    return "cloud", product("haihe_cloud", "run", "--config", cloud_settings())


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """A listening service manager, with either kind of address that sd_notify(3) knows."""
    path = tmp_path / "notify"
    made = Manager(str(path) if request.param == "path" else f"@haihe-test-{os.getpid()}-{tmp_path.name}")
    yield made
    made.close()


def directives(unit: Path, name: str) -> list[str]:
    """All values of a key of a unit, in order."""
    return re.findall(rf"^{name}=(.*)$", unit.read_text("utf-8"), re.MULTILINE)


def test_the_service_manager_hears_ready_watchdog_and_stopping_in_that_order(
    side: tuple[str, list[str]], manager: Manager, tmp_path: Path
) -> None:
    _, command = side
    with running(command, tmp_path / "log", NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="1000000") as process:
        before = manager.hear("READY=1")
        assert "STOPPING=1" not in before
        for _ in range(2):
            manager.hear("WATCHDOG=1", 3.0)
        process.send_signal(signal.SIGTERM)
        manager.hear("STOPPING=1")
        assert process.wait(STOP_S) == 0, (tmp_path / "log").read_text()


def test_a_service_that_nobody_watches_says_nothing_and_runs(side: tuple[str, list[str]], tmp_path: Path) -> None:
    _, command = side
    silent = {"NOTIFY_SOCKET": "", "WATCHDOG_USEC": ""}
    with running(command, tmp_path / "log", **silent) as process:
        wait_for(lambda: (tmp_path / "log").stat().st_size, "it says that it runs")
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0, (tmp_path / "log").read_text()


def test_the_watchdog_is_fed_more_often_than_the_unit_asks() -> None:
    for unit in UNITS.values():
        (patience,) = directives(unit, "WatchdogSec")
        assert int(patience.removesuffix("s")) >= 10, "a slow SD card may hold a commit for seconds"
        assert directives(unit, "Type") == ["notify"]
        assert directives(unit, "Restart") == ["always"]


@pytest.mark.parametrize("name", UNITS)
def test_the_unit_exposes_little_to_whoever_breaks_in(name: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: the exposure of the unit is not measured here")
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", UNITS[name]],
        capture_output=True,
        text=True,
        timeout=30,
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said.stdout)
    assert found, said.stderr
    assert float(found[1]) <= EXPOSURE_MOST


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_every_line_of_the_unit(name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: the unit is not parsed here")
    text = re.sub(r"^(Exec\w+)=\S+", r"\1=/bin/true", UNITS[name].read_text("utf-8"), flags=re.MULTILINE)
    copy = tmp_path / UNITS[name].name
    copy.write_text(text, "utf-8")
    said = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, timeout=30)
    assert said.returncode == 0, said.stderr
    assert copy.name not in said.stderr


def allowed_calls(unit: Path) -> set[str]:
    """System calls that the unit's filters let through, in systemd's own words."""
    calls: set[str] = set()
    for words in directives(unit, "SystemCallFilter"):
        taken_away = words.startswith("~")
        for word in words.removeprefix("~").split():
            group = expand(word)
            calls = calls - group if taken_away else calls | group
    return calls


def expand(word: str) -> set[str]:
    """A call, or all calls of a group."""
    if not word.startswith("@"):
        return {word}
    said = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", word], capture_output=True, text=True, check=True
    ).stdout
    calls: set[str] = set()
    for line in said.splitlines()[1:]:
        each = line.strip()
        if each and not each.startswith("#"):
            calls |= expand(each)
    return calls


def test_the_unit_allows_every_system_call_that_the_service_makes(side: tuple[str, list[str]], tmp_path: Path) -> None:
    name, command = side
    for tool in ("strace", "systemd-analyze"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: the system calls are not compared with the unit here")
    trace, manager = tmp_path / "trace", Manager(str(tmp_path / "notify"))
    strict = [sys.executable, "-c", _REFUSE_EXECUTABLE, *command]  # MemoryDenyWriteExecute=yes at the same time
    with running(
        ["strace", "-f", "-qq", "-o", str(trace), *strict], tmp_path / "log", NOTIFY_SOCKET=manager.address
    ) as process:
        manager.hear("READY=1", 60.0)
        wait_for(lambda: "connect(" in trace.read_text("utf-8", "replace"), "it has tried to connect", 30.0)
        child = int(trace.read_text("utf-8", "replace").split(maxsplit=1)[0])
        os.kill(child, signal.SIGTERM)
        manager.hear("STOPPING=1", 30.0)
        assert process.wait(STOP_S) == 0, (tmp_path / "log").read_text()
    manager.close()
    made = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text("utf-8", "replace"), re.MULTILINE))
    assert len(made) > 20
    by_root = {"fchown"} if os.geteuid() == 0 else set()  # SQLite keeps the owner of its files, when it is root
    assert made - allowed_calls(UNITS[name]) - by_root == set()


def test_udev_names_adapters_by_where_they_are_plugged_in() -> None:
    text = (ROOT / "edge/system/70-haihe-serial.rules").read_text("utf-8")
    keys = r"(ACTION|SUBSYSTEM|SUBSYSTEMS|DRIVERS|GOTO|LABEL|SYMLINK|(ENV|ATTR|IMPORT)\{[\w./]+\})"
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]
    for rule in rules:
        for part in rule.split(", "):
            assert re.fullmatch(rf'{keys}(==|!=|=|\+=)"[^"]*"', part), part
    labels, jumps = set(re.findall(r'LABEL="(\w+)"', text)), set(re.findall(r'GOTO="(\w+)"', text))
    assert labels == jumps
    assert all("$env{ID_PATH_TAG}" in link for link in re.findall(r'SYMLINK\+="([^"]+)"', text))
