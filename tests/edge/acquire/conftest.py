"""The loop these tests live in, real sockets that answer as a test tells them to, and sites around them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from tests.edge.patient_loop import PatientLoop
from tests.edge.site_text import modbus_profile, write_site


def pytest_asyncio_loop_factories(item: pytest.Function) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that a module names as its ``LOOP``.

    Otherwise a patient one: these tests count milliseconds, and those in which the machine did not let them run do
    not count.
    """
    return {"loop": getattr(item.module, "LOOP", PatientLoop)}


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
answer_ms: {{typical: 5, most: {most}}}
units: [0, 255]
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
    for name, most in (("quick", 60), ("slow", 300)):
        (profiles / f"{name}.yaml").write_text(modbus_profile(PROFILE.format(most=most), name))
    return partial(write_site, tmp_path)
