"""The way to the instruments breaks: nothing is blamed on them, the reason is told, and all are back by themselves."""

import asyncio
import ctypes
import os
import shutil
import socket
import struct
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path

import pytest
from haihe_contract.quality import Reason

from tests.edge.acquire.faults.shared_line import WELL, Line, Station, answer_of, both, measuring
from tests.edge.heard import has_values

OnLine = Callable[[], AbstractAsyncContextManager[Station]]
OnTcp = Callable[..., Awaitable[int]]
NOBODY = 65534
FRAME = 12
"""Bytes of a read by Modbus TCP."""


def over_tcp(request: bytes) -> bytes:
    """The right answer by Modbus TCP."""
    body = answer_of(request[6:] + b"\0\0")[:-2]
    return request[:4] + len(body).to_bytes(2, "big") + body


async def serving(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server in good order."""
    while True:
        writer.write(over_tcp(await reader.readexactly(FRAME)))


async def test_a_port_that_is_pulled_and_comes_back_under_another_name_is_found(line: Line, on_line: OnLine) -> None:
    async with on_line() as station:
        await station.heals()
        before = line.pty.link.readlink()
        line.pty.unplug()
        await station.missing(Reason.BUS_DOWN)
        keeps_the_name_away, taken = os.openpty()  # so that the next one must be called otherwise
        try:
            await station.missing(Reason.BUS_DOWN)
            assert station.bus_words().startswith(f"port {line.pty.port}: ")
            assert station.sick.failures == 0
            line.pty.plug()
            assert line.pty.link.readlink() != before
            await station.heals()
        finally:
            os.close(keeps_the_name_away)
            os.close(taken)
        assert station.acquirer.state()[0].error is None
        assert station.kinds() == ["bus_down", "bus_up"]


@contextmanager
def without_rights() -> Iterator[None]:
    """Open files as nobody does, where the tests run as the user who may do anything (Linux: setfsuid(2))."""
    if os.getuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None)
    libc.setfsuid(NOBODY)
    try:
        yield
    finally:
        libc.setfsuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may look into; pytest's own is for its user alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def test_a_permission_that_is_lost_is_said_and_its_return_is_noticed(open_folder: Path) -> None:
    line = Line(open_folder / "tty")
    try:
        async with measuring(open_folder, both(f"kind: serial, port: {line.pty.port}")) as station:
            await station.heals()
            line.pty.unplug()
            line.pty.plug()
            line.pty.link.resolve().chmod(0)
            with without_rights():
                await station.missing(Reason.BUS_DOWN)
                await station.until(lambda group: "Permission denied" in station.bus_words())
                assert station.bus_words() == f"port {line.pty.port}: Permission denied"
                assert station.sick.failures == 0
            line.pty.link.resolve().chmod(0o666)
            with without_rights():
                await station.heals()
            assert station.kinds() == ["bus_down", "bus_up"]
    finally:
        line.pty.close()


async def test_a_server_that_accepts_and_never_answers_is_silence_and_is_not_dialled_without_end(
    on_tcp: OnTcp, tmp_path: Path
) -> None:
    connections = 0
    cured = False

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if cured:
            await serving(reader, writer)
        await reader.read()
        await asyncio.Event().wait()

    port = await on_tcp(serve)
    async with measuring(tmp_path, both(f"kind: tcp, host: 127.0.0.1, port: {port}")) as station:
        await station.missing(Reason.TIMEOUT)
        await station.missing(Reason.TIMEOUT)
        assert station.words() == "no answer"
        await station.until(lambda group: group.samples[0][2] is Reason.SKIPPED)
        assert connections <= 4
        cured = True
        await station.heals(12)


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
async def test_a_connection_whose_other_end_is_gone_is_made_anew(on_tcp: OnTcp, tmp_path: Path, framing: str) -> None:
    """Half-open: the first connection stands, but nobody reads it any more and nobody says so."""
    frozen = asyncio.Event()
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        first = connections == 1
        while True:
            request = await reader.readexactly(FRAME if framing == "tcp" else 8)
            if not (first and frozen.is_set()):
                writer.write(over_tcp(request) if framing == "tcp" else answer_of(request))

    port = await on_tcp(serve)
    async with measuring(tmp_path, both(f"kind: tcp, host: 127.0.0.1, port: {port}, framing: {framing}")) as station:
        await station.heals()
        frozen.set()
        await station.missing(Reason.TIMEOUT)
        await station.heals(12)
        assert connections == 2


async def test_a_peer_that_has_forgotten_the_connection_is_dialled_again(on_tcp: OnTcp, tmp_path: Path) -> None:
    """A serial server that was switched off and on answers the old connection with a reset."""
    reset = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer: socket.socket = writer.get_extra_info("socket")
        while True:
            request = await reader.readexactly(FRAME)
            if reset.is_set():
                reset.clear()
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            writer.write(over_tcp(request))

    port = await on_tcp(serve)
    async with measuring(tmp_path, both(f"kind: tcp, host: 127.0.0.1, port: {port}")) as station:
        await station.heals()
        reset.set()
        await station.until(lambda group: not has_values(group) or not reset.is_set())
        await station.heals()
        assert station.sick.failures == 0


async def test_a_server_that_is_away_is_a_bus_that_is_down_until_it_is_back(on_tcp: OnTcp, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with measuring(tmp_path, both(f"kind: tcp, host: 127.0.0.1, port: {port}")) as station:
        await station.missing(Reason.BUS_DOWN)
        assert "127.0.0.1" in station.bus_words()
        await on_tcp(serving, port)
        await station.heals()
        assert station.kinds() == ["bus_down", "bus_up"]


async def test_a_gateway_that_misses_an_instrument_does_not_harm_the_others(on_tcp: OnTcp, tmp_path: Path) -> None:
    gone = True

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await reader.readexactly(FRAME)
            if gone and request[6] != WELL:
                writer.write(request[:4] + b"\0\3" + bytes([request[6], request[7] | 0x80, 0x0B]))
            else:
                writer.write(over_tcp(request))

    port = await on_tcp(serve)
    async with measuring(tmp_path, both(f"kind: tcp, host: 127.0.0.1, port: {port}")) as station:
        await station.missing(Reason.EXCEPTION)
        await station.missing(Reason.EXCEPTION)
        assert station.words() == "the instrument refused: exception 11 (gateway: instrument does not answer)"
        gone = False
        await station.heals()
        station.the_other_kept_its_period()
