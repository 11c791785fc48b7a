"""Processes that are measured from outside: started as installed software is, and what the kernel says of them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
PROFILES = Path(__file__).parents[1] / "firmware_profiles"


def installed(folder: Path) -> dict[str, str]:
    """The environment of an installed agent: its modules are compiled already, whatever this tree is set to."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"HAIHE_PROFILES": str(PROFILES), "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    warm_up = [sys.executable, "-c", "import haihe_edge.cli, haihe_edge.station"]
    subprocess.run(warm_up, env=environment, check=True)
    return environment


@contextmanager
def process(command: list[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """A Python child that ends with the block."""
    child = subprocess.Popen([sys.executable, *command], text=True, **options)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def cpu_s(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int, name: str = "VmRSS") -> float:
    """A line of the process's status in MB: what is resident, unless another is asked for."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    return 0.0
