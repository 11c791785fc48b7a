"""Lines and sockets for instruments in trouble."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.edge.acquire.faults.shared_line import Line, Serve, Station, both, measuring


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    """A serial line with a sick and a well instrument."""
    line = Line(tmp_path / "tty")
    yield line
    line.pty.close()


@pytest.fixture
def on_line(tmp_path: Path, line: Line) -> Callable[[], AbstractAsyncContextManager[Station]]:
    """A station that measures both instruments of the line."""
    return lambda: measuring(tmp_path, both(f"kind: serial, port: {line.pty.port}"))


@pytest.fixture
async def on_tcp() -> AsyncIterator[Callable[[Serve], Awaitable[int]]]:
    """Start a server whose connections run the given coroutine; gives its port."""
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[object]] = set()

    async def start(serve: Serve, port: int = 0) -> int:
        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await serve(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                writer.transport.abort()
                tasks.discard(task)

        server = await asyncio.start_server(served, "127.0.0.1", port)
        servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
