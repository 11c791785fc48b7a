"""Controllers on a serial line and behind a socket, and stations that measure them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.edge.acquire.write import wired
from tests.edge.acquire.write.wired import Controller


class Wired(NamedTuple):
    """Two controllers; ``bus`` is how a site file names where they are."""

    folder: Path
    bus: str
    first: Controller
    second: Controller
    line: "wired.Watched | wired.ModbusServer"


@pytest.fixture(params=["serial", "tcp"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Wired]:
    """On a pseudo-terminal, and behind a socket."""
    async for made in _wired(tmp_path, request.param):
        yield made


@pytest.fixture
async def serial(tmp_path: Path) -> AsyncIterator[Wired]:
    """On a pseudo-terminal."""
    async for made in _wired(tmp_path, "serial"):
        yield made


async def _wired(folder: Path, kind: str) -> AsyncIterator[Wired]:
    (folder / "profiles").mkdir()
    (folder / "profiles" / "controller.yaml").write_text(wired.PROFILE)
    first, second = Controller(1, folder), Controller(2, folder)
    if kind == "serial":
        line = wired.serial_line(folder, first, second)
        yield Wired(folder, f"kind: serial, port: {folder / 'tty'}, baud: 19200", first, second, line)
        await line.close()
    else:
        server = await wired.served(first, second)
        yield Wired(folder, f"kind: tcp, host: 127.0.0.1, port: {server.port}", first, second, server)
        await server.close()
    for controller in (first, second):
        controller.log.close()
