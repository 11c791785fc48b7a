"""A station pays for what it uses only: memory is short on the computers that stations have."""

import ctypes
import subprocess
import sys

import pytest

NOT_USED_BY_EVERY_STATION = {
    "cryptography": "Python's own OpenSSL checks receipts",
    "gpiod": "only with digital lines",
    "importlib.metadata": "the version is a constant",
    "pynmea2": "only with a receiver",
    "argcomplete": "only while a shell completes",
}


def test_a_station_loads_no_package_that_it_may_never_use() -> None:
    code = "import sys, haihe_edge.cli, haihe_edge.station; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "haihe_edge.link.mqtt" in loaded
    assert set(loaded) & set(NOT_USED_BY_EVERY_STATION) == set()


_BUFFERS_IN_THREADS = """
import ctypes, sys, threading, zlib
if sys.argv[1] == "small":
    from haihe_edge.heap import keep_small
    keep_small()
here = threading.Barrier(4)
def work():
    here.wait()
    kept = [zlib.compressobj() for _ in range(20)]
    buffers = [bytearray(4_000_000) for _ in range(3)]
    here.wait()
threads = [threading.Thread(target=work) for _ in range(4)]
for each in threads: each.start()
for each in threads: each.join()
libc = ctypes.CDLL(None)
libc.malloc_stats()
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_stats"), reason="not glibc")
def test_no_thread_of_the_agent_keeps_a_heap_of_its_own() -> None:
    def arenas(how: str) -> int:
        command = [sys.executable, "-c", _BUFFERS_IN_THREADS, how]
        return subprocess.run(command, capture_output=True, text=True, check=True).stderr.count("Arena ")

    assert arenas("as it comes") > 1
    assert arenas("small") == 1
