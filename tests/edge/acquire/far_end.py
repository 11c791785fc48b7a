"""The far end of a serial line: a real pseudo-terminal that answers as a test tells it to."""

import asyncio
import os
import pty
import tty
from collections.abc import Callable
from pathlib import Path

from haihe_edge.acquire.modbus.frames import crc16
from pymodbus.server import ModbusTcpServer

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


async def port_of(server: ModbusTcpServer) -> int:
    """Start an independent Modbus TCP server; its port."""
    async with asyncio.timeout(5):
        await server.serve_forever(background=True)
    assert server.transport is not None
    return int(server.transport.sockets[0].getsockname()[1])  # type: ignore[attr-defined]


def nmea(body: str) -> bytes:
    """A sentence with its checksum."""
    found = 0
    for byte in body.encode("latin-1"):
        found ^= byte
    return f"${body}*{found:02X}\r\n".encode("latin-1")
