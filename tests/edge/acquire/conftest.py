"""Real pseudo-terminals and sockets that answer as a test tells them to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.edge.acquire.far_end import Answering, PtyInstrument


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
def site_file(tmp_path: Path) -> Callable[[str], Path]:
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

    return write
