"""A link between station and broker that can be cut, frozen, delayed and throttled: a TCP proxy."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from haihe_contract.errors import FieldError

CONNECTIONS_MAX = 64
_CHUNK = 16 * 1024


class LinkState(StrEnum):
    """What the link does now."""

    OPEN = "open"
    CUT = "cut"  # connections are reset, new ones refused
    FROZEN = "frozen"  # everything stays connected and nothing passes


class Link:
    """Forwards one listening port to a target.

    Args:
        target: host and port behind the link.
        host: address to listen at.
        port: 0 for any free one; the chosen one is in ``port`` after :meth:`start`.
    """

    def __init__(self, target: tuple[str, int], *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.target = target
        self.host, self.port = host, port
        self.state = LinkState.OPEN
        self._flows = asyncio.Event()
        self.delay_s = 0.0
        self.bytes_per_s = 0.0
        self.carried_up = 0
        self.carried_down = 0
        self._server: asyncio.Server | None = None
        self._pairs: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen, and forward what comes."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]
        self.state = LinkState.OPEN
        self._flows.set()

    async def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        self.state = LinkState.CUT
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            _reset(writer)
        for task in list(self._pairs):
            task.cancel()
        await asyncio.gather(*self._pairs, return_exceptions=True)

    async def freeze(self) -> None:
        """Let nothing pass while all connections seem alive, as a modem without a carrier does."""
        self.state = LinkState.FROZEN
        self._flows.clear()

    async def mend(self) -> None:
        """Everything passes again."""
        await self.start()

    async def close(self) -> None:
        """End for good."""
        await self.cut()

    async def order(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Do one order of the control: ``{"do": "cut" | "freeze" | "mend" | "shape" | "status", …}``.

        Raises:
            FieldError: when there is no such order.
        """
        match message.get("do"):
            case "cut":
                await self.cut()
            case "freeze":
                await self.freeze()
            case "mend":
                await self.mend()
            case "shape":
                self.delay_s = max(0.0, float(message.get("delay_s", self.delay_s)))
                self.bytes_per_s = max(0.0, float(message.get("bytes_per_s", self.bytes_per_s)))
            case "status":
                pass
            case other:
                raise FieldError(
                    f"the link does not know the order {other!r}",
                    do='write one line such as {"do": "cut"}; orders are cut, freeze, mend, shape, status',
                )
        return {
            "state": self.state,
            "port": self.port,
            "connections": len(self._writers) // 2,
            "delay_s": self.delay_s,
            "bytes_per_s": self.bytes_per_s,
            "bytes_up": self.carried_up,
            "bytes_down": self.carried_down,
        }

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self.state is LinkState.CUT or len(self._pairs) >= CONNECTIONS_MAX:
            _reset(writer)
            return
        self._pairs.add(task)
        self._writers.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            far_reader, far = await asyncio.open_connection(*self.target)
            self._writers.add(far)
            up = asyncio.ensure_future(self._pump(reader, far, up=True))
            down = asyncio.ensure_future(self._pump(far_reader, writer, up=False))
            try:
                await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            finally:
                up.cancel()
                down.cancel()
                await asyncio.gather(up, down, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the far side is away, or the link was cut: either way this pair is over
        finally:
            self._pairs.discard(task)
            for each in (writer, far):
                if each is not None:
                    self._writers.discard(each)
                    _reset(each)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        while data := await reader.read(_CHUNK):
            if self.bytes_per_s:
                await asyncio.sleep(len(data) / self.bytes_per_s)
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            await self._flows.wait()
            writer.write(data)
            await writer.drain()
            if up:
                self.carried_up += len(data)
            else:
                self.carried_down += len(data)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST, so that the other side knows at once."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
