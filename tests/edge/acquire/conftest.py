"""Real pseudo-terminals and sockets that answer as a test tells them to."""

import asyncio
import os
import pty
import tty
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from haihe_edge.acquire.modbus import crc16

Answering = Callable[[bytes], list[tuple[float, bytes]]]
"""From a request to pieces of an answer, each with the seconds to wait before it."""


def framed(body: bytes) -> bytes:
    """Append the checksum."""
    return body + crc16(body).to_bytes(2, "little")


def registers_answer(request: bytes, *values: int) -> bytes:
    """The right answer to a read."""
    body = b"".join(value.to_bytes(2, "big") for value in values)
    return framed(request[:2] + bytes([len(body)]) + body)


class PtyInstrument:
    """The far end of a serial line: cuts requests of 8 bytes and plays the answers."""

    def __init__(self, link: Path, answering: Answering) -> None:
        self.link = link
        self.answering = answering
        self.requests: list[bytes] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.plug()

    @property
    def port(self) -> str:
        return str(self.link)

    def plug(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(self._slave))
        self._bytes = b""
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def unplug(self) -> None:
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)
        self.link.unlink(missing_ok=True)
        self._master = -1

    def say(self, data: bytes) -> None:
        if self._master >= 0:
            os.write(self._master, data)

    def _readable(self) -> None:
        self._bytes += os.read(self._master, 1024)
        while len(self._bytes) >= 8:
            request, self._bytes = self._bytes[:8], self._bytes[8:]
            self.requests.append(request)
            task = asyncio.ensure_future(self._play(self.answering(request)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _play(self, pieces: list[tuple[float, bytes]]) -> None:
        for seconds, data in pieces:
            await asyncio.sleep(seconds)
            self.say(data)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.unplug()


@pytest.fixture
async def on_pty(tmp_path: Path) -> AsyncIterator[Callable[[Answering], PtyInstrument]]:
    made: list[PtyInstrument] = []

    def make(answering: Answering) -> PtyInstrument:
        made.append(PtyInstrument(tmp_path / f"tty{len(made)}", answering))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
async def on_tcp() -> AsyncIterator[Callable[..., Awaitable[int]]]:
    """Start a server whose connections run the given coroutine; gives its port."""
    servers: list[asyncio.Server] = []

    async def start(serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> int:
        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await serve(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(served, "127.0.0.1", 0)
        servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()


PROFILE = """
profile: {name}
maker: test
model: test
grade: simulated
sources: [test]
transport: modbus
units: [0, 255]
answer_ms: {{typical: 5, most: {most}}}
blocks:
  - {{table: holding, start: 0, count: 8}}
points:
  - {{name: distance, at: 0, as: u16, element: distance, times: 0.001}}
  - {{name: rain, at: 1, as: u16, element: accumulated_rain, times: 0.1, sentinels: [{{raw: 65535, why: none}}]}}
"""


@pytest.fixture
def site_file(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Writes a site file around buses, instruments and levels; two small profiles, quick and slow, lie beside it."""
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "quick.yaml").write_text(PROFILE.format(name="quick", most=60))
    (profiles / "slow.yaml").write_text(PROFILE.format(name="slow", most=300))

    def write(rest: str) -> Path:
        path = tmp_path / "site.yaml"
        path.write_text(
            'station: {code: "31005650", name: {zh: 站, en: station}, latitude: 39.1458, longitude: 117.1897}\n'
            "journal: {directory: journal}\n" + rest
        )
        return path

    yield write
