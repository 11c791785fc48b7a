"""Real processes of the product, started as a supervisor would, and ended for certain."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STOP_S = 20.0


@contextmanager
def running(command: Sequence[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the length of the block; its output goes to the log."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            list(command), stdout=out, stderr=out, env={**os.environ, **environment}, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_S)


def product(name: str, *arguments: str | Path) -> list[str]:
    """The command line of one of our programs, from this work tree."""
    return [sys.executable, "-m", name, *(str(each) for each in arguments)]


class Manager:
    """The other end of sd_notify(3): a real datagram socket, as systemd has one."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def hear(self, word: str, seconds: float = STOP_S) -> list[str]:
        """Everything that is said until that word; the test fails when it does not come."""
        self._socket.settimeout(seconds)
        heard: list[str] = []
        while word not in heard:
            try:
                heard += self._socket.recv(4096).decode().splitlines()
            except TimeoutError:
                pytest.fail(f"waited {seconds} s in vain for {word}; heard {heard}")
        return heard

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
